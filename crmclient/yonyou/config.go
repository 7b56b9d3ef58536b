package yonyou

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

// Config is the section of a YonBIP or YonSuite target. Its url is where the tenant's gateway is asked for.
type Config struct {
	crmclient.Settings `yaml:",inline"`
	TenantID           string        `yaml:"tenant_id"`
	AppKey             string        `yaml:"app_key"`
	AppSecret          config.Secret `yaml:"app_secret"`
	// TokenPath is that of the call for a token, which older data centres have elsewhere.
	TokenPath string `yaml:"token_path"`
	// Hosts are the domains that the gateway of a tenant may be in, besides the host of url.
	Hosts    []string          `yaml:"hosts"`
	Zone     string            `yaml:"zone"` // time zone of the tenant
	PageSize int               `yaml:"page_size"`
	Overlap  config.Duration   `yaml:"overlap"` // how far back changes are asked for again
	Leads    Leads             `yaml:"leads"`
	Mail     Mail              `yaml:"mail"`
	Owners   map[string]string `yaml:"owners"` // codes of employees by mail address, for those that the tenant does not find
	Push     Push              `yaml:"push"`
	Objects  map[string]Object `yaml:"objects"`
}

// Leads says how people are looked for and made as leads (线索).
type Leads struct {
	Find   *bool  `yaml:"find"`        // nil means true
	Source string `yaml:"source_code"` // 线索来源编码
	Type   string `yaml:"type_code"`   // 线索交易类型编码
	// Fields are what a new lead gets besides name, person and address.
	Fields fieldmap.Fields `yaml:"fields"`
}

// Mail says how a mail becomes a follow-up record (跟进记录).
type Mail struct {
	Org     string `yaml:"org_code"`    // 销售组织编码
	OrgID   string `yaml:"org"`         // its id, in place of the code
	Method  string `yaml:"method_code"` // 跟进方式编码
	Content string `yaml:"content"`     // text or html: what the tenant takes the content for
	// Length is how many characters the content may have, head lines included.
	Length int `yaml:"text_length"`
	// Fields are further fields of the record. A dot makes a field of an object inside, as in followRecordDefineCharacter.CRM01.
	Fields fieldmap.Fields `yaml:"fields"`
}

// Push says how events are signed and answered, which the vendor's documents tell in different ways.
type Push struct {
	Signature string            `yaml:"signature"` // sha1 or hmac
	Reply     string            `yaml:"reply"`     // plain or encrypted
	Events    map[string]string `yaml:"events"`    // object by the type of the event
}

// Object is a kind of record with a list and a detail call.
type Object struct {
	List   string   `yaml:"list"`   // path of the list; empty: it cannot be searched
	Detail string   `yaml:"detail"` // path of the detail; empty: it cannot be read
	Times  []string `yaml:"times"`  // fields that tell when it was made and changed
	// Filters are fields that the list compares; Equals are parameters of the list that select by a value.
	Filters []string `yaml:"filters"`
	Equals  []string `yaml:"equals"`
}

// The forms of the settings.
const (
	contentText     = "text"
	contentHTML     = "html"
	signatureSHA1   = "sha1"
	signatureHMAC   = "hmac"
	replyPlain      = "plain"
	replyEncrypted  = "encrypted"
	defaultURL      = "https://apigateway.yonyoucloud.com"
	appTokenPath    = "/open-auth/selfAppAuth/base/v1/getAccessToken" //nolint:gosec // a path is no secret
	defaultLength   = 4000
	minLength       = 2 * headRunes
	maxLength       = 1 << 20
	defaultPage     = 100
	maxPage         = 500
	defaultOverlap  = 5 * time.Minute
	maxOverlap      = 24 * time.Hour
	defaultParallel = 4
)

// defaultObjects are the lists and details that the vendor documents for its CRM.
var defaultObjects = map[string]Object{
	"clue": {
		List: "/yonbip/crm/clue/bill/list", Detail: "/yonbip/crm/clue/getbyid", Times: []string{"createTime", "modifyTime"},
		Filters: []string{"createTime", "modifyTime"}, Equals: []string{"code", "name", "source_name", "companyName"},
	},
	"followup": {List: "/yonbip/crm/followup/list", Filters: []string{"followTime"}, Equals: []string{"code"}},
	"oppt": {
		List: "/yonbip/crm/oppt/bill/list", Detail: "/yonbip/crm/oppt/getbyid", Times: []string{"createTime", "modifyTime"},
		Filters: []string{"createTime", "modifyTime"},
	},
	"contact":  {Detail: "/yonbip/crm/contact/getbyid"},
	"customer": {Detail: "/yonbip/crm/customer/getbyid"},
	"task":     {List: "/yonbip/crm/task/list", Detail: "/yonbip/crm/task/getbyid"},
}

func orElse[T comparable](v *T, otherwise T) {
	var zero T
	if *v == zero {
		*v = otherwise
	}
}

// withDefaults returns the section with what it does not say. It shares no map with c.
func (c Config) withDefaults() Config {
	orElse(&c.URL, defaultURL)
	orElse(&c.TokenPath, appTokenPath)
	orElse(&c.Zone, "Asia/Shanghai")
	orElse(&c.PageSize, defaultPage)
	orElse(&c.Overlap, config.Duration(defaultOverlap))
	orElse(&c.Mail.Content, contentText)
	orElse(&c.Mail.Length, defaultLength)
	orElse(&c.Push.Signature, signatureSHA1)
	orElse(&c.Push.Reply, replyPlain)
	if len(c.Hosts) == 0 {
		c.Hosts = []string{"yonyoucloud.com", "diwork.com"}
	}
	objects := maps.Clone(defaultObjects)
	maps.Copy(objects, c.Objects)
	c.Objects = objects
	owners := make(map[string]string, len(c.Owners))
	for address, code := range c.Owners {
		owners[strings.ToLower(address)] = code
	}
	c.Owners = owners
	return c
}

