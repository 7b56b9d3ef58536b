package zoho

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"heliograph/crmclient"
)

var _ crmclient.WebhookReceiver = (*Client)(nil)

const (
	watchPath = "/actions/watch"
	// channelLife is how long a channel is asked for: a week at most since v4 of the API, and an hour for clocks that differ.
	channelLife = 7*24*time.Hour - time.Hour
	// channelRenew is how long before its end a channel is renewed: at half its life.
	channelRenew = channelLife / 2
	// channelPause is how long a channel that could not be made is left alone. Polling goes on meanwhile.
	channelPause = 10 * time.Minute
	maxWakes     = 1000 // ids of one notification
)

// channels knows until when the channels of the modules need no care.
type channels struct {
	mu    sync.Mutex // guards until, and lets one at a time care
	until map[string]time.Time
}

// channelID is the number of a module's channel. It is made of the names, so that all nodes mean the same one.
func (c *Client) channelID(module string) string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(c.d.Target + "\n" + module))
	return strconv.FormatUint(1_000_000_000_000+h.Sum64()%1_000_000_000_000, 10)
}

// keepChannel makes or renews the notification channel of a module where it is time. Trouble is logged and not told: without
// notifications changes come later, not never.
func (c *Client) keepChannel(ctx context.Context, module string) {
	if c.cfg.NotifyURL == "" {
		return
	}
	w := &c.watch
	w.mu.Lock()
	defer w.mu.Unlock()
	now := c.d.Clock()
	if now.Before(w.until[module]) {
		return
	}
	if w.until == nil {
		w.until = map[string]time.Time{}
	}
	ends, err := c.renewChannel(ctx, module, now)
	if err != nil {
		w.until[module] = now.Add(channelPause)
		if c.d.Logger != nil {
			c.d.Logger.WarnContext(ctx, "notification channel not kept", "target", c.d.Target, "module", module, "error", err)
		}
		return
	}
	w.until[module] = ends.Add(-channelRenew)
}

// renewChannel returns when the channel of the module ends.
func (c *Client) renewChannel(ctx context.Context, module string, now time.Time) (time.Time, error) {
	id := c.channelID(module)
	var out struct {
		Watch []struct {
			ID     string `json:"channel_id"`
			Expiry string `json:"channel_expiry"`
			URL    string `json:"notify_url"`
		} `json:"watch"`
	}
	if _, err := c.call(ctx, request{method: http.MethodGet, path: watchPath, query: url.Values{"channel_id": {id}}}, &out); err != nil {
		return time.Time{}, fmt.Errorf("read channel: %w", err)
	}
	method := http.MethodPost
	for _, ch := range out.Watch {
		if ch.ID != id {
			continue
		}
		method = http.MethodPut
		if ends, err := time.Parse(time.RFC3339, ch.Expiry); err == nil && ch.URL == c.cfg.NotifyURL && ends.Sub(now) > channelRenew {
			return ends, nil // another node did it
		}
	}
	ends := now.Add(channelLife).UTC().Truncate(time.Second)
	_, err := c.call(ctx, request{method: method, path: watchPath, body: map[string]any{"watch": []any{map[string]any{
		"channel_id": id, "events": []string{module + ".all"}, "channel_expiry": ends.Format(time.RFC3339), "token": c.cfg.NotifyToken.Reveal(),
		"notify_url": c.cfg.NotifyURL, "notify_on_related_action": false,
	}}}}, nil)
	if err != nil {
		return time.Time{}, fmt.Errorf("keep channel: %w", err)
	}
	return ends, nil
}

// ReceiveWebhook reads a notification. Zoho signs nothing: it proves itself by the token, which only it and we know, and the
// number of the channel. What it says is not believed further; the records are read again.
func (c *Client) ReceiveWebhook(d *crmclient.Delivery) (string, []crmclient.Wake, crmclient.Reply, error) {
	if c.cfg.NotifyURL == "" {
		return "", nil, crmclient.Reply{}, misconfigured("set notify_url and notify_token", "the target has no notifications")
	}
	var n struct {
		Module  string            `json:"module"`
		Channel json.RawMessage   `json:"channel_id"`
		Token   string            `json:"token"`
		IDs     []json.RawMessage `json:"ids"`
	}
	readable := json.Unmarshal(d.Body, &n) == nil
	if !readable || subtle.ConstantTimeCompare([]byte(n.Token), []byte(c.cfg.NotifyToken.Reveal())) != 1 ||
		!apiName.MatchString(n.Module) || plain(n.Channel) != c.channelID(n.Module) {
		return "", nil, crmclient.Reply{}, &crmclient.Error{
			Class: crmclient.ClassAuth, Message: "the notification is not from Zoho: its token or channel is not ours",
			Remedy: "if notify_token was changed, wait for the channel to be renewed, or delete it in Zoho",
		}
	}
	var wakes []crmclient.Wake
	for _, raw := range n.IDs[:min(len(n.IDs), maxWakes)] {
		if id := plain(raw); recordID.MatchString(id) {
			wakes = append(wakes, crmclient.Wake{Object: n.Module, ID: id})
		}
	}
	return "", wakes, crmclient.Reply{}, nil
}

// plain returns a JSON text or number as text.
func plain(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	var n json.Number
	if json.Unmarshal(raw, &n) == nil {
		return n.String()
	}
	return ""
}
