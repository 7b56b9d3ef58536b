package suitecrm_test

import (
	"encoding/json"
	"fmt"
	"io"
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
	clientID     = "3d1a2b4c-0000-4000-8000-000000000001"
	clientSecret = "s3cr3t-of-the-client"
	keyField     = "heliograph_key_c"
	emailField   = "heliograph_email_c"
	mediaType    = "application/vnd.api+json"
)

type row = map[string]any

// fake is SuiteCRM's V8 API as its documentation has it. What the documentation does not know fails the test.
type fake struct {
	t       *testing.T
	login   *httptest.Server // gives out tokens too
	mu      sync.Mutex       // guards all below
	prefix  string           // before /Api
	next    int
	tick    time.Time
	rows    map[string][]row // by module
	fields  map[string][]string
	hidden  map[string]bool // modules that the role may not read
	tokens  map[string]bool
	issued  int
	refused bool // the client gets no tokens
	noKeys  bool // the server has no RSA pair
}

func newFake(t *testing.T) *fake {
	f := &fake{
		t: t, rows: map[string][]row{}, hidden: map[string]bool{}, tokens: map[string]bool{},
		fields: map[string][]string{
			"Contacts":      {"first_name", "last_name", "email1", "account_name", emailField},
			"Accounts":      {"name"},
			"Notes":         {"name", "description", "parent_type", "parent_id", keyField, "mail_direction_c"},
			"Opportunities": {"name", "amount", keyField},
		},
	}
	f.login = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/Api/access_token" {
			refuse(w, http.StatusNotFound, "no such page")
			return
		}
		f.token(w, r)
	}))
	t.Cleanup(f.login.Close)
	return f
}

// put stores a row. The caller holds the lock, or nobody else is there.
func (f *fake) put(module string, in row) row {
	f.next++
	if now := time.Now().UTC().Truncate(time.Second); now.After(f.tick) {
		f.tick = now
	}
	i := slices.IndexFunc(f.rows[module], func(r row) bool { return r["id"] == in["id"] })
	stored := row{"id": fmt.Sprintf("3d1a2b4c-0000-4000-8000-%012x", f.next)}
	if i >= 0 {
		for k, v := range f.rows[module][i] {
			stored[k] = v
		}
	}
	for k, v := range in {
		stored[k] = v
	}
	stored["date_modified"] = f.tick.Format(time.RFC3339)
	if i >= 0 {
		f.rows[module][i] = stored
	} else {
		f.rows[module] = append(f.rows[module], stored)
	}
	return stored
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", mediaType)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func refuse(w http.ResponseWriter, status int, detail string) {
	answer(w, status, row{"errors": row{"status": status, "title": http.StatusText(status), "detail": detail}})
}

func entry(module string, r row) row {
	attributes := row{}
	for k, v := range r {
		if k != "id" {
			attributes[k] = v
		}
	}
	return row{"type": module, "id": r["id"], "attributes": attributes}
}

func (f *fake) token(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost || r.ParseForm() != nil || r.PostForm.Get("grant_type") != "client_credentials" {
		f.t.Errorf("token: %s with %d fields", r.Method, len(r.PostForm))
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.noKeys:
		w.WriteHeader(http.StatusInternalServerError)
	case f.refused || r.PostForm.Get("client_id") != clientID || r.PostForm.Get("client_secret") != clientSecret:
		answer(w, http.StatusUnauthorized, row{"error": "invalid_client", "message": "Client authentication failed"})
	default:
		f.issued++
		token := fmt.Sprintf("eyJ.s3cr3t-token-%d", f.issued)
		f.tokens[token] = true
		answer(w, http.StatusOK, row{"token_type": "Bearer", "expires_in": 3600, "access_token": token})
	}
}

