package extract_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"heliograph/hooks/rules/extract"
)

var update = flag.Bool("update", false, "rewrite what the fixtures want")

// fixture is a file of testdata: headers, then sections that begin with "-- name --".
type fixture struct {
	mail  extract.Mail
	specs extract.Specs
	head  string // all before what is wanted
	want  string
}

func load(t testing.TB, file string) fixture {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, want, _ := strings.Cut(string(data), "-- want --\n")
	f := fixture{head: head, want: want}
	sections := strings.Split(head, "\n-- ")
	for _, line := range strings.Split(sections[0], "\n") {
		key, value, _ := strings.Cut(line, ": ")
		switch key {
		case "Subject":
			f.mail.Subject = value
		case "Language":
			f.mail.Language = value
		case "Attachments":
			f.mail.Attachments = strings.Split(value, "; ")
		case "Date":
			if f.mail.Date, err = time.Parse(time.RFC3339, value); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, s := range sections[1:] {
		name, body, _ := strings.Cut(s, " --")
		body = strings.TrimPrefix(body, "\n")
		switch name {
		case "text":
			f.mail.Text = body
		case "unquoted":
			f.mail.Unquoted = body
		case "html":
			f.mail.HTML = body
		case "specs":
			if f.specs, err = extract.Parse([]byte(body)); err != nil {
				t.Fatal(err)
			}
		default:
			t.Fatalf("%s: no section %q", file, name)
		}
	}
	return f
}

// render writes a result as the fixtures have it.
func render(r extract.Result) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(r.Fields)) {
		f := r.Fields[name]
		value, err := json.Marshal(f.Value())
		if err != nil {
			return err.Error()
		}
		best := f.Candidates[0]
		note := string(best.Confidence)
		if best.Ambiguous {
			note += ", ambiguous"
		}
		text := best.Text
		if len(text) > 60 {
			text = text[:strings.LastIndexByte(text[:60], ' ')+1] + "…"
		}
		fmt.Fprintf(&b, "%s = %s\n    %s: %s; from %s %q\n", name, value, note, best.Why, best.Source, text)
	}
	if len(r.Missing) > 0 {
		fmt.Fprintf(&b, "missing: %s\n", strings.Join(r.Missing, ", "))
	}
	return b.String()
}

func TestFixtures(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) < 25 {
		t.Fatalf("%d fixtures, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			f := load(t, file)
			r := extract.Extract(f.mail, f.specs)
			got := render(r)
			if *update {
				if err := os.WriteFile(file, []byte(f.head+"-- want --\n"+got), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != f.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, f.want)
			}
			if again := render(extract.Extract(f.mail, f.specs)); again != got {
				t.Errorf("a second time:\n%s", again)
			}
			evidence(t, f.mail, r)
		})
	}
}

// evidence holds the places of values against the mail.
func evidence(t *testing.T, m extract.Mail, r extract.Result) {
	t.Helper()
	unquoted := m.Unquoted
	if unquoted == "" {
		unquoted = m.Text
	}
	texts := map[extract.Source]string{
		extract.FromSubject: m.Subject, extract.FromUnquoted: unquoted, extract.FromText: m.Text, extract.FromAttachments: strings.Join(m.Attachments, "\n"),
	}
	for name, f := range r.Fields {
		for _, c := range f.Candidates {
			text, ok := texts[c.Source]
			if !ok {
				continue
			}
			if c.Offset < 0 || c.Offset+len(c.Text) > len(text) || text[c.Offset:c.Offset+len(c.Text)] != c.Text || c.Text == "" {
				t.Errorf("%s: %q does not stand at %d of %s", name, c.Text, c.Offset, c.Source)
			}
		}
	}
}
