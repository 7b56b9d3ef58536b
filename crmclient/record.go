package crmclient

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"heliograph/internal/decimal"
)

// Record is any object of a CRM: a deal, an order, an item in stock, a row of a form.
type Record struct {
	Object string // the CRM's own name of the kind: Opportunity, deals, an id of a form …
	ID     string // the CRM's own id
	// Fields are by the CRM's own names. A value is nil, bool, string, json.Number (exact, so that amounts stay
	// what they are), time.Time, []any or map[string]any of these.
	Fields    map[string]any
	UpdatedAt time.Time // zero where the CRM does not tell
	URL       string    // for a person to look at, where the CRM has one
}

// Comparison is how a Condition compares.
type Comparison string

// The comparisons that every RecordQuerier knows.
const (
	Equal        Comparison = "eq"
	NotEqual     Comparison = "ne"
	Less         Comparison = "lt"
	LessEqual    Comparison = "le"
	Greater      Comparison = "gt"
	GreaterEqual Comparison = "ge"
	In           Comparison = "in" // Value is a []any
	Contains     Comparison = "contains"
	Empty        Comparison = "empty" // Value is nothing
)

// Condition is one test of a field.
type Condition struct {
	Field string
	Is    Comparison
	Value any // as in Record.Fields
}

// Holds says whether a value meets the condition. compare returns -1, 0 or 1, and another number where two values have no order. For
// connectors that check once more what a CRM answers.
func (c Condition) Holds(got any, compare func(a, b any) int) bool {
	order := func() int { return compare(got, c.Value) }
	switch c.Is {
	case Equal:
		return order() == 0
	case NotEqual:
		return order() != 0
	case Less:
		return order() == -1
	case LessEqual:
		o := order()
		return o == -1 || o == 0
	case Greater:
		return order() == 1
	case GreaterEqual:
		o := order()
		return o == 1 || o == 0
	case In:
		in, _ := c.Value.([]any)
		return slices.ContainsFunc(in, func(v any) bool { return compare(got, v) == 0 })
	case Contains:
		return strings.Contains(strings.ToLower(fmt.Sprint(got)), strings.ToLower(fmt.Sprint(c.Value)))
	}
	return false
}

// Query selects records for which all conditions hold.
type Query struct {
	Object string
	Where  []Condition
	Fields []string // empty: those that the CRM gives by itself
	Limit  int      // records in a page; zero leaves it to the connector
}

// RecordReader is a Client that can read any record.
type RecordReader interface {
	// ReadRecord returns a record as it is now. Where there is none, the error is of ClassPermanent with ErrNoRecord inside.
	ReadRecord(ctx context.Context, object, id string) (Record, error)
}

// RecordQuerier is a Client that can search records.
type RecordQuerier interface {
	RecordReader
	// QueryRecords returns a page and the cursor of the next, empty after the last. An empty cursor begins. A comparison that
	// the CRM cannot do is ClassConfiguration, never a wrong result.
	QueryRecords(ctx context.Context, q Query, cursor string) (page []Record, next string, err error)
}

// RecordCreator is a Client that can make records.
type RecordCreator interface {
	// CreateRecord makes a record. It is idempotent on key as LogEmail is on its own.
	CreateRecord(ctx context.Context, object, key string, fields map[string]any) (Receipt, error)
}

// RecordWriter is a Client that can make and change records.
type RecordWriter interface {
	RecordCreator
	RecordUpdater
}

// RecordUpdater is a Client that can change records.
type RecordUpdater interface {
	// UpdateRecord sets fields of a record; the others stay.
	UpdateRecord(ctx context.Context, object, id string, fields map[string]any) error
}

// RecordChanges is a Client that can tell which records changed.
type RecordChanges interface {
	RecordReader
	// RecordChanges returns records that were made or changed since the cursor, as they are now, and the cursor to go
	// on from. An empty cursor returns no changes but the cursor of this moment. No changes mean that there are none
	// at present. A record may come more than once, none is left out: connectors that ask by time ask
	// again for a while that overlaps. fields are those to be read; empty means all. ErrCursorExpired as in ContactChanges.
	RecordChanges(ctx context.Context, object string, fields []string, cursor string) (changes []RecordChange, next string, err error)
}

// RecordChange is a record that changed.
type RecordChange struct {
	Record
	Deleted bool           // Record holds the id only
	Old     map[string]any // former values of changed fields, where the CRM tells them; nil where not
	// By is the CRM's user who did it, where the CRM tells; Own says that it was this connection.
	By  string
	Own bool
}

