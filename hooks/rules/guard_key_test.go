package rules

import (
	"testing"
	"time"
)

// TestBudgetOfAThing: each article is told of once a day, whoever else is.
func TestBudgetOfAThing(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, r *rig) {
		r.publish(`
id: stock
name: 库存
owner: lead@example.com
trigger: {type: webhook, hook: stock}
guards: {per_key: {key: '{{.event.sku}}', count: 1, per: 24h}}
steps:
  - {id: a, do: send_mail, with: {to: buyer@example.com, subject: 'mail {{.event.sku}}', text: x, urgent: true}}
  - {id: b, do: notify, with: {channel: ops, title: 'chat {{.event.sku}}'}}
`)
		tell := func(key, sku string) {
			r.post(Event{Type: TypeWebhook, Key: key, At: r.clock.Now(), Data: map[string]any{"event": map[string]any{"_hook": "stock", "sku": sku}}})
		}
		tell("1", "M-1")
		tell("2", "M-1")
		tell("3", "M-2")
		r.after(23 * time.Hour)
		tell("4", "M-1")
		r.after(2 * time.Hour)
		tell("5", "M-1")
		r.wantEffects("mail mail M-1", "notify chat M-1", "mail mail M-2", "notify chat M-2", "mail mail M-1", "notify chat M-1")
		if m := r.out.done[r.out.order[0]].Mail; !m.Urgent {
			t.Error("the mail is not urgent")
		}
	})
}
