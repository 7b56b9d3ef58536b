// Package mirror writes each message into each CRM once.
//
// Its path, file by file:
//
//   - mirror.go: Handle gets an entry from the journal, parses it with package message,
//     and decides everything that needs no CRM in one transaction.
//   - people.go: who took part. Bcc are the accepted recipients of the envelope that To and Cc do not
//     name; a message in a mailbox has no envelope, and its Bcc field stands in. An employee's mail to
//     anyone outside is outbound, among employees internal, all else inbound. An employee is who has an internal
//     address, who submitted the message, and whose mailbox it was seen in.
//   - scope.go: what must not leave, by the rules of package scope: when a sighting is recorded, and again before each
//     delivery and right before the call that tells the target. The ledger names the rule. What leaves is masked here as well. preview.go tells beforehand.
//   - veto.go: an exclusion that is about the message and not about one copy is a veto for the others, as far as the copy can be
//     trusted. What targets have by then is taken back.
//   - kin.go, forms.go: a copy whose key is another one, because its id or date was replaced or a list added to it,
//     may be recognised all the same; "Kinship" below says when.
//   - claims.go: nodes that share a Redis do not record one message at the same time.
//   - identity.go: a message is known by its key (package message says of what). The
//     entry becomes a sighting of it. A delivery row per message and target, with
//     a unique key, is what makes "once" true; the queue job is added with it. Whoever loses the race to
//     insert adds no job. A place in a mailbox (upstream, account, mailbox, UIDVALIDITY, UID) is one sighting,
//     however often it was captured: the second entry is dropped, and the ledger says so.
//   - match.go: whom a target knows of the people: spellings of addresses, contacts, companies, who owns the activity.
//     review.go keeps what was decided on people whom it does not know, waiting.go lets go what waited for that, and
//     suggest.go says who they may be.
//   - witness.go: a message whose verdict was lost is confirmed by a copy in a mailbox.
//   - thread.go: References, In-Reply-To and Thread-Index; a reply that names no ids goes by its subject and the same people.
//   - request.go: asks each target that wants the message for a delivery; correspondents are noted, so that
//     an address can be taken back.
//   - schedule.go: when a target may have it. The job's run_at carries that.
//   - deliver.go: Run works the jobs "deliver:<target>", one worker pool per target, so
//     that a stuck target holds up no other; those of one thread run in order.
//   - activity.go: the activity is built again from the journal's bytes, so that no
//     text is stored twice and attachments are read only by who wants them.
//   - policy.go: which mail a target wants, and what it gets of it: fields, text, attachments, the CRM's own limits.
//   - links.go: links to files, for targets that are to have those instead.
//   - update.go: "update:<target>" tells a target what later sightings and joined threads add: owners, blind
//     recipients, a verdict, the thread. They are gathered for a few seconds, and what adds nothing asks nothing.
//   - withdraw.go: "withdraw:<target>" takes mail back, after what is under way has ended. What was taken back
//     stays away when it is seen again.
//   - alarm.go: which targets somebody should look at.
//
// A target that cannot be told of changes (crmclient.ActivityUpdater) keeps what it has, and the ledger says so:
// doubling is the worse mistake. A message of which one sighting is in scope is in scope.
//
// Nothing is given up because credentials or settings are wrong: such a target is paused,
// tried again after growing waits of up to an hour, and its ledger rows stay pending and say why.
//
// # Kinship
//
// Equal keys are one message, always. Each key is a form; a form whose key is new joins an earlier message when one of these
// rules holds, each with what it must not do:
//
//   - Strong: sender, To and Cc, subject and all content are the same (message.Message.Likeness), and so is the Date
//     or the Message-ID (then the Date may differ by up to 26 hours). One of the two must be what was submitted or is in the sender's own mailbox. So a Sent
//     copy or a colleague's copy with a provider's id joins. Two forms that were both submitted never join: the same
//     words sent twice are two, even in one second. A monitor that mails us twice in one second from outside stays two.
//   - Weak: the likeness is the same, both id and Date were replaced, and a submission and a copy in a mailbox are at most three
//     minutes apart by the clocks of the gateway and the server. One to one: a submission that has another copy takes none, so that
//     what was sent again from a telephone stays two. After three minutes nothing is guessed.
//   - List: message.Message.ListCopyOf. The words are compared, read again from the journal, so that a forged Message-ID neither
//     suppresses nor merges. A list that changes From, as some do for DMARC, makes another message: senders never join.
//
// What comes first does not decide: pairs are ranked the same from both sides, and what was guessed gives way when something
// better comes (an exact copy, a closer one, or the submission to which the key really belongs). The form that must leave is
// looked at again, through the queue, and becomes a message of its own or joins another. A CRM that had been told of both
// in one activity is then told of two. What joined is never split by less than that, and two messages that were
// both recorded never become one: when a list's copy and a provider's copy are both seen before
// the submission that ties them, one of them stays apart.
//
// The ids of all forms lead to one thread, so a reply to either joins. Threads do not part again when forms do.
//
// It does not keep contacts (the CRM does), and it never talks to the mail provider.
package mirror

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/hooks"
	"heliograph/hooks/mirror/scope"
	"heliograph/internal/journal"
	"heliograph/internal/limit"
	"heliograph/internal/message"
	"heliograph/internal/queue"
	"heliograph/internal/store"
)

