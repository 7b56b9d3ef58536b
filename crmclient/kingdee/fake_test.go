package kingdee_test

import (
	"bytes"
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf16"

	"heliograph/crmclient"
	"heliograph/crmclient/crmtest"
)

const (
	account   = "5f0e1a2b3c4d5e"
	user      = "demo"
	appID     = "230001_AFBTDA4MDg4FBwEGAgBXUFNQBwUBAwIG"
	appSecret = "s3cr3t-of-the-app"
	mask      = "0054f397c6234378b09ca7d3e5debce7"
	identity  = "s3cr3t-identity"
	mailForm  = "F_HG_Mail"
	people    = "BD_CommonContact"
	orders    = "SAL_SaleOrder"
	prefix    = "/K3Cloud/Kingdee.BOS.WebApi.ServicesStub."
)

// zone is that of the fake's database.
var zone = time.FixedZone("CST", 8*3600)

// form is one form of the fake: its primary key, its fields with their lengths (0: unbounded), and what is in it.
type form struct {
	id     string
	fields map[string]int
	unique string // field that the site keeps unique
	states bool
	must   []string
	rows   []map[string]any
}

// site is K/3 Cloud as the specification describes it. It fails the test on anything that is not in there.
type site struct {
	t     *testing.T
	body  string // form of bodies that it takes
	now   func() time.Time
	login string
	quiet bool // mistakes are asked for

	mu       sync.Mutex // guards all below
	forms    map[string]*form
	sessions map[string]bool
	logins   int
	issued   int
	closed   bool // the application is switched off
	calls    []string
	nextID   int64
	denied   string // form that the user may not read
	uploads  map[string]*upload
	pieces   int
	lost     bool // the next business call finds its session lost
	identity bool
}

type upload struct {
	form, inter, name string
	content           []byte
	done              bool
}

func newSite(t *testing.T) *site {
	mail := &form{id: "FID", unique: "FBillNo", states: true, must: []string{"FBillNo"}, fields: map[string]int{
		"FBillNo": 30, "FDocumentStatus": 1, "FModifyDate": 0, "F_HG_Subject": 255, "F_HG_Text": 50_000, "F_HG_From": 255, "F_HG_To": 255,
		"F_HG_CC": 255, "F_HG_BCC": 255, "F_HG_Date": 0, "F_HG_Direction": 20, "F_HG_MessageID": 255, "F_HG_Thread": 255, "F_HG_Accounts": 255,
		"F_HG_Attachments": 255, "F_HG_Files": 255, "F_HG_Key": 255, "F_HG_Contact": 0,
	}}
	return &site{
		t: t, body: "named", now: time.Now, login: "sign", nextID: 100_000,
		forms: map[string]*form{
			mailForm: mail,
			people: {id: "FContactId", fields: map[string]int{
				"FContactId": 0, "FNumber": 80, "FName": 255, "FEMail": 255, "FMobile": 80, "FPost": 255, "FModifyDate": 0, "FCustId.FName": 0,
			}},
			"BD_Customer": {id: "FCUSTID", fields: map[string]int{"FNumber": 80, "FName": 255, "FWebSite": 255, "FModifyDate": 0}},
			"BD_Empinfo":  {id: "FID", fields: map[string]int{"FNumber": 80, "FEmail": 255}},
			"SAL_SaleOrder": {id: "FID", fields: map[string]int{
				"FBillNo": 80, "FDate": 0, "FDocumentStatus": 1, "FCloseStatus": 1, "FCustId.FNumber": 80, "FCustId.FName": 80, "FSalerId.FName": 80,
				"FModifyDate": 0, "FModifierId": 0, "F_HG_Key": 255, "FNote": 255, "FAmount": 0,
			}},
		},
		sessions: map[string]bool{}, uploads: map[string]*upload{},
	}
}

