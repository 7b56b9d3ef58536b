package salesforce_test

import (
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	clientID     = "3MVG9consumer"
	clientSecret = "s3cr3t-consumer-secret"
	apiRoot      = "/services/data/v62.0"
	orgID        = "00D000000000001AAA"
	ownUserID    = "005000000000001AAA"
)

// ffield is a field of an object.
type ffield struct {
	kind     string // string, longtext, boolean, datetime, date, double, id, idlist
	length   int
	readOnly bool
	required bool
	external bool
	unique   bool
}

// ftable is an object with its records.
type ftable struct {
	prefix string
	fields map[string]ffield
	rows   map[string]map[string]any
	order  []string
	frozen bool // only custom fields can be changed
	closed bool // the user may not create records
}

// fake is an organisation. It is strict: what the specification does not know is a problem that fails the test.
type fake struct {
	login *httptest.Server

	mu       sync.Mutex // guards all below
	instance string
	tables   map[string]*ftable
	seq      int
	now      time.Time
	tokens   map[string]bool
	issued   int
	public   *rsa.PublicKey // of the JWT; nil: client credentials only
	refusal  string         // error of the token endpoint
	used     int
	most     int
	pages    map[string][]map[string]any
	problems []string
	calls    []string // method and path
	block    string   // id that the duplicate rule finds
	fail     func(r *http.Request) (status int, body string)
	bodiless bool // upserts answer without a body
}

const batchSize = 120

func text(n int) ffield { return ffield{kind: "string", length: n} }

func newFake(t *testing.T) *fake {
	f := &fake{
		tables: map[string]*ftable{}, tokens: map[string]bool{}, pages: map[string][]map[string]any{}, most: 100_000,
		now: time.Date(2026, 3, 4, 8, 0, 0, 0, time.UTC),
	}
	key := ffield{kind: "string", length: 64, external: true, unique: true}
	f.table("EmailMessage", "02s", map[string]ffield{
		"Subject": text(3000), "TextBody": {kind: "longtext", length: 32000}, "HtmlBody": {kind: "longtext", length: 32000},
		"FromAddress": text(1000), "FromName": text(1000), "ToAddress": {kind: "longtext", length: 4000}, "CcAddress": {kind: "longtext", length: 4000},
		"BccAddress": {kind: "longtext", length: 4000}, "ToIds": {kind: "idlist"}, "CcIds": {kind: "idlist"}, "BccIds": {kind: "idlist"},
		"Incoming": {kind: "boolean"}, "MessageDate": {kind: "datetime"}, "Status": text(40), "MessageIdentifier": text(255),
		"ThreadIdentifier": text(255), "RelatedToId": {kind: "id"}, "ParentId": {kind: "id"}, "Headers": {kind: "longtext", length: 32000},
		"Heliograph_Key__c": key, "Mail_Key__c": text(255), "Accounts__c": text(255), "Bcc__c": text(255), "Thread__c": text(255),
	}).frozen = true
	f.table("EmailMessageRelation", "0Fz", map[string]ffield{
		"EmailMessageId": {kind: "id", required: true}, "RelationId": {kind: "id"}, "RelationType": text(40), "RelationAddress": text(1000),
	})
	f.table("Task", "00T", map[string]ffield{
		"Subject": text(255), "Description": {kind: "longtext", length: 32000}, "Status": text(40), "TaskSubtype": text(40), "ActivityDate": {kind: "date"},
		"WhoId": {kind: "id"}, "WhatId": {kind: "id"}, "OwnerId": {kind: "id"},
		"Heliograph_Key__c": key, "Mail_Key__c": text(255), "Accounts__c": text(255), "Bcc__c": text(255), "Thread__c": text(255),
	})
	person := map[string]ffield{
		"FirstName": text(40), "LastName": {kind: "string", length: 80, required: true}, "Name": {kind: "string", readOnly: true}, "Email": text(80), "Title": text(128),
		"Phone": text(40), "MobilePhone": text(40), "OwnerId": {kind: "id"}, "MasterRecordId": {kind: "id", readOnly: true},
	}
	contact, lead := maps.Clone(person), maps.Clone(person)
	contact["AccountId"], contact["IsPersonAccount"] = ffield{kind: "id"}, ffield{kind: "boolean", readOnly: true}
	lead["Company"] = ffield{kind: "string", length: 255, required: true}
	lead["IsConverted"], lead["ConvertedContactId"] = ffield{kind: "boolean", readOnly: true}, ffield{kind: "id", readOnly: true}
	lead["LeadSource"] = text(40)
	f.table("Contact", "003", contact)
	f.table("Lead", "00Q", lead)
	f.table("Account", "001", map[string]ffield{
		"Name": {kind: "string", length: 255}, "Website": text(255), "OwnerId": {kind: "id"}, "PersonEmail": text(80), "FirstName": text(40), "LastName": text(80),
		"RecordTypeId": {kind: "id"}, "PersonContactId": {kind: "id", readOnly: true}, "PersonTitle": text(80), "Phone": text(40), "PersonMobilePhone": text(40),
	})
	f.table("User", "005", map[string]ffield{"Name": text(100), "Email": text(80), "IsActive": {kind: "boolean"}})
	f.table("Group", "00G", map[string]ffield{"Name": text(40), "DeveloperName": text(80), "Type": text(40), "Email": text(80)})
	f.table("Case", "500", map[string]ffield{
		"Subject": text(255), "Description": {kind: "longtext", length: 32000}, "Origin": text(40), "Status": text(40), "Priority": text(40), "ContactId": {kind: "id"},
		"SuppliedEmail": text(80), "SuppliedName": text(80), "OwnerId": {kind: "id"}, "Heliograph_Key__c": key, "Due__c": {kind: "date"}, "Seen__c": {kind: "datetime"},
		"Ticket_Key__c": text(255), "Amount__c": {kind: "double"}, "Open__c": {kind: "boolean"},
	})
	f.table("ContentVersion", "068", map[string]ffield{
		"Title": text(255), "PathOnClient": text(500), "Description": text(1000), "VersionData": {kind: "longtext", length: 1 << 30, required: true},
		"FirstPublishLocationId": {kind: "id"}, "ContentDocumentId": {kind: "id", readOnly: true}, "IsLatest": {kind: "boolean", readOnly: true},
	})
	f.table("ContentDocument", "069", map[string]ffield{"Title": text(255)})
	f.tables["User"].rows[ownUserID] = map[string]any{"Id": ownUserID, "Name": "Gateway", "Email": "gateway@example.com", "IsActive": true, "IsDeleted": false}
	f.tables["User"].order = append(f.tables["User"].order, ownUserID)
	f.login = httptest.NewServer(http.HandlerFunc(f.serveToken))
	t.Cleanup(func() {
		f.login.Close()
		f.report(t)
	})
	return f
}

