package yonyou_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	tenantID  = "0000LPC9GERU37IUX00000"
	appKey    = "fbb5f5b6-21fb-4156-8b73-3ec3ac389ab7"
	appSecret = "0f6f6a2f1a1c4a2b8f1e9a6d3c2b1a00s3cr3t"
)

var zone = time.FixedZone("CST", 8*3600)

// tenant is a tenant of YonBIP as the specification describes it: discovery, tokens and calls behind one address. It
// fails the test on anything that is not in there.
type tenant struct {
	t   *testing.T
	now func() time.Time

	mu       sync.Mutex // guards all below
	gateway  string     // address that the discovery gives; empty means this server
	moved    string     // path of the gateway; a call below another one is not registered
	tokens   map[string]bool
	issued   int
	closed   bool // the application is switched off
	found    int  // discoveries
	withIDs  bool // hits have ids
	noRules  bool // no duplicate rules
	denied   string
	nextID   int64
	contacts []map[string]any
	leads    []map[string]any
	follows  []map[string]any
	submits  map[string]bool
	staff    map[string]string // codes by mail address
	lose     bool              // a record that is submitted is not to be seen
	pushed   int
	quiet    bool
}

func newTenant(t *testing.T) *tenant {
	return &tenant{
		t: t, now: time.Now, moved: "/iuap-api-gateway", tokens: map[string]bool{}, nextID: 2097659622360350723,
		submits: map[string]bool{}, staff: map[string]string{"wang@example.com": "EMP1"},
	}
}

func (f *tenant) bad(format string, args ...any) {
	if !f.quiet {
		f.t.Errorf("the tenant does not know this: "+format, args...)
	}
}

var knownHeaders = []string{"Accept-Encoding", "Content-Length", "Content-Type", "User-Agent", "X-Request-Id"}

func (f *tenant) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var buf bytes.Buffer
	if _, err := buf.ReadFrom(r.Body); err != nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for name := range r.Header {
		if !slices.Contains(knownHeaders, name) {
			f.bad("header %s", name)
		}
	}
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	q := r.URL.Query()
	switch r.URL.Path {
	case "/open-auth/dataCenter/getGatewayAddress":
		f.discover(w, r, q)
		return
	case "/iuap-api-auth/open-auth/selfAppAuth/base/v1/getAccessToken":
		f.token(w, r, q)
		return
	}
	path, ok := strings.CutPrefix(r.URL.Path, f.moved)
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		say(w, "310404", "path not registered", nil)
		return
	}
	token := q.Get("access_token")
	switch {
	case token == "":
		say(w, 310001, "缺少token", nil)
		return
	case !f.tokens[token]:
		say(w, "310036", "非法token: "+token, nil)
		return
	case path == f.denied:
		w.WriteHeader(http.StatusNotFound)
		say(w, "310404", "path not registered", nil)
		return
	}
	q.Del("access_token")
	f.business(w, r.Method, path, q, buf.Bytes(), r.Header.Get("Content-Type"))
}

func say(w http.ResponseWriter, code any, message string, data any) {
	m := map[string]any{"code": code, "message": message}
	if data != nil {
		m["data"] = data
	}
	_ = json.NewEncoder(w).Encode(m)
}

func (f *tenant) discover(w http.ResponseWriter, r *http.Request, q url.Values) {
	f.found++
	if r.Method != http.MethodGet || len(q) != 1 {
		f.bad("discovery: %s %v", r.Method, q)
	}
	if q.Get("tenantId") != tenantID {
		say(w, "50000", "租户不存在", nil)
		return
	}
	base := f.gateway
	if base == "" {
		base = "http://" + r.Host
	}
	say(w, "00000", "成功！", map[string]any{"gatewayUrl": base + f.moved, "tokenUrl": base + "/iuap-api-auth"})
}

func (f *tenant) token(w http.ResponseWriter, r *http.Request, q url.Values) {
	if r.Method != http.MethodGet || len(q) != 3 {
		f.bad("token: %s with %d parameters", r.Method, len(q))
	}
	m := hmac.New(sha256.New, []byte(appSecret))
	m.Write([]byte("appKey" + q.Get("appKey") + "timestamp" + q.Get("timestamp")))
	at, err := strconv.ParseInt(q.Get("timestamp"), 10, 64)
	switch {
	case q.Get("appKey") != appKey || f.closed:
		say(w, "10018", "应用不存在或未启用", nil)
	case q.Get("signature") != base64.StdEncoding.EncodeToString(m.Sum(nil)):
		say(w, "10002", "签名错误", nil)
	case err != nil || f.now().Sub(time.UnixMilli(at)).Abs() > 10*time.Minute:
		say(w, "10003", "时间戳过期", nil)
	default:
		f.issued++
		token := fmt.Sprintf("token/s3cr3t+%d", f.issued)
		f.tokens[token] = true
		say(w, "00000", "成功！", map[string]any{"access_token": token, "expire": 7200})
	}
}

func strict(b []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	d.UseNumber()
	return d.Decode(into)
}

