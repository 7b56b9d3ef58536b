package exchange

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"heliograph/internal/console/access"
	"heliograph/internal/console/api"
	"heliograph/internal/tablefile"
)

// exportJob is one export at work.
type exportJob struct {
	p     *Part
	by    *access.Caller
	saved time.Time
	out   Export
	full  bool
}

var errNoExport = api.NotFound("no_such_export", "there is no such export")

// needs are the permissions that lists take besides data.export.
var needs = map[ExportKind]access.Permission{
	ExportKindContacts: access.ContactsRead, ExportKindCompanies: access.ContactsRead, ExportKindDeals: access.ContactsRead, ExportKindTickets: access.ContactsRead,
	ExportKindMessages: access.MailRead, ExportKindLedger: access.LedgerRead, ExportKindRuns: access.RulesRead, ExportKindTable: access.RulesRead,
}

// CreateExport begins to write a list.
func (p *Part) CreateExport(ctx context.Context, r CreateExportRequestObject) (CreateExportResponseObject, error) {
	c := caller(ctx)
	if need := needs[r.Body.Kind]; !c.May(need) {
		return nil, api.Forbidden("forbidden", "this list takes the permission "+string(need))
	}
	filter := deref(r.Body.Filter)
	if err := checkFilter(r.Body.Kind, &filter); err != nil {
		return nil, err
	}
	list, err := p.list(r.Body.Kind, &filter)
	if err != nil {
		return nil, err
	}
	if err := p.Clean(ctx); err != nil {
		return nil, err
	}
	now := p.o.Now().UTC()
	expires := now.Add(p.o.Config.KeepExports.D())
	e := Export{
		Id: newID(), Kind: r.Body.Kind, Format: ExportFormatCsv, Lang: r.Body.Lang, Filter: r.Body.Filter, State: ExportStateRunning, CreatedAt: now, ExpiresAt: &expires,
	}
	if deref(r.Body.Format) == ExportRequestFormatXlsx {
		e.Format = ExportFormatXlsx
	}
	e.File = ptr(fmt.Sprintf("%s-%s.%s", e.Kind, now.Format("20060102"), e.Format))
	if err := insertJob(ctx, p.jobs, kindExport, row[Export]{ID: e.Id, Person: c.Person.ID, State: string(e.State), Created: now, Version: 1, Body: e}); err != nil {
		return nil, err
	}
	api.Named(ctx, *e.File)
	api.Note(ctx, "kind", string(e.Kind))
	api.Note(ctx, "format", string(e.Format))
	x := &exportJob{p: p, by: c, saved: p.o.Now(), out: e}
	p.launch(e.Id, func(ctx context.Context) { x.work(ctx, list, filter) })
	return CreateExport202JSONResponse{Body: e, Headers: CreateExport202ResponseHeaders{Location: ptr("/api/v1/exports/" + e.Id)}}, nil
}

var filtersOf = map[ExportKind][]string{
	ExportKindContacts: {"query", "owner"}, ExportKindCompanies: {"query", "owner"}, ExportKindDeals: {"query", "owner", "state"}, ExportKindTickets: {"query", "owner", "state"},
	ExportKindMessages: {"query", "account", "customer", "from", "to"}, ExportKindLedger: {"account", "state", "from", "to"},
	ExportKindRuns: {"rule", "state", "from", "to"}, ExportKindTable: {"table"},
}

// checkFilter refuses what the list does not know, lest somebody take a whole list for a part.
func checkFilter(kind ExportKind, f *ExportFilter) error {
	for name, given := range map[string]bool{
		"query": f.Query != nil, "owner": f.Owner != nil, "account": f.Account != nil, "customer": f.Customer != nil, "state": f.State != nil, "rule": f.Rule != nil,
		"from": f.From != nil, "to": f.To != nil, "table": f.Table != nil,
	} {
		if given && !slices.Contains(filtersOf[kind], name) {
			return api.Invalid("bad_filter", "the list has no such filter", api.Field{Pointer: "/filter/" + name, Detail: "is not a filter of this list"})
		}
	}
	if kind == ExportKindTable && deref(f.Table) == "" {
		return api.Invalid("bad_filter", "say which table", api.Field{Pointer: "/filter/table", Detail: "is missing"})
	}
	return nil
}

var errEnough = errors.New("the file has as many rows as it may have")

func (x *exportJob) work(ctx context.Context, list List, filter ExportFilter) {
	err := x.write(ctx, list, filter)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	now := x.p.o.Now().UTC()
	x.out.FinishedAt, x.out.State = &now, ExportStateDone
	if err != nil {
		x.out.State, x.out.Problem = ExportStateFailed, ptr("the list could not be written; the gateway's log says more")
		if errors.Is(err, errInterrupted) || errors.Is(err, errCanceled) {
			x.out.Problem = ptr("it was stopped")
		} else {
			x.p.o.Logger.Error("an export failed", "export", x.out.Id, "err", err)
		}
		if err := removeFile(x.p.exportFile(x.out.Id)); err != nil {
			x.p.o.Logger.Error("the file of an export was not removed", "export", x.out.Id, "err", err)
		}
	}
	_, err = changeJob(end, x.p.jobs, kindExport, x.out.Id, func(j *row[Export]) error {
		j.State, j.Body = string(x.out.State), x.out
		return nil
	})
	if err != nil && !errors.Is(err, errNoJob) { // removed meanwhile
		x.p.o.Logger.Error("the end of an export was not written down", "export", x.out.Id, "err", err)
	}
}

