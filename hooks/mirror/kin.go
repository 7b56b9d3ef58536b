package mirror

import (
	"context"
	"errors"
	"hash/fnv"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"heliograph/internal/journal"
	"heliograph/internal/message"
	"heliograph/internal/store"
)

// The ways by which a form was seen, as bits.
const (
	wayWire = 1 << iota // by SMTP: this is what the sender wrote
	wayKept             // in a mailbox
	wayOwn              // in the mailbox of its sender
	wayList             // with the mark of a list
)

// bond is how a form came to be recognised as a copy of another. Lower is stronger.
type bond int

const (
	bondNone   bond = 0
	bondStrong bond = 1 // the Message-ID or the Date is the same
	bondWeak   bond = 2 // both were replaced, but within weakGap
	bondList   bond = 3 // a list sent it on
	// bondLoose is a form that lost its place to one with better reasons. Its entries are handled again.
	bondLoose bond = -1
)

const (
	// weakGap is how far apart a submission and its copy may be when nothing else ties them: providers store
	// within seconds, and a person needs longer to send the same words again on purpose.
	weakGap = 3 * time.Minute
	// dateGap is how far a provider may have moved the Date of a message that kept its Message-ID: a clock in
	// the wrong zone is at most so wrong.
	dateGap = 26 * time.Hour
	// maxKin bounds how many forms are looked at by each sign. Only a machine sends the same words to the same people
	// more often within weakGap, and its copies are told apart by their Message-IDs.
	maxKin = "64"
	// maxForms is how many forms a message may have before no more join it: a message to a whole company has
	// a handful, and whoever sends the same words with the same Date over and over must not make each cost more than the last.
	maxForms = 64
	// maxListKin bounds how many messages of one Message-ID are read again to compare them with a list's copy.
	maxListKin = 8
)

// form is a row of messages: what is known of all copies with one key.
type form struct {
	key, messageID, thread string
	joined                 string // the form that stands for the message; empty: itself
	mate                   string // the form that it was recognised by
	bond                   bond
	gap                    int64 // microseconds
	sentAt, moment         int64
	ways                   int
	likeness               string
	automated              bool // of a new one only
}

const formColumns = `key, message_id, thread, joined, mate, bond, gap, sent_at, moment, ways, likeness`

func (f *form) scan(scan func(...any) error) error {
	return scan(&f.key, &f.messageID, &f.thread, &f.joined, &f.mate, &f.bond, &f.gap, &f.sentAt, &f.moment, &f.ways, &f.likeness)
}

// row is the key of the message that the form belongs to.
func (f *form) row() string {
	if f.joined != "" {
		return f.joined
	}
	return f.key
}

func (f *form) is(way int) bool { return f.ways&way != 0 }

// newForm describes a message by its first sighting.
func newForm(s sighting, msg *message.Message) form {
	f := form{key: msg.Key, messageID: msg.MessageID, likeness: msg.Likeness, sentAt: store.Micros(msg.Date), moment: store.Micros(s.date)}
	f.ways = waysOf(s, msg)
	return f
}

// waysOf tells what a sighting adds to the ways of its form.
func waysOf(s sighting, msg *message.Message) int {
	if !s.kind.Mailbox() {
		return wayWire
	}
	ways := wayKept
	if s.kind == journal.KindAppend || len(msg.From) > 0 && s.account == msg.From[0].Address {
		ways |= wayOwn
	}
	if msg.ListID != "" {
		ways |= wayList
	}
	return ways
}

// kinship is the place that a form takes among the others.
type kinship struct {
	joined string // key of the message
	mate   form
	bond   bond
	gap    int64
	// evicted is a form that must leave its place for this; it is looked at again.
	evicted string
	// alone says that the evicted form is the mate itself, which becomes a message of its own.
	alone bool
}

// likely tells by what two forms with one likeness may be one message.
func likely(x, c *form) (bond, int64) {
	gap := max(x.moment-c.moment, c.moment-x.moment)
	if x.is(wayWire) && c.is(wayWire) {
		return bondNone, 0 // each was sent
	}
	if (x.ways|c.ways)&(wayWire|wayOwn) != 0 { // one of them is what the sender wrote or kept
		moved := max(x.sentAt-c.sentAt, c.sentAt-x.sentAt)
		if x.sentAt != 0 && x.sentAt == c.sentAt {
			return bondStrong, gap
		}
		if x.messageID != "" && x.messageID == c.messageID && (x.sentAt == 0 || c.sentAt == 0 || moved <= dateGap.Microseconds()) {
			return bondStrong, gap
		}
	}
	only := func(f *form, way int) bool { return f.ways&(wayWire|wayKept) == way }
	if gap <= weakGap.Microseconds() && (only(x, wayWire) && only(c, wayKept) || only(x, wayKept) && only(c, wayWire)) {
		return bondWeak, gap
	}
	return bondNone, 0
}

