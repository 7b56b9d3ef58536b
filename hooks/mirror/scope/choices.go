package scope

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"heliograph/config"
	"heliograph/internal/store"
)

// ChoiceKind is what an employee can choose.
type ChoiceKind string

// The choices. Their values are as in the configuration, but for ChoiceOptOut and ChoicePause, which have none.
const (
	ChoiceOptOut     ChoiceKind = "opt-out"
	ChoicePause      ChoiceKind = "pause"
	ChoiceAddress    ChoiceKind = "address"
	ChoiceDomain     ChoiceKind = "domain"
	ChoiceSubdomains ChoiceKind = "subdomains"
	ChoiceFolder     ChoiceKind = "folder"
	ChoiceSubject    ChoiceKind = "subject"
)

// Choice is one thing that an employee keeps from being mirrored.
type Choice struct {
	Account   string
	Kind      ChoiceKind
	Value     string
	Until     time.Time // of a pause; zero means for good
	CreatedAt time.Time
}

const (
	// versionTTL is how long changes of other processes may go unseen while copies are recorded. Deliveries look anew.
	versionTTL = time.Second
	// maxChoices bounds what one account can keep in memory.
	maxChoices = 5000
	// maxCached bounds how many accounts' choices are in memory; past it all are read anew.
	maxCached = 20_000
	// maxValue bounds one value, in bytes: an address, or the name of a folder.
	maxValue = 500
)

// ErrInvalid says that a choice cannot be one; its text says why.
var ErrInvalid = errors.New("not a valid choice")

// Choices are what all employees chose. It needs nothing but the store, so that it serves beside a running gateway.
type Choices struct {
	db  *store.DB
	now func() time.Time

	mu      sync.Mutex // guards the fields below
	known   int64      // version
	knownAt time.Time  // zero: not known
	cache   map[string]cached
}

type cached struct {
	version int64
	own     *own
}

// NewChoices returns the choices in a store. now may be nil: time.Now.
func NewChoices(db *store.DB, now func() time.Time) *Choices {
	if now == nil {
		now = time.Now
	}
	return &Choices{db: db, now: now, cache: map[string]cached{}}
}

// own are the choices of one account, ready to be asked.
type own struct {
	optOut  bool
	pauses  bool
	until   time.Time // of the pause; zero means for good
	people  addressSet
	folders []string
	marks   []mark
}

// version returns the number of the last change; fresh ones are read from the store.
func (c *Choices) version(ctx context.Context, fresh bool) (int64, error) {
	c.mu.Lock()
	v, age := c.known, time.Since(c.knownAt)
	c.mu.Unlock()
	if !fresh && age >= 0 && age < versionTTL {
		return v, nil
	}
	at := time.Now() // of the question: what changes while it is answered counts as later
	if err := c.db.Reader().QueryRowContext(ctx, `SELECT version FROM scope_version WHERE one = 1`).Scan(&v); err != nil {
		return 0, fmt.Errorf("reading the version of choices: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if v >= c.known { // an answer that was overtaken is no news
		c.known, c.knownAt = v, at
	}
	return c.known, nil
}

// of returns the choices of an account, and the version they are at least of.
func (c *Choices) of(ctx context.Context, account string) (*own, int64, error) {
	v, err := c.version(ctx, false)
	if err != nil || account == "" {
		return &own{}, v, err
	}
	account = strings.ToLower(account)
	c.mu.Lock()
	have, there := c.cache[account]
	c.mu.Unlock()
	if there && have.version >= v {
		return have.own, have.version, nil
	}
	list, err := c.List(ctx, account)
	if err != nil {
		return nil, 0, err
	}
	found := gather(list)
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.cache) >= maxCached {
		clear(c.cache)
	}
	if now, there := c.cache[account]; !there || now.version <= v {
		c.cache[account] = cached{v, found}
	}
	return found, v, nil
}

