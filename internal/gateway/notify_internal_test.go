package gateway

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/hooks/mirror"
	"heliograph/internal/notify"
)

// TestAlarmsReachPeople: an alarm goes to the channels that its target names, and to no others; one that fails does not keep it
// from the next.
func TestAlarmsReachPeople(t *testing.T) {
	t.Parallel()
	posts := make(chan string, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		posts <- r.URL.Path + " " + string(body)
		if r.URL.Path == "/broken" {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		_, _ = io.WriteString(w, "ok")
	}))
	t.Cleanup(server.Close)
	cfg := &config.Config{Targets: []config.Target{
		{Name: "crm", Alarm: config.Alarm{Notify: []string{"broken", "ops"}}},
		{Name: "quiet"},
	}}
	channels := map[string]*notify.Channel{}
	for _, name := range []string{"ops", "broken", "other"} {
		c, err := notify.New(config.Notifier{Name: name, Type: config.NotifySlack, URL: config.NewSecret(server.URL + "/" + name)}, notify.Deps{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		})
		channels[name] = c
	}
	tell := tellAlarms(cfg, channels)
	for _, kind := range []string{"lag", "failures", "dead"} {
		err := tell(t.Context(), mirror.Alarm{Target: "crm", Kind: kind, On: true, At: time.Now()})
		if err == nil || !strings.Contains(err.Error(), "notifier broken") {
			t.Errorf("error %v", err)
		}
		for _, want := range []string{"/broken ", "/ops "} {
			got := <-posts
			if !strings.HasPrefix(got, want) || !strings.Contains(got, "Target crm needs attention") || !strings.Contains(got, "heliograph ") {
				t.Errorf("%s: got %s", want, got)
			}
		}
	}
	if err := tell(t.Context(), mirror.Alarm{Target: "quiet", Kind: "lag", On: true}); err != nil || len(posts) != 0 {
		t.Errorf("error %v, %d posts", err, len(posts))
	}
}