func (f *tenant) business(w http.ResponseWriter, method, path string, q url.Values, body []byte, kind string) {
	get := map[string]func(http.ResponseWriter, url.Values){
		"/yonbip/crm/contact/getbyid":               func(w http.ResponseWriter, q url.Values) { f.detail(w, f.contacts, q) },
		"/yonbip/crm/clue/getbyid":                  func(w http.ResponseWriter, q url.Values) { f.detail(w, f.leads, q) },
		"/yonbip/uspace/staff/info_by_mobile_email": f.employee,
	}
	post := map[string]func(http.ResponseWriter, []byte){
		"/yonbip/crm/bill/contactcheckrepeat": func(w http.ResponseWriter, b []byte) { f.repeated(w, b, "cust_contactcard") },
		"/yonbip/crm/bill/cluecheckrepeatddd": func(w http.ResponseWriter, b []byte) { f.repeated(w, b, "sfa_cluecard") },
		"/yonbip/crm/bill/followupsave":       f.saveFollow,
		"/yonbip/crm/bill/save":               f.saveLead,
		"/yonbip/crm/followup/list": func(w http.ResponseWriter, b []byte) {
			f.list(w, b, f.follows, []string{"code"}, []string{"followTime"})
		},
		"/yonbip/crm/clue/bill/list": func(w http.ResponseWriter, b []byte) {
			f.list(w, b, f.leads, []string{"code", "name", "source_name", "companyName"}, []string{"createTime", "modifyTime"})
		},
	}
	switch {
	case method == http.MethodGet && get[path] != nil:
		get[path](w, q)
	case method == http.MethodPost && post[path] != nil:
		if len(q) > 0 || kind != "application/json" {
			f.bad("%s with %v and the type %q", path, q, kind)
		}
		post[path](w, body)
	default:
		f.bad("%s %s", method, path)
		w.WriteHeader(http.StatusNotFound)
		say(w, "310404", "path not registered", nil)
	}
}

func (f *tenant) employee(w http.ResponseWriter, q url.Values) {
	if q.Get("type") != "2" || q.Get("field") == "" || len(q) != 2 {
		f.bad("employee: %v", q)
	}
	code, ok := f.staff[q.Get("field")]
	if !ok {
		say(w, "1002", "数据不存在", nil)
		return
	}
	say(w, "200", "", map[string]any{"id": "1", "code": code, "email": q.Get("field")})
}

func (f *tenant) detail(w http.ResponseWriter, rows []map[string]any, q url.Values) {
	if len(q) != 1 {
		f.bad("detail: %v", q)
	}
	for _, r := range rows {
		if fmt.Sprint(r["id"]) == q.Get("id") {
			say(w, 200, "操作成功", r)
			return
		}
	}
	say(w, 999, "获取失败", nil)
}

func (f *tenant) repeated(w http.ResponseWriter, body []byte, bill string) {
	var in struct {
		SystemSource string            `json:"systemSource"`
		Action       string            `json:"action"`
		MainBillNum  string            `json:"mainBillNum"`
		BillNum      string            `json:"billnum"`
		Data         map[string]string `json:"data"`
		TabInfo      []struct {
			BillNum     string `json:"billNum"`
			MappingType string `json:"mappingType"`
		} `json:"tabInfo"`
	}
	field, rows := "email", f.contacts
	if bill == "sfa_cluecard" {
		field, rows = "mailbox", f.leads
	}
	err := strict(body, &in)
	if err != nil || in.SystemSource != "mt" || in.Action != "browse" || in.MainBillNum != bill || len(in.TabInfo) != 1 ||
		in.TabInfo[0].BillNum != bill || in.TabInfo[0].MappingType != "0" || in.Data[field] == "" || len(in.Data) != 1 ||
		(in.BillNum == bill) != (bill == "cust_contactcard") {
		f.bad("duplicate check: %s, %v", body, err)
	}
	if f.noRules {
		say(w, 999, "请设置查重规则", nil)
		return
	}
	for _, r := range rows {
		if !strings.EqualFold(fmt.Sprint(r[field]), in.Data[field]) {
			continue
		}
		hit := map[string]any{"name_v": r["name"], field + "_v": r[field], "org": "1680077467067875331", "ower": "1680082612438171648"}
		if bill == "sfa_cluecard" {
			hit["billNum"], hit["contactPerson_v"], hit["companyName_v"] = bill, r["contactPerson"], r["companyName"]
		} else {
			hit["customer"], hit["customer_name"] = r["customer"], r["customer_name"]
		}
		if f.withIDs {
			hit["id"] = r["id"]
		}
		say(w, 200, "操作成功", hit)
		return
	}
	say(w, 200, "操作成功", map[string]any{})
}

// followFields are the fields that the vendor documents for a follow-up record.
var followFields = []string{
	"resubmitCheckKey", "followContext", "code", "followTime", "followMethodDoc_code", "clue", "customer", "contact", "org", "org_code",
	"ower_code", "_status", "followRecordDefineCharacter",
}

