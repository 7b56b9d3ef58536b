package contacts

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/internal/store"
)

// value is what a source other than the CRM says of a field.
type value struct {
	field, origin, text string
	at                  int64
	push                bool   // it waits to be written to the CRM
	base                string // what the CRM had when that was decided
	refused             string // why the CRM did not take it
}

func readValues(ctx context.Context, q store.Querier, target, contact, condition string) ([]value, error) {
	rows, err := q.QueryContext(ctx, `
		SELECT field, origin, value, at, push, base, refused FROM contact_values
		WHERE target = $1 AND contact = $2 AND `+condition+` ORDER BY field, origin`, target, contact)
	if err != nil {
		return nil, err
	}
	var out []value
	err = each(rows, func(scan func(...any) error) error {
		var v value
		err := scan(&v.field, &v.origin, &v.text, &v.at, &v.push, &v.base, &v.refused)
		out = append(out, v)
		return err
	})
	return out, err
}

// withValues tells which of the contacts other sources say something of.
func withValues(ctx context.Context, q store.Querier, target string, ids []string) (map[string]bool, error) {
	out := map[string]bool{}
	a := args{target}
	rows, err := q.QueryContext(ctx, `SELECT DISTINCT contact FROM contact_values WHERE target = $1 AND contact IN (`+a.list(ids)+`)`, a...)
	if err != nil {
		return nil, err
	}
	return out, each(rows, func(scan func(...any) error) error {
		var id string
		err := scan(&id)
		out[id] = true
		return err
	})
}

// learnable are the fields that other sources may fill.
var learnable = []string{
	crmclient.FieldName, crmclient.FieldTitle, crmclient.FieldPhone, crmclient.FieldMobile, crmclient.FieldCompany,
}

// maxLearnt bounds a value that is learnt, in bytes. Mail says what it likes.
const maxLearnt = 200

// Learn takes what a source says of the person with an address: fields by their names (crmclient.FieldTitle …), and
// when it said so. Nothing happens if no contact or more than one has the address. What differs from
// the CRM is settled by the policy; what the policy prefers is written to the CRM. The latest
// value of each source is kept in any case. Learning the same again changes nothing.
func (b *Book) Learn(ctx context.Context, target, address string, fields map[string]string, origin config.ValueOrigin, at time.Time) error {
	if origin == config.OriginCRM {
		return fmt.Errorf("learning: %q is told by the sync only", origin)
	}
	k := addressKey(address)
	if k == "" {
		return nil
	}
	hits, err := b.byKey(ctx, target, keyAddress, []string{k})
	if err != nil {
		return fmt.Errorf("learning: %w", err)
	}
	if len(hits[k]) != 1 {
		return nil
	}
	id := hits[k][0].ID
	if now := b.o.Now(); at.After(now) {
		at = now // the Date field of a mail may say anything
	}
	var pushed bool
	learnt := 0
	err = b.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		learnt = 0
		if err := lock(ctx, tx, target, id); err != nil {
			return err
		}
		known, err := load(ctx, tx, target, []string{id})
		if err != nil || known[id] == nil || known[id].Deleted {
			return err
		}
		for _, field := range learnable {
			text := b.tidy(field, fields[field])
			if text == "" {
				continue
			}
			taken, err := b.takeValue(ctx, tx, target, id, value{field: field, origin: string(origin), text: text, at: store.Micros(at)})
			if err != nil {
				return err
			}
			learnt += flag(taken)
		}
		if learnt == 0 {
			return nil
		}
		pushed, err = b.decide(ctx, tx, target, known[id])
		return err
	})
	if err != nil {
		return fmt.Errorf("learning: %w", err)
	}
	b.metrics.learnt.WithLabelValues(target, string(origin)).Add(float64(learnt))
	if pushed {
		b.o.Queue.Wake(WriteKind(target))
	}
	return nil
}

// tidy returns a value in the form to be stored; empty where it is none.
func (b *Book) tidy(field, text string) string {
	text = strings.Join(strings.Fields(clip(text, maxLearnt)), " ")
	if field == crmclient.FieldPhone || field == crmclient.FieldMobile {
		number, ok := Phone(text, b.o.Config.Region)
		if !ok {
			return ""
		}
		return number
	}
	return text
}

