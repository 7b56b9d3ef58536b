package kingdee_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
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
