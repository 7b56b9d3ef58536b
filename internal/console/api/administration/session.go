package administration

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"heliograph/internal/console/access"
	"heliograph/internal/console/api"
)

// GetSession implements StrictServerInterface.
func (p *Part) GetSession(ctx context.Context, _ GetSessionRequestObject) (GetSessionResponseObject, error) {
	s, err := p.session(ctx)
	if err != nil {
		return nil, err
	}
	return GetSession200JSONResponse(s), nil
}

// session tells who the caller is, or how far a sign-in is.
func (p *Part) session(ctx context.Context) (Session, error) {
	hasAdmin, err := p.signIn.HasAdmin(ctx)
	if err != nil {
		return Session{}, err
	}
	out := Session{SetUp: hasAdmin, Step: StepNone, Permissions: []string{}, Masked: []string{}, Language: languageOf(ctx, ""), SignIn: p.offer()}
	c := access.From(ctx)
	if c != nil {
		tellCaller(&out, c, languageOf(ctx, c.Person.Lang))
		if c.Token != "" {
			return out, nil
		}
	}
	x, err := p.signIn.Session(ctx, p.visit(ctx))
	switch {
	case errors.Is(err, access.ErrNobody):
		return out, nil
	case err != nil:
		return Session{}, err
	}
	return out, p.tellSession(ctx, &out, x)
}

func tellCaller(out *Session, c *access.Caller, lang Language) {
	out.SignedIn, out.Step, out.Language, out.Token = true, StepDone, lang, c.Token
	out.Person = SelfSummary{Id: c.Person.ID, Email: c.Person.Email, Name: c.Person.Name, Role: RoleName(c.Person.Role)}
	out.Scope, out.Accounts = ScopeName(c.Scope), c.Accounts
	out.Permissions = []string{}
	for _, perm := range access.Granted(c.Person.Role) {
		if c.May(perm) {
			out.Permissions = append(out.Permissions, string(perm))
		}
	}
	for _, kind := range access.Masks(c.Person.Role) {
		if c.Masked(kind) {
			out.Masked = append(out.Masked, kind)
		}
	}
}

func (p *Part) tellSession(ctx context.Context, out *Session, x *access.Session) error {
	if x.State == access.StateDone {
		out.FreshUntil, out.ExpiresAt = x.FreshEnd, x.Expires
		return nil
	}
	out.Step, out.ExpiresAt = StepSecondFactor, x.Expires
	list, codes, err := p.signIn.Factors(ctx, x.User.ID)
	if err != nil {
		return err
	}
	seen := map[access.FactorKind]bool{}
	for _, f := range list {
		if !seen[f.Kind] {
			seen[f.Kind] = true
			out.SecondFactors = append(out.SecondFactors, FactorKind(f.Kind))
		}
	}
	if codes > 0 {
		out.SecondFactors = append(out.SecondFactors, FactorKindRecoveryCode)
	}
	return nil
}

func (p *Part) offer() SignInKinds {
	o := p.signIn.Offer()
	k := SignInKinds{Password: o.Password, Passkey: o.Passkey, Mailbox: o.Mailbox, Oidc: []OidcIssuer{}}
	for _, i := range o.OIDC {
		label := i.Label
		if label == "" {
			label = i.Name
		}
		k.Oidc = append(k.Oidc, OidcIssuer{Name: i.Name, Label: label})
	}
	return k
}

// entered is the answer to a step that was done.
func (p *Part) entered(ctx context.Context, e *access.Entered) (SignedInJSONResponse, error) {
	note(ctx, e.User.Person, e.Kind)
	out := Session{SetUp: true, Step: StepNone, Permissions: []string{}, Masked: []string{}, Language: languageOf(ctx, e.User.Lang), SignIn: p.offer()}
	if e.State == access.StateDone {
		c, err := p.signIn.CallerOf(ctx, e.User)
		if err != nil {
			return SignedInJSONResponse{}, err
		}
		tellCaller(&out, c, out.Language)
	}
	if err := p.tellSession(ctx, &out, e.Session); err != nil {
		return SignedInJSONResponse{}, err
	}
	return SignedInJSONResponse{Body: out, Headers: SignedInResponseHeaders{SetCookie: e.Cookie.String()}}, nil
}

// note records who it was: with public operations nobody else says.
func note(ctx context.Context, who access.Person, kind access.Kind) {
	api.Note(ctx, "person", who.ID)
	api.Note(ctx, "email", who.Email)
	api.Note(ctx, "with", string(kind))
}

// noteTry records whose account somebody tried. What is no address may be a password in the wrong field.
func noteTry(ctx context.Context, address string) {
	if strings.Contains(address, "@") && len(address) <= 254 {
		api.Note(ctx, "tried", strings.ToLower(strings.TrimSpace(address)))
	}
}

