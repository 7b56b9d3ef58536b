package dynamics_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	clientID     = "00000000-0000-0000-0000-00000000c11d"
	clientSecret = "s3cr3t-of-the-app"
	tenant       = "example.onmicrosoft.com"
	apiRoot      = "/api/data/v9.2/"
	ownUser      = "00000000-0000-0000-0000-0000000000aa"
	otherUser    = "00000000-0000-0000-0000-0000000000bb"
	customer     = "00000000-0000-0000-0000-0000000000cc"
	organisation = "00000000-0000-0000-0000-0000000000dd"
)

// ftable is a table with its rows.
type ftable struct {
	name, set, key string
	columns        map[string]string // to types
	lookups        map[string]string // navigation property to table
	rows           map[string]map[string]any
	order          []string
	alternate      string
	denied         bool // creating is not allowed
	unread         bool // reading is not allowed
}

// fake is an environment. It is strict: what the specification does not know is a problem that fails the test.
type fake struct {
	login *httptest.Server

	mu       sync.Mutex // guards all below
	url      string     // of the environment, for scopes and next links
	tables   map[string]*ftable
	seq      int
	now      time.Time
	tokens   map[string]bool
	issued   int
	refusal  string
	stranger bool // the app is no application user
	problems []string
	calls    []string
	fail     func(r *http.Request) (int, string)
	regards  string // suffix of the property for what a mail regards
	slow     bool   // no alternate key: nobody refuses a second row
}

func newFake(t *testing.T) *fake {
	f := &fake{tables: map[string]*ftable{}, tokens: map[string]bool{}, now: time.Date(2026, 3, 4, 8, 0, 0, 0, time.UTC), regards: "_email"}
	add := func(name, set, key string, columns map[string]string, lookups map[string]string) *ftable {
		maps.Copy(columns, map[string]string{key: "Uniqueidentifier", "modifiedon": "DateTime", "modifiedby": "Lookup", "ownerid": "Owner", "owninguser": "Lookup", "statecode": "State", "statuscode": "Status"})
		tb := &ftable{name: name, set: set, key: key, columns: columns, lookups: lookups, rows: map[string]map[string]any{}}
		f.tables[set] = tb
		return tb
	}
	add("email", "emails", "activityid", map[string]string{
		"subject": "String", "description": "Memo", "directioncode": "Boolean", "messageid": "String", "actualend": "DateTime", "regardingobjectid": "Lookup",
		"new_heliographkey": "String", "new_mailkey": "String", "new_accounts": "String", "new_bcc": "String", "new_thread": "String",
	}, nil).alternate = "new_heliographkey"
	person := map[string]string{"firstname": "String", "lastname": "String", "fullname": "String", "emailaddress1": "String", "emailaddress2": "String"}
	contact, lead := maps.Clone(person), maps.Clone(person)
	contact["parentcustomerid"], contact["originatingleadid"] = "Lookup", "Lookup"
	lead["companyname"], lead["subject"] = "String", "String"
	add("contact", "contacts", "contactid", contact, map[string]string{"parentcustomerid_account": "accounts"})
	add("lead", "leads", "leadid", lead, nil)
	add("account", "accounts", "accountid", map[string]string{"name": "String", "websiteurl": "String", "emailaddress1": "String", "emailaddress2": "String"}, nil)
	add("systemuser", "systemusers", "systemuserid", map[string]string{"internalemailaddress": "String", "isdisabled": "Boolean"}, nil)
	add("team", "teams", "teamid", map[string]string{"name": "String"}, nil)
	add("incident", "incidents", "incidentid", map[string]string{
		"title": "String", "description": "Memo", "prioritycode": "Picklist", "customerid": "Lookup", "new_heliographkey": "String", "new_ticketkey": "String",
	}, nil).alternate = "new_heliographkey"
	add("deal", "deals", "dealid", map[string]string{"name": "String", "new_amount": "Decimal", "new_heliographkey": "String"}, nil).alternate = "new_heliographkey"
	add("activitymimeattachment", "activitymimeattachments", "activitymimeattachmentid", map[string]string{
		"filename": "String", "mimetype": "String", "subject": "String", "body": "Memo", "objecttypecode": "String", "objectid": "Lookup",
	}, nil)
	f.tables["systemusers"].put(ownUser, map[string]any{"internalemailaddress": "app@example.com", "isdisabled": false})
	f.tables["accounts"].put(customer, map[string]any{"name": "Everybody"})
	f.login = httptest.NewServer(http.HandlerFunc(f.serveToken))
	t.Cleanup(func() {
		f.login.Close()
		f.report(t)
	})
	return f
}

