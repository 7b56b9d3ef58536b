// Package export writes an activity in the forms that more than one connector needs: as JSON (payload.go), and as a mail file
// that is built anew from what may leave (eml.go).
package export

import (
	"bytes"
	"encoding/json"
	"time"

	"heliograph/crmclient"
)

// Type is the field "type" of the body, for receivers that get several kinds.
const Type = "mail.captured"

// Payload is an activity as JSON. Lists are never null.
type Payload struct {
	Type         string              `json:"type"`
	Timestamp    time.Time           `json:"timestamp"` // when the message was first seen
	Key          string              `json:"key"`       // activity key: equal keys are one message
	MessageID    string              `json:"message_id"`
	Thread       string              `json:"thread"`
	Direction    crmclient.Direction `json:"direction"`
	Subject      string              `json:"subject"`
	Date         time.Time           `json:"date"`
	From         Person              `json:"from"`
	To           []Person            `json:"to"`
	CC           []Person            `json:"cc"`
	BCC          []Person            `json:"bcc"` // from the envelope or the sender's own copy
	Text         string              `json:"text"`
	TextUnquoted string              `json:"text_unquoted"`
	HTML         string              `json:"html"`
	Attachments  []Attachment        `json:"attachments"`
	// AttachmentsLeft are files that the policy of the target left out.
	AttachmentsLeft []crmclient.AttachmentLeft `json:"attachments_left"`
	Accounts        []string                   `json:"accounts"`
	Owner           string                     `json:"owner"`     // the employee whom the mail belongs to; may be empty
	Companies       []Company                  `json:"companies"` // of the domains of the correspondents, as far as they are known
	Sightings       []crmclient.Sighting       `json:"sightings"`
	Automated       bool                       `json:"automated"`
	Unconfirmed     bool                       `json:"unconfirmed"`
	Flags           []string                   `json:"flags"`
}

// Company is one that a correspondent belongs to; all fields are always there.
type Company struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Domain string `json:"domain"`
	Owner  string `json:"owner"`
}

// Person is a participant; both fields are always there.
type Person struct {
	Name    string `json:"name"`
	Address string `json:"address"`
}

// Attachment tells of a file without its content.
type Attachment struct {
	Name   string `json:"name"`
	Type   string `json:"type"`
	Size   int64  `json:"size"` // decoded bytes
	SHA256 string `json:"sha256"`
	Inline bool   `json:"inline"`
}

// NewPayload returns what is posted for an activity. It depends on the activity only, so that a retry posts the same bytes.
func NewPayload(a *crmclient.Activity, withHTML bool) Payload {
	p := Payload{
		Type: Type, Timestamp: firstSeen(a), Key: a.Key, MessageID: a.MessageID, Thread: a.Thread,
		Direction: a.Direction, Subject: a.Subject, Date: a.Date.UTC(), From: Person(a.From),
		To: People(a.To), CC: People(a.CC), BCC: People(a.BCC),
		Text: a.Text, TextUnquoted: a.TextUnquoted,
		Attachments: make([]Attachment, 0, len(a.Attachments)), AttachmentsLeft: List(a.AttachmentsLeft),
		Accounts: List(a.Accounts), Owner: a.Owner, Companies: make([]Company, 0, len(a.Companies)), Sightings: List(a.Sightings),
		Automated: a.Automated, Unconfirmed: a.Unconfirmed, Flags: List(a.Flags),
	}
	if withHTML {
		p.HTML = a.HTML
	}
	for _, c := range a.Companies {
		p.Companies = append(p.Companies, Company(c))
	}
	for _, f := range a.Attachments {
		p.Attachments = append(p.Attachments, Attachment{Name: f.Name, Type: f.Type, Size: f.Size, SHA256: f.SHA256, Inline: f.Inline})
	}
	return p
}

// People returns participants as the payload has them.
func People(in []crmclient.Person) []Person {
	out := make([]Person, len(in))
	for i, p := range in {
		out[i] = Person(p)
	}
	return out
}

// List returns the list, or an empty one in place of none.
func List[T any](in []T) []T {
	if in == nil {
		return []T{}
	}
	return in
}

func firstSeen(a *crmclient.Activity) time.Time {
	first := a.Date
	for i, s := range a.Sightings {
		if i == 0 || s.At.Before(first) {
			first = s.At
		}
	}
	return first.UTC()
}

// Encode writes JSON without the escapes that encoding/json adds for the sake of HTML pages.
func Encode(p any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(p); err != nil {
		return nil, err
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}
