package zoho

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"heliograph/config"
	"heliograph/crmclient"
)

func TestBase(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		cfg       Config
		apiDomain string
		want      string
	}{
		"data centre":     {Config{DataCenter: "cn"}, "", "https://www.zohoapis.com.cn"},
		"default":         {Config{}, "", "https://www.zohoapis.com"},
		"of the token":    {Config{DataCenter: "us"}, "https://www.zohoapis.in", "https://www.zohoapis.in"},
		"of nobody":       {Config{DataCenter: "jp"}, "https://zohoapis.evil.example", "https://www.zohoapis.jp"},
		"not by TLS":      {Config{DataCenter: "jp"}, "http://www.zohoapis.jp", "https://www.zohoapis.jp"},
		"sandbox":         {Config{DataCenter: "eu", Sandbox: true}, "https://www.zohoapis.eu", "https://sandbox.zohoapis.eu"},
		"given by people": {Config{Settings: crmclient.Settings{URL: "http://127.0.0.1:1/"}}, "https://www.zohoapis.eu", "http://127.0.0.1:1"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := (&Client{cfg: c.cfg}).base(c.apiDomain); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
	for name, d := range dataCentres {
		for _, u := range []string{d.accounts, d.api, d.sandbox} {
			if _, err := crmclient.ParseURL(u); err != nil || !strings.HasPrefix(u, "https://") {
				t.Errorf("%s: %s: %v", name, u, err)
			}
		}
	}
}

func TestQuote(t *testing.T) {
	t.Parallel()
	for setting, want := range map[string]string{"": "", quotesRefuse: "", quotesBackslash: `'O\'Hara'`, quotesDouble: `'O''Hara'`} {
		c := &Client{cfg: Config{Quotes: setting}}
		got, err := c.quote("O'Hara")
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: got %s, %v; want %s", setting, got, err, want)
		}
		if _, err := c.quote("two\nlines"); err == nil {
			t.Errorf("%q: a line break is taken", setting)
		}
	}
}

func FuzzWebhook(f *testing.F) {
	c := &Client{cfg: Config{NotifyURL: "https://x.example", NotifyToken: config.NewSecret("0123456789abcdef")}, d: crmclient.Deps{Target: "zoho"}}
	genuine, err := json.Marshal(map[string]any{"module": "Deals", "channel_id": c.channelID("Deals"), "token": "0123456789abcdef", "ids": []any{"1", 2, nil, "x"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(genuine)
	f.Add([]byte(`{"token":null,"ids":{}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		_, wakes, _, err := c.ReceiveWebhook(&crmclient.Delivery{Body: body})
		if err != nil && len(wakes) > 0 || err == nil && !bytes.Contains(body, []byte("token")) && !bytes.Contains(bytes.ToLower(body), []byte("token")) && !bytes.Contains(body, []byte(`\u`)) {
			t.Errorf("got %v, %v", wakes, err)
		}
		for _, w := range wakes {
			if !recordID.MatchString(w.ID) || !apiName.MatchString(w.Object) {
				t.Errorf("wake: %+v", w)
			}
		}
	})
}

func FuzzAnswers(f *testing.F) {
	f.Add([]byte(`{"data":[{"code":"DUPLICATE_DATA","details":{"id":"1","api_name":"Email"},"status":"error"}]}`))
	f.Add([]byte(`{"code":"INVALID_TOKEN","details":{},"message":"x","status":"error"}`))
	f.Add([]byte(`{"Emails":[{"code":1}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		a := &crmclient.Answer{Status: 400, Body: body}
		fault := faultOf(body)
		if err := explain(a, nil, fault, crmclient.NewRedactor()); err == nil || strings.ContainsAny(err.Error(), "\n\r") {
			t.Errorf("got %q", err)
		}
		var l listing
		_ = json.Unmarshal(body, &l)
	})
}

func FuzzCursor(f *testing.F) {
	p := position{Object: "Deals", From: crmclient.Deps{}.Clock()}
	f.Add(p.encode())
	f.Add("e30")
	f.Fuzz(func(t *testing.T, cursor string) {
		p, err := decodePosition("Deals", cursor)
		if err == nil && (p.From.IsZero() || p.Seen == nil || p.ID != "" && !recordID.MatchString(p.ID) || strings.Contains(p.Time, "'")) {
			t.Errorf("got %+v", p)
		}
	})
}
