package webhook

import (
	"encoding/json"
	"time"

	"heliograph/crmclient"
	"heliograph/crmclient/export"
)

// Samples are made-up events with all their fields; none of them is anybody's mail.
func (c subscriber) Samples(name string) []json.RawMessage {
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	a := &crmclient.Activity{
		Key: "sample", MessageID: "sample@example.com", Thread: "sample-thread", Direction: crmclient.Inbound, Subject: "Question about SO1042", Date: at,
		From: crmclient.Person{Name: "Li Lei", Address: "li.lei@customer.example"}, To: []crmclient.Person{{Name: "Wang Fang", Address: "wang@example.com"}},
		Text: "Where is my order?\n\n> earlier words\n", TextUnquoted: "Where is my order?\n", HTML: "<p>Where is my order?</p>",
		Attachments: []crmclient.Attachment{{Name: "order.pdf", Type: "application/pdf", Size: 12345}},
		Accounts:    []string{"wang@example.com"}, Owner: "wang@example.com",
		Companies: []crmclient.Company{{ID: "1", Name: "Customer Ltd", Domain: "customer.example"}},
	}
	var out []json.RawMessage
	for _, sample := range []struct {
		name string
		body any
	}{
		{export.Type, export.NewPayload(a, c.html)}, {TypeUpdated, update(a)}, {TypeWithdrawn, Withdrawal{Type: TypeWithdrawn, Key: a.Key}},
	} {
		if name != "" && name != sample.name {
			continue
		}
		if body, err := export.Encode(sample.body); err == nil {
			out = append(out, body)
		}
	}
	return out
}
