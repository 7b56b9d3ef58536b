package mail_test

import (
	"context"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/hooks"
	"heliograph/hooks/archive"
	"heliograph/hooks/contacts"
	"heliograph/hooks/mirror"
	"heliograph/hooks/mirror/scope"
	"heliograph/internal/console/access"
	"heliograph/internal/console/api/apitest"
	"heliograph/internal/console/api/mail"
	"heliograph/internal/journal"
	"heliograph/internal/queue"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(apitest.Whole(m)) }

// crm is a CRM that takes all mail, or fails.
type crm struct {
	broken atomic.Bool
	people []crmclient.ContactRecord
}

func (c *crm) ListContacts(context.Context, string) ([]crmclient.ContactRecord, string, error) {
	return c.people, "", nil
}

func (c *crm) FindContacts(_ context.Context, addresses []string) ([]crmclient.Contact, error) {
	var out []crmclient.Contact
	for _, a := range addresses {
		out = append(out, crmclient.Contact{ID: "c-" + a, Kind: "contact", Address: a})
	}
	return out, nil
}

func (c *crm) LogEmail(_ context.Context, a *crmclient.Activity) (crmclient.Receipt, error) {
	if c.broken.Load() {
		return crmclient.Receipt{}, &crmclient.Error{Class: crmclient.ClassPermanent, Message: "the record is too large", Remedy: "make it smaller"}
	}
	return crmclient.Receipt{RemoteID: "r-" + a.Key, URL: "https://crm.example/" + a.Key}, nil
}

// office is a gateway's second half with the part of the API for mail.
type office struct {
	t       *testing.T
	db      *store.DB
	crm     *crm
	journal *journal.Journal
	queue   *queue.Queue
	archive *archive.Archive
	book    *contacts.Book
	choices *scope.Choices
	server  *apitest.Server
}

func internal(address string) bool { return strings.HasSuffix(address, "@corp.example") }

func open(t *testing.T, db *store.DB) *office {
	t.Helper()
	w := &office{t: t, db: db, crm: &crm{}}
	dir := t.TempDir()
	w.queue = queue.Open(db, queue.Options{Poll: 10 * time.Millisecond})
	t.Cleanup(w.queue.Close)
	var err error
	w.journal, err = journal.Open(t.Context(), journal.Options{
		Dir: filepath.Join(dir, "journal"), KeyFile: filepath.Join(dir, "master.key"), Store: db, Queue: w.queue, Sync: config.SyncAlways,
		SegmentBytes: 32 << 20, Consumers: []string{mirror.Name},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.journal.Close(); err != nil {
			t.Error(err)
		}
	})
	w.choices = scope.NewChoices(db, nil)
	inScope, err := scope.New(scope.Options{Privacy: config.Privacy{SubjectMarks: []string{"[private]"}}, Internal: config.InternalMirror, Choices: w.choices})
	if err != nil {
		t.Fatal(err)
	}
	w.archive = archive.New(archive.Options{Store: db, Journal: w.journal, Internal: internal, Rest: -1})
	m := mirror.New(mirror.Options{
		Store: db, Journal: w.journal, Queue: w.queue, Internal: internal, Scope: inScope, InternalMail: config.InternalMirror,
		Targets: []mirror.Target{{Name: "crm", Client: w.crm}},
	})
	w.book = contacts.New(contacts.Options{Store: db, Queue: w.queue, Targets: []contacts.Target{{Name: "crm", Client: w.crm}}})
	runner := hooks.NewRunner(w.journal, w.queue, []hooks.Hook{m}, hooks.Options{Store: db, Workers: 2})
	w.run(runner.Run)
	w.run(m.Run)
	part := mail.New(mail.Options{
		Store: db, Journal: w.journal, Queue: w.queue, Archive: w.archive, Contacts: func() *contacts.Book { return w.book }, Choices: w.choices, Targets: func() []string { return []string{"crm"} },
		CompanyRules: func() []string { return []string{"no-lawyers"} }, Routed: internal,
	})
	w.server = apitest.New(t, part.API())
	return w
}

