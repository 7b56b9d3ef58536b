package config

import (
	"fmt"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // time_zone must work in a container that has no zone files
)

// Delivery says when and what a target is told of mail. The zero value means all of it, at once.
type Delivery struct {
	When DeliverWhen `yaml:"when"`
	// At is the time of the day, HH:MM, for daily and weekly.
	At  string `yaml:"at"`
	Day Day    `yaml:"day"` // for weekly
	// TimeZone is the IANA name of the zone that At is in; empty means the machine's.
	TimeZone string      `yaml:"time_zone"`
	Mail     DeliverMail `yaml:"mail"`
	// Fields are what the target gets of a message besides its key, date, direction, thread and owners; empty means all.
	Fields []DeliverField `yaml:"fields"`
	Text   TextPolicy     `yaml:"text"`
	// TextLimit is the length of an excerpt in characters.
	TextLimit   int                `yaml:"text_limit"`
	Attachments DeliverAttachments `yaml:"attachments"`
}

// Location returns the zone of At. A configuration that was loaded has no unknown one.
func (d Delivery) Location() *time.Location {
	if d.TimeZone == "" {
		return time.Local
	}
	zone, err := time.LoadLocation(d.TimeZone)
	if err != nil {
		return time.UTC
	}
	return zone
}

// Clock returns At as hour and minute.
func (d Delivery) Clock() (hour, minute int) {
	t, err := time.Parse("15:04", d.At)
	if err != nil {
		return 0, 0
	}
	return t.Hour(), t.Minute()
}

// DeliverWhen says when mail is delivered to a target.
type DeliverWhen string

// The schedules. Empty means DeliverNow.
const (
	DeliverNow    DeliverWhen = "now"
	DeliverHourly DeliverWhen = "hourly" // on the hour
	DeliverDaily  DeliverWhen = "daily"
	DeliverWeekly DeliverWhen = "weekly"
)

// Allowed lists the values.
func (DeliverWhen) Allowed() []string {
	return []string{string(DeliverNow), string(DeliverHourly), string(DeliverDaily), string(DeliverWeekly)}
}

// Day is a day of the week.
type Day string

// days are in the order of time.Weekday.
var days = []string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"}

// Allowed lists the values.
func (Day) Allowed() []string { return days }

// Weekday returns the day as package time has it.
func (d Day) Weekday() time.Weekday { return time.Weekday(max(0, slices.Index(days, string(d)))) }

// DeliverMail says which mail a target gets. All that is said must hold.
type DeliverMail struct {
	Directions []MailDirection `yaml:"directions"` // empty means all
	// Accounts are whose mail it is: addresses, *@domain, or *; empty means all. Of mail that several employees have, the
	// target is told only of these.
	Accounts    []string       `yaml:"accounts"`
	Attachments WithAttachment `yaml:"attachments"`
	// KnownOnly leaves out mail of which no correspondent is in the target.
	KnownOnly bool `yaml:"known_only"`
	// Automated is whether mail that machines and lists wrote is taken; nil means yes.
	Automated *bool `yaml:"automated"`
}

// TakesAccount tells whether the mail of an account (a lower-case address, empty for machines) is for the target.
func (m DeliverMail) TakesAccount(account string) bool {
	return len(m.Accounts) == 0 || CaptureRule{Match: m.Accounts}.matches(account)
}

// MailDirection is which way a message went; the values are those of crmclient.Direction.
type MailDirection string

// Allowed lists the values.
func (MailDirection) Allowed() []string { return []string{"outbound", "inbound", "internal"} }

// WithAttachment says whether mail must have attachments.
type WithAttachment string

// The values. Empty means AttachmentAny.
const (
	AttachmentAny     WithAttachment = "any"
	AttachmentWith    WithAttachment = "with"
	AttachmentWithout WithAttachment = "without"
)

// Allowed lists the values.
func (WithAttachment) Allowed() []string {
	return []string{string(AttachmentAny), string(AttachmentWith), string(AttachmentWithout)}
}

// DeliverField is a part of a message that a target may get.
type DeliverField string

// The fields.
const (
	FieldSubject      DeliverField = "subject"
	FieldText         DeliverField = "text"
	FieldHTML         DeliverField = "html"
	FieldParticipants DeliverField = "participants" // From, To and Cc
	FieldBCC          DeliverField = "bcc"
	FieldAttachments  DeliverField = "attachments"
)

// Allowed lists the values.
func (DeliverField) Allowed() []string {
	return []string{
		string(FieldSubject), string(FieldText), string(FieldHTML), string(FieldParticipants), string(FieldBCC), string(FieldAttachments),
	}
}

// Has tells whether the target gets a field.
func (d Delivery) Has(f DeliverField) bool { return len(d.Fields) == 0 || slices.Contains(d.Fields, f) }

// TextPolicy says how much text a target gets.
type TextPolicy string

// The policies. Empty means TextFull. All others leave out the HTML, which has the whole text.
const (
	TextFull     TextPolicy = "full"
	TextUnquoted TextPolicy = "unquoted" // without quoted history
	TextExcerpt  TextPolicy = "excerpt"  // the beginning of the unquoted text
	TextNone     TextPolicy = "none"
)

// Allowed lists the values.
func (TextPolicy) Allowed() []string {
	return []string{string(TextFull), string(TextUnquoted), string(TextExcerpt), string(TextNone)}
}

