package builtin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"heliograph/crmclient"
	"heliograph/internal/store"
)

// The objects of the built-in CRM, as crmclient.Record names them.
const (
	ObjectCompanies = "companies"
	ObjectContacts  = "contacts"
	ObjectDeals     = "deals"
	ObjectTickets   = "tickets"
)

var (
	_ crmclient.RecordQuerier = (*CRM)(nil)
	_ crmclient.RecordWriter  = (*CRM)(nil)
	_ crmclient.RecordChanges = (*CRM)(nil)
	_ crmclient.Describer     = (*CRM)(nil)
	_ crmclient.Ticketer      = (*CRM)(nil)
)

// The types of columns.
const (
	typeText   = "text"
	typeDate   = "date" // YYYY-MM-DD
	typeTime   = "datetime"
	typeNumber = "integer"
	typeMoney  = "decimal" // in units such as yuan, where the table has the smallest ones of the record's currency
	typeList   = "list"
	typeObject = "object"
)

// column is a field of an object, without what people call it: names.go has that.
type column struct {
	crmclient.Field
	sql string // expression of the query; empty where it cannot be searched
}

// object is one table as records.
type object struct {
	name     string
	query    string
	id       string // expression of the id
	currency string // of amounts that name none; empty: it has no amounts
	columns  []column
	scan     func(scanner) (any, error)
	fill     func(context.Context, store.Querier, []any) error // what other tables hold; may be nil
	blank    func() any
	add      func(context.Context, any) (int64, error)
	update   func(context.Context, any) error
}

func text(name, sql string, length int) column {
	return column{crmclient.Field{Name: name, Type: typeText, Length: length}, sql}
}

func number(name, sql string) column {
	return column{crmclient.Field{Name: name, Type: typeNumber}, sql}
}

// system returns the columns that all objects have.
func system(prefix string) []column {
	read := func(name, kind, sql string) column {
		return column{crmclient.Field{Name: name, Type: kind, ReadOnly: true}, sql}
	}
	return []column{
		{crmclient.Field{Name: "custom", Type: typeObject}, ""},
		read("id", typeNumber, prefix+"id"), read("version", typeNumber, prefix+"version"),
		read("created", typeTime, prefix+"created_at"), read("updated", typeTime, prefix+"updated_at"),
	}
}

func required(c column) column {
	c.Required = true
	return c
}

