package yonyou_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/crmclient/yonyou"
)

// receive hands an event to a client with the section changed.
func receive(t *testing.T, event string, change func(*yonyou.Config)) (string, []crmclient.Wake, crmclient.Reply, error) {
	t.Helper()
	f, c := started(t, func(_ *tenant, cfg *yonyou.Config) { change(cfg) })
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	d := f.pack(t, []byte(event), at)
	d.At = at.Add(time.Minute)
	return c.ReceiveWebhook(d)
}

func TestPushedEvents(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		event string
		want  []crmclient.Wake
	}{
		"try":             {`{"type":"CHECK_URL","eventId":"e"}`, nil},
		"list of ids":     {`{"type":"CLUE","eventId":"e","staffId":["1","2","1"],"words":["no id"]}`, []crmclient.Wake{{Object: "clue", ID: "1"}, {Object: "clue", ID: "2"}}},
		"numbers":         {`{"type":"CLUE","eventId":"e","id":[2097659622360350723]}`, []crmclient.Wake{{Object: "clue", ID: "2097659622360350723"}}},
		"content":         {`{"type":"CLUE","eventId":"e","content":{"id":"7"}}`, []crmclient.Wake{{Object: "clue", ID: "7"}}},
		"content as text": {`{"type":"CLUE","eventId":"e","content":"{\"ids\":[\"8\"]}"}`, []crmclient.Wake{{Object: "clue", ID: "8"}}},
		"unknown type":    {`{"type":"STAFF_UPDATE","eventId":"e","staffId":["1"]}`, []crmclient.Wake{{Object: "STAFF_UPDATE", ID: "1"}}},
	}
	for name, tc := range cases {
		for _, signature := range []string{"sha1", "hmac"} {
			t.Run(name+" "+signature, func(t *testing.T) {
				t.Parallel()
				id, wakes, reply, err := receive(t, tc.event, func(c *yonyou.Config) {
					c.Push = yonyou.Push{Signature: signature, Events: map[string]string{"CLUE": "clue"}}
				})
				if err != nil || id != "e" || string(reply.Body) != "success" || fmt.Sprint(wakes) != fmt.Sprint(tc.want) {
					t.Errorf("got %q, %+v, %q, %v; want %+v", id, wakes, reply.Body, err, tc.want)
				}
			})
		}
	}
}

func TestEventsThatAreNotOurs(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		event  string
		change func(*yonyou.Config)
		class  crmclient.Class
	}{
		"another tenant":      {`{"type":"X","tenantId":"elsewhere"}`, func(*yonyou.Config) {}, crmclient.ClassAuth},
		"no object":           {`["x"]`, func(*yonyou.Config) {}, crmclient.ClassAuth},
		"another application": {`{"type":"X"}`, func(c *yonyou.Config) { c.AppKey = "another" }, crmclient.ClassAuth},
		"another secret":      {`{"type":"X"}`, func(c *yonyou.Config) { c.AppSecret = config.NewSecret("another") }, crmclient.ClassAuth},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, wakes, _, err := receive(t, tc.event, tc.change)
			if crmclient.ClassOf(err) != tc.class || len(wakes) > 0 || strings.Contains(fmt.Sprint(err), appSecret) {
				t.Errorf("got %+v, %v; want %s", wakes, err, tc.class)
			}
		})
	}
}

// The answer can be encrypted and signed as an event is: it is one of ours.
func TestEncryptedReply(t *testing.T) {
	t.Parallel()
	for _, signature := range []string{"sha1", "hmac"} {
		change := func(c *yonyou.Config) { c.Push = yonyou.Push{Signature: signature, Reply: "encrypted"} }
		_, _, reply, err := receive(t, `{"type":"CHECK_URL"}`, change)
		if err != nil {
			t.Fatal(err)
		}
		var body map[string]any
		if err := json.Unmarshal(reply.Body, &body); err != nil || reply.Type != "application/json" {
			t.Fatalf("reply: %s, %v", reply.Body, err)
		}
		_, c := started(t, func(_ *tenant, cfg *yonyou.Config) { change(cfg) })
		d := &crmclient.Delivery{Body: reply.Body, At: time.Date(2026, 3, 4, 5, 7, 7, 0, time.UTC)}
		// Signature and encryption are right; that the word is no event is found behind them.
		if _, _, _, err := c.ReceiveWebhook(d); err == nil || !strings.Contains(err.Error(), "not a JSON object") {
			t.Errorf("our own reply: got %v", err)
		}
	}
}

func FuzzReceiveWebhook(f *testing.F) {
	fake := newTenant(nil)
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	c, err := yonyou.New(sectionFor("http://127.0.0.1:1"), crmclient.Deps{})
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(`{"msgSignature":"x","timestamp":1,"nonce":"n","encrypt":"AAAA"}`))
	f.Fuzz(func(t *testing.T, event []byte) {
		d := fake.pack(t, event, at) // with a right signature, so that what is inside is read
		for _, body := range [][]byte{d.Body, event} {
			_, wakes, _, err := c.(*yonyou.Client).ReceiveWebhook(&crmclient.Delivery{Body: body, At: at})
			if err != nil && len(wakes) > 0 {
				t.Errorf("an error with wakes: %v", err)
			}
			for _, w := range wakes {
				if w.ID == "" || strings.ContainsAny(w.ID, "/?&'\" ") {
					t.Errorf("id %q", w.ID)
				}
			}
		}
	})
}
