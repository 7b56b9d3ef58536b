package zoho_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
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
	clientID     = "1000.CLIENT"
	clientSecret = "client-s3cr3t-of-the-console"
	refreshToken = "1000.refresh-s3cr3t"
	accessPrefix = "1000.access-s3cr3t-"
	notifyToken  = "notify-s3cr3t-0123456789"
	firstID      = 5_545_974_000_000_100_000
	selfID       = "5545974000000000001"
	wangID       = "5545974000000000002"
)

// column is a field of a module in the fake's metadata.
type column struct {
	name, kind       string
	length           int
	required, unique bool
	readOnly         bool
}

// zohoFake is Zoho CRM as the specification says, and strict: what it does not know fails the test.
type zohoFake struct {
	t        *testing.T
	accounts *httptest.Server // on another host, as in life

	mu        sync.Mutex // guards all below
	columns   map[string][]column
	rows      map[string]map[string]map[string]any
	deleted   map[string][]map[string]any
	emails    []email
	files     map[string]string              // name by id
	attached  map[string][]map[string]string // by module/id
	uploads   int
	nextID    int
	tokens    int
	live      string            // the access token that is good
	apiDomain string            // of the token answer
	denied    map[string]string // code by prefix of the path below /crm/v8
	refuse    map[string]any    // answer to token requests instead of a token
	watches   []map[string]any
	watchLog  []string
	now       func() time.Time
	available bool              // what email_available says of an e-mail that is stored
	contents  map[string][]byte // of files
}

type email struct {
	module, id string
	fields     map[string]any
}

func newFake(t *testing.T) *zohoFake {
	f := &zohoFake{
		t: t, rows: map[string]map[string]map[string]any{}, deleted: map[string][]map[string]any{}, files: map[string]string{},
		attached: map[string][]map[string]string{}, contents: map[string][]byte{}, denied: map[string]string{}, nextID: 1, available: true, now: time.Now,
	}
	people := []column{
		{"First_Name", "text", 40, false, false, false},
		{"Last_Name", "text", 80, true, false, false},
		{"Full_Name", "text", 120, false, false, true},
		{"Email", "email", 100, false, true, false},
		{"Secondary_Email", "email", 100, false, false, false},
		{"Title", "text", 100, false, false, false},
		{"Phone", "phone", 30, false, false, false},
		{"Mobile", "phone", 30, false, false, false},
	}
	always := []column{
		{"Owner", "ownerlookup", 0, false, false, false},
		{"Modified_Time", "datetime", 0, false, false, true},
		{"Modified_By", "ownerlookup", 0, false, false, true},
		{"Created_Time", "datetime", 0, false, false, true},
	}
	f.columns = map[string][]column{
		"Contacts": append(slices.Clone(people), column{name: "Account_Name", kind: "lookup"}),
		"Leads":    append(slices.Clone(people), column{name: "Company", kind: "text", length: 200, required: true}),
		"Accounts": {{name: "Account_Name", kind: "text", length: 200, required: true}, {name: "Website", kind: "website", length: 450}},
		"Deals":    {{name: "Deal_Name", kind: "text", length: 120, required: true}, {name: "Amount", kind: "currency"}, {name: "Stage", kind: "picklist"}, {name: "Mail_Key", kind: "text", length: 255, unique: true}},
		"Tasks": {
			{name: "Subject", kind: "text", length: 255, required: true},
			{name: "Description", kind: "textarea", length: 32000},
			{name: "Status", kind: "picklist"},
			{name: "Due_Date", kind: "date"},
			{name: "Who_Id", kind: "lookup"},
			{name: "What_Id", kind: "lookup"},
			{name: "$se_module", kind: "text", length: 50},
			{name: "Mail_Key", kind: "text", length: 255, unique: true},
			{name: "Mail_Thread", kind: "text", length: 255},
			{name: "Mail_Accounts", kind: "textarea", length: 2000},
			{name: "Mail_Bcc", kind: "textarea", length: 2000},
		},
		"Cases": {
			{name: "Subject", kind: "text", length: 255, required: true},
			{name: "Description", kind: "textarea", length: 32000},
			{name: "Status", kind: "picklist", required: true},
			{name: "Case_Origin", kind: "picklist", required: true},
			{name: "Priority", kind: "picklist"},
			{name: "Email", kind: "email", length: 100},
			{name: "Reported_By", kind: "text", length: 50},
			{name: "Related_To", kind: "lookup"},
			{name: "Ticket_Key", kind: "text", length: 255, unique: true},
			{name: "Product_Line", kind: "text", length: 50},
		},
	}
	for module := range f.columns {
		f.columns[module] = append(f.columns[module], always...)
		f.rows[module] = map[string]map[string]any{}
	}
	f.rows["Contacts"][defaultID] = map[string]any{"id": defaultID, "Last_Name": "Unknown senders", "Full_Name": "Unknown senders"}
	f.accounts = httptest.NewServer(http.HandlerFunc(f.serveToken))
	t.Cleanup(f.accounts.Close)
	return f
}

