package odoo_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"heliograph/crmclient/crmtest"
	"heliograph/crmclient/odoo"
)

const (
	apiKey   = "0d00-k3y-0d00"
	database = "company"
	login    = "heliograph@example.com"
	agent    = "agent@example.com"
	ourUID   = 7
)

type row = map[string]any

// fake is Odoo's external API in both protocols. What its documentation does not know fails the test.
type fake struct {
	t        *testing.T
	protocol odoo.Protocol
	mu       sync.Mutex
	next     int64
	rows     map[string]map[int64]row // by model and id
	fields   map[string]map[string]string
	hidden   map[string]bool
	revoked  bool
}

func newFake(t *testing.T, p odoo.Protocol) *fake {
	with := func(more ...string) map[string]string {
		out := map[string]string{"id": "integer", "name": "char", "write_date": "datetime", "write_uid": "many2one", "create_date": "datetime", "active": "boolean"}
		for _, m := range more {
			name, kind, _ := strings.Cut(m, ":")
			if kind == "" {
				kind = "char"
			}
			out[name] = kind
		}
		return out
	}
	f := &fake{
		t: t, protocol: p, rows: map[string]map[int64]row{}, hidden: map[string]bool{},
		fields: map[string]map[string]string{
			"res.partner": with("email", "email_normalized", "parent_id:many2one", "is_company:boolean", "website", "user_id:many2one", "company_name"),
			"crm.lead":    with("email_from", "email_normalized", "contact_name", "partner_name", "user_id:many2one", "type:selection", "x_amount:float", "x_heliograph_key"),
			"res.users":   with("login", "email", "share:boolean"),
			"mail.message": with("message_id", "body:html", "subject", "message_type:selection", "email_from", "date:datetime", "model", "res_id:integer",
				"attachment_ids:many2many", "author_id:many2one", "subtype_id:many2one"),
			"ir.attachment":   with("res_model", "res_id:integer", "datas:binary", "mimetype", "description:text"),
			"helpdesk.ticket": with("description:html", "partner_email", "partner_name", "partner_id:many2one", "priority:selection", "user_id:many2one", "x_heliograph_key"),
		},
	}
	f.put("res.users", row{"name": "Agent", "login": agent, "email": agent, "share": false})
	f.put("res.partner", row{"name": "Inbox"})
	return f
}

// inbox is the id of the partner that newFake makes.
const inbox = 2

func (f *fake) put(model string, vals row) int64 {
	id, _ := vals["id"].(int64)
	if id == 0 {
		f.next++
		id = f.next
	}
	if f.rows[model] == nil {
		f.rows[model] = map[int64]row{}
	}
	stored := f.rows[model][id]
	if stored == nil {
		stored = row{"id": id, "create_date": time.Now().UTC().Format(time.DateTime)}
	}
	for k, v := range vals {
		stored[k] = v
	}
	for from, to := range map[string]string{"email": "email_normalized", "email_from": "email_normalized"} {
		if s, ok := stored[from].(string); ok && (model == "res.partner" || model == "crm.lead") {
			stored[to] = strings.ToLower(s)
		}
	}
	stored["write_date"], stored["write_uid"] = time.Now().UTC().Format(time.DateTime), int64(99)
	f.rows[model][id] = stored
	return id
}

// trouble is an exception of Odoo's.
type trouble struct {
	status        int
	name, message string
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the connector gave up
	}
	if r.Method != http.MethodPost || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		f.t.Errorf("%s %s %s", r.Method, r.URL.Path, r.Header.Get("Content-Type"))
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.protocol == odoo.JSON2 {
		f.json2(w, r, body)
	} else {
		f.jsonrpc(w, r, body)
	}
}

func decode(t *testing.T, raw []byte, into any) bool {
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		t.Errorf("%v in %.200s", err, raw)
		return false
	}
	return true
}

