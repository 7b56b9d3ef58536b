package kingdee

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/crmclient/fieldmap"
)

// The ways to log in.
const (
	loginSigned    = "sign"
	loginSignSHA1  = "sign_sha1"
	loginAppSecret = "app_secret"
	loginHeaders   = "headers"
)

// The forms of a body.
const (
	bodyNamed      = "named"
	bodyPositional = "positional"
	bodyWrapped    = "wrapped"
)

// What is done with a mail log behind saving it.
const (
	finishSave   = "save"
	finishSubmit = "submit"
	finishAudit  = "audit"
)

// Config is the section of a Kingdee target. The defaults are those of a site of K/3 Cloud (云星空) in Chinese.
type Config struct {
	crmclient.Settings `yaml:",inline"`
	// AccountID is the id of the data centre (数据中心, 账套).
	AccountID string        `yaml:"account_id"`
	User      string        `yaml:"user"`
	AppID     string        `yaml:"app_id"`
	AppSecret config.Secret `yaml:"app_secret"`
	// Login is sign, sign_sha1 (sites before 8.0.0.202205), app_secret, or headers: each request is signed by itself then.
	Login        string `yaml:"login"`
	Locale       int    `yaml:"locale"`       // Windows' number of the language; 2052 is Chinese
	Organization string `yaml:"organization"` // number; for login: headers
	// ClientIdentity is the value of the header api-client-identity, for sites that demand it.
	ClientIdentity config.Secret `yaml:"client_identity"`
	// SecretMask and Milliseconds are for login: headers, which public clients do in two ways.
	SecretMask   config.Secret   `yaml:"secret_mask"`
	Milliseconds bool            `yaml:"milliseconds"`
	Session      config.Duration `yaml:"session"` // how long a session is used
	Body         string          `yaml:"body"`    // named, positional or wrapped
	Zone         string          `yaml:"zone"`    // time zone of the site's database
	PageSize     int             `yaml:"page_size"`
	Overlap      config.Duration `yaml:"overlap"` // how far back changes are asked for again
	// Contacts are the forms in which people are looked for. The first is where they are made.
	Contacts  []Person          `yaml:"contacts"`
	Companies Company           `yaml:"companies"`
	Owners    Person            `yaml:"owners"` // employees; no form: owners are not looked up
	Mail      Mail              `yaml:"mail"`
	Objects   map[string]Object `yaml:"objects"` // forms for rules by the name that rules use
}

// Person is a form with people in it, and its fields for reading.
type Person struct {
	Kind    string          `yaml:"kind"` // contact, lead, customer …
	Form    string          `yaml:"form"`
	ID      string          `yaml:"id"`
	Number  string          `yaml:"number"`
	Name    string          `yaml:"name"`
	Address string          `yaml:"address"`
	Company string          `yaml:"company"` // name of the customer, such as FCustId.FName
	Phone   string          `yaml:"phone"`
	Mobile  string          `yaml:"mobile"`
	Title   string          `yaml:"title"`
	Owner   string          `yaml:"owner"`    // mail address of the employee
	Changed string          `yaml:"modified"` // time of the last change
	Fields  fieldmap.Fields `yaml:"fields"`   // for making one
}

// Company is the form with customers.
type Company struct {
	Form   string `yaml:"form"`
	ID     string `yaml:"id"`
	Name   string `yaml:"name"`
	Domain string `yaml:"domain"` // field with the web site or mail domain; empty: companies are not looked up
}

// Mail is the form that a mail is written into.
type Mail struct {
	Form   string `yaml:"form"`
	ID     string `yaml:"id"`
	Number string `yaml:"number"`
	// Key is the field with the key that tells one mail from another. It is best the number itself, which the site keeps unique.
	Key    string `yaml:"key"`
	Prefix string `yaml:"prefix"` // of the default names of fields
	Finish string `yaml:"finish"` // save, submit or audit
	Status string `yaml:"status"` // field with the state of a document
	// SubjectUnits and TextUnits are the lengths of their fields in UTF-16 code units, as the database counts.
	SubjectUnits int `yaml:"subject_length"`
	TextUnits    int `yaml:"text_length"`
	// Attachments uploads files; Files is then the field that remembers which are there.
	Attachments     bool            `yaml:"attachments"`
	Files           string          `yaml:"files"`
	AttachmentBytes int64           `yaml:"attachment_bytes"` // of one file
	Fields          fieldmap.Fields `yaml:"fields"`
}

