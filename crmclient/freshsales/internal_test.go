package freshsales

import (
	"strings"
	"testing"

	"heliograph/crmclient"
)

func FuzzAnswers(f *testing.F) {
	f.Add([]byte(`{"errors":{"code":400,"message":["x"]}}`))
	f.Add([]byte(`{"errors":{"message":"x"}}`))
	f.Add([]byte(`{"login":"failed","message":"x"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		a := &crmclient.Answer{Status: 400, Body: body}
		base := &crmclient.Error{Class: crmclient.ClassPermanent, Status: 400}
		if err := explain(a, base, crmclient.NewRedactor()); err == nil || strings.ContainsAny(err.Error(), "\r\n") {
			t.Errorf("got %q", err)
		}
	})
}
