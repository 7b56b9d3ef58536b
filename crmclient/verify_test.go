package crmclient

import (
	"net/http"
	"testing"
	"time"
)

func TestVerifyWebhook(t *testing.T) {
	t.Parallel()
	// The worked example of Standard Webhooks 1.0.0.
	key, err := WebhookKey("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Unix(1614265330, 0)
	body := `{"test": 2432232314}`
	signed := func() http.Header {
		h := http.Header{}
		h.Set(WebhookIDHeader, "msg_p5jXN8AQM9LWM0D4loKWxJek")
		h.Set(WebhookTimestampHeader, "1614265330")
		h.Set(WebhookSignatureHeader, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
		return h
	}
	tests := map[string]struct {
		change func(h http.Header)
		key    []byte
		now    time.Time
		body   string
		want   bool
	}{
		"the example":         {nil, key, at, body, true},
		"one of several":      {func(h http.Header) { h.Set(WebhookSignatureHeader, "v2,AAAA v1,AAAA "+h.Get(WebhookSignatureHeader)) }, key, at, body, true},
		"another body":        {nil, key, at, body + " ", false},
		"another key":         {nil, []byte("another key, also long enough"), at, body, false},
		"another id":          {func(h http.Header) { h.Set(WebhookIDHeader, "msg_1") }, key, at, body, false},
		"no id":               {func(h http.Header) { h.Del(WebhookIDHeader) }, key, at, body, false},
		"no signature":        {func(h http.Header) { h.Del(WebhookSignatureHeader) }, key, at, body, false},
		"an unknown version":  {func(h http.Header) { h.Set(WebhookSignatureHeader, "v9,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=") }, key, at, body, false},
		"too old":             {nil, key, at.Add(6 * time.Minute), body, false},
		"from the future":     {nil, key, at.Add(-6 * time.Minute), body, false},
		"a time that is none": {func(h http.Header) { h.Set(WebhookTimestampHeader, "today") }, key, at, body, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := signed()
			if test.change != nil {
				test.change(h)
			}
			if got := VerifyWebhook(h, [][]byte{test.key}, test.now, []byte(test.body)); got != test.want {
				t.Errorf("the signature is good: %t, want %t", got, test.want)
			}
		})
	}
}
