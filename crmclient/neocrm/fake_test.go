package neocrm_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	clientSecret  = "client-secret-0123456789"
	password      = "pass-word-0123456789"
	securityToken = "tok8word"
	keyField      = "messageKey__c"
)

// fake is the REST API, strict in what it takes.
type fake struct {
	t        *testing.T
	password string
	bare     bool // the header holds the token only

	mu      sync.Mutex // guards all below
	objects map[string]*object
	tokens  map[string]bool
	issued  int
	refused bool
	denied  map[string]string // code by object
	opaque  bool              // descriptions have another shape
	nextID  int64
	now     int64
}

type object struct {
	fields []map[string]any
	rows   []map[string]any
}

func (o *object) kind(name string) string {
	for _, f := range o.fields {
		if f["apiKey"] == name {
			return f["type"].(string)
		}
	}
	return ""
}

func newFake(t *testing.T) *fake {
	f := &fake{t: t, password: password, objects: map[string]*object{}, tokens: map[string]bool{}, denied: map[string]string{}, nextID: 1_000_000}
	add := func(name, spec string) {
		o := &object{}
		for one := range strings.FieldsSeq("id:id " + spec + " ownerId:id createdAt:datetime updatedAt:datetime") {
			field, kind, required := strings.Cut(one, ":")
			kind, must := strings.CutSuffix(kind, "!")
			o.fields = append(o.fields, map[string]any{"apiKey": field, "label": "标签 " + field, "type": kind, "required": required && must, "creatable": field != "id"})
		}
		f.objects[name] = o
	}
	add("activityrecord", keyField+":text content:textarea! startTime:datetime! endTime:datetime entityType:id! dimDepart:id! activityRecordFrom:integer activityRecordFrom_data:id subject__c:text text__c:textarea thread__c:text accounts__c:textarea bcc__c:textarea files__c:textarea")
	add("contact", "contactName:text! email:text")
	add("lead", "name:text! email:text")
	add("deal__c", "title__c:text amount__c:currency")
	return f
}

// ServeHTTP answers one request; errors come with status 200.
func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	f.mu.Lock()
	answer := f.answer(r, raw)
	text, err := json.Marshal(answer) // while nobody writes into the records that are in it
	f.mu.Unlock()
	if err != nil {
		f.t.Errorf("answer: %v", err)
	}
	w.Header().Set("Content-Type", "application/json")
	if answer == nil {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	_, _ = w.Write(text)
}

func fail(code string) map[string]any { return map[string]any{"code": code, "msg": "refused"} }

func (f *fake) answer(r *http.Request, raw []byte) map[string]any {
	if r.URL.RawQuery != "" {
		f.t.Errorf("query %s", r.URL.RawQuery)
	}
	if r.URL.Path == "/oauth2/token" {
		return f.token(r, raw)
	}
	if !strings.HasPrefix(r.URL.Path, "/rest/data/v2.0/") {
		return nil
	}
	token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if bearer == f.bare || !f.tokens[token] {
		return fail("401")
	}
	if r.URL.Path == "/rest/data/v2.0/query/xoql" {
		form, err := url.ParseQuery(string(raw))
		if err != nil || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" || len(form) != 1 {
			f.t.Errorf("query: %s %q", r.Method, raw)
		}
		return f.query(form.Get("xoql"))
	}
	path, ok := strings.CutPrefix(r.URL.Path, "/rest/data/v2.0/xobjects/")
	if !ok {
		return nil
	}
	name, rest, _ := strings.Cut(path, "/")
	o := f.objects[name]
	if o == nil {
		return fail("4000001")
	}
	if code := f.denied[name]; code != "" {
		return fail(code)
	}
	switch {
	case r.Method == http.MethodGet && rest == "description":
		if f.opaque {
			return map[string]any{"code": "200", "data": map[string]any{"items": o.fields}}
		}
		return map[string]any{"code": "200", "data": map[string]any{"apiKey": name, "fields": o.fields}}
	case r.Method == http.MethodPost && rest == "", r.Method == http.MethodPatch && rest != "":
		return f.write(o, rest, r, raw)
	}
	f.t.Errorf("unknown call %s %s", r.Method, r.URL.Path)
	return nil
}

func (f *fake) token(r *http.Request, raw []byte) map[string]any {
	form, err := url.ParseQuery(string(raw))
	if err != nil || r.Method != http.MethodPost || len(form) != 6 || form.Get("grant_type") != "password" || form.Get("redirect_uri") != "https://crm.example.com" || form.Get("client_id") != "id" {
		f.t.Errorf("token: %d fields", len(form))
	}
	if f.refused || form.Get("client_secret") != clientSecret || form.Get("username") != "gateway@example.com" || form.Get("password") != f.password+securityToken {
		return map[string]any{"error_code": 1020011, "message": "invalid user or password"}
	}
	f.issued++
	token := fmt.Sprintf("access-token-%d", f.issued)
	f.tokens[token] = true
	return map[string]any{"access_token": token, "id": "1", "token_type": "Bearer"}
}

