package administration

import (
	"context"
	"errors"
	"net/http"

	"heliograph/internal/console/access"
	"heliograph/internal/console/api"
)

// signInPage is the page of the console that says why somebody was not let in.
const signInPage = "/sign-in"

// oidcReasons are the codes that the page gets.
var oidcReasons = []struct {
	err  error
	code string
}{
	{access.ErrOver, "oidc_expired"},
	{access.ErrIssuer, "oidc_refused"},
	{access.ErrUnavailable, "oidc_unavailable"},
	{access.ErrNoEmail, "oidc_no_email"},
	{access.ErrNoRole, "oidc_no_role"},
	{access.ErrDisabled, "disabled"},
}

// redirect sends a browser on. Other than what is generated, it can set two cookies.
type redirect struct {
	to      string
	cookies []*http.Cookie
}

// VisitBeginOidcResponse implements BeginOidcResponseObject.
func (d redirect) VisitBeginOidcResponse(w http.ResponseWriter) error {
	for _, c := range d.cookies {
		http.SetCookie(w, c)
	}
	w.Header().Set("Location", d.to)
	w.WriteHeader(http.StatusSeeOther)
	return nil
}

// VisitFinishOidcResponse implements FinishOidcResponseObject.
func (d redirect) VisitFinishOidcResponse(w http.ResponseWriter) error {
	return d.VisitBeginOidcResponse(w)
}

// refuse is where the browser goes when a sign-in failed; failures of ours are returned.
func (p *Part) refuse(ctx context.Context, err error) (redirect, error) {
	for _, r := range oidcReasons {
		if errors.Is(err, r.err) {
			api.Note(ctx, "error", r.code)
			p.log.InfoContext(ctx, "sign-in with an issuer failed", "reason", r.code, "error", err)
			return redirect{to: signInPage + "?error=" + r.code}, nil
		}
	}
	return redirect{}, problem(err)
}

// BeginOidc implements StrictServerInterface.
func (p *Part) BeginOidc(ctx context.Context, r BeginOidcRequestObject) (BeginOidcResponseObject, error) {
	to, cookie, err := p.signIn.BeginOIDC(ctx, r.Name, r.Params.Return)
	if err != nil {
		d, err := p.refuse(ctx, err)
		if err != nil {
			return nil, err
		}
		return d, nil
	}
	return redirect{to: to, cookies: []*http.Cookie{cookie}}, nil
}

// FinishOidc implements StrictServerInterface.
func (p *Part) FinishOidc(ctx context.Context, r FinishOidcRequestObject) (FinishOidcResponseObject, error) {
	e, page, err := p.signIn.FinishOIDC(ctx, p.visit(ctx), r.Name, access.OIDCAnswer{Code: r.Params.Code, State: r.Params.State, Refused: r.Params.Error})
	gone := p.signIn.OIDCGone()
	if err != nil {
		d, err := p.refuse(ctx, err)
		if err != nil {
			return nil, err
		}
		d.cookies = append(d.cookies, gone)
		return d, nil
	}
	note(ctx, e.User.Person, e.Kind)
	if e.State == access.StateHalf {
		page = signInPage
	}
	return redirect{to: page, cookies: []*http.Cookie{gone, e.Cookie}}, nil
}
