package scenarios_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"heliograph/hooks/rules/condition"
)

// business is a business system with records: what the README of the rules calls erp. It tells of changes by cursor, and knows a
// creation that is repeated by its key.
type business struct {
	server *httptest.Server

	mu      sync.Mutex // guards the rest
	records map[string][]map[string]any
	changes []change
	keys    map[string]string
	made    map[string]int // by object: through the API
	updates []string       // object, id and fields: through the API
	next    int
	told    func() // of what the gateway writes; may be nil
}

// test is one condition of a query.
type test struct {
	Field, Is string
	Value     any
}

type change struct {
	object string
	id     string
}

func newBusiness(t *testing.T) *business {
	b := &business{records: map[string][]map[string]any{}, keys: map[string]string{}, made: map[string]int{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /contacts", func(w http.ResponseWriter, _ *http.Request) { answer(w, map[string]any{"items": []any{}}) })
	mux.HandleFunc("POST /mails", func(w http.ResponseWriter, r *http.Request) {
		answer(w, map[string]any{"id": "mail " + r.Header.Get("Idempotency-Key")})
	})
	mux.HandleFunc("GET /objects/{object}/{id}", b.read)
	mux.HandleFunc("GET /objects/{object}/changes", b.changed)
	mux.HandleFunc("POST /objects/{object}/query", b.query)
	mux.HandleFunc("POST /objects/{object}", b.create)
	mux.HandleFunc("PATCH /objects/{object}/{id}", b.update)
	b.server = httptest.NewServer(mux)
	t.Cleanup(b.server.Close)
	return b
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the client is gone
}

func decodeBody(r *http.Request, into any) error {
	d := json.NewDecoder(r.Body)
	d.UseNumber()
	return d.Decode(into)
}

// put makes or changes a record, as somebody in the business system does. It returns its id.
func (b *business) put(object, id string, fields map[string]any) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	text, err := json.Marshal(fields)
	if err != nil {
		panic(err)
	}
	var plain map[string]any
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.UseNumber()
	if err := d.Decode(&plain); err != nil {
		panic(err)
	}
	return b.write(object, id, plain)
}

func (b *business) write(object, id string, fields map[string]any) string {
	if id == "" {
		b.next++
		id = strconv.Itoa(b.next)
		b.records[object] = append(b.records[object], map[string]any{"id": id})
	}
	for _, r := range b.records[object] {
		if r["id"] == id {
			maps.Copy(r, fields)
		}
	}
	b.changes = append(b.changes, change{object, id})
	return id
}

// list are copies of the records of an object.
func (b *business) list(object string) (out []map[string]any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.records[object] {
		out = append(out, maps.Clone(r))
	}
	return out
}

func (b *business) find(object, id string) map[string]any {
	for _, r := range b.records[object] {
		if r["id"] == id {
			return r
		}
	}
	return nil
}

func (b *business) read(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	rec := b.find(r.PathValue("object"), r.PathValue("id"))
	if rec == nil {
		http.NotFound(w, r)
		return
	}
	answer(w, rec)
}

func (b *business) changed(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	after, err := strconv.Atoi(r.URL.Query().Get("after"))
	if err != nil {
		after = len(b.changes)
	}
	items := []map[string]any{}
	for _, c := range b.changes[min(after, len(b.changes)):] {
		if c.object == r.PathValue("object") {
			items = append(items, b.find(c.object, c.id))
		}
	}
	answer(w, map[string]any{"items": items, "cursor": strconv.Itoa(len(b.changes))})
}

func (b *business) query(w http.ResponseWriter, r *http.Request) {
	var q struct {
		Where         []test
		Offset, Limit int
	}
	if err := decodeBody(r, &q); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	items := []map[string]any{}
	for _, rec := range b.records[r.PathValue("object")] {
		if !slices.ContainsFunc(q.Where, func(c test) bool { return !holds(rec[c.Field], c.Is, c.Value) }) {
			items = append(items, rec)
		}
	}
	items = items[min(q.Offset, len(items)):]
	answer(w, map[string]any{"items": items[:min(q.Limit, len(items))]})
}

// holds compares as the system does: numbers as such, all else as text.
func holds(have any, is string, want any) bool {
	x, xNumber := number(have)
	y, yNumber := number(want)
	sign := strings.Compare(fmt.Sprint(have), fmt.Sprint(want))
	if xNumber && yNumber {
		sign = 0
		if x < y {
			sign = -1
		} else if x > y {
			sign = 1
		}
	}
	switch is {
	case "eq":
		return condition.Equal(have, want)
	case "ne":
		return !condition.Equal(have, want)
	case "lt":
		return sign < 0
	case "le":
		return sign <= 0
	case "gt":
		return sign > 0
	case "ge":
		return sign >= 0
	case "in":
		list, _ := want.([]any)
		return slices.ContainsFunc(list, func(e any) bool { return condition.Equal(have, e) })
	}
	return false
}

func number(v any) (float64, bool) {
	n, ok := v.(json.Number)
	if !ok {
		return 0, false
	}
	f, err := n.Float64()
	return f, err == nil
}

func (b *business) create(w http.ResponseWriter, r *http.Request) {
	var fields map[string]any
	if err := decodeBody(r, &fields); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	object, key := r.PathValue("object"), r.Header.Get("Idempotency-Key")
	id, known := b.keys[object+" "+key]
	if !known {
		id = b.write(object, "", fields)
		b.keys[object+" "+key] = id
		b.made[object]++
	}
	answer(w, map[string]any{"id": id})
}

func (b *business) update(w http.ResponseWriter, r *http.Request) {
	var fields map[string]any
	if err := decodeBody(r, &fields); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	object, id := r.PathValue("object"), r.PathValue("id")
	if b.find(object, id) == nil {
		http.NotFound(w, r)
		return
	}
	b.write(object, id, fields)
	if b.told != nil {
		b.told()
	}
	b.updates = append(b.updates, fmt.Sprint(object, " ", id, " ", fields))
	answer(w, map[string]any{})
}
