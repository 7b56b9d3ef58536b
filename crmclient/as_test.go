package crmclient_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"heliograph/crmclient"
)

// picky can count, but not on each connection.
type picky struct{ able bool }

type counter interface{ Count() int }

func (p picky) Ability(ability any) any {
	if _, asked := ability.(*counter); asked && p.able {
		return counts(1)
	}
	return nil
}

type counts int

func (c counts) Count() int { return int(c) }

type plain struct{}

func (plain) Count() int { return 2 }

func TestAs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		client any
		want   int
	}{{picky{true}, 1}, {picky{false}, 0}, {plain{}, 2}, {struct{}{}, 0}, {nil, 0}} {
		got := 0
		able, ok := crmclient.As[counter](c.client)
		if ok {
			got = able.Count()
		}
		if got != c.want || ok != (able != nil) {
			t.Errorf("%#v: got %d, %v", c.client, got, ok)
		}
	}
}

// A type assertion does not know of Selective: nobody who uses a client may find an ability by one.
func TestNobodyAsserts(t *testing.T) {
	t.Parallel()
	for _, dir := range []string{"../hooks", "../internal", "../cmd"} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Name() == "node_modules" {
				return fs.SkipDir
			}
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			raw, err := os.ReadFile(path)
			if err == nil && strings.Contains(string(raw), ".(crmclient.") {
				t.Errorf("%s: use crmclient.As in place of a type assertion", path)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}