func (f *fake) table(name, prefix string, fields map[string]ffield) *ftable {
	maps.Copy(fields, map[string]ffield{
		"Id": {kind: "id", readOnly: true}, "SystemModstamp": {kind: "datetime", readOnly: true}, "IsDeleted": {kind: "boolean", readOnly: true},
		"LastModifiedById": {kind: "id", readOnly: true},
	})
	f.tables[name] = &ftable{prefix: prefix, fields: fields, rows: map[string]map[string]any{}}
	return f.tables[name]
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

// serveToken is the login host.
func (f *fake) serveToken(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	f.mu.Lock()
	defer f.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	refuse := func(code, description string) {
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": code, "error_description": description})
	}
	if r.Method != http.MethodPost || r.URL.Path != "/services/oauth2/token" || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
		f.problem("token endpoint: %s %s %s", r.Method, r.URL.Path, r.Header.Get("Content-Type"))
	}
	form := r.PostForm
	switch {
	case f.refusal != "":
		refuse(f.refusal, "refused")
		return
	case form.Get("grant_type") == "urn:ietf:params:oauth:grant-type:jwt-bearer" && f.public != nil:
		f.only(form, "grant_type", "assertion")
		if err := verifyAssertion(form.Get("assertion"), f.public); err != nil {
			refuse("invalid_grant", "invalid assertion")
			return
		}
	case form.Get("grant_type") == "client_credentials":
		f.only(form, "grant_type", "client_id", "client_secret")
		if form.Get("client_id") != clientID {
			refuse("invalid_client_id", "client identifier invalid")
			return
		}
		if form.Get("client_secret") != clientSecret {
			refuse("invalid_client", "invalid client credentials")
			return
		}
	default:
		refuse("unsupported_grant_type", "grant type not supported")
		return
	}
	f.issued++
	token := fmt.Sprintf("00D!s3cr3t-access-token-%d", f.issued)
	f.tokens[token] = true
	_ = json.NewEncoder(w).Encode(map[string]string{
		"access_token": token, "instance_url": f.instance, "id": f.login.URL + "/id/" + orgID + "/" + ownUserID,
		"token_type": "Bearer", "issued_at": "1772611200000", "signature": "c2lnbmF0dXJl",
	})
}

func (f *fake) only(form url.Values, names ...string) {
	for name := range form {
		if !slices.Contains(names, name) {
			f.problem("token endpoint: unknown field %s", name)
		}
	}
}

// Writes says whether the request is the one that makes the record of a mail.
func (f *fake) Writes(r *http.Request) bool {
	for _, object := range []string{"EmailMessage", "Task"} {
		if r.Method == http.MethodPatch && strings.HasPrefix(r.URL.Path, apiRoot+"/sobjects/"+object+"/Heliograph_Key__c/") ||
			r.Method == http.MethodPost && r.URL.Path == apiRoot+"/sobjects/"+object {
			return true
		}
	}
	return false
}

