package demo

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"heliograph/crmclient/builtin"
	shipped "heliograph/deploy/rules"
	"heliograph/hooks/rules"
	"heliograph/internal/gateway"
)

// ruleFiles are the rules of deploy/rules that the demo puts in force.
var ruleFiles = []string{"01-deal-won.yaml", "02-complaint.yaml", "11-no-reply.yaml"}

// publish puts rules in force, with the demo's addresses. The demo has no chat, so steps that tell one are left out.
func (d *demo) publish(ctx context.Context) error {
	around, err := gateway.Surroundings(d.cfg)
	if err != nil {
		return err
	}
	fmt.Fprintf(d.out, "\nRules in force 已启用规则:\n")
	for _, file := range ruleFiles {
		text, err := fs.ReadFile(shipped.Files, file)
		if err != nil {
			return err
		}
		adapted := strings.NewReplacer("service@example.com", support, "sales-director@example.com", fang.Address, "service-lead@example.com", fang.Address, "example.com", Domain).Replace(string(text))
		r, err := rules.Parse([]byte(adapted))
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		var steps []rules.Step
		for _, s := range r.Steps {
			if s.Do != "notify" {
				steps = append(steps, s)
			}
		}
		r.Steps, r.Tests = steps, nil
		if _, _, err := rules.NewBook(d.gateway.Store(), time.Now).Publish(ctx, r, rules.StateLive, -1, "", "demo", around); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		fmt.Fprintf(d.out, "  %s %s\n", pad(r.ID, 18), r.Name)
	}
	return nil
}

// showRules says what the rules did: the complaint became a ticket, and its sender got a receipt.
func (d *demo) showRules(ctx context.Context) error {
	for deadline := time.Now().Add(settleIn); ; {
		page, err := d.crm.Tickets(ctx, builtin.TicketFilter{})
		if err != nil {
			return err
		}
		receipts := 0
		for _, m := range d.provider.World() {
			if slices.Contains(m.To, chen.Address) && strings.Contains(string(m.Data), "Auto-Submitted: auto-replied") {
				receipts++
			}
		}
		if len(page.Items) > 0 && receipts > 0 {
			t := page.Items[0]
			fmt.Fprintf(d.out, "\nBy rules 规则自动完成:\n  ticket 工单 %d  %s → %s\n  receipt 回执 → %s (%d)\n", t.ID, pad(t.Subject, 30), t.Assignee, chen.Address, receipts)
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the complaint had become %d tickets and %d receipts in %s", len(page.Items), receipts, settleIn)
		}
		if !wait(ctx) {
			return context.Cause(ctx)
		}
	}
}
