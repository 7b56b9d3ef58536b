package jiandaoyun_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"time"
)

func (f *fake) person(username string) map[string]any {
	return map[string]any{"_id": "5cd0000000000000000000aa", "username": username, "name": f.members[username], "status": 1, "type": 0}
}

// empty is what an empty widget is read as.
func empty(kind string) any {
	switch kind {
	case "number", "datetime", "user", "dept", "phone", "lookup", "linkdata", "address":
		return nil
	case "usergroup", "upload", "subform", "combocheck":
		return []any{}
	}
	return ""
}

// write sets widgets. A shape that the vendor would pass over in silence fails the test.
func (f *fake) write(form *fakeForm, r map[string]any, data values, transaction string) {
	for name, v := range data {
		i := slices.IndexFunc(form.widgets, func(w fakeWidget) bool { return w.Name == name })
		if i < 0 || f.dropKey && name == "message_key" {
			if !f.lenient {
				f.t.Errorf("form %s has no widget %q", form.name, name)
			}
			continue
		}
		x, ok := f.value(form.widgets[i], v.Value, transaction)
		if !ok {
			f.t.Errorf("widget %s of form %s (%s): the shape is wrong: %v", name, form.name, form.widgets[i].Type, v.Value)
		}
		r[name] = x
	}
	r["updateTime"] = f.tick()
}

func (f *fake) value(w fakeWidget, v any, transaction string) (any, bool) {
	switch w.Type {
	case "text", "textarea", "combo", "radiogroup":
		s, ok := v.(string)
		return s, ok && (w.Type != "text" || !strings.Contains(s, "\n") || w.Name == "subject")
	case "number":
		n, ok := v.(json.Number)
		return n, ok || v == nil
	case "datetime":
		s, ok := v.(string)
		_, err := time.Parse("2006-01-02T15:04:05.000Z", s)
		return s, ok && err == nil
	case "user":
		s, ok := v.(string)
		if _, there := f.members[s]; !there || !ok {
			return nil, v == nil
		}
		return f.person(s), true
	case "usergroup":
		out := []any{}
		l, ok := v.([]any)
		for _, e := range l {
			s, isText := e.(string)
			out, ok = append(out, f.person(s)), ok && isText
		}
		return out, ok
	case "combocheck":
		l, ok := v.([]any)
		return l, ok
	case "dept":
		n, ok := v.(json.Number)
		return map[string]any{"_id": "5cd0000000000000000000bb", "dept_no": n, "name": "华东"}, ok
	case "phone":
		m, ok := v.(map[string]any)
		s, isText := m["phone"].(string)
		return map[string]any{"phone": s, "verified": false}, ok && isText && len(m) == 1
	case "address":
		m, ok := v.(map[string]any)
		return m, ok
	case "lookup":
		s, ok := v.(string)
		return map[string]any{"id": s}, ok && len(s) == 24
	case "upload":
		return f.bind(v, transaction)
	case "subform":
		return f.rows(w, v)
	}
	return nil, false
}

func (f *fake) rows(w fakeWidget, v any) (any, bool) {
	l, ok := v.([]any)
	out := []any{}
	for _, e := range l {
		m, isObject := e.(map[string]any)
		ok = ok && isObject
		one := map[string]any{"_id": f.id()}
		for name, cell := range m {
			c, _ := cell.(map[string]any)
			i := slices.IndexFunc(w.Items, func(x fakeWidget) bool { return x.Name == name })
			if i < 0 || len(c) != 1 {
				return nil, name == "_id"
			}
			x, fits := f.value(w.Items[i], c["value"], "")
			one[name], ok = x, ok && fits
		}
		out = append(out, one)
	}
	return out, ok
}

// bind puts uploaded files into a widget: only those of the same transaction.
func (f *fake) bind(v any, transaction string) (any, bool) {
	l, ok := v.([]any)
	out := []any{}
	for _, e := range l {
		key, _ := e.(string)
		file := f.files[key]
		if file == nil || file.transaction != transaction {
			f.t.Errorf("file %q was not uploaded in the transaction %s", key, transaction)
			continue
		}
		file.bound = true
		out = append(out, map[string]any{"name": file.name, "size": len(file.content), "mime": file.kind, "url": "https://files.jiandaoyun.com/" + key})
	}
	return out, ok
}

func (f *fake) uploadTokens(body []byte) (any, error) {
	var q struct {
		at
		TransactionID string `json:"transaction_id"`
	}
	f.decode(body, &q)
	if _, err := f.form(q.at); err != nil {
		return nil, err
	}
	list := []any{}
	for range 100 {
		token := "uptoken-" + f.id()
		f.tokens[token] = &fakeToken{transaction: q.TransactionID}
		list = append(list, map[string]any{"url": f.uploadURL + "/store/up", "token": token})
	}
	return map[string]any{"token_and_url_list": list}, nil
}