func (s *site) bad(format string, args ...any) {
	if !s.quiet {
		s.t.Errorf("the site does not know this: "+format, args...)
	}
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var buf bytes.Buffer
	if _, err := buf.ReadFrom(r.Body); err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	service, ok := strings.CutPrefix(r.URL.Path, prefix)
	service, ok2 := strings.CutSuffix(service, ".common.kdsvc")
	if r.Method != http.MethodPost || !ok || !ok2 || r.URL.RawQuery != "" {
		s.bad("%s %s", r.Method, r.URL)
		http.NotFound(w, r)
		return
	}
	if ct := r.Header.Get("Content-Type"); ct != "application/json" {
		s.bad("content type %q", ct)
	}
	for name := range r.Header {
		if !slices.Contains(knownHeaders, name) {
			s.bad("header %s", name)
		}
	}
	if s.identity && r.Header.Get("Api-Client-Identity") != identity {
		s.bad("the header api-client-identity is missing")
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	if auth, ok := strings.CutPrefix(service, "AuthService."); ok {
		s.answer(w, s.logIn(auth, buf.Bytes()))
		return
	}
	name, ok := strings.CutPrefix(service, "DynamicFormService.")
	if !ok {
		s.bad("service %s", service)
	}
	s.calls = append(s.calls, name)
	if s.login == "headers" {
		s.checkSignature(r)
	} else if session := r.Header.Get("Kdservice-Sessionid"); !s.sessions[session] || s.lost {
		s.lost = false
		delete(s.sessions, session)
		s.answer(w, problem(name, "1", "会话信息已丢失，请重新登录"))
		return
	}
	s.answer(w, s.serve(name, buf.Bytes()))
}

var knownHeaders = []string{
	"Accept-Encoding", "Content-Length", "Content-Type", "User-Agent", "X-Request-Id", "Kdservice-Sessionid", "Api-Client-Identity",
	"X-Api-Clientid", "X-Api-Auth-Version", "X-Api-Timestamp", "X-Api-Nonce", "X-Api-Signheaders", "X-Api-Signature",
	"X-Kd-Appkey", "X-Kd-Appdata", "X-Kd-Signature",
}

func (s *site) answer(w http.ResponseWriter, v any) {
	if err := json.NewEncoder(w).Encode(v); err != nil {
		s.t.Errorf("answer: %v", err)
	}
}

// problem is an error of a service: of a query it stands in place of a row.
func problem(service, code, message string) any {
	e := map[string]any{"Result": map[string]any{"ResponseStatus": map[string]any{
		"IsSuccess": false, "ErrorCode": 500, "MsgCode": json.Number(code), "SuccessEntitys": []any{}, "SuccessMessages": []any{},
		"Errors": []any{map[string]any{"FieldName": nil, "Message": message, "DIndex": 0}},
	}}}
	if service == "ExecuteBillQuery" {
		return []any{[]any{e}}
	}
	return e
}

func success(id any, number string) any {
	return map[string]any{"Result": map[string]any{"Id": id, "Number": number, "NeedReturnData": []any{}, "ResponseStatus": map[string]any{
		"IsSuccess": true, "MsgCode": 0, "Errors": []any{}, "SuccessMessages": []any{},
		"SuccessEntitys": []any{map[string]any{"Id": id, "Number": number, "DIndex": 0}},
	}}}
}

func (s *site) logIn(service string, body []byte) any {
	s.logins++
	refuse := func(text string) any {
		return map[string]any{"LoginResultType": 0, "Message": text, "MessageCode": "x", "KDSVCSessionId": nil, "Context": nil, "IsSuccessByAPI": false}
	}
	var in struct {
		Parameters []any `json:"parameters"`
	}
	if err := strict(body, &in); err != nil {
		s.bad("login: %v", err)
		return refuse("x")
	}
	p := in.Parameters
	switch {
	case service == "LoginBySign" && len(p) == 6 && s.login == "sign":
		at, _ := strconv.ParseInt(fmt.Sprint(p[3]), 10, 64)
		if s.now().Sub(time.Unix(at, 0)).Abs() > 5*time.Minute {
			return refuse("时间戳无效")
		}
		parts := []string{fmt.Sprint(p[0]), fmt.Sprint(p[1]), fmt.Sprint(p[2]), appSecret, fmt.Sprint(p[3])}
		slices.Sort(parts)
		sum := sha256.Sum256([]byte(strings.Join(parts, "")))
		if p[5] != "2052" {
			s.bad("locale %v", p[5])
		}
		if p[4] != hex.EncodeToString(sum[:]) {
			return refuse("签名错误")
		}
	case service == "LoginByAppSecret" && len(p) == 5 && s.login == "app_secret":
		if p[3] != appSecret || p[4] != json.Number("2052") {
			return refuse("应用密钥错误")
		}
	default:
		s.bad("login %s with %d parameters", service, len(p))
		return refuse("x")
	}
	switch {
	case p[0] != account:
		return refuse("数据中心不存在")
	case p[1] != user:
		return refuse("用户不存在")
	case p[2] != appID || s.closed:
		return refuse("应用未授权")
	}
	id := fmt.Sprintf("session-s3cr3t-%d", s.logins)
	s.sessions[id] = true
	s.issued++
	return map[string]any{
		"LoginResultType": 1, "Message": nil, "MessageCode": nil, "KDSVCSessionId": id, "IsSuccessByAPI": true,
		"Context": map[string]any{"SessionId": "inner", "UserId": 16394, "UserName": user, "UserLocale": "zh-CN", "DataCenterName": "正式账套", "UserToken": "u"},
	}
}

func (s *site) checkSignature(r *http.Request) {
	h := r.Header
	t := h.Get("X-Api-Timestamp")
	secret, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(appID, "230001_"))
	if err != nil {
		s.t.Fatal(err)
	}
	for i := range secret {
		secret[i] ^= mask[i]
	}
	path := strings.ReplaceAll(url.QueryEscape(r.URL.Path), "+", "%20")
	want := sum(base64.StdEncoding.EncodeToString(secret), "POST\n"+path+"\n\nx-api-nonce:"+h.Get("X-Api-Nonce")+"\nx-api-timestamp:"+t+"\n")
	data, _ := base64.StdEncoding.DecodeString(h.Get("X-Kd-Appdata"))
	if h.Get("X-Api-Signature") != want || h.Get("X-Kd-Signature") != sum(appSecret, appID+string(data)) ||
		string(data) != account+","+user+",2052,0" || h.Get("X-Api-Clientid") != "230001" || h.Get("X-Api-Signheaders") != "x-api-timestamp,x-api-nonce" {
		s.bad("the signature of the headers: %v", h)
	}
}