func (f *fake) json2(w http.ResponseWriter, r *http.Request, body []byte) {
	say := func(status int, v any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(v)
	}
	fail := func(e *trouble) {
		say(e.status, row{"name": e.name, "message": e.message, "arguments": []any{}, "context": row{}, "debug": "Traceback: " + r.Header.Get("Authorization")})
	}
	model, method, ok := strings.Cut(strings.TrimPrefix(r.URL.Path, "/json/2/"), "/")
	if !ok || !strings.HasPrefix(r.URL.Path, "/json/2/") {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	if r.Header.Get("Authorization") != "bearer "+apiKey || f.revoked {
		fail(&trouble{401, "werkzeug.exceptions.Unauthorized", "Invalid apikey"})
		return
	}
	if r.Header.Get("X-Odoo-Database") != database {
		fail(&trouble{500, "psycopg2.OperationalError", `FATAL: database "` + r.Header.Get("X-Odoo-Database") + `" does not exist`})
		return
	}
	kwargs := row{}
	if !decode(f.t, body, &kwargs) {
		return
	}
	ids, _ := kwargs["ids"].([]any)
	delete(kwargs, "ids")
	result, e := f.run(model, method, ids, kwargs)
	if e != nil {
		fail(e)
		return
	}
	say(200, result)
}

func (f *fake) jsonrpc(w http.ResponseWriter, r *http.Request, body []byte) {
	var in struct {
		Version string `json:"jsonrpc"`
		Method  string `json:"method"`
		ID      any    `json:"id"`
		Params  struct {
			Service, Method string
			Args            []any
		} `json:"params"`
	}
	if r.URL.Path != "/jsonrpc" || !decode(f.t, body, &in) {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	out := row{"jsonrpc": "2.0", "id": in.ID}
	fail := func(e *trouble) {
		out["error"] = row{"code": 200, "message": "Odoo Server Error", "data": row{"name": e.name, "message": e.message, "debug": "Traceback: " + string(body)}}
	}
	args := in.Params.Args
	switch {
	case in.Version != "2.0" || in.Method != "call" || len(args) < 3:
		f.t.Errorf("envelope %.200s", body)
	case args[0] != database:
		fail(&trouble{0, "psycopg2.OperationalError", fmt.Sprintf(`database "%v" does not exist`, args[0])})
	case in.Params.Service == "common" && in.Params.Method == "authenticate":
		if out["result"] = false; args[1] == login && args[2] == apiKey && !f.revoked {
			out["result"] = ourUID
		}
	case in.Params.Service != "object" || in.Params.Method != "execute_kw" || len(args) != 7:
		f.t.Errorf("call %.200s", body)
	case args[1] != json.Number(strconv.Itoa(ourUID)) || args[2] != apiKey || f.revoked:
		fail(&trouble{0, "odoo.exceptions.AccessDenied", "Access Denied"})
	default:
		model, method := args[3].(string), args[4].(string)
		positional, kwargs := args[5].([]any), args[6].(map[string]any)
		var ids []any
		switch {
		case method == "create":
			kwargs["vals_list"] = positional[0]
		case len(positional) > 0:
			ids = positional[0].([]any)
		}
		result, e := f.run(model, method, ids, kwargs)
		if out["result"] = result; e != nil {
			delete(out, "result")
			fail(e)
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(out)
}

func (f *fake) only(method string, kwargs row, names ...string) {
	for name := range kwargs {
		if !slices.Contains(names, name) {
			f.t.Errorf("%s has no argument %s", method, name)
		}
	}
}

func (f *fake) run(model, method string, ids []any, kwargs row) (any, *trouble) {
	if model == "res.users" && method == "context_get" {
		return row{"uid": ourUID, "lang": "zh_CN"}, nil
	}
	if f.fields[model] == nil {
		return nil, &trouble{404, "werkzeug.exceptions.NotFound", "the model '" + model + "' does not exist"}
	}
	if f.hidden[model] {
		return nil, &trouble{403, "odoo.exceptions.AccessError", "You are not allowed to access '" + model + "'"}
	}
	var numbers []int64
	for _, x := range ids {
		n, err := x.(json.Number).Int64()
		if err != nil || method != "search_read" && method != "create" && f.rows[model][n] == nil && method != "read" {
			return nil, &trouble{404, "odoo.exceptions.MissingError", "Record does not exist or has been deleted."}
		}
		numbers = append(numbers, n)
	}
	switch method {
	case "search_read":
		f.only(method, kwargs, "domain", "fields", "order", "limit", "offset")
		return f.search(model, kwargs)
	case "read":
		out := []row{}
		for _, n := range numbers {
			if r := f.rows[model][n]; r != nil {
				out = append(out, f.shown(model, r, nil))
			}
		}
		return out, nil
	case "create":
		f.only(method, kwargs, "vals_list")
		return f.create(model, kwargs["vals_list"].([]any))
	case "write":
		f.only(method, kwargs, "vals")
		vals := kwargs["vals"].(map[string]any)
		if e := f.known(model, vals); e != nil {
			return nil, e
		}
		for _, n := range numbers {
			vals["id"] = n
			f.put(model, vals)
		}
		return true, nil
	case "unlink":
		for _, n := range numbers {
			delete(f.rows[model], n)
		}
		return true, nil
	case "fields_get":
		f.only(method, kwargs, "attributes")
		out := row{}
		for name, kind := range f.fields[model] {
			out[name] = row{"string": name, "type": kind, "required": name == "name", "readonly": strings.HasPrefix(name, "write_") || name == "id"}
		}
		return out, nil
	case "message_post":
		return f.post(model, numbers, kwargs)
	}
	f.t.Errorf("%s has no method %s", model, method)
	return nil, &trouble{404, "AttributeError", method}
}

func (f *fake) known(model string, vals row) *trouble {
	for name := range vals {
		if f.fields[model][name] == "" {
			return &trouble{422, "builtins.ValueError", fmt.Sprintf("Invalid field %q on model %q", name, model)}
		}
	}
	return nil
}

func (f *fake) create(model string, list []any) (any, *trouble) {
	var made []int64
	for _, x := range list {
		vals := x.(map[string]any)
		if e := f.known(model, vals); e != nil {
			return nil, e
		}
		if s, _ := vals["name"].(string); s == "" {
			return nil, &trouble{422, "odoo.exceptions.ValidationError", "name is required"}
		}
		if data, ok := vals["datas"].(string); ok {
			content, err := base64.StdEncoding.DecodeString(data)
			if err != nil {
				f.t.Error(err)
			}
			vals["datas"] = content
		}
		made = append(made, f.put(model, vals))
	}
	return made, nil
}

func (f *fake) post(model string, ids []int64, kwargs row) (any, *trouble) {
	f.only("message_post", kwargs, "body", "subject", "message_type", "email_from", "author_id", "parent_id", "subtype_xmlid", "attachment_ids", "body_is_html", "message_id", "date")
	if len(ids) != 1 || kwargs["subtype_xmlid"] != "mail.mt_note" || kwargs["partner_ids"] != nil {
		f.t.Errorf("a post to %v with %v could send mail", ids, kwargs["subtype_xmlid"])
	}
	vals := row{"model": model, "res_id": ids[0], "name": "note"}
	for _, name := range []string{"body", "subject", "message_type", "email_from", "message_id", "date", "attachment_ids", "author_id"} {
		if v, ok := kwargs[name]; ok {
			vals[name] = v
		}
	}
	return f.put("mail.message", vals), nil
}

func (f *fake) search(model string, kwargs row) (any, *trouble) {
	domain, _ := kwargs["domain"].([]any)
	var found []row
	for _, r := range f.rows[model] {
		ok, e := f.matches(model, r, domain)
		if e != nil {
			return nil, e
		}
		if ok {
			found = append(found, r)
		}
	}
	if _, e := f.matches(model, row{}, domain); e != nil {
		return nil, e
	}
	order := fmt.Sprint(kwargs["order"])
	slices.SortFunc(found, func(a, b row) int {
		n := 0
		if strings.HasPrefix(order, "write_date") {
			n = strings.Compare(a["write_date"].(string), b["write_date"].(string))
		}
		if n == 0 {
			n = int(a["id"].(int64) - b["id"].(int64))
		}
		if strings.Contains(order, "desc") {
			n = -n
		}
		return n
	})
	offset, _ := strconv.Atoi(fmt.Sprint(kwargs["offset"]))
	limit, err := strconv.Atoi(fmt.Sprint(kwargs["limit"]))
	if err != nil || limit <= 0 {
		f.t.Errorf("a search without limit: %v", kwargs)
	}
	found = found[min(offset, len(found)):]
	found = found[:min(limit, len(found))]
	out := []row{}
	fields, _ := kwargs["fields"].([]any)
	for _, x := range fields {
		if f.fields[model][x.(string)] == "" {
			return nil, &trouble{422, "builtins.ValueError", fmt.Sprintf("Invalid field %q on model %q", x, model)}
		}
	}
	for _, r := range found {
		out = append(out, f.shown(model, r, fields))
	}
	return out, nil
}

// shown is a record as Odoo tells it: false for nothing, references with names.
func (f *fake) shown(model string, r row, fields []any) row {
	out := row{}
	for name, kind := range f.fields[model] {
		if fields != nil && name != "id" && !slices.Contains(fields, any(name)) {
			continue
		}
		v := r[name]
		switch {
		case v == nil || v == "":
			out[name] = false
		case kind == "many2one":
			out[name] = []any{v, "name of it"}
		case kind == "binary":
			out[name] = len(v.([]byte))
		default:
			out[name] = v
		}
	}
	return out
}

// matches evaluates a domain in Polish notation; terms without operator are joined by and.
func (f *fake) matches(model string, r row, domain []any) (bool, *trouble) {
	var e *trouble
	var next func() bool
	next = func() bool {
		head := domain[0]
		domain = domain[1:]
		switch head {
		case "&":
			a, b := next(), next()
			return a && b
		case "|":
			a, b := next(), next()
			return a || b
		}
		term := head.([]any)
		name := term[0].(string)
		if f.fields[model][name] == "" {
			e = &trouble{422, "builtins.ValueError", fmt.Sprintf("Invalid field %s.%s in leaf", model, name)}
			return false
		}
		return f.holds(r[name], term[1].(string), term[2])
	}
	all := true
	for len(domain) > 0 {
		all = next() && all
	}
	return all, e
}

func (f *fake) holds(have any, op string, want any) bool {
	text := func(v any) string {
		if v == nil || v == false {
			return ""
		}
		return fmt.Sprint(v)
	}
	compare := func() int {
		a, err1 := strconv.ParseFloat(text(have), 64)
		b, err2 := strconv.ParseFloat(text(want), 64)
		if err1 == nil && err2 == nil {
			return int(1000 * (a - b))
		}
		return strings.Compare(text(have), text(want))
	}
	switch op {
	case "=":
		return text(have) == text(want)
	case "!=":
		return text(have) != text(want)
	case "in":
		return slices.ContainsFunc(want.([]any), func(v any) bool { return text(v) == text(have) })
	case "ilike":
		plain := strings.NewReplacer(`\%`, "%", `\_`, "_", `\\`, `\`).Replace(text(want))
		return strings.Contains(strings.ToLower(text(have)), strings.ToLower(plain))
	case "<":
		return compare() < 0
	case "<=":
		return compare() <= 0
	case ">":
		return compare() > 0
	case ">=":
		return compare() >= 0
	}
	f.t.Errorf("unknown operator %q", op)
	return false
}

// What the suite asks of a fake.

func (f *fake) each(model string, visit func(row)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for id := range f.next + 1 {
		if r := f.rows[model][id]; r != nil {
			visit(r)
		}
	}
}

func (f *fake) Records(*testing.T) (out []crmtest.Record) {
	f.each("mail.message", func(r row) {
		id := strings.TrimSuffix(strings.TrimPrefix(fmt.Sprint(r["message_id"]), "<"), "@heliograph.invalid>")
		id, _ = url.QueryUnescape(id)
		_, text, _ := strings.Cut(fmt.Sprint(r["body"]), "</i></p>")
		text = strings.ReplaceAll(strings.TrimSuffix(strings.TrimPrefix(text, "<p>"), "</p>"), "<br/>", "\n")
		subject, _ := r["subject"].(string)
		out = append(out, crmtest.Record{Key: id, Subject: subject, Text: html.UnescapeString(text)})
	})
	return out
}

// calls tells whether a request calls a method of a model. It may be asked more than once.
func (f *fake) calls(r *http.Request, model, method string) bool {
	if f.protocol == odoo.JSON2 {
		return r.URL.Path == "/json/2/"+model+"/"+method
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return false
	}
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	return strings.Contains(string(body[:min(len(body), 400)]), fmt.Sprintf(`,%q,%q,`, model, method))
}

func (f *fake) Writes(r *http.Request) bool {
	return f.calls(r, "res.partner", "message_post") || f.calls(r, "crm.lead", "message_post")
}

func (f *fake) WritesTicket(r *http.Request) bool { return f.calls(r, "helpdesk.ticket", "create") }
func (f *fake) WritesObject(r *http.Request) bool { return f.calls(r, "crm.lead", "create") }
func (f *fake) WritesPerson(r *http.Request) bool {
	return f.calls(r, "res.partner", "create") || f.calls(r, "crm.lead", "create")
}
func (f *fake) WritesFile(r *http.Request) bool { return f.calls(r, "ir.attachment", "create") }
func (f *fake) FilesOnce() bool                 { return true }

func (f *fake) AddContact(_ *testing.T, name, address string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.put("res.partner", row{"name": name, "email": address})
}

func (f *fake) Tickets(*testing.T) (out []crmtest.TicketRecord) {
	users := map[int64]string{}
	f.each("res.users", func(r row) { users[r["id"].(int64)] = fmt.Sprint(r["email"]) })
	f.each("helpdesk.ticket", func(r row) {
		user, _ := r["user_id"].(json.Number)
		n, _ := user.Int64()
		text := strings.ReplaceAll(fmt.Sprint(r["description"]), "<br>", "")
		out = append(out, crmtest.TicketRecord{
			ID: fmt.Sprint(r["id"]), Key: fmt.Sprint(r["x_heliograph_key"]), Subject: fmt.Sprint(r["name"]), Text: html.UnescapeString(text), Assignee: users[n],
		})
	})
	return out
}

func (f *fake) Agent(*testing.T) string { return agent }

func (f *fake) Object() crmtest.Object {
	return crmtest.Object{Name: "crm.lead", Text: "name", Number: "x_amount", MissingID: "4711"}
}

func (f *fake) PutObject(t *testing.T, id string, fields map[string]any) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	vals := row{}
	for k, v := range fields {
		vals[k] = v
	}
	if id != "" {
		n, err := strconv.ParseInt(id, 10, 64)
		if err != nil {
			t.Error(err)
		}
		vals["id"] = n
	}
	return strconv.FormatInt(f.put("crm.lead", vals), 10)
}

func (f *fake) DeleteObject(_ *testing.T, id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, _ := strconv.ParseInt(id, 10, 64)
	delete(f.rows["crm.lead"], n)
}

func (f *fake) ObjectFields(_ *testing.T, id string) (map[string]any, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, _ := strconv.ParseInt(id, 10, 64)
	r, ok := f.rows["crm.lead"][n]
	return r, ok
}

func (f *fake) ObjectsWithText(_ *testing.T, text string) (out []string) {
	f.each("crm.lead", func(r row) {
		if r["name"] == text {
			out = append(out, fmt.Sprint(r["id"]))
		}
	})
	return out
}

func (f *fake) Files(_ *testing.T, id string) (out []crmtest.File) {
	f.each("ir.attachment", func(r row) {
		if fmt.Sprint(r["res_id"]) == id && r["res_model"] == "crm.lead" {
			content, _ := r["datas"].([]byte)
			out = append(out, crmtest.File{ID: fmt.Sprint(r["id"]), Name: fmt.Sprint(r["name"]), Content: content})
		}
	})
	return out
}
