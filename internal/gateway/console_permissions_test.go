package gateway_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"heliograph/internal/console/access"
)

var update = flag.Bool("update", false, "write the table of permissions anew")

// operation is one of the API's document.
type operation struct {
	method, path string
	permission   access.Permission
}

// document reads the operations of a running gateway.
func (r *running) document(token string) (list []operation) {
	r.t.Helper()
	status, body := r.ask(http.MethodGet, "/api/v1/openapi.json", token, nil)
	if status != http.StatusOK {
		r.t.Fatalf("the document: %d %s", status, body)
	}
	var doc struct {
		Paths map[string]map[string]json.RawMessage `json:"paths"`
	}
	if err := json.Unmarshal(body, &doc); err != nil {
		r.t.Fatal(err)
	}
	for path, item := range doc.Paths {
		for method, text := range item {
			var op struct {
				Permission access.Permission `json:"x-permission"`
			}
			if method == "parameters" || json.Unmarshal(text, &op) != nil {
				continue
			}
			list = append(list, operation{method: strings.ToUpper(method), path: path, permission: op.Permission})
		}
	}
	slices.SortFunc(list, func(a, b operation) int { return strings.Compare(a.path+" "+a.method, b.path+" "+b.method) })
	return list
}

// ask sends a request of the API, with a token unless it is empty.
func (r *running) ask(method, path, token string, body any) (status int, answer []byte) {
	r.t.Helper()
	var in io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			r.t.Fatal(err)
		}
		in = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(r.t.Context(), method, "http://"+r.ConsoleAddr().String()+path, in)
	if err != nil {
		r.t.Fatal(err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	} else { // strangers come from everywhere
		r.strangers++
		req.Header.Set("X-Forwarded-For", fmt.Sprintf("203.0.113.%d", r.strangers%250))
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		return resp.StatusCode, nil // it does not end by itself
	}
	answer, err = io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp.StatusCode, answer
}

// tokens makes people of a role, each with a token for all that the role may do: several, since one may not ask too often.
func (r *running) tokens(role access.Role, n int) (list []string) {
	r.t.Helper()
	book := access.NewBook(r.Store())
	for i := range n {
		u, err := book.Add(r.t.Context(), access.Draft{Email: fmt.Sprintf("%s%d@example.com", role, i), Name: string(role), Role: role})
		if err != nil {
			r.t.Fatal(err)
		}
		granted := slices.DeleteFunc(access.Granted(role), byBrowserOnly)
		_, secret, err := book.AddToken(r.t.Context(), access.NewCaller(u.Person, u.Scope, nil, nil), "test", granted, u.Created.AddDate(0, 0, 1))
		if err != nil {
			r.t.Fatal(err)
		}
		list = append(list, secret)
	}
	return list
}

// byBrowserOnly tells what no token may do: a token that makes tokens would never end.
func byBrowserOnly(p access.Permission) bool { return p == access.TokensOwn }

// TestPermissions asks for every operation as everybody: who may, and who may not, is in testdata/permissions.txt.
func TestPermissions(t *testing.T) {
	t.Parallel()
	// Nothing is asked of the mail server.
	r := start(t, listeners+`
upstreams: [{name: main, domains: [example.com], smtp: {address: "127.0.0.1:9", tls: none}, imap: {address: "127.0.0.1:9", tls: none}}]
targets: [{name: crm, type: builtin}]
`)
	const people = 4
	tokens := map[access.Role][]string{}
	for _, role := range access.Roles() {
		tokens[role] = r.tokens(role, people)
	}
	operations := r.document(tokens[access.Auditor][0])
	if len(operations) < 200 {
		t.Fatalf("%d operations are in the document", len(operations))
	}
	var table strings.Builder
	for i, op := range operations {
		var may []string
		for _, role := range access.Roles() {
			if op.permission == access.Public || op.permission == access.SignedIn || slices.Contains(access.Granted(role), op.permission) {
				may = append(may, string(role))
			}
		}
		fmt.Fprintf(&table, "%-6s %-48s %-17s %s\n", op.method, op.path, op.permission, strings.Join(may, " "))
		for _, role := range access.Roles() {
			status := r.holds(op, tokens[role][i%people], string(role), slices.Contains(may, string(role)) && !byBrowserOnly(op.permission))
			if want := alone(op); role == access.Admin && want != 0 && status != want {
				t.Errorf("GET %s as admin: %d, want %d", op.path, status, want)
			}
		}
		if op.permission != access.Public { // those have limits of their own for strangers
			r.holds(op, "", "nobody", false)
		}
	}
	const file = "testdata/permissions.txt"
	if *update {
		if err := os.WriteFile(file, []byte(table.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || string(want) != table.String() {
		t.Errorf("%s is not what the documents say (%v): look at each difference, then go test ./internal/gateway -run TestPermissions -update", file, err)
	}
}

// notAlone are operations without parameters in their paths that need more than a token, and what they answer.
var notAlone = map[string]int{
	"/api/v1/enrol/callback":          http.StatusNotFound,        // nobody is on the way
	"/api/v1/live":                    http.StatusUpgradeRequired, // a WebSocket
	"/api/v1/me/factors":              http.StatusForbidden,       // a browser's
	"/api/v1/tokens":                  http.StatusForbidden,
	"/api/v1/settings":                http.StatusServiceUnavailable, // the gateway of the tests has no file
	"/api/v1/ledger/story":            http.StatusUnprocessableEntity,
	"/api/v1/rules/vocabulary/fields": http.StatusUnprocessableEntity,
	"/api/v1/rules/why":               http.StatusUnprocessableEntity,
	"/api/v1/trends":                  http.StatusUnprocessableEntity,
}

// alone is what a list, or whatever else is read without naming one of many, answers an admin; 0: it is none.
func alone(op operation) int {
	if op.method != http.MethodGet || strings.Contains(op.path, "{") {
		return 0
	}
	return cmp.Or(notAlone[op.path], http.StatusOK)
}

// holds asks for an operation with values that fit nothing, and demands that the answer is about rights only where they are missing, and never that
// something went wrong here.
func (r *running) holds(op operation, token, who string, may bool) (status int) {
	r.t.Helper()
	path := op.path
	for strings.Contains(path, "{") {
		before, rest, _ := strings.Cut(path, "{")
		_, after, _ := strings.Cut(rest, "}")
		path = before + "1" + after
	}
	var body any
	if op.method != http.MethodGet && op.method != http.MethodDelete {
		body = map[string]any{}
	}
	status, answer := r.ask(op.method, path, token, body)
	var p struct {
		Code string `json:"code"`
	}
	_ = json.Unmarshal(answer, &p) // what is no JSON is no problem
	if status == http.StatusInternalServerError {
		r.t.Errorf("%s %s as %s: %d %s", op.method, op.path, who, status, answer)
	}
	refused := p.Code == "forbidden" || p.Code == "sign_in"
	if may == refused || !may && status != http.StatusForbidden && status != http.StatusUnauthorized {
		r.t.Errorf("%s %s as %s: %d %s, allowed: %v", op.method, op.path, who, status, p.Code, may)
	}
	return status
}