func sum(key, text string) string {
	m := hmac.New(sha256.New, []byte(key))
	m.Write([]byte(text))
	return base64.StdEncoding.EncodeToString([]byte(hex.EncodeToString(m.Sum(nil))))
}

func strict(b []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	d.UseNumber()
	return d.Decode(into)
}

// arguments takes the arguments out of a body, in the form that this site takes.
func (s *site) arguments(body []byte, names ...string) []json.RawMessage {
	out := make([]json.RawMessage, len(names))
	if s.body == "named" {
		var m map[string]json.RawMessage
		if err := json.Unmarshal(body, &m); err != nil || len(m) != len(names) {
			s.bad("body with %d keys, want %v", len(m), names)
		}
		for i, name := range names {
			if out[i] = m[name]; out[i] == nil {
				s.bad("body without %s", name)
				out[i] = json.RawMessage("{}")
			}
		}
		return out
	}
	var list []string
	if s.body == "wrapped" {
		var m struct {
			Format     int    `json:"format"`
			UserAgent  string `json:"useragent"`
			RID        string `json:"rid"`
			Parameters string `json:"parameters"`
			Timestamp  string `json:"timestamp"`
			V          string `json:"v"`
		}
		if err := strict(body, &m); err != nil || m.Format != 1 || m.UserAgent != "ApiClient" || m.V != "1.0" || m.RID == "" || m.Timestamp == "" {
			s.bad("wrapped body: %+v %v", m, err)
		}
		body = []byte(`{"parameters":` + m.Parameters + `}`)
	}
	var m struct {
		Parameters []string `json:"parameters"`
	}
	if err := strict(body, &m); err != nil || len(m.Parameters) != len(names) {
		s.bad("parameters: %v %v", m, err)
	}
	for i, name := range names {
		out[i] = json.RawMessage("{}")
		if list = m.Parameters; i < len(list) {
			if out[i] = json.RawMessage(list[i]); name == "formid" {
				out[i], _ = json.Marshal(list[i])
			}
		}
	}
	return out
}

