package rest

import (
	"heliograph/config"
	"heliograph/crmclient"
)

// Config is the section of a target of the type rest. What is a template is said with each key; package comment and sample.yaml
// explain the language.
type Config struct {
	crmclient.Settings `yaml:",inline"`

	// Headers are added to each request as they are; their values count as secrets.
	Headers map[string]config.Secret `yaml:"headers"`
	// Vars are fixed texts that templates call {{ vars.name }}.
	Vars map[string]string `yaml:"vars"`
	// Secrets are like Vars, but are never shown: {{ secret.name }}.
	Secrets map[string]config.Secret `yaml:"secrets"`
	// Lookups are tables for the transform lookup: our value to theirs; "*" is for all others.
	Lookups map[string]map[string]any `yaml:"lookups"`

	Auth    Auth        `yaml:"auth"`
	Success []Test      `yaml:"success"` // all must hold beside a status of 2xx
	Errors  []ErrorRule `yaml:"errors"`  // the first that fits gives the class
	// MessagePath says where in an answer the API's own words for an error are.
	MessagePath string `yaml:"message_path"`
	Limits      Limits `yaml:"limits"`

	Operations Operations `yaml:"operations"`
	// Needs are the fields that must be there, by object, for Check; the operation describe reads them.
	Needs map[string][]string `yaml:"needs"`
	// OwnUser is the value of the result "by" that means ourselves.
	OwnUser string `yaml:"own_user"`
}

// Limits are the sizes that the API takes; see crmclient.Caps. Zero means no limit, but for the last two.
type Limits struct {
	SubjectCharacters int          `yaml:"subject_characters"`
	TextCharacters    int          `yaml:"text_characters"`
	Attachments       int          `yaml:"attachments"`       // files of a message
	AttachmentBytes   config.Bytes `yaml:"attachment_bytes"`  // of one file; zero means 10 MB, which is the most where files are sent
	AttachmentsBytes  config.Bytes `yaml:"attachments_bytes"` // of all files of a message; zero means 25 MB, likewise
}

// Operations are what the target can do. FindContacts and LogEmail are required.
type Operations struct {
	FindContacts  *Operation `yaml:"find_contacts"`
	FindLeads     *Operation `yaml:"find_leads"` // searched besides, where leads are another object
	CreateContact *Operation `yaml:"create_contact"`
	CreateLead    *Operation `yaml:"create_lead"`
	// FindParent finds the record that a mail is logged under, such as a ticket; {{ parent.id }} in log_email.
	FindParent    *Operation `yaml:"find_parent"`
	CreateParent  *Operation `yaml:"create_parent"` // makes one where there is none; find_parent must find it
	LogEmail      *Operation `yaml:"log_email"`
	FindEmail     *Operation `yaml:"find_email"`
	UpdateEmail   *Operation `yaml:"update_email"`
	WithdrawEmail *Operation `yaml:"withdraw_email"`
	CreateTicket  *Operation `yaml:"create_ticket"`
	FindTicket    *Operation `yaml:"find_ticket"`
	FindUser      *Operation `yaml:"find_user"` // the CRM's id of an employee by mail address; {{ user.id }} in assign_ticket
	AssignTicket  *Operation `yaml:"assign_ticket"`
	ReadRecord    *Operation `yaml:"read_record"`
	QueryRecords  *Operation `yaml:"query_records"`
	FindRecord    *Operation `yaml:"find_record"` // by key, before create_record
	CreateRecord  *Operation `yaml:"create_record"`
	UpdateRecord  *Operation `yaml:"update_record"`
	Changes       *Operation `yaml:"changes"`
	FindFile      *Operation `yaml:"find_file"` // before attach_file
	AttachFile    *Operation `yaml:"attach_file"`
	Describe      *Operation `yaml:"describe"`
	Check         *Operation `yaml:"check"`
}

