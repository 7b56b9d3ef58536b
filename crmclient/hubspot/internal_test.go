package hubspot

import (
	"strings"
	"testing"

	"heliograph/config"
	"heliograph/crmclient"
)

// The worked example of the vendor.
func TestSignatureV3(t *testing.T) {
	t.Parallel()
	got := sign("yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy", "POST", "https://www.example.com/webhook_uri", []byte(`{"example_field":"example_value"}`), "1700000000000")
	if want := "rQEKkaNUiu+1qGF//O/pw4BCzstSqO1PyUnGICmf+7o="; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestPathsByVersion(t *testing.T) {
	t.Parallel()
	old, dated := &Client{}, &Client{cfg: Config{APIVersion: "2026-03"}}
	for got, want := range map[string]string{
		old.objects("emails"):                         "/crm/v3/objects/emails",
		dated.objects("emails"):                       "/crm/objects/2026-03/emails",
		old.associate("emails", "1", "contacts", "2"): "/crm/v4/objects/emails/1/associations/default/contacts/2",
		dated.associate("emails", "1", "deals", "2"):  "/crm/objects/2026-03/emails/1/associations/default/deals/2",
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func FuzzWebhook(f *testing.F) {
	c := &Client{cfg: Config{WebhookURL: "https://x.example", WebhookSecret: config.NewSecret("secret")}}
	f.Add([]byte(`[{"subscriptionType":"contact.creation","objectId":7}]`))
	f.Add([]byte(`[{"subscriptionType":"object.creation","objectTypeId":"../","objectId":7e3}]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		d := &crmclient.Delivery{Method: "POST", Body: body, Header: map[string][]string{}}
		d.Header.Set(headerTimestamp, "-62135596800000")
		d.Header.Set(headerSignature, sign("secret", "POST", "https://x.example", body, "-62135596800000"))
		_, wakes, _, err := c.ReceiveWebhook(d)
		if err != nil && len(wakes) > 0 {
			t.Errorf("got %v with %v", wakes, err)
		}
		for _, w := range wakes {
			if !digits.MatchString(w.ID) || !objectName.MatchString(w.Object) {
				t.Errorf("wake: %+v", w)
			}
		}
	})
}

func FuzzAnswers(f *testing.F) {
	f.Add([]byte(`{"status":"error","message":"x","category":"VALIDATION_ERROR","context":{"ids":["1"]},"errors":[{"message":"m","code":"C"}]}`))
	f.Add([]byte(`{"results":[],"errors":[{"category":"OBJECT_NOT_FOUND"}]}`))
	f.Add([]byte(`{"context":5,"category":"BANNED"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		a := &crmclient.Answer{Status: 400, Body: body}
		for _, fault := range []*fault{faultOf(body), partial(body)} {
			if err := explain(a, nil, fault, crmclient.NewRedactor()); err == nil || strings.ContainsAny(err.Error(), "\r\n") {
				t.Errorf("got %q", err)
			}
		}
	})
}

func FuzzCursor(f *testing.F) {
	f.Add((&position{Object: "deals", From: 1}).encode())
	f.Fuzz(func(t *testing.T, cursor string) {
		if p, err := decodePosition("deals", cursor); err == nil && (p.Seen == nil || p.From <= 0 || p.After < 0) {
			t.Errorf("got %+v", p)
		}
	})
}
