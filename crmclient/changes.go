package crmclient

import (
	"context"
	"errors"
)

// ActivityUpdater is a Client that can change what it was told of a message: who else has it, which thread it is
// part of, and whether it was really sent.
type ActivityUpdater interface {
	// UpdateEmail sets the accounts, sightings, blind recipients, thread and verdict of the record that LogEmail made
	// of a.Key; all else in a is the same as then and need not be written again. remoteID is that of the receipt and may be
	// empty. It is idempotent and never makes a record: where there is none, the error is of ClassPermanent
	// with ErrNoRecord inside, as far as the CRM tells.
	UpdateEmail(ctx context.Context, remoteID string, a *Activity) (Receipt, error)
}

// ActivityWithdrawer is a Client that can take back what it was told of a message.
type ActivityWithdrawer interface {
	// WithdrawEmail deletes the record with the activity key, and what belongs to it. remoteID is that of the receipt,
	// or empty where the outcome of LogEmail was never known. It is idempotent: no such record is success.
	WithdrawEmail(ctx context.Context, remoteID, key string) error
}

// ErrNoRecord says that the CRM has no record with the key.
var ErrNoRecord = errors.New("no such record")

// Caps are the sizes that a CRM takes at most. Zero fields mean no limit.
type Caps struct {
	SubjectRunes, TextRunes int
	AttachmentBytes         int64 // of one file
	AttachmentsBytes        int64 // of all files of a message
	Attachments             int   // files
}

// Capped is a Client that knows its CRM's limits. What is beyond them is cut or left out before LogEmail is called.
type Capped interface {
	Caps() Caps
}

// AttachmentLeft is a file that the policy of the target, or a limit of the CRM, left out.
type AttachmentLeft struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"` // decoded bytes
	Reason string `json:"reason"`
	// URL is where the file can be read for a time, where the policy is to give links; Reason says it in words, the URL included.
	URL string `json:"url,omitempty"`
}
