package crmclient

import (
	"context"
	"io"
	"time"
)

// Direction of a message as the company sees it.
type Direction string

// The directions.
const (
	Outbound Direction = "outbound" // an employee wrote it
	Inbound  Direction = "inbound"  // a correspondent wrote it
	Internal Direction = "internal" // among employees
)

// Person is one participant of a message.
type Person struct {
	Name    string `json:"name,omitempty"`
	Address string `json:"address"` // lower case
}

// Attachment is one file of a message. Open may be called more than once; who
// opens it closes it.
type Attachment struct {
	Name   string
	Type   string // media type without parameters
	Size   int64  // decoded bytes
	SHA256 string // hexadecimal, of the decoded bytes
	Inline bool
	Open   func(ctx context.Context) (io.ReadCloser, error)
}

// Sighting is one place where the message was seen.
type Sighting struct {
	Entry   string    `json:"entry"` // entry id in the journal
	Kind    string    `json:"kind"`
	Account string    `json:"account,omitempty"`
	At      time.Time `json:"at"`
	// Of the kinds fetch, append and backfill: the place in the account's mailbox, as far as it is known.
	Mailbox     string `json:"mailbox,omitempty"` // name in UTF-8
	UIDValidity uint32 `json:"uidvalidity,omitempty"`
	UID         uint32 `json:"uid,omitempty"`
}

// Activity is one message as a CRM gets it.
type Activity struct {
	Key          string // message key: equal keys are one message
	MessageID    string // without brackets
	Thread       string
	Direction    Direction
	Subject      string
	Date         time.Time // of the Date field, or when it was captured where that is missing
	From         Person
	To, CC, BCC  []Person // BCC comes from the envelope or the sender's own copy
	Text         string   // whole text
	TextUnquoted string   // without quoted history
	HTML         string   // sanitised
	Attachments  []Attachment
	Accounts     []string // employees who sent or got it, lower case
	Sightings    []Sighting
	Automated    bool // written by a machine: RFC 3834, bulk, DSN
	// Unconfirmed says that the upstream's verdict on the message is unknown.
	Unconfirmed bool
	Flags       []string // what could not be read cleanly
	// Contacts are those that FindContacts returned for the correspondents.
	Contacts []Contact
}

// Contact is one person in a CRM.
type Contact struct {
	ID      string // the CRM's own id
	Kind    string // contact, lead …: the CRM's object
	Address string // the address it was found by, lower case
	Name    string
	Company string
	Owner   string // the CRM's user, by mail address where it tells
}

// Receipt is what a CRM made of an activity.
type Receipt struct {
	RemoteID  string
	URL       string // for a person to look at, where the CRM has one
	Duplicate bool   // it was there already
}

// Client is one connection to one CRM. Its methods may run concurrently.
type Client interface {
	// FindContacts returns the contacts that have one of the addresses (lower case).
	// An address that nobody has is not an error.
	FindContacts(ctx context.Context, addresses []string) ([]Contact, error)
	// LogEmail writes the activity. It is idempotent on Activity.Key: written again, also
	// after a time-out whose outcome is unknown, it makes no second record.
	LogEmail(ctx context.Context, a *Activity) (Receipt, error)
}

// ContactCreator is a Client that can add people.
type ContactCreator interface {
	// CreateContact adds a contact unless one with the same address is there, and returns it.
	CreateContact(ctx context.Context, p Person, owner string) (Contact, error)
}

// Checker is a Client that can try its connection and credentials without writing anything.
type Checker interface {
	// Check returns a line for a person, such as the name and version of the CRM.
	Check(ctx context.Context) (string, error)
}
