// Package archivetest fills a store with a company's mail of a year, for benchmarks of what is asked of it.
//
// The rows are those that the journal, the mirror and the archive write, put into the tables at once: to have a hundred thousand mails captured
// takes too long.
package archivetest

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"heliograph/hooks/archive"
	"heliograph/internal/journal"
	"heliograph/internal/store"
)

// The size of the company: as many messages, customers and colleagues.
const (
	Messages  = 100_000
	Customers = 5_000
	Accounts  = 50
)

// every is the time between two mails.
const every = 5 * time.Minute

// Start is when the first mail came, and End when the last one had.
var (
	Start = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	End   = Start.Add(Messages * every)
)

// Account is the address of a colleague.
func Account(n int) string { return fmt.Sprintf("a%d@corp.example", n) }

// Customer is the address of a customer; those with the smallest numbers have the most mail.
func Customer(n int) string { return fmt.Sprintf("p%d@c%d.example", n, n/3) }

// vocabulary are words: the first are in most mails, the last in hardly any.
func vocabulary(r *rand.Rand) func() string {
	hanzi := []rune("合同报价交货付款客户产品质量数量单价运费发票税率样品订单确认日期地址电话联系人公司技术支持维修退货折扣库存物流快递")
	z := rand.NewZipf(r, 1.15, 3, 8000)
	return func() string {
		n := int(z.Uint64())
		if n%2 == 0 {
			return string([]rune{hanzi[n%len(hanzi)], hanzi[(n/7)%len(hanzi)]})
		}
		return "w" + strconv.Itoa(n)
	}
}

// Fill puts a company's mail into the tables of the mirror and of the archive, as the archive writes it.
func Fill(b testing.TB, db *store.DB) {
	b.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	word := vocabulary(r)
	customers := rand.NewZipf(r, 1.3, 20, Customers-1)
	for first := 0; first < Messages; first += 1000 {
		err := db.Write(b.Context(), func(ctx context.Context, tx store.Querier) error {
			for i := first; i < first+1000; i++ {
				if err := fillOne(ctx, tx, db.Dialect(), r, word, i, int(customers.Uint64())); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	err := db.Write(b.Context(), func(ctx context.Context, tx store.Querier) error {
		for _, query := range []string{
			`INSERT INTO archive_talks (subject, account, name, messages, last_at, last_in, last_out)
				SELECT subject, '', 'somebody', COUNT(*), MAX(id), MAX(id), MAX(id) FROM archive_people GROUP BY subject`,
			`INSERT INTO archive_talks (subject, account, name, messages, last_at, last_in, last_out)
				SELECT p.subject, s.account, 'somebody', COUNT(*), MAX(p.id), MAX(p.id), MAX(p.id) FROM archive_people p JOIN archive_seen s ON s.id = p.id GROUP BY p.subject, s.account`,
			`DELETE FROM archive_dirty`,
			map[store.Dialect]string{store.SQLite: `INSERT INTO archive_tokens (archive_tokens) VALUES ('optimize')`, store.Postgres: `ANALYZE`}[db.Dialect()],
			map[store.Dialect]string{store.SQLite: `ANALYZE`, store.Postgres: `SELECT 1`}[db.Dialect()],
		} {
			if _, err := tx.ExecContext(ctx, query); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}

func fillOne(ctx context.Context, tx store.Querier, d store.Dialect, r *rand.Rand, word func() string, i, who int) error {
	words := make([]string, 80)
	for n := range words {
		words[n] = word()
	}
	if i%1000 == 7 {
		words[3] = "needle"
	}
	key, id := fmt.Sprintf("m1-%06d", i), store.Micros(Start.Add(time.Duration(i)*every))
	direction := []string{"inbound", "outbound"}[i%2]
	seen := []string{Account(r.IntN(Accounts))}
	if other := Account(r.IntN(Accounts)); i%4 == 0 && other != seen[0] {
		seen = append(seen, other)
	}
	from, to := Customer(who), seen[0]
	part := "wrote"
	if direction == "outbound" {
		from, to, part = to, from, "got"
	}
	files := []string{}
	if i%5 == 0 {
		files = append(files, words[0]+" offer.pdf")
	}
	list := []archive.Person{{Address: from, Role: archive.From}, {Address: to, Role: archive.To}}
	people, err := json.Marshal(list)
	if err != nil {
		return err
	}
	names, err := json.Marshal(files)
	if err != nil {
		return err
	}
	state := "mirrored"
	if i%500 == 3 {
		state = "failed"
	}
	text := archive.Indexed(d, strings.Join(words[:6], " "), strings.Join(words, " "), direction, seen, files, list)
	insert := `INSERT INTO archive_tokens (rowid, tokens) VALUES ($1, $2)`
	if d == store.Postgres {
		insert = `INSERT INTO archive_tokens (rowid, tokens) VALUES ($1, $2::text::tsvector)`
	}
	type statement struct {
		query string
		args  []any
	}
	all := []statement{
		{
			`INSERT INTO messages (key, message_id, thread, direction, sent_at, first_seen, last_seen) VALUES ($1, $2, $3, $4, $5, $5, $5)`,
			[]any{key, key + "@x", fmt.Sprintf("t%05d", i/4), direction, id},
		},
		{
			`INSERT INTO archive_messages (id, key, direction, sender, subject, preview, size, automated, attachments, files, people, people_count)
			VALUES ($1, $2, $3, $4, $5, $6, 5000, $7, $8, $9, $10, 2)`,
			[]any{id, key, direction, from, strings.Join(words[:6], " "), strings.Join(words[:20], " "), i % 10 / 9, len(files), string(names), string(people)},
		},
		{insert, []any{id, text}},
		{`INSERT INTO deliveries (message_key, target, state, reason, remote_id, url, received_at, updated_at) VALUES ($1, 'crm', $2, '', '', '', $3, $3)`, []any{key, state, id}},
		{`INSERT INTO archive_people (subject, id, part) VALUES ($1, $2, $3), ($4, $2, $3)`, []any{Customer(who), id, part, "@" + strings.SplitN(Customer(who), "@", 2)[1]}},
	}
	if i%50 == 0 {
		all = append(all, statement{`INSERT INTO message_tags (message_key, tag, set_by, set_at) VALUES ($1, 'vip', '', 0)`, []any{key}})
	}
	for _, a := range seen {
		entry := journal.NewID(store.FromMicros(id)).String()
		all = append(all,
			statement{`INSERT INTO entries (id, node, segment, pos, kind, account, upstream, state, reverse_path, received, sealed_at, size, envelope, code, reply, verdict_at, queued, settled)
				VALUES ($1, 'n', 1, 0, 'fetch', $2, 'main', 'confirmed', '', $3, $3, 5000, '{}', 0, '', 0, 1, 1)`, []any{entry, a, id}},
			statement{`INSERT INTO sightings (entry, message_key, kind, account, seen_at, unconfirmed, excluded) VALUES ($1, $2, 'fetch', $3, $4, 0, '')`, []any{entry, key, a, id}},
			statement{`INSERT INTO archive_seen (account, id) VALUES ($1, $2)`, []any{a, id}})
	}
	for _, s := range all {
		if _, err := tx.ExecContext(ctx, s.query, s.args...); err != nil {
			return fmt.Errorf("%s: %w", s.query, err)
		}
	}
	return nil
}

// Team are accounts that a manager sees.
func Team(n int) (out []string) {
	for i := range n {
		out = append(out, Account(i))
	}
	return out
}
