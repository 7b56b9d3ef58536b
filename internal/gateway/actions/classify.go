package actions

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/hooks/mirror/scope"
	"heliograph/hooks/rules"
	"heliograph/hooks/rules/classify"
	"heliograph/internal/message"
	"heliograph/internal/store"
)

// Suggest implements rules.Suggester.
func (a *Actions) Suggest(ctx context.Context, m classify.Mail) ([]classify.Suggestion, error) {
	if a.o.Classifier == nil {
		return nil, unknown("labels", "no classifier is there")
	}
	return a.o.Classifier.Suggest(ctx, m)
}

var _ rules.Suggester = (*Actions)(nil)

// ClassifierOptions are what a Classifier is made with.
type ClassifierOptions struct {
	Store   *store.DB
	Config  config.Classifier
	Masking []config.Masking // privacy.masking
	// Chat lets the endpoint of the configuration be asked. Without it nothing leaves the machine, as in a replay.
	Chat      bool
	UserAgent string
	Now       func() time.Time
	Logger    *slog.Logger
}

// Classifier is the classifier of a configuration, with its connection to a chat endpoint, if there is one. It must be closed.
type Classifier struct {
	*classify.Classifier
	transport *crmclient.Transport // nil without an endpoint
}

// NewClassifier builds the classifier of a configuration. It knows what was learned after its Load or Run.
func NewClassifier(o ClassifierOptions) (*Classifier, error) {
	out := &Classifier{}
	chat, err := out.chat(o)
	if err != nil {
		return nil, fmt.Errorf("rules.classifier.chat: %w", err)
	}
	dims, err := dimensions(o.Config)
	if err != nil {
		return nil, errors.Join(err, out.Close())
	}
	out.Classifier, err = classify.New(classify.Options{
		Store: o.Store, Dimensions: dims, Threshold: o.Config.Threshold, Chat: chat, Now: o.Now, Logger: o.Logger,
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("rules.classifier: %w", err), out.Close())
	}
	return out, nil
}

// Close ends connections that are kept open.
func (c *Classifier) Close() error {
	if c.transport == nil {
		return nil
	}
	return c.transport.Close()
}

// dimensions are the shipped ones with what the configuration adds.
func dimensions(c config.Classifier) ([]classify.Dimension, error) {
	dims := classify.DefaultDimensions()
	at := map[string]int{}
	for i := range dims {
		at[dims[i].Name] = i
	}
	dims[at[classify.ProductLine]].Labels = c.ProductLines
	for i, p := range c.Phrases {
		d, ok := at[p.Dimension]
		if !ok {
			return nil, fmt.Errorf("rules.classifier.phrases[%d]: there is no dimension %q: write intent, urgency, product_line or tag", i, p.Dimension)
		}
		dims[d].Phrases = append(dims[d].Phrases, classify.Phrase{Text: p.Text, Label: p.Label, Weight: p.Weight})
	}
	return dims, nil
}

// chat connects the endpoint; nil where it is off.
func (c *Classifier) chat(o ClassifierOptions) (*classify.Chat, error) {
	in := o.Config.Chat
	if !in.Enabled || !o.Chat {
		return nil, nil
	}
	section := classify.ChatConfig{
		Enabled: true, BaseURL: in.BaseURL, Model: in.Model, APIKey: in.APIKey, Timeout: in.Timeout, MaxChars: in.MaxChars, Labels: in.Labels,
	}
	if err := section.Validate(); err != nil {
		return nil, err
	}
	base, err := crmclient.ParseURL(in.BaseURL)
	if err != nil {
		return nil, err
	}
	mask, err := masker(o.Masking)
	if err != nil {
		return nil, err
	}
	c.transport, err = crmclient.NewTransport(crmclient.Options{
		Target: "classifier", URL: base, UserAgent: o.UserAgent, Timeout: in.Timeout.D() + time.Second, NoRedirects: true, MaxConcurrent: 2,
		Secrets: []string{in.APIKey.Reveal()}, Logger: o.Logger,
	})
	if err != nil {
		return nil, err
	}
	chat, err := classify.NewChat(section, doer{c.transport}, mask, o.Now)
	if err != nil {
		err = errors.Join(err, c.transport.Close())
	}
	return chat, err
}

// masker hides what privacy.masking hides from any target in any field, and in any case what says who somebody is or where their money lies.
func masker(list []config.Masking) (func(string) string, error) {
	all := []config.Masking{{Kinds: []config.MaskKind{config.MaskIDCard, config.MaskBankCard, config.MaskPhone, config.MaskEmail}}}
	for _, m := range list {
		m.Targets, m.Fields = nil, nil
		all = append(all, m)
	}
	masking, err := scope.NewMasking(all)
	if err != nil {
		return nil, err
	}
	return func(text string) string {
		activity := crmclient.Activity{Text: text}
		masking.Apply("classifier", &activity)
		return activity.Text
	}, nil
}

// doer is the guarded transport as the chat wants it: an answer with a bad status is an answer.
type doer struct{ t *crmclient.Transport }

// Do implements classify.Doer.
func (d doer) Do(r *http.Request) (*http.Response, error) {
	answer, err := d.t.Do(r)
	if answer == nil {
		return nil, err
	}
	if err != nil && answer.Status/100 == 2 { // it broke off
		return nil, err
	}
	return &http.Response{
		Status: http.StatusText(answer.Status), StatusCode: answer.Status, Header: answer.Header, Body: io.NopCloser(bytes.NewReader(answer.Body)), Request: r,
	}, nil
}

// MailOf is what the classifier looks at of a message: the same that a rule has it look at.
func MailOf(key string, m *message.Message) classify.Mail {
	out := classify.Mail{Key: key, Subject: m.Subject, Text: cmp.Or(m.Unquoted, m.Text), Automated: m.Automated}
	if len(m.From) > 0 {
		_, out.SenderDomain, _ = strings.Cut(m.From[0].Address, "@")
	}
	for _, f := range m.Attachments {
		if !f.Inline {
			out.Attachments = append(out.Attachments, f.Type, f.Name)
		}
	}
	return out
}
