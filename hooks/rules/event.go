package rules

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
)

// The types of triggers and of the events that they wait for.
const (
	TypeMail     = "mail"     // a message was sent or received
	TypeAbsence  = "absence"  // a message was not answered in time
	TypeRecord   = "record"   // a record of a CRM was made, changed or deleted
	TypeSchedule = "schedule" // a time came
	TypeDeadline = "deadline" // a date in a record comes near, or is past
	TypeWebhook  = "webhook"  // another system called
	TypeManual   = "manual"   // a person said so
)

// Event is something that happened. It starts the rules whose trigger fits and whose condition holds, each at most once:
// the same Key is the same event, however often it is told.
type Event struct {
	Type string    `json:"type"`
	Key  string    `json:"key"`
	At   time.Time `json:"at"`
	// Rule restricts the event to one rule: that of a schedule or deadline, or what a person started.
	Rule string `json:"rule,omitempty"`
	// Entry is the message in the journal; Message its key and Thread its thread, which all copies share.
	Entry   string `json:"entry,omitempty"`
	Message string `json:"message,omitempty"`
	Thread  string `json:"thread,omitempty"`
	// Record is what the event is about in a CRM.
	Target string `json:"target,omitempty"`
	Object string `json:"object,omitempty"`
	Record string `json:"record,omitempty"`
	// Title is a line for people: a subject, the name of a record.
	Title string `json:"title,omitempty"`
	// Data are the facts that come with the event, by root: mail, change, event. They stay as they are while runs last.
	Data map[string]any `json:"data,omitempty"`
	// Automated says that a machine caused it; Depth how many rules lie before it, of this gateway or another.
	Automated bool `json:"automated,omitempty"`
	Depth     int  `json:"depth,omitempty"`
}

// maxDepth bounds how many rules may follow from each other.
const maxDepth = 5

// fact returns a value of Data by root and name, or nil.
func (e *Event) fact(root, name string) any {
	m, _ := e.Data[root].(map[string]any)
	return m[name]
}

// text is fact where that is a text.
func (e *Event) text(root, name string) string {
	s, _ := e.fact(root, name).(string)
	return s
}

// runID is the run of a rule for an event. It follows from both, so that a rule runs once for an event.
func runID(rule, event string) string {
	return digest("run", rule, event)
}

// effectID is the effect that a step has; n tells several of one step apart.
func effectID(run, path string, n int) string {
	return digest("effect", run, path, fmt.Sprint(n))
}

// digest is a short name that follows from parts, of letters and digits.
func digest(parts ...string) string {
	text, _ := json.Marshal(parts) // cannot fail: texts only
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:12])
}