func gather(list []Choice) *own {
	o := &own{}
	for _, one := range list {
		switch one.Kind {
		case ChoiceOptOut:
			o.optOut = true
		case ChoicePause:
			o.pauses, o.until = true, one.Until
		case ChoiceAddress, ChoiceDomain:
			o.people.add(one.Value)
		case ChoiceSubdomains:
			o.people.add("*." + one.Value)
		case ChoiceFolder:
			o.folders = append(o.folders, one.Value)
		case ChoiceSubject:
			o.marks = append(o.marks, newMark(one.Value))
		}
	}
	return o
}

// narrow turns an inclusion into an exclusion where the owner of the copy wants it.
func (o *own) narrow(f *Facts, now time.Time, d *Decision, steps *[]Step) {
	try := func(kind Kind, given, matched bool, yes, no string) {
		if !given || !d.Include {
			return
		}
		if steps != nil {
			*steps = append(*steps, Step{Rule: string(kind), Action: actionOf(false), Matched: matched, Why: map[bool]string{true: yes, false: no}[matched]})
		}
		if matched {
			*d = Decision{Rule: string(kind), Kind: kind, Why: yes, Generation: d.Generation}
		}
	}
	try(KindOptOut, o.optOut, true, "the employee opted out", "")
	until := "the employee paused mirroring"
	if !o.until.IsZero() {
		until += " until " + o.until.UTC().Format(time.RFC3339)
	}
	try(KindPause, o.pauses, o.until.IsZero() || now.Before(o.until), until, "the employee's pause is over")
	try(KindOwnList, !o.people.empty(), o.correspondent(f), "a participant is on the employee's list", "no participant is on the employee's list")
	try(KindOwnList, len(o.folders) > 0, inFolder(o.folders, f), "the copy is in a folder on the employee's list", "the copy is in no folder on the employee's list")
	try(KindOwnList, len(o.marks) > 0, markIn(o.marks, f.Subject), "the subject has a mark on the employee's list", "the subject has no mark on the employee's list")
}

// correspondent reports whether somebody on the list took part, besides the owner himself: his own domain on it means colleagues.
func (o *own) correspondent(f *Facts) bool {
	other := func(address string) bool { return address != f.Account && o.people.has(address) }
	return slices.ContainsFunc(f.From, other) || slices.ContainsFunc(f.To, other)
}

// Keeps reports whether choices would keep a copy back that nothing else does.
func Keeps(list []Choice, f *Facts, now time.Time) (bool, error) {
	checked := make([]Choice, len(list))
	for i, c := range list {
		var err error
		if checked[i], err = c.check(); err != nil {
			return false, err
		}
	}
	d := Decision{Include: true}
	gather(checked).narrow(f, now, &d, nil)
	return !d.Include, nil
}

// List returns the choices of an account, or of all where it is empty.
func (c *Choices) List(ctx context.Context, account string) (_ []Choice, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("reading choices: %w", err)
		}
	}()
	rows, err := c.db.Reader().QueryContext(ctx, `SELECT account, kind, value, until, created_at FROM scope_choices
		WHERE $1 = '' OR account = $1 ORDER BY account, kind, value`, strings.ToLower(account))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	var out []Choice
	for rows.Next() {
		var one Choice
		var until, created int64
		if err := rows.Scan(&one.Account, (*string)(&one.Kind), &one.Value, &until, &created); err != nil {
			return nil, err
		}
		one.Until, one.CreatedAt = store.FromMicros(until), store.FromMicros(created)
		if until == 0 {
			one.Until = time.Time{}
		}
		out = append(out, one)
	}
	return out, rows.Err()
}