// Object is a form that rules read and write.
type Object struct {
	Form     string   `yaml:"form"`
	ID       string   `yaml:"id"`
	Number   string   `yaml:"number"`
	Modified string   `yaml:"modified"` // time of the last change
	Modifier string   `yaml:"modifier"` // id of the user who made it; empty: not read
	Key      string   `yaml:"key"`      // field with the key of what rules make; empty: they make none
	Fields   []string `yaml:"fields"`   // read where a rule names none
}

const (
	defaultLocale     = 2052
	defaultConcurrent = 4 // every session works one request at a time best; sites suffer from more
	defaultSession    = 15 * time.Minute
	minSession        = 2 * time.Minute // sessions are replaced a minute before their end
	maxSession        = 24 * time.Hour
	defaultPage       = 200
	maxPage           = 2000 // commonly cited as the site's own limit
	defaultOverlap    = 5 * time.Minute
	maxOverlap        = 24 * time.Hour
	defaultSubject    = 255
	defaultText       = 50_000
	defaultAttachment = 20 << 20
	maxAttachment     = 200 << 20
	maxForms          = 100 // objects of a section
)

// defaultObjects are forms that rules ask for. Which fields a site has depends on its edition: a section may change them.
var defaultObjects = map[string]Object{
	"STK_Inventory": {
		ID: "FID", Modified: "FUpdateTime",
		Fields: []string{"FMaterialId.FNumber", "FMaterialId.FName", "FStockId.FNumber", "FStockId.FName", "FLot.FNumber", "FBaseQty"},
	},
	"SAL_SaleOrder": {
		ID: "FID", Number: "FBillNo", Modified: "FModifyDate",
		Fields: []string{"FBillNo", "FDate", "FDocumentStatus", "FCloseStatus", "FCustId.FNumber", "FCustId.FName", "FSalerId.FName"},
	},
	"PUR_PurchaseOrder": {
		ID: "FID", Number: "FBillNo", Modified: "FModifyDate",
		Fields: []string{"FBillNo", "FDate", "FDocumentStatus", "FCloseStatus", "FSupplierId.FNumber", "FSupplierId.FName"},
	},
	"AR_receivable": {
		ID: "FID", Number: "FBillNo", Modified: "FModifyDate",
		Fields: []string{"FBillNo", "FDate", "FDocumentStatus", "FCUSTOMERID.FNumber", "FCUSTOMERID.FName", "FENDDATE", "FALLAMOUNTFOR"},
	},
	"BD_Customer":      {ID: "FCUSTID", Number: "FNumber", Modified: "FModifyDate", Fields: []string{"FNumber", "FName"}},
	"BD_CommonContact": {ID: "FContactId", Number: "FNumber", Modified: "FModifyDate", Fields: []string{"FNumber", "FName", "FMobile"}},
}

func orElse[T comparable](v *T, otherwise T) {
	var zero T
	if *v == zero {
		*v = otherwise
	}
}

// withDefaults returns the section with what it does not say. It shares no map with c.
func (c Config) withDefaults() Config {
	orElse(&c.Login, loginSigned)
	orElse(&c.Locale, defaultLocale)
	orElse(&c.Organization, "0")
	orElse(&c.Session, config.Duration(defaultSession))
	orElse(&c.Body, bodyNamed)
	orElse(&c.Zone, "Asia/Shanghai")
	orElse(&c.PageSize, defaultPage)
	orElse(&c.Overlap, config.Duration(defaultOverlap))
	if c.SecretMask.IsZero() {
		c.SecretMask = config.NewSecret(defaultMask)
	}
	c.Contacts = slices.Clone(c.Contacts)
	if len(c.Contacts) == 0 {
		c.Contacts = []Person{{}}
	}
	for i := range c.Contacts {
		c.Contacts[i] = c.Contacts[i].withDefaults()
	}
	if c.Owners.Form != "" {
		orElse(&c.Owners.Number, "FNumber")
	}
	orElse(&c.Companies.Form, "BD_Customer")
	orElse(&c.Companies.ID, "FCUSTID")
	orElse(&c.Companies.Name, "FName")
	c.Mail = c.Mail.withDefaults()
	given := c.Objects
	c.Objects = maps.Clone(defaultObjects)
	for name, o := range given {
		c.Objects[name] = o
	}
	for name, o := range c.Objects {
		orElse(&o.Form, name)
		was := defaultObjects[o.Form]
		orElse(&o.ID, was.ID)
		orElse(&o.ID, "FID")
		orElse(&o.Number, was.Number)
		orElse(&o.Modified, was.Modified)
		orElse(&o.Modified, "FModifyDate")
		if len(o.Fields) == 0 {
			o.Fields = was.Fields
		}
		c.Objects[name] = o
	}
	return c
}

