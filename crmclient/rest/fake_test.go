package rest_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"heliograph/crmclient/crmtest"
)

const (
	formoSecret = "change-me-0123456789"
	formoApp    = "app_7f3a"
	formoBase   = "/open/v1"
)

// row is a record of a form.
type row struct {
	ID        string         `json:"_id"`
	UpdatedAt int64          `json:"_updated_at"`
	UpdatedBy string         `json:"_updated_by"`
	Deleted   bool           `json:"_deleted"`
	Values    map[string]any `json:"values"`
}

type storedFile struct {
	ID     string `json:"file_id"`
	Record string `json:"record"`
	Name   string `json:"name"`
	SHA256 string `json:"sha256"`
	size   int
}

// formo is the made-up platform. It refuses what its description does not know.
type formo struct {
	t *testing.T

	mu       sync.Mutex // guards all below
	forms    map[string][]*row
	fields   map[string][]string
	files    []storedFile
	users    map[string]string // mail address to id
	next     int
	nonces   map[string]bool
	clock    int64
	requests int
	denied   string // form that the application may not use
}

func newFormo(t *testing.T) *formo {
	return &formo{
		t: t, forms: map[string][]*row{}, nonces: map[string]bool{}, clock: time.Now().UnixMilli(),
		users: map[string]string{"wang@example.com": "u_wang"},
		fields: map[string][]string{
			"kehu": {"f_name", "f_email", "f_company"},
			"youjian": {
				"f_key", "f_subject", "f_text", "f_from", "f_to", "f_cc", "f_bcc", "f_time", "f_direction", "f_customers", "f_accounts", "f_thread", "f_files",
			},
			"gongdan": {"f_key", "f_title", "f_text", "f_priority", "f_requester", "f_owner", "f_product"},
			"shangji": {"f_key", "f_title", "f_stage", "f_amount"},
		},
	}
}

func (f *formo) errorf(format string, args ...any) { f.t.Errorf("formo: "+format, args...) }

func answer(w http.ResponseWriter, code int, msg string, data any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"code": code, "msg": msg, "data": data})
}

// ServeHTTP is the platform's API.
func (f *formo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests++
	if code, msg := f.refuse(r, body); code != 0 {
		answer(w, code, msg, nil)
		return
	}
	path, ok := strings.CutPrefix(r.URL.EscapedPath(), formoBase)
	parts := strings.Split(strings.TrimPrefix(path, "/"), "/")
	switch {
	case !ok:
		f.errorf("unknown path %s", r.URL.Path)
	case path == "/me" && r.Method == http.MethodGet:
		answer(w, 0, "ok", map[string]any{"name": "演示租户"})
	case path == "/users" && r.Method == http.MethodGet:
		f.findUsers(w, r)
	case path == "/files":
		f.serveFiles(w, r, body)
	case len(parts) >= 3 && parts[0] == "forms" && f.fields[parts[1]] == nil:
		answer(w, 40400, "form not found", nil)
	case len(parts) >= 3 && parts[0] == "forms" && parts[1] == f.denied:
		answer(w, 40301, "no permission", nil)
	case len(parts) == 3 && parts[0] == "forms" && parts[2] == "fields" && r.Method == http.MethodGet:
		list := []any{}
		for _, id := range f.fields[parts[1]] {
			list = append(list, map[string]any{"id": id, "label": "标签 " + id, "type": "text", "required": id == "f_name"})
		}
		answer(w, 0, "ok", list)
	case len(parts) == 3 && parts[0] == "forms" && parts[2] == "records" && r.Method == http.MethodPost:
		f.createRow(w, parts[1], body)
	case len(parts) == 4 && parts[0] == "forms" && parts[3] == "query" && r.Method == http.MethodPost:
		f.query(w, parts[1], body)
	case len(parts) == 4 && parts[0] == "forms" && parts[2] == "records":
		f.oneRow(w, r.Method, parts[1], parts[3], body)
	default:
		f.errorf("unknown request %s %s", r.Method, r.URL.Path)
	}
}