func (s *site) serve(service string, body []byte) any {
	switch service {
	case "ExecuteBillQuery":
		return s.query(s.arguments(body, "data")[0])
	case "QueryBusinessInfo":
		return s.describe(s.arguments(body, "data")[0])
	case "AttachmentUpLoad":
		return s.attach(s.arguments(body, "data")[0])
	case "Save", "Submit", "Audit", "UnAudit", "Delete":
		args := s.arguments(body, "formid", "data")
		var id string
		if err := json.Unmarshal(args[0], &id); err != nil || s.forms[id] == nil {
			return problem(service, "0", "业务对象不存在")
		}
		if service == "Save" {
			return s.save(s.forms[id], args[1])
		}
		return s.operate(service, s.forms[id], args[1])
	}
	s.bad("service %s", service)
	return problem(service, "3", "x")
}

func (s *site) query(data json.RawMessage) any {
	var q struct {
		FormID                               string `json:"FormId"`
		FieldKeys, FilterString, OrderString string
		TopRowCount, StartRow, Limit         int
		SubSystemID                          string `json:"SubSystemId"`
	}
	if err := strict(data, &q); err != nil || q.Limit < 1 || q.Limit > 2000 || q.TopRowCount != 0 {
		s.bad("query %s: %v", data, err)
	}
	f := s.forms[q.FormID]
	switch {
	case f == nil:
		return problem("ExecuteBillQuery", "0", "业务对象不存在")
	case q.FormID == s.denied:
		return problem("ExecuteBillQuery", "2", "没有查询权限")
	}
	keys := strings.Split(q.FieldKeys, ",")
	for _, k := range keys {
		if _, ok := f.fields[k]; !ok && k != f.id {
			return problem("ExecuteBillQuery", "9", "字段不存在: "+k)
		}
	}
	match, err := parseFilter(q.FilterString, f)
	if errors.Is(err, errNoField) {
		return problem("ExecuteBillQuery", "9", "字段不存在")
	}
	if err != nil {
		s.bad("filter %q: %v", q.FilterString, err)
		return problem("ExecuteBillQuery", "8", "x")
	}
	var hits []map[string]any
	for _, r := range f.rows {
		if match(r) {
			hits = append(hits, r)
		}
	}
	if q.OrderString == "" && q.FilterString != "" && !strings.HasPrefix(q.FilterString, f.id+"=") {
		s.bad("a query without an order: %+v", q)
	}
	for _, by := range slices.Backward(strings.Split(q.OrderString, ",")) {
		slices.SortStableFunc(hits, func(a, b map[string]any) int { return compare(a[by], b[by]) })
	}
	hits = hits[min(q.StartRow, len(hits)):]
	hits = hits[:min(q.Limit, len(hits))]
	out := make([][]any, 0, len(hits))
	for _, r := range hits {
		values := make([]any, len(keys))
		for i, k := range keys {
			values[i] = r[k]
		}
		out = append(out, values)
	}
	return out
}

func compare(a, b any) int {
	if n, ok := a.(json.Number); ok {
		x, _ := new(big.Rat).SetString(n.String())
		if y, ok := new(big.Rat).SetString(fmt.Sprint(b)); ok {
			return x.Cmp(y)
		}
	}
	x, okX := a.(int64)
	y, okY := b.(int64)
	if okX && okY {
		return cmp.Compare(x, y)
	}
	return cmp.Compare(strings.ReplaceAll(fmt.Sprint(a), "T", " "), strings.ReplaceAll(fmt.Sprint(b), "T", " "))
}