func (f *fake) tick() int64 {
	f.now = max(f.now+1, time.Now().UnixMilli())
	return f.now
}

func (f *fake) write(o *object, id string, r *http.Request, raw []byte) map[string]any {
	var body struct {
		Data map[string]any `json:"data"`
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	d.UseNumber()
	if err := d.Decode(&body); err != nil || r.Header.Get("Content-Type") != "application/json" {
		f.t.Errorf("body: %v", err)
	}
	for name, v := range body.Data {
		kind := o.kind(name)
		_, isNumber := v.(json.Number)
		_, isText := v.(string)
		switch kind {
		case "":
			f.t.Errorf("no field %s", name)
		case "datetime":
			if !isNumber {
				return fail("5000047")
			}
		case "text", "textarea":
			if !isText {
				f.t.Errorf("field %s got %v", name, v)
			}
		}
	}
	if id != "" {
		for _, row := range o.rows {
			if fmt.Sprint(row["id"]) == id {
				for name, v := range body.Data {
					row[name] = v
				}
				row["updatedAt"] = f.tick()
				return map[string]any{"code": "200", "data": map[string]any{"id": row["id"]}}
			}
		}
		return fail("4000002")
	}
	for _, field := range o.fields {
		if name := field["apiKey"].(string); field["required"] == true && body.Data[name] == nil {
			return fail("5000001")
		}
	}
	return map[string]any{"code": "200", "data": map[string]any{"id": f.insert(o, body.Data)}}
}

func (f *fake) insert(o *object, data map[string]any) int64 {
	f.nextID++
	row := map[string]any{"id": f.nextID, "createdAt": f.tick(), "updatedAt": f.tick()}
	for name, v := range data {
		row[name] = v
	}
	o.rows = append(o.rows, row)
	return f.nextID
}

// xoql is what of the language is verified: one table, comparisons, and, or, order by, limit.
var xoql = regexp.MustCompile(`^select ([A-Za-z0-9_, ]+) from ([A-Za-z0-9_]+)(?: where (.*))? order by ([A-Za-z]+) limit (\d+),(\d+)$`)

var condition = regexp.MustCompile(`^\(?([A-Za-z0-9_]+) (=|<>|<=|>=|<|>) (?:'((?:[^'\\]|'')*)'|(-?[0-9.]+))\)?`)

func (f *fake) query(q string) map[string]any {
	m := xoql.FindStringSubmatch(strings.ReplaceAll(q, "\n", " "))
	if m == nil {
		f.t.Errorf("XOQL: %s", q)
		return fail("5000099")
	}
	o := f.objects[m[2]]
	if o == nil {
		return fail("4000001")
	}
	if code := f.denied[m[2]]; code != "" {
		return fail(code)
	}
	var fields []string
	for name := range strings.SplitSeq(m[1], ", ") {
		if o.kind(name) == "" {
			return fail("5000098")
		}
		fields = append(fields, name)
	}
	var found []map[string]any
	for _, row := range o.rows {
		if f.holds(o, row, m[3]) {
			found = append(found, row)
		}
	}
	slices.SortStableFunc(found, func(a, b map[string]any) int { return int(a[m[4]].(int64) - b[m[4]].(int64)) })
	offset, _ := strconv.Atoi(m[5])
	limit, _ := strconv.Atoi(m[6])
	found = found[min(offset, len(found)):]
	records := []any{}
	for _, row := range found[:min(limit, len(found))] {
		one := map[string]any{}
		for _, name := range fields {
			one[name] = row[name]
		}
		records = append(records, one)
	}
	return map[string]any{"code": "200", "msg": "OK", "data": map[string]any{"count": len(records), "totalSize": len(o.rows), "records": records}}
}

// holds evaluates conditions from the left; "or" stands within parentheses only, or alone.
func (f *fake) holds(o *object, row map[string]any, where string) bool {
	all, any, alternative := true, false, false
	for where != "" {
		m := condition.FindStringSubmatch(where)
		if m == nil || o.kind(m[1]) == "" {
			f.t.Errorf("XOQL condition: %s", where)
			return true
		}
		ok := compare(row[m[1]], m[2], strings.ReplaceAll(m[3], "''", "'"), m[4])
		where = where[len(m[0]):]
		if rest, or := strings.CutPrefix(where, " or "); or {
			where, any, alternative = rest, any || ok, true
			continue
		}
		if alternative {
			ok, any, alternative = any || ok, false, false
		}
		all = all && ok
		where = strings.TrimPrefix(where, " and ")
	}
	return all
}

func compare(got any, op, text, number string) bool {
	c := 0
	if number != "" {
		a, ok := new(big.Rat).SetString(fmt.Sprint(got))
		b, _ := new(big.Rat).SetString(number)
		if !ok {
			return false
		}
		c = a.Cmp(b)
	} else {
		s, _ := got.(string)
		c = strings.Compare(s, text)
	}
	switch op {
	case "=":
		return c == 0
	case "<>":
		return c != 0
	case "<":
		return c < 0
	case "<=":
		return c <= 0
	case ">":
		return c > 0
	}
	return c >= 0
}
