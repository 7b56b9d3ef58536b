package jiandaoyun

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/crmclient/fieldmap"
)

// Config is the section of a target. The API key may come from a file (api_key_file), as every secret may.
//
// A widget is named by its alias, by its id (_widget_…) or, where no two are called the same, by its title in the form.
// Names that have a default may be missing in the form; names that the section gives must be there.
type Config struct {
	crmclient.Settings `yaml:",inline"`
	// APIKey is made in 开放平台 > 密钥管理.
	APIKey     config.Secret   `yaml:"api_key"`
	Activities ActivityForm    `yaml:"activities"` // 邮件往来
	Contacts   ContactForm     `yaml:"contacts"`   // 联系人
	Leads      ContactForm     `yaml:"leads"`      // 线索; optional
	Companies  CompanyForm     `yaml:"companies"`  // 客户; optional
	Tickets    TicketForm      `yaml:"tickets"`    // 工单; optional
	Records    map[string]Form `yaml:"records"`    // further forms for rules, by names of your own
	Members    Members         `yaml:"members"`
	// APIMember is the username under which Jiandaoyun shows what the API wrote: made by (data_creator) and, for telling our own
	// changes from those of people, changed by. Empty means the creator of the company.
	APIMember string `yaml:"api_member"`
	// PushSecret is that of 数据推送; empty means that no push is taken.
	PushSecret config.Secret `yaml:"push_secret"`
	// PushWindow is how old a push may be; zero means 15 minutes.
	PushWindow config.Duration `yaml:"push_window"`
	// TextRunes is how long a text may be; zero means 50,000 characters.
	TextRunes int `yaml:"text_runes"`
	// MaxFileBytes is how long a file may be; zero means 20 MiB, 200 MiB are the most.
	MaxFileBytes int64 `yaml:"max_file_bytes"`
	// UploadHosts are the hosts that files may be sent to; empty allows every public one that Jiandaoyun names.
	UploadHosts []string `yaml:"upload_hosts"`
	// CreateWith is the call that makes records; empty means batch_create, which has a transaction id against doubles.
	CreateWith CreateCall `yaml:"create_with"`
	// Verify reads each record that was made back once; nil means true.
	Verify *bool `yaml:"verify"`
	// LinkValue is how 关联数据 is written; empty means id.
	LinkValue LinkShape `yaml:"link_value"`
	// FileValue is how files are written; empty means list.
	FileValue FileShape `yaml:"file_value"`
	// ChangesBy is how changed records are asked for; empty means update_time.
	ChangesBy ChangesMode `yaml:"changes_by"`
}

// Form says where a form is. Both ids stand in the address of the form in the browser.
type Form struct {
	AppID   string `yaml:"app_id"`
	EntryID string `yaml:"entry_id"`
}

// ActivityForm is the form that gets a record per mail.
type ActivityForm struct {
	Form `yaml:",inline"`
	// Key is the single-line text that holds the key of the mail; empty means message_key.
	Key string `yaml:"key"`
	// Attachments is the attachment widget; empty means attachments.
	Attachments string          `yaml:"attachments"`
	Fields      fieldmap.Fields `yaml:"fields"`
	// StartWorkflow starts the workflow of the form for each record.
	StartWorkflow bool `yaml:"start_workflow"`
}

// ContactForm is a form of people.
type ContactForm struct {
	Form `yaml:",inline"`
	// Address are the single-line texts that hold mail addresses, in lower case; empty means email.
	Address []string `yaml:"address"`
	Name    string   `yaml:"name"`    // empty means name
	Company string   `yaml:"company"` // name of the company; empty means company
	// CompanyLink is the 关联数据 that points to the form companies; empty means company_link.
	CompanyLink string `yaml:"company_link"`
	Owner       string `yaml:"owner"`  // member or text with a mail address; empty means owner
	Title       string `yaml:"title"`  // empty means title
	Phone       string `yaml:"phone"`  // empty means phone
	Mobile      string `yaml:"mobile"` // empty means mobile
	Domain      string `yaml:"domain"` // of the mail address, for suggestions; empty means domain
	// Fields are what else a new record gets.
	Fields fieldmap.Fields `yaml:"fields"`
}

// CompanyForm is a form of companies.
type CompanyForm struct {
	Form   `yaml:",inline"`
	Name   string `yaml:"name"`   // empty means name
	Domain string `yaml:"domain"` // single-line text with the mail domain; empty means domain
	Owner  string `yaml:"owner"`  // empty means owner
}