func (s *site) describe(data json.RawMessage) any {
	var q struct {
		FormID string `json:"FormId"`
	}
	if err := strict(data, &q); err != nil {
		s.bad("describe %s: %v", data, err)
	}
	f := s.forms[q.FormID]
	if f == nil {
		return problem("QueryBusinessInfo", "0", "业务对象不存在")
	}
	var fields []any
	for _, name := range slices.Sorted(maps.Keys(f.fields)) {
		if head, _, dotted := strings.Cut(name, "."); dotted {
			name = head
		}
		must := 0
		if slices.Contains(f.must, name) {
			must = 1
		}
		fields = append(fields, map[string]any{"Key": name, "Name": []any{map[string]any{"Key": 2052, "Value": "字段 " + name}}, "MustInput": must, "LookUpObjectFormId": ""})
	}
	return map[string]any{"Result": map[string]any{
		"ResponseStatus": map[string]any{"IsSuccess": true, "Errors": []any{}},
		"NeedReturnData": map[string]any{"Entrys": []any{map[string]any{"Key": "FBillHead", "Name": "单据头", "Fields": fields}}},
	}}
}

// saveData is the body of Save; all of it is known.
type saveData struct {
	NeedUpDateFields, NeedReturnFields                               []string
	IsDeleteEntry, IsVerifyBaseDataField, ValidateFlag, NumberSearch string
	IsAutoAdjustField, InterationFlags, IgnoreInterationFlag         string
	ValidateRepeatJSON                                               string `json:"ValidateRepeatJson"`
	Model                                                            map[string]any
}

func (s *site) save(f *form, data json.RawMessage) any {
	var in saveData
	if err := strict(data, &in); err != nil || in.IsDeleteEntry != "false" || in.NumberSearch != "true" || in.NeedUpDateFields == nil || in.NeedReturnFields == nil {
		s.bad("save %.300s: %v", data, err)
		return problem("Save", "8", "x")
	}
	for name, v := range in.Model {
		length, ok := f.fields[name]
		text, isText := v.(string)
		switch {
		case !ok && name != f.id:
			return problem("Save", "9", "字段不存在: "+name)
		case isText && length > 0 && len(utf16.Encode([]rune(text))) > length:
			return problem("Save", "11", fmt.Sprintf("字段 %s 的长度超过 %d", name, length))
		}
	}
	row := map[string]any{}
	if id, update := in.Model[f.id]; update {
		i := s.index(f, fmt.Sprint(id))
		if i < 0 {
			return problem("Save", "10", "数据不存在")
		}
		row = f.rows[i]
		if row["FDocumentStatus"] == "C" {
			return problem("Save", "12", "已审核的单据不能修改")
		}
		for name, v := range in.Model {
			if name == f.id {
				continue
			}
			if !slices.Contains(in.NeedUpDateFields, name) {
				s.bad("field %s is not among those to update", name)
			}
			row[name] = v
		}
	} else {
		if f.unique != "" {
			for _, r := range f.rows {
				if r[f.unique] == in.Model[f.unique] {
					return problem("Save", "11", "编码唯一: 单据编号已存在")
				}
			}
		}
		s.nextID++
		maps.Copy(row, in.Model)
		row[f.id] = s.nextID
		if f.states {
			row["FDocumentStatus"] = "A"
		}
		f.rows = append(f.rows, row)
	}
	row["FModifyDate"], row["FModifierId"] = stamp(s.now()), int64(16394)
	number, _ := row["FBillNo"].(string)
	return success(row[f.id], number)
}

func stamp(t time.Time) string { return t.In(zone).Format("2006-01-02T15:04:05.000") }

