package rules

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"time"
	"unicode"
)

// ApprovalKind says what people are asked about.
type ApprovalKind string

// The kinds of approvals.
const (
	ApprovalStep ApprovalKind = "step" // a step "approve"
	ApprovalMail ApprovalKind = "mail" // one of the first mails of a version
)

// ApprovalState is how far an approval is.
type ApprovalState string

// The states of an approval. All but the first are final.
const (
	ApprovalOpen     ApprovalState = "open"
	ApprovalApproved ApprovalState = "approved"
	ApprovalRefused  ApprovalState = "refused"
	ApprovalExpired  ApprovalState = "expired"
)

// VoteDelegated is the decision of somebody who handed the vote to another. The others are ApprovalApproved and ApprovalRefused.
const VoteDelegated ApprovalState = "delegated"

// Approval is something that people are asked to decide, and what they said.
type Approval struct {
	ID      string        `json:"id"`
	Kind    ApprovalKind  `json:"kind"`
	Run     string        `json:"run"`
	Path    string        `json:"path"`
	Rule    string        `json:"rule"`
	Version int           `json:"version"`
	Need    int           `json:"need"` // how many have to say yes
	Shown   Shown         `json:"shown"`
	Hash    string        `json:"hash"` // of ID and Shown
	State   ApprovalState `json:"state"`
	// Initiators are the addresses of who caused it: they get no vote.
	Initiators   []string   `json:"initiators,omitempty"`
	NeedsComment bool       `json:"needs_comment,omitempty"` // who refuses says why
	AskedAt      time.Time  `json:"asked_at"`
	ExpiresAt    time.Time  `json:"expires_at"`
	DecidedAt    time.Time  `json:"decided_at,omitzero"`
	Approvers    []Approver `json:"approvers"`
	// RunEnded says that the run is over, so that a decision would change nothing.
	RunEnded bool `json:"run_ended,omitempty"`

	shown string // Shown as it is stored, which Hash is of
}

// Shown is what the people who decide see. All of it came with mails and records: it is text of strangers.
type Shown struct {
	Title string      `json:"title"`
	Text  string      `json:"text,omitempty"`
	Facts [][2]string `json:"facts,omitempty"` // name and value
	// Mail is the mail that waits, of kind mail. In place of the files' content there is its SHA-256.
	Mail *Mail `json:"mail,omitempty"`
	// ByReply says that the mail which asks can be answered with the decision.
	ByReply bool `json:"by_reply,omitempty"`
}

// Approver is one person who is asked.
type Approver struct {
	Position  int       `json:"position"`
	Person    string    `json:"person"` // address, lower case
	Name      string    `json:"name,omitempty"`
	Escalated bool      `json:"escalated,omitempty"` // asked later, and the word of this one decides
	From      string    `json:"from,omitempty"`      // who handed the vote over
	AskedAt   time.Time `json:"asked_at"`
	// Decision is approved, refused or delegated; empty until then. Via says how it came.
	Decision  ApprovalState `json:"decision,omitempty"`
	Comment   string        `json:"comment,omitempty"`
	Via       string        `json:"via,omitempty"`
	DecidedAt time.Time     `json:"decided_at,omitzero"`

	nonce      string
	tokenHash  string
	tokenShows string
}

// Box is the mailbox of the person.
func (p *Approver) Box() string { return (&mail.Address{Name: p.Name, Address: p.Person}).String() }

// Vote is what a person says.
type Vote struct {
	Person   string
	Decision ApprovalState // approved or refused
	Comment  string
	Via      string // link, command line, "mail " and the entry …
	Hash     string // of what the person saw; empty is not compared
}

// Delegation hands a vote to another person.
type Delegation struct {
	From, To string // addresses; To may have a name
	Comment  string
	Via      string
	Hash     string // as in Vote
}

