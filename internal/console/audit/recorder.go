package audit

import (
	"context"
	"strings"

	"heliograph/internal/console/api"
)

// recorder records what is done through the API.
type recorder struct {
	log   *Log
	kinds map[string]string // of objects, by operation
}

var _ api.Recorder = (*recorder)(nil)

// Recorder is the log as the API writes to it. The kind of an object is the name of its collection in the path of the operation.
func (l *Log) Recorder(operations []*api.Operation) api.Recorder {
	r := &recorder{l, map[string]string{}}
	for _, o := range operations {
		kind, _, _ := strings.Cut(strings.TrimPrefix(o.Path, "/api/v1/"), "/")
		r.kinds[o.ID] = kind
	}
	return r
}

// Record implements api.Recorder.
func (r *recorder) Record(ctx context.Context, a api.Act) error {
	e := Event{
		Via: ViaSession, Action: a.Operation, Kind: r.kinds[a.Operation], Object: a.Object, Outcome: Outcome(a.Outcome), Details: a.Notes, View: !a.Change,
	}
	if e.View && a.Outcome == api.OutcomeDone {
		e.Outcome = Allowed
	}
	if a.Client.IsValid() {
		e.Address = a.Client.String()
	}
	if c := a.Caller; c != nil {
		e.Person, e.Role = c.Person.Email, string(c.Person.Role)
		if e.Person == "" {
			e.Person = c.Person.ID
		}
		if c.Token != "" {
			e.Via, e.Credential = ViaToken, c.Token
		}
	}
	if e.View || a.Request == "" {
		return r.log.Record(ctx, e)
	}
	switch a.Outcome {
	case api.OutcomeAllowed:
		return r.log.Begin(ctx, a.Request, e)
	case api.OutcomeDone, api.OutcomeFailed:
		return r.log.End(ctx, a.Request, e)
	}
	return r.log.Record(ctx, e)
}
