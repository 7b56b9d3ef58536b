package builtin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"heliograph/crmclient"
	"heliograph/internal/store"
)

// ActivityFilter selects activities. Zero fields select all.
type ActivityFilter struct {
	Query     string // words that must all be in subject, text, people or attachment names; Chinese works
	ContactID int64  // only the timeline of this contact
	CompanyID int64  // only mail of this company: of its contacts, and of people of its domain who are none
	Account   string // only what this employee sent or got
	Address   string // only where this address took part
	Thread    string
	MessageID string // with or without brackets
	Direction crmclient.Direction
	From      time.Time // sent at or after
	Until     time.Time // sent before
	WithText  bool      // fill Text, TextUnquoted and HTML, which are long
	Paging
}

const (
	activityColumns = `m.id, m.key, m.message_id, m.thread, m.direction, m.subject, m.sent_at, m.from_name, m.from_address, m.people,
		m.accounts, m.sightings, m.flags, m.automated, m.unconfirmed, m.owner, m.created_at, m.updated_at`
	withText    = `, m.body, m.body_unquoted, m.html`
	withoutText = `, '', '', ''`
)

func scanActivity(row scanner) (Activity, error) {
	var a Activity
	var who people
	var peopleJSON, accounts, sightings, flags, direction string
	var sent, automated, unconfirmed, created, updated int64
	err := row.Scan(&a.ID, &a.Key, &a.MessageID, &a.Thread, &direction, &a.Subject, &sent, &a.From.Name, &a.From.Address, &peopleJSON,
		&accounts, &sightings, &flags, &automated, &unconfirmed, &a.Owner, &created, &updated, &a.Text, &a.TextUnquoted, &a.HTML)
	if err != nil {
		return a, err
	}
	err = errors.Join(
		json.Unmarshal([]byte(peopleJSON), &who),
		json.Unmarshal([]byte(accounts), &a.Accounts),
		json.Unmarshal([]byte(sightings), &a.Sightings),
		json.Unmarshal([]byte(flags), &a.Flags),
	)
	a.To, a.CC, a.BCC = orEmpty(who.To), orEmpty(who.CC), orEmpty(who.BCC)
	a.Direction, a.Automated, a.Unconfirmed = crmclient.Direction(direction), automated != 0, unconfirmed != 0
	a.Date, a.Created, a.Updated = store.FromMicros(sent), store.FromMicros(created), store.FromMicros(updated)
	a.Attachments, a.ContactIDs, a.CompanyIDs = []Attachment{}, []int64{}, []int64{}
	return a, err
}

func orEmpty[T any](in []T) []T {
	if in == nil {
		return []T{}
	}
	return in
}

// Activities lists activities, the latest first.
func (c *CRM) Activities(ctx context.Context, f ActivityFilter) (Page[Activity], error) {
	w, from, order, err := c.activityQuery(f)
	if err != nil {
		return Page[Activity]{}, err
	}
	text := withoutText
	if f.WithText {
		text = withText
	}
	rows, err := c.db.Reader().QueryContext(ctx, `SELECT `+activityColumns+text+` FROM `+from+w.String()+
		` ORDER BY `+order+` LIMIT `+w.arg(f.limit()+1), w.args...)
	if err != nil {
		return Page[Activity]{}, fmt.Errorf("list activities: %w", err)
	}
	items, err := collect(rows, scanActivity)
	if err != nil {
		return Page[Activity]{}, fmt.Errorf("list activities: %w", err)
	}
	page := pageOf(items, f.limit(), func(a Activity) position { return position{At: store.Micros(a.Date), ID: a.ID} })
	return page, c.fillParts(ctx, page.Items)
}

func (c *CRM) activityQuery(f ActivityFilter) (w *where, from, order string, err error) {
	w = new(where)
	// A timeline is read by the index of its own table.
	from, order = "crm_activities m", "m.sent_at DESC, m.id DESC"
	at, id := "m.sent_at", "m.id"
	if f.ContactID != 0 {
		from = "crm_activity_contacts l JOIN crm_activities m ON m.id = l.activity_id"
		at, id, order = "l.sent_at", "l.activity_id", "l.sent_at DESC, l.activity_id DESC"
		w.add("l.contact_id = ?", f.ContactID)
	}
	if f.CompanyID != 0 {
		w.add("m.id IN (SELECT activity_id FROM crm_activity_companies WHERE company_id = ? UNION ALL "+
			"SELECT k.activity_id FROM crm_activity_contacts k JOIN crm_contacts x ON x.id = k.contact_id WHERE x.company_id = ?)", f.CompanyID, f.CompanyID)
	}
	if f.Cursor != "" {
		p, err := f.position()
		if err != nil {
			return nil, "", "", err
		}
		w.add("("+at+" < ? OR "+at+" = ? AND "+id+" < ?)", p.At, p.At, p.ID)
	}
	equal(w, "m.thread", f.Thread)
	equal(w, "m.message_id", strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(f.MessageID), "<"), ">"))
	equal(w, "m.direction", string(f.Direction))
	if !f.From.IsZero() {
		w.add(at+" >= ?", store.Micros(f.From))
	}
	if !f.Until.IsZero() {
		w.add(at+" < ?", store.Micros(f.Until))
	}
	if a := normalAddress(f.Account); a != "" {
		quoted, _ := json.Marshal(a) // a string cannot fail
		w.add(`m.accounts LIKE ? ESCAPE '\'`, "%"+likeEscape(string(quoted))+"%")
	}
	if a := normalAddress(f.Address); a != "" {
		w.add("m.id IN (SELECT activity_id FROM crm_activity_people WHERE address = ?)", a)
	}
	if strings.TrimSpace(f.Query) != "" {
		tokens := queryTokens(f.Query)
		if len(tokens) == 0 { // nothing but punctuation: nothing can match
			w.add("1 = 0")
		} else if c.db.Dialect() == store.Postgres {
			w.add("m.id IN (SELECT rowid FROM crm_activity_tokens WHERE tokens @> string_to_array(?, ' '))", strings.Join(tokens, " "))
		} else {
			w.add("m.id IN (SELECT rowid FROM crm_activity_tokens WHERE tokens MATCH ?)", `"`+strings.Join(tokens, `" AND "`)+`"`)
		}
	}
	return w, from, order, nil
}