// objects returns the table of objects.
func (c *CRM) objects() []object {
	return []object{
		{
			name: ObjectCompanies, query: `SELECT ` + companyColumns + ` FROM crm_companies`, id: "id",
			columns: append([]column{
				required(text("name", "name", maxName)), text("domain", "COALESCE(domain, '')", maxShort),
				text("phone", "phone", maxShort), text("website", "website", maxLine), text("address", "address", maxNote),
				text("owner", "owner", maxAddress), text("note", "note", maxNote),
			}, system("")...),
			scan:  func(s scanner) (any, error) { o, err := scanCompany(s); return &o, err },
			blank: func() any { return new(Company) },
			add: func(ctx context.Context, v any) (int64, error) {
				o, err := c.AddCompany(ctx, *v.(*Company))
				return o.ID, err
			},
			update: func(ctx context.Context, v any) error { _, err := c.UpdateCompany(ctx, *v.(*Company)); return err },
		},
		{
			name: ObjectContacts, query: contactQuery, id: "p.id",
			columns: append([]column{
				required(text("name", "p.name", maxName)), text("kind", "p.kind", maxShort),
				{crmclient.Field{Name: "addresses", Type: typeList}, ""},
				number("company_id", "COALESCE(p.company_id, 0)"),
				{crmclient.Field{Name: "company", Type: typeText, ReadOnly: true}, "COALESCE(o.name, '')"},
				text("title", "p.title", maxShort), text("phone", "p.phone", maxShort), text("mobile", "p.mobile", maxShort),
				text("owner", "p.owner", maxAddress), text("source", "p.source", maxShort), text("note", "p.note", maxNote),
				{crmclient.Field{Name: "last_activity", Type: typeTime, ReadOnly: true}, "p.last_activity_at"},
			}, system("p.")...),
			scan:  func(s scanner) (any, error) { p, err := scanContact(s); return &p, err },
			fill:  fillContacts,
			blank: func() any { return new(Contact) },
			add: func(ctx context.Context, v any) (int64, error) {
				p, err := c.AddContact(ctx, *v.(*Contact))
				return p.ID, err
			},
			update: func(ctx context.Context, v any) error { _, err := c.UpdateContact(ctx, *v.(*Contact)); return err },
		},
		{
			name: ObjectDeals, query: `SELECT ` + dealColumns + ` FROM crm_deals`, id: "id", currency: c.cfg.Currency,
			columns: append([]column{
				required(text("title", "title", maxName)), text("stage", "stage", maxShort),
				{crmclient.Field{Name: fieldAmount, Type: typeMoney}, comparableAmount},
				text(fieldCurrency, "currency", 3),
				text("owner", "owner", maxAddress), number("company_id", "COALESCE(company_id, 0)"),
				number("contact_id", "COALESCE(contact_id, 0)"),
				{crmclient.Field{Name: "close_on", Type: typeDate}, "close_on"},
				text("note", "note", maxNote),
			}, system("")...),
			scan:  func(s scanner) (any, error) { d, err := scanDeal(s); return &d, err },
			blank: func() any { return new(Deal) },
			add: func(ctx context.Context, v any) (int64, error) {
				d, err := c.AddDeal(ctx, *v.(*Deal))
				return d.ID, err
			},
			update: func(ctx context.Context, v any) error { _, err := c.UpdateDeal(ctx, *v.(*Deal)); return err },
		},
		{
			name: ObjectTickets, query: `SELECT ` + ticketColumns + ` FROM crm_tickets`, id: "id",
			columns: append([]column{
				required(text("subject", "subject", maxLine)), text("body", "body", maxNote), text("status", "status", maxShort),
				text("priority", "priority", maxShort), text("assignee", "assignee", maxAddress),
				number("contact_id", "COALESCE(contact_id, 0)"),
				{crmclient.Field{Name: "closed", Type: typeTime, ReadOnly: true}, "closed_at"},
			}, system("")...),
			scan:  func(s scanner) (any, error) { t, err := scanTicket(s); return &t, err },
			blank: func() any { return new(Ticket) },
			add: func(ctx context.Context, v any) (int64, error) {
				t, err := c.AddTicket(ctx, *v.(*Ticket))
				return t.ID, err
			},
			update: func(ctx context.Context, v any) error { _, err := c.UpdateTicket(ctx, *v.(*Ticket)); return err },
		},
	}
}

func fillContacts(ctx context.Context, q store.Querier, items []any) error {
	contacts := make([]Contact, len(items))
	for i, v := range items {
		contacts[i] = *v.(*Contact)
	}
	for part := range slices.Chunk(contacts, maxPlaceholders) {
		if err := fillAddresses(ctx, q, part); err != nil {
			return err
		}
	}
	for i := range items {
		items[i] = &contacts[i]
	}
	return nil
}

// object returns the object with the name.
func (c *CRM) object(name string) (object, error) {
	all := c.objects()
	i := slices.IndexFunc(all, func(o object) bool { return o.name == name })
	if i < 0 {
		return object{}, &crmclient.Error{
			Class: crmclient.ClassConfiguration, Message: fmt.Sprintf("the built-in CRM has no object %q", name),
			Remedy: "use companies, contacts, deals or tickets",
		}
	}
	return all[i], nil
}

// field returns the column with the name.
func (o object) field(name string) (column, error) {
	i := slices.IndexFunc(o.columns, func(c column) bool { return c.Name == name })
	if i < 0 {
		return column{}, &crmclient.Error{
			Class: crmclient.ClassConfiguration, Message: fmt.Sprintf("%s have no field %q", o.name, name),
			Remedy: "use a field that heliograph check names, or put it into custom",
		}
	}
	return o.columns[i], nil
}

// DescribeObject returns the fields of an object.
func (c *CRM) DescribeObject(_ context.Context, name string) ([]crmclient.Field, error) {
	o, err := c.object(name)
	if err != nil {
		return nil, err
	}
	fields := make([]crmclient.Field, len(o.columns))
	for i, col := range o.columns {
		fields[i] = label(name, col.Field)
	}
	return fields, nil
}