// relatives are forms of one likeness with all that belong to the same messages.
type relatives []form

// wire returns the form of a message that was submitted, or nil.
func (r relatives) wire(row string) *form {
	for i := range r {
		if r[i].row() == row && r[i].is(wayWire) {
			return &r[i]
		}
	}
	return nil
}

// weakPair returns the weak bond that f is a side of, or nil: it is kept by the side that joined.
func (r relatives) weakPair(f *form) *form {
	for i := range r {
		if r[i].bond == bondWeak && (r[i].key == f.key || r[i].mate == f.key) {
			return &r[i]
		}
	}
	return nil
}

// copied tells whether the message has a copy in a mailbox that is more than a weak guess.
func (r relatives) copied(row string) bool {
	return slices.ContainsFunc(r, func(f form) bool {
		return f.row() == row && f.is(wayKept) && r.weakPair(&f) == nil
	})
}

// place finds the best place for x. Pairs are chosen by one order that both sides share (the stronger bond,
// then the smaller gap in time), and a better pair breaks a weak one, so that the result does not depend on who came first.
func (r relatives) place(x *form) *kinship {
	var best *kinship
	for i := range r {
		c := &r[i]
		if c.key == x.key || c.bond == bondLoose || c.likeness != x.likeness {
			continue
		}
		how, gap := likely(x, c)
		if how == bondNone {
			continue
		}
		k := r.fits(x, c, how, gap)
		if k != nil && (best == nil || k.bond < best.bond || k.bond == best.bond && k.gap < best.gap) {
			best = k
		}
	}
	return best
}

// fits tells whether x may join the message of c, and who must leave for it.
func (r relatives) fits(x, c *form, how bond, gap int64) *kinship {
	k := &kinship{joined: c.row(), mate: *c, bond: how, gap: gap}
	pair, wire := r.weakPair(c), r.wire(c.row())
	if how == bondWeak {
		if pair != nil && pair.gap <= gap {
			return nil // it has a better copy
		}
		if pair == nil && (x.is(wayWire) && wire != nil || x.is(wayKept) && r.copied(c.row())) {
			return nil
		}
	} else if pair == nil && x.is(wayWire) && wire != nil {
		return nil // two that were submitted are two
	}
	if pair == nil || how == bondStrong && !x.is(wayWire) && !c.is(wayWire) {
		return k
	}
	k.evicted = pair.key
	if k.alone = pair.key == c.key; k.alone {
		k.joined = c.key
	} else if x.is(wayWire) && wire != nil && wire.key != pair.key {
		return nil
	}
	return k
}

// errCopies asks for messages to be read and handed to record: to tell a list's copy from a forgery takes the words.
type errCopies struct{ keys []string }

func (e *errCopies) Error() string {
	return "messages are to be compared: " + strings.Join(e.keys, ", ")
}

// listed finds the original of a list's copy, or a list's copy of the original.
func listed(x *form, sameID []form, msg *message.Message, read map[string]*message.Message) (*kinship, error) {
	var missing []string
	for i := range sameID[:min(len(sameID), maxListKin)] {
		c := &sameID[i]
		if c.key == x.key || c.bond == bondLoose || x.is(wayList) == c.is(wayList) || x.sentAt != c.sentAt || x.sentAt == 0 {
			continue
		}
		other, ok := read[c.key]
		if !ok {
			missing = append(missing, c.key)
			continue
		}
		if other == nil {
			continue // the journal has it no more
		}
		copied, original := msg, other
		if c.is(wayList) {
			copied, original = other, msg
		}
		if copied.ListCopyOf(original) {
			return &kinship{joined: c.row(), mate: *c, bond: bondList}, nil
		}
	}
	if len(missing) > 0 {
		return nil, &errCopies{keys: missing}
	}
	return nil, nil //nolint:nilnil // there is none
}

// family is what the store knows around a form.
type family struct {
	self   *form     // the form itself; nil when it is new
	alike  relatives // forms of the same likeness, with the rest of their messages
	sameID []form    // forms of the same Message-ID and Date
}

// kin finds the message that a new form is a copy of. read holds messages that were read for it.
func (f *family) kin(x *form, msg *message.Message, read map[string]*message.Message) (*kinship, error) {
	if k := f.alike.place(x); k != nil {
		return k, nil
	}
	return listed(x, f.sameID, msg, read)
}