// ServeHTTP answers as SuiteCRM does.
func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, ok := strings.CutPrefix(r.URL.Path, f.prefix+"/Api/")
	if !ok {
		refuse(w, http.StatusNotFound, "no such page")
		return
	}
	if path == "access_token" {
		f.token(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the connector gave up
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !f.tokens[token] {
		refuse(w, http.StatusUnauthorized, "The resource owner or authorization server denied the request.")
		return
	}
	if r.Header.Get("Content-Type") != mediaType || r.Header.Get("Accept") != mediaType {
		f.t.Errorf("%s %s: %q, %q", r.Method, path, r.Header.Get("Content-Type"), r.Header.Get("Accept"))
	}
	module, listed := strings.CutPrefix(path, "V8/module/")
	switch {
	case listed && r.Method == http.MethodGet:
		f.list(w, module, r.URL.Query())
	case path == "V8/module" && (r.Method == http.MethodPost || r.Method == http.MethodPatch):
		f.write(w, r.Method == http.MethodPost, body)
	default:
		f.t.Errorf("%s %s is not in the API", r.Method, path)
	}
}

func (f *fake) readable(w http.ResponseWriter, module string) bool {
	switch {
	case f.hidden[module]:
		refuse(w, http.StatusForbidden, "The API user has no access to "+module)
	case f.fields[module] == nil:
		refuse(w, http.StatusNotFound, "Module "+module+" does not exist")
	default:
		return true
	}
	return false
}

func (f *fake) write(w http.ResponseWriter, create bool, body []byte) {
	var in struct {
		Data struct {
			Type       string `json:"type"`
			ID         string `json:"id"`
			Attributes row    `json:"attributes"`
		} `json:"data"`
	}
	d := json.NewDecoder(strings.NewReader(string(body)))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil || create != (in.Data.ID == "") {
		f.t.Errorf("body %.200s: %v", body, err)
	}
	module := in.Data.Type
	if !f.readable(w, module) {
		return
	}
	for name := range in.Data.Attributes {
		if slices.Contains(f.fields[module], name) {
			continue
		}
		if name != "NoSuchField_x" {
			f.t.Errorf("%s has no field %s that can be written", module, name)
		}
		refuse(w, http.StatusBadRequest, "Property "+name+" is invalid")
		return
	}
	if s, ok := in.Data.Attributes["description"].(string); ok && len(s) > 65_535 {
		f.t.Errorf("a description of %d bytes", len(s))
	}
	if !create {
		if !slices.ContainsFunc(f.rows[module], func(r row) bool { return r["id"] == in.Data.ID }) {
			refuse(w, http.StatusNotFound, "not found")
			return
		}
		in.Data.Attributes["id"] = in.Data.ID
	}
	answer(w, http.StatusCreated, row{"data": entry(module, f.put(module, in.Data.Attributes))})
}

var filterKey = regexp.MustCompile(`^filter\[([a-z0-9_]+)\]\[(eq|neq|gt|gte|lt|lte)\]$`)

func (f *fake) list(w http.ResponseWriter, module string, q url.Values) {
	if !f.readable(w, module) {
		return
	}
	found := slices.Clone(f.rows[module])
	known := append([]string{"id", "date_modified"}, f.fields[module]...)
	filters := 0
	for name, values := range q {
		m := filterKey.FindStringSubmatch(name)
		switch {
		case len(values) != 1:
			f.t.Errorf("%s is there %d times", name, len(values))
		case m != nil:
			filters++
			if !slices.Contains(known, m[1]) {
				refuse(w, http.StatusBadRequest, "Filter field "+m[1]+" in "+module+" module is not found")
				return
			}
			found = slices.DeleteFunc(found, func(r row) bool { return !holds(r[m[1]], m[2], values[0], m[1] == "date_modified") })
		case !slices.Contains([]string{"filter[operator]", "page[number]", "page[size]", "sort"}, name):
			if !strings.HasPrefix(name, "filter[NoSuchField_x]") {
				f.t.Errorf("unknown parameter %s", name)
			}
			refuse(w, http.StatusBadRequest, "bad parameter "+name)
			return
		}
	}
	if (q.Get("filter[operator]") == "and") != (filters > 0) {
		f.t.Errorf("%d filters with the operator %q", filters, q.Get("filter[operator]"))
	}
	field, descending := strings.CutPrefix(q.Get("sort"), "-")
	if field != "" && !slices.Contains(known, field) {
		f.t.Errorf("sort %q", field)
	}
	slices.SortStableFunc(found, func(a, b row) int { return strings.Compare(fmt.Sprint(a[field]), fmt.Sprint(b[field])) })
	if descending {
		slices.Reverse(found)
	}
	size, err := strconv.Atoi(q.Get("page[size]"))
	number, err2 := strconv.Atoi(q.Get("page[number]"))
	if err != nil || err2 != nil || size < 1 || number < 1 {
		f.t.Errorf("page %q of %q", q.Get("page[number]"), q.Get("page[size]"))
		return
	}
	found = found[min(len(found), (number-1)*size):]
	out := []row{}
	for _, r := range found[:min(size, len(found))] {
		out = append(out, entry(module, r))
	}
	answer(w, http.StatusOK, row{"meta": row{"total-pages": 1}, "data": out})
}

func holds(have any, is, value string, isTime bool) bool {
	s := fmt.Sprint(have)
	if isTime {
		t, _ := time.Parse(time.RFC3339, s)
		s = t.Format(time.DateTime)
	}
	order := strings.Compare(strings.ToLower(s), strings.ToLower(value)) // as the collation of the database
	if a, err := strconv.ParseFloat(s, 64); err == nil {
		if b, err := strconv.ParseFloat(value, 64); err == nil {
			order = int(1000 * (a - b))
		}
	}
	return map[string]bool{"eq": order == 0, "neq": order != 0, "gt": order > 0, "gte": order >= 0, "lt": order < 0, "lte": order <= 0}[is]
}

// What the suite asks of a fake.

func (f *fake) Records(*testing.T) []crmtest.Record {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []crmtest.Record
	for _, r := range f.rows["Notes"] {
		_, rest, _ := strings.Cut(r["description"].(string), "\n----\n")
		end := strings.LastIndex(rest, "\n----\n")
		var names []string
		for _, name := range strings.Split(rest[end+len("\n----\n"):], "\n") {
			if name != "" && !strings.HasPrefix(name, "[") {
				names = append(names, name)
			}
		}
		key, _ := r[keyField].(string)
		name, _ := r["name"].(string)
		out = append(out, crmtest.Record{Key: key, Subject: name, Text: rest[:end], Attachments: names})
	}
	return out
}

// posts says whether a request makes a record of a module. It reads the body and puts it back.
func posts(r *http.Request, module string) bool {
	if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/V8/module") {
		return false
	}
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	return strings.Contains(string(body), `{"data":{"type":"`+module+`"`)
}