// DeliverAttachments says which files a target gets. Of those left out it gets the name, the size and the reason.
type DeliverAttachments struct {
	Policy   AttachmentPolicy `yaml:"policy"`
	MaxBytes Bytes            `yaml:"max_bytes"` // of one file; zero means no limit
	MaxTotal Bytes            `yaml:"max_total"` // of all files of a message; zero means no limit
	// Types are the media types (application/pdf, image/*) or endings (.pdf) that are taken; empty means all.
	Types []string `yaml:"types"`
	// ExceptTypes are those that are not; they win over Types.
	ExceptTypes []string `yaml:"except_types"`
	// InlineImages are pictures inside the text, most often logos; nil means that they are taken.
	InlineImages *bool `yaml:"inline_images"`
	// LinkExpires is how long the links of AttachLink work.
	LinkExpires Duration `yaml:"link_expires"`
}

// AttachmentPolicy says how a target gets files.
type AttachmentPolicy string

// The policies. Empty means AttachInline.
const (
	AttachInline AttachmentPolicy = "inline" // the connector may read them
	AttachSkip   AttachmentPolicy = "skip"   // only their names and sizes
	AttachLink   AttachmentPolicy = "link"   // a link to each at the console
)

// Allowed lists the values.
func (AttachmentPolicy) Allowed() []string {
	return []string{string(AttachInline), string(AttachSkip), string(AttachLink)}
}

// Alarm says when somebody should look at a target. Zero means never.
type Alarm struct {
	Lag      Duration `yaml:"lag"`      // since the oldest delivery that waits was due
	Failures int      `yaml:"failures"` // in a row
	Dead     int      `yaml:"dead"`     // dead letters
	Notify   []string `yaml:"notify"`   // notifiers that tell people of it
}

// defaultLinkExpires is long enough for whoever works on a deal, and ends before everybody has forgotten the link.
const defaultLinkExpires = 30 * 24 * time.Hour

func (t *Target) setDefaults() {
	t.Deliver = Delivery{
		When: DeliverNow, Text: TextFull, Mail: DeliverMail{Attachments: AttachmentAny},
		Attachments: DeliverAttachments{Policy: AttachInline, LinkExpires: Duration(defaultLinkExpires)},
	}
	t.Alarm = Alarm{Lag: Duration(time.Hour), Failures: 20, Dead: 1}
}

// maxLinkExpires is ten years: who wants links for ever wants the file in the CRM.
const maxLinkExpires = Duration(3650 * 24 * time.Hour)

// maxExcerpt is far above what anybody calls an excerpt; it catches a size in bytes or a slip.
const maxExcerpt = 1_000_000

func (v *validator) delivery(path string, d *Delivery) {
	v.deliverWhen(path, d)
	taken := map[string]string{}
	for i, pattern := range d.Mail.Accounts {
		at := fmt.Sprintf("%s.mail.accounts[%d]", path, i)
		d.Mail.Accounts[i] = v.accountPattern(at, pattern, taken)
		taken[d.Mail.Accounts[i]] = at
	}
	if d.Text == TextExcerpt && (d.TextLimit < 1 || d.TextLimit > maxExcerpt) {
		v.bad(path+".text_limit", "an excerpt needs a length", "Write how many characters, such as 200.")
	}
	if d.Text != TextExcerpt && d.TextLimit != 0 {
		v.bad(path+".text_limit", "has no use without text: excerpt", "Write text: excerpt, or take it out.")
	}
	a := d.Attachments
	if a.Policy == AttachLink && v.cfg.Console.PublicURL == "" {
		v.bad(path+".attachments.policy", "link needs console.public_url", "Write there where the CRM's users reach the console, such as https://mail-gateway.example.com.")
	}
	if a.LinkExpires < Duration(time.Hour) || a.LinkExpires > maxLinkExpires {
		v.bad(path+".attachments.link_expires", "is not between 1h and 3650d", "Write 30d, for example.")
	}
	for key, list := range map[string][]string{"types": a.Types, "except_types": a.ExceptTypes} {
		for i, pattern := range list {
			list[i] = strings.ToLower(pattern)
			kind, sub, slash := strings.Cut(pattern, "/")
			if ending := strings.HasPrefix(pattern, ".") && len(pattern) > 1 && !slash; !ending && (!slash || kind == "" || sub == "" || kind == "*") {
				v.bad(fmt.Sprintf("%s.attachments.%s[%d]", path, key, i), quote(pattern)+" is neither a media type nor an ending",
					"Write application/pdf, image/* or .pdf.")
			}
		}
	}
}

func (v *validator) deliverWhen(path string, d *Delivery) {
	timed := d.When == DeliverDaily || d.When == DeliverWeekly
	if _, err := time.Parse("15:04", d.At); timed && err != nil {
		v.bad(path+".at", quote(d.At)+" is not a time of the day", `Write "18:30", for example, in quotes.`)
	}
	if !timed && d.At != "" {
		v.bad(path+".at", "has no use without when: daily or weekly", "Take it out.")
	}
	switch {
	case d.When == DeliverWeekly && d.Day == "":
		v.bad(path+".day", "is missing", "Write the day of the week, such as friday.")
	case d.When != DeliverWeekly && d.Day != "":
		v.bad(path+".day", "has no use without when: weekly", "Take it out.")
	}
	if _, err := time.LoadLocation(d.TimeZone); err != nil {
		v.bad(path+".time_zone", quote(d.TimeZone)+" is not a time zone", "Write the name of a city as the IANA lists it, such as Asia/Shanghai.")
	}
}

func (v *validator) alarm(path string, a Alarm) {
	if a.Lag < 0 {
		v.bad(path+".lag", "is below 0", "Write 0 for no alarm.")
	}
	v.atLeast(path+".failures", a.Failures, 0)
	v.atLeast(path+".dead", a.Dead, 0)
	v.notifierNames(path+".notify", a.Notify)
}
