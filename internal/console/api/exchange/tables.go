package exchange

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"heliograph/internal/console/api"
	"heliograph/internal/report"
	"heliograph/internal/tables"
)

// ConfiguredTable is a table of rules.tables.
type ConfiguredTable struct {
	Name string
	Read func() (*report.Table, error)
}

var errNoTable = api.NotFound("no_such_table", "there is no such table, or no such version of it")

func errTable(text string) error {
	return api.Invalid("file_broken", text, api.Field{Pointer: "/file", Detail: text})
}

// textOf is how a value of a table is shown.
func textOf(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case time.Time:
		if v.Equal(v.Truncate(24 * time.Hour)) {
			return v.Format(time.DateOnly)
		}
		return v.Format(time.RFC3339)
	}
	return fmt.Sprint(v)
}

func columnsOf(columns []report.Column) []TableColumn {
	out := []TableColumn{}
	for _, c := range columns {
		kind := TableColumnKind(c.Kind)
		if kind == "" {
			kind = "text"
		}
		out = append(out, TableColumn{Name: c.Key, Kind: kind})
	}
	return out
}

func summaryOf(i *tables.Info) TableSummary {
	v := i.Versions[0]
	return TableSummary{
		Name: i.Name, Source: TableSummarySourceImported, Columns: columnsOf(i.Columns), Rows: &v.Rows, Version: &v.Number, ChangedAt: &v.At, ChangedBy: ptr(v.By),
	}
}

func (c *ConfiguredTable) summary() TableSummary {
	s := TableSummary{Name: c.Name, Source: TableSummarySourceConfig, Columns: []TableColumn{}}
	t, err := c.Read()
	if err != nil {
		s.Problem = ptr("the file of the table cannot be read: " + err.Error())
		return s
	}
	n := len(t.Rows)
	s.Columns, s.Rows = columnsOf(t.Columns), &n
	return s
}

// ListTables lists the tables.
func (p *Part) ListTables(context.Context, ListTablesRequestObject) (ListTablesResponseObject, error) {
	out := ListTables200JSONResponse{Items: []TableSummary{}}
	for _, t := range p.o.ConfiguredTables() {
		out.Items = append(out.Items, t.summary())
	}
	if p.o.Tables != nil {
		all, err := p.o.Tables.List()
		if err != nil {
			return nil, err
		}
		for i := range all {
			out.Items = append(out.Items, summaryOf(&all[i]))
		}
	}
	slices.SortFunc(out.Items, func(x, y TableSummary) int { return strings.Compare(x.Name, y.Name) })
	return out, nil
}

// configured finds a table of the configuration.
func (p *Part) configured(name string) *ConfiguredTable {
	for _, t := range p.o.ConfiguredTables() {
		if t.Name == name {
			return &t
		}
	}
	return nil
}

// imported finds an imported table.
func (p *Part) imported(name string) (*tables.Info, error) {
	if p.o.Tables == nil {
		return nil, errNoTable
	}
	info, err := p.o.Tables.Get(name)
	if errors.Is(err, tables.ErrNotFound) {
		err = errNoTable
	}
	return info, err
}

// GetTable shows one.
func (p *Part) GetTable(_ context.Context, r GetTableRequestObject) (GetTableResponseObject, error) {
	if c := p.configured(r.Name); c != nil {
		return GetTable200JSONResponse{Body: tableOf(c.summary(), nil)}, nil
	}
	info, err := p.imported(r.Name)
	if err != nil {
		return nil, err
	}
	return GetTable200JSONResponse{
		Body: tableOf(summaryOf(info), info.Versions), Headers: GetTable200ResponseHeaders{ETag: ptr(etag(info.Versions[0].Number))},
	}, nil
}

