package exchange

import (
	"context"
	"errors"
	"fmt"
	"os"

	"heliograph/crmclient/builtin"
	"heliograph/internal/console/access"
	"heliograph/internal/console/api"
	"heliograph/internal/store"
	"heliograph/internal/tablefile"
)

// GetImportOptions tells what is possible.
func (p *Part) GetImportOptions(ctx context.Context, _ GetImportOptionsRequestObject) (GetImportOptionsResponseObject, error) {
	c := caller(ctx)
	out := GetImportOptions200JSONResponse{
		Kinds: []ImportKind{}, Targets: []string{}, TableNames: []string{}, MaxBytes: int64(p.o.Config.UploadBytes), MaxRows: p.o.Config.UploadRows,
		Encodings: []FileEncoding{FileEncoding(tablefile.UTF8), FileEncoding(tablefile.UTF16), FileEncoding(tablefile.GB18030)},
	}
	for _, d := range tablefile.Delimiters {
		out.Delimiters = append(out.Delimiters, string(d))
	}
	if c.May(access.ContactsWrite) && p.o.CRM != nil {
		out.Kinds = append(out.Kinds, ImportKindContactsCreate)
	}
	if c.May(access.ContactsWrite) && c.Scope == access.ScopeAll && p.o.Contacts() != nil && len(p.o.Targets()) > 0 {
		out.Kinds, out.Targets = append(out.Kinds, ImportKindContactsLearn), p.o.Targets()
	}
	if c.May(access.RulesWrite) && p.o.Tables != nil {
		out.Kinds = append(out.Kinds, ImportKindTable)
		all, err := p.o.Tables.List()
		if err != nil {
			return nil, err
		}
		for _, t := range all {
			out.TableNames = append(out.TableNames, t.Name)
		}
	}
	names, chinese := builtin.Fields()
	english := map[string]string{"email": "Mail address", "family_name": "Family name", "given_name": "Given name", "custom": "Custom fields (JSON)", "owner": "Owner (mail address)"}
	for _, name := range names {
		label := english[name]
		if label == "" {
			label = string(name[0]-'a'+'A') + name[1:]
		}
		f := ImportField{Name: name, Label: BilingualText{En: label, Zh: chinese[name]}, Kinds: []ImportKind{ImportKindContactsCreate}}
		if name != "owner" && name != "note" && name != "custom" {
			f.Kinds = append(f.Kinds, ImportKindContactsLearn)
		}
		f.Many = ptr(name == fieldEmail)
		out.Fields = append(out.Fields, f)
	}
	return out, nil
}

// shown is an import as its caller may see it now.
func (p *Part) shown(r *row[importBody]) Import {
	i := r.Body.Import
	i.Id, i.State, i.Version, i.CreatedAt = r.ID, ImportState(r.State), r.Version, r.Created.UTC()
	if (i.State == ImportStateChecking || i.State == ImportStateRunning) && p.silent(r.ID, r.Beat) {
		i.State = ImportStateFailed
		i.Problem, i.ProblemCode = ptr("the gateway was stopped in the middle of it; start it again"), ptr("interrupted")
	}
	return i
}

// find returns an import that the caller may see.
func (p *Part) find(ctx context.Context, id string) (row[importBody], error) {
	r, err := getJob[importBody](ctx, p.o.Store.Reader(), kindImport, id)
	if errors.Is(err, errNoJob) || err == nil && !seesJob(ctx, r.Person) {
		return r, errNoImport
	}
	if err == nil {
		api.Named(ctx, r.Body.File)
	}
	return r, err
}

func seesJob(ctx context.Context, person string) bool {
	c := caller(ctx)
	return c.Scope == access.ScopeAll || c.Person.ID == person
}

// ListImports lists imports.
func (p *Part) ListImports(ctx context.Context, r ListImportsRequestObject) (ListImportsResponseObject, error) {
	c := caller(ctx)
	person := c.Person.ID
	if c.Scope == access.ScopeAll {
		person = ""
	}
	rows, next, err := page[importBody](ctx, p, kindImport, person, r.Params.Limit, r.Params.Cursor)
	if err != nil {
		return nil, err
	}
	out := ListImports200JSONResponse{Items: []Import{}, Next: next}
	for n := range rows {
		i := p.shown(&rows[n])
		i.Preview = nil
		out.Items = append(out.Items, i)
	}
	return out, nil
}

// page returns a page of jobs and the cursor of the next one.
func page[T any](ctx context.Context, p *Part, kind, person string, limit *api.Limit, cursor *api.Cursor) ([]row[T], *string, error) {
	var at int64
	var id string
	if _, err := api.DecodeCursor(deref(cursor), &at, &id); err != nil {
		return nil, nil, err
	}
	n := api.PageLimit(deref(limit))
	rows, err := listJobs[T](ctx, p.jobs, kind, person, at, id, n+1)
	if err != nil || len(rows) <= n {
		return rows, nil, err
	}
	rows = rows[:n]
	next, err := api.EncodeCursor(store.Micros(rows[n-1].Created), rows[n-1].ID)
	return rows, &next, err
}

