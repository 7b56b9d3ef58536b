package customerbox_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"heliograph/config"
	"heliograph/internal/journal"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

const (
	benchCustomers = 5000
	benchMessages  = 100_000
	benchLarge     = 2000 // of them in one mailbox
	benchBodies    = 500  // in the journal; the other messages share these
)

// seed fills the store without the way through the mirror, which is measured elsewhere.
func (w *world) seed() {
	w.t.Helper()
	entries := make([]string, benchBodies)
	for i := range entries {
		entries[i] = w.receive(anna, letter(i, "somebody@big.example", anna, fmt.Sprint("采购订单 ", i), "请看附件里的报价单。"))
	}
	w.mirrored(benchBodies, benchBodies)
	insert := func(query string, n int, row func(i int) []any) {
		for from := 0; from < n; from += 5000 {
			must(w.t, w.db.Write(w.t.Context(), func(ctx context.Context, tx store.Querier) error {
				for i := from; i < min(from+5000, n); i++ {
					if _, err := tx.ExecContext(ctx, query, row(i)...); err != nil {
						return err
					}
				}
				return nil
			}))
		}
	}
	now := store.Micros(time.Now())
	insert(`INSERT INTO crm_companies (id, name, name_key, domain, phone, website, address, owner, note, custom, version, created_at, updated_at, search)
		VALUES ($1, $2, $2, $2, '', '', '', '', '', '{}', 1, $3, $3, '')`, benchCustomers,
		func(i int) []any { return []any{1000 + i, fmt.Sprintf("客户 %d 有限公司", i), now} })
	insert(`INSERT INTO crm_contacts (id, name, company_id, title, phone, mobile, owner, source, note, custom, last_activity_at, version, created_at, updated_at, search)
		VALUES ($1, $2, $1, '', '', '', '', 'mail', '', '{}', 0, 1, $3, $3, '')`, benchCustomers,
		func(i int) []any { return []any{1000 + i, fmt.Sprintf("Contact %d", i), now} })
	insert(`INSERT INTO crm_activities (id, key, message_id, thread, direction, subject, sent_at, from_name, from_address, people, body, body_unquoted, html,
		accounts, sightings, flags, automated, unconfirmed, created_at, updated_at)
		VALUES ($1, $2, $2, '', 'inbound', $3, $4, 'Contact', 'c@x.example', '{}', $5, '', '', '[]', '[]', '[]', 0, 0, $4, $4)`, benchMessages,
		func(i int) []any {
			return []any{100_000 + i, fmt.Sprint("k", i), fmt.Sprintf("采购订单 %d", i), now + int64(i), fmt.Sprintf("报价单 number %d of many words", i)}
		})
	insert(`INSERT INTO crm_activity_contacts (contact_id, activity_id, sent_at) VALUES ($1, $2, $3)`, benchMessages,
		func(i int) []any {
			customer := 1000
			if i >= benchLarge {
				customer = 1001 + i%(benchCustomers-1)
			}
			return []any{customer, 100_000 + i, now + int64(i)}
		})
	insert(`INSERT INTO messages (key, message_id, thread, direction, sent_at, first_seen, last_seen) VALUES ($1, $1, '', 'inbound', $2, $2, $2)`, benchMessages,
		func(i int) []any { return []any{fmt.Sprint("k", i), now + int64(i)} })
	// A sighting has an entry of its own, and the entries of this store share bodies.
	copies := make([]string, benchMessages)
	for i := range copies {
		copies[i] = journal.NewID(time.Now()).String()
	}
	insert(`INSERT INTO entries (id, node, segment, pos, kind, account, upstream, state, reverse_path, received, sealed_at, size, envelope, code, reply, verdict_at, queued, settled)
		SELECT $1, node, segment, pos, kind, account, upstream, state, reverse_path, received, sealed_at, size, envelope, code, reply, verdict_at, 1, 1 FROM entries WHERE id = $2`,
		benchMessages, func(i int) []any { return []any{copies[i], entries[i%benchBodies]} })
	insert(`INSERT INTO sightings (entry, message_key, kind, account, seen_at, unconfirmed, excluded) VALUES ($1, $2, 'fetch', $3, $4, 0, '')`, benchMessages,
		func(i int) []any { return []any{copies[i], fmt.Sprint("k", i), []string{anna, bert}[i%2], now} })
}

// Benchmark5000Customers measures what mail programs do, with 5,000 customers and 100,000 messages.
func Benchmark5000Customers(b *testing.B) {
	w := newWorld(b, storetest.SQLite(b), func(s *setup) { s.customers = config.Customers{Scope: config.ScopeOwn, Managers: []string{chef}} })
	w.seed()
	large := "Customers/客户 0 有限公司"
	for _, user := range []string{chef, anna} {
		c := w.login(user, nil)
		b.Run(user+"/LIST", func(b *testing.B) {
			for b.Loop() {
				if n := len(names(b, c, "*")); n < benchCustomers {
					b.Fatalf("%d mailboxes", n)
				}
			}
		})
		b.Run(user+"/STATUS", func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				_, err := c.Status(fmt.Sprintf("Customers/客户 %d 有限公司", 1+i%4000), &imap.StatusOptions{NumMessages: true, UIDNext: true}).Wait()
				must(b, err)
			}
		})
		b.Run(user+"/SELECT of 20", func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				_, err := c.Select(fmt.Sprintf("Customers/客户 %d 有限公司", 1+i%4000), nil).Wait()
				must(b, err)
			}
		})
		b.Run(user+"/SELECT of 2000", func(b *testing.B) {
			for b.Loop() {
				_, err := c.Select(large, nil).Wait()
				must(b, err)
			}
		})
		all := imap.SeqSet{}
		all.AddRange(1, 0)
		n, err := c.Select(large, nil).Wait()
		must(b, err)
		for name, o := range map[string]*imap.FetchOptions{
			"FLAGS": {UID: true, Flags: true},
			"listing": {UID: true, Flags: true, RFC822Size: true, InternalDate: true, BodySection: []*imap.FetchItemBodySection{
				{Specifier: imap.PartSpecifierHeader, HeaderFields: []string{"From", "To", "Subject", "Date"}, Peek: true},
			}},
			"ENVELOPE": {Envelope: true, BodyStructure: &imap.FetchItemBodyStructure{Extended: true}},
			"BODY[]":   {BodySection: []*imap.FetchItemBodySection{{}}},
		} {
			b.Run(user+"/FETCH "+name, func(b *testing.B) {
				for b.Loop() {
					got, err := c.Fetch(all, o).Collect()
					must(b, err)
					if len(got) != int(n.NumMessages) {
						b.Fatalf("%d messages", len(got))
					}
				}
				b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/float64(n.NumMessages), "µs/message")
			})
		}
		b.Run(user+"/SEARCH TEXT", func(b *testing.B) {
			for b.Loop() {
				found, err := c.Search(&imap.SearchCriteria{Text: []string{"报价单 number 17"}}, nil).Wait()
				must(b, err)
				if len(found.AllSeqNums()) == 0 {
					b.Fatal("nothing is found")
				}
			}
		})
	}
}
