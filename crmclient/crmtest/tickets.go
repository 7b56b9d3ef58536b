package crmtest

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"heliograph/crmclient"
)

// TicketKeeper is a Fake that keeps tickets. Its client must be a crmclient.Ticketer.
type TicketKeeper interface {
	Tickets(t *testing.T) []TicketRecord
	// Agent returns the mail address of somebody whom tickets can be given to; empty where the connector can give them to nobody.
	Agent(t *testing.T) string
}

// TicketRecord is a stored ticket as far as all vendors keep it.
type TicketRecord struct {
	ID, Key, Subject, Text string
	Assignee               string // mail address
}

// Ticket returns a complete ticket with the key.
func Ticket(key string) *crmclient.Ticket {
	return &crmclient.Ticket{
		Key: key, Subject: "打印机 doesn't print 👋", Text: "Hello,\n\nit says \"PC LOAD LETTER\" & stops at <page 2>.\n",
		Priority: "high", Requester: crmclient.Person{Name: "Li Lei", Address: "li.lei@customer.example"}, MessageID: key + "@customer.example",
	}
}

func (s Subject) runTickets(t *testing.T) {
	if _, ok := s.Fake(t).(TicketKeeper); !ok {
		return
	}
	each := func(name string, body func(t *testing.T, b *bench, c crmclient.Ticketer, k TicketKeeper)) {
		t.Run("tickets: "+name, func(t *testing.T) {
			t.Parallel()
			b := s.start(t, longTimeout)
			c, ok := crmclient.As[crmclient.Ticketer](b.client)
			if !ok {
				t.Fatal("the fake keeps tickets, but the client makes none")
			}
			body(t, b, c, b.fake.(TicketKeeper))
		})
	}
	each("made once and found by the key", ticketsOnce)
	each("made once by several at once", ticketsAtOnce)
	each("with every priority, and none", ticketPriorities)
	each("given to an employee", s.ticketsAssigned)
	each("a key with quotes finds nothing else", ticketsQuoted)
	s.around(t, "make a ticket", func(o OtherWriter) func(*http.Request) bool { return o.WritesTicket },
		func(ctx context.Context, c crmclient.Client) error {
			_, err := able[crmclient.Ticketer](c).CreateTicket(ctx, Ticket("around-ticket"))
			return err
		},
		func(t *testing.T, b *bench) { wantTicket(t, b.fake.(TicketKeeper), "around-ticket") })
}

func wantTicket(t *testing.T, k TicketKeeper, key string) TicketRecord {
	t.Helper()
	found := slices.DeleteFunc(k.Tickets(t), func(r TicketRecord) bool { return r.Key != key })
	if len(found) != 1 {
		t.Fatalf("tickets with the key %s: got %d, want 1", key, len(found))
	}
	return found[0]
}

func ticketsOnce(t *testing.T, _ *bench, c crmclient.Ticketer, k TicketKeeper) {
	if _, there, err := c.FindTicket(t.Context(), "ticket-1"); err != nil || there {
		t.Fatalf("before: got %v, %v; want none", there, err)
	}
	var first crmclient.Receipt
	for i := range 3 {
		receipt, err := c.CreateTicket(t.Context(), Ticket("ticket-1"))
		if err != nil || receipt.RemoteID == "" {
			t.Fatalf("got %+v, %v; want a receipt with an id", receipt, err)
		}
		if i == 0 {
			first = receipt
		} else if receipt.RemoteID != first.RemoteID {
			t.Errorf("again: got the id %s, want %s", receipt.RemoteID, first.RemoteID)
		}
	}
	if _, err := c.CreateTicket(t.Context(), Ticket("ticket-2")); err != nil {
		t.Fatal(err)
	}
	wantTicket(t, k, "ticket-2")
	r, want := wantTicket(t, k, "ticket-1"), Ticket("ticket-1")
	if r.Subject != want.Subject || !strings.Contains(r.Text, strings.TrimSpace(want.Text)) || r.ID != first.RemoteID {
		t.Errorf("ticket: got %+v, want the words of %+v and the id %s", r, want, first.RemoteID)
	}
	found, there, err := c.FindTicket(t.Context(), "ticket-1")
	if err != nil || !there || found.ID != first.RemoteID {
		t.Errorf("found: got %+v, %v, %v; want the id %s", found, there, err, first.RemoteID)
	}
}

func ticketsAtOnce(t *testing.T, _ *bench, c crmclient.Ticketer, k TicketKeeper) {
	const workers = 6
	var group sync.WaitGroup
	for w := range workers {
		group.Go(func() {
			// One after the other, as the queue's order key makes it; other tickets meanwhile.
			for _, key := range []string{"own-a", "own-b"} {
				key := key + string(rune('0'+w))
				if _, err := c.CreateTicket(t.Context(), Ticket(key)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	for w := range workers {
		wantTicket(t, k, "own-a"+string(rune('0'+w)))
		wantTicket(t, k, "own-b"+string(rune('0'+w)))
	}
}

func ticketPriorities(t *testing.T, _ *bench, c crmclient.Ticketer, k TicketKeeper) {
	for _, priority := range []string{"", "low", "normal", "high", "urgent"} {
		ticket := Ticket("priority-" + priority)
		ticket.Priority = priority
		if _, err := c.CreateTicket(t.Context(), ticket); err != nil {
			t.Errorf("priority %q: %v", priority, err)
			continue
		}
		wantTicket(t, k, ticket.Key)
	}
}

func (s Subject) ticketsAssigned(t *testing.T, _ *bench, c crmclient.Ticketer, k TicketKeeper) {
	agent := k.Agent(t)
	if agent == "" {
		return
	}
	receipt, err := c.CreateTicket(t.Context(), Ticket("assigned"))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // again is fine
		if err := c.AssignTicket(t.Context(), receipt.RemoteID, agent); err != nil {
			t.Fatal(err)
		}
		if r := wantTicket(t, k, "assigned"); r.Assignee != agent {
			t.Errorf("assignee: got %q, want %q", r.Assignee, agent)
		}
	}
	s.wantClass(t, c.AssignTicket(t.Context(), receipt.RemoteID, "nobody.here@example.com"), crmclient.ClassPermanent)
	if r := wantTicket(t, k, "assigned"); r.Assignee != agent {
		t.Errorf("after a person whom nobody knows: got %q, want %q", r.Assignee, agent)
	}
	ticket := Ticket("born assigned")
	ticket.Assignee = agent
	if _, err := c.CreateTicket(t.Context(), ticket); err != nil {
		t.Fatal(err)
	}
	if r := wantTicket(t, k, ticket.Key); r.Assignee != agent {
		t.Errorf("assignee of a new ticket: got %q, want %q", r.Assignee, agent)
	}
}

func ticketsQuoted(t *testing.T, _ *bench, c crmclient.Ticketer, k TicketKeeper) {
	if _, err := c.CreateTicket(t.Context(), Ticket("plain")); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{`x' OR '1'='1`, `x" OR "1"="1`, `x\`, "x%", "*", "plain'"} {
		if found, there, err := c.FindTicket(t.Context(), key); err != nil || there {
			t.Errorf("%q: got %+v, %v, %v; want none", key, found, there, err)
		}
	}
	wantTicket(t, k, "plain")
}
