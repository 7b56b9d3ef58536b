package automail

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Each report is read as its golden file says; the name tells what it is.
func TestParseBounce(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/bounces/*.eml")
	if err != nil || len(files) < 16 {
		t.Fatalf("%d reports: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			b, ok, err := ParseBounce(bytes.NewReader(raw))
			if err != nil {
				t.Fatal(err)
			}
			want, _, _ := strings.Cut(filepath.Base(file), "_")
			if ok != (want != "none") {
				t.Fatalf("a bounce: %v\n%+v", ok, b)
			}
			if !ok {
				return
			}
			for _, r := range b.Recipients {
				if r.Action != want || r.Permanent != (want == "failed") {
					t.Errorf("%s is %s (permanent: %v), want %s", r.Address, r.Action, r.Permanent, want)
				}
			}
			got, err := json.MarshalIndent(b, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			golden := strings.TrimSuffix(file, ".eml") + ".json"
			if *update {
				if err := os.WriteFile(golden, append(got, '\n'), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			said, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if string(got)+"\n" != string(said) {
				t.Errorf("got %s\nwant %s", got, said)
			}
			// Other line ends change nothing.
			again, ok, err := ParseBounce(bytes.NewReader(bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\n"))))
			if err != nil || !ok || len(again.Recipients) != len(b.Recipients) || again.Recipients[0].Address != b.Recipients[0].Address || again.Recipients[0].Status != b.Recipients[0].Status {
				t.Errorf("with bare LF: %+v, %v", again, err)
			}
		})
	}
}

func FuzzParseBounce(f *testing.F) {
	files, err := filepath.Glob("testdata/bounces/*.eml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		b, ok, err := ParseBounce(bytes.NewReader(raw))
		if err != nil || ok != (len(b.Recipients) > 0) {
			t.Fatalf("ok is %v with %d recipients: %v", ok, len(b.Recipients), err)
		}
		if len(b.Recipients) > 200 || len(b.MessageIDs) > 20 || len(b.EnvelopeID) > 200 {
			t.Errorf("not bounded: %d recipients, %d ids", len(b.Recipients), len(b.MessageIDs))
		}
		for _, r := range b.Recipients {
			if !strings.Contains(r.Address, "@") || r.Permanent != (r.Action == "failed") || r.Status == "" || len(r.Diagnostic) > 600 {
				t.Errorf("recipient %+v", r)
			}
		}
	})
}