// store is the object store: another host than the API, which knows tokens only.
func (f *fake) store(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, "upload")
	if f.uploadFault != nil {
		f.uploadFault(w, r)
		return
	}
	if r.Header.Get("Authorization") != "" {
		f.t.Error("the store for files got the API key")
	}
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/form-data" || r.ContentLength <= 0 {
		f.t.Errorf("upload: %q of %d bytes", r.Header.Get("Content-Type"), r.ContentLength)
		return
	}
	parts := multipart.NewReader(r.Body, params["boundary"])
	var token string
	var file *fakeFile
	for i := 0; ; i++ {
		p, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		content, err := io.ReadAll(p)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		switch {
		case p.FormName() == "token" && i == 0:
			token = string(content)
		case p.FormName() == "file" && i == 1:
			file = &fakeFile{name: p.FileName(), kind: p.Header.Get("Content-Type"), content: content}
		default:
			f.t.Errorf("upload: part %d is %q", i, p.FormName())
		}
	}
	known := f.tokens[token]
	if known == nil || known.used || file == nil {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	known.used = true
	file.transaction = known.transaction
	key := "key-" + f.id()
	f.files[key] = file
	_ = json.NewEncoder(w).Encode(map[string]any{"key": key})
}

type cond struct {
	Field  string `json:"field"`
	Type   string `json:"type"`
	Method string `json:"method"`
	Value  []any  `json:"value"`
}

func (f *fake) list(body []byte) (any, error) {
	var q struct {
		at
		Fields []string `json:"fields"`
		Filter *struct {
			Rel  string `json:"rel"`
			Cond []cond `json:"cond"`
		} `json:"filter"`
		Limit  int    `json:"limit"`
		DataID string `json:"data_id"`
	}
	f.decode(body, &q)
	form, err := f.form(q.at)
	if err != nil {
		return nil, err
	}
	if q.Limit < 1 || q.Limit > 100 {
		return nil, fail(17017, "limit")
	}
	rows := []any{}
	for _, r := range form.rows {
		if r["_id"].(string) <= q.DataID || len(rows) == q.Limit {
			continue
		}
		if q.Filter != nil && !f.matches(form, r, q.Filter.Rel, q.Filter.Cond) {
			continue
		}
		rows = append(rows, f.project(form, r, q.Fields))
	}
	return map[string]any{"data": rows}, nil
}

func (f *fake) project(form *fakeForm, r map[string]any, fields []string) map[string]any {
	if len(fields) == 0 {
		return r
	}
	out := map[string]any{}
	for _, name := range []string{"_id", "appId", "entryId", "createTime", "updateTime", "creator", "updater"} {
		out[name] = r[name]
	}
	for _, name := range fields {
		if _, there := r[name]; !there && !f.lenient {
			f.t.Errorf("form %s has no widget %q to give", form.name, name)
		}
		out[name] = r[name]
	}
	return out
}

// matches evaluates a filter as the vendor does: a condition that it does not understand is passed over.
func (f *fake) matches(form *fakeForm, r map[string]any, rel string, conds []cond) bool {
	if rel != "and" && rel != "or" || len(conds) == 0 {
		f.t.Errorf("filter: rel %q with %d conditions", rel, len(conds))
	}
	any, all := false, true
	for _, c := range conds {
		i := slices.IndexFunc(form.widgets, func(w fakeWidget) bool { return w.Name == c.Field })
		kind := "datetime"
		if i >= 0 {
			kind = form.widgets[i].Type
		} else if c.Field != "updateTime" {
			if !f.lenient {
				f.t.Errorf("filter: form %s has no widget %q", form.name, c.Field)
			}
			return true
		}
		if c.Type != "" && c.Type != kind && !f.lenient {
			f.t.Errorf("filter: widget %s is a %s, not a %s", c.Field, kind, c.Type)
		}
		holds, ok := f.compare(kind, r[c.Field], c)
		if !ok {
			f.t.Errorf("filter: %s on %s (%s) is not understood", c.Method, c.Field, kind)
			return true
		}
		any, all = any || holds, all && holds
	}
	if rel == "or" {
		return any
	}
	return all
}

func flat(kind string, v any) any {
	m, ok := v.(map[string]any)
	switch {
	case !ok:
		return v
	case kind == "user":
		return m["username"]
	case kind == "lookup":
		return m["id"]
	}
	return v
}

func (f *fake) compare(kind string, v any, c cond) (holds, ok bool) {
	v = flat(kind, v)
	isText := slices.Contains([]string{"text", "textarea", "combo", "radiogroup", "user", "lookup"}, kind)
	less := func(a, b any) bool {
		if kind == "datetime" {
			return fmt.Sprint(a) < fmt.Sprint(b)
		}
		x, _ := new(big.Rat).SetString(fmt.Sprint(a))
		y, _ := new(big.Rat).SetString(fmt.Sprint(b))
		return x != nil && y != nil && x.Cmp(y) < 0
	}
	equal := func(a, b any) bool {
		if kind == "number" && a != nil {
			return !less(a, b) && !less(b, a)
		}
		return fmt.Sprint(a) == fmt.Sprint(b)
	}
	for _, want := range c.Value {
		if _, isNumber := want.(json.Number); isNumber != (kind == "number") {
			return false, false
		}
	}
	switch c.Method {
	case "empty":
		return v == nil || v == "", len(c.Value) == 0
	case "eq":
		return equal(v, c.Value[0]), len(c.Value) == 1
	case "ne":
		return !equal(v, c.Value[0]), len(c.Value) == 1
	case "in":
		return slices.ContainsFunc(c.Value, func(w any) bool { return equal(v, w) }), isText && len(c.Value) <= 200
	case "range":
		return v != nil && !less(v, c.Value[0]) && !less(c.Value[1], v), len(c.Value) == 2 && (kind == "number" || kind == "datetime")
	}
	return false, false
}
