package crmclient

import (
	"context"
	"errors"
	"time"
)

// The fields of a contact that all connectors call by the same names, in
// ContactRecord.Fields and ContactWriter. A CRM may have more under names of its own.
const (
	FieldName    = "name"    // in ContactRecord.Name
	FieldCompany = "company" // in ContactRecord.Company
	FieldTitle   = "title"
	FieldPhone   = "phone"
	FieldMobile  = "mobile"
)

// ContactRecord is a contact as a whole, as the CRM has it now.
type ContactRecord struct {
	ID        string            `json:"id"`   // the CRM's own id
	Kind      string            `json:"kind"` // contact, lead …: the CRM's object
	Name      string            `json:"name,omitempty"`
	Company   string            `json:"company,omitempty"`
	Owner     string            `json:"owner,omitempty"` // the CRM's user, by mail address where it tells
	Addresses []string          `json:"addresses,omitempty"`
	Phones    []string          `json:"phones,omitempty"` // all numbers as the CRM writes them, those in Fields included
	Fields    map[string]string `json:"fields,omitempty"` // title, phone, mobile, and what else the CRM has
	UpdatedAt time.Time         `json:"updated_at,omitzero"`
	// MergedInto is the id of the contact that this one has become part of; Deleted is true then.
	MergedInto string `json:"merged_into,omitempty"`
	Deleted    bool   `json:"deleted,omitempty"`
}

// Field returns a field by name, those among them that have a place of their own.
func (r *ContactRecord) Field(name string) string {
	switch name {
	case FieldName:
		return r.Name
	case FieldCompany:
		return r.Company
	}
	return r.Fields[name]
}

// ErrCursorExpired says that the CRM no longer takes a cursor: list all contacts again.
var ErrCursorExpired = errors.New("the CRM no longer knows the cursor")

// ErrContactChanged says that a field of the contact is not what the writer believed it to be. Nothing was written.
var ErrContactChanged = errors.New("the contact was changed in the CRM meanwhile")

// ErrContactGone says that the CRM has no such contact any more.
var ErrContactGone = errors.New("the CRM has no such contact")

// ContactLister is a Client that can list its contacts.
type ContactLister interface {
	// ListContacts returns a page of all contacts that are there, and the cursor of the
	// next page, empty after the last. An empty cursor begins. Contacts that are
	// made, changed or deleted meanwhile may be in the pages or not; none that was there all the
	// time is missing. ErrCursorExpired means: begin again.
	ListContacts(ctx context.Context, cursor string) (page []ContactRecord, next string, err error)
}

// ContactChanges is a ContactLister that can tell what changed.
type ContactChanges interface {
	// ContactChanges returns contacts that were made, changed, deleted or merged after the cursor, as
	// they are now, in the order of their last changes, and the cursor to go on from. No
	// changes mean that there are none at present. An empty cursor returns no changes but
	// the cursor of this moment. A contact may come more than once, none is
	// left out. ErrCursorExpired means that the contacts must be listed again.
	ContactChanges(ctx context.Context, cursor string) (changes []ContactRecord, next string, err error)
}

// ContactWriter is a Client that can change a contact.
type ContactWriter interface {
	// WriteContact sets fields of a contact, but only while each of them has the value of base (where
	// base does not name it: is empty), else it writes nothing and returns ErrContactChanged. Fields that have
	// the wanted value already are fine, so that writing again is idempotent. A field that the
	// CRM does not have is ClassPermanent, no such contact is ErrContactGone.
	WriteContact(ctx context.Context, id string, fields, base map[string]string) error
}

// ContactMerger is a Client that can make two contacts one.
type ContactMerger interface {
	// MergeContacts makes other part of survivor, with its addresses and its mail. Done
	// again it changes nothing. ErrContactGone says that one of them is not there.
	MergeContacts(ctx context.Context, survivor, other string) error
}