const defaultID = "5545974000000000100"

func (f *zohoFake) serveToken(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.Method != http.MethodPost || r.URL.Path != "/oauth/v2/token" || r.ParseForm() != nil {
		f.t.Errorf("token endpoint: %s %s", r.Method, r.URL.Path)
	}
	if f.refuse != nil {
		answer(w, http.StatusOK, f.refuse) // Zoho tells these in a 200
		return
	}
	switch {
	case r.PostForm.Get("grant_type") != "refresh_token":
		answer(w, http.StatusOK, map[string]any{"error": "unsupported_grant_type"})
	case r.PostForm.Get("client_id") != clientID || r.PostForm.Get("client_secret") != clientSecret:
		answer(w, http.StatusOK, map[string]any{"error": "invalid_client"})
	case r.PostForm.Get("refresh_token") != refreshToken:
		answer(w, http.StatusOK, map[string]any{"error": "invalid_code"})
	default:
		f.tokens++
		f.live = accessPrefix + strconv.Itoa(f.tokens)
		domain := f.apiDomain
		if domain == "" {
			domain = "https://www.zohoapis.com.cn"
		}
		answer(w, http.StatusOK, map[string]any{"access_token": f.live, "expires_in": 3600, "api_domain": domain, "token_type": "Bearer"})
	}
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func fail(w http.ResponseWriter, status int, code string, details map[string]any) {
	if details == nil {
		details = map[string]any{}
	}
	answer(w, status, map[string]any{"code": code, "message": "told by Zoho", "status": "error", "details": details})
}

var (
	recordPath = regexp.MustCompile(`^/([A-Za-z_]+)/(\d+)$`)
	actionPath = regexp.MustCompile(`^/([A-Za-z_]+)/(\d+)/actions/associate_email$`)
	filesPath  = regexp.MustCompile(`^/([A-Za-z_]+)/(\d+)/Attachments$`)
)

// ServeHTTP is the API host.
func (f *zohoFake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	path, ok := strings.CutPrefix(r.URL.Path, "/crm/v8")
	if !ok {
		f.t.Errorf("path %s is not of the API", r.URL.Path)
		fail(w, http.StatusNotFound, "INVALID_URL_PATTERN", nil)
		return
	}
	token, zoho := strings.CutPrefix(r.Header.Get("Authorization"), "Zoho-oauthtoken ")
	if !zoho || f.live == "" || token != f.live {
		if !zoho {
			f.t.Errorf("%s: the Authorization header is not Zoho's", path)
		}
		fail(w, http.StatusUnauthorized, "INVALID_TOKEN", nil)
		return
	}
	for prefix, code := range f.denied {
		if strings.HasPrefix(path, prefix) {
			fail(w, http.StatusForbidden, code, map[string]any{"permissions": []string{"Crm_Implied_View"}})
			return
		}
	}
	f.route(w, r, path, body)
}

func (f *zohoFake) route(w http.ResponseWriter, r *http.Request, path string, body []byte) {
	q := r.URL.Query()
	key := r.Method + " " + path
	switch {
	case key == "GET /org":
		f.params(q)
		answer(w, 200, map[string]any{"org": []any{map[string]any{"company_name": "示例公司", "license_details": map[string]any{"paid_type": "enterprise"}}}})
	case key == "GET /users":
		f.serveUsers(w, q)
	case key == "GET /settings/fields":
		f.serveFields(w, q)
	case key == "GET /actions/email_available":
		f.serveAvailable(w, q)
	case key == "POST /coql":
		f.serveCOQL(w, f.object(r, body))
	case key == "POST /files":
		f.serveUpload(w, r, body, "")
	case strings.HasSuffix(path, "/actions/watch"):
		f.serveWatch(w, r, q, body)
	case actionPath.MatchString(path) && r.Method == http.MethodPost:
		m := actionPath.FindStringSubmatch(path)
		f.serveAssociate(w, m[1], m[2], f.object(r, body))
	case filesPath.MatchString(path):
		m := filesPath.FindStringSubmatch(path)
		f.serveAttachments(w, r, q, body, m[1]+"/"+m[2])
	case recordPath.MatchString(path):
		m := recordPath.FindStringSubmatch(path)
		f.serveRecord(w, r, q, body, m[1], m[2])
	default:
		f.serveModule(w, r, q, body, strings.Split(strings.TrimPrefix(path, "/"), "/"))
	}
}

// params fails the test for a parameter that is not among known.
func (f *zohoFake) params(q url.Values, known ...string) {
	for name := range q {
		if !slices.Contains(known, name) {
			f.t.Errorf("unknown parameter %q", name)
		}
	}
}

func (f *zohoFake) object(r *http.Request, body []byte) map[string]any {
	if r.Header.Get("Content-Type") != "application/json" {
		f.t.Errorf("%s: content type %q", r.URL.Path, r.Header.Get("Content-Type"))
	}
	var m map[string]any
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := d.Decode(&m); err != nil {
		f.t.Errorf("%s: body: %v", r.URL.Path, err)
	}
	return m
}

// keys fails the test for a key of m that is not among known.
func (f *zohoFake) keys(where string, m map[string]any, known ...string) {
	for name := range m {
		if !slices.Contains(known, name) {
			f.t.Errorf("%s: unknown key %q", where, name)
		}
	}
}

func (f *zohoFake) serveUsers(w http.ResponseWriter, q url.Values) {
	f.params(q, "type", "page", "per_page")
	self := map[string]any{"id": selfID, "email": "Gateway@example.com", "status": "active"}
	if q.Get("type") == "CurrentUser" {
		answer(w, 200, map[string]any{"users": []any{self}})
		return
	}
	if q.Get("type") != "ActiveUsers" || q.Get("per_page") != "200" {
		f.t.Errorf("users: %v", q)
	}
	users := []any{self}
	if q.Get("page") == "2" {
		users = []any{map[string]any{"id": wangID, "email": "wang@example.com", "status": "active"}}
	}
	answer(w, 200, map[string]any{"users": users, "info": map[string]any{"more_records": q.Get("page") == "1"}})
}

func (f *zohoFake) serveFields(w http.ResponseWriter, q url.Values) {
	f.params(q, "module")
	columns, ok := f.columns[q.Get("module")]
	if !ok {
		fail(w, 400, "INVALID_MODULE", nil)
		return
	}
	var out []any
	for _, c := range columns {
		unique := map[string]any{}
		if c.unique {
			unique["casesensitive"] = "0"
		}
		out = append(out, map[string]any{
			"api_name": c.name, "field_label": strings.ReplaceAll(c.name, "_", " "), "data_type": c.kind, "length": c.length,
			"system_mandatory": c.required, "read_only": c.readOnly, "field_read_only": false, "unique": unique,
		})
	}
	answer(w, 200, map[string]any{"fields": out})
}

func (f *zohoFake) serveAvailable(w http.ResponseWriter, q url.Values) {
	const parameter = "orginal_message_id" //nolint:misspell // so spelled by the vendor
	f.params(q, parameter)
	id := q.Get(parameter)
	if !strings.HasPrefix(id, "<") || !strings.HasSuffix(id, ">") {
		f.t.Errorf("original_message_id %q has no brackets", id)
	}
	out := map[string]any{"available": !f.available}
	for _, e := range f.emails {
		if e.fields["original_message_id"] == id {
			out["available"] = f.available
			out["record"] = map[string]any{"module": map[string]any{"api_name": e.module}, "id": e.id}
		}
	}
	answer(w, 200, out)
}

func (f *zohoFake) serveAssociate(w http.ResponseWriter, module, id string, body map[string]any) {
	f.keys("associate_email", body, "Emails")
	list, _ := body["Emails"].([]any)
	if len(list) != 1 || !slices.Contains([]string{"Contacts", "Leads", "Accounts", "Deals"}, module) {
		fail(w, 400, "INVALID_DATA", nil)
		return
	}
	m, _ := list[0].(map[string]any)
	f.keys("e-mail", m, "from", "to", "cc", "bcc", "subject", "content", "mail_format", "original_message_id", "sent", "date_time", "attachments", "linked_record")
	for _, name := range []string{"from", "to", "original_message_id", "sent", "date_time", "linked_record", "subject"} {
		if _, ok := m[name]; !ok {
			fail(w, 400, "REQUIRED_PARAM_MISSING", map[string]any{"param_name": name})
			return
		}
	}
	people := []any{m["from"]}
	for _, name := range []string{"to", "cc", "bcc"} {
		if m[name] != nil {
			people = append(people, m[name].([]any)...)
		}
	}
	for _, p := range people {
		who, _ := p.(map[string]any)
		f.keys("person", who, "user_name", "email")
		if text(who["user_name"]) == "" || !strings.Contains(text(who["email"]), "@") {
			f.t.Errorf("person %v needs a name and an address", p)
		}
	}
	if n := len([]rune(text(m["subject"]))); n < 1 || n > 250 {
		f.t.Errorf("subject of %d characters", n)
	}
	if _, err := time.Parse(time.RFC3339, text(m["date_time"])); err != nil || !slices.Contains([]string{"text", "html"}, text(m["mail_format"])) {
		f.t.Errorf("date %v or format %v", m["date_time"], m["mail_format"])
	}
	if linked, _ := m["linked_record"].(map[string]any); linked["id"] != id {
		f.t.Errorf("linked_record %v is not the record of the path", linked)
	}
	if files, ok := m["attachments"].([]any); ok {
		for _, a := range files {
			if f.files[text(a.(map[string]any)["id"])] == "" {
				f.t.Errorf("attachment %v was not uploaded", a)
			}
		}
	}
	if f.rows[module][id] == nil {
		fail(w, 400, "INVALID_DATA", map[string]any{"resource_path_index": 1})
		return
	}
	f.emails = append(f.emails, email{module, id, m}) // also a second time: nothing says that Zoho refuses it
	answer(w, 201, map[string]any{"Emails": []any{map[string]any{
		"code": "SUCCESS", "status": "success", "message": "associated", "details": map[string]any{"message_id": fmt.Sprintf("zm-%d", len(f.emails))},
	}}})
}

func (f *zohoFake) serveCOQL(w http.ResponseWriter, body map[string]any) {
	f.keys("coql", body, "select_query")
	defer func() {
		if why := recover(); why != nil {
			f.t.Errorf("COQL %v: %v", body["select_query"], why)
			fail(w, 400, "INVALID_QUERY", nil)
		}
	}()
	q := parseCOQL(text(body["select_query"]))
	rows, ok := f.rows[q.module]
	if !ok {
		fail(w, 400, "INVALID_QUERY", map[string]any{"reason": "module"})
		return
	}
	if len(q.fields) > 50 {
		panic("too many fields")
	}
	for _, name := range slices.Concat(q.fields, q.asked, q.order) {
		if !f.has(q.module, name) {
			fail(w, 400, "INVALID_QUERY", map[string]any{"column_name": name})
			return
		}
	}
	var found []map[string]any
	for _, r := range rows {
		if q.where(r) {
			found = append(found, r)
		}
	}
	slices.SortFunc(found, func(a, b map[string]any) int {
		for _, name := range append(q.order, "id") {
			if c := compare(text(a[name]), text(b[name])); c != 0 {
				return c
			}
		}
		return 0
	})
	f.page(w, found, q.fields, 1, q.limit)
}

func (f *zohoFake) has(module, field string) bool {
	field, _, _ = strings.Cut(field, ".")
	return field == "id" || slices.ContainsFunc(f.columns[module], func(c column) bool { return c.name == field })
}

// page answers a page of rows, or 204.
func (f *zohoFake) page(w http.ResponseWriter, rows []map[string]any, fields []string, page, size int) {
	from, to := min((page-1)*size, len(rows)), min(page*size, len(rows))
	if from == to {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	var out []any
	for _, r := range rows[from:to] {
		if len(fields) == 0 {
			out = append(out, r)
			continue
		}
		part := map[string]any{"id": r["id"]}
		for _, name := range fields {
			part[name] = r[name]
		}
		out = append(out, part)
	}
	answer(w, 200, map[string]any{"data": out, "info": map[string]any{"page": page, "per_page": size, "count": to - from, "more_records": to < len(rows)}})
}

func (f *zohoFake) newID() string {
	f.nextID++
	return strconv.Itoa(firstID + f.nextID)
}

func (f *zohoFake) Writes(r *http.Request) bool {
	return r.Method == http.MethodPost && (strings.HasSuffix(r.URL.Path, "/associate_email") || strings.HasSuffix(r.URL.Path, "/Tasks/upsert"))
}

// Records returns what became of the mails, of either kind.
func (f *zohoFake) Records(*testing.T) []crmtest.Record {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []crmtest.Record
	for _, e := range f.emails {
		id := text(e.fields["original_message_id"])
		key := strings.TrimSuffix(strings.TrimPrefix(id, "<"), "."+e.id+"@heliograph.invalid>")
		r := crmtest.Record{Key: decoded(key), Subject: text(e.fields["subject"])}
		r.Text, r.Attachments = apart(text(e.fields["content"]))
		if files, ok := e.fields["attachments"].([]any); ok {
			for _, a := range files {
				r.Attachments = append(r.Attachments, f.files[text(a.(map[string]any)["id"])])
			}
		}
		out = append(out, r)
	}
	for _, row := range f.rows["Tasks"] {
		r := crmtest.Record{Key: decoded(text(row["Mail_Key"])), Subject: text(row["Subject"]), Thread: text(row["Mail_Thread"])}
		r.Text, r.Attachments = apart(text(row["Description"]))
		r.Accounts, r.BCC = words(row["Mail_Accounts"]), words(row["Mail_Bcc"])
		for _, a := range f.attached["Tasks/"+text(row["id"])] {
			r.Attachments = append(r.Attachments, a["File_Name"])
		}
		out = append(out, r)
	}
	return out
}

// decoded returns the key that was written in base64.
func decoded(key string) string {
	coded, ok := strings.CutPrefix(key, "b64.")
	if !ok {
		return key
	}
	raw, _ := base64.RawURLEncoding.DecodeString(coded)
	return string(raw)
}

func words(v any) []string {
	if text(v) == "" {
		return nil
	}
	return strings.Split(text(v), ", ")
}

var leftLine = regexp.MustCompile(`(?m)^- (.*) \(\d+ bytes\): `)

// apart takes the text and the list of files behind it apart.
func apart(body string) (words string, files []string) {
	words, notice, _ := strings.Cut(body, "\n\n-- \nFiles that are not in the CRM:")
	for _, m := range leftLine.FindAllStringSubmatch(notice, -1) {
		files = append(files, m[1])
	}
	return words, files
}

// AddContact makes a contact, as a user of Zoho does.
func (f *zohoFake) AddContact(_ *testing.T, name, address string) { f.add("Contacts", name, address) }

func (f *zohoFake) add(module, name, address string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	id := f.newID()
	f.rows[module][id] = map[string]any{
		"id": id, "Last_Name": name, "Full_Name": name, "Email": address, "Modified_Time": f.stamp(),
		"Owner": map[string]any{"id": wangID, "name": "Wang", "email": "wang@example.com"}, "Modified_By": map[string]any{"id": wangID, "name": "Wang"},
	}
	return id
}

func (f *zohoFake) set(module, id string, fields map[string]any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	row := maps.Clone(f.rows[module][id])
	if row == nil {
		row = map[string]any{"id": id}
	}
	maps.Copy(row, fields)
	row["Modified_Time"], row["Modified_By"] = f.stamp(), map[string]any{"id": wangID, "name": "Wang"}
	f.rows[module][id] = row
}
