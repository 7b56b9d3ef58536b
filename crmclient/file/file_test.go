package file_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-message/mail"

	"heliograph/crmclient"
	"heliograph/crmclient/crmtest"
	"heliograph/crmclient/export"
	"heliograph/crmclient/file"
)

// folder is the fake: what is in the folder, read as other programs would.
type folder struct {
	dir    string
	format file.Format
}

func (f *folder) Records(t *testing.T) []crmtest.Record {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(f.dir, "*."+string(f.format)))
	if err != nil {
		t.Fatal(err)
	}
	var out []crmtest.Record
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if f.format == file.CSV {
			out = append(out, fromCSV(t, b)...)
			continue
		}
		for line := range strings.Lines(string(b)) {
			var p export.Payload
			if err := json.Unmarshal([]byte(line), &p); err != nil {
				t.Errorf("%v in %.100q", err, line)
			}
			r := crmtest.Record{Key: p.Key, Subject: p.Subject, Text: p.Text, Accounts: p.Accounts, Thread: p.Thread}
			for _, a := range p.Attachments {
				r.Attachments = append(r.Attachments, a.Name)
			}
			out = append(out, r)
		}
	}
	return out
}

func fromCSV(t *testing.T, b []byte) []crmtest.Record {
	t.Helper()
	if !bytes.HasPrefix(b, []byte("\ufeffdate,direction,")) {
		t.Errorf("no heading: %.40q", b)
	}
	records, err := csv.NewReader(bytes.NewReader(b)).ReadAll()
	if err != nil {
		t.Error(err)
		return nil
	}
	text := func(s string) string {
		if len(s) > 1 && s[0] == '\'' && strings.ContainsRune("=+-@\t", rune(s[1])) {
			return s[1:]
		}
		return s
	}
	var out []crmtest.Record
	for _, r := range records[1:] {
		files := []string(nil)
		if r[7] != "" {
			files = strings.Split(r[7], "; ")
		}
		out = append(out, crmtest.Record{Key: r[14], Subject: text(r[5]), Text: text(r[6]), Attachments: files})
	}
	return out
}