// run starts something that ends with the test.
func (w *office) run(f func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	w.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Error(err)
		}
	})
}

// submit has a mail sent by an account, and waits until the mirror knows it. It returns the entry and the key.
func (w *office) submit(account, raw string, recipients ...string) (entry, key string) {
	w.t.Helper()
	env := &journal.Envelope{
		ID: journal.NewID(time.Now()), Kind: journal.KindSubmission, Account: account, Upstream: "main", Listener: ":587", ReversePath: account,
		ClientIP: "192.0.2.7", Helo: "laptop", Received: time.Now(),
	}
	for _, r := range recipients {
		env.Recipients = append(env.Recipients, journal.Recipient{Address: r, Code: 250})
	}
	return w.capture(env, raw)
}

// find has a mail seen in a mailbox.
func (w *office) find(account string, uid uint32, raw string) (entry, key string) {
	w.t.Helper()
	return w.capture(&journal.Envelope{
		ID: journal.NewID(time.Now()), Kind: journal.KindFetch, Account: account, Upstream: "main", Listener: ":993", Mailbox: "INBOX",
		UIDValidity: 1, UID: uid, Received: time.Now(),
	}, raw)
}

func (w *office) capture(env *journal.Envelope, raw string) (entry, key string) {
	w.t.Helper()
	raw = strings.ReplaceAll(raw, "\n", "\r\n")
	env.Size = int64(len(raw))
	p := w.journal.Begin(env)
	if _, err := p.Write([]byte(raw)); err != nil {
		w.t.Fatal(err)
	}
	if err := p.Seal(w.t.Context(), env); err != nil {
		w.t.Fatal(err)
	}
	p.Commit(journal.Verdict{Code: 250, Text: "2.0.0 queued as 7", At: time.Now()})
	var id mirror.Identity
	w.eventually(func() (known bool) {
		var err error
		if id, known, err = mirror.Identify(w.t.Context(), w.db.Reader(), env.ID); err != nil {
			w.t.Fatal(err)
		}
		return known
	})
	w.settle()
	return env.ID.String(), id.Message
}

// settle has the archive look at all that is noted.
func (w *office) settle() {
	w.t.Helper()
	for n := 1; n > 0; {
		var err error
		if n, err = w.archive.Step(w.t.Context()); err != nil {
			w.t.Fatal(err)
		}
	}
}

// eventually polls until done holds.
func (w *office) eventually(done func() bool) {
	w.t.Helper()
	deadline := time.NewTimer(30 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-deadline.C:
			w.t.Fatal("waited in vain")
		case <-tick.C:
		}
	}
}

// state waits until a target has made that of a message.
func (w *office) state(key, want string) {
	w.t.Helper()
	w.eventually(func() bool {
		var state string
		err := w.db.Reader().QueryRowContext(w.t.Context(), `SELECT state FROM deliveries WHERE message_key = $1`, key).Scan(&state)
		return err == nil && state == want
	})
}

// The people who ask.
func admin() *access.Caller {
	return access.NewCaller(access.Person{ID: "1", Email: "root@corp.example", Role: access.Admin}, access.ScopeAll, nil, nil)
}

func agent(account string, masks ...string) *access.Caller {
	return access.NewCaller(access.Person{ID: "2", Email: account, Role: access.Agent}, access.ScopeOwn, []string{account}, nil, masks...)
}

func manager(team ...string) *access.Caller {
	return access.NewCaller(access.Person{ID: "3", Email: "boss@corp.example", Role: access.Manager}, access.ScopeTeam, team, nil)
}

func auditor() *access.Caller {
	return access.NewCaller(access.Person{ID: "4", Email: "audit@corp.example", Role: access.Auditor}, access.ScopeAll, nil, nil, access.Masks(access.Auditor)...)
}
