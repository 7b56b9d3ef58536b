// Package crmtest is the conformance suite that every connector passes.
//
// A connector brings a Fake: the vendor's API as its documentation describes it, keeping what it is sent. The
// suite puts every fault itself between the connector and the fake (any status, resets and silence before and
// after the record was made, broken, huge and cut answers, redirects), so that a fake stays small and all
// connectors meet the same troubles. Errors that a vendor tells in the body of a 200 are the connector's to list,
// as Faults. A connector without HTTP, such as the built-in CRM, runs the part of the suite that needs no wire.
//
// What a connector can do besides (tickets, records, files, webhooks …) is found by type assertion, and is tested as soon as the
// fake says how to look at it. A vendor's fake takes part by implementing more interfaces, each on its own:
//
//   - TicketKeeper: crmclient.Ticketer
//   - ObjectKeeper: RecordReader, RecordQuerier, RecordWriter, RecordChanges, Describer
//   - FileKeeper, with ObjectKeeper: FileAttacher
//   - WebhookSender: WebhookReceiver
//   - TokenExpirer: tokens that run out in the middle of the work and credentials that are withdrawn
//   - OtherWriter: which requests make tickets, objects and people, so that faults hit exactly these
//
// Subject.Checks holds the set-ups, good and bad, that Check must tell apart, each with what its remedy says. Of every HTTPFake the
// suite makes a soak (Soak): many mails by several workers at the vendor's rate with faults of every kind,
// after which each mail is there exactly once. A connector that keeps to a rate builds its client from Connection.Settings and Connection.Deps.
// In the soak the environment decides how much: HELIOGRAPH_SOAK_MAILS (200) and HELIOGRAPH_SOAK_RATE (requests per second, 400).
// Each connector calls Run once in a test whose name has Conformance, so that go test ./crmclient/... -v -run 'Conformance/soak' finds all soaks.
//
//   - crmtest.go: Subject, Run; abilities.go: what a client can do is there as a whole or not at all
//   - records.go, text.go, changes.go, contacts.go, people.go: activities and contacts
//   - tickets.go, objects.go, query.go, files.go, hooks.go: the optional interfaces
//   - wire.go, tokens.go, checks.go: faults, credentials, set-ups
//   - soak.go, chaos.go: the soak and its faults
//
// It does not test what only one vendor has; that is the connector's own test.
package crmtest

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/internal/limit"
)

// Subject is a connector under test.
type Subject struct {
	// Fake returns a fake without records. If it is also an HTTPFake, the wire tests run; if it is
	// a Seeder, FindContacts is tested; if it is a ContactKeeper, following its contacts is.
	Fake func(t *testing.T) Fake
	// New builds the connector for the fake, with Secrets as its credentials. It registers the clean-up with t.
	New func(t *testing.T, f Fake, c Connection) crmclient.Client
	// Secrets are the credentials that New uses, and must appear in no error and no log.
	Secrets []string
	// Classes are the statuses that the vendor uses in its own way.
	Classes map[int]crmclient.Class
	// Faults are the errors that the vendor tells by other means than a status.
	Faults []Fault
	// MaxText is how many bytes of text the vendor keeps; zero means all. A shortened text ends in an ellipsis.
	MaxText int
	// NoAttachments says that the vendor's record has no place for attachment names.
	NoAttachments bool
	// Checks are set-ups that crmclient.Checker must tell apart, by names such as good, wrong key, expired token, missing
	// field, missing permission, wrong data centre.
	Checks map[string]Check
	// Refuse is how the vendor says that there were too many requests; nil means 429 with Retry-After. It is for the soak.
	Refuse http.HandlerFunc
	// Webhook tells of deliveries what the suite cannot know.
	Webhook Webhook
}

// Connection is what New gets.
type Connection struct {
	URL     string        // of the server; empty for a connector without HTTP
	Timeout time.Duration // that the connector must use for its requests
	Logger  *slog.Logger  // that the connector must log to
	// RequestsPerSecond is what the server allows; zero means that it counts nothing.
	RequestsPerSecond float64
	// Limit is for crmclient.Deps; nil where nothing is counted.
	Limit func(what string, rate limit.Rate) crmclient.RateLimiter
}

// Settings returns the settings of a connector for the connection.
func (c Connection) Settings() crmclient.Settings {
	return crmclient.Settings{URL: c.URL, Timeout: config.Duration(c.Timeout), RequestsPerSecond: c.RequestsPerSecond}
}

// Deps returns what a connector gets from outside.
func (c Connection) Deps(target string) crmclient.Deps {
	return crmclient.Deps{
		Target: target, Logger: c.Logger, Limit: c.Limit,
		Wait: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }, // hundreds of pages are read again
	}
}

// Fake is a CRM that keeps what it is sent. Its methods may run concurrently.
type Fake interface {
	// Records returns the activities that were stored.
	Records(t *testing.T) []Record
}

// HTTPFake is a Fake behind HTTP.
type HTTPFake interface {
	Fake
	http.Handler
	// Writes says whether the request is the one that makes the record of an activity.
	Writes(r *http.Request) bool
}

// Seeder is a Fake that can be given contacts.
type Seeder interface {
	AddContact(t *testing.T, name, address string)
}

