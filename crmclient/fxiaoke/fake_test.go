package fxiaoke_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	appSecret     = "app-secret-0123456789"
	permanentCode = "permanent-code-0123456789"
	actingUser    = "FSUID_acting"
	keyField      = "message_key__c"
)

// fake is the open API, strict in what it takes.
type fake struct {
	t      *testing.T
	secret string

	mu      sync.Mutex // guards all below
	objects map[string]*object
	tokens  map[string]bool
	issued  int
	refused bool // the credentials get no token
	silent  bool // creating does not tell the id
	denied  map[string]int
	nextID  int
	now     int64
}

type object struct {
	fields map[string]map[string]any
	rows   []map[string]any
}

func newFake(t *testing.T) *fake {
	f := &fake{t: t, secret: appSecret, objects: map[string]*object{}, tokens: map[string]bool{}, denied: map[string]int{}}
	add := func(name, spec string) {
		o := &object{fields: map[string]map[string]any{}}
		for one := range strings.FieldsSeq(spec + " _id:text create_time:date_time last_modified_time:date_time last_modified_by:employee owner:employee") {
			field, kind, _ := strings.Cut(one, ":")
			o.fields[field] = map[string]any{"api_name": field, "label": "标签 " + field, "type": kind, "is_required": field == "name", "is_active": true}
		}
		f.objects[name] = o
	}
	add("ActiveRecordObj", keyField+":text active_record_content:long_text active_record_type:select_one related_object_data:text subject__c:text text__c:long_text thread__c:text accounts__c:long_text bcc__c:long_text files__c:long_text sent__c:date_time")
	add("ContactObj", "name:text email:email account_id:object_reference")
	add("LeadsObj", "name:text email:email company:text")
	add("deal__c", "name:text title__c:text amount__c:currency closes__c:date_time tags__c:select_many")
	return f
}

// ServeHTTP answers one request; errors come with status 200.
func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	f.mu.Lock()
	answer, code := f.answer(r, raw)
	if answer == nil {
		answer = map[string]any{}
	}
	answer["errorCode"], answer["traceId"] = code, "E-O.1.2-trace"
	answer["errorMessage"] = map[bool]string{true: "OK", false: "refused"}[code == 0]
	text, err := json.Marshal(answer) // while nobody writes into the records that are in it
	f.mu.Unlock()
	if err != nil {
		f.t.Errorf("answer: %v", err)
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(text)
}

func (f *fake) answer(r *http.Request, raw []byte) (map[string]any, int) {
	if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" || r.URL.RawQuery != "" {
		f.t.Errorf("%s %s: not a POST of JSON", r.Method, r.URL)
	}
	var body map[string]any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&body); err != nil {
		f.t.Errorf("body: %v", err)
		return nil, 12004
	}
	path := r.URL.Path
	if code := f.denied[path]; code != 0 {
		return nil, code
	}
	if path == "/cgi/corpAccessToken/get/V2" {
		return f.token(body)
	}
	want := []string{"corpAccessToken", "corpId"}
	if path != "/cgi/user/getByMobile" {
		want = append(want, "currentOpenUserId")
	}
	for _, k := range want {
		if body[k] == nil {
			f.t.Errorf("%s: no %s", path, k)
		}
	}
	if access, _ := body["corpAccessToken"].(string); !f.tokens[access] || body["corpId"] != "FSCID_1" {
		return nil, 20016
	}
	if path == "/cgi/user/getByMobile" {
		f.keys(path, body, "corpAccessToken", "corpId", "mobile")
		if body["mobile"] != "13800138000" {
			return map[string]any{"empList": []any{}}, 0
		}
		return map[string]any{"empList": []any{map[string]any{"openUserId": actingUser}}}, 0
	}
	if body["currentOpenUserId"] != actingUser {
		return nil, 20012
	}
	data, _ := body["data"].(map[string]any)
	if path == "/cgi/crm/v2/object/describe" {
		f.keys(path, body, "corpAccessToken", "corpId", "currentOpenUserId", "includeDetail", "data")
		o := f.objects[fmt.Sprint(data["apiName"])]
		if o == nil {
			return nil, 32000
		}
		return map[string]any{"data": map[string]any{"describe": map[string]any{"api_name": data["apiName"], "fields": o.fields}}}, 0
	}
	f.keys(path, body, "corpAccessToken", "corpId", "currentOpenUserId", "data")
	call, custom := strings.CutPrefix(path, "/cgi/crm/custom/v2/data/")
	if !custom {
		var ok bool
		if call, ok = strings.CutPrefix(path, "/cgi/crm/v2/data/"); !ok {
			f.t.Errorf("unknown call %s", path)
			return nil, -2
		}
	}
	return f.data(call, custom, data)
}