// write writes the whole file under its name only when it is complete.
func (x *exportJob) write(ctx context.Context, list List, filter ExportFilter) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	path := x.p.exportFile(x.out.Id)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w, err := tablefile.NewWriter(f, tablefile.Format(x.out.Format), "Heliograph")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	err = list(ctx, x.by, filter, deref(x.out.Lang), func(row []string) error {
		if x.full = x.out.Rows > x.p.o.Config.ExportRows; x.full {
			return errEnough
		}
		x.out.Rows++ // with the header, until the end
		x.progress(ctx)
		return w.Write(row)
	})
	if errors.Is(err, errEnough) {
		err = nil
		x.out.Truncated = ptr(true)
	}
	x.out.Rows = max(0, x.out.Rows-1)
	if err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	n, err := f.Seek(0, io.SeekEnd)
	x.out.Bytes = &n
	return err
}

func (x *exportJob) progress(ctx context.Context) {
	if x.p.o.Now().Sub(x.saved) < progressEvery {
		return
	}
	x.saved = x.p.o.Now()
	_, err := changeJob(ctx, x.p.jobs, kindExport, x.out.Id, func(j *row[Export]) error { j.Body.Rows = x.out.Rows; return nil })
	if err != nil {
		x.p.o.Logger.Warn("the progress of an export was not written down", "export", x.out.Id, "err", err)
	}
}

// shownExport is an export as it is now.
func (p *Part) shownExport(r *row[Export]) Export {
	e := r.Body
	switch {
	case e.ExpiresAt != nil && !p.o.Now().Before(*e.ExpiresAt):
		e.State = ExportStateExpired
	case e.State == ExportStateRunning && p.silent(r.ID, r.Beat):
		e.State, e.Problem = ExportStateFailed, ptr("the gateway was stopped in the middle of it")
	}
	return e
}

// mine finds an export of the caller; nobody sees those of others.
func (p *Part) mine(ctx context.Context, id string) (Export, error) {
	r, err := getJob[Export](ctx, p.o.Store.Reader(), kindExport, id)
	if errors.Is(err, errNoJob) || err == nil && r.Person != caller(ctx).Person.ID {
		return Export{}, errNoExport
	}
	if err != nil {
		return Export{}, err
	}
	api.Named(ctx, deref(r.Body.File))
	return p.shownExport(&r), nil
}

// ListExports lists the caller's exports.
func (p *Part) ListExports(ctx context.Context, r ListExportsRequestObject) (ListExportsResponseObject, error) {
	person := caller(ctx).Person.ID
	if person == "" {
		return nil, errNoExport
	}
	rows, next, err := page[Export](ctx, p, kindExport, person, r.Params.Limit, r.Params.Cursor)
	if err != nil {
		return nil, err
	}
	out := ListExports200JSONResponse{Items: []Export{}, Next: next}
	for n := range rows {
		out.Items = append(out.Items, p.shownExport(&rows[n]))
	}
	return out, nil
}

// GetExport shows one.
func (p *Part) GetExport(ctx context.Context, r GetExportRequestObject) (GetExportResponseObject, error) {
	e, err := p.mine(ctx, r.Id)
	if err != nil {
		return nil, err
	}
	return GetExport200JSONResponse(e), nil
}

// DeleteExport stops one and removes its file.
func (p *Part) DeleteExport(ctx context.Context, r DeleteExportRequestObject) (DeleteExportResponseObject, error) {
	if _, err := p.mine(ctx, r.Id); err != nil {
		return nil, err
	}
	p.cancel(r.Id)
	if err := errors.Join(p.jobs.remove(ctx, r.Id), removeFile(p.exportFile(r.Id))); err != nil {
		return nil, err
	}
	return DeleteExport204Response{}, nil
}

// DownloadExport gives the file.
func (p *Part) DownloadExport(ctx context.Context, r DownloadExportRequestObject) (DownloadExportResponseObject, error) {
	e, err := p.mine(ctx, r.Id)
	if err != nil {
		return nil, err
	}
	switch e.State {
	case ExportStateDone:
	case ExportStateExpired:
		return nil, api.Fail(410, "export_expired", "the file is gone", "Export the list again.")
	default:
		return nil, api.Conflict("export_not_done", "the file is not complete", "Wait until it is, or export the list again.")
	}
	f, err := os.Open(p.exportFile(r.Id))
	if errors.Is(err, os.ErrNotExist) {
		return nil, api.Conflict("file_away", "the file is not on this machine", "Export the list again.").Because(err)
	}
	if err != nil {
		return nil, err
	}
	api.Note(ctx, "kind", string(e.Kind))
	api.Note(ctx, "rows", e.Rows)
	// The answer closes the file.
	name := ptr(fmt.Sprintf("attachment; filename=%q", deref(e.File)))
	if e.Format == ExportFormatXlsx {
		return DownloadExport200ApplicationvndOpenxmlformatsOfficedocumentSpreadsheetmlSheetResponse{
			Body: f, ContentLength: deref(e.Bytes), Headers: DownloadExport200ResponseHeaders{ContentDisposition: name},
		}, nil
	}
	return DownloadExport200TextcsvResponse{Body: f, ContentLength: deref(e.Bytes), Headers: DownloadExport200ResponseHeaders{ContentDisposition: name}}, nil
}