// Record is a stored activity as far as all vendors keep it.
type Record struct {
	Key         string
	Subject     string
	Text        string
	Attachments []string // names
	// Of connectors that can be told of changes (crmclient.ActivityUpdater).
	Accounts []string
	BCC      []string // addresses
	Thread   string
}

// Fault is an error that the vendor tells in its own way.
type Fault struct {
	Name  string
	Serve http.HandlerFunc // answers every request while the fault lasts
	Class crmclient.Class  // that the connector must find
}

// Run runs the suite.
func Run(t *testing.T, s Subject) {
	t.Helper()
	s.runAbilities(t)
	s.runRecords(t)
	s.runText(t)
	s.runChanges(t)
	s.runTickets(t)
	s.runObjects(t)
	s.runWebhooks(t)
	s.runChecks(t)
	if _, ok := s.Fake(t).(Seeder); ok {
		t.Run("find contacts", s.findContacts)
		s.runPeople(t)
	}
	if _, ok := s.Fake(t).(ContactKeeper); ok {
		t.Run("contacts", s.runContacts)
	}
	if _, ok := s.Fake(t).(HTTPFake); ok {
		s.runWire(t)
		s.runChangesOnWire(t)
		s.runTokens(t)
		t.Run("soak", func(t *testing.T) {
			t.Parallel()
			Soak(t, s, SoakOptions{})
		})
	}
}

const (
	shortTimeout = 250 * time.Millisecond // where a test waits for it to pass
	longTimeout  = 30 * time.Second       // where it must not pass
)

// bench is one connector with its fake, and what it logged.
type bench struct {
	s      Subject
	fake   Fake
	gate   *gate // nil without HTTP
	client crmclient.Client
	logs   *logBuffer
	url    string
}

func (s Subject) start(t *testing.T, timeout time.Duration) *bench {
	t.Helper()
	b := &bench{s: s, fake: s.Fake(t), logs: new(logBuffer)}
	if h, ok := b.fake.(HTTPFake); ok {
		b.gate = newGate(t, h)
		b.url = b.gate.server.URL
	}
	b.client = b.connect(t, timeout)
	t.Cleanup(func() { s.noSecrets(t, "log", b.logs.String()) })
	return b
}

// connect builds one more client, with a closed circuit.
func (b *bench) connect(t *testing.T, timeout time.Duration) crmclient.Client {
	t.Helper()
	logger := slog.New(slog.NewJSONHandler(b.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	return b.s.New(t, b.fake, Connection{URL: b.url, Timeout: timeout, Logger: logger})
}

// records returns the records with a key.
func (b *bench) records(t *testing.T, key string) []Record {
	t.Helper()
	var found []Record
	for _, r := range b.fake.Records(t) {
		if r.Key == key {
			found = append(found, r)
		}
	}
	return found
}

func (b *bench) wantOne(t *testing.T, key string) {
	t.Helper()
	if n := len(b.records(t, key)); n != 1 {
		t.Errorf("records with key %s: got %d, want 1", key, n)
	}
}

func (s Subject) noSecrets(t *testing.T, where, text string) {
	t.Helper()
	for _, secret := range s.Secrets {
		if i := strings.Index(text, secret); i >= 0 {
			t.Errorf("a secret is in the %s: …%s<here>", where, text[max(0, i-60):i])
		}
	}
}

// wantClass checks an error: its class, and that no way of printing it shows a secret.
func (s Subject) wantClass(t *testing.T, err error, want crmclient.Class) {
	t.Helper()
	if got := crmclient.ClassOf(err); got != want {
		t.Errorf("class of %v: got %q, want %q", err, got, want)
	}
	for e := err; e != nil; e = unwrap(e) {
		s.noSecrets(t, "error", fmt.Sprintf("%v %+v", e, e))
	}
}

func unwrap(err error) error {
	u, ok := err.(interface{ Unwrap() error })
	if !ok {
		return nil
	}
	return u.Unwrap()
}

// logBuffer gathers what a connector logs.
type logBuffer struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

// Write appends a line.
func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// String returns all lines.
func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// Activity returns a complete activity with the key.
func Activity(key string) *crmclient.Activity {
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	return &crmclient.Activity{
		Key: key, MessageID: key + "@example.com", Thread: "thread-" + key, Direction: crmclient.Outbound,
		Subject: "Quotation 42", Date: at,
		From: crmclient.Person{Name: "Wang Fang", Address: "wang@example.com"},
		To:   []crmclient.Person{{Name: "Li Lei", Address: "li.lei@customer.example"}},
		CC:   []crmclient.Person{{Address: "boss@example.com"}},
		BCC:  []crmclient.Person{{Address: "archive@example.com"}},
		Text: "Hello,\n\nplease find our quotation.\n\n> earlier words\n", TextUnquoted: "Hello,\n\nplease find our quotation.\n",
		HTML:        "<p>Hello,</p><p>please find our quotation.</p>",
		Attachments: []crmclient.Attachment{{Name: "quotation.pdf", Type: "application/pdf", Size: 12345, SHA256: strings.Repeat("ab", 32)}},
		Accounts:    []string{"wang@example.com"},
		Sightings:   []crmclient.Sighting{{Entry: "01hzx0000000000000000000aa", Kind: "submission", Account: "wang@example.com", At: at}},
		Contacts:    nil,
	}
}