// relate reads what kin and record need to know of x. On PostgreSQL it first locks what forms of one message share, so that of
// two copies that arrive at once the second sees the first.
func (m *Mirror) relate(ctx context.Context, tx store.Querier, x *form) (*family, error) {
	if m.o.Store.Dialect() == store.Postgres {
		a, b := lockOf(x.likeness), lockOf(x.messageID)
		if x.likeness == "" {
			a = lockOf(x.key)
		}
		if _, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock($1), pg_advisory_xact_lock($2)`, min(a, b), max(a, b)); err != nil {
			return nil, err
		}
	}
	found, err := forms(ctx, tx, `
		SELECT `+formColumns+` FROM messages WHERE key = $1
		UNION ALL SELECT * FROM (SELECT `+formColumns+` FROM messages
			WHERE message_id = $2 AND message_id <> '' AND (sent_at = $3 OR likeness = $4) LIMIT `+maxKin+`) AS same_id
		UNION ALL SELECT * FROM (SELECT `+formColumns+` FROM messages
			WHERE likeness = $4 AND likeness <> '' AND sent_at = $3 AND sent_at <> 0 LIMIT `+maxKin+`) AS same_date
		UNION ALL SELECT * FROM (SELECT `+formColumns+` FROM messages
			WHERE likeness = $4 AND likeness <> '' AND moment BETWEEN $5 AND $6 LIMIT `+maxKin+`) AS alike`,
		x.key, x.messageID, x.sentAt, x.likeness, x.moment-weakGap.Microseconds(), x.moment+weakGap.Microseconds())
	if err != nil {
		return nil, err
	}
	slices.SortFunc(found, func(a, b form) int { return strings.Compare(a.key, b.key) })
	found = slices.CompactFunc(found, func(a, b form) bool { return a.key == b.key })
	f := &family{}
	var rows []string
	for _, c := range found {
		if c.key == x.key {
			f.self = &c
		}
		if x.likeness != "" && c.likeness == x.likeness {
			f.alike = append(f.alike, c)
			if how, _ := likely(x, &c); how != bondNone {
				rows = append(rows, c.row())
			}
		}
		if c.messageID == x.messageID && c.messageID != "" && c.key != x.key && c.sentAt == x.sentAt {
			f.sameID = append(f.sameID, c)
		}
	}
	if f.self != nil && f.self.bond != bondLoose {
		return f, nil // it has its place
	}
	return f, f.complete(ctx, tx, rows)
}

// complete adds the forms that are not alike but belong to the same messages. Messages that take no more forms are left out.
func (f *family) complete(ctx context.Context, tx store.Querier, rows []string) error {
	if len(rows) == 0 {
		return nil
	}
	known := map[string]bool{}
	for _, c := range f.alike {
		known[c.key] = true
	}
	more, err := membersOf(ctx, tx, unite(rows))
	if err != nil {
		return err
	}
	count := map[string]int{}
	for _, c := range more {
		count[c.row()]++
	}
	for _, c := range more {
		if !known[c.key] {
			known[c.key] = true
			f.alike = append(f.alike, c)
		}
	}
	f.alike = slices.DeleteFunc(f.alike, func(c form) bool { return count[c.row()] >= maxForms })
	return nil
}

// membersOf returns the forms of some messages, of each up to maxForms, the messages' own among them.
func membersOf(ctx context.Context, tx store.Querier, rows []string) ([]form, error) {
	args := make([]any, len(rows))
	parts := make([]string, len(rows))
	for i, row := range rows {
		args[i] = row
		n := "$" + strconv.Itoa(i+1)
		parts[i] = `SELECT * FROM (SELECT ` + formColumns + ` FROM messages WHERE key = ` + n + `
			UNION ALL SELECT ` + formColumns + ` FROM messages WHERE joined = ` + n + ` AND joined <> '' LIMIT ` + strconv.Itoa(maxForms) + `) AS row` + strconv.Itoa(i)
	}
	return forms(ctx, tx, strings.Join(parts, " UNION ALL "), args...)
}

// lockOf makes the number of an advisory lock of PostgreSQL.
func lockOf(s string) int64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte("kin " + s))
	return int64(h.Sum64())
}

// members returns the forms of a message, its own first, at most limit of them.
func members(ctx context.Context, tx store.Querier, row string, limit int) ([]form, error) {
	return forms(ctx, tx, `SELECT `+formColumns+` FROM messages WHERE key = $1
		UNION ALL SELECT `+formColumns+` FROM messages WHERE joined = $1 AND joined <> '' ORDER BY joined, key LIMIT $2`, row, limit)
}

// allForms is the limit of members where every form counts: joins of lists are bounded by their recipients only.
const allForms = math.MaxInt32

func forms(ctx context.Context, tx store.Querier, query string, args ...any) (out []form, err error) {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var f form
		if err := f.scan(rows.Scan); err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	return out, rows.Err()
}