// refuse checks the signature as the platform describes it.
func (f *formo) refuse(r *http.Request, body []byte) (int, string) {
	h := r.Header
	at, err := strconv.ParseInt(h.Get("X-Timestamp"), 10, 64)
	if err != nil || time.Since(time.UnixMilli(at)).Abs() > 5*time.Minute {
		return 40102, "timestamp expired"
	}
	nonce := h.Get("X-Nonce")
	if len(nonce) < 8 || f.nonces[nonce] {
		f.errorf("the nonce is used twice or short")
	}
	f.nonces[nonce] = true
	sum := sha256.Sum256(body)
	m := hmac.New(sha256.New, []byte(formoSecret))
	fmt.Fprintf(m, "%s\n%s\n%s\n%d\n%s\n%s", r.Method, r.URL.EscapedPath(), r.URL.RawQuery, at, nonce, hex.EncodeToString(sum[:]))
	if h.Get("X-App-Id") != formoApp || h.Get("X-Sign") != hex.EncodeToString(m.Sum(nil)) {
		return 40101, "bad signature " + h.Get("X-Sign")
	}
	known := []string{"Accept", "Accept-Encoding", "Content-Length", "Content-Type", "User-Agent", "X-Request-Id", "X-App-Id", "X-Timestamp", "X-Nonce", "X-Sign"}
	for name := range h {
		if !slices.Contains(known, name) {
			f.errorf("unknown header %s", name)
		}
	}
	if len(body) > 0 && r.URL.Path != formoBase+"/files" && h.Get("Content-Type") != "application/json" {
		f.errorf("content type %q", h.Get("Content-Type"))
	}
	return 0, ""
}

func (f *formo) decode(body []byte, into any) bool {
	d := json.NewDecoder(strings.NewReader(string(body)))
	d.DisallowUnknownFields()
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		f.errorf("body: %v", err)
		return false
	}
	return true
}

func (f *formo) checkValues(w http.ResponseWriter, form string, values map[string]any) bool {
	for id, v := range values {
		if !slices.Contains(f.fields[form], id) {
			answer(w, 40001, "unknown field "+id, nil)
			return false
		}
		if v == nil {
			f.errorf("field %s is null", id)
		}
	}
	return true
}

func (f *formo) createRow(w http.ResponseWriter, form string, body []byte) {
	var in struct {
		Values map[string]any `json:"values"`
	}
	if !f.decode(body, &in) || !f.checkValues(w, form, in.Values) {
		return
	}
	if form == "youjian" {
		if _, ok := in.Values["f_time"].(json.Number); !ok {
			f.errorf("f_time is %T, not a number", in.Values["f_time"])
		}
		for _, id := range []string{"f_to", "f_bcc", "f_accounts", "f_files", "f_customers"} {
			if _, ok := in.Values[id].([]any); !ok {
				f.errorf("%s is %T, not a list", id, in.Values[id])
			}
		}
	}
	r := f.put(form, in.Values, "heliograph")
	answer(w, 0, "ok", map[string]any{"_id": r.ID})
}

func (f *formo) put(form string, values map[string]any, by string) *row {
	f.next++
	f.clock++
	r := &row{ID: fmt.Sprintf("%s/%d", form, f.next), UpdatedAt: f.clock, UpdatedBy: by, Values: values}
	f.forms[form] = append(f.forms[form], r)
	return r
}

type condition struct {
	Field string `json:"field"`
	Op    string `json:"op"`
	Value any    `json:"value"`
}

func (c condition) holds(r *row) bool {
	v := r.Values[c.Field]
	if c.Field == "_updated_at" {
		v = json.Number(strconv.FormatInt(r.UpdatedAt, 10))
	}
	switch c.Op {
	case "eq":
		return fmt.Sprint(v) == fmt.Sprint(c.Value)
	case "in":
		list, _ := c.Value.([]any)
		return slices.ContainsFunc(list, func(x any) bool { return fmt.Sprint(x) == fmt.Sprint(v) })
	case "gte", "gt":
		a, _ := strconv.ParseFloat(fmt.Sprint(v), 64)
		b, _ := strconv.ParseFloat(fmt.Sprint(c.Value), 64)
		return a > b || a == b && c.Op == "gte"
	}
	return false
}