// Activity returns one activity with its text, or ErrNotFound.
func (c *CRM) Activity(ctx context.Context, id int64) (Activity, error) {
	return c.oneActivity(ctx, "m.id = $1", id)
}

// ActivityByKey returns the activity with the key, with its text, or ErrNotFound.
func (c *CRM) ActivityByKey(ctx context.Context, key string) (Activity, error) {
	return c.oneActivity(ctx, "m.key = $1", clean(key))
}

func (c *CRM) oneActivity(ctx context.Context, cond string, value any) (Activity, error) {
	a, err := scanActivity(c.db.Reader().QueryRowContext(ctx, `SELECT `+activityColumns+withText+` FROM crm_activities m WHERE `+cond, value))
	if err != nil {
		return a, notFound("read activity", err)
	}
	items := []Activity{a}
	err = c.fillParts(ctx, items)
	return items[0], err
}

// Timeline lists the mail exchanged with a contact, the latest first.
func (c *CRM) Timeline(ctx context.Context, contactID int64, p Paging) (Page[Activity], error) {
	return c.Activities(ctx, ActivityFilter{ContactID: contactID, Paging: p})
}

// fillParts reads attachments and contacts of the activities.
func (c *CRM) fillParts(ctx context.Context, items []Activity) error {
	if len(items) == 0 {
		return nil
	}
	byID := make(map[int64]*Activity, len(items))
	var w where
	marks := make([]string, len(items))
	for i := range items {
		byID[items[i].ID] = &items[i]
		marks[i] = w.arg(items[i].ID)
	}
	in := ` WHERE activity_id IN (` + strings.Join(marks, ", ") + `)`
	rows, err := c.db.Reader().QueryContext(ctx, `
		SELECT activity_id, name, type, size, sha256, inline, entry, left_out FROM crm_attachments`+in+` ORDER BY activity_id, position`, w.args...)
	if err != nil {
		return fmt.Errorf("read attachments: %w", err)
	}
	_, err = collect(rows, func(row scanner) (struct{}, error) {
		var id, inline int64
		var f Attachment
		var left string
		err := row.Scan(&id, &f.Name, &f.Type, &f.Size, &f.SHA256, &inline, &f.Entry, &left)
		f.Inline = inline != 0
		switch a := byID[id]; {
		case a == nil:
		case left != "":
			a.AttachmentsLeft = append(a.AttachmentsLeft, crmclient.AttachmentLeft{Name: f.Name, Size: f.Size, Reason: left})
		default:
			a.Attachments = append(a.Attachments, f)
		}
		return struct{}{}, err
	})
	if err != nil {
		return fmt.Errorf("read attachments: %w", err)
	}
	for _, link := range []struct {
		table, column string
		list          func(*Activity) *[]int64
	}{
		{"crm_activity_contacts", "contact_id", func(a *Activity) *[]int64 { return &a.ContactIDs }},
		{"crm_activity_companies", "company_id", func(a *Activity) *[]int64 { return &a.CompanyIDs }},
	} {
		rows, err := c.db.Reader().QueryContext(ctx, `SELECT activity_id, `+link.column+` FROM `+link.table+in+` ORDER BY 1, 2`, w.args...)
		if err != nil {
			return fmt.Errorf("read %s: %w", link.table, err)
		}
		_, err = collect(rows, func(row scanner) (struct{}, error) {
			var id, linked int64
			err := row.Scan(&id, &linked)
			if a := byID[id]; a != nil {
				*link.list(a) = append(*link.list(a), linked)
			}
			return struct{}{}, err
		})
		if err != nil {
			return fmt.Errorf("read %s: %w", link.table, err)
		}
	}
	return nil
}
