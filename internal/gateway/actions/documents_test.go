package actions

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/hooks/rules/classify"
	"heliograph/internal/journal"
	"heliograph/internal/report"
	"heliograph/internal/store/storetest"
)

func TestUploadedTables(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	table, err := report.FromRecords([]map[string]any{{"部门": "研发", "预算": json.Number("12.5")}}, nil, report.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	book, err := report.XLSX(t.Context(), "x", []report.Sheet{{Name: "2026", Table: table}}, report.Options{})
	if err != nil {
		t.Fatal(err)
	}
	d := NewDocuments(config.Rules{Tables: []config.RuleTable{
		{Name: "预算", File: write("budget.csv", []byte("部门,预算\n研发,12.5\n"))},
		{Name: "book", File: write("budget.XLSX", book), Sheet: "2026"},
		{Name: "gone", File: filepath.Join(dir, "gone.csv")},
		{Name: "broken", File: write("broken.xlsx", []byte("x"))},
	}})
	for _, name := range []string{"预算", "book"} {
		got, err := d.Table(t.Context(), name)
		if err != nil || len(got.Rows) != 1 || got.Rows[0][1] != json.Number("12.5") {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	write("budget.csv", []byte("部门,预算\n研发,13\n市场,14\n"))
	if got, err := d.Table(t.Context(), "预算"); err != nil || len(got.Rows) != 2 {
		t.Errorf("a new file does not count: %+v, %v", got, err)
	}
	for name, lasting := range map[string]bool{"gone": false, "broken": true, "nothing": true} {
		_, err := d.Table(t.Context(), name)
		if err == nil || isPermanent(err) != lasting {
			t.Errorf("%s: %v", name, err)
		}
	}
	d = NewDocuments(config.Rules{Reports: config.Reports{Font: filepath.Join(dir, "song.ttf")}})
	if _, err := d.Font(); err == nil || !strings.Contains(err.Error(), "rules.reports.font") || !isPermanent(err) {
		t.Errorf("a font that is not there: %v", err)
	}
}

func isPermanent(err error) bool {
	t, ok := errors.AsType[interface {
		error
		Temporary() bool
	}](err)
	return ok && !t.Temporary()
}

const pictured = "From: li@customer.org\r\nTo: sales@example.com\r\nSubject: x\r\nMessage-ID: <p@customer.org>\r\nMIME-Version: 1.0\r\n" +
	"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nsee\r\n" +
	"--b\r\nContent-Type: image/png; name=a.png\r\nContent-Disposition: attachment; filename=a.png\r\nContent-Transfer-Encoding: base64\r\n\r\nUE5H\r\n--b--\r\n"

func TestFilesOfAStoredMail(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	id := journal.NewID(then)
	keep(t, db, id, "p", journal.KindFetch, then)
	w := storedWorld(db, then)
	w.o.Body = func(context.Context, journal.Entry) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(pictured)), nil
	}
	check := func(entry string) {
		t.Helper()
		files, err := w.Files(t.Context(), entry)
		if err != nil || len(files) != 1 || files[0].Name != "a.png" || files[0].Size != 3 || files[0].Digest == "" {
			t.Fatalf("files are %+v, %v", files, err)
		}
		r, err := files[0].Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil || string(data) != "PNG" {
			t.Errorf("the file has %q, %v", data, err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
	check(id.String())
	if _, err := w.Files(t.Context(), ""); err == nil {
		t.Error("files of no mail")
	}
	ev, err := w.FileEvent(t.Context(), func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(pictured)), nil }, FileOptions{Received: then})
	if err != nil {
		t.Fatal(err)
	}
	check(ev.Entry)
}

// What leaves for a chat endpoint is masked, a bad status is no answer, and nothing leaves for a replay.
func TestChatOfTheClassifier(t *testing.T) {
	t.Parallel()
	var asked []string
	status := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked = append(asked, r.URL.Path+" "+r.Header.Get("Authorization")+" "+string(body))
		w.WriteHeader(status)
		answer, _ := json.Marshal(map[string]any{"labels": []any{map[string]any{"dimension": "product_line", "label": "optics", "quote": "平台晃动"}}})
		_ = json.NewEncoder(w).Encode(map[string]any{"choices": []any{map[string]any{"message": map[string]any{"role": "assistant", "content": string(answer)}}}})
	}))
	defer server.Close()
	o := ClassifierOptions{
		Store: storetest.SQLite(t), Chat: true, Masking: []config.Masking{{Targets: []string{"crm"}, Fields: []config.MaskField{config.MaskSubject}, Patterns: []config.MaskPattern{{Name: "customer", Match: `KD-\d{8}`}}}},
		Config: config.Classifier{Threshold: 0.5, ProductLines: []string{"optics", "lasers"}, Chat: config.ClassifierChat{
			Enabled: true, BaseURL: server.URL + "/v1", Model: "m", APIKey: config.NewSecret("key-1"), Timeout: config.Duration(5 * time.Second), MaxChars: 2000,
			Labels: map[string][]string{"product_line": {"optics", "lasers"}},
		}},
	}
	m := classify.Mail{Subject: "客户 KD-12345678", Text: "平台晃动，请电 13812345678 或写 li@customer.org"}
	find := func(o ClassifierOptions) string {
		t.Helper()
		c, err := NewClassifier(o)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		list, err := c.Suggest(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range list {
			if s.Dimension == classify.ProductLine {
				return s.Label
			}
		}
		return ""
	}
	if got := find(o); got != "optics" || len(asked) != 1 {
		t.Fatalf("the product line is %q after %d questions", got, len(asked))
	}
	if !strings.HasPrefix(asked[0], "/v1/chat/completions Bearer key-1 ") {
		t.Errorf("the request is %.80q", asked[0])
	}
	for _, secret := range []string{"12345678", "13812345678", "li@customer.org"} {
		if strings.Contains(asked[0], secret) {
			t.Errorf("%s left: %s", secret, asked[0])
		}
	}
	status = http.StatusTooManyRequests
	if got := find(o); got != "" || len(asked) != 2 {
		t.Errorf("a refusal gives %q after %d questions", got, len(asked))
	}
	o.Chat = false
	if got := find(o); got != "" || len(asked) != 2 {
		t.Errorf("a replay asked: %q, %d questions", got, len(asked))
	}
	o.Chat, o.Config.Chat.BaseURL = true, "http://llm.example.com/v1"
	if _, err := NewClassifier(o); err == nil || !strings.Contains(err.Error(), "rules.classifier.chat") {
		t.Errorf("plain http: %v", err)
	}
	o.Chat = false
	o.Config.Phrases = []config.LabelPhrase{{Dimension: "mood", Label: "bad", Text: "坏"}}
	if _, err := NewClassifier(o); err == nil || !strings.Contains(err.Error(), "phrases[0]") {
		t.Errorf("a phrase of no dimension: %v", err)
	}
	o.Config.Phrases = []config.LabelPhrase{{Dimension: "product_line", Label: "optics", Text: "晃动", Weight: 4}}
	if got := find(o); got != "optics" {
		t.Errorf("a phrase of the configuration gives %q", got)
	}
}
