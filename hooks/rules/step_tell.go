package rules

import (
	"errors"
	"slices"
	"strings"
)

// notifyStep tells people in a chat.
type notifyStep struct {
	Channel  string    `json:"channel"` // name of a notifier in the configuration
	Level    string    `json:"level,omitempty"`
	Title    line      `json:"title"`
	Text     text      `json:"text,omitempty"`
	Facts    []factRow `json:"facts,omitempty"`
	Links    []factRow `json:"links,omitempty"`
	Mentions mailboxes `json:"mentions,omitempty"` // who is to be mentioned
}

// factRow is a name and a value, or a label and an address.
type factRow struct {
	Name  string `json:"name"`
	Value line   `json:"value"`
}

func (n *notifyStep) compile(*compiler) error {
	if n.Channel == "" || n.Title.IsZero() {
		return errors.New("notify needs channel and title")
	}
	return nil
}

func (n *notifyStep) run(x *exec) (outcome, error) {
	title, err := n.Title.render(x.Context, x.facts)
	if err != nil {
		return outcome{}, err
	}
	out := &Notice{Channel: n.Channel, Level: n.Level}
	if out.Text, err = n.Text.render(x.Context, x.facts); err != nil {
		return outcome{}, err
	}
	if out.Facts, err = factRows(x, n.Facts); err != nil {
		return outcome{}, err
	}
	if out.Links, err = factRows(x, n.Links); err != nil {
		return outcome{}, err
	}
	boxes, err := n.Mentions.render(x)
	if err != nil {
		return outcome{}, err
	}
	for _, b := range boxes {
		out.Mentions = append(out.Mentions, addressIn(b))
	}
	return x.act(0, &Effect{Kind: EffectNotify, Title: title, Recipients: out.Mentions, Notice: out})
}

func factRows(x *exec, rows []factRow) (out [][2]string, err error) {
	for _, r := range rows {
		v, err := r.Value.render(x.Context, x.facts)
		if err != nil {
			return nil, err
		}
		out = append(out, [2]string{r.Name, v})
	}
	return out, nil
}

func (n *notifyStep) check(c *checker) {
	c.channel("channel", n.Channel)
	c.oneOf("level", n.Level, "", "info", "warning", "critical")
	c.template("/title", n.Title.template)
	c.template("/text", n.Text.template)
	for i, r := range slices.Concat(n.Facts, n.Links) {
		c.template(at("facts", i), r.Value.template)
	}
	n.Mentions.check(c, "mentions")
}

func (n *notifyStep) describe(l voice) string { return l.of("tell ", "通知 ") + n.Channel }

// webhookStep calls another system.
type webhookStep struct {
	URL  string `json:"url"`
	Hook string `json:"hook,omitempty"` // name of the secret that signs it, in the configuration
	Body value  `json:"body,omitzero"`  // empty: the event
}

func (w *webhookStep) compile(*compiler) error {
	if !strings.HasPrefix(w.URL, "https://") && !strings.HasPrefix(w.URL, "http://") {
		return errors.New("a webhook needs an http or https address")
	}
	return nil
}

func (w *webhookStep) run(x *exec) (outcome, error) {
	out := &WebhookCall{URL: w.URL, Hook: w.Hook}
	if w.Body.raw != nil {
		body, err := w.Body.eval(x.Context, x.facts)
		if err != nil {
			return outcome{}, err
		}
		out.Body = body
	} else {
		out.Body = map[string]any{"rule": x.run.Rule, "run": x.run.ID, "event": x.run.Event.Key, "title": x.run.Title, "data": x.run.Event.Data}
	}
	return x.act(0, &Effect{Kind: EffectWebhook, Title: hostOf(w.URL), Webhook: out})
}

// hostOf is the address without what may be secret in it.
func hostOf(url string) string {
	_, rest, _ := strings.Cut(url, "://")
	host, _, _ := strings.Cut(rest, "/")
	if _, after, ok := strings.Cut(host, "@"); ok {
		return after
	}
	return host
}

func (w *webhookStep) check(c *checker)        { c.value("/body", &w.Body) }
func (w *webhookStep) describe(l voice) string { return l.of("call ", "调用 ") + hostOf(w.URL) }