// Field describes a field of an object, as the CRM's own metadata does.
type Field struct {
	Name     string
	Label    string
	LabelZh  string // in Chinese, where the label is in another language
	Type     string // the CRM's word
	Required bool   // a record cannot be made without
	ReadOnly bool
	Unique   bool // the CRM refuses a second record with the same value
	Length   int  // characters; zero: not told
}

// Describer is a Client that can tell which fields an object has.
type Describer interface {
	// DescribeObject returns the fields, or an error of ClassConfiguration where there is no such object.
	DescribeObject(ctx context.Context, object string) ([]Field, error)
}

// FileAttacher is a Client that can add files to a record.
type FileAttacher interface {
	// AttachFile adds a file to a record and returns its id. It is idempotent on the record and the file's hash where the CRM
	// lets it be.
	AttachFile(ctx context.Context, object, id string, f Attachment) (fileID string, err error)
}

// Ticket is a request for service to be made in a CRM or help desk.
type Ticket struct {
	Key       string // equal keys are one ticket
	Subject   string
	Text      string
	Priority  string // low, normal, high or urgent; empty: the CRM's own default
	Queue     string // product line, group or queue by the CRM's own name; empty: the default
	Assignee  string // mail address of an employee; empty: nobody
	Requester Person
	ContactID string         // of the requester in the CRM, where it is known
	MessageID string         // of the mail that asks, without brackets
	Fields    map[string]any // more, by the CRM's own names
	Files     []Attachment
}

// TicketCreator is a Client that can make tickets.
type TicketCreator interface {
	// CreateTicket makes a ticket. It is idempotent on Ticket.Key as LogEmail is on its own.
	CreateTicket(ctx context.Context, t *Ticket) (Receipt, error)
}

// TicketFinder is a Client that finds tickets again.
type TicketFinder interface {
	// FindTicket returns the ticket that was made with the key, or false.
	FindTicket(ctx context.Context, key string) (Record, bool, error)
}

// TicketAssigner is a Client that can give tickets to people.
type TicketAssigner interface {
	// AssignTicket gives the ticket to an employee by mail address. A person whom the CRM does not know is ClassPermanent.
	AssignTicket(ctx context.Context, id, assignee string) error
}

// Ticketer is a Client that can do all of it.
type Ticketer interface {
	TicketCreator
	TicketFinder
	TicketAssigner
}

// Delivery is a request that a CRM made to our webhook.
type Delivery struct {
	Method string
	URL    *url.URL // with the query; path and host are ours
	Header http.Header
	Body   []byte // as it came: signatures are over these bytes
	At     time.Time
}

// Wake is what a delivery tells: something happened to a record. It only wakes us up; the record is read again.
type Wake struct {
	Object, ID string
	Own        bool // our own writing
}

// Reply is what a webhook is answered at once; zero means 200 without a body.
type Reply struct {
	Status int
	Type   string // of the body
	Body   []byte
}

// WebhookReceiver is a Client whose CRM can call us.
type WebhookReceiver interface {
	// ReceiveWebhook checks the signature over the raw bytes and reads what happened, without any request of its own. id
	// tells a delivery from its repetitions; empty where the CRM has none, then a hash of the body is used. An error of ClassAuth
	// means that the signature is wrong or too old, and nothing of the delivery is believed.
	ReceiveWebhook(d *Delivery) (id string, wakes []Wake, reply Reply, err error)
}

// WithTimes returns a copy of fields in which times are written in UTC by a layout.
func WithTimes(fields map[string]any, layout string) map[string]any {
	out := make(map[string]any, len(fields))
	for name, v := range fields {
		if t, ok := v.(time.Time); ok {
			v = t.UTC().Format(layout)
		}
		out[name] = v
	}
	return out
}

// Unordered is what a comparison says of values that have no order.
const Unordered = 2

// CompareTexts compares two values by how they are written: as numbers, exactly, where they are to be numbers, else by being the same. Where there
// is no order it returns Unordered.
func CompareTexts(a, b string, numbers bool) int {
	if numbers {
		x, ok := decimal.Parse(a)
		y, ok2 := decimal.Parse(b)
		if ok && ok2 {
			return x.Cmp(y)
		}
	}
	if a == b {
		return 0
	}
	return Unordered
}
