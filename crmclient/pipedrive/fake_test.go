package pipedrive_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"html"
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

	"heliograph/crmclient"
	"heliograph/crmclient/crmtest"
)

const (
	apiToken     = "0123456789abcdef-s3cr3t-token"
	clientID     = "0123456789abcdef"
	clientSecret = "client-s3cr3t-of-pipedrive"
	refreshToken = "refresh-s3cr3t-of-pipedrive"
	accessPrefix = "access-s3cr3t-of-pipedrive-"
	defaultID    = 1
	wangID       = 77
)

// pipeFake is Pipedrive as the specification says, and strict: what it does not know fails the test.
type pipeFake struct {
	crmclient.MemoryIntents // as the gateway's database keeps them over a restart

	t     *testing.T
	oauth *httptest.Server

	mu         sync.Mutex // guards all below
	persons    map[int]map[string]any
	activities map[int]map[string]any
	files      map[string][]string // names by activity
	types      []string
	nextID     int
	tokens     int
	live       string // good access token; empty: the static one is
	refuse     map[string]any
	denied     map[string]int // status by prefix of the path
	listed     int
}

func newFake(t *testing.T) *pipeFake {
	f := &pipeFake{
		t: t, persons: map[int]map[string]any{}, activities: map[int]map[string]any{}, files: map[string][]string{}, nextID: 100,
		types: []string{"call", "email"}, denied: map[string]int{},
	}
	f.persons[defaultID] = map[string]any{"id": defaultID, "name": "Nobody", "emails": []any{}, "owner_id": wangID}
	f.oauth = httptest.NewServer(http.HandlerFunc(f.serveToken))
	t.Cleanup(f.oauth.Close)
	return f
}