// keys fails the test where a body has a key that the call does not know.
func (f *fake) keys(what string, body map[string]any, known ...string) {
	for k := range body {
		if !slices.Contains(known, k) {
			f.t.Errorf("%s: unknown key %q", what, k)
		}
	}
}

func (f *fake) token(body map[string]any) (map[string]any, int) {
	f.keys("token", body, "appId", "appSecret", "permanentCode")
	switch {
	case f.refused, body["appSecret"] != f.secret, body["appId"] != "FSAID_1":
		return nil, 10006
	case body["permanentCode"] != permanentCode:
		return nil, 20015
	}
	f.issued++
	access := fmt.Sprintf("corp-access-token-%d", f.issued)
	f.tokens[access] = true
	return map[string]any{"corpAccessToken": access, "corpId": "FSCID_1", "expiresIn": 7200}, 0
}

func (f *fake) tick() int64 {
	f.now = max(f.now+1, time.Now().UnixMilli())
	return f.now
}

func (f *fake) data(call string, custom bool, data map[string]any) (map[string]any, int) {
	inner, _ := data["object_data"].(map[string]any)
	name := fmt.Sprint(data["dataObjectApiName"])
	if inner != nil {
		name = fmt.Sprint(inner["dataObjectApiName"])
	}
	o := f.objects[name]
	if o == nil || custom != strings.HasSuffix(name, "__c") {
		f.t.Errorf("%s: object %s by the wrong path", call, name)
		return nil, 32000
	}
	row := func(id any) map[string]any {
		for _, r := range o.rows {
			if r["_id"] == id {
				return r
			}
		}
		return nil
	}
	switch call {
	case "query":
		f.keys(call, data, "dataObjectApiName", "search_query_info")
		return f.query(o, custom, data["search_query_info"].(map[string]any))
	case "create":
		f.keys(call, data, "object_data", "details")
		id := f.insert(o, inner, actingUser)
		if f.silent {
			return nil, 0
		}
		return map[string]any{"dataId": id}, 0
	case "update":
		f.keys(call, data, "object_data", "details")
		r := row(inner["_id"])
		if r == nil {
			return nil, 32000
		}
		f.write(o, r, inner)
		r["last_modified_time"], r["last_modified_by"] = f.tick(), []string{actingUser}
		return nil, 0
	case "invalid":
		f.keys(call, data, "dataObjectApiName", "object_data_id")
		r := row(data["object_data_id"])
		if r == nil {
			return nil, 32000
		}
		r["life_status"] = "invalid"
		return nil, 0
	case "delete":
		f.keys(call, data, "dataObjectApiName", "idList")
		for _, id := range data["idList"].([]any) {
			if r := row(id); r == nil || r["life_status"] != "invalid" {
				f.t.Error("deleted before it was invalid")
			}
			o.rows = slices.DeleteFunc(o.rows, func(r map[string]any) bool { return r["_id"] == id })
		}
		return nil, 0
	}
	f.t.Errorf("unknown call %s", call)
	return nil, -2
}