func (f *formo) query(w http.ResponseWriter, form string, body []byte) {
	var in struct {
		Filter struct {
			Rel  string      `json:"rel"`
			Cond []condition `json:"cond"`
		} `json:"filter"`
		Limit  int    `json:"limit"`
		Cursor string `json:"cursor"`
	}
	if !f.decode(body, &in) {
		return
	}
	if in.Limit < 1 || in.Limit > 100 || in.Filter.Rel != "and" {
		f.errorf("limit %d, rel %q", in.Limit, in.Filter.Rel)
	}
	for _, c := range in.Filter.Cond {
		if c.Field != "_updated_at" && !slices.Contains(f.fields[form], c.Field) {
			answer(w, 40001, "unknown field "+c.Field, nil)
			return
		}
	}
	var found []*row
	for _, r := range f.forms[form] {
		wantsDeleted := slices.ContainsFunc(in.Filter.Cond, func(c condition) bool { return c.Field == "_updated_at" })
		if (!r.Deleted || wantsDeleted) && !slices.ContainsFunc(in.Filter.Cond, func(c condition) bool { return !c.holds(r) }) {
			found = append(found, r)
		}
	}
	from := 0
	if in.Cursor != "" {
		var err error
		if from, err = strconv.Atoi(strings.TrimPrefix(in.Cursor, "cur/")); err != nil || from > len(found) {
			f.errorf("cursor %q", in.Cursor)
			return
		}
	}
	to := min(from+in.Limit, len(found))
	data := map[string]any{"items": append([]*row{}, found[from:to]...), "next_cursor": "", "has_more": to < len(found)}
	if to < len(found) {
		data["next_cursor"] = fmt.Sprintf("cur/%d", to)
	}
	answer(w, 0, "ok", data)
}

func (f *formo) oneRow(w http.ResponseWriter, method, form, id string, body []byte) {
	id = strings.ReplaceAll(id, "%2F", "/")
	i := slices.IndexFunc(f.forms[form], func(r *row) bool { return r.ID == id && !r.Deleted })
	if i < 0 {
		answer(w, 40400, "record not found", nil)
		return
	}
	r := f.forms[form][i]
	switch method {
	case http.MethodGet:
		answer(w, 0, "ok", r)
	case http.MethodPatch:
		var in struct {
			Values map[string]any `json:"values"`
		}
		if !f.decode(body, &in) || !f.checkValues(w, form, in.Values) {
			return
		}
		values := maps.Clone(r.Values)
		maps.Copy(values, in.Values)
		f.clock++
		r.Values, r.UpdatedAt, r.UpdatedBy = values, f.clock, "heliograph"
		answer(w, 0, "ok", map[string]any{})
	case http.MethodDelete:
		f.clock++
		r.Deleted, r.UpdatedAt = true, f.clock
		answer(w, 0, "ok", map[string]any{})
	default:
		f.errorf("method %s", method)
	}
}

func (f *formo) findUsers(w http.ResponseWriter, r *http.Request) {
	list := []any{}
	if id := f.users[r.URL.Query().Get("email")]; id != "" {
		list = append(list, map[string]any{"user_id": id})
	}
	answer(w, 0, "ok", list)
}

func (f *formo) serveFiles(w http.ResponseWriter, r *http.Request, body []byte) {
	if r.Method == http.MethodGet {
		list := []storedFile{}
		for _, file := range f.files {
			if file.Record == r.URL.Query().Get("record") {
				list = append(list, file)
			}
		}
		answer(w, 0, "ok", list)
		return
	}
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	if err := r.ParseMultipartForm(32 << 20); err != nil {
		f.errorf("multipart: %v", err)
		return
	}
	file, header, err := r.FormFile("file")
	if err != nil {
		f.errorf("multipart: %v", err)
		return
	}
	content, _ := io.ReadAll(file)
	sum := sha256.Sum256(content)
	if hex.EncodeToString(sum[:]) != r.FormValue("sha256") {
		f.errorf("the hash of the file %q is not that of its content", header.Filename)
	}
	f.next++
	stored := storedFile{fmt.Sprintf("file%d", f.next), r.FormValue("record"), header.Filename, r.FormValue("sha256"), len(content)}
	f.files = append(f.files, stored)
	answer(w, 0, "ok", stored)
}

// Writes says whether the request makes the record of a mail.
func (f *formo) Writes(r *http.Request) bool {
	return r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/forms/youjian/records")
}

// AddContact makes a customer.
func (f *formo) AddContact(_ *testing.T, name, address string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.put("kehu", map[string]any{"f_name": name, "f_email": address}, "someone")
}

// Records returns the mail that was stored.
func (f *formo) Records(*testing.T) []crmtest.Record {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []crmtest.Record
	for _, r := range f.forms["youjian"] {
		if r.Deleted {
			continue
		}
		v := r.Values
		out = append(out, crmtest.Record{
			Key: fmt.Sprint(v["f_key"]), Subject: fmt.Sprint(v["f_subject"]), Text: fmt.Sprint(v["f_text"]),
			Attachments: list(v["f_files"]), Accounts: list(v["f_accounts"]), BCC: list(v["f_bcc"]), Thread: fmt.Sprint(v["f_thread"]),
		})
	}
	return out
}

func list(v any) []string {
	var out []string
	items, _ := v.([]any)
	for _, item := range items {
		out = append(out, fmt.Sprint(item))
	}
	return out
}
