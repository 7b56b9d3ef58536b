package lookback_test

import (
	"net/http"
	"testing"

	"heliograph/crmclient"
	"heliograph/crmclient/lookback"
)

// What was surely not written leaves no intent; all else does.
func TestWrite(t *testing.T) {
	t.Parallel()
	refused := &crmclient.Answer{Status: http.StatusBadRequest, Body: []byte("ours")}
	foreign := &crmclient.Answer{Status: http.StatusBadRequest, Body: []byte("a gateway's")}
	slow := &crmclient.Answer{Status: http.StatusRequestTimeout, Body: []byte("ours")}
	tests := map[string]struct {
		answer *crmclient.Answer
		err    error
		begun  bool
	}{
		"written":                  {nil, nil, true},
		"refused":                  {refused, &crmclient.Error{Class: crmclient.ClassPermanent}, false},
		"refused by something":     {foreign, &crmclient.Error{Class: crmclient.ClassPermanent}, true},
		"too slow":                 {slow, &crmclient.Error{Class: crmclient.ClassRetry}, true},
		"too many requests":        {&crmclient.Answer{Status: http.StatusTooManyRequests}, &crmclient.Error{Class: crmclient.ClassRate}, false},
		"our own limit":            {nil, &crmclient.Error{Class: crmclient.ClassRate}, false},
		"the circuit is open":      {nil, &crmclient.Error{Class: crmclient.ClassRetry, Err: crmclient.ErrCircuitOpen}, false},
		"the connection broke off": {nil, &crmclient.Error{Class: crmclient.ClassRetry}, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var intents crmclient.MemoryIntents
			own := func(a *crmclient.Answer) bool { return string(a.Body) == "ours" }
			id, err := lookback.Write(t.Context(), &intents, key, own, func() (string, *crmclient.Answer, error) { return "42", test.answer, test.err })
			if (err == nil) != (test.err == nil) || err == nil && id != "42" {
				t.Errorf("got %q, %v", id, err)
			}
			known, err := intents.Find(t.Context(), key)
			if err != nil || known.Began.IsZero() == test.begun || (known.RemoteID == "42") != (test.err == nil) {
				t.Errorf("got %+v, %v", known, err)
			}
		})
	}
}