func (f *pipeFake) serveToken(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	id, secret, basic := r.BasicAuth()
	switch {
	case r.Method != http.MethodPost || r.URL.Path != "/oauth/token" || r.ParseForm() != nil || !basic:
		f.t.Errorf("token endpoint: %s %s", r.Method, r.URL.Path)
	case f.refuse != nil:
		answer(w, 400, f.refuse)
	case id != clientID || secret != clientSecret:
		answer(w, 401, map[string]any{"success": false, "error": "invalid_client", "message": "unknown client"})
	case r.PostForm.Get("grant_type") != "refresh_token" || r.PostForm.Get("refresh_token") != refreshToken:
		answer(w, 400, map[string]any{"error": "invalid_grant"})
	default:
		f.tokens++
		f.live = accessPrefix + strconv.Itoa(f.tokens)
		answer(w, 200, map[string]any{"access_token": f.live, "refresh_token": refreshToken, "expires_in": 3599, "token_type": "Bearer", "api_domain": "https://example.pipedrive.com"})
	}
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func refusal(text string) map[string]any {
	return map[string]any{"success": false, "error": text, "error_info": "Please check developers.pipedrive.com"}
}

func good(w http.ResponseWriter, status int, data any, cursor string) {
	out := map[string]any{"success": true, "data": data, "additional_data": map[string]any{"next_cursor": nil}}
	if cursor != "" {
		out["additional_data"] = map[string]any{"next_cursor": cursor}
	}
	answer(w, status, out)
}

// ServeHTTP is the API on a company's own address.
func (f *pipeFake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	bearer, has := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	token := r.Header.Get("X-Api-Token")
	if has == (token != "") {
		f.t.Errorf("%s: one of two credentials is wanted", r.URL.Path)
	}
	if has && (f.live == "" || bearer != f.live) || token != "" && token != apiToken {
		answer(w, 401, refusal("unauthorized access"))
		return
	}
	for prefix, status := range f.denied {
		if strings.HasPrefix(r.URL.Path, prefix) {
			answer(w, status, refusal("this is not for you"))
			return
		}
	}
	f.route(w, r, body)
}

var onePath = regexp.MustCompile(`^/api/v2/(persons|activities)/(\d+)$`)

func (f *pipeFake) route(w http.ResponseWriter, r *http.Request, body []byte) {
	q := r.URL.Query()
	switch key := r.Method + " " + r.URL.Path; {
	case key == "GET /api/v1/users/me":
		f.params(q)
		good(w, 200, map[string]any{"id": 76, "email": "gateway@example.com", "company_name": "示例公司"}, "")
	case key == "GET /api/v1/users":
		f.params(q)
		good(w, 200, []any{
			map[string]any{"id": wangID, "email": "Wang@example.com", "active_flag": true}, map[string]any{"id": 78, "email": "gone@example.com", "active_flag": false},
		}, "")
	case key == "GET /api/v1/activityTypes":
		f.params(q)
		var out []any
		for _, t := range f.types {
			out = append(out, map[string]any{"key_string": t, "active_flag": true})
		}
		good(w, 200, out, "")
	case key == "GET /api/v2/persons/search":
		f.serveSearch(w, q)
	case key == "POST /api/v2/persons":
		m := f.object(r, body, "name", "emails", "owner_id", "org_id")
		f.nextID++
		m["id"] = f.nextID
		f.persons[f.nextID] = m
		good(w, 201, m, "")
	case key == "GET /api/v2/activities":
		f.serveList(w, q)
	case key == "POST /api/v2/activities":
		f.serveMake(w, f.object(r, body, "subject", "type", "done", "due_date", "due_time", "note", "person_id", "org_id", "owner_id", "participants"))
	case key == "POST /api/v1/files":
		f.serveFile(w, r, body)
	case onePath.MatchString(r.URL.Path):
		m := onePath.FindStringSubmatch(r.URL.Path)
		id, _ := strconv.Atoi(m[2])
		f.serveOne(w, r, body, m[1], id)
	default:
		f.t.Errorf("unknown request %s %s", r.Method, r.URL.Path)
		answer(w, 404, refusal("unknown method"))
	}
}

func (f *pipeFake) params(q url.Values, known ...string) {
	for name := range q {
		if !slices.Contains(known, name) {
			f.t.Errorf("unknown parameter %q", name)
		}
	}
}

func (f *pipeFake) object(r *http.Request, body []byte, known ...string) map[string]any {
	var m map[string]any
	if err := json.Unmarshal(body, &m); err != nil || r.Header.Get("Content-Type") != "application/json" || len(r.URL.RawQuery) > 0 {
		f.t.Errorf("%s: %v", r.URL.Path, err)
	}
	for name := range m {
		if !slices.Contains(known, name) {
			f.t.Errorf("%s: unknown key %q", r.URL.Path, name)
		}
	}
	return m
}

func (f *pipeFake) serveSearch(w http.ResponseWriter, q url.Values) {
	f.params(q, "term", "fields", "exact_match", "limit")
	if q.Get("fields") != "email" || q.Get("exact_match") != "true" || q.Get("term") == "" {
		f.t.Errorf("search: %v", q)
	}
	items := []any{}
	for id, p := range f.persons {
		var emails []string
		for _, e := range p["emails"].([]any) {
			emails = append(emails, e.(map[string]any)["value"].(string))
		}
		if slices.ContainsFunc(emails, func(e string) bool { return strings.EqualFold(e, q.Get("term")) }) {
			items = append(items, map[string]any{"result_score": 1, "item": map[string]any{
				"id": id, "type": "person", "name": p["name"], "emails": emails, "owner": map[string]any{"id": wangID}, "organization": map[string]any{"id": 5, "name": "Customer"},
			}})
		}
	}
	good(w, 200, map[string]any{"items": items}, "")
}

func (f *pipeFake) serveList(w http.ResponseWriter, q url.Values) {
	f.params(q, "person_id", "org_id", "sort_by", "sort_direction", "limit", "cursor")
	f.listed++
	limit, _ := strconv.Atoi(q.Get("limit"))
	from, _ := strconv.Atoi(strings.TrimPrefix(q.Get("cursor"), "at-"))
	if limit < 1 || limit > 500 || q.Get("sort_by") != "add_time" || q.Get("sort_direction") != "desc" {
		f.t.Errorf("list: %v", q)
	}
	found := []any{}
	for _, id := range slices.Backward(slices.Sorted(maps.Keys(f.activities))) { // the newest first
		a := f.activities[id]
		if p := q.Get("person_id"); p != "" && p != person(a) {
			continue
		}
		if o := q.Get("org_id"); o != "" && o != whole(a["org_id"]) {
			continue
		}
		found = append(found, a)
	}
	to, cursor := min(from+limit, len(found)), ""
	if to < len(found) {
		cursor = "at-" + strconv.Itoa(to)
	}
	good(w, 200, found[min(from, to):to], cursor)
}

func person(a map[string]any) string {
	if list, ok := a["participants"].([]any); ok {
		return whole(list[0].(map[string]any)["person_id"])
	}
	return whole(a["person_id"])
}

func whole(v any) string {
	n, _ := v.(float64)
	return strconv.Itoa(int(n))
}

func (f *pipeFake) serveMake(w http.ResponseWriter, m map[string]any) {
	_, err1 := time.Parse(time.DateOnly, m["due_date"].(string))
	_, err2 := time.Parse("15:04", m["due_time"].(string))
	if kind, _ := m["type"].(string); err1 != nil || err2 != nil || !slices.Contains(f.types, kind) || m["done"] != true || m["subject"] == "" || len([]rune(m["subject"].(string))) > 255 {
		f.t.Errorf("activity: %v", m)
		answer(w, 400, refusal("validation failed"))
		return
	}
	f.nextID++
	m["id"], m["add_time"] = f.nextID, time.Now().UTC().Format(time.RFC3339)
	f.activities[f.nextID] = m
	good(w, 201, m, "")
}

func (f *pipeFake) serveOne(w http.ResponseWriter, r *http.Request, body []byte, kind string, id int) {
	rows := f.activities
	if kind == "persons" {
		rows = f.persons
	}
	one, ok := rows[id]
	if !ok {
		answer(w, 404, refusal("not found"))
		return
	}
	switch r.Method {
	case http.MethodGet:
		f.params(r.URL.Query())
	case http.MethodPatch:
		one = maps.Clone(one)
		maps.Copy(one, f.object(r, body, "note"))
		rows[id] = one
	case http.MethodDelete:
		delete(rows, id)
	}
	good(w, 200, one, "")
}

func (f *pipeFake) serveFile(w http.ResponseWriter, r *http.Request, body []byte) {
	r.Body = io.NopCloser(bytes.NewReader(body))
	file, header, err := r.FormFile("file")
	if err != nil || len(r.MultipartForm.Value) != 1 {
		f.t.Errorf("file: %v", err)
		return
	}
	content, _ := io.ReadAll(file)
	if bytes.Contains(content, []byte("EICAR")) {
		answer(w, 400, refusal("the file was refused"))
		return
	}
	id := r.FormValue("activity_id")
	f.files[id] = append(f.files[id], header.Filename)
	good(w, 201, map[string]any{"id": 1}, "")
}

// Writes tells the making of an activity.
func (f *pipeFake) Writes(r *http.Request) bool {
	return r.Method == http.MethodPost && r.URL.Path == "/api/v2/activities"
}

// WritesTicket and WritesObject tell nothing: there are none.
func (f *pipeFake) WritesTicket(*http.Request) bool { return false }
func (f *pipeFake) WritesObject(*http.Request) bool { return false }

// WritesPerson tells the making of a person.
func (f *pipeFake) WritesPerson(r *http.Request) bool {
	return r.Method == http.MethodPost && r.URL.Path == "/api/v2/persons"
}

// ExpireTokens makes Pipedrive refuse the tokens that are out.
func (f *pipeFake) ExpireTokens(*testing.T) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.live = ""
}