var knownHeaders = []string{
	"Authorization", "Accept", "Accept-Encoding", "Content-Length", "Content-Type", "User-Agent", "X-Request-Id", "Sforce-Duplicate-Rule-Header", "Sforce-Auto-Assign",
}

// apiFault is an error of the REST API.
type apiFault struct {
	status int
	code   string
	text   string
	fields []string
	extra  map[string]any
}

func bad(code, format string, args ...any) *apiFault {
	return &apiFault{status: http.StatusBadRequest, code: code, text: fmt.Sprintf(format, args...)}
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, r.Method+" "+r.URL.Path)
	f.used++
	w.Header().Set("Sforce-Limit-Info", fmt.Sprintf("api-usage=%d/%d", f.used, f.most))
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	for name := range r.Header {
		if !slices.Contains(knownHeaders, name) {
			f.problem("%s %s: unknown header %s", r.Method, r.URL.Path, name)
		}
	}
	status, answer := f.answer(r, body)
	w.WriteHeader(status)
	if status != http.StatusNoContent && answer != nil {
		_ = json.NewEncoder(w).Encode(answer)
	}
}

func (f *fake) answer(r *http.Request, body []byte) (int, any) {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	var fault *apiFault
	var status int
	var out any
	switch {
	case !ok || !f.tokens[token]:
		fault = &apiFault{status: http.StatusUnauthorized, code: "INVALID_SESSION_ID", text: "Session expired or invalid"}
	case f.used > f.most:
		fault = &apiFault{status: http.StatusForbidden, code: "REQUEST_LIMIT_EXCEEDED", text: "TotalRequests Limit exceeded."}
	default:
		if f.fail != nil {
			if status, text := f.fail(r); status != 0 {
				return status, json.RawMessage(text)
			}
		}
		status, out, fault = f.route(r, body)
	}
	if fault == nil {
		return status, out
	}
	e := map[string]any{"errorCode": fault.code, "message": fault.text}
	if len(fault.fields) > 0 {
		e["fields"] = fault.fields
	}
	maps.Copy(e, fault.extra)
	return fault.status, []any{e}
}

func (f *fake) route(r *http.Request, body []byte) (int, any, *apiFault) {
	path, ok := strings.CutPrefix(r.URL.EscapedPath(), apiRoot)
	if !ok {
		return 0, nil, &apiFault{status: http.StatusNotFound, code: "NOT_FOUND", text: "The requested resource does not exist"}
	}
	fields := map[string]any{}
	if len(body) > 0 {
		if r.Header.Get("Content-Type") != "application/json; charset=UTF-8" {
			f.problem("%s %s: content type %q", r.Method, path, r.Header.Get("Content-Type"))
		}
		if err := json.Unmarshal(body, &fields); err != nil {
			return 0, nil, bad("JSON_PARSER_ERROR", "%v", err)
		}
	}
	parts := strings.Split(strings.Trim(path, "/"), "/")
	switch {
	case path == "/limits" && r.Method == http.MethodGet:
		return 200, map[string]any{"DailyApiRequests": map[string]any{"Max": f.most, "Remaining": f.most - f.used}}, nil
	case (path == "/query" || path == "/queryAll") && r.Method == http.MethodGet:
		return f.query(r.URL.Query(), path == "/queryAll")
	case parts[0] == "query" && len(parts) == 2 && r.Method == http.MethodGet:
		rows, ok := f.pages[parts[1]]
		if !ok {
			return 0, nil, bad("INVALID_QUERY_LOCATOR", "invalid query locator")
		}
		delete(f.pages, parts[1])
		return 200, f.page(rows, len(rows)), nil
	case path == "/composite/sobjects" && r.Method == http.MethodPost:
		return f.collection(fields)
	case parts[0] == "sobjects" && len(parts) > 1:
		t := f.tables[parts[1]]
		if t == nil {
			return 0, nil, &apiFault{status: http.StatusNotFound, code: "NOT_FOUND", text: "The requested resource does not exist"}
		}
		return f.sobject(r, parts[1], t, parts[2:], fields)
	}
	f.problem("unknown path %s %s", r.Method, path)
	return 0, nil, &apiFault{status: http.StatusNotFound, code: "NOT_FOUND", text: "The requested resource does not exist"}
}