// takeValue stores a value unless the source said the same before, or something else later. Where a field has
// seen very many conflicts nothing is taken any more, lest an older value be forgotten for it.
func (b *Book) takeValue(ctx context.Context, tx store.Querier, target, contact string, v value) (taken bool, err error) {
	said, err := readValues(ctx, tx, target, contact, `1 = 1`)
	if err != nil {
		return false, err
	}
	for _, old := range said {
		if old.field == v.field && old.origin == v.origin && (b.same(v.field, old.text, v.text) || old.at > v.at) {
			return false, nil
		}
	}
	var conflicts int
	err = tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM contact_conflicts WHERE target = $1 AND contact = $2 AND field = $3`,
		target, contact, v.field).Scan(&conflicts)
	if err != nil || conflicts >= maxConflicts {
		return false, err
	}
	_, err = tx.ExecContext(ctx, `
		INSERT INTO contact_values (target, contact, field, origin, value, at, push, base, refused) VALUES ($1, $2, $3, $4, $5, $6, 0, '', '')
		ON CONFLICT (target, contact, field, origin) DO UPDATE SET value = excluded.value, at = excluded.at, push = 0, base = '', refused = ''`,
		target, contact, v.field, v.origin, v.text, v.at)
	return err == nil, err
}

// same tells whether two values mean the same.
func (b *Book) same(field, x, y string) bool {
	if x == y {
		return true
	}
	switch field {
	case crmclient.FieldPhone, crmclient.FieldMobile:
		p, ok := Phone(x, b.o.Config.Region)
		q, ok2 := Phone(y, b.o.Config.Region)
		return ok && ok2 && p == q
	case crmclient.FieldName:
		return nameKey(x) != "" && nameKey(x) == nameKey(y)
	case crmclient.FieldCompany:
		return companyKey(x) != "" && companyKey(x) == companyKey(y)
	}
	fold := func(s string) string {
		return strings.Join(strings.Fields(strings.ToLower(norm.NFKC.String(s))), " ")
	}
	return fold(x) == fold(y)
}

// decide settles each field of a contact that other sources speak of: whose value holds, which is to be written to the CRM, and
// which conflicts there are. The transaction holds the contact's lock. pushed says that there is something new to be written.
func (b *Book) decide(ctx context.Context, tx store.Querier, target string, s *stored) (pushed bool, err error) {
	all, err := readValues(ctx, tx, target, s.ID, `1 = 1`)
	if err != nil {
		return false, err
	}
	byField := map[string][]value{}
	for _, v := range all {
		byField[v.field] = append(byField[v.field], v)
	}
	for _, field := range slices.Sorted(maps.Keys(byField)) {
		some, err := b.decideField(ctx, tx, target, s, field, byField[field])
		if err != nil {
			return false, err
		}
		pushed = pushed || some
	}
	if pushed {
		err = b.addWrite(ctx, tx, target, writeOrder{Contact: s.ID})
	}
	return pushed, err
}

func (b *Book) decideField(ctx context.Context, tx store.Querier, target string, s *stored, field string, values []value) (pushed bool, err error) {
	crm := s.Field(field)
	blank := strings.TrimSpace(crm) == "" || field == crmclient.FieldName && isAddressOf(crm, s.Addresses)
	slices.SortStableFunc(values, func(x, y value) int { return b.compare(y.origin, y.at, x.origin, x.at) })
	chosen := -1 // the value that is to be written
	for i, v := range values {
		c := conflict{target: target, contact: s.ID, value: v, crm: crm, crmAt: s.times[field]}
		switch {
		case b.same(field, crm, v.text):
			err = b.closeConflict(ctx, tx, c, stateAgreed)
		case blank:
			if chosen < 0 && v.refused == "" {
				chosen = i
			}
		default:
			var wins bool
			wins, err = b.settle(ctx, tx, c)
			if wins && chosen < 0 && v.refused == "" {
				chosen = i
			}
		}
		if err != nil {
			return false, err
		}
	}
	for i, v := range values {
		push, base := i == chosen, ""
		if push {
			base = crm
		}
		if v.push == push && (!push || v.base == base) {
			continue
		}
		pushed = pushed || push
		_, err := tx.ExecContext(ctx, `
			UPDATE contact_values SET push = $5, base = $6 WHERE target = $1 AND contact = $2 AND field = $3 AND origin = $4`,
			target, s.ID, field, v.origin, flag(push), base)
		if err != nil {
			return false, err
		}
	}
	return pushed, nil
}

// compare says which of two values the policy prefers: above zero means the first.
func (b *Book) compare(origin string, at int64, other string, otherAt int64) int {
	if b.o.Config.Conflicts == config.ConflictsPriority {
		if d := b.rank(other) - b.rank(origin); d != 0 {
			return d
		}
	}
	switch {
	case at > otherAt:
		return 1
	case at < otherAt:
		return -1
	}
	return 0
}

// rank is the place of an origin in the order of trust; what the order does not name comes last.
func (b *Book) rank(origin string) int {
	if i := slices.Index(b.o.Config.Priority, config.ValueOrigin(origin)); i >= 0 {
		return i
	}
	return len(b.o.Config.Priority)
}