// RefuseCredentials revokes the refresh token.
func (f *pipeFake) RefuseCredentials(*testing.T) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.live, f.refuse = "", map[string]any{"error": "invalid_grant"}
}

// TokensIssued counts the tokens.
func (f *pipeFake) TokensIssued(*testing.T) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.tokens
}

// AddContact makes a person, as a user of Pipedrive does.
func (f *pipeFake) AddContact(_ *testing.T, name, address string) { f.add(name, address) }

func (f *pipeFake) add(name, address string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.nextID++
	f.persons[f.nextID] = map[string]any{"id": f.nextID, "name": name, "owner_id": wangID, "emails": []any{map[string]any{"value": address, "primary": true}}}
	return f.nextID
}

var (
	leftLine = regexp.MustCompile(`<br>([^<]*) \(\d+ bytes\): `)
	keyLine  = regexp.MustCompile(`<p>heliograph-key:([^;]*);</p>$`)
)

// Records reads the notes.
func (f *pipeFake) Records(*testing.T) []crmtest.Record {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []crmtest.Record
	for id, a := range f.activities {
		note, _ := a["note"].(string)
		m := keyLine.FindStringSubmatch(note)
		if m == nil {
			continue
		}
		parts := strings.Split(note, "<hr>")
		r := crmtest.Record{Key: decoded(m[1]), Subject: a["subject"].(string), Text: html.UnescapeString(strings.ReplaceAll(parts[1], "<br>\n", "\n"))}
		for line := range strings.SplitSeq(parts[0], "<br>") {
			name, value, _ := strings.Cut(strings.TrimPrefix(line, "<p>"), ": ")
			switch value = html.UnescapeString(value); name {
			case "Bcc":
				r.BCC = strings.Split(value, ", ")
			case "Employees":
				r.Accounts = strings.Split(value, ", ")
			case "Thread":
				r.Thread = value
			}
		}
		for _, m := range leftLine.FindAllStringSubmatch(parts[2], -1) {
			r.Attachments = append(r.Attachments, html.UnescapeString(m[1]))
		}
		r.Attachments = append(r.Attachments, f.files[strconv.Itoa(id)]...)
		if r.Subject == "(no subject)" {
			r.Subject = ""
		}
		out = append(out, r)
	}
	return out
}

func decoded(key string) string {
	coded, ok := strings.CutPrefix(key, "b64.")
	if !ok {
		return key
	}
	raw, _ := base64.RawURLEncoding.DecodeString(coded)
	return string(raw)
}
