package backfill

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"heliograph/config"
)

// Request is what a person asks for.
type Request struct {
	Account string `json:"account"` // login name at the upstream, an address
	// Secret is the password, or with Token an OAuth2 access token. A run wipes it at its end.
	Secret []byte `json:"secret"`
	Token  bool   `json:"token,omitempty"` // log in with XOAUTH2
	// Mailboxes are names in UTF-8. None and not All means INBOX.
	Mailboxes []string `json:"mailboxes,omitempty"`
	All       bool     `json:"all,omitempty"` // all that the configuration captures
	// Since and Before are days, compared with the date at which the server received a
	// message (RFC 9051, 6.4.4); Before itself is left out. Zero means no bound.
	Since  time.Time `json:"since,omitzero"`
	Before time.Time `json:"before,omitzero"`
	Limit  int       `json:"limit,omitempty"` // messages to fetch in this run, the oldest first; zero means all
	Rate   Rate      `json:"rate,omitzero"`
	DryRun bool      `json:"dry_run,omitempty"` // Backfill: only count
	Fix    bool      `json:"fix,omitempty"`     // Reconcile: close the gaps that it finds
}

// maxMailboxes bounds the names in a request, and those that a server lists: more than any person has.
const maxMailboxes = 10_000

func (r *Request) validate() error {
	switch {
	case strings.TrimSpace(r.Account) == "" || strings.ContainsAny(r.Account, "\r\n\x00"):
		return errors.New("an account is needed, such as li@example.com")
	case len(r.Secret) == 0:
		return errors.New("a password or a token is needed")
	case r.All && len(r.Mailboxes) > 0:
		return errors.New("name mailboxes, or ask for all of them, not both")
	case len(r.Mailboxes) > maxMailboxes:
		return fmt.Errorf("more than %d mailboxes", maxMailboxes)
	case r.Limit < 0:
		return errors.New("the limit is negative")
	case !r.Since.IsZero() && !r.Before.IsZero() && !r.Since.Before(r.Before):
		return errors.New("the end of the range is not after its begin")
	}
	for _, name := range r.Mailboxes {
		if name == "" || strings.ContainsAny(name, "\r\n\x00") {
			return fmt.Errorf("%q is no name of a mailbox", name)
		}
	}
	return nil
}

// Counts are numbers of messages, by what became of them, and the bytes that were fetched.
type Counts struct {
	Captured int   `json:"captured"`
	Excluded int   `json:"excluded"`
	Gone     int   `json:"gone"`
	Failed   int   `json:"failed"`
	Bytes    int64 `json:"bytes"`
}

// Done is how many messages were brought to an end.
func (c Counts) Done() int { return c.Captured + c.Excluded + c.Gone + c.Failed }

// Row is what there is to say about one mailbox.
type Row struct {
	Mailbox string `json:"mailbox"`
	// Messages is how many are in the mailbox, within the range asked for.
	Messages int `json:"messages"`
	// Counts are, in a backfill, what this run did, and in a reconciliation what the ledger has
	// of the messages in the mailbox; but Gone are those that left it uncaptured.
	Counts
	// Missing is how many are still not in the ledger, though capture is to take them.
	Missing int `json:"missing"`
	// Older is how many are not in the ledger because they were there before capture began;
	// only in a reconciliation.
	Older int `json:"older,omitempty"`
	// MissingBytes is the size of the missing; only in a dry run.
	MissingBytes int64    `json:"missing_bytes,omitempty"`
	FirstMissing []uint32 `json:"first_missing,omitempty"` // UIDs, at most 10
	// Skipped says why the mailbox was left out; empty means that it was not.
	Skipped string `json:"skipped,omitempty"`
	// Failures are the server's words for the first messages that failed in this run.
	Failures []Failure `json:"failures,omitempty"`
}

// Failure is one message that could not be had.
type Failure struct {
	UID    uint32 `json:"uid"`
	Reason string `json:"reason"`
}

// The most that a Row names one by one: a person looks at a few and counts the rest.
const (
	maxFirstMissing = 10
	maxFailures     = 20
)

func (r *Row) fail(uid uint32, reason string) {
	if len(r.Failures) < maxFailures {
		r.Failures = append(r.Failures, Failure{uid, reason})
	}
}

// EventKind says what an Event tells.
type EventKind string

// The kinds of events.
const (
	EventPlan     EventKind = "plan"     // Total is known
	EventProgress EventKind = "progress" // Counts moved
	EventMailbox  EventKind = "mailbox"  // Row is complete
	EventWait     EventKind = "wait"     // nothing happens until Until; Text says why
	EventNote     EventKind = "note"     // Text is something a person should know
)

// Event is what a run tells while it works.
type Event struct {
	Kind    EventKind `json:"event"`
	Mailbox string    `json:"mailbox,omitempty"` // at which it works now
	Total   int       `json:"total,omitempty"`   // messages to bring to an end in this run
	Counts  Counts    `json:"counts,omitzero"`   // of the run so far
	Row     *Row      `json:"row,omitempty"`
	Text    string    `json:"text,omitempty"`
	Until   time.Time `json:"until,omitzero"`
}

// Result is what a run came to. It is complete also beside an error: then it says how far the run got.
type Result struct {
	Rows   []Row  `json:"rows"`
	Total  int    `json:"total"`
	Counts Counts `json:"counts"`
}

// Missing is how many messages are still missing in all mailboxes.
func (r Result) Missing() (n int) {
	for i := range r.Rows {
		n += r.Rows[i].Missing
	}
	return n
}

// Rate is how fast a run may go, in messages or in bytes. Zero means no bound.
type Rate struct {
	Messages float64 `json:"messages,omitempty"` // per second
	Bytes    float64 `json:"bytes,omitempty"`    // per second
}

// ParseRate reads a rate such as 5/s, 100/min, 2MB/s or 512KiB/s.
func ParseRate(text string) (Rate, error) {
	bad := fmt.Errorf("%q is no rate: write messages or bytes per time, such as 5/s, 100/min or 2MB/s", text)
	amount, unit, found := strings.Cut(strings.ReplaceAll(text, " ", ""), "/")
	per, known := map[string]float64{"s": 1, "sec": 1, "min": 60, "m": 60, "h": 3600}[strings.ToLower(unit)]
	if !found || !known || amount == "" {
		return Rate{}, bad
	}
	if n, err := strconv.ParseFloat(amount, 64); err == nil {
		if !(n/per > 0) || math.IsInf(n, 0) {
			return Rate{}, bad
		}
		return Rate{Messages: n / per}, nil
	}
	b, err := config.ParseBytes(amount)
	if err != nil || b <= 0 {
		return Rate{}, bad
	}
	return Rate{Bytes: float64(b) / per}, nil
}
