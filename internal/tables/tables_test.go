package tables_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"heliograph/internal/report"
	"heliograph/internal/tables"
)

func table(t *testing.T, text string) *report.Table {
	t.Helper()
	out, err := report.ReadCSV([]byte(text), report.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

const budget = "部门,预算,起始\n销售,\"1,200.50\",2026-01-05\n市场,300,2026-02-01\n"

func TestVersions(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := tables.Open(filepath.Join(dir, "tables"), func() time.Time { return time.Unix(1_770_000_000, 0) })
	if all, err := s.List(); err != nil || len(all) != 0 {
		t.Fatal(all, err)
	}
	first := table(t, budget)
	v, made, err := s.Put("预算", first, "a.csv", "wang@example.com")
	if err != nil || !made || v.Number != 1 || v.Rows != 2 {
		t.Fatalf("got %+v %v %v", v, made, err)
	}
	if v, made, err = s.Put("预算", table(t, budget), "b.csv", "li@example.com"); err != nil || made || v.Number != 1 || v.File != "a.csv" {
		t.Errorf("the same again: %+v %v %v", v, made, err)
	}
	if v, made, err = s.Put("预算", table(t, budget+"人事,1,2026-03-01\n"), "c.csv", "li@example.com"); err != nil || !made || v.Number != 2 {
		t.Fatalf("got %+v %v %v", v, made, err)
	}
	back, err := s.Read("预算", 1)
	if err != nil || fmt.Sprint(back.Rows) != fmt.Sprint(first.Rows) || back.Columns[1].Kind != report.Number || back.Columns[2].Kind != report.Date {
		t.Fatalf("got %+v, %v", back, err)
	}
	if v, err = s.Restore("预算", 1, "wang@example.com"); err != nil || v.Number != 3 || v.Restored != 1 {
		t.Fatalf("got %+v %v", v, err)
	}
	if now, err := s.Read("预算", 0); err != nil || len(now.Rows) != 2 {
		t.Errorf("got %+v, %v", now, err)
	}
	for i := range tables.MaxVersions + 3 {
		if _, _, err := s.Put("预算", table(t, fmt.Sprintf("a\n%d\n", i)), "", ""); err != nil {
			t.Fatal(err)
		}
	}
	info, err := s.Get("预算")
	if err != nil || len(info.Versions) != tables.MaxVersions || info.Versions[0].Number != 26 || info.Columns[0].Key != "a" {
		t.Errorf("got %+v, %v", info, err)
	}
	if files, err := filepath.Glob(filepath.Join(dir, "tables", "*", "*")); err != nil || len(files) != tables.MaxVersions+1 {
		t.Errorf("%d files, %v", len(files), err)
	}
	if _, err := s.Read("预算", 1); !errors.Is(err, tables.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	if err := s.Remove("预算"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Read("预算", 0); !errors.Is(err, tables.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	if rest, err := os.ReadDir(filepath.Join(dir, "tables")); err != nil || len(rest) != 0 {
		t.Errorf("%v is left, %v", rest, err)
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	s := tables.Open(t.TempDir(), nil)
	for _, bad := range []string{"", " a", "a\n", strings.Repeat("a", 101)} {
		if _, _, err := s.Put(bad, table(t, "a\n1\n"), "", ""); !errors.Is(err, tables.ErrName) {
			t.Errorf("%q: got %v", bad, err)
		}
	}
	for _, good := range []string{"../../etc/passwd", "a/b", "价格 表", "."} { // no part of a path
		if _, _, err := s.Put(good, table(t, "a\n1\n"), "", ""); err != nil {
			t.Errorf("%q: got %v", good, err)
		}
	}
	if all, err := s.List(); err != nil || len(all) != 4 || all[0].Name != "." {
		t.Errorf("got %+v, %v", all, err)
	}
}
