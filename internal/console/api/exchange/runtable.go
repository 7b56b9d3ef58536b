package exchange

import (
	"context"
	"errors"
	"fmt"
	"io"

	"heliograph/internal/report"
	"heliograph/internal/tablefile"
	"heliograph/internal/tables"
)

// table imports a table, or tells how it differs from the one that is there.
func (t *task) table(ctx context.Context) error {
	made, err := t.readTable()
	if err != nil {
		return err
	}
	if err := t.choose(made); err != nil {
		return err
	}
	old, err := t.p.o.Tables.Read(deref(t.body.Table), 0)
	if err != nil && !errors.Is(err, tables.ErrNotFound) {
		return err
	}
	t.compare(old, made)
	if ctx.Err() != nil || t.dry {
		return ctx.Err()
	}
	v, _, err := t.p.o.Tables.Put(deref(t.body.Table), made, t.body.File, t.by.Person.Email)
	t.body.TableVersion = ptr(v.Number)
	return err
}

// readTable reads the file as reports read theirs. A workbook whose header is where it was found keeps the types of its cells.
func (t *task) readTable() (out *report.Table, err error) {
	limits := report.DefaultLimits()
	if t.body.Bytes > int64(limits.InputBytes) {
		return nil, tooLarge(fmt.Errorf("a table's file has %d bytes at most", limits.InputBytes))
	}
	if t.body.Format == ImportFormatXlsx && t.body.Said.HeaderRow == 0 {
		data, err := io.ReadAll(t.file)
		if err != nil {
			return nil, err
		}
		out, err = report.ReadXLSX(data, deref(t.body.Sheet), limits)
		return out, tooLarge(err)
	}
	rows, err := tablefile.Open(t.file, t.body.fileOptions())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for n := 1; n < deref(t.body.HeaderRow); {
		_, line, err := rows.Next()
		if err != nil {
			return nil, err
		}
		n = line + 1
	}
	out, err = report.ReadRows(rows, limits)
	return out, tooLarge(err)
}

// tooLarge makes what a report says of a file a problem of the file.
func tooLarge(err error) error {
	var wrong *report.Error
	var bound *report.BoundError
	if errors.As(err, &wrong) || errors.As(err, &bound) {
		return errTable(err.Error())
	}
	return err
}

// choose keeps the columns that are mapped, under their names.
func (t *task) choose(made *report.Table) error {
	var at []int
	var columns []report.Column
	for _, m := range t.body.Mapping {
		if name := deref(m.Field); name != "" && m.Column < len(made.Columns) {
			c := made.Columns[m.Column]
			c.Key, c.Label = name, name
			at, columns = append(at, m.Column), append(columns, c)
		}
	}
	if len(columns) == 0 {
		return errTable("no column is left")
	}
	made.Columns = columns
	for n, row := range made.Rows {
		kept := make([]any, len(at))
		for i, j := range at {
			kept[i] = row[j]
		}
		made.Rows[n] = kept
	}
	return nil
}

// compare counts how a table differs from the one before: by its first column where that has no value twice, else by whole rows.
func (t *task) compare(old, made *report.Table) {
	before := map[string][]any{}
	keyed := unique(made)
	if old != nil {
		keyed = keyed && unique(old)
		for _, row := range old.Rows {
			before[rowKey(row, keyed)] = row
		}
	}
	for n, row := range made.Rows {
		key := rowKey(row, keyed)
		r := ImportRow{Line: deref(t.body.HeaderRow) + 1 + n, Key: ptr(cut([]string{fmt.Sprint(row[0])})[0]), Outcome: Added}
		if was, ok := before[key]; ok {
			r.Outcome = Unchanged
			if changes := cellChanges(old, made, was, row); len(changes) > 0 {
				r.Outcome, r.Changes = Changed, &changes
			}
		}
		t.count(r)
	}
}

func unique(t *report.Table) bool {
	seen := map[string]bool{}
	for _, row := range t.Rows {
		k := rowKey(row, true)
		if seen[k] {
			return false
		}
		seen[k] = true
	}
	return true
}

func rowKey(row []any, first bool) string {
	if first {
		row = row[:1]
	}
	return fmt.Sprint(row)
}

func cellChanges(old, made *report.Table, was, is []any) (out []ImportFieldChange) {
	before := map[string]string{}
	for i, c := range old.Columns {
		before[c.Key] = textOf(was[i])
	}
	for i, c := range made.Columns {
		if now := textOf(is[i]); now != before[c.Key] {
			out = append(out, ImportFieldChange{Field: c.Key, Before: ptr(before[c.Key]), After: ptr(now)})
		}
	}
	return out
}