// TicketForm is a form of tickets.
type TicketForm struct {
	Form        `yaml:",inline"`
	Key         string          `yaml:"key"`         // single-line text; empty means ticket_key
	Assignee    string          `yaml:"assignee"`    // member; empty means assignee
	Attachments string          `yaml:"attachments"` // empty means attachments
	Fields      fieldmap.Fields `yaml:"fields"`
	// StartWorkflow starts the workflow of the form for each ticket.
	StartWorkflow bool `yaml:"start_workflow"`
}

// Members says how the username of an employee is found, in this order: Map, the form, the guesses.
type Members struct {
	Map  map[string]string `yaml:"map"` // mail address to username
	Form MemberForm        `yaml:"form"`
	// Guess takes part of the mail address as username, if the address book has such a member.
	Guess []Guess `yaml:"guess"`
}

// MemberForm is a form of employees with mail address and member.
type MemberForm struct {
	Form    `yaml:",inline"`
	Address string `yaml:"address"` // single-line text; empty means email
	Member  string `yaml:"member"`  // member; empty means member
}

// CreateCall names a call of the API.
type CreateCall string

// The calls that make records.
const (
	BatchCreate CreateCall = "batch_create"
	Create      CreateCall = "create"
)

// Allowed returns all calls.
func (CreateCall) Allowed() []string { return []string{string(BatchCreate), string(Create)} }

// LinkShape is a way to write a link to another record.
type LinkShape string

// The ways: the plain id, or an object with it.
const (
	LinkID     LinkShape = "id"
	LinkDataID LinkShape = "data_id"
)

// Allowed returns all ways.
func (LinkShape) Allowed() []string { return []string{string(LinkID), string(LinkDataID)} }

// FileShape is a way to write the keys of files.
type FileShape string

// The ways: a list of keys, or one key only.
const (
	FileList  FileShape = "list"
	FileFirst FileShape = "first"
)

// Allowed returns all ways.
func (FileShape) Allowed() []string { return []string{string(FileList), string(FileFirst)} }

// ChangesMode is a way to ask for changed records.
type ChangesMode string

// The ways: with a filter on updateTime, or by reading the whole form each time.
const (
	ByUpdateTime ChangesMode = "update_time"
	ByWalk       ChangesMode = "walk"
)

// Allowed returns all ways.
func (ChangesMode) Allowed() []string { return []string{string(ByUpdateTime), string(ByWalk)} }

// Guess is a part of a mail address.
type Guess string

// The parts.
const (
	GuessLocalPart Guess = "local_part"
	GuessAddress   Guess = "address"
)

// Allowed returns all parts.
func (Guess) Allowed() []string { return []string{string(GuessLocalPart), string(GuessAddress)} }

const (
	defaultURL        = "https://api.jiandaoyun.com/api"
	defaultTextRunes  = 50_000
	maxTextRunes      = 1_000_000
	defaultFileBytes  = 20 << 20
	maxFileBytes      = 200 << 20 // policy in the vendor's sample of an upload token
	defaultPushWindow = 15 * time.Minute
	maxPushWindow     = 24 * time.Hour
	maxForms          = 200
)

// object names of the forms that have a key of their own in the section.
const (
	objActivities = "activities"
	objContacts   = "contacts"
	objLeads      = "leads"
	objCompanies  = "companies"
	objTickets    = "tickets"
	objMembers    = "members"
)

func (f Form) set() bool { return f.AppID != "" || f.EntryID != "" }

// objectID is what the vendor's ids look like: those of a MongoDB.
var objectID = regexp.MustCompile(`^[0-9a-f]{24}$`)

// username is what a member may be called; it is far narrower than any text, so that a display name is noticed.
func username(s string) bool {
	return s != "" && utf8.RuneCountInString(s) <= 128 && !strings.ContainsFunc(s, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsNumber(r) && !strings.ContainsRune("_.@+-", r)
	})
}

func (c Config) withDefaults() Config {
	c.URL = strings.TrimRight(cmp.Or(c.URL, defaultURL), "/")
	c.Activities.Key = cmp.Or(c.Activities.Key, "message_key")
	c.Tickets.Key = cmp.Or(c.Tickets.Key, "ticket_key")
	c.Tickets.Assignee = cmp.Or(c.Tickets.Assignee, "assignee")
	c.Members.Form.Address = cmp.Or(c.Members.Form.Address, "email")
	c.Members.Form.Member = cmp.Or(c.Members.Form.Member, "member")
	c.TextRunes = cmp.Or(c.TextRunes, defaultTextRunes)
	c.MaxFileBytes = cmp.Or(c.MaxFileBytes, defaultFileBytes)
	c.PushWindow = cmp.Or(c.PushWindow, config.Duration(defaultPushWindow))
	c.CreateWith = cmp.Or(c.CreateWith, BatchCreate)
	c.LinkValue = cmp.Or(c.LinkValue, LinkID)
	c.FileValue = cmp.Or(c.FileValue, FileList)
	c.ChangesBy = cmp.Or(c.ChangesBy, ByUpdateTime)
	return c
}

