package jiandaoyun_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	apiKey     = "apikey-0123456789-secret"
	pushSecret = "push-secret-of-the-form"
	appID      = "5f3206c56d5a6d0006abda85"
	otherApp   = "5f3206c56d5a6d0006abda86"
	apiMember  = "gateway"
)

// The forms of the fake.
const (
	activities = "61a000000000000000000001"
	contacts   = "61a000000000000000000002"
	leads      = "61a000000000000000000003"
	companies  = "61a000000000000000000004"
	tickets    = "61a000000000000000000005"
	deals      = "61a000000000000000000006"
	staff      = "61a000000000000000000007"
)

// txMode is what the vendor may do with a transaction id that it knows: its documentation leaves it open.
type txMode int

const (
	txOverwrites txMode = iota // answers with the record of the first time, written again
	txRefuses                  // answers with code 17026
	txForgets                  // makes another record
)

// fake is Jiandaoyun: forms with widgets, strict in what it takes.
type fake struct {
	t    *testing.T
	tx   txMode
	key  string
	base string // path before /v5

	mu          sync.Mutex // guards all below
	forms       map[string]*fakeForm
	members     map[string]string // names by username
	known       map[string]string // ids by transaction and form
	tokens      map[string]*fakeToken
	files       map[string]*fakeFile
	now         time.Time
	nextID      int
	calls       []string
	lenient     bool           // as the vendor: what is unknown is passed over in silence
	dropKey     bool           // the key is passed over in silence
	denied      map[string]int // code by path
	uploadURL   string         // of the store for files; empty means this server
	uploadFault http.HandlerFunc
}

type fakeWidget struct {
	Name  string       `json:"name"`
	ID    string       `json:"widgetName"`
	Label string       `json:"label"`
	Type  string       `json:"type"`
	Items []fakeWidget `json:"items,omitempty"`
}

type fakeForm struct {
	id, name string
	widgets  []fakeWidget
	rows     []map[string]any // in the order of their ids
}

type fakeToken struct {
	transaction string
	used        bool
}

type fakeFile struct {
	transaction, name, kind string
	content                 []byte
	bound                   bool
}

func newFake(t *testing.T) *fake {
	f := &fake{
		t: t, key: apiKey, base: "/api", forms: map[string]*fakeForm{}, known: map[string]string{}, tokens: map[string]*fakeToken{}, files: map[string]*fakeFile{},
		members: map[string]string{"agent": "客服小王", "wang": "王芳", "boss": "老板", apiMember: "网关"},
		now:     time.Now().UTC().Truncate(time.Millisecond), nextID: 1, denied: map[string]int{},
	}
	widgets := func(spec string) []fakeWidget {
		var out []fakeWidget
		for line := range strings.FieldsSeq(spec) {
			name, kind, _ := strings.Cut(line, ":")
			out = append(out, fakeWidget{Name: name, ID: fmt.Sprintf("_widget_%d", 1_700_000_000+len(out)), Label: "标题 " + name, Type: kind})
		}
		return out
	}
	add := func(id, name, spec string) {
		f.forms[id] = &fakeForm{id: id, name: name, widgets: widgets(spec)}
	}
	add(activities, "邮件往来", `message_key:text message_id:text thread:text subject:text direction:combo sent_at:datetime mail_from:text mail_to:textarea mail_cc:textarea
		mail_bcc:textarea content:textarea accounts:text owner:user contact:lookup customer:lookup file_names:textarea unconfirmed:radiogroup attachments:upload
		serial:sn attachment_count:number`)
	add(contacts, "联系人", "name:text email:text email2:text company:text company_link:lookup owner:user title:text phone:text mobile:phone domain:text source:combo")
	add(leads, "线索", "name:text email:text owner:user title:text mobile:phone source:combo")
	add(companies, "客户", "name:text domain:text owner:user")
	add(tickets, "工单", "ticket_key:text subject:text content:textarea priority:combo assignee:user contact:lookup contact_email:text message_id:text attachments:upload")
	add(deals, "商机", "gateway_key:text title:text amount:number stage:combo tags:combocheck closes:datetime region:dept team:usergroup place:address call:phone picked:linkdata lines:subform")
	f.forms[deals].widgets[11].Items = widgets("product:text count:number")
	add(staff, "员工", "email:text member:user")
	return f
}

