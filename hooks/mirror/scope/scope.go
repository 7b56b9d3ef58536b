// Package scope decides which mail may leave the company for a CRM, and masks what must not be read there in the mail
// that does.
//
// The main idea: one ordered list of rules, of which the first that matches decides. It looks at one copy of a message
// at a time (a sighting: whose mailbox, which folder) and says include or exclude, by which rule and why. The order:
//
//  1. sensitivity: the values of the Sensitivity field that privacy.sensitivity names;
//  2. subject-mark: the marks that privacy.subject_marks names;
//  3. the company's rules as they stand in privacy.rules;
//  4. internal: mail among employees, as mirror.internal says;
//  5. what nothing excludes is included.
//
// What the company includes, the owner of the copy may still keep back: own-list, pause and opt-out narrow only. Nobody's
// choice can let mail out that the company keeps.
//
// # Copies and messages
//
// A message of which one copy is in scope is in scope: that Wang opted out does not keep Zhao's copy of the same mail from
// the CRM. It is then told without Wang: his account is no owner of the activity, and his copy is not named. (Where the
// mail itself names him, in From, To or Cc, it still does.)
//
// Some rules are about the message and not about one copy of it: an explicit mark (Sensitivity, a mark in the subject), or
// a participant whom the company excludes. Such an exclusion is a veto: no copy leaves, whoever has it, and whichever was
// seen first, even where another rule includes that other copy. Which rules are vetoes is said by [Decision.Message]: sensitivity,
// subject-mark, and rules that exclude by nothing but people, subject, sensitivity, protection or attachments; "covers" in
// the configuration can say otherwise. Rules that look at accounts, groups, folders, direction, size or at what lists and
// machines add to a copy are about that copy. So are all choices of employees.
//
// A decision is made when a copy is recorded, and again right before each delivery, for rules and choices that changed
// meanwhile: the second look only narrows. What a pause kept back is not mirrored when the pause ends. [Scope.Generation] tells
// whether anything changed.
//
// # Files
//
// policy.go: the compiled rules. match.go: sets of addresses, marks, folders, types. choices.go: what employees chose, in the store, with
// a cache that changes of this process clear at once and those of others within a second. mask.go, numbers.go and markup.go: masking.
//
// It does not parse mail, knows no CRM, and does not look into attachments.
package scope

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/internal/message"
)

// Facts are what rules look at: one copy of one message. Addresses are in lower case.
type Facts struct {
	Account    string // owner of the copy, lower case; empty for machines
	Mailbox    string // where the copy was seen, in UTF-8; empty for a submission
	SpecialUse string // of the mailbox, as in config.Folders.Takes; empty where unknown
	Direction  crmclient.Direction
	From       []string // From, Sender and Reply-To
	To         []string // To, Cc and Bcc, or those of the envelope
	Subject    string

	Sensitivity string
	Protection  message.Protection
	Bulk        bool
	Automated   bool
	ListID      string
	Size        int64 // bytes of the whole message
	Attachments []message.Attachment
}

// Kind is what sort of rule decided. It is a closed set, for metrics.
type Kind string

// The kinds.
const (
	KindDefault     Kind = "default" // no rule matched
	KindSensitivity Kind = "sensitivity"
	KindSubjectMark Kind = "subject-mark"
	KindRule        Kind = "rule" // one of the company's own
	KindInternal    Kind = "internal"
	KindOptOut      Kind = "opt-out"
	KindPause       Kind = "pause"
	KindOwnList     Kind = "own-list"
	KindVeto        Kind = "veto" // another copy of the message showed that it is private
)

// Kinds are those that exclude.
func Kinds() []Kind {
	return []Kind{KindSensitivity, KindSubjectMark, KindRule, KindInternal, KindOptOut, KindPause, KindOwnList, KindVeto}
}

// Decision is what becomes of one copy.
type Decision struct {
	Include bool   `json:"include"`
	Rule    string `json:"rule,omitempty"` // its name; empty where none matched
	Kind    Kind   `json:"kind"`
	Why     string `json:"why"`
	// Message says that an exclusion is about the message: no copy of it may leave.
	Message bool `json:"message"`
	// Generation of rules and choices that decided.
	Generation string `json:"-"`
}

// Reason is what the ledger says: "rule <name>: <why>". No address and no subject is in it.
func (d Decision) Reason() string {
	if d.Rule == "" {
		return d.Why
	}
	return "rule " + d.Rule + ": " + d.Why
}

// Step is one rule that was looked at.
type Step struct {
	Rule    string `json:"rule"`
	Action  string `json:"action"` // include or exclude
	Matched bool   `json:"matched"`
	Why     string `json:"why"`
}

// Options configure New.
type Options struct {
	Privacy  config.Privacy
	Internal config.InternalMode // empty means exclude
	Choices  *Choices            // nil: employees have no choice
}

// Scope decides. It may be used concurrently.
type Scope struct {
	policy      *policy
	choices     *Choices
	fingerprint string // of the configuration
}

// New compiles the rules.
func New(o Options) (*Scope, error) {
	if o.Internal == "" {
		o.Internal = config.InternalExclude
	}
	p, err := compile(o.Privacy, o.Internal)
	if err != nil {
		return nil, fmt.Errorf("compiling the rules of privacy: %w", err)
	}
	text, err := json.Marshal([]any{o.Privacy.Sensitivity, o.Privacy.SubjectMarks, o.Privacy.Groups, o.Privacy.Rules, o.Internal})
	if err != nil {
		return nil, fmt.Errorf("rules of privacy: %w", err)
	}
	sum := sha256.Sum256(text)
	return &Scope{policy: p, choices: o.Choices, fingerprint: hex.EncodeToString(sum[:8])}, nil
}

// Decide says what becomes of one copy. Choices that another process changed within the last second may not be known,
// unless Generation was called since.
func (s *Scope) Decide(ctx context.Context, f *Facts) (Decision, error) {
	return s.decide(ctx, f, nil)
}

// Explain is Decide, and lists the rules that were looked at.
func (s *Scope) Explain(ctx context.Context, f *Facts) (Decision, []Step, error) {
	steps := []Step{}
	d, err := s.decide(ctx, f, &steps)
	return d, steps, err
}

func (s *Scope) decide(ctx context.Context, f *Facts, steps *[]Step) (Decision, error) {
	d := s.policy.decide(f, steps)
	d.Generation = s.generation(0)
	if s.choices == nil {
		return d, nil
	}
	own, version, err := s.choices.of(ctx, f.Account)
	if err != nil {
		return Decision{}, err
	}
	d.Generation = s.generation(version)
	if d.Include {
		own.narrow(f, s.choices.now(), &d, steps)
	}
	return d, nil
}

// Generation names the rules and choices in force, those that other processes changed a moment ago included. While it
// stays the same, decisions to exclude stay the same.
func (s *Scope) Generation(ctx context.Context) (string, error) {
	if s.choices == nil {
		return s.generation(0), nil
	}
	v, err := s.choices.version(ctx, true)
	return s.generation(v), err
}

func (s *Scope) generation(choices int64) string { return fmt.Sprintf("%s:%d", s.fingerprint, choices) }

// InternalOnly has no rule but the one about mail among employees.
func InternalOnly(mode config.InternalMode) *Scope {
	p, err := compile(config.Privacy{}, mode)
	if err != nil {
		panic(err) // there is nothing in it that could be wrong
	}
	return &Scope{policy: p, fingerprint: "internal-" + string(mode)}
}
