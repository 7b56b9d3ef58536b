package freshsales_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"heliograph/crmclient"
	"heliograph/crmclient/crmtest"
)

const (
	apiKey    = "s3cr3t-api-key-of-freshsales"
	defaultID = 1
	wangID    = 77
	emailType = 9
)

// freshFake is Freshsales as the specification says, and strict: what it does not know fails the test. It keeps the intents of its
// clients, too, as the gateway's database does over a restart.
type freshFake struct {
	crmclient.MemoryIntents
	t *testing.T

	mu         sync.Mutex // guards all below
	contacts   map[int]map[string]any
	activities map[int]map[string]any
	accounts   map[int]map[string]any
	deals      map[int]map[string]any
	files      map[string][]string // names by targetable
	nextID     int
	denied     map[string]int // status by prefix of the path
	noTypes    bool
	ascending  bool // the list of activities goes from the oldest on
	listed     int
	clock      time.Time
}

func newFake(t *testing.T) *freshFake {
	f := &freshFake{
		t: t, contacts: map[int]map[string]any{}, activities: map[int]map[string]any{}, accounts: map[int]map[string]any{}, deals: map[int]map[string]any{},
		files: map[string][]string{}, nextID: 100, denied: map[string]int{}, clock: time.Now().UTC().Truncate(time.Second),
	}
	f.contacts[defaultID] = map[string]any{"id": defaultID, "display_name": "Nobody", "emails": []any{}, "owner_id": wangID}
	f.accounts[5] = map[string]any{"id": 5, "name": "Customer", "website": "customer.example", "owner_id": wangID}
	return f
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func refusal(code int, text string) map[string]any {
	return map[string]any{"errors": map[string]any{"code": code, "message": []string{text}}}
}

const base = "/crm/sales/api"

var onePath = regexp.MustCompile(`^/(contacts|sales_activities|deals)/(\d+)$`)

// ServeHTTP is the API.
func (f *freshFake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	path, ok := strings.CutPrefix(r.URL.Path, base)
	if !ok {
		f.t.Errorf("unknown address %s", r.URL.Path)
	}
	if r.Header.Get("Authorization") != "Token token="+apiKey {
		answer(w, 401, map[string]any{"login": "failed", "message": "Sorry, we could not find the record"})
		return
	}
	for prefix, status := range f.denied {
		if strings.HasPrefix(path, prefix) {
			answer(w, status, refusal(status, "this is not for you"))
			return
		}
	}
	q := r.URL.Query()
	switch key := r.Method + " " + path; {
	case key == "GET /lookup":
		f.serveLookup(w, q)
	case key == "GET /selector/owners":
		f.params(q)
		answer(w, 200, map[string]any{"users": []any{
			map[string]any{"id": wangID, "display_name": "Wang Fang", "email": "Wang@example.com", "is_active": true},
			map[string]any{"id": 78, "email": "gone@example.com", "is_active": false},
		}})
	case key == "GET /selector/sales_activity_types":
		f.params(q)
		types := []any{map[string]any{"id": 8, "name": "Phone", "internal_name": "cphone"}}
		if !f.noTypes {
			types = append(types, map[string]any{"id": emailType, "name": "Email", "internal_name": "email"})
		}
		answer(w, 200, map[string]any{"sales_activity_types": types})
	case key == "POST /contacts/upsert":
		f.serveUpsert(w, f.object(r, body, "unique_identifier", "contact"))
	case key == "GET /sales_activities":
		f.serveList(w, q, "")
	case r.Method == http.MethodGet && strings.HasSuffix(path, "/sales_activities"):
		f.serveList(w, q, strings.TrimSuffix(strings.TrimPrefix(path, "/contacts/"), "/sales_activities"))
	case key == "POST /sales_activities":
		f.serveMake(w, f.object(r, body, "sales_activity"))
	case key == "POST /documents":
		f.serveFile(w, r, body)
	case key == "POST /filtered_search/deal":
		f.serveSearch(w, q, f.object(r, body, "filter_rule"))
	case onePath.MatchString(path):
		m := onePath.FindStringSubmatch(path)
		id, _ := strconv.Atoi(m[2])
		f.serveOne(w, r, body, m[1], id)
	default:
		f.t.Errorf("unknown request %s", key)
		answer(w, 404, refusal(404, "not found"))
	}
}

func (f *freshFake) params(q url.Values, known ...string) {
	for name := range q {
		if !slices.Contains(known, name) {
			f.t.Errorf("unknown parameter %q", name)
		}
	}
}

func (f *freshFake) object(r *http.Request, body []byte, known ...string) map[string]any {
	var m map[string]any
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := d.Decode(&m); err != nil || r.Header.Get("Content-Type") != "application/json" {
		f.t.Errorf("%s: %v", r.URL.Path, err)
	}
	f.keys(r.URL.Path, m, known...)
	return m
}

func (f *freshFake) keys(where string, m map[string]any, known ...string) {
	for name := range m {
		if !slices.Contains(known, name) {
			f.t.Errorf("%s: unknown key %q", where, name)
		}
	}
}

func (f *freshFake) serveLookup(w http.ResponseWriter, q url.Values) {
	f.params(q, "q", "f", "entities", "include")
	switch key := q.Get("entities") + " " + q.Get("f"); key {
	case "contact email":
		found := []any{}
		for _, k := range f.contacts {
			for _, e := range k["emails"].([]any) {
				if strings.EqualFold(e.(map[string]any)["value"].(string), q.Get("q")) {
					found = append(found, k)
				}
			}
		}
		answer(w, 200, map[string]any{"contacts": map[string]any{"contacts": found}})
	case "sales_account website":
		found := []any{}
		for _, a := range f.accounts {
			if a["website"] == q.Get("q") {
				found = append(found, a)
			}
		}
		answer(w, 200, map[string]any{"sales_accounts": map[string]any{"sales_accounts": found}})
	default:
		f.t.Errorf("lookup of %q", key)
	}
}

func (f *freshFake) serveUpsert(w http.ResponseWriter, m map[string]any) {
	unique, _ := m["unique_identifier"].(map[string]any)
	fields, _ := m["contact"].(map[string]any)
	f.keys("unique_identifier", unique, "emails")
	f.keys("contact", fields, "first_name", "last_name", "owner_id")
	address, _ := unique["emails"].(string)
	for id, k := range f.contacts {
		for _, e := range k["emails"].([]any) {
			if strings.EqualFold(e.(map[string]any)["value"].(string), address) {
				maps.Copy(f.contacts[id], fields)
				answer(w, 200, map[string]any{"contact": f.contacts[id]})
				return
			}
		}
	}
	f.nextID++
	fields["id"], fields["emails"] = f.nextID, []any{map[string]any{"value": address, "is_primary": true}}
	f.contacts[f.nextID] = fields
	answer(w, 201, map[string]any{"contact": fields})
}

func (f *freshFake) serveList(w http.ResponseWriter, q url.Values, contact string) {
	f.params(q, "page", "per_page", "sort", "sort_type")
	f.listed++
	page, _ := strconv.Atoi(q.Get("page"))
	size, _ := strconv.Atoi(q.Get("per_page"))
	if page < 1 || size < 1 || size > 100 {
		f.t.Errorf("list: %v", q)
	}
	ids := slices.Sorted(maps.Keys(f.activities))
	if !f.ascending {
		slices.Reverse(ids)
	}
	found := []any{}
	for _, id := range ids {
		if a := f.activities[id]; contact == "" || a["targetable_type"] == "Contact" && whole(a["targetable_id"]) == contact {
			found = append(found, a)
		}
	}
	from := min((page-1)*size, len(found))
	answer(w, 200, map[string]any{"sales_activities": found[from:min(from+size, len(found))], "meta": map[string]any{"total": len(found)}})
}

func whole(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}

func (f *freshFake) serveMake(w http.ResponseWriter, m map[string]any) {
	m, _ = m["sales_activity"].(map[string]any)
	f.keys("sales_activity", m, "title", "notes", "targetable_type", "targetable_id", "sales_activity_type_id", "start_date", "end_date", "owner_id")
	_, err1 := time.Parse(time.RFC3339, m["start_date"].(string))
	_, err2 := time.Parse(time.RFC3339, m["end_date"].(string))
	title, _ := m["title"].(string)
	if err1 != nil || err2 != nil || whole(m["sales_activity_type_id"]) != strconv.Itoa(emailType) || title == "" || len([]rune(title)) > 255 || len(m["notes"].(string)) > 65_000 {
		f.t.Errorf("activity: %v", m)
		answer(w, 400, refusal(400, "validation failed"))
		return
	}
	f.nextID++
	m["id"], m["created_at"] = f.nextID, time.Now().Format("2006-01-02T15:04:05-07:00")
	f.activities[f.nextID] = m
	answer(w, 201, map[string]any{"sales_activity": m})
}

func (f *freshFake) serveOne(w http.ResponseWriter, r *http.Request, body []byte, kind string, id int) {
	rows := map[string]map[int]map[string]any{"contacts": f.contacts, "sales_activities": f.activities, "deals": f.deals}[kind]
	one, ok := rows[id]
	if !ok {
		answer(w, 404, refusal(404, "not found"))
		return
	}
	name := map[string]string{"contacts": "contact", "sales_activities": "sales_activity", "deals": "deal"}[kind]
	switch r.Method {
	case http.MethodGet:
		f.params(r.URL.Query(), "include")
	case http.MethodPut:
		set, _ := f.object(r, body, name)[name].(map[string]any)
		f.keys(kind, set, "notes", "sales_accounts")
		one = maps.Clone(one)
		maps.Copy(one, set)
		rows[id] = one
	case http.MethodDelete:
		delete(rows, id)
		answer(w, 200, true)
		return
	}
	answer(w, 200, map[string]any{name: one})
}

func (f *freshFake) serveFile(w http.ResponseWriter, r *http.Request, body []byte) {
	r.Body = io.NopCloser(bytes.NewReader(body))
	file, header, err := r.FormFile("file")
	if err != nil || len(r.MultipartForm.Value) != 4 {
		f.t.Errorf("file: %v", err)
		return
	}
	content, _ := io.ReadAll(file)
	if bytes.Contains(content, []byte("EICAR")) {
		answer(w, 400, refusal(400, "the file was refused"))
		return
	}
	where := r.FormValue("targetable_type") + " " + r.FormValue("targetable_id")
	f.files[where] = append(f.files[where], header.Filename)
	answer(w, 201, map[string]any{"document": map[string]any{"id": 1}})
}

func (f *freshFake) serveSearch(w http.ResponseWriter, q url.Values, m map[string]any) {
	f.params(q, "page", "per_page", "sort", "sort_type")
	rules, _ := m["filter_rule"].([]any)
	rule, _ := rules[0].(map[string]any)
	f.keys("filter_rule", rule, "attribute", "operator", "value")
	after, err := time.Parse(time.RFC3339, rule["value"].(string))
	if err != nil || len(rules) != 1 || rule["attribute"] != "updated_at" || rule["operator"] != "is_after" || q.Get("sort") != "updated_at" {
		f.t.Errorf("search: %v %v", q, m)
	}
	page, _ := strconv.Atoi(q.Get("page"))
	size, _ := strconv.Atoi(q.Get("per_page"))
	var found []map[string]any
	for _, d := range f.deals {
		if at, _ := time.Parse(time.RFC3339, d["updated_at"].(string)); at.After(after) {
			found = append(found, map[string]any{"id": d["id"], "updated_at": d["updated_at"]})
		}
	}
	slices.SortFunc(found, func(a, b map[string]any) int {
		if c := strings.Compare(a["updated_at"].(string), b["updated_at"].(string)); c != 0 {
			return c
		}
		return a["id"].(int) - b["id"].(int)
	})
	from := min((page-1)*size, len(found))
	answer(w, 200, map[string]any{"deals": append([]map[string]any{}, found[from:min(from+size, len(found))]...), "meta": map[string]any{"total": len(found)}})
}

// Writes tells the making of an activity.
func (f *freshFake) Writes(r *http.Request) bool {
	return r.Method == http.MethodPost && r.URL.Path == base+"/sales_activities"
}

// WritesTicket and WritesObject tell nothing: there are none.
func (f *freshFake) WritesTicket(*http.Request) bool { return false }
func (f *freshFake) WritesObject(*http.Request) bool { return false }

// WritesPerson tells the making of a contact.
func (f *freshFake) WritesPerson(r *http.Request) bool {
	return r.Method == http.MethodPost && r.URL.Path == base+"/contacts/upsert"
}

// AddContact makes a contact, as a user of Freshsales does.
func (f *freshFake) AddContact(_ *testing.T, name, address string) { f.add(name, address) }

func (f *freshFake) add(name, address string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.nextID++
	f.contacts[f.nextID] = map[string]any{"id": f.nextID, "display_name": name, "owner_id": wangID, "emails": []any{map[string]any{"value": address, "is_primary": true}}}
	return f.nextID
}

// Object is the deal.
func (f *freshFake) Object() crmtest.Object {
	return crmtest.Object{Name: "deals", Text: "name", Number: "amount", MissingID: "424242"}
}

// PutObject makes or changes a deal. Each change is a second later.
func (f *freshFake) PutObject(_ *testing.T, id string, fields map[string]any) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, _ := strconv.Atoi(id)
	if id == "" {
		f.nextID++
		n = f.nextID
	}
	d := maps.Clone(f.deals[n])
	if d == nil {
		d = map[string]any{"id": n}
	}
	maps.Copy(d, fields)
	f.clock = f.clock.Add(time.Second)
	d["updated_at"] = f.clock.Format(time.RFC3339)
	f.deals[n] = d
	return strconv.Itoa(n)
}