// id makes the next id, as those of a MongoDB grow.
func (f *fake) id() string {
	f.nextID++
	return fmt.Sprintf("67221b4fac0a62ac%08x", f.nextID)
}

// tick is the clock of the vendor: each change has its own millisecond.
func (f *fake) tick() string {
	now := time.Now().UTC().Truncate(time.Millisecond)
	if !now.After(f.now) {
		now = f.now.Add(time.Millisecond)
	}
	f.now = now
	return now.Format("2006-01-02T15:04:05.000Z")
}

type apiError struct {
	status, code int
	msg          string
}

func (e *apiError) Error() string { return e.msg }

func fail(code int, msg string) error { return &apiError{http.StatusBadRequest, code, msg} }

// ServeHTTP answers one request.
func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/store/") {
		f.store(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	answer, err := f.answer(r, body)
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	var e *apiError
	if errors.As(err, &e) {
		w.WriteHeader(e.status)
		answer = map[string]any{"code": e.code, "msg": e.msg}
	}
	_ = json.NewEncoder(w).Encode(answer)
}

func (f *fake) answer(r *http.Request, body []byte) (any, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	path, ok := strings.CutPrefix(r.URL.Path, f.base)
	if !ok {
		return nil, &apiError{http.StatusNotFound, 0, "not found"}
	}
	f.calls = append(f.calls, path)
	if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json;charset=utf-8" || r.URL.RawQuery != "" {
		f.t.Errorf("%s %s %q: not a POST of JSON", r.Method, r.URL, r.Header.Get("Content-Type"))
	}
	if r.Header.Get("Authorization") != "Bearer "+f.key {
		return nil, fail(8301, "Invalid Authorization Information")
	}
	if code := f.denied[path]; code != 0 {
		return nil, fail(code, "no permission")
	}
	handlers := map[string]func([]byte) (any, error){
		"/v5/app/entry/widget/list": f.widgetList, "/v5/app/entry/list": f.formList, "/v5/app/entry/data/get": f.get, "/v5/app/entry/data/list": f.list,
		"/v5/app/entry/data/create": f.create, "/v5/app/entry/data/batch_create": f.batchCreate, "/v5/app/entry/data/update": f.update,
		"/v5/app/entry/data/delete": f.remove, "/v5/app/entry/file/get_upload_token": f.uploadTokens, "/v5/corp/user/get": f.user,
	}
	h := handlers[path]
	if h == nil {
		f.t.Errorf("unknown call %s", path)
		return nil, &apiError{http.StatusNotFound, 0, "not found"}
	}
	return h(body)
}

// decode reads a body; a key that the call does not know fails the test.
func (f *fake) decode(body []byte, into any) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		f.t.Errorf("body: %v in %.200s", err, body)
	}
}

type at struct {
	AppID   string `json:"app_id"`
	EntryID string `json:"entry_id"`
}

func (f *fake) form(a at) (*fakeForm, error) {
	if a.AppID != appID {
		return nil, fail(2004, "App Not Exist")
	}
	form := f.forms[a.EntryID]
	if form == nil {
		return nil, fail(3000, "Form Not Exist")
	}
	return form, nil
}

func (f *fake) formList(body []byte) (any, error) {
	var q struct {
		AppID string `json:"app_id"`
		Skip  int    `json:"skip"`
		Limit int    `json:"limit"`
	}
	f.decode(body, &q)
	if q.AppID != appID {
		return nil, fail(2004, "App Not Exist")
	}
	if q.Limit < 1 || q.Limit > 100 {
		return nil, fail(17017, "limit")
	}
	forms := []any{}
	for _, form := range f.forms {
		forms = append(forms, map[string]any{"app_id": appID, "entry_id": form.id, "name": form.name})
	}
	return map[string]any{"forms": forms[min(q.Skip, len(forms)):]}, nil
}

func (f *fake) widgetList(body []byte) (any, error) {
	var q at
	f.decode(body, &q)
	form, err := f.form(q)
	if err != nil {
		return nil, err
	}
	return map[string]any{"widgets": form.widgets, "sysWidgets": []any{}, "dataModifyTime": "2024-05-01T02:03:04.000Z"}, nil
}

