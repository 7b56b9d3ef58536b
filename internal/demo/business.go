package demo

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"time"

	"heliograph/crmclient/builtin"
	"heliograph/hooks/rules"
	"heliograph/internal/gateway"
)

//go:embed quote-approval.yaml
var largeDeal []byte

// stages are those of the demo's deals, as its configuration has them.
var stages = []string{"线索", "报价", "谈判", "已成交", "失单"}

// deals are what the company is about to sell. One of them is won while the demo runs, and one is so large that a manager is asked.
var deals = []struct {
	builtin.Deal
	contact string
	won     bool
}{
	{Deal: builtin.Deal{Title: "VMC-850 五轴加工中心三台", Stage: "谈判", Amount: 238000000, Owner: liwei.Address}, contact: "zhou.min@tianhe-precision.example"},
	{Deal: builtin.Deal{Title: "CK-36 数控车床六台（代理首批）", Stage: "报价", Amount: 51600000, Owner: fang.Address}, contact: "lin.xiaomei@minnan-trade.example", won: true},
	{Deal: builtin.Deal{Title: "XK-714 备件", Stage: "谈判", Amount: 3790800, Owner: liwei.Address}, contact: "j.mueller@schwarzwald-maschinen.example"},
	{Deal: builtin.Deal{Title: "MG-20 円筒研削盤", Stage: "线索", Amount: 42000000, Owner: liwei.Address}, contact: "tanaka@kanto-seiki.example"},
}

// winAfter is how long the gateway has followed the deals when one is won: rules see a change of what they have seen before.
const winAfter = 75 * time.Second

// sell puts the deals into the CRM, where rules see them: who manages the sellers is asked about a large one.
func (d *demo) sell(ctx context.Context) error {
	if err := d.publishOne(ctx, largeDeal); err != nil {
		return err
	}
	known := map[string]int64{}
	contacts, err := d.crm.Contacts(ctx, builtin.ContactFilter{Paging: builtin.Paging{Limit: 200}})
	if err != nil {
		return err
	}
	for _, c := range contacts.Items {
		for _, a := range c.Addresses {
			known[a] = c.ID
		}
	}
	fmt.Fprintf(d.out, "\nDeals 商机:\n")
	for _, deal := range deals {
		deal.ContactID = known[deal.contact]
		made, err := d.crm.AddDeal(ctx, deal.Deal)
		if err != nil {
			return fmt.Errorf("deal %q: %w", deal.Title, err)
		}
		if deal.won {
			d.winning, d.winAt = &made, time.Now().Add(winAfter)
		}
		fmt.Fprintf(d.out, "  %s %s\n", pad(made.Title, 34), made.Stage)
	}
	return nil
}

// win has a deal won once it is time: its customer is welcomed by a rule.
func (d *demo) win(ctx context.Context) error {
	if d.winning == nil || time.Now().Before(d.winAt) {
		return nil
	}
	deal := *d.winning
	d.winning = nil
	deal.Stage = "已成交"
	if _, err := d.crm.UpdateDeal(ctx, deal); err != nil && !errors.Is(err, builtin.ErrConflict) { // somebody who tries the demo was quicker
		return fmt.Errorf("deal %q: %w", deal.Title, err)
	}
	return nil
}

// publishOne puts a rule in force as it is.
func (d *demo) publishOne(ctx context.Context, text []byte) error {
	r, err := rules.Parse(text)
	if err != nil {
		return err
	}
	around, err := gateway.Surroundings(d.cfg)
	if err != nil {
		return err
	}
	_, _, err = rules.NewBook(d.gateway.Store(), time.Now).Publish(ctx, r, rules.StateLive, -1, "", "demo", around)
	return err
}
