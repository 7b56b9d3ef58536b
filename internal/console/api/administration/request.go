package administration

import (
	"context"
	"encoding/json"
	"net/http"

	"golang.org/x/text/language"

	"heliograph/internal/console/access"
	"heliograph/internal/console/api"
)

type requestKey struct{}

// visited lets operations see the request: cookies and addresses are not in the document.
func visited(f StrictHandlerFunc, _ string) StrictHandlerFunc {
	return func(ctx context.Context, w http.ResponseWriter, r *http.Request, request any) (any, error) {
		return f(context.WithValue(ctx, requestKey{}, r), w, r, request)
	}
}

// visit is what the request of an operation tells of its browser.
func (p *Part) visit(ctx context.Context) access.Visit {
	r, ok := ctx.Value(requestKey{}).(*http.Request)
	if !ok {
		return access.Visit{}
	}
	return p.signIn.Visit(r)
}

// browser is the visit of who is signed in with a browser; an API token must not do what this is asked for.
func (p *Part) browser(ctx context.Context) (access.Visit, *access.Caller, error) {
	c := access.From(ctx)
	if c == nil || c.Token != "" || c.Session == "" {
		return access.Visit{}, nil, problem(access.ErrNobody)
	}
	return p.visit(ctx), c, nil
}

// fresh refuses what gives access to somebody else's account, but to who sits at a browser and has proven lately who it is.
func (p *Part) fresh(ctx context.Context) error {
	v, _, err := p.browser(ctx)
	if err != nil {
		return err
	}
	_, err = p.signIn.Fresh(ctx, v)
	return problem(err)
}

// tongues are the languages of the console; the first is that of browsers that want neither.
var tongues = language.NewMatcher([]language.Tag{language.English, language.Chinese})

// languageOf is the language of a person, or what the browser says.
func languageOf(ctx context.Context, lang string) Language {
	if lang != "" {
		return Language(lang)
	}
	if r, ok := ctx.Value(requestKey{}).(*http.Request); ok {
		if _, i := language.MatchStrings(tongues, r.Header.Get("Accept-Language")); i == 1 {
			return Zh
		}
	}
	return En
}

// Protect keeps other sites from having a browser change something here. It goes around the handler of the API.
func (p *Part) Protect(next http.Handler) http.Handler {
	return p.signIn.Protect(next, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusForbidden)
		_ = json.NewEncoder(w).Encode(api.Problem{ // the client may have left
			Type: "https://heliograph.invalid/problems/cross_origin", Title: http.StatusText(http.StatusForbidden), Status: http.StatusForbidden, Code: "cross_origin",
			Detail: "the request comes from another site", Remedy: "Open the console itself. Behind a reverse proxy, console.public_url must be the address in the browser.",
		})
	}))
}
