package notify

import (
	"net/http"
	"strings"
	"time"

	"heliograph/crmclient"
	"heliograph/internal/limit"
)

// slack is an incoming webhook of Slack (docs.slack.dev). Mentions are by member id.
type slack struct{ people map[string]string }

const (
	slackBytes   = 30_000
	slackSection = 2900 // characters of a section, of 3,000
	slackHeader  = 150  // characters
	slackFields  = 10   // of a section
	slackBlocks  = 50
)

func (s *slack) rate() limit.Rate { return limit.Rate{Count: 1, Per: time.Second, Burst: 3} }

func slackText(text string, n int) object {
	return object{"type": "plain_text", "text": cut(text, n), "emoji": false}
}

// slackEscape is what makes a text of mrkdwn neither link nor mention.
var slackEscape = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

func (s *slack) compose(ms []Message, _ time.Time) ([]byte, int, error) {
	for n := len(ms); n > 1; n-- { // blocks are counted too
		if len(s.blocks(ms[:n])) <= slackBlocks {
			ms = ms[:n]
			break
		}
		ms = ms[:n-1]
	}
	return fit(ms, slackBytes, func(ms []Message) any {
		return object{"text": headline(ms), "blocks": s.blocks(ms)}
	})
}

// blocks have what strangers wrote in plain_text only.
func (s *slack) blocks(ms []Message) []object {
	var out []object
	for i, m := range ms {
		if i > 0 {
			out = append(out, object{"type": "divider"})
		}
		out = append(out, object{"type": "header", "text": slackText(m.Level.icon()+m.Title, slackHeader)})
		if m.Text != "" {
			out = append(out, object{"type": "section", "text": slackText(m.Text, slackSection)})
		}
		for facts := m.Facts; len(facts) > 0; facts = facts[min(len(facts), slackFields):] {
			var fields []object
			for _, f := range facts[:min(len(facts), slackFields)] {
				fields = append(fields, slackText(f.Name+": "+f.Value, slackSection))
			}
			out = append(out, object{"type": "section", "fields": fields})
		}
		if len(m.Links) > 0 {
			var buttons []object
			for _, l := range m.Links {
				buttons = append(buttons, object{"type": "button", "text": slackText(l.Label, 75), "url": l.URL})
			}
			out = append(out, object{"type": "actions", "elements": buttons})
		}
	}
	ids, others := unknown(mentioned(ms), s.people)
	tail := ""
	for _, id := range ids {
		tail += "<@" + slackEscape.Replace(id) + "> "
	}
	tail += slackEscape.Replace(strings.Join(others, ", ")) + " " + ms[0].At.Format("2006-01-02 15:04:05")
	return append(out, object{"type": "context", "elements": []object{{"type": "mrkdwn", "text": strings.TrimSpace(tail)}}})
}

func (s *slack) prepare(*http.Request, []Message, []byte, time.Time) {}

// judge: success is the word ok, and nothing else.
func (s *slack) judge(a *crmclient.Answer) error {
	if words := strings.TrimSpace(string(a.Body)); words != "ok" {
		return coded(crmclient.ClassPermanent, a, a.Status, words, 0, "")
	}
	return nil
}

func (s *slack) judgeStatus(a *crmclient.Answer, err error) error {
	words := strings.TrimSpace(string(a.Body))
	switch words {
	case "action_prohibited", "invalid_token", "channel_not_found", "no_service", "no_team", "channel_is_archived":
		return coded(crmclient.ClassConfiguration, a, a.Status, words, 0, "the webhook was revoked or its channel is gone: make another in the app's Incoming Webhooks")
	}
	return err
}