func (s *site) index(f *form, id string) int {
	return slices.IndexFunc(f.rows, func(r map[string]any) bool { return fmt.Sprint(r[f.id]) == id })
}

func (s *site) operate(service string, f *form, data json.RawMessage) any {
	var in struct {
		CreateOrgID int `json:"CreateOrgId"`
		Numbers     []string
		IDs         string `json:"Ids"`
		NetworkCtrl string
	}
	if err := strict(data, &in); err != nil || len(in.Numbers) > 0 {
		s.bad("%s %s: %v", service, data, err)
	}
	i := s.index(f, in.IDs)
	if i < 0 {
		return problem(service, "10", "数据不存在")
	}
	row := f.rows[i]
	state := row["FDocumentStatus"]
	switch {
	case service == "Submit" && (state == "A" || state == "D"):
		row["FDocumentStatus"] = "B"
	case service == "Audit" && state == "B":
		row["FDocumentStatus"] = "C"
	case service == "UnAudit" && state == "C":
		row["FDocumentStatus"] = "D"
	case service == "Delete" && state != "C":
		f.rows = slices.Delete(f.rows, i, i+1)
	default:
		return problem(service, "12", fmt.Sprintf("状态 %v 不允许此操作", state))
	}
	return success(in.IDs, "")
}

func (s *site) attach(data json.RawMessage) any {
	var in struct {
		FileName, BillNo, AliasFileName, SendByte string
		FormID                                    string `json:"FormId"`
		InterID                                   string `json:"InterId"`
		EntryinterID                              string `json:"EntryinterId"`
		FileID                                    string `json:"FileId"`
		IsLast                                    bool
	}
	b, err := []byte(nil), strict(data, &in)
	if err == nil {
		b, err = base64.StdEncoding.DecodeString(in.SendByte)
	}
	f := s.forms[in.FormID]
	if err != nil || len(in.SendByte) > 4<<20 || f == nil || s.index(f, in.InterID) < 0 || in.EntryinterID != "-1" || in.FileName == "" || in.AliasFileName != in.FileName {
		s.bad("upload of %d letters: %v", len(in.SendByte), err)
		return problem("AttachmentUpLoad", "8", "x")
	}
	s.pieces++
	if in.FileID == "" {
		in.FileID = fmt.Sprintf("file-%d", len(s.uploads)+1)
		s.uploads[in.FileID] = &upload{form: in.FormID, inter: in.InterID, name: in.FileName}
	}
	u := s.uploads[in.FileID]
	if u == nil || u.done {
		s.bad("a piece of the file %s", in.FileID)
		return problem("AttachmentUpLoad", "8", "x")
	}
	u.content, u.done = append(u.content, b...), in.IsLast
	return map[string]any{"Result": map[string]any{"ResponseStatus": map[string]any{"IsSuccess": true, "Errors": []any{}}, "FileId": in.FileID}}
}

// saves says whether a request saves into a form. It leaves the body as it was.
func saves(r *http.Request, form string) bool {
	if !strings.HasSuffix(r.URL.Path, "DynamicFormService.Save.common.kdsvc") {
		return false
	}
	b, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(b))
	return bytes.Contains(b, []byte(`"`+form+`"`))
}

func (s *site) Writes(r *http.Request) bool       { return saves(r, mailForm) }
func (s *site) WritesTicket(*http.Request) bool   { return false }
func (s *site) WritesObject(r *http.Request) bool { return saves(r, orders) }
func (s *site) WritesPerson(r *http.Request) bool { return saves(r, people) }
func (s *site) FilesOnce() bool                   { return false }
func (s *site) WritesFile(r *http.Request) bool {
	return strings.HasSuffix(r.URL.Path, "AttachmentUpLoad.common.kdsvc")
}

func (s *site) Files(_ *testing.T, id string) []crmtest.File {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []crmtest.File
	for name, u := range s.uploads {
		if u.inter == id && u.done {
			out = append(out, crmtest.File{ID: name, Name: u.name, Content: u.content})
		}
	}
	return out
}