// Why a decision is not taken.
var (
	ErrNoApproval      = errors.New("there is no such approval")
	ErrApprovalClosed  = errors.New("it is decided already")
	ErrApprovalEnded   = errors.New("the run has ended: nothing is to be decided any more")
	ErrApprovalExpired = errors.New("the time to decide is over")
	ErrApprovalVoted   = errors.New("this person has decided already")
	ErrNotAsked        = errors.New("this person is not asked")
	ErrApprovalChanged = errors.New("what is to be decided is not what was shown")
	ErrNeedsComment    = errors.New("who refuses has to say why")
	ErrDelegate        = errors.New("the vote cannot be handed to this person")
)

const (
	maxApprovers   = 50
	maxAsked       = 100 // with those whom votes were handed to
	maxDelegations = 3   // from hand to hand
	maxComment     = 2000
	maxShown       = 256 << 10 // bytes
)

// hashShown binds decisions to what was shown.
func hashShown(id, shown string) string {
	sum := sha256.Sum256([]byte(id + "\n" + shown))
	return hex.EncodeToString(sum[:])
}

func newApprover(position int, box string, now time.Time) Approver {
	p := Approver{Position: position, Person: addressIn(box), AskedAt: now, nonce: rand.Text()}
	if a, err := mail.ParseAddress(box); err == nil {
		p.Name = a.Name
	}
	return p
}

// token is the secret in a person's link: 256 bits that follow from a key that is not in the database, so that a mail which is sent again after a
// crash has the same link, though only the hash of it is stored.
func token(key []byte, approval string, p *Approver) string {
	m := hmac.New(sha256.New, key)
	fmt.Fprintf(m, "%s\x00%s\x00%s", approval, p.Person, p.nonce)
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

// tokenHash is what is stored of a token.
func tokenHash(token string) string {
	sum := sha256.Sum256([]byte("approval\x00" + token))
	return hex.EncodeToString(sum[:])
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// find returns the row of a person, or nil.
func (a *Approval) find(person string) *Approver {
	for i := range a.Approvers {
		if a.Approvers[i].Person == person {
			return &a.Approvers[i]
		}
	}
	return nil
}

// waits says whether a person still has to decide.
func (p *Approver) waits() bool { return p.Decision == "" }

// tally is the state that follows from the votes. A refusal is final when the number that is needed cannot be reached any more; somebody who was
// asked by escalation decides alone.
func (a *Approval) tally() ApprovalState {
	yes, open := 0, 0
	for _, p := range a.Approvers {
		switch {
		case p.Decision == VoteDelegated:
		case p.Escalated && p.Decision != "":
			return p.Decision
		case p.Escalated:
		case p.Decision == ApprovalApproved:
			yes++
		case p.Decision == "":
			open++
		}
	}
	switch {
	case yes >= a.Need:
		return ApprovalApproved
	case yes+open < a.Need:
		return ApprovalRefused
	}
	return ApprovalOpen
}

// undecided says why nothing can be decided any more, or that a person cannot.
func (a *Approval) undecided(person, hash string, now time.Time) (*Approver, error) {
	p := a.find(person)
	switch {
	case p == nil:
		return nil, ErrNotAsked
	case a.shown != "" && !same(hashShown(a.ID, a.shown), a.Hash), p.tokenShows != "" && !same(p.tokenShows, a.Hash), hash != "" && !same(hash, a.Hash):
		return nil, ErrApprovalChanged
	case !p.waits():
		return nil, ErrApprovalVoted
	case a.State == ApprovalExpired:
		return nil, ErrApprovalExpired
	case a.State != ApprovalOpen:
		return nil, ErrApprovalClosed
	case a.RunEnded:
		return nil, ErrApprovalEnded
	case !now.Before(a.ExpiresAt):
		return nil, ErrApprovalExpired
	}
	return p, nil
}

// vote notes what a person says.
func (a *Approval) vote(v Vote, now time.Time) error {
	if v.Decision != ApprovalApproved && v.Decision != ApprovalRefused {
		return fmt.Errorf("%q is no decision: it is %s or %s", v.Decision, ApprovalApproved, ApprovalRefused)
	}
	p, err := a.undecided(addressIn(v.Person), v.Hash, now)
	if err != nil {
		return err
	}
	if slices.Contains(a.Initiators, p.Person) {
		return ErrNotAsked
	}
	comment := tidy(v.Comment)
	if a.NeedsComment && v.Decision == ApprovalRefused && comment == "" {
		return ErrNeedsComment
	}
	p.Decision, p.Comment, p.Via, p.DecidedAt = v.Decision, comment, v.Via, now
	a.close(a.tally(), now)
	return nil
}

// close notes the state that the approval ends in.
func (a *Approval) close(state ApprovalState, now time.Time) {
	if a.State == ApprovalOpen && state != ApprovalOpen {
		a.State, a.DecidedAt = state, now
	}
}

// delegate hands a vote over. Nobody gets two votes, nor one for what he caused himself.
func (a *Approval) delegate(d Delegation, now time.Time) error {
	p, err := a.undecided(addressIn(d.From), d.Hash, now)
	if err != nil {
		return err
	}
	to, err := mail.ParseAddress(strings.TrimSpace(d.To))
	switch {
	case err != nil:
		return fmt.Errorf("%w: %.200q is not a mail address", ErrDelegate, d.To)
	case slices.Contains(a.Initiators, strings.ToLower(to.Address)):
		return fmt.Errorf("%w: who caused it cannot decide", ErrDelegate)
	case a.find(strings.ToLower(to.Address)) != nil:
		return fmt.Errorf("%w: %s has, or had, a vote", ErrDelegate, to.Address)
	case len(a.Approvers) >= maxAsked:
		return fmt.Errorf("%w: too many people were asked", ErrDelegate)
	}
	hands := 0
	for from := p.From; from != ""; hands++ {
		before := a.find(from)
		if before == nil {
			break
		}
		from = before.From
	}
	if hands >= maxDelegations {
		return fmt.Errorf("%w: it was handed on %d times", ErrDelegate, hands)
	}
	next := newApprover(len(a.Approvers), to.String(), now)
	next.Escalated, next.From = p.Escalated, p.Person
	p.Decision, p.Comment, p.Via, p.DecidedAt = VoteDelegated, tidy(d.Comment), d.Via, now
	a.Approvers = append(a.Approvers, next)
	return nil
}

// tidy is a comment without what no text has.
func tidy(comment string) string {
	comment = strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r)) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(comment, ""))
	comment = strings.TrimSpace(comment)
	if runes := []rune(comment); len(runes) > maxComment {
		comment = string(runes[:maxComment-1]) + "…"
	}
	return comment
}