func (p Person) withDefaults() Person {
	orElse(&p.Form, "BD_CommonContact")
	if p.Form == "BD_CommonContact" {
		orElse(&p.ID, "FContactId")
		orElse(&p.Mobile, "FMobile")
	}
	orElse(&p.Kind, crmclient.KindContact)
	orElse(&p.Number, "FNumber")
	orElse(&p.Name, "FName")
	orElse(&p.Address, "FEMail")
	return p
}

// creating are the fields of a person who is made where the section names none.
func (p Person) creating() fieldmap.Fields {
	return fieldmap.Fields{p.Name: fieldmap.From("name"), p.Address: fieldmap.From("address")}
}

func (m Mail) withDefaults() Mail {
	orElse(&m.ID, "FID")
	orElse(&m.Number, "FBillNo")
	orElse(&m.Key, m.Number)
	orElse(&m.Prefix, "F_HG_")
	orElse(&m.Finish, finishSave)
	orElse(&m.Status, "FDocumentStatus")
	orElse(&m.SubjectUnits, defaultSubject)
	orElse(&m.TextUnits, defaultText)
	orElse(&m.AttachmentBytes, defaultAttachment)
	if m.Attachments {
		orElse(&m.Files, m.Prefix+"Files")
	}
	return m
}

// defaults are the fields of a mail. The form is made by the customer, who gives them these names or maps others.
func (m Mail) defaults(zone string) fieldmap.Fields {
	f := func(name string) string { return m.Prefix + name }
	comma := fieldmap.Join(", ")
	const short = 255 // what a text field has unless somebody changes it
	return fieldmap.Fields{
		f("Subject"):     fieldmap.From("subject"),
		f("Text"):        fieldmap.FirstOf([]string{"text", "text_unquoted"}),
		f("From"):        fieldmap.From("from", fieldmap.Cut(short)),
		f("To"):          fieldmap.From("to", comma, fieldmap.Cut(short)),
		f("CC"):          fieldmap.From("cc", comma, fieldmap.Cut(short)),
		f("BCC"):         fieldmap.From("bcc_addresses", comma, fieldmap.Cut(short)),
		f("Date"):        fieldmap.From("date", fieldmap.Date(fieldmap.DateTime, zone)),
		f("Direction"):   fieldmap.From("direction"),
		f("MessageID"):   fieldmap.From("message_id", fieldmap.Cut(short)),
		f("Thread"):      fieldmap.From("thread", fieldmap.Cut(short)),
		f("Accounts"):    fieldmap.From("accounts", comma, fieldmap.Cut(short)),
		f("Attachments"): fieldmap.From("attachments", comma, fieldmap.Cut(short)),
	}
}