func tableOf(s TableSummary, versions []tables.Version) Table {
	t := Table{
		Name: s.Name, Source: TableSource(s.Source), Columns: s.Columns, Rows: s.Rows, Version: s.Version, ChangedAt: s.ChangedAt, ChangedBy: s.ChangedBy,
		Problem: s.Problem, Versions: []TableVersion{},
	}
	for _, v := range versions {
		t.Versions = append(t.Versions, TableVersion{
			Version: v.Number, Rows: v.Rows, File: ptr(v.File), CreatedAt: v.At, CreatedBy: v.By, RestoredFrom: ptr(v.Restored),
		})
	}
	return t
}

// current is the table to be changed, if the caller knows its state.
func (p *Part) current(name string, ifMatch *string) (*tables.Info, error) {
	if p.configured(name) != nil {
		return nil, api.Conflict("table_of_config", "the table is a file that the configuration names", "Change that file.")
	}
	info, err := p.imported(name)
	if err == nil && deref(ifMatch) != "" {
		err = api.Match(*ifMatch, etag(info.Versions[0].Number))
	}
	return info, err
}

// DeleteTable removes one.
func (p *Part) DeleteTable(_ context.Context, r DeleteTableRequestObject) (DeleteTableResponseObject, error) {
	if _, err := p.current(r.Name, r.Params.IfMatch); err != nil {
		return nil, err
	}
	if err := p.o.Tables.Remove(r.Name); err != nil && !errors.Is(err, tables.ErrNotFound) {
		return nil, err
	}
	return DeleteTable204Response{}, nil
}

// RestoreTable uses an older version again.
func (p *Part) RestoreTable(ctx context.Context, r RestoreTableRequestObject) (RestoreTableResponseObject, error) {
	if _, err := p.current(r.Name, r.Params.IfMatch); err != nil {
		return nil, err
	}
	_, err := p.o.Tables.Restore(r.Name, r.Body.Version, caller(ctx).Person.Email)
	if errors.Is(err, tables.ErrNotFound) {
		return nil, errNoTable
	}
	if err != nil {
		return nil, err
	}
	api.Note(ctx, "version", r.Body.Version)
	info, err := p.imported(r.Name)
	if err != nil {
		return nil, err
	}
	return RestoreTable200JSONResponse{
		Body: tableOf(summaryOf(info), info.Versions), Headers: RestoreTable200ResponseHeaders{ETag: ptr(etag(info.Versions[0].Number))},
	}, nil
}

// readTable reads any table.
func (p *Part) readTable(name string, version int) (*report.Table, error) {
	if c := p.configured(name); c != nil && version == 0 {
		t, err := c.Read()
		if err != nil {
			return nil, api.Unavailable("table_unreadable", "the file of the table cannot be read", "Look at the file that rules.tables names.").Because(err)
		}
		return t, nil
	}
	if p.o.Tables == nil {
		return nil, errNoTable
	}
	t, err := p.o.Tables.Read(name, version)
	if errors.Is(err, tables.ErrNotFound) {
		err = errNoTable
	}
	return t, err
}

// ListTableRows shows the rows.
func (p *Part) ListTableRows(_ context.Context, r ListTableRowsRequestObject) (ListTableRowsResponseObject, error) {
	var at int
	if _, err := api.DecodeCursor(deref(r.Params.Cursor), &at); err != nil {
		return nil, err
	}
	t, err := p.readTable(r.Name, deref(r.Params.Version))
	if err != nil {
		return nil, err
	}
	end := min(len(t.Rows), max(at, 0)+api.PageLimit(deref(r.Params.Limit)))
	out := ListTableRows200JSONResponse{Columns: columnsOf(t.Columns), Items: [][]string{}}
	for _, row := range t.Rows[min(max(at, 0), end):end] {
		cells := make([]string, len(row))
		for i, v := range row {
			cells[i] = textOf(v)
		}
		out.Items = append(out.Items, cells)
	}
	if end < len(t.Rows) {
		next, err := api.EncodeCursor(end)
		if err != nil {
			return nil, err
		}
		out.Next = &next
	}
	return out, nil
}