// slot says what became of one of the first mails of a version.
type slot string

const (
	slotOpened slot = "opened" // it has to be approved
	slotFree   slot = "free"   // enough were approved
	slotFull   slot = "full"   // others have to be decided first
)

// approvalLedger keeps approvals beside runs.
type approvalLedger interface {
	// openApproval adds an approval with its people, unless it is there. first above zero counts it as one of the first mails of its version, and adds it
	// only if fewer are approved or open; without first the answer is slotOpened.
	openApproval(ctx context.Context, a *Approval, first int) (slot, error)
	// approval returns an approval, or nil.
	approval(ctx context.Context, id string) (*Approval, error)
	// changeApproval changes an approval in a transaction, and returns it as it is then.
	changeApproval(ctx context.Context, id string, change func(*Approval) error) (*Approval, error)
}

func (m *memory) openApproval(_ context.Context, a *Approval, _ int) (slot, error) {
	if m.approvals == nil {
		m.approvals = map[string]*Approval{}
	}
	if _, ok := m.approvals[a.ID]; !ok {
		kept := *a
		kept.Approvers = slices.Clone(a.Approvers)
		m.approvals[a.ID] = &kept
	}
	return slotOpened, nil
}

func (m *memory) approval(_ context.Context, id string) (*Approval, error) {
	return m.approvals[id], nil
}

func (m *memory) changeApproval(_ context.Context, id string, change func(*Approval) error) (*Approval, error) {
	a := m.approvals[id]
	if a == nil {
		return nil, ErrNoApproval
	}
	return a, change(a)
}

// firstsKey is what mails wait for that come behind the first ones of a version.
func firstsKey(rule string, version int) string { return fmt.Sprintf("first:%s:%d", rule, version) }
