package automation

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"strings"
	"time"

	"heliograph/hooks/rules"
	"heliograph/internal/console/access"
	"heliograph/internal/console/api"
	"heliograph/internal/store"
)

const (
	// keepPreviews is how long a page can be looked at.
	keepPreviews = time.Hour
	// maxPreview bounds one page, in bytes.
	maxPreview = 2 << 20
	// framePolicy is for pages in a sandboxed frame: no scripts, nothing from elsewhere.
	framePolicy = "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'"
)

// preview keeps a page of HTML for the caller, and returns where it is.
func (p *Part) preview(ctx context.Context, page string) (url string, err error) {
	if page == "" || len(page) > maxPreview {
		return "", nil
	}
	id, now := strings.ToLower(rand.Text()), p.o.Now()
	err = p.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM rule_previews WHERE made_at < $1`, store.Micros(now.Add(-keepPreviews))); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO rule_previews (id, person, page, made_at) VALUES ($1, $2, $3, $4)`, id, access.From(ctx).Person.ID, page, store.Micros(now))
		return err
	})
	return "/api/v1/previews/" + id, err
}

// GetPreview serves a page for a sandboxed frame.
func (p *Part) GetPreview(ctx context.Context, request GetPreviewRequestObject) (GetPreviewResponseObject, error) {
	var page string
	err := p.o.Store.Reader().QueryRowContext(ctx, `SELECT page FROM rule_previews WHERE id = $1 AND person = $2 AND made_at >= $3`,
		request.Preview, access.From(ctx).Person.ID, store.Micros(p.o.Now().Add(-keepPreviews))).Scan(&page)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, api.NotFound("no_preview", "there is no such preview any more")
	}
	if err != nil {
		return nil, err
	}
	return GetPreview200TexthtmlResponse{
		Body: strings.NewReader(page), ContentLength: int64(len(page)), Headers: GetPreview200ResponseHeaders{ContentSecurityPolicy: framePolicy},
	}, nil
}

// mailContent is a mail as it is shown. keep says that its HTML can be looked at.
func (p *Part) mailContent(ctx context.Context, m *rules.Mail, keep bool) (MailContent, error) {
	out := MailContent{
		As: m.As, FromName: m.FromName, To: list(people(m.To)), Cc: people(m.CC), Bcc: people(m.BCC), ReplyTo: people(m.ReplyTo), Subject: m.Subject, Text: m.Text,
		Answers: m.Answers, Quote: m.Quote, Unsubscribe: m.Unsubscribe, SaveSent: m.SaveSent, Bulk: m.Bulk, Urgent: m.Urgent,
	}
	for _, f := range m.Files {
		out.Files = append(out.Files, FileInfo{Name: f.Name, Type: f.Type, Size: len(f.Content)})
	}
	var err error
	if keep {
		out.HtmlUrl, err = p.preview(ctx, m.HTML)
	}
	return out, err
}