// SignIn implements StrictServerInterface.
func (p *Part) SignIn(ctx context.Context, r SignInRequestObject) (SignInResponseObject, error) {
	noteTry(ctx, r.Body.Address)
	var e *access.Entered
	var err error
	if r.Body.With == PasswordSignInWithMailbox {
		e, err = p.signIn.Mailbox(ctx, p.visit(ctx), r.Body.Address, r.Body.Password)
	} else {
		e, err = p.signIn.Password(ctx, p.visit(ctx), r.Body.Address, r.Body.Password)
	}
	if err != nil {
		return nil, problem(err)
	}
	out, err := p.entered(ctx, e)
	return SignIn200JSONResponse{out}, err
}

// SignOut implements StrictServerInterface.
func (p *Part) SignOut(ctx context.Context, _ SignOutRequestObject) (SignOutResponseObject, error) {
	cookie, err := p.signIn.SignOut(ctx, p.visit(ctx))
	if err != nil {
		return nil, err
	}
	return SignOut204Response{Headers: SignOut204ResponseHeaders{SetCookie: cookie.String()}}, nil
}

// FinishTotp implements StrictServerInterface.
func (p *Part) FinishTotp(ctx context.Context, r FinishTotpRequestObject) (FinishTotpResponseObject, error) {
	e, err := p.signIn.Code(ctx, p.visit(ctx), r.Body.Code)
	if err != nil {
		return nil, problem(err)
	}
	out, err := p.entered(ctx, e)
	return FinishTotp200JSONResponse{out}, err
}

// BeginPasskey implements StrictServerInterface.
func (p *Part) BeginPasskey(ctx context.Context, _ BeginPasskeyRequestObject) (BeginPasskeyResponseObject, error) {
	name, options, err := p.signIn.BeginPasskey(ctx, p.visit(ctx))
	if err != nil {
		return nil, problem(err)
	}
	c, err := ceremony(name, options)
	return BeginPasskey200JSONResponse(c), err
}

// ceremony makes options of the library those of the document.
func ceremony(name string, options any) (Ceremony, error) {
	text, err := json.Marshal(options)
	if err != nil {
		return Ceremony{}, err
	}
	c := Ceremony{Ceremony: name}
	return c, json.Unmarshal(text, &c.Options)
}

// FinishPasskey implements StrictServerInterface.
func (p *Part) FinishPasskey(ctx context.Context, r FinishPasskeyRequestObject) (FinishPasskeyResponseObject, error) {
	text, err := json.Marshal(r.Body.Credential)
	if err != nil {
		return nil, err
	}
	e, err := p.signIn.FinishPasskey(ctx, p.visit(ctx), r.Body.Ceremony, text)
	if err != nil {
		return nil, problem(err)
	}
	out, err := p.entered(ctx, e)
	return FinishPasskey200JSONResponse{out}, err
}

// ConfirmSession implements StrictServerInterface.
func (p *Part) ConfirmSession(ctx context.Context, r ConfirmSessionRequestObject) (ConfirmSessionResponseObject, error) {
	v, _, err := p.browser(ctx)
	if err != nil {
		return nil, err
	}
	e, err := p.signIn.Confirm(ctx, v, r.Body.Password, r.Body.Code)
	if err != nil {
		return nil, problem(err)
	}
	out, err := p.entered(ctx, e)
	return ConfirmSession200JSONResponse{out}, err
}

// SetUp implements StrictServerInterface.
func (p *Part) SetUp(ctx context.Context, r SetUpRequestObject) (SetUpResponseObject, error) {
	e, err := p.signIn.SetUp(ctx, p.visit(ctx), r.Body.Token, r.Body.Password, access.Draft{Email: r.Body.Email, Name: r.Body.Name, Lang: string(r.Body.Language)})
	if err != nil {
		return nil, problem(err)
	}
	out, err := p.entered(ctx, e)
	return SetUp200JSONResponse{out}, err
}

// CheckSetUp implements StrictServerInterface.
func (p *Part) CheckSetUp(ctx context.Context, r CheckSetUpRequestObject) (CheckSetUpResponseObject, error) {
	l, err := p.signIn.CheckLink(ctx, p.visit(ctx), r.Body.Token)
	if err != nil {
		return nil, problem(err)
	}
	out := CheckSetUp200JSONResponse{Kind: SetUpLinkKind(l.Kind), ExpiresAt: l.Expires}
	if l.Person != nil {
		out.Email, out.Name = l.Person.Email, l.Person.Name
	}
	return out, nil
}
