package twenty_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
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
	apiKey     = "eyJhbGciOiJIUzI1NiJ9.fake-workspace.key"
	apiKeyID   = "20202020-1c25-4d02-bf25-6aeccf7ea419"
	hookSecret = "s3cr3t-of-the-webhook"
	keyField   = "heliographKey"
	stampForm  = "2006-01-02T15:04:05.000Z"
)

type row = map[string]any

// fake is Twenty's REST API as its documentation has it. What the documentation does not know fails the test.
type fake struct {
	t      *testing.T
	mu     sync.Mutex // guards all below
	next   int
	tick   time.Time
	rows   map[string][]row // by the plural of the object, in the order of their making
	fields map[string][]string
	hidden map[string]bool // objects that the key's role may not read
	old    bool            // the server of before: the fields of links have other names, and unknown ones are ignored
	stolen bool            // somebody else makes the person between look-up and creation
}

var singular = map[string]string{"people": "Person", "notes": "Note", "noteTargets": "NoteTarget", "opportunities": "Opportunity"}

func newFake(t *testing.T) *fake {
	return &fake{
		t: t, rows: map[string][]row{}, hidden: map[string]bool{},
		fields: map[string][]string{
			"people":        {"name", "emails", "companyId"},
			"notes":         {"title", "bodyV2", keyField, "mailDirection"},
			"noteTargets":   {"noteId", "targetPersonId", "targetCompanyId", "targetOpportunityId"},
			"opportunities": {"name", "amount", keyField},
		},
	}
}

// put stores a row. The caller holds the lock, or nobody else is there.
func (f *fake) put(object string, in row) row {
	f.next++
	now := time.Now().UTC().Truncate(time.Millisecond)
	if !now.After(f.tick) {
		now = f.tick.Add(time.Millisecond)
	}
	f.tick = now
	id, _ := in["id"].(string)
	for i, there := range f.rows[object] {
		if there["id"] == id {
			changed := row{}
			for _, m := range []row{there, in, {"updatedAt": now.Format(stampForm)}} {
				for k, v := range m {
					changed[k] = v
				}
			}
			f.rows[object][i] = changed
			return changed
		}
	}
	stored := row{"id": fmt.Sprintf("20202020-0000-4000-8000-%012x", f.next), "createdAt": now.Format(stampForm), "updatedAt": now.Format(stampForm)}
	for k, v := range in {
		stored[k] = v
	}
	f.rows[object] = append(f.rows[object], stored)
	return stored
}

