package builtin

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"heliograph/crmclient"
	"heliograph/internal/store"
)

// Activity is one message as it is stored.
type Activity struct {
	ID           int64               `json:"id"`
	Key          string              `json:"key"`
	MessageID    string              `json:"message_id"`
	Thread       string              `json:"thread"`
	Direction    crmclient.Direction `json:"direction"`
	Subject      string              `json:"subject"`
	Date         time.Time           `json:"date"`
	From         crmclient.Person    `json:"from"`
	To           []crmclient.Person  `json:"to"`
	CC           []crmclient.Person  `json:"cc"`
	BCC          []crmclient.Person  `json:"bcc"`
	Text         string              `json:"text"`
	TextUnquoted string              `json:"text_unquoted"`
	HTML         string              `json:"html"`
	Attachments  []Attachment        `json:"attachments"`
	// AttachmentsLeft are the files that the target was not given.
	AttachmentsLeft []crmclient.AttachmentLeft `json:"attachments_left,omitempty"`
	Accounts        []string                   `json:"accounts"`
	Sightings       []crmclient.Sighting       `json:"sightings"`
	Flags           []string                   `json:"flags"`
	Automated       bool                       `json:"automated"`
	Unconfirmed     bool                       `json:"unconfirmed"`
	ContactIDs      []int64                    `json:"contact_ids"`
	CompanyIDs      []int64                    `json:"company_ids"` // of correspondents who are no contacts
	Owner           string                     `json:"owner,omitempty"`
	Created         time.Time                  `json:"created"`
	Updated         time.Time                  `json:"updated"`
}

// Attachment is what is known of a file. Its content is in the journal, in the entry that is named here.
type Attachment struct {
	Name   string `json:"name"`
	Type   string `json:"type"`
	Size   int64  `json:"size"` // decoded bytes
	SHA256 string `json:"sha256"`
	Inline bool   `json:"inline"`
	Entry  string `json:"entry"`
}

// people is the JSON of the column of that name.
type people struct {
	To  []crmclient.Person `json:"to,omitempty"`
	CC  []crmclient.Person `json:"cc,omitempty"`
	BCC []crmclient.Person `json:"bcc,omitempty"`
}

// LogEmail stores the activity. If its key is there already, what the copy knows more (accounts,
// sightings, Bcc, contacts, a verdict) is merged into the record, and the receipt says Duplicate. An activity that was
// withdrawn is not stored again.
func (c *CRM) LogEmail(ctx context.Context, a *crmclient.Activity) (crmclient.Receipt, error) {
	if a.Key == "" {
		return crmclient.Receipt{}, &crmclient.Error{Class: crmclient.ClassPermanent, Message: "the activity has no key"}
	}
	var receipt crmclient.Receipt
	err := c.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		if err := c.lockKey(ctx, tx, a.Key); err != nil {
			return err
		}
		if gone, err := withdrawn(ctx, tx, a.Key); err != nil || gone {
			receipt = crmclient.Receipt{Duplicate: true} // it was here, and is to stay away
			return err
		}
		id, isNew, err := c.insertActivity(ctx, tx, a)
		if err != nil {
			return err
		}
		if !isNew {
			if id, err = c.mergeActivity(ctx, tx, a); err != nil {
				return err
			}
		} else if err := insertParts(ctx, tx, id, a, c.db.Dialect()); err != nil {
			return err
		}
		receipt = crmclient.Receipt{RemoteID: strconv.FormatInt(id, 10), Duplicate: !isNew}
		return linkAll(ctx, tx, id, a)
	})
	if err != nil {
		return crmclient.Receipt{}, fmt.Errorf("log activity: %w", err)
	}
	return receipt, nil
}