func (s *site) ExpireTokens(*testing.T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.sessions)
}

func (s *site) RefuseCredentials(*testing.T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.sessions)
	s.closed = true
}

func (s *site) TokensIssued(*testing.T) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.issued
}

func (s *site) Object() crmtest.Object {
	return crmtest.Object{Name: "orders", Text: "FNote", Number: "FAmount", MissingID: "424242", TellsOwn: true}
}

func (s *site) PutObject(_ *testing.T, id string, fields map[string]any) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.forms[orders]
	row := map[string]any{}
	if i := s.index(f, id); i >= 0 {
		row = f.rows[i]
	} else {
		s.nextID++
		row["FID"], row["FBillNo"] = s.nextID, fmt.Sprintf("XSDD%06d", s.nextID)
		f.rows = append(f.rows, row)
	}
	maps.Copy(row, fields)
	row["FModifyDate"], row["FModifierId"] = stamp(s.now()), int64(1)
	return fmt.Sprint(row["FID"])
}

func (s *site) DeleteObject(_ *testing.T, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.forms[orders]
	f.rows = slices.DeleteFunc(f.rows, func(r map[string]any) bool { return fmt.Sprint(r["FID"]) == id })
}

func (s *site) ObjectFields(_ *testing.T, id string) (map[string]any, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.forms[orders]
	if i := s.index(f, id); i >= 0 {
		return maps.Clone(f.rows[i]), true
	}
	return nil, false
}

func (s *site) ObjectsWithText(_ *testing.T, text string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ids []string
	for _, r := range s.forms[orders].rows {
		if r["FNote"] == text {
			ids = append(ids, fmt.Sprint(r["FID"]))
		}
	}
	return ids
}

func (s *site) Records(*testing.T) []crmtest.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := func(v any) []string {
		t, _ := v.(string)
		if t == "" {
			return nil
		}
		return strings.Split(t, ", ")
	}
	str := func(v any) string { t, _ := v.(string); return t }
	var out []crmtest.Record
	for _, r := range s.forms[mailForm].rows {
		out = append(out, crmtest.Record{
			Key: str(r["F_HG_Key"]), Subject: str(r["F_HG_Subject"]), Text: str(r["F_HG_Text"]), Thread: str(r["F_HG_Thread"]),
			Attachments: list(r["F_HG_Attachments"]), Accounts: list(r["F_HG_Accounts"]), BCC: list(r["F_HG_BCC"]),
		})
	}
	return out
}

func (s *site) AddContact(t *testing.T, name, address string) {
	s.PutContact(t, crmclient.ContactRecord{Name: name, Addresses: []string{address}})
}

func (s *site) PutContact(_ *testing.T, r crmclient.ContactRecord) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.forms[people]
	row := map[string]any{}
	if i := s.index(f, r.ID); i >= 0 {
		row = f.rows[i]
	} else {
		s.nextID++
		row["FContactId"], row["FNumber"] = s.nextID, fmt.Sprintf("CXR%06d", s.nextID)
		f.rows = append(f.rows, row)
	}
	row["FName"], row["FEMail"], row["FPost"] = r.Name, r.Addresses[0], r.Fields[crmclient.FieldTitle]
	row["FModifyDate"] = stamp(s.now())
	return fmt.Sprint(row["FContactId"])
}

func (s *site) DeleteContact(_ *testing.T, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.forms[people]
	f.rows = slices.DeleteFunc(f.rows, func(r map[string]any) bool { return fmt.Sprint(r["FContactId"]) == id })
}

// put adds a row to a form and returns its id.
func (s *site) put(name string, row map[string]any) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.forms[name]
	s.nextID++
	row = maps.Clone(row)
	row[f.id] = s.nextID
	if _, ok := row["FModifyDate"]; !ok {
		row["FModifyDate"] = stamp(s.now())
	}
	f.rows = append(f.rows, row)
	return fmt.Sprint(s.nextID)
}
