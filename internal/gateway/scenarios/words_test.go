package scenarios_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"heliograph/crmclient/builtin"
)

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

func count(have, want int) error {
	if have != want {
		return fmt.Errorf("there are %d, want %d", have, want)
	}
	return nil
}

func equal(have, want string) error {
	if have != want {
		return fmt.Errorf("it is %q, want %q", have, want)
	}
	return nil
}

func sorted(list []string) []string {
	out := slices.Clone(list)
	slices.Sort(out)
	return out
}

// mirrored says whether the CRM has the mail with a Message-ID.
func (o *office) mirrored(id string) error {
	page, err := o.crm.Activities(o.t.Context(), builtin.ActivityFilter{})
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(page.Items, func(a builtin.Activity) bool { return a.MessageID == id }) {
		return fmt.Errorf("the CRM does not have %s yet", id)
	}
	return nil
}

// scheduled says whether some rule waits for its time.
func (o *office) scheduled() error {
	var n int
	if err := o.gateway.Store().Reader().QueryRowContext(o.t.Context(), `SELECT count(*) FROM rule_times`).Scan(&n); err != nil {
		return err
	}
	if n == 0 {
		return fmt.Errorf("no schedule is known yet")
	}
	return nil
}

// event is what another system tells.
func (o *office) event(hook, id string, data map[string]any) {
	o.t.Helper()
	body, err := json.Marshal(data)
	if err != nil {
		o.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(o.t.Context(), http.MethodPost, "http://"+o.addrs[2]+"/events/"+hook, bytes.NewReader(body))
	if err != nil {
		o.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer a-token-of-the-stock-system")
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Webhook-Id", id)
	answer, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		o.t.Fatal(err)
	}
	_ = answer.Body.Close()
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	if answer.StatusCode/100 != 2 {
		o.t.Fatalf("the event is answered with %s", answer.Status)
	}
}
