package audit

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"heliograph/internal/tablefile"
)

// exportPage is how many rows are read at a time.
const exportPage = 1000

// Each calls do with all rows that a filter chooses, the oldest first. Limit and Before do not count.
func (l *Log) Each(ctx context.Context, f Filter, do func(Row) error) error {
	if err := l.Flush(ctx); err != nil {
		return err
	}
	where, args := f.where()
	for after := int64(0); ; {
		rows, err := l.read(ctx, fmt.Sprintf("%s AND seq > $%d", where, len(args)+1), fmt.Sprintf("ORDER BY seq LIMIT %d", exportPage), append(args[:len(args):len(args)], after))
		if err != nil {
			return err
		}
		for _, r := range rows {
			if err := do(r); err != nil {
				return err
			}
			after = r.Seq
		}
		if len(rows) < exportPage {
			return nil
		}
	}
}

// line is a row as JSON.
type line struct {
	Seq        int64           `json:"seq,omitempty"`
	At         string          `json:"at"`
	Until      string          `json:"until,omitempty"`
	Count      int64           `json:"count"`
	Person     string          `json:"person,omitempty"`
	Role       string          `json:"role,omitempty"`
	Via        Via             `json:"via"`
	Credential string          `json:"credential,omitempty"`
	Address    string          `json:"address,omitempty"`
	Action     string          `json:"action"`
	Kind       string          `json:"kind,omitempty"`
	Object     string          `json:"object,omitempty"`
	Outcome    Outcome         `json:"outcome"`
	Details    json.RawMessage `json:"details,omitempty"`
	Hash       string          `json:"hash,omitempty"`
}

// MarshalJSON writes a row as exports do.
func (r Row) MarshalJSON() ([]byte, error) {
	l := line{
		Seq: r.Seq, At: stamp(r.At), Count: r.Count, Person: r.Person, Role: r.Role, Via: r.Via, Credential: r.Credential, Address: r.Address,
		Action: r.Action, Kind: r.Kind, Object: r.Object, Outcome: r.Outcome, Hash: r.Hash,
	}
	if r.Count > 1 {
		l.Until = stamp(r.Until)
	}
	if json.Valid([]byte(r.Details)) {
		l.Details = json.RawMessage(r.Details)
	}
	return json.Marshal(l)
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// ExportJSON writes the rows that a filter chooses as JSON lines.
func (l *Log) ExportJSON(ctx context.Context, w io.Writer, f Filter) error {
	b := bufio.NewWriter(w)
	enc := json.NewEncoder(b)
	if err := l.Each(ctx, f, func(r Row) error { return enc.Encode(r) }); err != nil {
		return err
	}
	return b.Flush()
}

// ExportCSV writes the rows that a filter chooses as CSV that spreadsheets open; what they would take for a formula is text there.
func (l *Log) ExportCSV(ctx context.Context, w io.Writer, f Filter) error {
	if _, err := io.WriteString(w, "\ufeff"); err != nil {
		return err
	}
	c := csv.NewWriter(w)
	c.UseCRLF = true
	if err := c.Write([]string{
		"seq", "at", "until", "count", "person", "role", "via", "credential", "address", "action", "kind", "object", "outcome", "details", "hash",
	}); err != nil {
		return err
	}
	err := l.Each(ctx, f, func(r Row) error {
		record := []string{
			strconv.FormatInt(r.Seq, 10), stamp(r.At), stamp(r.Until), strconv.FormatInt(r.Count, 10), r.Person, r.Role, string(r.Via), r.Credential,
			r.Address, r.Action, r.Kind, r.Object, string(r.Outcome), r.Details, r.Hash,
		}
		for i := range record {
			record[i] = tablefile.Neutralise(record[i])
		}
		return c.Write(record)
	})
	c.Flush()
	return errors.Join(err, c.Error())
}

// replaceFile writes a file beside path, syncs it, and renames it.
func replaceFile(path string, text []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".audit-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name()) // best effort; err says what went wrong
		}
	}()
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