// Operation is one kind of request and what its answer means.
type Operation struct {
	Method string `yaml:"method"` // empty: GET without a body, POST with one
	Path   string `yaml:"path"`   // template, below the URL; values are escaped
	// Query parameters: a template, or a list of them for one that comes several times. What is optional and empty is left out.
	Query   map[string]any    `yaml:"query"`
	Headers map[string]string `yaml:"headers"` // templates

	// At most one of the following is the body.
	JSON      any            `yaml:"json"`      // tree of templates
	Form      map[string]any `yaml:"form"`      // as Query
	Multipart []Part         `yaml:"multipart"` // RFC 7578
	// Text is a template in which every placeholder ends with an escaping transform: json, xml, url, csv, base64, escape_html, or raw.
	Text        string `yaml:"text"`
	ContentType string `yaml:"content_type"` // of Text

	Result  Result      `yaml:"result"`
	Paging  Paging      `yaml:"paging"`
	Success []Test      `yaml:"success"` // besides those of the section
	Errors  []ErrorRule `yaml:"errors"`  // before those of the section

	// What makes the operation safe to repeat, for those that make something. One is needed unless an operation finds it again by its key.
	IdempotencyHeader string `yaml:"idempotency_header"` // gets the key
	UniqueKey         bool   `yaml:"unique_key"`         // the request has {{ key }} in a field that the API keeps unique
	AtLeastOnce       bool   `yaml:"at_least_once"`      // accepts that a time-out may make two

	// Batch is how many addresses one request of find_contacts asks for; zero means one. {{ addresses }} is their list.
	Batch int `yaml:"batch"`
	// Files says what becomes of attachments: empty or "names": only their names; "inline": their content is in {{ files }};
	// "attach": attach_file is called for each afterwards.
	Files FileMode `yaml:"files"`
	// Conditions makes a text of the conditions of a query: {{ filter }}.
	Conditions *Conditions `yaml:"conditions"`
	// Overlap is how far changes asks back again; zero means 2 minutes. With Cursor the API gives cursors itself.
	Overlap config.Duration `yaml:"overlap"`
	Cursor  bool            `yaml:"cursor"`
}

// FileMode says what becomes of attachments.
type FileMode string

// The modes.
const (
	FilesNames  FileMode = "names"
	FilesInline FileMode = "inline"
	FilesAttach FileMode = "attach"
)

// Allowed returns all modes.
func (FileMode) Allowed() []string {
	return []string{string(FilesNames), string(FilesInline), string(FilesAttach)}
}

// Part is one part of a multipart body. It is a file where File is true, else Value.
type Part struct {
	Name     string `yaml:"name"`
	Value    string `yaml:"value"` // template
	JSON     any    `yaml:"json"`  // tree of templates, sent as application/json
	File     bool   `yaml:"file"`  // {{ file }} of attach_file, or one part for each of {{ files }}
	FileName string `yaml:"file_name"`
}

// Result says where in an answer the results are. Each text is a JSONPath ($.data.id), the name of a header (header:Location), or a
// template; the first two may lead through transforms ($.id | text). In the others, {{ id }} is the id.
type Result struct {
	// Items is the path of the list ($.data.items); empty: the answer is the one item. An answer without the list is an error, unless
	// ItemsOptional says that the API leaves an empty one out.
	Items         string `yaml:"items"`
	ItemsOptional bool   `yaml:"items_optional"`
	// The following are relative to an item.
	ID        string            `yaml:"id"`
	Key       string            `yaml:"key"` // our key; what has another one is not what was looked for
	URL       string            `yaml:"url"` // for a person
	Name      string            `yaml:"name"`
	Address   string            `yaml:"address"` // one or a list
	Kind      string            `yaml:"kind"`
	Company   string            `yaml:"company"`
	Owner     string            `yaml:"owner"`
	UpdatedAt string            `yaml:"updated_at"`
	Deleted   string            `yaml:"deleted"`
	By        string            `yaml:"by"`
	Label     string            `yaml:"label"`    // of describe
	Type      string            `yaml:"type"`     // of describe
	Required  string            `yaml:"required"` // of describe
	Object    string            `yaml:"object"`   // path of the object with a record's fields; empty: the item
	Fields    map[string]string `yaml:"fields"`   // names of fields and where they are; empty: all of Object
	Cursor    string            `yaml:"cursor"`   // of changes with cursor: where to go on, relative to the answer
	Line      string            `yaml:"line"`     // of check: what a person is told
}