func (f *tenant) saveFollow(w http.ResponseWriter, body []byte) {
	var in struct {
		Data map[string]any `json:"data"`
	}
	if err := strict(body, &in); err != nil {
		f.bad("follow-up record: %v", err)
	}
	for name, v := range in.Data {
		if !slices.Contains(followFields, name) || v == nil {
			f.bad("field %s of a follow-up record: %v", name, v)
		}
	}
	key, _ := in.Data["resubmitCheckKey"].(string)
	text, _ := in.Data["followContext"].(string)
	at, _ := in.Data["followTime"].(string)
	_, timeErr := time.Parse(time.DateTime, at)
	if len(key) != 32 || text == "" || timeErr != nil || in.Data["_status"] != "Insert" || in.Data["org_code"] != "org01" {
		f.bad("a required field of %v", in.Data)
		say(w, 999, "缺少必填项", nil)
		return
	}
	if len([]rune(text)) > 8000 {
		say(w, 999, "跟进内容超长", nil)
		return
	}
	if f.submits[key] {
		say(w, "10004", "重复提交", nil)
		return
	}
	f.submits[key] = true
	if f.lose {
		return
	}
	f.nextID++
	row := maps.Clone(in.Data)
	row["id"] = strconv.FormatInt(f.nextID, 10)
	f.follows = append(f.follows, row)
	say(w, 200, "操作成功", row)
}

var leadFields = []string{
	"systemSource", "code", "name", "source_code", "clueType_code", "contactPerson", "mailbox", "ower_code", "org_code", "_status", "description",
}

func (f *tenant) saveLead(w http.ResponseWriter, body []byte) {
	var in struct {
		BillNum string         `json:"billnum"`
		Data    map[string]any `json:"data"`
	}
	if err := strict(body, &in); err != nil || in.BillNum != "sfa_cluecard" {
		f.bad("lead: %s: %v", body, err)
	}
	for name := range in.Data {
		if !slices.Contains(leadFields, name) {
			f.bad("field %s of a lead", name)
		}
	}
	for _, name := range []string{"systemSource", "code", "name", "source_code", "clueType_code", "org_code", "_status"} {
		if in.Data[name] == nil || in.Data[name] == "" {
			f.bad("a lead without %s", name)
		}
	}
	for _, r := range f.leads {
		if r["code"] == in.Data["code"] || r["name"] == in.Data["name"] {
			say(w, 999, "线索编码或名称重复", nil)
			return
		}
	}
	f.nextID++
	row := maps.Clone(in.Data)
	row["id"], row["createTime"] = json.Number(strconv.FormatInt(f.nextID, 10)), f.stamp()
	f.leads = append(f.leads, row)
	say(w, 200, "操作成功", row)
}

func (f *tenant) stamp() string { return f.now().In(zone).Format(time.DateTime) }

func (f *tenant) list(w http.ResponseWriter, body []byte, rows []map[string]any, equals, filters []string) {
	var in map[string]json.RawMessage
	if err := json.Unmarshal(body, &in); err != nil {
		f.bad("list: %v", err)
	}
	var index, size int
	var conditions []struct {
		Field  string `json:"field"`
		Op     string `json:"op"`
		Value1 string `json:"value1"`
		Value2 string `json:"value2"`
	}
	err := errors.Join(json.Unmarshal(in["pageIndex"], &index), json.Unmarshal(in["pageSize"], &size))
	if raw, has := in["simpleVOs"]; has {
		err = errors.Join(err, strict(raw, &conditions))
	}
	if err != nil || index < 1 || size < 1 || size > 9999 {
		f.bad("list %s: %v", body, err)
	}
	hits := slices.Clone(rows)
	for name, raw := range in {
		if slices.Contains([]string{"pageIndex", "pageSize", "simpleVOs"}, name) {
			continue
		}
		var want string
		if json.Unmarshal(raw, &want) != nil || !slices.Contains(equals, name) {
			f.bad("parameter %s of a list", name)
		}
		hits = slices.DeleteFunc(hits, func(r map[string]any) bool { return !strings.Contains(fmt.Sprint(r[name]), want) })
	}
	for _, c := range conditions {
		if !slices.Contains(filters, c.Field) {
			f.bad("condition on %s", c.Field)
		}
		hits = slices.DeleteFunc(hits, func(r map[string]any) bool {
			v, ok := r[c.Field].(string)
			return !ok || !compare(c.Op, v, c.Value1, c.Value2)
		})
	}
	count := len(hits)
	hits = hits[min((index-1)*size, len(hits)):]
	hits = hits[:min(size, len(hits))]
	say(w, 200, "操作成功", map[string]any{"pageIndex": index, "pageSize": size, "recordCount": count, "recordList": hits})
}

func compare(op, v, a, b string) bool {
	switch op {
	case "eq":
		return v == a
	case "neq":
		return v != a
	case "lt":
		return v < a
	case "elt":
		return v <= a
	case "gt":
		return v > a
	case "egt":
		return v >= a
	case "between":
		return v >= a && v <= b
	}
	return false
}