func open(t *testing.T, cfg file.Config) *file.Client {
	t.Helper()
	c, err := file.New(cfg, crmclient.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	return c.(*file.Client)
}

func formats(t *testing.T, f func(t *testing.T, format file.Format)) {
	t.Helper()
	for _, format := range []file.Format{file.JSONLines, file.CSV} {
		t.Run(string(format), func(t *testing.T) {
			t.Parallel()
			f(t, format)
		})
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	formats(t, func(t *testing.T, format file.Format) {
		crmtest.Run(t, crmtest.Subject{
			Fake: func(t *testing.T) crmtest.Fake { return &folder{filepath.Join(t.TempDir(), "mail"), format} },
			New: func(t *testing.T, f crmtest.Fake, _ crmtest.Connection) crmclient.Client {
				return open(t, file.Config{OutputDir: f.(*folder).dir, Format: format})
			},
		})
	})
}

func keys(t *testing.T, f *folder) []string {
	t.Helper()
	var out []string
	for _, r := range f.Records(t) {
		out = append(out, r.Key)
	}
	slices.Sort(out)
	return out
}

// TestCutShort: a crash while a line was written, at any byte, loses no message and doubles none.
func TestCutShort(t *testing.T) {
	t.Parallel()
	formats(t, func(t *testing.T, format file.Format) {
		f := &folder{t.TempDir(), format}
		off := false
		cfg := file.Config{OutputDir: f.dir, Format: format, EML: &off}
		log := func(key string) {
			a := crmtest.Activity(key)
			a.Text, a.TextUnquoted = "one\n\"two\",\nthree\n", "one\n\"two\",\nthree\n"
			if _, err := open(t, cfg).LogEmail(t.Context(), a); err != nil {
				t.Fatal(err)
			}
		}
		log("a")
		path := filepath.Join(f.dir, "2026-03-04."+string(format))
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		log("b")
		both, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for n := len(whole); n <= len(both); n++ {
			if n > len(whole)+20 && n < len(both)-40 && n%9 != 0 {
				continue // each costs some syncs
			}
			if err := os.WriteFile(path, both[:n], 0o600); err != nil {
				t.Fatal(err)
			}
			log("b")
			log("c")
			if got := keys(t, f); !slices.Equal(got, []string{"a", "b", "c"}) {
				t.Fatalf("cut after %d of %d bytes: %q", n, len(both), got)
			}
		}
		for n := 0; n < len(whole); n += 1 + n/8 { // nothing whole is left
			if err := os.WriteFile(path, whole[:n], 0o600); err != nil {
				t.Fatal(err)
			}
			log("a")
			if got := keys(t, f); !slices.Equal(got, []string{"a"}) {
				t.Fatalf("cut after %d of %d bytes: %q", n, len(whole), got)
			}
		}
	})
}

// TestForeignLines: what another program made of the file is not thrown away.
func TestForeignLines(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := open(t, file.Config{OutputDir: dir, Format: file.CSV})
	for _, key := range []string{"a", "b"} {
		if _, err := c.LogEmail(t.Context(), crmtest.Activity(key)); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "2026-03-04.csv")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b = bytes.Replace(b, []byte("\r\n2026"), []byte("\r\na,note\r\n2026"), 1)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = c.LogEmail(t.Context(), crmtest.Activity("c"))
	if crmclient.ClassOf(err) != crmclient.ClassConfiguration {
		t.Errorf("got %v", err)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, b) {
		t.Errorf("the file was changed: %v", err)
	}
}

// TestNodes: several writers of one folder do not disturb each other.
func TestNodes(t *testing.T) {
	t.Parallel()
	formats(t, func(t *testing.T, format file.Format) {
		f := &folder{t.TempDir(), format}
		var group sync.WaitGroup
		for range 4 {
			c := open(t, file.Config{OutputDir: f.dir, Format: format})
			group.Go(func() {
				for i := range 10 {
					if _, err := c.LogEmail(t.Context(), crmtest.Activity(string(rune('a'+i)))); err != nil {
						t.Error(err)
					}
				}
			})
		}
		group.Wait()
		if got := strings.Join(keys(t, f), ""); got != "abcdefghij" {
			t.Errorf("keys %s", got)
		}
	})
}

func TestMailFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := open(t, file.Config{OutputDir: dir, TimeZone: "Asia/Shanghai"})
	a := crmtest.Activity("k")
	a.Date = time.Date(2026, 3, 4, 20, 0, 0, 0, time.UTC) // the next day in Shanghai
	a.Subject = "报价 42"
	a.Attachments = []crmclient.Attachment{crmtest.NewFile("报价单.pdf", "application/pdf", []byte("pdf"))}
	r, err := c.LogEmail(t.Context(), a)
	if err != nil || !strings.HasPrefix(r.RemoteID, "2026-03-05/") {
		t.Fatalf("%+v, %v", r, err)
	}
	found, err := filepath.Glob(filepath.Join(dir, "mail/2026/03/05/040000-*.eml"))
	if err != nil || len(found) != 1 {
		t.Fatalf("%q, %v", found, err)
	}
	raw, err := os.Open(found[0])
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	m, err := mail.CreateReader(raw)
	if err != nil {
		t.Fatal(err)
	}
	if subject, _ := m.Header.Subject(); subject != "报价 42" {
		t.Errorf("subject %q", subject)
	}
	var parts []string
	for {
		p, err := m.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(p.Body)
		if h, ok := p.Header.(*mail.AttachmentHeader); ok {
			name, _ := h.Filename()
			parts = append(parts, name+" "+string(b))
		}
	}
	if !slices.Equal(parts, []string{"报价单.pdf pdf"}) {
		t.Errorf("files %q", parts)
	}
}

func TestWithdraw(t *testing.T) {
	t.Parallel()
	formats(t, func(t *testing.T, format file.Format) {
		f := &folder{t.TempDir(), format}
		c := open(t, file.Config{OutputDir: f.dir, Format: format})
		ids := map[string]string{}
		for _, key := range []string{"a", "b", "c"} {
			r, err := c.LogEmail(t.Context(), crmtest.Activity(key))
			if err != nil {
				t.Fatal(err)
			}
			ids[key] = r.RemoteID
		}
		for range 2 {
			if err := c.WithdrawEmail(t.Context(), ids["a"], "a"); err != nil {
				t.Error(err)
			}
			if err := c.WithdrawEmail(t.Context(), "", "b"); err != nil { // its outcome was never known
				t.Error(err)
			}
		}
		if got := keys(t, f); !slices.Equal(got, []string{"c"}) {
			t.Errorf("keys %q", got)
		}
		if found, _ := filepath.Glob(filepath.Join(f.dir, "mail/*/*/*/*.eml")); len(found) != 1 {
			t.Errorf("files %q", found)
		}
		if _, err := c.LogEmail(t.Context(), crmtest.Activity("d")); err != nil {
			t.Error(err)
		}
		if got := keys(t, f); !slices.Equal(got, []string{"c", "d"}) {
			t.Errorf("keys %q", got)
		}
	})
}

// TestFormulas: a spreadsheet that opens the file runs nothing that a stranger wrote.
func TestFormulas(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := open(t, file.Config{OutputDir: dir, Format: file.CSV})
	a := crmtest.Activity("k")
	a.Subject, a.TextUnquoted = `=HYPERLINK("http://evil.example")`, "@SUM(1)\r\n\",=1"
	if _, err := c.LogEmail(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "2026-03-04.csv"))
	if err != nil {
		t.Fatal(err)
	}
	records, err := csv.NewReader(bytes.NewReader(b)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, cell := range records[1] {
		if cell != "" && strings.ContainsRune("=+-@\t", rune(cell[0])) {
			t.Errorf("a formula: %q", cell)
		}
	}
}

func TestTrouble(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := open(t, file.Config{OutputDir: filepath.Join(dir, "no", "folder")})
	if _, err := c.LogEmail(t.Context(), crmtest.Activity("k")); crmclient.ClassOf(err) != crmclient.ClassConfiguration {
		t.Errorf("got %v", err)
	}
	if _, err := c.Check(t.Context()); crmclient.ClassOf(err) != crmclient.ClassConfiguration {
		t.Errorf("check: got %v", err)
	}
	path := filepath.Join(dir, "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, file.Config{OutputDir: path}).Check(t.Context()); err == nil {
		t.Error("a file was taken for a folder")
	}
	full := open(t, file.Config{OutputDir: dir})
	if err := os.Symlink("/dev/full", filepath.Join(dir, "2026-03-04.jsonl")); err != nil {
		t.Fatal(err)
	}
	_, err := full.LogEmail(t.Context(), crmtest.Activity("k"))
	var e *crmclient.Error
	if !errors.As(err, &e) || e.Class != crmclient.ClassRetry || !strings.Contains(e.Remedy, "room") {
		t.Errorf("a full disk: %v", err)
	}
	if err := (file.Config{TimeZone: "Moon"}).Validate(); err == nil || !strings.Contains(err.Error(), "output_dir") || !strings.Contains(err.Error(), "time_zone") {
		t.Errorf("mistakes: %v", err)
	}
}
