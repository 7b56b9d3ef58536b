package builtin

import (
	"context"
	"fmt"
	"time"

	"heliograph/internal/store"
)

// The states and priorities of a ticket. The first one is the default.
var (
	TicketStatuses   = []string{"open", "pending", "solved", "closed"}
	TicketPriorities = []string{"normal", "low", "high", "urgent"}
)

// Ticket is something that somebody must do for a contact.
type Ticket struct {
	ID        int64          `json:"id"`
	Subject   string         `json:"subject"`
	Body      string         `json:"body,omitempty"`
	Status    string         `json:"status"`             // one of TicketStatuses
	Priority  string         `json:"priority"`           // one of TicketPriorities
	Assignee  string         `json:"assignee,omitempty"` // mail address of an employee
	ContactID int64          `json:"contact_id,omitempty"`
	Custom    map[string]any `json:"custom,omitempty"`
	Version   int64          `json:"version"`
	Created   time.Time      `json:"created"`
	Updated   time.Time      `json:"updated"`
	Closed    time.Time      `json:"closed,omitzero"` // when it became solved or closed
}

// TicketFilter selects tickets. Zero fields select all.
type TicketFilter struct {
	Query     string // words that must all be in subject or body
	Status    string
	Assignee  string
	ContactID int64
	Paging
}

const ticketColumns = `id, subject, body, status, priority, assignee, COALESCE(contact_id, 0), custom, version, created_at, updated_at, closed_at`

func scanTicket(row scanner) (Ticket, error) {
	var t Ticket
	var custom string
	var created, updated, closed int64
	err := row.Scan(&t.ID, &t.Subject, &t.Body, &t.Status, &t.Priority, &t.Assignee, &t.ContactID, &custom, &t.Version, &created, &updated, &closed)
	if err != nil {
		return t, err
	}
	t.Created, t.Updated, t.Closed = store.FromMicros(created), store.FromMicros(updated), store.FromMicros(closed)
	t.Custom, err = customOf(custom)
	return t, err
}

func checkTicket(ctx context.Context, tx store.Querier, t *Ticket) (custom string, err error) {
	var k checks
	k.required("subject", &t.Subject, maxLine)
	k.text("body", &t.Body)
	k.oneOf("status", &t.Status, TicketStatuses)
	k.oneOf("priority", &t.Priority, TicketPriorities)
	k.line("assignee", &t.Assignee, maxAddress)
	t.Assignee = normalAddress(t.Assignee)
	custom = k.custom(t.Custom)
	if k.err != nil {
		return "", k.err
	}
	return custom, exists(ctx, tx, "contact_id", "crm_contacts", t.ContactID)
}

func (t *Ticket) done() bool { return t.Status == "solved" || t.Status == "closed" }

// AddTicket stores a new ticket and returns it with its id and version.
func (c *CRM) AddTicket(ctx context.Context, t Ticket) (Ticket, error) {
	err := c.write(ctx, func(ctx context.Context, tx store.Querier) error {
		custom, err := checkTicket(ctx, tx, &t)
		if err != nil {
			return err
		}
		now, closed := store.Micros(c.now()), int64(0)
		if t.done() {
			closed = now
		}
		t, err = scanTicket(tx.QueryRowContext(ctx, `
			INSERT INTO crm_tickets (subject, body, status, priority, assignee, contact_id, custom, version, created_at, updated_at, closed_at, search)
			VALUES ($1, $2, $3, $4, $5, $6, $7, 1, $8, $8, $9, $10) RETURNING `+ticketColumns,
			t.Subject, t.Body, t.Status, t.Priority, t.Assignee, nullID(t.ContactID), custom, now, closed, searchText(t.Subject, t.Body)))
		return err
	})
	if err != nil {
		return Ticket{}, fmt.Errorf("add ticket: %w", err)
	}
	return t, nil
}

// UpdateTicket stores all fields of t. Its Version must be the stored one (ErrConflict); it is returned with the new one.
func (c *CRM) UpdateTicket(ctx context.Context, t Ticket) (Ticket, error) {
	err := c.write(ctx, func(ctx context.Context, tx store.Querier) error {
		custom, err := checkTicket(ctx, tx, &t)
		if err != nil {
			return err
		}
		now, done := store.Micros(c.now()), boolInt(t.done())
		r, err := tx.ExecContext(ctx, `
			UPDATE crm_tickets SET subject = $1, body = $2, status = $3, priority = $4, assignee = $5, contact_id = $6, custom = $7,
				search = $8, updated_at = $9, version = version + 1,
				closed_at = CASE WHEN $10 = 0 THEN 0 WHEN closed_at = 0 THEN $9 ELSE closed_at END
			WHERE id = $11 AND version = $12`,
			t.Subject, t.Body, t.Status, t.Priority, t.Assignee, nullID(t.ContactID), custom, searchText(t.Subject, t.Body), now, done, t.ID, t.Version)
		if err := changed(ctx, tx, r, err, "crm_tickets", t.ID); err != nil {
			return err
		}
		t, err = scanTicket(tx.QueryRowContext(ctx, `SELECT `+ticketColumns+` FROM crm_tickets WHERE id = $1`, t.ID))
		return err
	})
	if err != nil {
		return Ticket{}, fmt.Errorf("update ticket: %w", err)
	}
	return t, nil
}

// Ticket returns one ticket, or ErrNotFound.
func (c *CRM) Ticket(ctx context.Context, id int64) (Ticket, error) {
	t, err := scanTicket(c.db.Reader().QueryRowContext(ctx, `SELECT `+ticketColumns+` FROM crm_tickets WHERE id = $1`, id))
	return t, notFound("read ticket", err)
}

// Tickets lists tickets, the newest first.
func (c *CRM) Tickets(ctx context.Context, f TicketFilter) (Page[Ticket], error) {
	var w where
	w.contains("search", f.Query)
	equal(&w, "status", f.Status)
	equal(&w, "assignee", normalAddress(f.Assignee))
	equal(&w, "contact_id", f.ContactID)
	return list(ctx, c.db.Reader(), `SELECT `+ticketColumns+` FROM crm_tickets`, &w, "id", f.Paging, scanTicket, func(t Ticket) int64 { return t.ID })
}