// Target is one CRM connection.
type Target struct {
	Name    string
	Client  crmclient.Client
	Deliver config.Delivery // the zero value means all mail, at once
	Alarm   config.Alarm    // the zero value means never
}

// Options configure New.
type Options struct {
	Store   *store.DB
	Journal *journal.Journal
	Queue   *queue.Queue
	Targets []Target
	// Internal tells whether an address (lower case) is an employee's. Nil means nobody is.
	Internal     func(address string) bool
	InternalMail config.InternalMode // empty means exclude; without use where there is a Scope
	// Announce returns the hooks that look at an entry once it is known which message it is; nil: none do.
	Announce    func(e journal.Entry, msg *message.Message) []string
	Scope       Scoper               // nil means that only internal mail may be excluded
	Masking     *scope.Masking       // nil masks nothing
	Unmatched   config.UnmatchedMode // empty means UnmatchedSkip
	Workers     int                  // deliveries at once per target; zero means 2
	MaxAttempts int                  // before a delivery is a dead letter; zero means queue.DefaultMaxAttempts
	Timeout     time.Duration        // of one delivery; zero means 2 min
	Matching    config.Matching      // the zero value keeps plus-tags, and owners as by default
	// Directory is asked for contacts before the CRM is. Nil means there is none.
	Directory Directory
	// OptedOut tells whether an employee (lower-case address) wants no mail mirrored, and so can own none. Nil means nobody does.
	OptedOut func(account string) bool
	// Paused tells whether a person wants a target to be left alone, and when one last wanted it to go on, which ends a pause that the mirror
	// made itself. It must not wait. Nil: nobody does.
	Paused func(target string) (reason string, paused bool, resumed time.Time)
	// Links makes links to files for targets that want them. Nil makes none.
	Links *Links
	// Learn takes the signature of somebody outside, once a target has the mail; what is masked for the target is masked in it. Nil
	// learns nothing.
	Learn func(ctx context.Context, target, address, signature string, at time.Time) error
	// KeepVetoed leaves at the targets what turns out to be private after they have it.
	KeepVetoed bool
	Debounce   time.Duration    // how long later sightings are gathered before a target is updated; zero means 5 s
	Now        func() time.Time // nil means time.Now
	Logger     *slog.Logger     // nil: nothing is logged
	Registerer prometheus.Registerer
	// Claims keep nodes from recording the same message at once. Nil means none; the store alone decides then as well.
	Claims limit.Claimer
	// Tell tells people of an alarm; nil means that nobody is told. After an error it is called again.
	Tell func(context.Context, Alarm) error
}

const (
	defaultWorkers = 2
	defaultTimeout = 2 * time.Minute
)

// Mirror is the hook that fills CRMs.
type Mirror struct {
	o       Options
	targets []*target
	metrics *metrics
	policy  crmclient.AddressPolicy
	domains crmclient.CompanyDomains
	node    string // tells this process's claims from others'
	parsed  *parsed
	// watching lets one at a time compare targets with their alarms.
	watching sync.Mutex
}

var _ hooks.Hook = (*Mirror)(nil)

// Name is the name of the hook in the queue and in metrics.
const Name = "mirror"

