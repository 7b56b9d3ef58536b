// Package tables keeps the tables that people import for rules and reports, with their versions.
//
// The main idea: a folder for each table, a file for each version that is never changed, and a list of versions (table.json) that is replaced as a
// whole, so that a reader sees the old state or the new one. A table of the same content makes no new version. Files are JSON, one row a
// line, with the kinds of columns, so that nothing has to be guessed again.
//
// Tables lie on the machine of the gateway that took them in; gateways that share a database do not share them.
package tables

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"heliograph/internal/report"
)

// MaxVersions is how many versions of a table are kept.
const MaxVersions = 20

// MaxName bounds a table's name in bytes.
const MaxName = 100

// The errors that callers act on.
var (
	ErrNotFound = errors.New("there is no such table, or no such version of it")
	ErrName     = errors.New("this is not a good name for a table")
)

// Version is one state of a table.
type Version struct {
	Number   int       `json:"version"`
	Rows     int       `json:"rows"`
	File     string    `json:"file,omitempty"` // that it came from
	By       string    `json:"by"`
	At       time.Time `json:"at"`
	Restored int       `json:"restored_from,omitempty"`
	Sum      string    `json:"sha256"` // of its file
}

// Info is what is known of a table.
type Info struct {
	Name     string          `json:"name"`
	Columns  []report.Column `json:"columns"`  // of the newest version
	Versions []Version       `json:"versions"` // the newest first
}

// Shelf is a folder of tables. It may be used concurrently.
type Shelf struct {
	dir string
	now func() time.Time
	mu  sync.Mutex // held while tables change
}

// Open returns the tables in a folder, which is made when the first one comes.
func Open(dir string, now func() time.Time) *Shelf {
	if now == nil {
		now = time.Now
	}
	return &Shelf{dir: dir, now: now}
}

// CheckName says whether a table can have a name.
func CheckName(name string) error {
	if name == "" || len(name) > MaxName || strings.TrimSpace(name) != name || strings.ContainsFunc(name, unicode.IsControl) {
		return ErrName
	}
	return nil
}

// folder is where a table lies; names may have any letters.
func (s *Shelf) folder(name string) string {
	sum := sha256.Sum256([]byte(name))
	return filepath.Join(s.dir, hex.EncodeToString(sum[:12]))
}

func versionFile(n int) string { return fmt.Sprintf("%08d.jsonl", n) }

// List returns all tables by name.
func (s *Shelf) List() (out []Info, err error) {
	entries, err := os.ReadDir(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		info, err := readInfo(filepath.Join(s.dir, e.Name()))
		if errors.Is(err, ErrNotFound) {
			continue // it is being made, or removed
		}
		if err != nil {
			return nil, err
		}
		out = append(out, *info)
	}
	slices.SortFunc(out, func(x, y Info) int { return strings.Compare(x.Name, y.Name) })
	return out, nil
}

// Get returns what is known of a table, or ErrNotFound.
func (s *Shelf) Get(name string) (*Info, error) { return readInfo(s.folder(name)) }