func (c *CRM) insertActivity(ctx context.Context, tx store.Querier, a *crmclient.Activity) (id int64, isNew bool, err error) {
	now := store.Micros(c.now())
	err = tx.QueryRowContext(ctx, `
		INSERT INTO crm_activities (key, message_id, thread, direction, subject, sent_at, from_name, from_address, people,
			body, body_unquoted, html, accounts, sightings, flags, automated, unconfirmed, owner, created_at, updated_at)
		VALUES (`+placeholders(19)+`, $19) ON CONFLICT (key) DO NOTHING RETURNING id`,
		clean(a.Key), clean(a.MessageID), clean(a.Thread), string(a.Direction), clean(a.Subject), store.Micros(a.Date),
		clean(a.From.Name), normalAddress(a.From.Address), toJSON(people{a.To, a.CC, a.BCC}),
		clean(a.Text), clean(a.TextUnquoted), clean(a.HTML), toJSON(sorted(a.Accounts)), toJSON(a.Sightings), toJSON(a.Flags),
		boolInt(a.Automated), boolInt(a.Unconfirmed), normalAddress(a.Owner), now).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, false, nil
	}
	return id, err == nil, err
}

// toJSON writes values of our own types, which cannot fail.
func toJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("builtin: %T as JSON: %v", v, err))
	}
	if string(b) == "null" {
		return "[]"
	}
	return string(b)
}

func sorted(in []string) []string {
	out := slices.Clone(in)
	slices.Sort(out)
	return slices.Compact(out)
}