// DeleteObject deletes a deal.
func (f *freshFake) DeleteObject(_ *testing.T, id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, _ := strconv.Atoi(id)
	delete(f.deals, n)
}

// ObjectFields returns a deal.
func (f *freshFake) ObjectFields(_ *testing.T, id string) (map[string]any, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, _ := strconv.Atoi(id)
	d, ok := f.deals[n]
	return d, ok
}

// ObjectsWithText finds deals by name.
func (f *freshFake) ObjectsWithText(_ *testing.T, text string) (ids []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for id, d := range f.deals {
		if d["name"] == text {
			ids = append(ids, strconv.Itoa(id))
		}
	}
	return ids
}

var leftLine = regexp.MustCompile(`(?m)^(.*) \(\d+ bytes\): `)

// Records reads the notes.
func (f *freshFake) Records(*testing.T) []crmtest.Record {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []crmtest.Record
	for _, a := range f.activities {
		notes, _ := a["notes"].(string)
		notes, line, ok := cutLast(notes, "\nheliograph-key:")
		if !ok {
			continue
		}
		const rule = "\n----\n"
		head, rest, _ := strings.Cut(notes, rule)
		text, files, _ := cutLast(rest, rule)
		r := crmtest.Record{Key: decoded(strings.TrimSuffix(line, ";")), Subject: a["title"].(string), Text: text}
		for line := range strings.SplitSeq(head, "\n") {
			switch name, value, _ := strings.Cut(line, ": "); name {
			case "Bcc":
				r.BCC = strings.Split(value, ", ")
			case "Employees":
				r.Accounts = strings.Split(value, ", ")
			case "Thread":
				r.Thread = value
			}
		}
		for _, m := range leftLine.FindAllStringSubmatch(files, -1) {
			r.Attachments = append(r.Attachments, m[1])
		}
		if r.Subject == "(no subject)" {
			r.Subject = ""
		}
		out = append(out, r)
	}
	return out
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

func decoded(key string) string {
	coded, ok := strings.CutPrefix(key, "b64.")
	if !ok {
		return key
	}
	raw, _ := base64.RawURLEncoding.DecodeString(coded)
	return string(raw)
}