// ReadRecord returns a record as it is now.
func (c *CRM) ReadRecord(ctx context.Context, name, id string) (crmclient.Record, error) {
	o, err := c.object(name)
	if err != nil {
		return crmclient.Record{}, err
	}
	found, err := o.read(ctx, c.db.Reader(), nil, ` WHERE `+o.id+` = $1`, recordID(id))
	if err == nil && len(found) == 0 {
		err = noRecord(name)
	}
	if err != nil {
		return crmclient.Record{}, fmt.Errorf("read record: %w", err)
	}
	return found[0], nil
}

// recordID reads an id; what is none becomes zero, which no record has.
func recordID(id string) int64 {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

func noRecord(object string) error {
	return &crmclient.Error{Class: crmclient.ClassPermanent, Message: "there is no such record in " + object, Err: crmclient.ErrNoRecord}
}

// read returns records; the condition is constant, values are arguments.
func (o object) read(ctx context.Context, q store.Querier, fields []string, condition string, args ...any) ([]crmclient.Record, error) {
	rows, err := q.QueryContext(ctx, o.query+condition, args...)
	if err != nil {
		return nil, err
	}
	items, err := collect(rows, o.scan)
	if err != nil {
		return nil, err
	}
	if o.fill != nil {
		if err := o.fill(ctx, q, items); err != nil {
			return nil, err
		}
	}
	out := make([]crmclient.Record, len(items))
	for i, item := range items {
		if out[i], err = o.record(item, fields); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// record makes a record of a row. Its JSON has the names of the fields already.
func (o object) record(item any, only []string) (crmclient.Record, error) {
	raw, err := json.Marshal(item)
	if err != nil {
		return crmclient.Record{}, err
	}
	var values map[string]any
	if err := crmclient.ExactJSON(raw, &values); err != nil {
		return crmclient.Record{}, err
	}
	o.toMajor(values)
	r := crmclient.Record{Object: o.name, Fields: make(map[string]any, len(o.columns)), ID: fmt.Sprint(values["id"])}
	for _, c := range o.columns {
		v := values[c.Name]
		switch {
		case c.Type == typeTime:
			v = timeOf(v)
			if at, ok := v.(time.Time); ok && c.Name == "updated" {
				r.UpdatedAt = at
			}
		case v != nil:
		case c.Type == typeText, c.Type == typeDate:
			v = ""
		case c.Type == typeNumber:
			v = json.Number("0")
		}
		if len(only) == 0 || slices.Contains(only, c.Name) {
			r.Fields[c.Name] = v
		}
	}
	return r, nil
}

func timeOf(v any) any {
	s, _ := v.(string)
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil || t.IsZero() {
		return nil
	}
	return t.UTC()
}

// CreateRecord makes a record, once for each key.
func (c *CRM) CreateRecord(ctx context.Context, name, key string, fields map[string]any) (crmclient.Receipt, error) {
	o, err := c.object(name)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	v := o.blank()
	if err := o.set(v, fields); err != nil {
		return crmclient.Receipt{}, err
	}
	return c.createOnce(ctx, o, key, v)
}

// createOnce makes the record and notes its key in one transaction. Who comes second waits for the row of the key.
func (c *CRM) createOnce(ctx context.Context, o object, key string, v any) (crmclient.Receipt, error) {
	var id int64
	var there bool
	err := c.own(ctx, func(ctx context.Context, tx store.Querier) error {
		there = false
		r, err := tx.ExecContext(ctx, `INSERT INTO crm_keys (object, key, record) VALUES ($1, $2, 0) ON CONFLICT (object, key) DO NOTHING`, o.name, clean(key))
		if err != nil {
			return err
		}
		if n, err := r.RowsAffected(); err != nil {
			return err
		} else if n == 0 {
			there = true
			return tx.QueryRowContext(ctx, `SELECT record FROM crm_keys WHERE object = $1 AND key = $2`, o.name, clean(key)).Scan(&id)
		}
		if id, err = o.add(within(ctx, tx), v); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE crm_keys SET record = $3 WHERE object = $1 AND key = $2`, o.name, clean(key), id)
		return err
	})
	if err != nil {
		return crmclient.Receipt{}, fmt.Errorf("create record: %w", classified(err))
	}
	return crmclient.Receipt{RemoteID: strconv.FormatInt(id, 10), Duplicate: there}, nil
}

// set writes fields into a row and checks that they may be written.
func (o object) set(v any, fields map[string]any) error {
	for name := range fields {
		c, err := o.field(name)
		if err == nil && c.ReadOnly {
			err = &crmclient.Error{Class: crmclient.ClassPermanent, Message: fmt.Sprintf("field %q of %s cannot be written", name, o.name)}
		}
		if err != nil {
			return err
		}
	}
	fields, err := o.toMinor(v, fields)
	if err != nil {
		return classified(err)
	}
	raw, err := json.Marshal(fields)
	if err == nil {
		err = crmclient.ExactJSON(raw, v)
	}
	if err != nil {
		var wrong *json.UnmarshalTypeError
		message := "a value does not fit its field in " + o.name
		if errors.As(err, &wrong) {
			message = fmt.Sprintf("field %q of %s does not take a %s", wrong.Field, o.name, strings.Fields(wrong.Value)[0])
		}
		return &crmclient.Error{Class: crmclient.ClassPermanent, Message: message}
	}
	return nil
}

// classified gives the errors of the CRM their classes.
func classified(err error) error {
	var invalid *InvalidError
	switch {
	case errors.As(err, &invalid), errors.Is(err, ErrAddressTaken):
		return &crmclient.Error{Class: crmclient.ClassPermanent, Message: err.Error(), Err: err}
	case errors.Is(err, ErrNotFound):
		return &crmclient.Error{Class: crmclient.ClassPermanent, Message: "there is no such record", Err: crmclient.ErrNoRecord}
	}
	return err
}

// updateTries is how often an update is made again because somebody else changed the record between reading and writing.
const updateTries = 8

// UpdateRecord sets fields of a record.
func (c *CRM) UpdateRecord(ctx context.Context, name, id string, fields map[string]any) error {
	o, err := c.object(name)
	if err != nil {
		return err
	}
	for range updateTries {
		if err = c.updateOnce(ctx, o, recordID(id), fields); !errors.Is(err, ErrConflict) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("update record: %w", classified(err))
	}
	return nil
}

func (c *CRM) updateOnce(ctx context.Context, o object, id int64, fields map[string]any) error {
	return c.own(ctx, func(ctx context.Context, tx store.Querier) error {
		v, err := o.one(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := o.set(v, fields); err != nil {
			return err
		}
		return o.update(within(ctx, tx), v)
	})
}

// one reads a row as its own type.
func (o object) one(ctx context.Context, q store.Querier, id int64) (any, error) {
	rows, err := q.QueryContext(ctx, o.query+` WHERE `+o.id+` = $1`, id)
	if err != nil {
		return nil, err
	}
	items, err := collect(rows, o.scan)
	if err != nil {
		return nil, err
	}
	if len(items) == 0 {
		return nil, ErrNotFound
	}
	if o.fill != nil {
		err = o.fill(ctx, q, items)
	}
	return items[0], err
}

// own runs fn in a transaction and marks the changes that it makes as those of the connector. It takes the lock of the
// clock first, so that all later numbers are its own until it commits.
func (c *CRM) own(ctx context.Context, fn func(ctx context.Context, tx store.Querier) error) error {
	return c.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		before, err := nextChange(ctx, tx)
		if err != nil {
			return err
		}
		if err := fn(ctx, tx); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE crm_changes SET own = 1 WHERE seq > $1`, before)
		return err
	})
}

// transaction is the context key of a transaction that is under way.
type transaction struct{}

func within(ctx context.Context, tx store.Querier) context.Context {
	return context.WithValue(ctx, transaction{}, tx)
}

// write runs fn in the transaction that is under way, or in one of its own.
func (c *CRM) write(ctx context.Context, fn func(ctx context.Context, tx store.Querier) error) error {
	if tx, ok := ctx.Value(transaction{}).(store.Querier); ok {
		return fn(ctx, tx)
	}
	return c.db.Write(ctx, fn)
}
