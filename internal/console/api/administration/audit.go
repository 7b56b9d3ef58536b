package administration

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"time"

	"heliograph/internal/console/api"
	"heliograph/internal/console/audit"
)

var errNoAudit = api.Unavailable("audit_unavailable", "there is no record of deeds now", "Look at the gateway's log and its database.")

// ListAudit implements StrictServerInterface.
func (p *Part) ListAudit(ctx context.Context, r ListAuditRequestObject) (ListAuditResponseObject, error) {
	if p.o.Audit == nil {
		return nil, errNoAudit
	}
	q := r.Params
	f := audit.Filter{
		Person: q.Person, Action: q.Action, Kind: q.Kind, Object: q.Object, Outcome: audit.Outcome(q.Outcome), Via: audit.Via(q.Via), From: q.From, To: q.To,
		Limit: api.PageLimit(q.Limit) + 1,
	}
	later, err := api.DecodeCursor(q.Cursor, &f.Before)
	if err != nil {
		return nil, err
	}
	out := ListAudit200JSONResponse{Items: []AuditRow{}, Open: []AuditRow{}}
	if !later {
		open, err := p.o.Audit.Open(ctx, f)
		if err != nil {
			return nil, err
		}
		for _, row := range open {
			out.Open = append(out.Open, auditRow(row))
		}
	}
	list, err := p.o.Audit.List(ctx, f)
	if err != nil {
		return nil, err
	}
	if len(list) == f.Limit {
		list = list[:f.Limit-1]
		if out.Next, err = api.EncodeCursor(list[len(list)-1].Seq); err != nil {
			return nil, err
		}
	}
	for _, row := range list {
		out.Items = append(out.Items, auditRow(row))
	}
	return out, nil
}

func auditRow(r audit.Row) AuditRow {
	out := AuditRow{
		Seq: r.Seq, At: r.At, Count: r.Count, Person: r.Person, Role: r.Role, Via: AuditVia(r.Via), Credential: r.Credential, Address: r.Address,
		Action: r.Action, Kind: r.Kind, Object: r.Object, Outcome: AuditOutcome(r.Outcome), Hash: r.Hash, UnderWay: r.Begun,
	}
	if r.Count > 1 {
		out.Until = r.Until
	}
	_ = json.Unmarshal([]byte(r.Details), &out.Details) // empty, or an object that we wrote
	return out
}

// ExportAudit implements StrictServerInterface.
func (p *Part) ExportAudit(ctx context.Context, r ExportAuditRequestObject) (ExportAuditResponseObject, error) {
	if p.o.Audit == nil {
		return nil, errNoAudit
	}
	q := r.Params
	f := audit.Filter{
		Person: q.Person, Action: q.Action, Kind: q.Kind, Object: q.Object, Outcome: audit.Outcome(q.Outcome), Via: audit.Via(q.Via), From: q.From, To: q.To,
	}
	write, ending := p.o.Audit.ExportJSON, "jsonl"
	if q.Format == "csv" {
		write, ending = p.o.Audit.ExportCSV, "csv"
	}
	// The generated code closes the reader when the client leaves, and that ends the writer.
	body, w := io.Pipe()
	go func() { w.CloseWithError(errors.Join(write(ctx, w, f))) }()
	name := `attachment; filename="heliograph-audit-` + time.Now().UTC().Format("20060102") + "." + ending + `"`
	if ending == "csv" {
		return ExportAudit200TextcsvResponse{Body: body, Headers: ExportAudit200ResponseHeaders{ContentDisposition: name}}, nil
	}
	return ExportAudit200ApplicationjsonlResponse{Body: body, Headers: ExportAudit200ResponseHeaders{ContentDisposition: name}}, nil
}

// VerifyAudit implements StrictServerInterface.
func (p *Part) VerifyAudit(ctx context.Context, _ VerifyAuditRequestObject) (VerifyAuditResponseObject, error) {
	if p.o.Audit == nil {
		return nil, errNoAudit
	}
	v, err := p.o.Audit.Verify(ctx)
	if err != nil {
		return nil, err
	}
	out := VerifyAudit200JSONResponse{Whole: v.Broken == nil, Rows: v.Rows, First: v.First, Last: v.Last, CheckedAt: v.At.UTC()}
	if b := v.Broken; b != nil {
		out.Broken.Seq, out.Broken.Reason, out.Broken.Code = b.Seq, b.Reason, AuditVerdictBrokenCode(b.Code)
	}
	return out, nil
}