func (f *fake) remove(object, id string) bool {
	before := len(f.rows[object])
	f.rows[object] = slices.DeleteFunc(f.rows[object], func(r row) bool { return r["id"] == id })
	return len(f.rows[object]) < before
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func refuse(w http.ResponseWriter, status int, message string) {
	answer(w, status, row{"statusCode": status, "messages": []string{message}})
}

// ServeHTTP answers as Twenty does.
func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, ok := strings.CutPrefix(r.URL.Path, "/rest/")
	if !ok {
		f.t.Errorf("%s %s is not in the API", r.Method, r.URL.Path)
	}
	if r.Header.Get("Authorization") != "Bearer "+apiKey {
		refuse(w, http.StatusUnauthorized, "Token invalid.")
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the connector gave up
	}
	writes := r.Method == http.MethodPost || r.Method == http.MethodPatch
	in := row{}
	if writes && (r.Header.Get("Content-Type") != "application/json" || json.Unmarshal(body, &in) != nil) {
		f.t.Errorf("%s %s: %q with %.200s", r.Method, path, r.Header.Get("Content-Type"), body)
	}
	if !writes && len(body) > 0 {
		f.t.Errorf("%s %s has a body", r.Method, path)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	object, id, _ := strings.Cut(path, "/")
	switch {
	case f.hidden[object]:
		refuse(w, http.StatusForbidden, "This role has no permission")
	case f.fields[object] == nil:
		refuse(w, http.StatusNotFound, "object not found")
	case r.Method == http.MethodGet && id == "":
		f.list(w, object, r.URL.Query())
	case r.Method == http.MethodPost && id == "":
		f.create(w, object, in)
	case r.Method == http.MethodPatch && id != "":
		if !slices.ContainsFunc(f.rows[object], func(r row) bool { return r["id"] == id }) {
			refuse(w, http.StatusNotFound, "Record not found")
			return
		}
		if f.known(w, object, in) {
			in["id"] = id
			answer(w, http.StatusOK, row{"data": row{"update" + singular[object]: f.put(object, in)}})
		}
	case r.Method == http.MethodDelete && id != "":
		if !f.remove(object, id) {
			refuse(w, http.StatusNotFound, "Record not found")
			return
		}
		answer(w, http.StatusOK, row{"data": row{"delete" + singular[object]: row{"id": id}}})
	default:
		f.t.Errorf("%s %s is not in the API", r.Method, path)
	}
}

// known says whether all fields are the object's.
func (f *fake) known(w http.ResponseWriter, object string, in row) bool {
	for name := range in {
		if slices.Contains(f.fields[object], name) {
			continue
		}
		if f.old && object == "noteTargets" {
			delete(in, name) // silently
			continue
		}
		if name != "NoSuchField_x" {
			f.t.Errorf("%s has no field %s that can be written", object, name)
		}
		refuse(w, http.StatusBadRequest, object+" has no field "+name)
		return false
	}
	return true
}

// unique are the fields that must be so.
func unique(object string, r row) any {
	if emails, ok := r["emails"].(map[string]any); ok && object == "people" {
		return emails["primaryEmail"]
	}
	return r[keyField]
}

func (f *fake) create(w http.ResponseWriter, object string, in row) {
	if !f.known(w, object, in) {
		return
	}
	switch object {
	case "notes":
		body, _ := in["bodyV2"].(map[string]any)
		if _, ok := body["markdown"].(string); !ok || len(body) != 1 {
			f.t.Errorf("note with the body %v", in["bodyV2"])
		}
		if _, ok := in["title"].(string); !ok && in["title"] != nil {
			f.t.Errorf("note with the title %v", in["title"])
		}
	case "noteTargets":
		if !slices.ContainsFunc(f.rows["notes"], func(r row) bool { return r["id"] == in["noteId"] }) {
			f.t.Errorf("link of the note %v, which is not there", in["noteId"])
		}
	case "people":
		name, _ := in["name"].(map[string]any)
		emails, _ := in["emails"].(map[string]any)
		if _, ok := emails["additionalEmails"].([]any); !ok || len(name) != 2 || len(emails) != 2 {
			f.t.Errorf("person %v", in)
		}
		if f.stolen {
			f.put(object, row{"name": row{"firstName": "Their", "lastName": "Person"}, "emails": map[string]any{"primaryEmail": emails["primaryEmail"]}})
		}
	}
	if u := unique(object, in); u != nil && u != "" {
		for _, there := range f.rows[object] {
			if unique(object, there) == u {
				refuse(w, http.StatusBadRequest, "A duplicate entry was detected")
				return
			}
		}
	}
	answer(w, http.StatusCreated, row{"data": row{"create" + singular[object]: f.put(object, in)}})
}

var orders = map[string]bool{"": true, "createdAt[DescNullsLast]": true, "updatedAt[AscNullsLast]": true, "updatedAt[DescNullsLast]": true}

func (f *fake) list(w http.ResponseWriter, object string, q url.Values) {
	for name := range q {
		if !slices.Contains([]string{"filter", "limit", "order_by", "starting_after", "depth"}, name) {
			f.t.Errorf("unknown parameter %s", name)
		}
	}
	size, err := strconv.Atoi(q.Get("limit"))
	if err != nil || size < 1 || size > 60 || !orders[q.Get("order_by")] {
		f.t.Errorf("limit %q, order %q", q.Get("limit"), q.Get("order_by"))
	}
	holds := func(row) bool { return true }
	if text := q.Get("filter"); text != "" {
		p := parser{f: f, object: object, text: text}
		if holds = p.filter(); p.text != "" || p.bad != "" {
			refuse(w, http.StatusBadRequest, "bad filter: "+p.bad)
			return
		}
	}
	var found []row
	for _, r := range f.rows[object] {
		if holds(r) {
			found = append(found, r)
		}
	}
	field, direction, _ := strings.Cut(q.Get("order_by"), "[")
	slices.SortStableFunc(found, func(a, b row) int { return strings.Compare(fmt.Sprint(a[field]), fmt.Sprint(b[field])) })
	if strings.HasPrefix(direction, "Desc") {
		slices.Reverse(found)
	}
	total := len(found)
	if after := q.Get("starting_after"); after != "" {
		i := slices.IndexFunc(found, func(r row) bool { return "after "+r["id"].(string) == after })
		if i < 0 {
			refuse(w, http.StatusBadRequest, "invalid cursor")
			return
		}
		found = found[i+1:]
	}
	page := row{"hasNextPage": len(found) > size}
	found = found[:min(size, len(found))]
	if len(found) > 0 {
		page["endCursor"] = "after " + found[len(found)-1]["id"].(string)
	}
	if found == nil {
		found = []row{}
	}
	answer(w, http.StatusOK, row{"data": row{object: found}, "pageInfo": page, "totalCount": total})
}

// parser reads filters: field[op]:value, or(…), and(…).
type parser struct {
	f                 *fake
	object, text, bad string
}

var comparison = regexp.MustCompile(`^([A-Za-z_.]+)\[([a-z]+)\]:(?:"([^"\\]*)"|([0-9.+-]+|true|false))`)

func (p *parser) filter() func(row) bool {
	for _, word := range []string{"and", "or"} {
		rest, ok := strings.CutPrefix(p.text, word+"(")
		if !ok {
			continue
		}
		var all []func(row) bool
		for p.text = rest; p.bad == ""; p.text = p.text[1:] {
			all = append(all, p.filter())
			if !strings.HasPrefix(p.text, ",") {
				break
			}
		}
		if rest, ok = strings.CutPrefix(p.text, ")"); !ok {
			p.bad = "no end at " + p.text
		}
		p.text = rest
		return func(r row) bool {
			n := 0
			for _, f := range all {
				if f(r) {
					n++
				}
			}
			return n == len(all) || word == "or" && n > 0
		}
	}
	m := comparison.FindStringSubmatch(p.text)
	if m == nil {
		p.f.t.Errorf("filter %q", p.text)
		p.bad = p.text
		return nil
	}
	p.text = p.text[len(m[0]):]
	top, sub, _ := strings.Cut(m[1], ".")
	if !slices.Contains(append([]string{"id", "createdAt", "updatedAt"}, p.f.fields[p.object]...), top) {
		p.bad = "no field " + top
		return nil
	}
	return func(r row) bool {
		v := r[top]
		if sub != "" {
			inner, _ := v.(map[string]any)
			v = inner[sub]
		}
		return p.f.compare(v, m[2], m[3]+m[4])
	}
}

func (f *fake) compare(have any, is, value string) bool {
	s := fmt.Sprint(have)
	order := strings.Compare(s, value)
	if a, err := strconv.ParseFloat(s, 64); err == nil {
		if b, err := strconv.ParseFloat(value, 64); err == nil {
			order = int(1000 * (a - b))
		}
	}
	switch is {
	case "eq":
		return order == 0
	case "neq":
		return order != 0
	case "gt":
		return order > 0
	case "gte":
		return order >= 0
	case "lt":
		return order < 0
	case "lte":
		return order <= 0
	case "ilike":
		return strings.Contains(strings.ToLower(s), strings.ToLower(strings.Trim(value, "%")))
	}
	f.t.Errorf("unknown comparison %q", is)
	return false
}

// unescape reads Markdown as CommonMark does, as far as the connector writes it. An active character that is not escaped fails the test.
func (f *fake) unescape(s string) string {
	s = strings.NewReplacer("\n&#32;", "\n\x01", "\n&#9;", "\n\x02").Replace("\n" + s)[1:]
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case s[i] == 1:
			b.WriteByte(' ')
		case s[i] == 2:
			b.WriteByte('\t')
		default:
			if strings.IndexByte("\\`*_{}[]<>()#+-.!|~&=:@^$", s[i]) >= 0 {
				f.t.Errorf("%q is not escaped in %.80q", s[i], s[max(0, i-20):])
			}
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

// What the suite asks of a fake.

func (f *fake) Records(*testing.T) []crmtest.Record {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []crmtest.Record
	for _, r := range f.rows["notes"] {
		markdown := r["bodyV2"].(map[string]any)["markdown"].(string)
		_, rest, _ := strings.Cut(markdown, "\n\n---\n\n")
		end := strings.LastIndex(rest, "\n\n---\n\n")
		var names []string
		for _, line := range strings.Split(rest[end+len("\n\n---\n\n"):], "\n") {
			if name, ok := strings.CutPrefix(line, "- "); ok && !strings.HasPrefix(name, "[") {
				names = append(names, f.unescape(name))
			}
		}
		key, _ := r[keyField].(string)
		title, _ := r["title"].(string)
		out = append(out, crmtest.Record{Key: key, Subject: title, Text: f.unescape(rest[:end]), Attachments: names})
	}
	return out
}

func posts(r *http.Request, path string) bool {
	return r.Method == http.MethodPost && r.URL.Path == path
}

func (f *fake) Writes(r *http.Request) bool { return posts(r, "/rest/notes") }

func (f *fake) WritesTicket(*http.Request) bool { return false }

func (f *fake) WritesObject(r *http.Request) bool { return posts(r, "/rest/opportunities") }

func (f *fake) WritesPerson(r *http.Request) bool { return posts(r, "/rest/people") }

func (f *fake) AddContact(_ *testing.T, name, address string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	first, last, _ := strings.Cut(name, " ")
	f.put("people", row{"name": row{"firstName": first, "lastName": last}, "emails": map[string]any{"primaryEmail": address}})
}

func (f *fake) Object() crmtest.Object {
	return crmtest.Object{Name: "opportunities", Text: "name", Number: "amount", MissingID: "20202020-0000-4000-8000-ffffffffffff"}
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
	return f.put("opportunities", in)["id"].(string)
}

func (f *fake) DeleteObject(_ *testing.T, id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.remove("opportunities", id)
}

func (f *fake) ObjectFields(_ *testing.T, id string) (map[string]any, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.IndexFunc(f.rows["opportunities"], func(r row) bool { return r["id"] == id })
	if i < 0 {
		return nil, false
	}
	return f.rows["opportunities"][i], true
}

func (f *fake) ObjectsWithText(_ *testing.T, text string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []string
	for _, r := range f.rows["opportunities"] {
		if r["name"] == text {
			out = append(out, r["id"].(string))
		}
	}
	return out
}

// sign makes a delivery of a body.
func sign(secret, stamp, body string) *crmclient.Delivery {
	h := hmac.New(sha256.New, []byte(secret))
	h.Write([]byte(stamp + ":" + body))
	header := http.Header{}
	header.Set("X-Twenty-Webhook-Timestamp", stamp)
	header.Set("X-Twenty-Webhook-Signature", hex.EncodeToString(h.Sum(nil)))
	header.Set("X-Twenty-Webhook-Nonce", "n0nce")
	return &crmclient.Delivery{Method: http.MethodPost, URL: &url.URL{Path: "/hooks/twenty"}, Header: header, Body: []byte(body)}
}

// Delivery is a call as the server makes it.
func (f *fake) Delivery(_ *testing.T, id string, at time.Time) *crmclient.Delivery {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next++
	return sign(hookSecret, strconv.FormatInt(at.UnixMilli(), 10), fmt.Sprintf(
		`{"eventName":"opportunity.updated","objectMetadata":{"id":"m","nameSingular":"opportunity"},"record":{"id":%q,"n":%d},"updatedFields":["name"]}`, id, f.next))
}
