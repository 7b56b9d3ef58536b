package administration

import (
	"context"
	"net/http"

	"heliograph/internal/console/api"
)

var _ StrictServerInterface = (*Part)(nil)

// API describes the part.
func (p *Part) API() api.Part {
	return api.Part{Name: "administration", Document: document, Mount: func(mux api.Mux, e api.Errors) {
		strict := NewStrictHandlerWithOptions(p, []StrictMiddlewareFunc{visited, p.told}, StrictHTTPServerOptions{RequestErrorHandlerFunc: e.Request, ResponseErrorHandlerFunc: e.Response})
		HandlerWithOptions(strict, StdHTTPServerOptions{BaseRouter: mux, ErrorHandlerFunc: e.Request})
	}}
}

// changing are the operations after which somebody may be signed out, or see more or less than before.
var changing = map[string]bool{
	"SignOut": true, "EndOwnSession": true, "EndOtherSessions": true, "SetOwnPassword": true, "RevokeToken": true, "ChangePerson": true, "RemovePerson": true, "DisablePerson": true,
	"EndPersonSessions": true, "ResetFactors": true, "CreateTeam": true, "ChangeTeam": true, "RemoveTeam": true,
}

// told tells of what changed.
func (p *Part) told(next StrictHandlerFunc, operation string) StrictHandlerFunc {
	if p.o.Changed == nil || !changing[operation] {
		return next
	}
	return func(ctx context.Context, w http.ResponseWriter, r *http.Request, request any) (any, error) {
		answer, err := next(ctx, w, r, request)
		if err == nil {
			p.o.Changed()
		}
		return answer, err
	}
}