func readInfo(folder string) (*Info, error) {
	text, err := os.ReadFile(filepath.Join(folder, "table.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	var info Info
	if err := json.Unmarshal(text, &info); err != nil {
		return nil, fmt.Errorf("read %s: %w", folder, err)
	}
	if len(info.Versions) == 0 {
		return nil, ErrNotFound
	}
	return &info, nil
}

// Read reads a version of a table; 0 is the newest.
func (s *Shelf) Read(name string, version int) (*report.Table, error) {
	info, err := s.Get(name)
	if err != nil {
		return nil, err
	}
	if version == 0 {
		version = info.Versions[0].Number
	}
	f, err := os.Open(filepath.Join(s.folder(name), versionFile(version)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	t, err := decode(f)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("read table %s, version %d: %w", name, version, err)
	}
	return t, nil
}

// Put adds a version. made says that it differs from the newest one; else nothing is written.
func (s *Shelf) Put(name string, t *report.Table, file, by string) (v Version, made bool, err error) {
	if err := CheckName(name); err != nil {
		return v, false, err
	}
	content, err := encode(t)
	if err != nil {
		return v, false, fmt.Errorf("write table %s: %w", name, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	v, made, err = s.put(name, content, t, Version{Rows: len(t.Rows), File: file, By: by})
	if err != nil {
		return v, false, fmt.Errorf("write table %s: %w", name, err)
	}
	return v, made, nil
}

func (s *Shelf) put(name string, content []byte, t *report.Table, v Version) (Version, bool, error) {
	info, err := s.Get(name)
	if errors.Is(err, ErrNotFound) {
		info, err = &Info{Name: name}, nil
	}
	if err != nil {
		return v, false, err
	}
	sum := sha256.Sum256(content)
	v.Sum, v.At, v.Number = hex.EncodeToString(sum[:]), s.now().UTC(), 1
	if len(info.Versions) > 0 {
		if info.Versions[0].Sum == v.Sum {
			return info.Versions[0], false, nil
		}
		v.Number = info.Versions[0].Number + 1
	}
	folder := s.folder(name)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return v, false, err
	}
	if err := replace(filepath.Join(folder, versionFile(v.Number)), content); err != nil {
		return v, false, err
	}
	info.Versions = slices.Insert(info.Versions, 0, v)
	var old []Version
	if len(info.Versions) > MaxVersions {
		old = info.Versions[MaxVersions:]
		info.Versions = info.Versions[:MaxVersions]
	}
	info.Columns = t.Columns
	list, err := json.MarshalIndent(info, "", "  ")
	if err == nil {
		err = replace(filepath.Join(folder, "table.json"), list)
	}
	if err != nil {
		return v, false, err
	}
	for _, o := range old {
		err = errors.Join(err, os.Remove(filepath.Join(folder, versionFile(o.Number))))
	}
	return v, true, err
}

// Restore makes an older version the newest one.
func (s *Shelf) Restore(name string, version int, by string) (Version, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	info, err := s.Get(name)
	if err != nil {
		return Version{}, err
	}
	i := slices.IndexFunc(info.Versions, func(v Version) bool { return v.Number == version })
	if i < 0 {
		return Version{}, ErrNotFound
	}
	t, err := s.Read(name, version)
	if err != nil {
		return Version{}, err
	}
	content, err := encode(t)
	if err != nil {
		return Version{}, err
	}
	v, _, err := s.put(name, content, t, Version{Rows: len(t.Rows), File: info.Versions[i].File, By: by, Restored: version})
	return v, err
}

// Remove removes a table with all its versions.
func (s *Shelf) Remove(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.Get(name); err != nil {
		return err
	}
	// The list goes first: without it the rest is nothing.
	return errors.Join(os.Remove(filepath.Join(s.folder(name), "table.json")), os.RemoveAll(s.folder(name)))
}

// replace writes a file as a whole, durably.
func replace(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// head is the first line of a version's file.
type head struct {
	Format  int             `json:"format"` // 1
	Title   string          `json:"title,omitempty"`
	Columns []report.Column `json:"columns"`
}

// moment is how a time is written down, so that it is not taken for a text.
type moment struct {
	Time time.Time `json:"time"`
}

func encode(t *report.Table) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	if err := e.Encode(head{Format: 1, Title: t.Title, Columns: t.Columns}); err != nil {
		return nil, err
	}
	for _, row := range t.Rows {
		cells := slices.Clone(row)
		for i, v := range cells {
			if at, ok := v.(time.Time); ok {
				cells[i] = moment{at}
			}
		}
		if err := e.Encode(cells); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}

func decode(r io.Reader) (*report.Table, error) {
	d := json.NewDecoder(bufio.NewReader(r))
	d.UseNumber()
	var h head
	if err := d.Decode(&h); err != nil {
		return nil, err
	}
	if h.Format != 1 {
		return nil, fmt.Errorf("format %d is not known", h.Format)
	}
	t := &report.Table{Title: h.Title, Columns: h.Columns}
	for {
		var row []any
		err := d.Decode(&row)
		if errors.Is(err, io.EOF) {
			return t, nil
		}
		if err != nil {
			return nil, err
		}
		if len(row) != len(t.Columns) {
			return nil, fmt.Errorf("row %d has %d cells for %d columns", len(t.Rows)+1, len(row), len(t.Columns))
		}
		for i, v := range row {
			if m, ok := v.(map[string]any); ok {
				text, _ := m["time"].(string)
				at, err := time.Parse(time.RFC3339, text)
				if err != nil {
					return nil, fmt.Errorf("row %d: %w", len(t.Rows)+1, err)
				}
				row[i] = at
			}
		}
		t.Rows = append(t.Rows, row)
	}
}