// Validate returns all that is wrong with the section. It uses neither network nor files.
func (c Config) Validate() error {
	c = c.withDefaults()
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if err := c.Settings.Validate(); err != nil {
		errs = append(errs, err)
	}
	if c.APIKey.IsZero() {
		bad("api_key is missing: make one in 开放平台 > 密钥管理 and put it into api_key or api_key_file")
	} else if strings.ContainsFunc(c.APIKey.Reveal(), func(r rune) bool { return r <= ' ' || r > '~' }) {
		bad("api_key has a blank or a character that no key has")
	}
	if !c.Activities.set() {
		bad("activities is missing: name the app_id and entry_id of the form that gets a record per mail")
	}
	if !c.Contacts.set() {
		bad("contacts is missing: name the app_id and entry_id of the form of contacts")
	}
	errs = append(errs, c.validateForms()...)
	errs = append(errs, c.validateMembers()...)
	if c.APIMember != "" && !username(c.APIMember) {
		bad("api_member: %q is not a username (成员编号)", c.APIMember)
	}
	if d := c.PushWindow.D(); d < time.Minute || d > maxPushWindow {
		bad("push_window must be between 1m and %s", maxPushWindow)
	}
	if c.TextRunes < 100 || c.TextRunes > maxTextRunes {
		bad("text_runes must be between 100 and %d", maxTextRunes)
	}
	if c.MaxFileBytes < 1 || c.MaxFileBytes > maxFileBytes {
		bad("max_file_bytes must be between 1 and %d", maxFileBytes)
	}
	for _, h := range c.UploadHosts {
		if h == "" || strings.ContainsAny(h, "/:@ *") {
			bad("upload_hosts: %q is not the name of a host", h)
		}
	}
	if _, err := c.mappings(); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// forms returns all forms of the section by the names that records are asked for.
func (c Config) forms() map[string]Form {
	all := map[string]Form{
		objActivities: c.Activities.Form, objContacts: c.Contacts.Form, objLeads: c.Leads.Form, objCompanies: c.Companies.Form,
		objTickets: c.Tickets.Form, objMembers: c.Members.Form.Form,
	}
	maps.DeleteFunc(all, func(_ string, f Form) bool { return !f.set() })
	for name, f := range c.Records {
		if _, taken := all[name]; !taken {
			all[name] = f
		}
	}
	return all
}

func (c Config) validateForms() []error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if len(c.Records) > maxForms {
		bad("records: %d forms are more than the %d that are taken", len(c.Records), maxForms)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Records)) {
		switch name {
		case objActivities, objContacts, objLeads, objCompanies, objTickets, objMembers:
			bad("records: %s is taken: the form has a key of its own", name)
		}
		if name == "" || strings.ContainsAny(name, "/ ") {
			bad("records: %q must be a name without blanks and slashes", name)
		}
	}
	all := c.forms()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		f, where := all[name], name
		if _, ok := c.Records[name]; ok {
			where = "records: " + name
		}
		if name == objMembers {
			where = "members: form"
		}
		if !objectID.MatchString(f.AppID) {
			bad("%s: app_id %q is not 24 hexadecimal digits: copy it from the address of the form in the browser (…/app/APP_ID/form/ENTRY_ID)", where, f.AppID)
		}
		if !objectID.MatchString(f.EntryID) {
			bad("%s: entry_id %q is not 24 hexadecimal digits: copy it from the address of the form in the browser (…/app/APP_ID/form/ENTRY_ID)", where, f.EntryID)
		}
	}
	return errs
}

func (c Config) validateMembers() []error {
	var errs []error
	for _, address := range slices.Sorted(maps.Keys(c.Members.Map)) {
		if !strings.Contains(address, "@") {
			errs = append(errs, fmt.Errorf("members: map: %q is not a mail address", address))
		}
		if !username(c.Members.Map[address]) {
			errs = append(errs, fmt.Errorf("members: map: %s: %q is not a username (成员编号)", address, c.Members.Map[address]))
		}
	}
	return errs
}