// insertParts stores what an activity has in tables of its own.
func insertParts(ctx context.Context, tx store.Querier, id int64, a *crmclient.Activity, d store.Dialect) error {
	if err := insertPeople(ctx, tx, id, a); err != nil {
		return err
	}
	entry := ""
	if len(a.Sightings) > 0 {
		entry = a.Sightings[0].Entry
	}
	for i, f := range a.Attachments {
		_, err := tx.ExecContext(ctx, `
			INSERT INTO crm_attachments (activity_id, position, name, type, size, sha256, inline, entry)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
			id, i, clean(f.Name), clean(f.Type), f.Size, f.SHA256, boolInt(f.Inline), clean(entry))
		if err != nil {
			return err
		}
	}
	for i, f := range a.AttachmentsLeft {
		_, err := tx.ExecContext(ctx, `
			INSERT INTO crm_attachments (activity_id, position, name, type, size, sha256, inline, entry, left_out)
			VALUES ($1, $2, $3, '', $4, '', 0, '', $5)`, id, len(a.Attachments)+i, clean(f.Name), f.Size, clean(f.Reason))
		if err != nil {
			return err
		}
	}
	insert := `INSERT INTO crm_activity_tokens (rowid, tokens) VALUES ($1, $2)`
	if d == store.Postgres {
		insert = `INSERT INTO crm_activity_tokens (rowid, tokens) VALUES ($1, string_to_array($2, ' '))`
	}
	_, err := tx.ExecContext(ctx, insert, id, activityTokens(a))
	return err
}

// insertPeople stores the addresses that took part, in order, so that two transactions never wait for each other.
func insertPeople(ctx context.Context, tx store.Querier, id int64, a *crmclient.Activity) error {
	for _, address := range participants(a) {
		_, err := tx.ExecContext(ctx, `
			INSERT INTO crm_activity_people (address, activity_id) VALUES ($1, $2) ON CONFLICT (address, activity_id) DO NOTHING`, address, id)
		if err != nil {
			return err
		}
	}
	return nil
}

func participants(a *crmclient.Activity) []string {
	all := []string{a.From.Address}
	for _, list := range [][]crmclient.Person{a.To, a.CC, a.BCC} {
		for _, p := range list {
			all = append(all, p.Address)
		}
	}
	out := normalAddresses(all)
	slices.Sort(out)
	return out
}

// mergeActivity adds what a further copy of the message knows. The UPDATE that begins it locks the row on PostgreSQL.
func (c *CRM) mergeActivity(ctx context.Context, tx store.Querier, a *crmclient.Activity) (id int64, err error) {
	var accountsJSON, sightingsJSON, peopleJSON, flagsJSON string
	var unconfirmed int64
	err = tx.QueryRowContext(ctx, `
		UPDATE crm_activities SET updated_at = updated_at WHERE key = $1
		RETURNING id, accounts, sightings, people, flags, unconfirmed`, clean(a.Key)).
		Scan(&id, &accountsJSON, &sightingsJSON, &peopleJSON, &flagsJSON, &unconfirmed)
	if err != nil {
		return 0, err
	}
	var m merged
	if err := m.read(accountsJSON, sightingsJSON, peopleJSON, flagsJSON); err != nil {
		return 0, fmt.Errorf("activity %d: %w", id, err)
	}
	newPeople := m.add(a)
	accounts, sightings, who, flags := toJSON(m.accounts), toJSON(m.sightings), toJSON(m.people), toJSON(m.flags)
	stillUnconfirmed := boolInt(unconfirmed != 0 && a.Unconfirmed)
	if accounts == accountsJSON && sightings == sightingsJSON && who == peopleJSON && flags == flagsJSON && stillUnconfirmed == unconfirmed {
		return id, nil
	}
	_, err = tx.ExecContext(ctx, `
		UPDATE crm_activities SET accounts = $1, sightings = $2, people = $3, flags = $4, unconfirmed = $5, updated_at = $6 WHERE id = $7`,
		accounts, sightings, who, flags, stillUnconfirmed, store.Micros(c.now()), id)
	if err != nil || !newPeople {
		return id, err
	}
	return id, insertPeople(ctx, tx, id, a)
}

// merged is the part of an activity to which copies of the message add.
type merged struct {
	accounts  []string
	sightings []crmclient.Sighting
	people    people
	flags     []string
}

func (m *merged) read(accounts, sightings, who, flags string) error {
	return errors.Join(
		json.Unmarshal([]byte(accounts), &m.accounts),
		json.Unmarshal([]byte(sightings), &m.sightings),
		json.Unmarshal([]byte(who), &m.people),
		json.Unmarshal([]byte(flags), &m.flags),
	)
}

func (m *merged) add(a *crmclient.Activity) (newPeople bool) {
	m.accounts = sorted(append(m.accounts, a.Accounts...))
	for _, s := range a.Sightings {
		same := func(o crmclient.Sighting) bool {
			return o.Entry == s.Entry && o.Kind == s.Kind && o.Account == s.Account
		}
		if !slices.ContainsFunc(m.sightings, same) {
			m.sightings = append(m.sightings, s)
		}
	}
	for _, f := range a.Flags {
		if !slices.Contains(m.flags, f) {
			m.flags = append(m.flags, f)
		}
	}
	// To and Cc stand in the message itself; only an envelope tells of Bcc.
	for _, p := range a.BCC {
		if !slices.ContainsFunc(m.people.BCC, func(o crmclient.Person) bool { return normalAddress(o.Address) == normalAddress(p.Address) }) {
			m.people.BCC = append(m.people.BCC, p)
			newPeople = true
		}
	}
	return newPeople
}

// linkContacts puts the activity into the timelines of the contacts that took part, and of those that the caller found.
func linkContacts(ctx context.Context, tx store.Querier, id int64, a *crmclient.Activity) error {
	var w where
	w.arg(id)
	cond := `x.id IN (SELECT contact_id FROM crm_contact_addresses WHERE address IN (` + w.list(participants(a)) + `))`
	for _, k := range a.Contacts {
		if n, err := strconv.ParseInt(k.ID, 10, 64); err == nil {
			cond += " OR x.id = " + w.arg(n)
		}
	}
	rows, err := tx.QueryContext(ctx, `
		INSERT INTO crm_activity_contacts (contact_id, activity_id, sent_at)
		SELECT x.id, m.id, m.sent_at FROM crm_contacts x, crm_activities m WHERE m.id = $1 AND (`+cond+`) ORDER BY x.id
		ON CONFLICT (contact_id, activity_id) DO NOTHING RETURNING contact_id`, w.args...)
	if err != nil {
		return err
	}
	linked, err := collect(rows, func(row scanner) (n int64, err error) {
		err = row.Scan(&n)
		return n, err
	})
	if err != nil {
		return err
	}
	slices.Sort(linked) // the same order in all transactions
	for _, contact := range linked {
		_, err := tx.ExecContext(ctx, `UPDATE crm_contacts SET last_activity_at = $1 WHERE id = $2 AND last_activity_at < $1`, store.Micros(a.Date), contact)
		if err != nil {
			return err
		}
	}
	return nil
}