func (f *fake) user(body []byte) (any, error) {
	var q struct {
		Username string `json:"username"`
	}
	f.decode(body, &q)
	name, ok := f.members[q.Username]
	if !ok {
		return nil, fail(1010, "User Not Exist")
	}
	return map[string]any{"user": map[string]any{"username": q.Username, "name": name, "departments": []int{1}, "type": 0, "status": 1}}, nil
}

func (f *fake) get(body []byte) (any, error) {
	var q struct {
		at
		DataID string `json:"data_id"`
	}
	f.decode(body, &q)
	form, err := f.form(q.at)
	if err != nil {
		return nil, err
	}
	for _, r := range form.rows {
		if r["_id"] == q.DataID {
			return map[string]any{"data": r}, nil
		}
	}
	return nil, fail(4001, "Data Not Exist")
}

type values map[string]struct {
	Value any `json:"value"`
}

var uuidForm = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

func (f *fake) batchCreate(body []byte) (any, error) {
	var q struct {
		at
		TransactionID string   `json:"transaction_id"`
		Creator       string   `json:"data_creator"`
		Workflow      bool     `json:"is_start_workflow"`
		List          []values `json:"data_list"`
	}
	f.decode(body, &q)
	form, err := f.form(q.at)
	if err != nil {
		return nil, err
	}
	if len(q.List) == 0 || len(q.List) > 100 {
		return nil, fail(17024, "data_list")
	}
	if !uuidForm.MatchString(q.TransactionID) {
		return nil, fail(17025, "transaction_id")
	}
	ids := []string{}
	for i, data := range q.List {
		known := fmt.Sprint(q.TransactionID, form.id, i)
		id, again := f.known[known]
		switch {
		case again && f.tx == txRefuses:
			return nil, fail(17026, "transaction_id repeated")
		case again && f.tx == txOverwrites:
			if r := form.row(id); r != nil {
				f.write(form, r, data, q.TransactionID)
			}
		default:
			id = f.insert(form, data, q.TransactionID, q.Creator)
			f.known[known] = id
		}
		ids = append(ids, id)
	}
	return map[string]any{"status": "success", "success_count": len(ids), "success_ids": ids}, nil
}

func (f *fake) create(body []byte) (any, error) {
	var q struct {
		at
		TransactionID string `json:"transaction_id"`
		Creator       string `json:"data_creator"`
		Workflow      bool   `json:"is_start_workflow"`
		Trigger       bool   `json:"is_start_trigger"`
		Data          values `json:"data"`
	}
	f.decode(body, &q)
	form, err := f.form(q.at)
	if err != nil {
		return nil, err
	}
	return map[string]any{"data": form.row(f.insert(form, q.Data, q.TransactionID, q.Creator))}, nil
}

func (form *fakeForm) row(id string) map[string]any {
	for _, r := range form.rows {
		if r["_id"] == id {
			return r
		}
	}
	return nil
}

func (f *fake) insert(form *fakeForm, data values, transaction, creator string) string {
	if creator == "" {
		creator = "owner"
	}
	at := f.tick()
	r := map[string]any{
		"_id": f.id(), "appId": appID, "entryId": form.id, "createTime": at, "creator": f.person(creator), "updater": f.person(creator),
	}
	for _, w := range form.widgets {
		r[w.Name] = empty(w.Type)
	}
	f.write(form, r, data, transaction)
	form.rows = append(form.rows, r)
	return r["_id"].(string)
}

func (f *fake) update(body []byte) (any, error) {
	var q struct {
		at
		DataID        string `json:"data_id"`
		TransactionID string `json:"transaction_id"`
		Data          values `json:"data"`
	}
	f.decode(body, &q)
	form, err := f.form(q.at)
	if err != nil {
		return nil, err
	}
	r := form.row(q.DataID)
	if r == nil {
		return nil, fail(4001, "Data Not Exist")
	}
	f.write(form, r, q.Data, q.TransactionID)
	return map[string]any{"data": r}, nil
}

func (f *fake) remove(body []byte) (any, error) {
	var q struct {
		at
		DataID string `json:"data_id"`
	}
	f.decode(body, &q)
	form, err := f.form(q.at)
	if err != nil {
		return nil, err
	}
	if form.row(q.DataID) == nil {
		return nil, fail(4001, "Data Not Exist")
	}
	form.rows = slices.DeleteFunc(form.rows, func(r map[string]any) bool { return r["_id"] == q.DataID })
	return map[string]any{"status": "success"}, nil
}