func (t *ftable) put(id string, row map[string]any) {
	row[t.key] = id
	if _, ok := t.rows[id]; !ok {
		t.order = append(t.order, id)
	}
	t.rows[id] = row
}

func (f *fake) report(t *testing.T) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.problems {
		t.Error(p)
	}
	f.problems = nil
}

func (f *fake) problem(format string, args ...any) {
	f.problems = append(f.problems, fmt.Sprintf(format, args...))
}

func (f *fake) serveToken(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	f.mu.Lock()
	defer f.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	refuse := func(status int, code string) {
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": code, "error_description": "AADSTS700016"})
	}
	form := r.PostForm
	if r.URL.Path != "/"+tenant+"/oauth2/v2.0/token" {
		refuse(400, "invalid_request")
		return
	}
	if form.Get("grant_type") != "client_credentials" || form.Get("scope") != f.url+"/.default" || len(form) != 4 {
		f.problem("token endpoint: grant %q, scope %q, %d fields", form.Get("grant_type"), form.Get("scope"), len(form))
	}
	if f.refusal != "" || form.Get("client_id") != clientID || form.Get("client_secret") != clientSecret {
		refuse(401, "invalid_client")
		return
	}
	f.issued++
	token := fmt.Sprintf("eyJ.s3cr3t-token-%d", f.issued)
	f.tokens[token] = true
	_ = json.NewEncoder(w).Encode(map[string]any{"access_token": token, "token_type": "Bearer", "expires_in": 3599})
}

// Writes says whether the request is the one that makes the record of a mail.
func (f *fake) Writes(r *http.Request) bool { return posts(r, "emails") }

func posts(r *http.Request, set string) bool {
	return r.Method == http.MethodPost && r.URL.Path == apiRoot+set
}

type apiFault struct {
	status     int
	code, text string
}

func bad(status int, code, format string, args ...any) *apiFault {
	return &apiFault{status, code, fmt.Sprintf(format, args...)}
}

var knownHeaders = []string{
	"Authorization", "Accept", "Accept-Encoding", "Content-Length", "Content-Type", "User-Agent", "X-Request-Id", "Odata-Version", "Odata-Maxversion", "Prefer", "If-Match",
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, r.Method+" "+r.URL.Path)
	for name := range r.Header {
		if !slices.Contains(knownHeaders, name) {
			f.problem("%s %s: unknown header %s", r.Method, r.URL.Path, name)
		}
	}
	if r.Header.Get("OData-Version") != "4.0" || len(body) > 0 && r.Header.Get("Content-Type") != "application/json" {
		f.problem("%s %s: headers %v", r.Method, r.URL.Path, r.Header)
	}
	status, out := f.answer(r, body)
	w.Header().Set("Content-Type", "application/json; odata.metadata=minimal")
	w.WriteHeader(status)
	if status != http.StatusNoContent {
		_ = json.NewEncoder(w).Encode(out)
	}
}

func (f *fake) answer(r *http.Request, body []byte) (int, any) {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	var status int
	var out any
	var fault *apiFault
	path, ok := strings.CutPrefix(r.URL.Path, apiRoot)
	switch {
	case !f.tokens[token]:
		return 401, map[string]any{}
	case f.stranger:
		fault = bad(403, "0x80072560", "The user is not a member of the organization.")
	case !ok:
		fault = bad(404, "", "Resource not found")
	default:
		if f.fail != nil {
			if status, text := f.fail(r); status != 0 {
				return status, json.RawMessage(text)
			}
		}
		status, out, fault = f.route(r, path, body)
	}
	if fault != nil {
		return fault.status, map[string]any{"error": map[string]any{"code": fault.code, "message": fault.text}}
	}
	return status, out
}

var (
	rowPath    = regexp.MustCompile(`^([a-z]+)\(([0-9a-f-]{36})\)$`)
	entityPath = regexp.MustCompile(`^EntityDefinitions\(LogicalName='([A-Za-z0-9_]+)'\)(/[A-Za-z]+)?$`)
)

