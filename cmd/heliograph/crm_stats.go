package main

import (
	"context"
	"fmt"
	"os"

	"heliograph/crmclient/builtin"
)

type crmStatsCmd struct {
	JSON bool `help:"Print JSON."`
}

// Run counts all records.
func (c *crmStatsCmd) Run(ctx context.Context, parent *crmCmd) error {
	return parent.with(ctx, func(crm *builtin.CRM) error {
		s, err := crm.Stats(ctx)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(s)
		}
		t := &table{head: []string{"RECORD", "COUNT", "AMOUNT"}, right: []int{1, 2}}
		t.add("contacts", fmt.Sprint(s.Contacts), "")
		t.add("companies", fmt.Sprint(s.Companies), "")
		t.add("mail", fmt.Sprint(s.Activities), "")
		for _, d := range s.Directions {
			t.add("mail, "+d.Direction, fmt.Sprint(d.Count), "")
		}
		t.add("files", fmt.Sprint(s.Attachments), "")
		for _, d := range s.Deals {
			t.add("deals, "+d.Stage, fmt.Sprint(d.Count), builtin.FormatAmount(d.Amount, d.Currency)+" "+d.Currency)
		}
		for _, k := range s.Tickets {
			t.add("tickets, "+k.Status, fmt.Sprint(k.Count), "")
		}
		return t.print(os.Stdout)
	})
}
