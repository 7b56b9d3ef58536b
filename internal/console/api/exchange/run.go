package exchange

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"heliograph/crmclient/builtin"
	"heliograph/hooks/contacts"
	"heliograph/internal/console/access"
	"heliograph/internal/console/api"
)

// CheckImport tells what an import would do.
func (p *Part) CheckImport(ctx context.Context, r CheckImportRequestObject) (CheckImportResponseObject, error) {
	i, err := p.begin(ctx, r.Id, ImportStateChecking)
	if err != nil {
		return nil, err
	}
	return CheckImport202JSONResponse(i), nil
}

// StartImport imports.
func (p *Part) StartImport(ctx context.Context, r StartImportRequestObject) (StartImportResponseObject, error) {
	i, err := p.begin(ctx, r.Id, ImportStateRunning)
	if err != nil {
		return nil, err
	}
	api.Note(ctx, "kind", string(i.Kind))
	api.Note(ctx, "file", i.File)
	return StartImport202JSONResponse(i), nil
}

// CancelImport stops a check or an import.
func (p *Part) CancelImport(ctx context.Context, r CancelImportRequestObject) (CancelImportResponseObject, error) {
	if _, err := p.find(ctx, r.Id); err != nil {
		return nil, err
	}
	if !p.cancel(r.Id) {
		// Another gateway works on it, or nobody does any more.
		_, err := changeJob(ctx, p.jobs, kindImport, r.Id, func(j *row[importBody]) error {
			if s := p.shown(j).State; s == ImportStateChecking || s == ImportStateRunning {
				j.State = string(ImportStateCanceled)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	job, err := p.find(ctx, r.Id)
	if err != nil {
		return nil, err
	}
	return CancelImport200JSONResponse(p.shown(&job)), nil
}

// begin sets the state and launches the job.
func (p *Part) begin(ctx context.Context, id string, state ImportState) (Import, error) {
	if _, err := p.find(ctx, id); err != nil {
		return Import{}, err
	}
	c := caller(ctx)
	job, err := changeJob(ctx, p.jobs, kindImport, id, func(j *row[importBody]) error {
		if !p.idle(j) {
			return errBusy
		}
		if err := p.checkKind(c, &j.Body.Import); err != nil {
			return err
		}
		if len(j.Body.Problems) > 0 {
			return api.Invalid("mapping_incomplete", j.Body.Problems[0].Detail, api.Field{Pointer: "/mapping", Detail: j.Body.Problems[0].Detail})
		}
		if _, err := os.Stat(p.upload(id)); err != nil {
			return errAway.Because(err)
		}
		j.State = string(state)
		j.Body.Counts, j.Body.Problem, j.Body.ProblemCode, j.Body.FinishedAt, j.Body.Progress = ImportCounts{}, nil, nil, nil, nil
		now := p.o.Now().UTC()
		j.Body.StartedAt = &now
		return nil
	})
	if err != nil {
		return Import{}, err
	}
	p.launch(id, func(ctx context.Context) { p.work(ctx, job, state, c) })
	return p.shown(&job), nil
}

var errTooManyRows = errors.New("the file has more rows than an import may have")

// task is one check or import at work.
type task struct {
	p     *Part
	body  importBody
	by    *access.Caller
	dry   bool
	log   *rowLog
	file  *countingReader
	saved time.Time
	stop  context.CancelCauseFunc
	errs  error // of the row log
}

// countingReader knows how far a file was read.
type countingReader struct {
	io.Reader
	n int64
}

// Read reads and counts.
func (c *countingReader) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.n += int64(n)
	return n, err
}

// work runs a check or an import to its end and writes down how it ended.
func (p *Part) work(ctx context.Context, job row[importBody], state ImportState, by *access.Caller) {
	t := &task{p: p, body: job.Body, by: by, dry: state == ImportStateChecking, saved: p.o.Now()}
	t.body.Id = job.ID
	ctx, t.stop = context.WithCancelCause(ctx)
	defer t.stop(nil)
	err := t.run(ctx)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	_, serr := changeJob(end, p.jobs, kindImport, job.ID, func(j *row[importBody]) error {
		if j.State != string(state) {
			return nil // somebody else ended it
		}
		j.State = string(t.end(err))
		now := p.o.Now().UTC()
		t.body.FinishedAt, t.body.Progress = &now, nil
		t.body.Version = j.Version
		j.Body = t.body
		return nil
	})
	if serr != nil {
		p.o.Logger.Error("the end of an import was not written down", "import", job.ID, "err", serr)
	}
}

// end is the state after an error, or without one. What is wrong with the file is told; trouble of our own is logged.
func (t *task) end(err error) ImportState {
	var known *api.Error
	switch {
	case err == nil && t.dry:
		return ImportStateChecked
	case err == nil:
		return ImportStateDone
	case errors.Is(err, errCanceled):
		return ImportStateCanceled
	case errors.Is(err, errInterrupted):
		t.body.Problem, t.body.ProblemCode = ptr("the gateway was stopped in the middle of it; start it again"), ptr("interrupted")
	case errors.Is(err, errTooManyRows):
		t.body.Problem, t.body.ProblemCode = ptr(fmt.Sprintf("the file has more than %d rows; split it", t.p.o.Config.UploadRows)), ptr("too_many_rows")
	case errors.As(fileProblem(err), &known):
		t.body.Problem, t.body.ProblemCode = ptr(known.Detail), ptr(known.Code)
	default:
		t.p.o.Logger.Error("an import failed", "import", t.body.Id, "err", err)
		t.body.Problem, t.body.ProblemCode = ptr("something went wrong here; the gateway's log says more"), ptr("internal")
	}
	return ImportStateFailed
}

func (t *task) run(ctx context.Context) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	f, err := os.Open(t.p.upload(t.body.Id))
	if err != nil {
		return errAway.Because(err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if t.log, err = newRowLog(t.p.rowsFile(t.body.Id)); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.errs, t.log.close()) }()
	t.file = &countingReader{Reader: f}
	switch t.body.Kind {
	case ImportKindTable:
		return t.table(ctx)
	case ImportKindContactsLearn:
		return t.learn(ctx)
	}
	_, err = t.p.o.CRM.ImportContacts(ctx, t.file, t.options(ctx))
	return err
}

// options are those of an import of contacts.
func (t *task) options(ctx context.Context) builtin.ImportOptions {
	o := builtin.ImportOptions{
		File: t.body.fileOptions(), HeaderRow: deref(t.body.HeaderRow), Duplicates: builtin.Duplicates(t.body.Duplicates), Owner: deref(t.body.Owner), DryRun: t.dry,
		Fields: make([]string, len(t.body.Mapping)), Row: t.row,
		Progress: func(builtin.ImportReport) { t.progress(ctx) },
	}
	for n, m := range t.body.Mapping {
		o.Fields[n] = deref(m.Field)
	}
	return o
}

func (t *task) learn(ctx context.Context) error {
	o := contacts.ImportOptions{File: t.options(ctx), At: t.body.CreatedAt, DryRun: t.dry, Row: func(r contacts.ImportedRow) {
		if r.Unknown {
			t.body.Counts.Unknown = ptr(deref(t.body.Counts.Unknown) + 1)
		}
		t.row(r.ImportedRow)
	}}
	_, err := t.p.o.Contacts().Import(ctx, deref(t.body.Target), t.file, o)
	return err
}

// row counts and keeps what became of a row.
func (t *task) row(r builtin.ImportedRow) {
	out := ImportRow{Line: r.Line, Key: ptr(r.Key), Column: ptr(r.Column), Reason: ptr(r.Reason)}
	switch r.Outcome {
	case builtin.RowCreated:
		out.Outcome = Added
	case builtin.RowUpdated:
		out.Outcome = Changed
	case builtin.RowRefused:
		out.Outcome = Refused
		code := codeOf(r.Reason)
		out.Code = &code
	default:
		out.Outcome = Unchanged
	}
	if len(r.Changes) > 0 && out.Outcome != Unchanged {
		changes := []ImportFieldChange{}
		for _, c := range r.Changes {
			changes = append(changes, ImportFieldChange{Field: c.Field, Before: ptr(c.Before), After: ptr(c.After)})
		}
		out.Changes = &changes
	}
	t.count(out)
}

func (t *task) count(r ImportRow) {
	n := &t.body.Counts
	n.Read++
	switch r.Outcome {
	case Added:
		n.Added++
	case Changed:
		n.Changed++
	case Refused:
		n.Refused++
	default:
		n.Unchanged++
	}
	if n.Read > t.p.o.Config.UploadRows {
		t.stop(errTooManyRows)
	}
	t.errs = errors.Join(t.errs, t.log.add(r))
}

// codeOf names the reason of a refused row.
func codeOf(reason string) ImportRowCode {
	for _, known := range []struct {
		words string
		code  ImportRowCode
	}{{"missing", Missing}, {"too long", TooLong}, {"longer", TooLong}, {"taken", Taken}, {"belongs to", Taken}, {"collides", ChangedMeanwhile}, {"no text", Broken}} {
		if strings.Contains(reason, known.words) {
			return known.code
		}
	}
	return Invalid
}

// progressEvery is how often a job says that it lives.
const progressEvery = 2 * time.Second

// progress writes down how far the job is. That it cannot be is no reason to stop.
func (t *task) progress(ctx context.Context) {
	if t.p.o.Now().Sub(t.saved) < progressEvery {
		return
	}
	t.saved = t.p.o.Now()
	_, err := changeJob(ctx, t.p.jobs, kindImport, t.body.Id, func(j *row[importBody]) error {
		j.Body.Counts = t.body.Counts
		if t.body.Bytes > 0 && t.body.Format == ImportFormatCsv {
			j.Body.Progress = ptr(min(1, float32(t.file.n)/float32(t.body.Bytes)))
		}
		if j.State == string(ImportStateCanceled) { // by another gateway
			t.stop(errCanceled)
		}
		return nil
	})
	if err != nil {
		t.p.o.Logger.Warn("the progress of an import was not written down", "import", t.body.Id, "err", err)
	}
}