func (f *fake) route(r *http.Request, path string, body []byte) (int, any, *apiFault) {
	fields := map[string]any{}
	if len(body) > 0 {
		if err := json.Unmarshal(body, &fields); err != nil {
			return 0, nil, bad(400, "0x80048d19", "Error identified in Payload")
		}
	}
	if path == "WhoAmI()" && r.Method == http.MethodGet {
		return 200, map[string]any{"UserId": ownUser, "OrganizationId": organisation}, nil
	}
	if m := entityPath.FindStringSubmatch(path); m != nil && r.Method == http.MethodGet {
		return f.metadata(r, m[1], m[2])
	}
	if t, ok := f.tables[path]; ok {
		switch r.Method {
		case http.MethodGet:
			return f.query(r, t)
		case http.MethodPost:
			return f.insert(r, t, fields)
		}
	}
	if m := rowPath.FindStringSubmatch(path); m != nil && f.tables[m[1]] != nil {
		return f.row(r, f.tables[m[1]], m[2], fields)
	}
	if !strings.Contains(path, "(") && r.Method == http.MethodGet {
		return 0, nil, bad(404, "0x80060888", "Resource not found for the segment '%s'.", path)
	}
	f.problem("unknown path %s %s", r.Method, path)
	return 0, nil, bad(404, "0x80060888", "Resource not found")
}

func (f *fake) row(r *http.Request, t *ftable, id string, fields map[string]any) (int, any, *apiFault) {
	row, there := t.rows[id]
	missing := bad(404, "0x80040217", "%s With Id = %s Does Not Exist", t.name, id)
	switch r.Method {
	case http.MethodPatch:
		if r.Header.Get("If-Match") != "*" {
			f.problem("PATCH without If-Match makes rows")
		}
		if !there {
			return 0, nil, missing
		}
		if fault := f.set(t, row, fields, false); fault != nil {
			return 0, nil, fault
		}
		return 204, nil, nil
	case http.MethodDelete:
		if !there {
			return 0, nil, missing
		}
		delete(t.rows, id)
		t.order = slices.DeleteFunc(t.order, func(o string) bool { return o == id })
		return 204, nil, nil
	case http.MethodGet:
		if !there {
			return 0, nil, missing
		}
		return 200, f.shown(t, row, slices.Collect(maps.Keys(t.columns)), ""), nil
	}
	f.problem("unknown method %s %s", r.Method, r.URL.Path)
	return 0, nil, missing
}

func (f *fake) metadata(r *http.Request, name, part string) (int, any, *apiFault) {
	var t *ftable
	for _, each := range f.tables {
		if each.name == name {
			t = each
		}
	}
	if t == nil {
		return 0, nil, bad(404, "0x80060888", "Could not find an entity with name %s", name)
	}
	switch part {
	case "":
		return 200, map[string]any{"EntitySetName": t.set, "PrimaryIdAttribute": t.key}, nil
	case "/Keys":
		keys := []any{}
		if t.alternate != "" {
			keys = append(keys, map[string]any{"KeyAttributes": []any{t.alternate}})
		}
		return 200, map[string]any{"value": keys}, nil
	case "/OneToManyRelationships":
		if r.URL.Query().Get("$filter") != "ReferencingEntity eq 'email' and ReferencingAttribute eq 'regardingobjectid'" {
			f.problem("relationships: %v", r.URL.Query())
		}
		return 200, map[string]any{"value": []any{map[string]any{"ReferencingEntityNavigationPropertyName": "regardingobjectid_" + name + f.regards}}}, nil
	case "/Attributes":
		value := []any{}
		for _, c := range slices.Sorted(maps.Keys(t.columns)) {
			level := "None"
			if c == "ownerid" {
				level = "SystemRequired"
			}
			writes := c != "modifiedon" && c != "modifiedby" && c != t.key && c != "fullname"
			value = append(value, map[string]any{
				"LogicalName": c, "AttributeType": t.columns[c], "RequiredLevel": map[string]any{"Value": level},
				"IsValidForCreate": writes, "IsValidForUpdate": writes, "IsValidForRead": c != "body",
			})
		}
		return 200, map[string]any{"value": value}, nil
	}
	f.problem("unknown metadata %s", part)
	return 0, nil, bad(404, "", "no")
}
