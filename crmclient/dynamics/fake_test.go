package dynamics_test

import (
	"encoding/json"
	"fmt"
	"html"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"heliograph/crmclient/crmtest"
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

func (f *fake) newID() string {
	f.seq++
	return fmt.Sprintf("10000000-0000-0000-0000-%012x", f.seq)
}

func (f *fake) insert(r *http.Request, t *ftable, fields map[string]any) (int, any, *apiFault) {
	if t.denied {
		return 0, nil, bad(403, "0x80040220", "Principal user is missing prvCreate%s privilege", t.name)
	}
	if t.name == "incident" {
		_, a := fields["customerid_contact@odata.bind"]
		_, b := fields["customerid_account@odata.bind"]
		if !a && !b {
			return 0, nil, bad(400, "0x80048d19", "You should specify a parent contact or account.")
		}
	}
	row := map[string]any{}
	if fault := f.set(t, row, fields, true); fault != nil {
		return 0, nil, fault
	}
	t.put(f.newID(), row)
	if r.Header.Get("Prefer") == "return=representation" {
		return 201, f.shown(t, row, slices.Collect(maps.Keys(t.columns)), ""), nil
	}
	return 204, nil, nil
}

var bindForm = regexp.MustCompile(`^/([a-z]+)\(([0-9a-f-]{36})\)$`)

// bound checks a reference and returns the id.
func (f *fake) bound(v any) (string, *apiFault) {
	s, _ := v.(string)
	m := bindForm.FindStringSubmatch(s)
	if m == nil {
		return "", bad(400, "0x80048d19", "not a reference: %v", v)
	}
	set := m[1]
	if set == "activitypointers" {
		set = "emails"
	}
	if t := f.tables[set]; t == nil || t.rows[m[2]] == nil {
		return "", bad(404, "0x80040217", "%s With Id = %s Does Not Exist", m[1], m[2])
	}
	return m[2], nil
}

// set writes fields into a row, after it has checked all of them.
func (f *fake) set(t *ftable, row, fields map[string]any, fresh bool) *apiFault {
	next := map[string]any{}
	for name, v := range fields {
		plain, isBind := strings.CutSuffix(name, "@odata.bind")
		if isBind {
			id, fault := f.bound(v)
			if fault != nil {
				return fault
			}
			column := map[string]string{"customerid_contact": "customerid", "customerid_account": "customerid", "objectid_activitypointer": "objectid"}[plain]
			if strings.HasPrefix(plain, "regardingobjectid_") && strings.HasSuffix(plain, f.regards) {
				column = "regardingobjectid"
			}
			if plain == "ownerid" {
				column = "ownerid"
			}
			if column == "" {
				return bad(400, "0x80048d19", "An undeclared property '%s' which only has property annotations in the payload", plain)
			}
			next[column] = id
			continue
		}
		if name == "email_activity_parties" && t.name == "email" && fresh {
			if fault := f.parties(v); fault != nil {
				return fault
			}
			next["parties"] = v
			continue
		}
		value, fault := typed(t, name, v)
		if fault != nil {
			return fault
		}
		if name == t.alternate && !f.slow {
			for id, other := range t.rows {
				if other[name] == v && id != row[t.key] {
					return bad(412, "0x80060892", "A record that has the attribute values %s already exists.", name)
				}
			}
		}
		next[name] = value
	}
	if t.name == "email" && !fresh && row["statecode"] == 1.0 {
		for name := range next {
			if !strings.HasPrefix(name, "new_") {
				return bad(400, "0x80040203", "the email is closed")
			}
		}
	}
	if t.name == "activitymimeattachment" {
		if mail := f.tables["emails"].rows[next["objectid"].(string)]; mail["statecode"] == 1.0 {
			return bad(400, "0x80040203", "the email is closed")
		}
	}
	maps.Copy(row, next)
	if fresh && row["statecode"] == nil {
		row["statecode"] = 0.0
	}
	if _, ok := t.columns["fullname"]; ok {
		first, _ := row["firstname"].(string)
		last, _ := row["lastname"].(string)
		row["fullname"] = strings.TrimSpace(first + " " + last)
	}
	f.now = f.now.Add(time.Second)
	row["modifiedon"], row["modifiedby"] = f.now, ownUser
	return nil
}

func (f *fake) parties(v any) *apiFault {
	list, _ := v.([]any)
	for _, each := range list {
		party, _ := each.(map[string]any)
		if mask, ok := party["participationtypemask"].(float64); !ok || mask < 1 || mask > 4 || len(party) != 2 {
			return bad(400, "0x80048d19", "party: %v", party)
		}
		for name, value := range party {
			switch name {
			case "participationtypemask", "addressused":
			case "partyid_contact@odata.bind", "partyid_lead@odata.bind", "partyid_account@odata.bind", "partyid_systemuser@odata.bind":
				if _, fault := f.bound(value); fault != nil {
					return fault
				}
			default:
				return bad(400, "0x80048d19", "An undeclared property '%s'", name)
			}
		}
	}
	return nil
}

func typed(t *ftable, name string, v any) (any, *apiFault) {
	kind, ok := t.columns[name]
	if !ok {
		return nil, bad(400, "0x80048d19", "Error identified in Payload: An undeclared property '%s'", name)
	}
	wrong := bad(400, "0x80048d19", "Cannot convert the literal to the expected type Edm.%s", kind)
	if v == nil {
		return nil, nil
	}
	switch kind {
	case "String", "Memo":
		if _, ok := v.(string); !ok {
			return nil, wrong
		}
	case "Boolean":
		if _, ok := v.(bool); !ok {
			return nil, wrong
		}
	case "DateTime":
		s, _ := v.(string)
		at, err := time.Parse(time.RFC3339, s)
		if err != nil {
			return nil, wrong
		}
		return at.UTC(), nil
	case "Picklist", "State", "Status", "Decimal":
		if _, ok := v.(float64); !ok {
			return nil, wrong
		}
	default:
		return nil, wrong
	}
	return v, nil
}

// columnOf returns the column of a property: lookups are read as _name_value.
func (t *ftable) columnOf(property string) (string, bool) {
	if inner, ok := strings.CutPrefix(property, "_"); ok && strings.HasSuffix(inner, "_value") {
		name := strings.TrimSuffix(inner, "_value")
		kind := t.columns[name]
		return name, kind == "Lookup" || kind == "Owner"
	}
	kind, ok := t.columns[property]
	return property, ok && kind != "Lookup" && kind != "Owner"
}

func (f *fake) query(r *http.Request, t *ftable) (int, any, *apiFault) {
	if t.unread {
		return 0, nil, bad(403, "0x80040220", "Principal user is missing prvRead%s privilege", t.name)
	}
	q := r.URL.Query()
	for name := range q {
		if !slices.Contains([]string{"$select", "$filter", "$expand", "$orderby", "$top", "$skiptoken"}, name) {
			f.problem("query: unknown option %s", name)
		}
	}
	columns := slices.Collect(maps.Keys(t.columns))
	if s := q.Get("$select"); s != "" {
		columns = nil
		for name := range strings.SplitSeq(s, ",") {
			column, ok := t.columnOf(name)
			if !ok {
				return 0, nil, bad(400, "0x80060888", "Could not find a property named '%s' on type 'Microsoft.Dynamics.CRM.%s'.", name, t.name)
			}
			columns = append(columns, column)
		}
	}
	keep := func(map[string]any) bool { return true }
	if s := q.Get("$filter"); s != "" {
		var err error
		keep, err = parseFilter(s, func(name string) (string, bool) {
			column, ok := t.columnOf(name)
			return t.columns[column], ok
		}, func(row map[string]any, name string) any {
			column, _ := t.columnOf(name)
			return row[column]
		})
		if err != nil {
			if !strings.Contains(err.Error(), "property") {
				f.problem("filter %s: %v", s, err)
			}
			return 0, nil, bad(400, "0x80060888", "%v", err)
		}
	}
	var rows []map[string]any
	for _, id := range t.order {
		if keep(t.rows[id]) {
			rows = append(rows, t.rows[id])
		}
	}
	sortRows(rows, q.Get("$orderby"))
	return f.page(r, t, rows, columns)
}

func sortRows(rows []map[string]any, order string) {
	slices.SortStableFunc(rows, func(a, b map[string]any) int {
		for part := range strings.SplitSeq(order, ",") {
			name, falling := strings.CutSuffix(part, " desc")
			name = strings.TrimSuffix(name, " asc")
			n := 0
			switch x := a[name].(type) {
			case string:
				n = strings.Compare(x, b[name].(string))
			case time.Time:
				n = x.Compare(b[name].(time.Time))
			}
			if falling {
				n = -n
			}
			if n != 0 {
				return n
			}
		}
		return 0
	})
}

const batchSize = 50

func (f *fake) page(r *http.Request, t *ftable, rows []map[string]any, columns []string) (int, any, *apiFault) {
	q := r.URL.Query()
	if top, err := strconv.Atoi(q.Get("$top")); err == nil {
		rows = rows[:min(len(rows), top)]
	}
	skip, _ := strconv.Atoi(q.Get("$skiptoken"))
	rows = rows[min(skip, len(rows)):]
	out := map[string]any{}
	if len(rows) > batchSize {
		rows = rows[:batchSize]
		q.Set("$skiptoken", strconv.Itoa(skip+batchSize))
		out["@odata.nextLink"] = f.url + r.URL.Path + "?" + q.Encode()
	}
	value := []any{}
	for _, row := range rows {
		value = append(value, f.shown(t, row, columns, q.Get("$expand")))
	}
	out["value"] = value
	return 200, out, nil
}

// shown is a row as the API writes it.
func (f *fake) shown(t *ftable, row map[string]any, columns []string, expand string) map[string]any {
	out := map[string]any{"@odata.etag": `W/"1"`, t.key: row[t.key]}
	for _, name := range columns {
		v := row[name]
		if at, ok := v.(time.Time); ok {
			v = at.Format("2006-01-02T15:04:05Z")
		}
		if kind := t.columns[name]; kind == "Lookup" || kind == "Owner" {
			name = "_" + name + "_value"
		}
		out[name] = v
	}
	for _, part := range strings.Split(expand, ",") {
		switch part {
		case "":
		case "owninguser($select=internalemailaddress)":
			if owner, ok := row["ownerid"].(string); ok && f.tables["systemusers"].rows[owner] != nil {
				out["owninguser"] = map[string]any{"internalemailaddress": f.tables["systemusers"].rows[owner]["internalemailaddress"]}
			}
		case "parentcustomerid_account($select=name)":
			if id, ok := row["parentcustomerid"].(string); ok && f.tables["accounts"].rows[id] != nil {
				out["parentcustomerid_account"] = map[string]any{"name": f.tables["accounts"].rows[id]["name"]}
			}
		default:
			f.problem("unknown expand %s", part)
		}
	}
	return out
}

// add puts a row without asking for rights, and returns its id.
func (f *fake) add(set string, row map[string]any) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	id := f.newID()
	f.now = f.now.Add(time.Second)
	row["modifiedon"], row["modifiedby"] = f.now, otherUser
	f.tables[set].put(id, row)
	return id
}