// Set adds choices of one account, or replaces those of the same kind and value. It holds for each delivery that begins after
// Set has returned, in all processes.
func (c *Choices) Set(ctx context.Context, account string, list ...Choice) error {
	return c.change(ctx, account, list, func(ctx context.Context, tx store.Querier, account string, one Choice) error {
		until := int64(0)
		if !one.Until.IsZero() {
			until = store.Micros(one.Until)
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO scope_choices (account, kind, value, until, created_at) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (account, kind, value) DO UPDATE SET until = excluded.until`,
			account, string(one.Kind), one.Value, until, store.Micros(c.now()))
		return err
	})
}

// Unset takes choices of one account back. Those that are not there are no error. What was kept back stays so.
func (c *Choices) Unset(ctx context.Context, account string, list ...Choice) error {
	return c.change(ctx, account, list, func(ctx context.Context, tx store.Querier, account string, one Choice) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM scope_choices WHERE account = $1 AND kind = $2 AND value = $3`, account, string(one.Kind), one.Value)
		return err
	})
}

func (c *Choices) change(ctx context.Context, account string, list []Choice, each func(context.Context, store.Querier, string, Choice) error) error {
	account = strings.ToLower(strings.TrimSpace(account))
	if account == "" || len(account) > maxValue || strings.ContainsAny(account, " \t\r\n") {
		return fmt.Errorf("%w: no account is called so", ErrInvalid)
	}
	checked := make([]Choice, len(list))
	for i, one := range list {
		var err error
		if checked[i], err = one.check(); err != nil {
			return err
		}
	}
	err := c.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		// First, because it locks: two changes of one account run one after the other.
		if _, err := tx.ExecContext(ctx, `UPDATE scope_version SET version = version + 1 WHERE one = 1`); err != nil {
			return err
		}
		for _, one := range checked {
			if err := each(ctx, tx, account, one); err != nil {
				return err
			}
		}
		var n int
		if err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM scope_choices WHERE account = $1`, account).Scan(&n); err != nil {
			return err
		}
		if n > maxChoices {
			return fmt.Errorf("%w: more than %d choices of one account; a rule of the company takes any number", ErrInvalid, maxChoices)
		}
		return nil
	})
	c.mu.Lock()
	c.knownAt = time.Time{}
	c.mu.Unlock()
	if err != nil && !errors.Is(err, ErrInvalid) {
		err = fmt.Errorf("writing choices: %w", err)
	}
	return err
}

// check returns the choice in the form that it is stored in.
func (c Choice) check() (Choice, error) {
	c.Value = strings.TrimSpace(c.Value)
	wrong := func(why string) (Choice, error) {
		return c, fmt.Errorf("%w: %s %q %s", ErrInvalid, c.Kind, c.Value, why)
	}
	switch c.Kind {
	case ChoiceOptOut, ChoicePause:
		c.Value = ""
	case ChoiceAddress, ChoiceDomain, ChoiceSubdomains:
		text := c.Value
		if c.Kind == ChoiceSubdomains && !strings.HasPrefix(text, "*.") {
			text = "*." + text
		}
		kind, value, ok := config.ParsePattern(text)
		if !ok || string(kind) != string(c.Kind) {
			return wrong("is none: write li@example.com, example.com or *.example.com")
		}
		c.Value = value
	case ChoiceFolder, ChoiceSubject:
		if c.Value == "" || c.Kind == ChoiceSubject && newMark(c.Value).text == "" {
			return wrong("is empty")
		}
	default:
		return wrong("is of no kind that is known")
	}
	if len(c.Value) > maxValue {
		return wrong(fmt.Sprintf("is longer than %d bytes", maxValue))
	}
	return c, nil
}

// ParseChoice reads an address, a domain or *.domain.
func ParseChoice(text string) (Choice, error) {
	kind, value, ok := config.ParsePattern(text)
	if !ok {
		return Choice{}, fmt.Errorf("%w: %q is neither an address nor a domain", ErrInvalid, text)
	}
	kinds := map[config.PatternKind]ChoiceKind{
		config.PatternAddress: ChoiceAddress, config.PatternDomain: ChoiceDomain, config.PatternSubdomains: ChoiceSubdomains,
	}
	return Choice{Kind: kinds[kind], Value: value}, nil
}