// GetImport shows one.
func (p *Part) GetImport(ctx context.Context, r GetImportRequestObject) (GetImportResponseObject, error) {
	job, err := p.find(ctx, r.Id)
	if err != nil {
		return nil, err
	}
	return GetImport200JSONResponse{Body: p.shown(&job), Headers: GetImport200ResponseHeaders{ETag: ptr(etag(job.Version))}}, nil
}

var errBusy = api.Conflict("import_busy", "the import runs, or is done", "Wait for it, cancel it, or upload the file again.")

// idle tells whether an import can be changed and started.
func (p *Part) idle(r *row[importBody]) bool {
	switch p.shown(r).State {
	case ImportStateReady, ImportStateChecked, ImportStateCanceled, ImportStateFailed:
		return true
	}
	return false
}

// ChangeImport takes what a person says of the file.
func (p *Part) ChangeImport(ctx context.Context, r ChangeImportRequestObject) (ChangeImportResponseObject, error) {
	if _, err := p.find(ctx, r.Id); err != nil {
		return nil, err
	}
	c := caller(ctx)
	job, err := changeJob(ctx, p.jobs, kindImport, r.Id, func(j *row[importBody]) error {
		if tag := deref(r.Params.IfMatch); tag != "" {
			if err := api.Match(tag, etag(j.Version)); err != nil {
				return err
			}
		}
		if !p.idle(j) {
			return errBusy
		}
		if err := p.apply(c, &j.Body, r.Body); err != nil {
			return err
		}
		j.State, j.Body.Counts = string(ImportStateReady), ImportCounts{}
		j.Version++
		return nil
	})
	if err != nil {
		return nil, err
	}
	return ChangeImport200JSONResponse{Body: p.shown(&job), Headers: ChangeImport200ResponseHeaders{ETag: ptr(etag(job.Version))}}, nil
}

func (p *Part) apply(c *access.Caller, b *importBody, change *ImportChange) error {
	again := false
	for _, s := range []struct {
		to   *string
		from *string
	}{{&b.Said.Sheet, change.Sheet}, {&b.Said.Delimiter, change.Delimiter}, {(*string)(&b.Said.Encoding), (*string)(change.Encoding)}} {
		if s.from != nil {
			*s.to, again = *s.from, true
		}
	}
	if change.HeaderRow != nil {
		b.Said.HeaderRow, again = *change.HeaderRow, true
	}
	if _, ok := tablefile.DelimiterOf(b.Said.Delimiter); b.Said.Delimiter != "" && !ok {
		return api.Invalid("bad_delimiter", "this is no delimiter", api.Field{Pointer: "/delimiter", Detail: "must be a comma, tab, semicolon or bar"})
	}
	if change.Owner != nil {
		b.Owner = ptr(*change.Owner)
	}
	if change.Target != nil {
		b.Target = ptr(*change.Target)
	}
	if change.Table != nil {
		b.Table = ptr(*change.Table)
	}
	if change.Duplicates != nil {
		b.Duplicates = *change.Duplicates
	}
	if b.Duplicates == Update && c.Scope != access.ScopeAll {
		return api.Forbidden("forbidden", "contacts of all colleagues are changed by those who see all of them; yours may be added")
	}
	if err := p.checkKind(c, &b.Import); err != nil {
		return err
	}
	if again {
		if err := p.look(b); err != nil {
			return err
		}
	}
	return b.mapped(change)
}

// mapped takes the meaning of columns.
func (b *importBody) mapped(change *ImportChange) error {
	if change.Mapping == nil {
		return nil
	}
	for n, m := range *change.Mapping {
		at := fmt.Sprintf("/mapping/%d", n)
		if m.Column < 0 || m.Column >= len(b.Mapping) {
			return api.Invalid("bad_column", "there is no such column", api.Field{Pointer: at + "/column", Detail: "there is no such column"})
		}
		if m.Field != "" && !knownField(b.Kind, m.Field) {
			return api.Invalid("bad_field", "there is no such field", api.Field{Pointer: at + "/field", Detail: "there is no such field"})
		}
		b.Mapping[m.Column].choose(m.Field, Person, sure)
	}
	b.settle()
	return nil
}

// DeleteImport forgets one.
func (p *Part) DeleteImport(ctx context.Context, r DeleteImportRequestObject) (DeleteImportResponseObject, error) {
	job, err := p.find(ctx, r.Id)
	if err != nil {
		return nil, err
	}
	if s := p.shown(&job).State; s == ImportStateChecking || s == ImportStateRunning {
		return nil, errBusy
	}
	if err := errors.Join(os.RemoveAll(p.importFolder(r.Id)), p.jobs.remove(ctx, r.Id)); err != nil {
		return nil, err
	}
	return DeleteImport204Response{}, nil
}
