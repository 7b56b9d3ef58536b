package operations

import (
	"context"
	"strconv"
	"strings"

	"heliograph/internal/console/access"
	"heliograph/internal/console/api"
	"heliograph/internal/journal"
)

// args are the arguments of a query.
type args []any

func (a *args) add(v any) string {
	*a = append(*a, v)
	return "$" + strconv.Itoa(len(*a))
}

// list is a list for IN; of nothing it matches nothing.
func (a *args) list(values []string) string {
	if len(values) == 0 {
		return "(NULL)"
	}
	marks := make([]string, len(values))
	for i, v := range values {
		marks[i] = a.add(v)
	}
	return "(" + strings.Join(marks, ", ") + ")"
}

// limited returns the caller, and whether it sees only some accounts.
func limited(ctx context.Context) (*access.Caller, bool) {
	c := access.From(ctx)
	return c, c == nil || c.Scope != access.ScopeAll
}

// within is a condition that a column is an account that the caller sees; empty where that is any.
func within(ctx context.Context, a *args, column string) string {
	c, some := limited(ctx)
	if !some {
		return ""
	}
	if c == nil {
		return " AND 1 = 0"
	}
	return " AND " + column + " IN " + a.list(c.Accounts)
}

// withMessage is a condition that the caller sees a copy of the message whose key is in a column.
func withMessage(ctx context.Context, a *args, column string) string {
	if _, some := limited(ctx); !some {
		return ""
	}
	return " AND EXISTS (SELECT 1 FROM sightings s WHERE s.message_key = " + column + within(ctx, a, "s.account") + ")"
}

// withAddress is a condition that the caller has mail of the correspondent whose address is in a column.
func withAddress(ctx context.Context, a *args, column string) string {
	if _, some := limited(ctx); !some {
		return ""
	}
	return " AND EXISTS (SELECT 1 FROM correspondents c JOIN sightings s ON s.message_key = c.message_key WHERE c.address = " + column +
		within(ctx, a, "s.account") + ")"
}

// withContact is a condition that the caller has mail of somebody with an address of one of the contacts in columns.
func withContact(ctx context.Context, a *args, target string, columns ...string) string {
	if _, some := limited(ctx); !some {
		return ""
	}
	return " AND EXISTS (SELECT 1 FROM contact_keys k WHERE k.target = " + target + " AND k.kind = 'address' AND k.contact IN (" +
		strings.Join(columns, ", ") + ")" + withAddress(ctx, a, "k.key") + ")"
}

// found tells whether a query has a row.
func (p *Part) found(ctx context.Context, query string, a args) (bool, error) {
	var n int
	err := p.o.Store.Reader().QueryRowContext(ctx, "SELECT COUNT(*) FROM ("+query+" LIMIT 1) q", a...).Scan(&n)
	return n > 0, err
}

// seesSubject tells whether the caller may decide on a subject of a review.
func (p *Part) seesSubject(ctx context.Context, subject string) (bool, error) {
	if _, some := limited(ctx); !some {
		return true, nil
	}
	var a args
	where := "SELECT 1 FROM review_messages r WHERE r.subject = " + a.add(subject) + withMessage(ctx, &a, "r.message_key")
	return p.found(ctx, where, a)
}

// seesContact tells whether the caller has mail of a contact.
func (p *Part) seesContact(ctx context.Context, target string, ids ...string) (bool, error) {
	if _, some := limited(ctx); !some {
		return true, nil
	}
	for _, id := range ids {
		var a args
		query := "SELECT 1 FROM contact_keys k WHERE k.target = " + a.add(target) + " AND k.kind = 'address' AND k.contact = " + a.add(id) + withAddress(ctx, &a, "k.key")
		if ok, err := p.found(ctx, query, a); err != nil || ok {
			return ok, err
		}
	}
	return false, nil
}

// account returns the address of a path in the form in which accounts are known, if the caller sees it.
func account(ctx context.Context, address string) (string, error) {
	address = strings.ToLower(strings.TrimSpace(address))
	if c := access.From(ctx); c == nil || !c.Sees(address) {
		return "", api.NotFound("no_account", "there is no such account")
	}
	return address, nil
}

// idAt is the text of the lowest id of an entry of a time.
func idAt(us int64) string {
	id := journal.NewID(stamp(us))
	clear(id[6:])
	return id.String()
}

// rows calls each for each row of a query.
func (p *Part) rows(ctx context.Context, query string, a args, each func(scan func(...any) error) error) (err error) {
	rows, err := p.o.Store.Reader().QueryContext(ctx, query, a...)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := rows.Close(); err == nil {
			err = cerr
		}
	}()
	for rows.Next() {
		if err := each(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}
