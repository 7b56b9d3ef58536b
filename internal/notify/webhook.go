package notify

import (
	"net/http"
	"time"

	"heliograph/crmclient"
	"heliograph/internal/limit"
)

// webhook posts to a program of the company's own, n8n, Zapier or IFTTT, signed after Standard Webhooks 1.0.0.
type webhook struct{ keys [][]byte }

const webhookBytes = 200_000

func newWebhook(secret string) (*webhook, error) {
	key, err := crmclient.WebhookKey(secret)
	if err != nil || key == nil {
		return &webhook{}, err
	}
	return &webhook{[][]byte{key}}, nil
}

func (w *webhook) rate() limit.Rate { return limit.Rate{Count: 10, Per: time.Second, Burst: 10} }

type webhookMessage struct {
	ID       string    `json:"id"`
	Level    Level     `json:"level"`
	Title    string    `json:"title"`
	Text     string    `json:"text,omitempty"`
	Facts    []object  `json:"facts,omitempty"`
	Links    []object  `json:"links,omitempty"`
	Mentions []string  `json:"mentions,omitempty"`
	At       time.Time `json:"at"`
}

// compose posts one message at a time: programs want events, not digests.
func (w *webhook) compose(ms []Message, _ time.Time) ([]byte, int, error) {
	return fit(ms[:1], webhookBytes, func(ms []Message) any {
		m := ms[0]
		out := webhookMessage{ID: m.Key, Level: m.Level, Title: m.Title, Text: m.Text, Mentions: m.Mentions, At: m.At.UTC()}
		for _, f := range m.Facts {
			out.Facts = append(out.Facts, object{"name": f.Name, "value": f.Value})
		}
		for _, l := range m.Links {
			out.Links = append(out.Links, object{"label": l.Label, "url": l.URL})
		}
		return object{"type": "notification", "timestamp": m.At.UTC(), "data": out}
	})
}

func (w *webhook) prepare(r *http.Request, ms []Message, body []byte, at time.Time) {
	id := crmclient.WebhookID(ms[0].Key)
	r.Header.Set("Idempotency-Key", id)
	crmclient.SignWebhook(r.Header, w.keys, id, at, body)
}

func (w *webhook) judge(*crmclient.Answer) error { return nil }

// judgeStatus: who has it already has it.
func (w *webhook) judgeStatus(_ *crmclient.Answer, err error) error {
	if crmclient.ClassOf(err) == crmclient.ClassDuplicate {
		return nil
	}
	return err
}
