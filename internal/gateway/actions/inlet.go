package actions

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/hooks/rules"
)

// Inlet takes what other systems tell, as rules.webhooks says.
type Inlet struct {
	Hooks  []config.RuleWebhook
	Engine *rules.Engine
	Now    func() time.Time
}

// Outcome is what an inlet says to a delivery.
type Outcome int

// The outcomes.
const (
	Taken Outcome = iota
	Refused
	Unreadable
)

// Known says whether there is an inlet of a name.
func (in *Inlet) Known(name string) bool {
	_, ok := in.hook(name)
	return ok
}

func (in *Inlet) hook(name string) (config.RuleWebhook, bool) {
	for _, h := range in.Hooks {
		if h.Name == name {
			return h, true
		}
	}
	return config.RuleWebhook{}, false
}

// Receive checks a delivery and posts it as an event, once for its id. An error means that it is to be delivered again.
func (in *Inlet) Receive(ctx context.Context, name string, d *crmclient.Delivery) (Outcome, error) {
	h, ok := in.hook(name)
	if !ok || !in.authentic(h, d) {
		return Refused, nil
	}
	data, err := payload(d.Body)
	if err != nil {
		return Unreadable, nil //nolint:nilerr // the outcome says it
	}
	data["_hook"] = name
	now := in.Now()
	id := d.Header.Get(crmclient.WebhookIDHeader)
	if id == "" { // the same words within a minute are one delivery
		sum := sha256.Sum256(d.Body)
		id = hex.EncodeToString(sum[:12]) + now.UTC().Format("200601021504")
	}
	if len(id) > 200 {
		return Unreadable, nil
	}
	return Taken, in.Engine.Post(ctx, rules.Event{
		Type: rules.TypeWebhook, Key: name + " " + id, At: now, Title: title(name, data), Data: map[string]any{"event": data},
	})
}

// authentic says whether a delivery comes from who knows the secret.
func (in *Inlet) authentic(h config.RuleWebhook, d *crmclient.Delivery) bool {
	if secret := h.Secret.Reveal(); secret != "" {
		key, err := crmclient.WebhookKey(secret)
		return err == nil && crmclient.VerifyWebhook(d.Header, [][]byte{key}, in.Now(), d.Body)
	}
	token, ok := strings.CutPrefix(d.Header.Get("Authorization"), "Bearer ")
	want := h.Token.Reveal()
	return ok && want != "" && subtle.ConstantTimeCompare([]byte(token), []byte(want)) == 1
}

// payload reads the body: an object, or any other value under "value".
func payload(body []byte) (map[string]any, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if m, ok := v.(map[string]any); ok {
		return m, nil
	}
	return map[string]any{"value": v}, nil
}

// title is a line for people about an event.
func title(name string, data map[string]any) string {
	for _, key := range []string{"title", "name", "subject", "id", "标题", "名称", "编号"} {
		if v, ok := data[key]; ok {
			return fmt.Sprintf("%s %v", name, v)
		}
	}
	return name
}