// New returns a Mirror. Nothing is delivered until Run runs.
func New(o Options) *Mirror {
	if o.Internal == nil {
		o.Internal = func(string) bool { return false }
	}
	if o.InternalMail == "" {
		o.InternalMail = config.InternalExclude
	}
	if o.Scope == nil {
		o.Scope = scope.InternalOnly(o.InternalMail)
	}
	if o.Workers <= 0 {
		o.Workers = defaultWorkers
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.Matching.Owner == nil {
		o.Matching.Owner = config.DefaultOwner()
	}
	if o.Paused == nil {
		o.Paused = func(string) (string, bool, time.Time) { return "", false, time.Time{} }
	}
	if o.OptedOut == nil {
		o.OptedOut = func(string) bool { return false }
	}
	if o.Debounce <= 0 {
		o.Debounce = defaultDebounce
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	m := &Mirror{
		o: o, metrics: newMetrics(o.Registerer), node: rand.Text(), parsed: newParsed(),
		policy: AddressPolicy(o.Matching), domains: crmclient.NewCompanyDomains(o.Matching.FreeMailDomains),
	}
	for _, t := range o.Targets {
		m.targets = append(m.targets, &target{Target: t})
		m.metrics.paused.WithLabelValues(t.Name).Set(0) // a panel shows it before the first trouble
		for _, kind := range alarmKinds {
			m.metrics.alarm.WithLabelValues(t.Name, kind).Set(0)
		}
	}
	return m
}

// Name returns "mirror".
func (m *Mirror) Name() string { return Name }

// Kind is the kind of the queue jobs that deliver to a target.
func Kind(target string) string { return "deliver:" + target }

// Handle records the entry as a sighting and asks for the deliveries that are not asked
// for yet. It is idempotent on the entry.
func (m *Mirror) Handle(ctx context.Context, e hooks.Event) hooks.Outcome {
	msg, err := parse(ctx, e)
	if err != nil {
		return hooks.Retry(err, 0)
	}
	people := m.people(e.Entry, msg)
	s := sightingOf(e.Entry)
	if err := m.decide(ctx, &s, e.Entry, msg, people); err != nil {
		return hooks.Retry(err, 0)
	}
	release := m.claim(ctx, s, msg.Key)
	found, next, err := m.write(ctx, e.Entry, s, msg, people)
	release()
	if err != nil {
		return hooks.Retry(fmt.Errorf("recording entry %s: %w", s.entry, err), 0)
	}
	m.metrics.recorded(found, s)
	m.parsed.put(e.Entry, msg, len(found.added))
	for _, t := range found.added {
		m.o.Queue.Wake(Kind(t))
	}
	m.wakeWithdrawals(found.recalled)
	if found.again {
		m.o.Queue.Wake(hooks.Kind(Name))
	}
	for _, hook := range next {
		m.o.Queue.Wake(hooks.Kind(hook))
	}
	return hooks.Done()
}

// maxTries bounds how often an entry is recorded anew because it lost a race or needs other messages read.
const maxTries = 4

// write records a sighting, with as many tries as it takes.
func (m *Mirror) write(ctx context.Context, e journal.Entry, s sighting, msg *message.Message, people people) (found recorded, next []string, err error) {
	read := map[string]*message.Message{}
	for range maxTries {
		err = m.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
			var err error
			if found, err = m.record(ctx, tx, s, msg, people, read); err != nil || m.o.Announce == nil {
				return err
			}
			next = m.o.Announce(e, msg)
			return announce(ctx, tx, m.o.Queue, e.ID, next)
		})
		var copies *errCopies
		switch {
		case errors.As(err, &copies):
			for _, key := range copies.keys {
				if read[key], err = m.readForm(ctx, key); err != nil {
					return found, nil, err
				}
			}
		case !errors.Is(err, errRaced):
			return found, next, err
		}
	}
	return found, next, err
}

// announce gives an entry to further hooks, now that it is known which message it is.
func announce(ctx context.Context, tx store.Querier, q *queue.Queue, entry journal.ID, names []string) error {
	for _, name := range names {
		if _, err := q.Add(ctx, tx, queue.New{Kind: hooks.Kind(name), Key: entry.String(), Payload: []byte(entry.String())}); err != nil {
			return err
		}
	}
	return nil
}

// readForm reads a message as it was first seen; nil when the journal has it no more.
func (m *Mirror) readForm(ctx context.Context, key string) (*message.Message, error) {
	entries, err := column(ctx, m.o.Store.Reader(), `SELECT entry FROM sightings WHERE form = $1 AND message_key =
		(SELECT CASE WHEN joined = '' THEN key ELSE joined END FROM messages WHERE key = $1) ORDER BY entry LIMIT 1`, []any{key})
	if err != nil || len(entries) == 0 {
		return nil, err
	}
	id, err := journal.ParseID(entries[0])
	if err != nil {
		return nil, err
	}
	e, err := m.o.Journal.Entry(ctx, id)
	if errors.Is(err, journal.ErrNotFound) {
		return nil, nil //nolint:nilnil // there is nothing to compare with
	}
	if err != nil {
		return nil, err
	}
	return parse(ctx, m.event(e))
}

// parse reads the message of an event.
func parse(ctx context.Context, e hooks.Event) (_ *message.Message, err error) {
	body, err := e.Body(ctx)
	if err != nil {
		return nil, fmt.Errorf("opening entry %s: %w", e.Entry.ID, err)
	}
	defer body.Close()
	msg, err := message.Parse(body, parseOptions(e.Entry))
	if err != nil {
		return nil, fmt.Errorf("entry %s: %w", e.Entry.ID, err)
	}
	msg.Automated = msg.Automated || e.Entry.Automated() // a rule's mail need not say so in its header
	return msg, nil
}

// parseOptions are the same each time an entry is parsed, or its key would change.
func parseOptions(e journal.Entry) message.Options {
	return message.Options{
		Salt: e.ID.String(),
		// A person's program names its login in MAIL FROM; the null path is for reports (RFC 5321, 4.5.5). What comes
		// from a mailbox has no envelope; its header may tell.
		NullReturnPath: e.ReversePath == "" && !e.Kind.Mailbox(),
	}
}
