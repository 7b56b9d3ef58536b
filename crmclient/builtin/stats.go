package builtin

import (
	"context"
	"fmt"
)

// Stats counts what is stored.
type Stats struct {
	Companies   int64           `json:"companies"`
	Contacts    int64           `json:"contacts"`
	Activities  int64           `json:"activities"`
	Attachments int64           `json:"attachments"`
	Deals       []DealStat      `json:"deals"`   // by stage and currency
	Tickets     []TicketStat    `json:"tickets"` // by status
	Directions  []DirectionStat `json:"directions"`
}

// DealStat is the number and sum of the deals of one stage and currency.
type DealStat struct {
	Stage    string `json:"stage"`
	Currency string `json:"currency"`
	Count    int64  `json:"count"`
	Amount   int64  `json:"amount"` // in minor units
}

// TicketStat is the number of tickets of one status.
type TicketStat struct {
	Status string `json:"status"`
	Count  int64  `json:"count"`
}

// DirectionStat is the number of activities of one direction.
type DirectionStat struct {
	Direction string `json:"direction"`
	Count     int64  `json:"count"`
}

// Stats counts all records.
func (c *CRM) Stats(ctx context.Context) (Stats, error) {
	s, err := c.stats(ctx)
	if err != nil {
		return Stats{}, fmt.Errorf("count records: %w", err)
	}
	return s, nil
}

func (c *CRM) stats(ctx context.Context) (s Stats, err error) {
	q := c.db.Reader()
	err = q.QueryRowContext(ctx, `
		SELECT (SELECT COUNT(*) FROM crm_companies), (SELECT COUNT(*) FROM crm_contacts),
			(SELECT COUNT(*) FROM crm_activities), (SELECT COUNT(*) FROM crm_attachments)`).
		Scan(&s.Companies, &s.Contacts, &s.Activities, &s.Attachments)
	if err != nil {
		return s, err
	}
	rows, err := q.QueryContext(ctx, `
		SELECT stage, currency, COUNT(*), CAST(SUM(amount) AS BIGINT) FROM crm_deals GROUP BY stage, currency ORDER BY stage, currency`)
	if err != nil {
		return s, err
	}
	s.Deals, err = collect(rows, func(row scanner) (d DealStat, err error) {
		err = row.Scan(&d.Stage, &d.Currency, &d.Count, &d.Amount)
		return d, err
	})
	if err != nil {
		return s, err
	}
	if rows, err = q.QueryContext(ctx, `SELECT status, COUNT(*) FROM crm_tickets GROUP BY status ORDER BY status`); err != nil {
		return s, err
	}
	s.Tickets, err = collect(rows, func(row scanner) (t TicketStat, err error) {
		err = row.Scan(&t.Status, &t.Count)
		return t, err
	})
	if err != nil {
		return s, err
	}
	if rows, err = q.QueryContext(ctx, `SELECT direction, COUNT(*) FROM crm_activities GROUP BY direction ORDER BY direction`); err != nil {
		return s, err
	}
	s.Directions, err = collect(rows, func(row scanner) (d DirectionStat, err error) {
		err = row.Scan(&d.Direction, &d.Count)
		return d, err
	})
	return s, err
}