func (l Leads) find() bool { return l.Find == nil || *l.Find }

// defaults are the fields of a follow-up record.
func (c Config) defaults() fieldmap.Fields {
	f := fieldmap.Fields{
		"followContext": fieldmap.From(sourceContent),
		"followTime":    fieldmap.From("date", fieldmap.Date(fieldmap.DateTime, c.Zone)),
		"contact":       fieldmap.From(sourceContact),
		"customer":      fieldmap.From(sourceCustomer),
		"clue":          fieldmap.From(sourceLead),
		"ower_code":     fieldmap.From(sourceOwner), // sic
	}
	for name, v := range map[string]string{"org": c.Mail.OrgID, "org_code": c.Mail.Org, "followMethodDoc_code": c.Mail.Method} {
		if v != "" {
			f[name] = fieldmap.Value(v)
		}
	}
	return f
}

// leadDefaults are the fields of a new lead.
func (c Config) leadDefaults() fieldmap.Fields {
	f := fieldmap.Fields{"contactPerson": fieldmap.From("name"), "mailbox": fieldmap.From("address")}
	for name, v := range map[string]string{"source_code": c.Leads.Source, "clueType_code": c.Leads.Type, "org_code": c.Mail.Org} {
		if v != "" {
			f[name] = fieldmap.Value(v)
		}
	}
	return f
}

// apiPath is what may be called: below the gateway, without a query.
var apiPath = regexp.MustCompile(`^(/[A-Za-z0-9_.-]+){2,12}$`)

func isPath(p string) bool { return apiPath.MatchString(p) && !strings.Contains(p, "..") }

// fieldName is a field of a record.
var fieldName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,99}(\.[A-Za-z_][A-Za-z0-9_]{0,99})?$`)

// hostName is a domain without a port.
var hostName = regexp.MustCompile(`^[a-z0-9-]+(\.[a-z0-9-]+)+$`)

// Validate returns all that is wrong with the section. It uses neither network nor files.
func (c Config) Validate() error {
	c = c.withDefaults()
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	check := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	check(c.Settings.Validate())
	for _, f := range []struct{ key, value, what string }{
		{"tenant_id", c.TenantID, "the id of the tenant (租户)"},
		{"app_key", c.AppKey, "the AppKey of the self-built application"},
		{"app_secret", c.AppSecret.Reveal(), "its AppSecret"},
	} {
		if f.value == "" {
			bad("%s is missing: give %s, from 开放平台 → 自建应用", f.key, f.what)
		}
	}
	if c.Mail.Org == "" && c.Mail.OrgID == "" {
		bad("mail: org_code is missing: give the code of the sales organisation, which each follow-up record needs")
	}
	if _, err := time.LoadLocation(c.Zone); err != nil {
		bad("zone: %q is not a time zone, such as Asia/Shanghai", c.Zone)
	} else {
		_, err := fieldmap.New("mail.fields", mailSources(), c.defaults(), c.Mail.Fields)
		check(err)
	}
	_, err := fieldmap.New("leads.fields", fieldmap.ContactSources(), c.leadDefaults(), c.Leads.Fields)
	check(err)
	if c.PageSize < 1 || c.PageSize > maxPage {
		bad("page_size must be between 1 and %d", maxPage)
	}
	if c.Overlap.D() < 0 || c.Overlap.D() > maxOverlap {
		bad("overlap must be between 0 and %s", maxOverlap)
	}
	if c.Mail.Length < minLength || c.Mail.Length > maxLength {
		bad("mail: text_length must be between %d and %d", minLength, maxLength)
	}
	for key, v := range map[string][3]string{
		"mail: content":   {c.Mail.Content, contentText, contentHTML},
		"push: signature": {c.Push.Signature, signatureSHA1, signatureHMAC},
		"push: reply":     {c.Push.Reply, replyPlain, replyEncrypted},
	} {
		if !slices.Contains(v[1:], v[0]) {
			bad("%s must be %s or %s", key, v[1], v[2])
		}
	}
	for _, h := range c.Hosts {
		if !hostName.MatchString(h) {
			bad("hosts: %q is not a domain", h)
		}
	}
	if !isPath(c.TokenPath) {
		bad("token_path: %q is not a path", c.TokenPath)
	}
	errs = append(errs, c.objectMistakes()...)
	return errors.Join(errs...)
}

func (c Config) objectMistakes() []error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(c.Objects)) {
		o := c.Objects[name]
		if o.List == "" && o.Detail == "" {
			errs = append(errs, fmt.Errorf("objects.%s: neither list nor detail is given", name))
		}
		for _, p := range []string{o.List, o.Detail} {
			if p != "" && !isPath(p) {
				errs = append(errs, fmt.Errorf("objects.%s: %q is not a path, such as /yonbip/crm/clue/getbyid", name, p))
			}
		}
		for _, f := range slices.Concat(o.Times, o.Filters, o.Equals) {
			if !fieldName.MatchString(f) {
				errs = append(errs, fmt.Errorf("objects.%s: %q is not the name of a field", name, f))
			}
		}
	}
	return errs
}
