package operations

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"heliograph/config"
	"heliograph/internal/console/access"
	"heliograph/internal/console/api"
	"heliograph/internal/store"
)

// defaultLink is how long a link is good where nobody says.
const defaultLink = 72 * time.Hour

// link is what an employee was sent.
type link struct {
	hash, address, upstream, login string
	programs                       bool
	madeBy                         string
	expires, enrolled              time.Time
}

func hashOf(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// CreateEnrolmentLink makes a link.
func (p *Part) CreateEnrolmentLink(ctx context.Context, r CreateEnrolmentLinkRequestObject) (CreateEnrolmentLinkResponseObject, error) {
	address, err := account(ctx, r.Address)
	if err != nil {
		return nil, err
	}
	if !strings.Contains(address, "@") {
		return nil, api.Invalid("no_address", "this is no mail address", api.Field{Pointer: "address", Detail: "without @"})
	}
	body := EnrolmentLinkRequest{}
	if r.Body != nil {
		body = *r.Body
	}
	up, ok := p.upstreamOf(address)
	for _, u := range p.o.Config().Upstreams {
		if body.Upstream == u.Name {
			up, ok = u, true
		}
	}
	if !ok || body.Upstream != "" && up.Name != body.Upstream {
		return nil, api.Invalid("no_upstream", "it is not known where the account is", api.Field{Pointer: "/upstream", Detail: "no such upstream, or none for the domain", Remedy: "Name an upstream of the configuration."})
	}
	if up.SignIn != config.SignInEnrolled {
		return nil, api.Conflict("no_enrolment", "the gateway does not sign in at upstream "+up.Name, "Set sign_in: enrolled there in the configuration.")
	}
	ways := p.ways(up)
	if len(ways) == 0 {
		return nil, api.Conflict("no_way", "accounts of upstream "+up.Name+" cannot be enrolled by a link", "Set console.public_url, so that the provider can send the browser back, or offer another way in oauth2.")
	}
	now := p.o.Now()
	l := link{address: address, upstream: up.Name, login: body.Login, programs: body.Programs == nil || *body.Programs, expires: now.Add(defaultLink)}
	if l.login == "" {
		l.login = address
	}
	if body.ValidHours > 0 {
		l.expires = now.Add(time.Duration(body.ValidHours) * time.Hour)
	}
	token := rand.Text()
	l.hash, l.madeBy = hashOf(token), access.From(ctx).Person.Email
	if err := p.storeLink(ctx, l, now); err != nil {
		return nil, err
	}
	api.Note(ctx, "expires", l.expires.Format(time.RFC3339))
	return CreateEnrolmentLink201JSONResponse{Url: p.page(token), Address: address, ExpiresAt: l.expires.UTC(), Ways: ways}, nil
}

// page is where the employee goes.
func (p *Part) page(token string) string {
	return strings.TrimSuffix(p.o.Config().Console.PublicURL, "/") + "/enrol/" + token
}

func (p *Part) storeLink(ctx context.Context, l link, now time.Time) error {
	programs := 0
	if l.programs {
		programs = 1
	}
	return p.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM enrolment_links WHERE address = $1 OR expires_at < $2`, l.address, store.Micros(now)); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO enrolment_links (token_hash, address, upstream, login, programs, made_by, made_at, expires_at, enrolled_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0)`,
			l.hash, l.address, l.upstream, l.login, programs, l.madeBy, store.Micros(now), store.Micros(l.expires))
		return err
	})
}

// dropLink ends the link of an account.
func (p *Part) dropLink(ctx context.Context, address string) error {
	return p.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM enrolment_links WHERE address = $1`, address)
		return err
	})
}

// DeleteEnrolmentLink ends it.
func (p *Part) DeleteEnrolmentLink(ctx context.Context, r DeleteEnrolmentLinkRequestObject) (DeleteEnrolmentLinkResponseObject, error) {
	address, err := account(ctx, r.Address)
	if err != nil {
		return nil, err
	}
	return DeleteEnrolmentLink204Response{}, p.dropLink(ctx, address)
}

var errNoLink = api.NotFound("no_link", "this link is not good, or not any more: ask for a new one")

// readLink finds a link by the secret in it.
func (p *Part) readLink(ctx context.Context, token string) (link, error) {
	l := link{hash: hashOf(token)}
	found := false
	err := p.rows(ctx, `SELECT address, upstream, login, programs, made_by, expires_at, enrolled_at FROM enrolment_links WHERE token_hash = $1`, args{l.hash}, func(scan func(...any) error) error {
		var programs int
		var expires, enrolled int64
		found = true
		err := scan(&l.address, &l.upstream, &l.login, &programs, &l.madeBy, &expires, &enrolled)
		l.programs, l.expires, l.enrolled = programs == 1, stamp(expires), stamp(enrolled)
		return err
	})
	if err != nil {
		return l, err
	}
	if !found || !l.expires.After(p.o.Now()) {
		return l, errNoLink
	}
	return l, nil
}