func (f *fake) Writes(r *http.Request) bool { return posts(r, "Notes") }

func (f *fake) WritesTicket(*http.Request) bool { return false }

func (f *fake) WritesObject(r *http.Request) bool { return posts(r, "Opportunities") }

func (f *fake) WritesPerson(r *http.Request) bool { return posts(r, "Contacts") }

func (f *fake) AddContact(_ *testing.T, name, address string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	first, last, _ := strings.Cut(name, " ")
	f.put("Contacts", row{"first_name": first, "last_name": last, "email1": address, emailField: address})
}

func (f *fake) Object() crmtest.Object {
	return crmtest.Object{Name: "Opportunities", Text: "name", Number: "amount", MissingID: "3d1a2b4c-0000-4000-8000-ffffffffffff"}
}

func (f *fake) PutObject(_ *testing.T, id string, fields map[string]any) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	in := row{}
	for k, v := range fields {
		in[k] = v
	}
	if id != "" {
		in["id"] = id
	}
	return f.put("Opportunities", in)["id"].(string)
}

func (f *fake) DeleteObject(_ *testing.T, id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rows["Opportunities"] = slices.DeleteFunc(f.rows["Opportunities"], func(r row) bool { return r["id"] == id })
}

func (f *fake) ObjectFields(_ *testing.T, id string) (map[string]any, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.IndexFunc(f.rows["Opportunities"], func(r row) bool { return r["id"] == id })
	if i < 0 {
		return nil, false
	}
	return f.rows["Opportunities"][i], true
}

func (f *fake) ObjectsWithText(_ *testing.T, text string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []string
	for _, r := range f.rows["Opportunities"] {
		if r["name"] == text {
			out = append(out, r["id"].(string))
		}
	}
	return out
}

func (f *fake) ExpireTokens(*testing.T) {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.tokens)
}

func (f *fake) RefuseCredentials(*testing.T) {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.tokens)
	f.refused = true
}

func (f *fake) TokensIssued(*testing.T) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.issued
}
