package jiandaoyun_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/crmclient/crmtest"
	"heliograph/crmclient/jiandaoyun"
)

func receiver(t testing.TB, change func(*jiandaoyun.Config)) crmclient.WebhookReceiver {
	t.Helper()
	cfg := section("http://127.0.0.1:1")
	if change != nil {
		change(&cfg)
	}
	c, err := jiandaoyun.New(cfg, crmclient.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.(interface{ Close() error }).Close() })
	return c.(crmclient.WebhookReceiver)
}

// The worked example of the specification.
func TestPushWorkedExample(t *testing.T) {
	t.Parallel()
	c := receiver(t, func(cfg *jiandaoyun.Config) { cfg.PushSecret = config.NewSecret("test-secret") })
	for _, signature := range []string{
		"1457e6b79d7c7fed8c46aecf197d7436b8943ebc", "sha1=1457e6b79d7c7fed8c46aecf197d7436b8943ebc", "1457E6B79D7C7FED8C46AECF197D7436B8943EBC",
	} {
		d := &crmclient.Delivery{
			Method: http.MethodPost, Body: []byte(`{"op":"data_create","data":{}}`), At: time.Unix(1498586609, 0),
			URL:    &url.URL{RawQuery: "nonce=0f5ade&timestamp=1498586609"},
			Header: http.Header{"X-Jdy-Signature": {signature}, "X-Jdy-Deliverid": {"d-1"}},
		}
		id, wakes, reply, err := c.ReceiveWebhook(d)
		if err != nil || id != "d-1" || len(wakes) != 0 || reply.Status != 0 {
			t.Errorf("%s: got %q, %v, %+v, %v", signature, id, wakes, reply, err)
		}
	}
}

func TestPushes(t *testing.T) {
	t.Parallel()
	const id = "67221b4fac0a62ac00000001"
	record := fmt.Sprintf(`"_id":%q,"appId":%q,"entryId":%q`, id, appID, contacts)
	cases := map[string]struct {
		body  string
		query string
		want  []crmclient.Wake
	}{
		"create":           {body: `{"op":"data_create","opTime":1,"data":{` + record + `}}`, want: []crmclient.Wake{{Object: "contacts", ID: id}}},
		"update":           {body: `{"op":"data_update","data":{` + record + `}}`, want: []crmclient.Wake{{Object: "contacts", ID: id}}},
		"recover":          {body: `{"op":"data_recover","data":{` + record + `}}`, want: []crmclient.Wake{{Object: "contacts", ID: id}}},
		"remove":           {body: `{"op":"data_remove","data":{` + record + `}}`, want: []crmclient.Wake{{Object: "contacts", ID: id}}},
		"delete":           {body: `{"op":"data_delete","data":{` + record + `}}`, want: []crmclient.Wake{{Object: "contacts", ID: id}}},
		"of ourselves":     {body: `{"op":"data_update","data":{` + record + `,"updater":{"username":"gateway"}}}`, want: []crmclient.Wake{{Object: "contacts", ID: id, Own: true}}},
		"of another form":  {body: `{"op":"data_update","data":{"_id":"` + id + `","appId":"` + appID + `","entryId":"` + staff + `"}}`, want: []crmclient.Wake{{Object: appID + "/" + staff, ID: id}}},
		"reduced":          {body: `{"op":"data_remove","data":{"_id":"` + id + `"}}`, query: "&form=deals", want: []crmclient.Wake{{Object: "deals", ID: id}}},
		"reduced, no form": {body: `{"op":"data_remove","data":{"_id":"` + id + `"}}`},
		"of a form":        {body: `{"op":"form_update","data":{` + record + `}}`},
		"not an id":        {body: `{"op":"data_update","data":{"_id":"../x","appId":"` + appID + `","entryId":"` + contacts + `"}}`},
		"not an object":    {body: `[1]`},
	}
	c := receiver(t, func(cfg *jiandaoyun.Config) { cfg.APIMember = "gateway" })
	for name, e := range cases {
		d := push(e.body, time.Now(), "d")
		d.URL.RawQuery += e.query
		_, wakes, _, err := c.ReceiveWebhook(d)
		if err != nil || fmt.Sprint(wakes) != fmt.Sprint(e.want) {
			t.Errorf("%s: got %+v, %v; want %+v", name, wakes, err, e.want)
		}
	}
}

// What we wrote comes back with the time of our writing; what somebody else writes later has another.
func TestPushOfOurOwnWriting(t *testing.T) {
	t.Parallel()
	f, c := start(t, nil)
	receipt, err := c.LogEmail(t.Context(), crmtest.Activity("own"))
	if err != nil {
		t.Fatal(err)
	}
	own := func() bool {
		f.mu.Lock()
		at := text(f.forms[activities].row(receipt.RemoteID), "updateTime")
		f.mu.Unlock()
		body := fmt.Sprintf(`{"op":"data_update","data":{"_id":%q,"appId":%q,"entryId":%q,"updateTime":%q}}`, receipt.RemoteID, appID, activities, at)
		_, wakes, _, err := c.(crmclient.WebhookReceiver).ReceiveWebhook(push(body, time.Now(), "d"))
		if err != nil || len(wakes) != 1 || wakes[0].Object != "activities" {
			t.Fatalf("got %+v, %v", wakes, err)
		}
		return wakes[0].Own
	}
	if !own() {
		t.Error("our own writing is not known as such")
	}
	f.put(activities, receipt.RemoteID, map[string]any{"subject": "by hand"})
	if own() {
		t.Error("somebody else's change is taken for ours")
	}
}

func TestPushWithoutSecretIsRefused(t *testing.T) {
	t.Parallel()
	c := receiver(t, func(cfg *jiandaoyun.Config) { cfg.PushSecret = config.Secret{} })
	d := push(`{}`, time.Now(), "d")
	d.Header.Set("X-JDY-Signature", sign("0f5ade", "{}", "", d.URL.Query().Get("timestamp")))
	_, _, reply, err := c.ReceiveWebhook(d)
	if crmclient.ClassOf(err) != crmclient.ClassAuth || reply.Status != http.StatusUnauthorized {
		t.Errorf("got %+v, %v", reply, err)
	}
}

func FuzzPush(f *testing.F) {
	f.Add(`{"op":"data_create","data":{"_id":"67221b4fac0a62ac00000001","appId":"`+appID+`","entryId":"`+contacts+`"}}`, "0f5ade", "1498586609", "sha1=x")
	f.Add(`{"op":1,"data":[]}`, "", "-1", "")
	f.Fuzz(func(t *testing.T, body, nonce, stamp, header string) {
		c := receiver(t, nil)
		at := time.Unix(1498586609, 0)
		q := url.Values{"nonce": {nonce}, "timestamp": {stamp}}
		d := &crmclient.Delivery{URL: &url.URL{RawQuery: q.Encode()}, Header: http.Header{"X-Jdy-Signature": {header}}, Body: []byte(body), At: at}
		if _, wakes, _, err := c.ReceiveWebhook(d); err == nil || len(wakes) > 0 {
			t.Errorf("a signature of nobody was believed: %v", wakes)
		}
		d.Header.Set("X-JDY-Signature", sign(nonce, body, pushSecret, stamp))
		_, wakes, _, err := c.ReceiveWebhook(d)
		for _, w := range wakes {
			if len(w.ID) != 24 || w.Object == "" || err != nil || strings.Contains(w.ID, "/") {
				t.Errorf("got %+v, %v", w, err)
			}
		}
	})
}