func (f *fake) change(body func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	body()
}

func (f *fake) rows(set string) []map[string]any {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []map[string]any
	for _, id := range f.tables[set].order {
		out = append(out, f.tables[set].rows[id])
	}
	return out
}

// Records returns the mails.
func (f *fake) Records(t *testing.T) []crmtest.Record {
	t.Helper()
	f.report(t)
	var out []crmtest.Record
	for _, row := range f.rows("emails") {
		get := func(name string) string { s, _ := row[name].(string); return s }
		body, note, _ := strings.Cut(html.UnescapeString(strings.ReplaceAll(get("description"), "<br>\n", "\n")), "\n\n-- \nFiles that are not here:\n")
		r := crmtest.Record{Key: get("new_mailkey"), Subject: get("subject"), Text: body, Accounts: list(get("new_accounts")), BCC: list(get("new_bcc")), Thread: get("new_thread")}
		for line := range strings.Lines(note) {
			name, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "- "), " (")
			r.Attachments = append(r.Attachments, name)
		}
		out = append(out, r)
	}
	return out
}

func list(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}

// AddContact puts a contact.
func (f *fake) AddContact(_ *testing.T, name, address string) {
	f.add("contacts", map[string]any{"lastname": name, "fullname": name, "emailaddress1": address})
}