func (f *fake) sobject(r *http.Request, name string, t *ftable, rest []string, fields map[string]any) (int, any, *apiFault) {
	switch {
	case len(rest) == 0 && r.Method == http.MethodPost:
		id, fault := f.insert(name, t, fields)
		return http.StatusCreated, map[string]any{"id": id, "success": true, "errors": []any{}}, fault
	case len(rest) == 1 && rest[0] == "describe" && r.Method == http.MethodGet:
		return 200, t.describe(name), nil
	case len(rest) == 1:
		row, ok := t.rows[rest[0]]
		if !ok {
			return 0, nil, &apiFault{status: http.StatusNotFound, code: "NOT_FOUND", text: "Provided external ID field does not exist or is not accessible"}
		}
		if row["IsDeleted"] == true {
			return 0, nil, &apiFault{status: http.StatusNotFound, code: "ENTITY_IS_DELETED", text: "entity is deleted"}
		}
		switch r.Method {
		case http.MethodGet:
			return 200, f.shown(name, t, row, slices.Collect(maps.Keys(t.fields))), nil
		case http.MethodPatch:
			return http.StatusNoContent, nil, f.update(name, t, row, fields)
		case http.MethodDelete:
			f.stamp(row)
			row["IsDeleted"] = true
			return http.StatusNoContent, nil, nil
		}
	case len(rest) == 2 && r.Method == http.MethodPatch:
		value, _ := url.PathUnescape(rest[1])
		if !t.fields[rest[0]].external {
			return 0, nil, &apiFault{status: http.StatusNotFound, code: "NOT_FOUND", text: "Provided external ID field does not exist or is not accessible: " + rest[0]}
		}
		if _, there := fields[rest[0]]; there {
			return 0, nil, bad("INVALID_FIELD", "The %s field should not be specified in the sobject data.", rest[0])
		}
		return f.upsert(name, t, rest[0], value, fields)
	}
	f.problem("unknown path %s %s", r.Method, r.URL.Path)
	return 0, nil, bad("METHOD_NOT_ALLOWED", "no")
}

func (f *fake) upsert(name string, t *ftable, key, value string, fields map[string]any) (int, any, *apiFault) {
	var matching []string
	for id, row := range t.rows {
		if row[key] == value && row["IsDeleted"] != true {
			matching = append(matching, id)
		}
	}
	created := len(matching) == 0
	status, id := http.StatusOK, ""
	switch {
	case len(matching) > 1:
		return http.StatusMultipleChoices, matching, nil
	case created:
		fields[key] = value
		var fault *apiFault
		if id, fault = f.insert(name, t, fields); fault != nil {
			return 0, nil, fault
		}
		status = http.StatusCreated
	default:
		id = matching[0]
		if fault := f.update(name, t, t.rows[id], fields); fault != nil {
			return 0, nil, fault
		}
	}
	if f.bodiless && !created {
		return http.StatusNoContent, nil, nil
	}
	return status, map[string]any{"id": id, "success": true, "errors": []any{}, "created": created}, nil
}

func (f *fake) collection(body map[string]any) (int, any, *apiFault) {
	records, _ := body["records"].([]any)
	if body["allOrNone"] != false || len(records) == 0 || len(records) > 200 || len(body) != 2 {
		f.problem("collection: %v", body)
	}
	out := []any{}
	for _, r := range records {
		record := r.(map[string]any)
		attributes, _ := record["attributes"].(map[string]any)
		delete(record, "attributes")
		name, _ := attributes["type"].(string)
		t := f.tables[name]
		if t == nil {
			return 0, nil, bad("INVALID_TYPE", "sObject type '%s' is not supported.", name)
		}
		id, fault := f.insert(name, t, record)
		if fault != nil {
			out = append(out, map[string]any{"success": false, "errors": []any{map[string]any{"statusCode": fault.code, "message": fault.text, "fields": fault.fields}}})
			continue
		}
		out = append(out, map[string]any{"id": id, "success": true, "errors": []any{}})
	}
	return 200, out, nil
}

func (f *fake) newID(prefix string) string {
	f.seq++
	return prefix + fmt.Sprintf("%012d", f.seq) + "AAA"
}

// stamp says that a record changed. Stamps are whole seconds, as Salesforce's are.
func (f *fake) stamp(row map[string]any) {
	f.now = f.now.Add(time.Second)
	row["SystemModstamp"] = f.now
	row["LastModifiedById"] = ownUserID
}

func (t *ftable) describe(name string) any {
	var fields []any
	for _, n := range slices.Sorted(maps.Keys(t.fields)) {
		d := t.fields[n]
		kind := map[string]string{"longtext": "textarea", "idlist": "reference"}[d.kind]
		if kind == "" {
			kind = d.kind
		}
		fields = append(fields, map[string]any{
			"name": n, "label": n, "type": kind, "length": d.length, "nillable": !d.required, "createable": !d.readOnly,
			"updateable": !d.readOnly, "defaultedOnCreate": n == "OwnerId", "unique": d.unique, "externalId": d.external,
		})
	}
	return map[string]any{"name": name, "createable": !t.closed, "queryable": true, "fields": fields}
}