func (f *fake) insert(o *object, data map[string]any, by string) string {
	f.nextID++
	r := map[string]any{"_id": fmt.Sprintf("65a0000000000000%08x", f.nextID), "create_time": f.tick(), "last_modified_time": f.tick(), "last_modified_by": []string{by}}
	f.write(o, r, data)
	o.rows = append(o.rows, r)
	return r["_id"].(string)
}

// write sets fields; a shape that the type does not have fails the test.
func (f *fake) write(o *object, r, data map[string]any) {
	for name, v := range data {
		if name == "dataObjectApiName" || name == "_id" {
			continue
		}
		kind, ok := o.fields[name]["type"], false
		switch kind {
		case "number", "currency":
			s, is := v.(string)
			_, isNumber := new(big.Rat).SetString(s)
			ok = is && isNumber
		case "date_time":
			_, ok = v.(json.Number)
		case "employee", "select_many":
			_, ok = v.([]any)
		case nil:
		default:
			_, ok = v.(string)
			ok = ok || name == "related_object_data"
		}
		if !ok {
			f.t.Errorf("field %s (%v) got %v", name, kind, v)
		}
		r[name] = v
	}
}

func (f *fake) query(o *object, custom bool, q map[string]any) (map[string]any, int) {
	f.keys("query", q, "offset", "limit", "filters", "orders")
	limit, _ := q["limit"].(json.Number).Int64()
	offset, _ := q["offset"].(json.Number).Int64()
	if limit < 1 || limit > 100 || offset%limit != 0 || offset > 10_000 {
		return nil, 10013
	}
	var found []map[string]any
	for _, r := range o.rows {
		if r["life_status"] != "invalid" && f.matches(o, r, q["filters"].([]any)) {
			found = append(found, r)
		}
	}
	for _, e := range q["orders"].([]any) {
		by := e.(map[string]any)
		if by["isAsc"] != "true" {
			f.t.Errorf("orders: %v", by)
		}
		name := by["fieldName"].(string)
		slices.SortStableFunc(found, func(a, b map[string]any) int { return strings.Compare(fmt.Sprint(a[name]), fmt.Sprint(b[name])) })
	}
	found = found[min(int(offset), len(found)):]
	page := append([]map[string]any{}, found[:min(int(limit), len(found))]...)
	if custom {
		return map[string]any{"dataList": page, "total": 0}, 0
	}
	return map[string]any{"data": map[string]any{"dataList": page, "offset": offset, "limit": limit, "total": 0}}, 0
}

func (f *fake) matches(o *object, r map[string]any, filters []any) bool {
	for _, e := range filters {
		c := e.(map[string]any)
		f.keys("filter", c, "field_name", "operator", "field_values")
		name, values := c["field_name"].(string), c["field_values"].([]any)
		kind := o.fields[name]["type"]
		if kind == nil {
			f.t.Errorf("filter: no field %s", name)
			return true
		}
		got := fmt.Sprint(r[name])
		if r[name] == nil {
			got = ""
		}
		compare := func(want any) int {
			s, isText := want.(string)
			if !isText {
				f.t.Errorf("filter: value %v is no text", want)
			}
			a, ok := new(big.Rat).SetString(got)
			b, ok2 := new(big.Rat).SetString(s)
			if (kind == "currency" || kind == "date_time") && ok && ok2 {
				return a.Cmp(b)
			}
			return strings.Compare(got, s)
		}
		ok := false
		switch c["operator"] {
		case "EQ":
			ok = compare(values[0]) == 0
		case "N":
			ok = compare(values[0]) != 0
		case "GT":
			ok = compare(values[0]) > 0
		case "GTE":
			ok = compare(values[0]) >= 0
		case "LT":
			ok = compare(values[0]) < 0
		case "LTE":
			ok = compare(values[0]) <= 0
		case "IN":
			ok = slices.ContainsFunc(values, func(v any) bool { return compare(v) == 0 })
		case "LIKE":
			ok = strings.Contains(got, values[0].(string))
		default:
			f.t.Errorf("filter: operator %v", c["operator"])
		}
		if !ok {
			return false
		}
	}
	return true
}
