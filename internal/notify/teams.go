package notify

import (
	"net/http"
	"strings"
	"time"

	"heliograph/crmclient"
	"heliograph/internal/limit"
)

// teams is a Workflows webhook of Microsoft Teams ("when a Teams webhook request is received"). Its signature in the
// address is its only secret. It mentions nobody; who is to be mentioned is named. A taken post is queued only: what
// becomes of a card is in the history of the flow's runs.
type teams struct{}

const teamsBytes = 26_000 // of 28 KB

func (t *teams) rate() limit.Rate { return limit.Rate{Count: 2, Per: time.Second, Burst: 2} } // of 4

func (t *teams) compose(ms []Message, _ time.Time) ([]byte, int, error) {
	return fit(ms, teamsBytes, func(ms []Message) any {
		var body, actions []object
		block := func(text string, more object) {
			b := object{"type": "TextBlock", "text": text, "wrap": true}
			for k, v := range more {
				b[k] = v
			}
			body = append(body, b)
		}
		for i, m := range ms {
			color := map[Level]string{Info: "Default", Warning: "Warning", Critical: "Attention"}[m.Level]
			block(m.Level.icon()+plain(m.Title), object{"weight": "Bolder", "size": "Medium", "color": color, "separator": i > 0})
			for _, l := range strings.Split(m.Text, "\n") {
				if strings.TrimSpace(l) != "" {
					block(lineStart(plain(l)), nil)
				}
			}
			if len(m.Facts) > 0 {
				var facts []object
				for _, f := range m.Facts {
					facts = append(facts, object{"title": plain(f.Name), "value": plain(f.Value)})
				}
				body = append(body, object{"type": "FactSet", "facts": facts})
			}
			if len(m.Mentions) > 0 {
				block(plain(strings.Join(m.Mentions, ", ")), nil)
			}
			block(m.At.Format("2006-01-02 15:04:05"), object{"isSubtle": true, "size": "Small"})
			for _, l := range m.Links {
				actions = append(actions, object{"type": "Action.OpenUrl", "title": l.Label, "url": l.URL})
			}
		}
		card := object{
			"$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4",
			"msteams": object{"width": "full"}, "body": body,
		}
		if len(actions) > 0 {
			card["actions"] = actions
		}
		return object{"type": "message", "attachments": []object{{
			"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": nil, "content": card,
		}}}
	})
}

func (t *teams) prepare(*http.Request, []Message, []byte, time.Time) {}

func (t *teams) judge(*crmclient.Answer) error { return nil }

func (t *teams) judgeStatus(a *crmclient.Answer, err error) error {
	switch a.Status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return coded(crmclient.ClassConfiguration, a, a.Status, "the flow does not take posts from outside", 0,
			"copy the workflow's address again, and let anyone trigger it")
	case http.StatusNotFound, http.StatusGone:
		return coded(crmclient.ClassConfiguration, a, a.Status, "there is no such flow", 0, "the workflow was deleted or switched off: make another")
	}
	return err
}
