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
	// AttachmentsLeft are the files that the target does not get, with the reason.
	AttachmentsLeft []AttachmentLeft
	Accounts        []string // employees who sent or got it, lower case
	Sightings       []Sighting
	Automated       bool // written by a machine: RFC 3834, bulk, DSN
	// Unconfirmed says that the upstream's verdict on the message is unknown.
	Unconfirmed bool
	Flags       []string // what could not be read cleanly
	// Contacts are those of the correspondents that the CRM has, each once: sorted by address, then by kind, then by id.
	Contacts []Contact
	// Companies are those that the domains of the other correspondents belong to, sorted by domain.
	Companies []Company
	// Owner is the employee whom the activity belongs to, lower case; empty where nobody is.
	Owner string
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

// The kinds of contacts that the mirror itself makes. A CRM may have more.
const (
	KindContact = "contact"
	KindLead    = "lead"
)

// Company is one organisation in a CRM.
type Company struct {
	ID     string // the CRM's own id
	Name   string
	Domain string // registrable domain, in Unicode where it can be shown so
	Owner  string // the CRM's user, by mail address where it tells
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

// LeadCreator is a Client that tells leads, who are not customers yet, from contacts.
type LeadCreator interface {
	// CreateLead adds a lead unless a contact or lead with the same address is there, and returns it.
	CreateLead(ctx context.Context, p Person, owner string) (Contact, error)
}

// ContactGetter is a Client that finds a contact by its id.
type ContactGetter interface {
	// ContactByID returns the contact, or false where there is none. For a contact that was merged into
	// another it returns the one that is left.
	ContactByID(ctx context.Context, id string) (Contact, bool, error)
}

// CompanyFinder is a Client that knows which company a domain belongs to.
type CompanyFinder interface {
	// FindCompany returns the company with the registrable domain, or false where there is none.
	FindCompany(ctx context.Context, domain string) (Company, bool, error)
}

// CompanyPlacer is a Client that can put a contact under a company.
type CompanyPlacer interface {
	// PlaceContact puts the contact under the company, unless it is under one already. It is idempotent.
	PlaceContact(ctx context.Context, contactID, companyID string) error
}

// ContactSuggester is a Client that can look for people by more than their exact address.
type ContactSuggester interface {
	// SuggestContacts returns at most limit contacts that may be p: of the same name, or with addresses of the
	// same domain. The likeliest need not come first.
	SuggestContacts(ctx context.Context, p Person, limit int) ([]Contact, error)
}

// Checker is a Client that can try its connection and credentials without writing anything.
type Checker interface {
	// Check returns a line for a person, such as the name and version of the CRM.
	Check(ctx context.Context) (string, error)
}