// fieldName is what may stand in a filter: names, and properties of references behind dots.
var fieldName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,79}(\.[A-Za-z_][A-Za-z0-9_]{0,79}){0,4}$`)

// formName is the id of a form.
var formName = regexp.MustCompile(`^[A-Za-z0-9_]{1,80}$`)

// Validate returns all that is wrong with the section. It uses neither network nor files.
func (c Config) Validate() error {
	c = c.withDefaults()
	v := &mistakes{}
	if err := c.Settings.Validate(); err != nil {
		v.errs = append(v.errs, err)
	}
	v.credentials(c)
	if c.Session.D() < minSession || c.Session.D() > maxSession {
		v.bad("session must be between %s and %s", minSession, maxSession)
	}
	if c.PageSize < 1 || c.PageSize > maxPage {
		v.bad("page_size must be between 1 and %d", maxPage)
	}
	if c.Overlap.D() < 0 || c.Overlap.D() > maxOverlap {
		v.bad("overlap must be between 0 and %s", maxOverlap)
	}
	if _, err := time.LoadLocation(c.Zone); err != nil {
		v.bad("zone: %q is not a time zone, such as Asia/Shanghai", c.Zone)
	}
	for i, p := range c.Contacts {
		where := fmt.Sprintf("contacts[%d]", i)
		v.form(where, p.Form)
		v.fields(where, map[string]string{"id": p.ID, "name": p.Name, "address": p.Address, "number": p.Number})
		v.optional(where, map[string]string{"company": p.Company, "phone": p.Phone, "mobile": p.Mobile, "title": p.Title, "owner": p.Owner, "modified": p.Changed})
		v.mapping(fieldmap.New(where+".fields", fieldmap.ContactSources(), p.creating(), p.Fields))
	}
	if o := c.Owners; o.Form != "" {
		v.form("owners", o.Form)
		v.fields("owners", map[string]string{"number": o.Number, "address": o.Address})
	}
	v.form("companies", c.Companies.Form)
	v.fields("companies", map[string]string{"id": c.Companies.ID, "name": c.Companies.Name})
	v.optional("companies", map[string]string{"domain": c.Companies.Domain})
	v.mail(c)
	if len(c.Objects) > maxForms {
		v.bad("objects: more than %d", maxForms)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Objects)) {
		o, where := c.Objects[name], "objects."+name
		v.form(where, o.Form)
		v.fields(where, map[string]string{"id": o.ID, "modified": o.Modified})
		v.optional(where, map[string]string{"number": o.Number, "modifier": o.Modifier, "key": o.Key})
		for _, f := range o.Fields {
			v.optional(where, map[string]string{"fields": f})
		}
	}
	return errors.Join(v.errs...)
}

type mistakes struct{ errs []error }

func (v *mistakes) bad(format string, args ...any) {
	v.errs = append(v.errs, fmt.Errorf(format, args...))
}

func (v *mistakes) form(where, form string) {
	if !formName.MatchString(form) {
		v.bad("%s: form %q is not the id of a form, such as BD_Customer", where, form)
	}
}

func (v *mistakes) fields(where string, fields map[string]string) {
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		if !fieldName.MatchString(fields[key]) {
			v.bad("%s: %s: %q is not the name of a field, such as FName or FCustId.FName", where, key, fields[key])
		}
	}
}

func (v *mistakes) optional(where string, fields map[string]string) {
	given := maps.Clone(fields)
	maps.DeleteFunc(given, func(_, f string) bool { return f == "" })
	v.fields(where, given)
}

func (v *mistakes) mapping(_ *fieldmap.Map, err error) {
	if err != nil {
		v.errs = append(v.errs, err)
	}
}

func (v *mistakes) oneOf(key, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		v.bad("%s must be one of %s", key, strings.Join(allowed, ", "))
	}
}

func (v *mistakes) credentials(c Config) {
	for _, f := range []struct{ key, value, what string }{
		{"account_id", c.AccountID, "the id of the data centre"},
		{"user", c.User, "the name of the integration's user"},
		{"app_id", c.AppID, "the id of the application in 第三方系统登录授权"},
		{"app_secret", c.AppSecret.Reveal(), "the secret of the application"},
	} {
		if f.value == "" {
			v.bad("%s is missing: give %s", f.key, f.what)
		}
	}
	v.oneOf("login", c.Login, loginSigned, loginSignSHA1, loginAppSecret, loginHeaders)
	v.oneOf("body", c.Body, bodyNamed, bodyPositional, bodyWrapped)
	if c.Login == loginHeaders && c.AppID != "" {
		if _, _, err := clientSecret(c.AppID, c.SecretMask.Reveal()); err != nil {
			v.bad("login: headers: %w", err)
		}
	}
}

func (v *mistakes) mail(c Config) {
	m := c.Mail
	if m.Form == "" {
		v.bad("mail: form is missing: give the id of the form that a mail is written into, made in BOS 设计器")
	} else {
		v.form("mail", m.Form)
	}
	v.fields("mail", map[string]string{"id": m.ID, "number": m.Number, "key": m.Key, "status": m.Status})
	v.optional("mail", map[string]string{"files": m.Files})
	v.oneOf("mail: finish", m.Finish, finishSave, finishSubmit, finishAudit)
	if m.SubjectUnits < 1 || m.TextUnits < 1 {
		v.bad("mail: subject_length and text_length must be positive")
	}
	if m.AttachmentBytes < 1 || m.AttachmentBytes > maxAttachment {
		v.bad("mail: attachment_bytes must be between 1 and %d", maxAttachment)
	}
	v.mapping(fieldmap.New("mail.fields", mailSources(), m.defaults(c.Zone), m.Fields))
}
