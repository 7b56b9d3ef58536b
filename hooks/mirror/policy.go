package mirror

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/internal/message"
)

// The reasons for which a target does not get a message or a file that others may get.
const (
	unwantedDirection  = "not for this target: direction "
	unwantedAccount    = "not for this target: another account's mail"
	unwantedAutomated  = "not for this target: automated mail"
	unwantedAttachment = "not for this target: it has attachments"
	unwantedBare       = "not for this target: it has no attachments"
	unwantedUnknown    = "not for this target: none of the correspondents is known there"
)

// unlinked is the reason for a file that is to have a link where none can be made.
const unlinked = "this target gets links, but the gateway has no public address"

// unwanted returns why a sighting is not for the target, or nothing.
func (t *target) unwanted(v sight) string {
	if !t.Deliver.Mail.TakesAccount(v.account) {
		return unwantedAccount
	}
	return t.unwantedMail(v.people.direction, v.msg)
}

// unwantedMail returns why a message is not for the target, whoever has it.
func (t *target) unwantedMail(direction crmclient.Direction, msg *message.Message) string {
	mail := t.Deliver.Mail
	switch {
	case len(mail.Directions) > 0 && !slices.Contains(mail.Directions, config.MailDirection(direction)):
		return unwantedDirection + string(direction)
	case msg.Automated && mail.Automated != nil && !*mail.Automated:
		return unwantedAutomated
	case mail.Attachments == config.AttachmentWith && !attached(msg):
		return unwantedBare
	case mail.Attachments == config.AttachmentWithout && attached(msg):
		return unwantedAttachment
	}
	return ""
}

// attached tells whether the message has a file that is no picture inside its text.
func attached(msg *message.Message) bool {
	for _, f := range msg.Attachments {
		if !f.Inline {
			return true
		}
	}
	return false
}

// shape takes out of the activity what is not for the target. link makes links to files; nil makes none.
func (t *target) shape(a *crmclient.Activity, link func(index int, f crmclient.Attachment) crmclient.AttachmentLeft) {
	d := t.Deliver
	var caps crmclient.Caps
	if c, ok := crmclient.As[crmclient.Capped](t.Client); ok {
		caps = c.Caps()
	}
	shapeText(d, caps, a)
	if !d.Has(config.FieldSubject) {
		a.Subject = ""
	}
	a.Subject = excerpt(a.Subject, caps.SubjectRunes)
	if !d.Has(config.FieldParticipants) {
		a.From, a.To, a.CC = crmclient.Person{}, nil, nil
	}
	if !d.Has(config.FieldBCC) {
		a.BCC = nil
	}
	if !d.Has(config.FieldAttachments) {
		a.Attachments, a.AttachmentsLeft = nil, nil
		return
	}
	var kept []crmclient.Attachment
	var total int64
	for i, f := range a.Attachments {
		why := leftOut(d.Attachments, caps, f, len(kept), total)
		if why == "" && d.Attachments.Policy == config.AttachLink {
			if link != nil {
				a.AttachmentsLeft = append(a.AttachmentsLeft, link(i, f))
				continue
			}
			why = unlinked
		}
		if why != "" {
			a.AttachmentsLeft = append(a.AttachmentsLeft, crmclient.AttachmentLeft{Name: f.Name, Size: f.Size, Reason: why})
			continue
		}
		kept, total = append(kept, f), total+f.Size
	}
	a.Attachments = kept
}

func shapeText(d config.Delivery, caps crmclient.Caps, a *crmclient.Activity) {
	switch d.Text {
	case config.TextUnquoted:
		a.Text, a.HTML = a.TextUnquoted, ""
	case config.TextExcerpt:
		a.TextUnquoted = excerpt(a.TextUnquoted, d.TextLimit)
		a.Text, a.HTML = a.TextUnquoted, ""
	case config.TextNone:
		a.Text, a.TextUnquoted, a.HTML = "", "", ""
	}
	if !d.Has(config.FieldText) {
		a.Text, a.TextUnquoted = "", ""
	}
	if !d.Has(config.FieldHTML) {
		a.HTML = ""
	}
	a.Text, a.TextUnquoted = excerpt(a.Text, caps.TextRunes), excerpt(a.TextUnquoted, caps.TextRunes)
}

// excerpt shortens a text to so many characters, the ellipsis that says so included. Zero means all of it.
func excerpt(s string, limit int) string {
	if limit <= 0 || len(s) <= limit {
		return s
	}
	n, cut := 0, 0
	for i := range s {
		if n == limit-1 {
			cut = i
		}
		if n++; n > limit {
			return strings.TrimRight(s[:cut], " \t\r\n") + "…"
		}
	}
	return s
}

// leftOut returns why a file is not given to the target, or nothing.
func leftOut(p config.DeliverAttachments, caps crmclient.Caps, f crmclient.Attachment, kept int, total int64) string {
	one, all := smaller(int64(p.MaxBytes), caps.AttachmentBytes), smaller(int64(p.MaxTotal), caps.AttachmentsBytes)
	switch {
	case p.Policy == config.AttachSkip:
		return "this target gets no attachments"
	case f.Inline && strings.HasPrefix(f.Type, "image/") && p.InlineImages != nil && !*p.InlineImages:
		return "picture inside the text"
	case ofType(p.ExceptTypes, f), len(p.Types) > 0 && !ofType(p.Types, f):
		return "this target gets no files of this type"
	case p.Policy == config.AttachLink: // the size of a link is no matter
		return ""
	case one > 0 && f.Size > one:
		return fmt.Sprintf("larger than %s", config.Bytes(one))
	case all > 0 && total+f.Size > all:
		return fmt.Sprintf("all files together would be larger than %s", config.Bytes(all))
	case caps.Attachments > 0 && kept >= caps.Attachments:
		return fmt.Sprintf("more than %d files", caps.Attachments)
	}
	return ""
}

// smaller returns the smaller of two limits, of which zero means none.
func smaller(a, b int64) int64 {
	if a <= 0 || b > 0 && b < a {
		return b
	}
	return a
}

// ofType tells whether a file is of one of the types (image/*, application/pdf) or has one of the endings (.pdf).
func ofType(patterns []string, f crmclient.Attachment) bool {
	kind, ending := strings.ToLower(f.Type), strings.ToLower(path.Ext(f.Name))
	return slices.ContainsFunc(patterns, func(p string) bool {
		group, all := strings.CutSuffix(p, "/*")
		return p == kind || p == ending && ending != "" || all && strings.HasPrefix(kind, group+"/")
	})
}
