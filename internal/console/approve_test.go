package console_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"heliograph/internal/console"
	"heliograph/internal/limit"
)

const goodToken = "wY2rZ8sJ0aQ4uE6bX1kM3nP5tV7cF9hL-dG_iK0oR2S"

// poll is a book of one approval.
type poll struct {
	mu        sync.Mutex // guards all below
	a         console.Approval
	decisions []console.ApprovalDecision
	shown     int
	err       error
}

func newPoll() *poll {
	return &poll{a: console.Approval{
		ID: "id1", Rule: "order", Person: "cfo@example.com", Title: `<script>alert("title")</script>`, Text: "line one\n</pre><img src=x onerror=alert(1)>\u202eabc",
		Rows: [][2]string{{"客户", "<b>ACME</b>"}}, HTML: "<iframe src=//evil.example></iframe>", Hash: strings.Repeat("ab", 32), Need: 1,
		ExpiresAt: time.Date(2026, 3, 4, 10, 0, 0, 0, time.UTC), State: "open",
	}}
}

func (p *poll) Show(_ context.Context, token string) (*console.Approval, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if token != goodToken {
		return nil, console.ErrNoApproval
	}
	if p.err != nil {
		return nil, p.err
	}
	p.shown++
	a := p.a
	return &a, nil
}

func (p *poll) Decide(_ context.Context, token string, d console.ApprovalDecision) (*console.Approval, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case token != goodToken:
		return nil, console.ErrNoApproval
	case p.a.State != "open":
		return nil, console.ErrApprovalOver
	case d.Hash != p.a.Hash:
		return nil, console.ErrApprovalChanged
	case d.HandTo != "" && !strings.HasSuffix(d.HandTo, "@example.com"):
		return nil, console.ErrApprovalHand
	case !d.Approve && d.HandTo == "" && d.Comment == "":
		return nil, console.ErrApprovalComment
	}
	p.decisions = append(p.decisions, d)
	p.a.State, p.a.Yours = "approved", "approved"
	p.a.Votes = []console.ApprovalVote{{Person: "cfo@example.com", Decision: "approved", Comment: d.Comment}}
	a := p.a
	return &a, nil
}

// booth is a console with a poll.
type booth struct {
	client
	poll *poll
	logs *bytes.Buffer
}

func newBooth(t *testing.T) booth {
	t.Helper()
	limits := limit.NewMemory(limit.MemoryOptions{})
	t.Cleanup(func() { _ = limits.Close() })
	b := booth{poll: newPoll(), logs: new(bytes.Buffer)}
	b.client = newClient(t, console.Options{
		Logger:    slog.New(slog.NewTextHandler(b.logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Approvals: &console.Approvals{Book: b.poll, Failures: limit.NewFailures(limits, 5), PublicURL: func() string { return "https://mail.example.com" }},
	})
	return b
}

func (b booth) get(token string, header ...string) (int, http.Header, string) {
	return b.send(http.MethodGet, token, nil, header...)
}

func (b booth) send(method, token string, form url.Values, header ...string) (int, http.Header, string) {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), method, "http://"+b.Addr().String()+"/approve/"+token, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := b.http.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(body)
}

var hiddenField = regexp.MustCompile(`<input type="hidden" name="(check|hash)" value="([0-9a-f]+)">`)

// form is the form of the page, with a decision.
func (b booth) form(decision string, more ...string) url.Values {
	b.t.Helper()
	_, _, page := b.get(goodToken)
	form := url.Values{"decision": {decision}}
	for _, m := range hiddenField.FindAllStringSubmatch(page, -1) {
		form.Set(m[1], m[2])
	}
	if form.Get("check") == "" || form.Get("hash") == "" {
		b.t.Fatalf("the page has no form:\n%s", page)
	}
	for i := 0; i+1 < len(more); i += 2 {
		form.Set(more[i], more[i+1])
	}
	return form
}

func TestApprovalPageShowsTextOnly(t *testing.T) {
	t.Parallel()
	b := newBooth(t)
	code, header, page := b.get(goodToken, "Accept-Language", "zh-CN,zh;q=0.9,en;q=0.8")
	if code != 200 || !strings.Contains(page, `<html lang="zh">`) || !strings.Contains(page, "同意") {
		t.Errorf("got %d:\n%s", code, page)
	}
	for _, bad := range []string{"<script", "<img", "<iframe", "<b>", "\u202e"} {
		if strings.Contains(page, bad) {
			t.Errorf("%q is in the page:\n%s", bad, page)
		}
	}
	for _, good := range []string{"&lt;script&gt;alert(", "&lt;b&gt;ACME", "line one\n"} {
		if !strings.Contains(page, good) {
			t.Errorf("%q is not in the page:\n%s", good, page)
		}
	}
	policy := header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'", "style-src 'sha256-"} {
		if !strings.Contains(policy, want) {
			t.Errorf("the policy is %q, without %q", policy, want)
		}
	}
	if header.Get("Cache-Control") != "no-store" || header.Get("X-Frame-Options") != "DENY" || header.Get("X-Robots-Tag") == "" || header.Get("Referrer-Policy") != "same-origin" {
		t.Errorf("header: %v", header)
	}
	for _, lang := range []string{"en", "fr", ""} {
		if _, _, page := b.get(goodToken, "Accept-Language", lang); !strings.Contains(page, `<html lang="en">`) || !strings.Contains(page, ">Approve</button>") {
			t.Errorf("%q: not English", lang)
		}
	}
}

func TestApprovalGetDecidesNothing(t *testing.T) {
	t.Parallel()
	b := newBooth(t)
	form := b.form("approve")
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		for range 3 { // as scanners do, also with the whole form in the address
			if code, _, _ := b.send(method, goodToken+"?"+form.Encode(), nil); code != 200 {
				t.Errorf("%s: got %d", method, code)
			}
		}
	}
	for _, method := range []string{http.MethodPut, http.MethodDelete, http.MethodPatch, http.MethodOptions} {
		if code, _, _ := b.send(method, goodToken, form); code != 405 {
			t.Errorf("%s: got %d", method, code)
		}
	}
	if len(b.poll.decisions) != 0 {
		t.Errorf("it was decided: %v", b.poll.decisions)
	}
}

func TestApprovalIsDecidedOnce(t *testing.T) {
	t.Parallel()
	b := newBooth(t)
	form := b.form("approve", "comment", "<i>好</i>")
	var group sync.WaitGroup
	codes := make([]int, 8)
	for i := range codes {
		group.Go(func() { codes[i], _, _ = b.send(http.MethodPost, goodToken, form, "Sec-Fetch-Site", "same-origin") })
	}
	group.Wait()
	taken := 0
	for _, c := range codes {
		if c == 200 {
			taken++
		} else if c != 409 {
			t.Errorf("got %d", c)
		}
	}
	if taken != 1 || len(b.poll.decisions) != 1 || !b.poll.decisions[0].Approve || b.poll.decisions[0].Comment != "<i>好</i>" {
		t.Errorf("taken %d times: %+v", taken, b.poll.decisions)
	}
	_, _, page := b.get(goodToken)
	if strings.Contains(page, "<form") || !strings.Contains(page, "cfo@example.com: approved") || strings.Contains(page, "<i>") {
		t.Errorf("afterwards:\n%s", page)
	}
}

func TestApprovalRefusedAndHandedOn(t *testing.T) {
	t.Parallel()
	b := newBooth(t)
	if code, _, page := b.send(http.MethodPost, goodToken, b.form("refuse")); code != 422 || !strings.Contains(page, "has to say why") || !strings.Contains(page, "<form") {
		t.Errorf("without a comment: got %d\n%s", code, page)
	}
	for _, to := range []string{"", "x@evil.example"} {
		if code, _, page := b.send(http.MethodPost, goodToken, b.form("hand", "to", to)); code != 422 || !strings.Contains(page, "cannot be handed") {
			t.Errorf("to %q: got %d\n%s", to, code, page)
		}
	}
	if code, _, _ := b.send(http.MethodPost, goodToken, b.form("perhaps")); code != 400 {
		t.Errorf("perhaps: got %d", code)
	}
	if code, _, _ := b.send(http.MethodPost, goodToken, b.form("hand", "to", "deputy@example.com")); code != 200 || b.poll.decisions[0].HandTo != "deputy@example.com" {
		t.Errorf("handed on: got %d, %v", code, b.poll.decisions)
	}
}

func TestApprovalFromElsewhereIsRefused(t *testing.T) {
	t.Parallel()
	b := newBooth(t)
	form := b.form("approve")
	with := func(name, value string) url.Values {
		out := url.Values{}
		for k, v := range form {
			out[k] = v
		}
		out.Set(name, value)
		return out
	}
	for name, tc := range map[string]struct {
		form   url.Values
		header []string
	}{
		"another site":         {form, []string{"Sec-Fetch-Site", "cross-site"}},
		"a sister site":        {form, []string{"Sec-Fetch-Site", "same-site"}},
		"an older browser":     {form, []string{"Origin", "https://evil.example"}},
		"a sandbox":            {form, []string{"Origin", "null"}},
		"no check":             {with("check", ""), nil},
		"the check of another": {with("check", strings.Repeat("0", 64)), nil},
		"another hash":         {with("hash", strings.Repeat("0", 64)), nil},
		"plain text":           {form, []string{"Content-Type", "text/plain"}},
	} {
		if code, _, _ := b.send(http.MethodPost, goodToken, tc.form, tc.header...); code != 403 {
			t.Errorf("%s: got %d", name, code)
		}
	}
	if code, _, _ := b.send(http.MethodPost, goodToken, with("comment", strings.Repeat("x", 70<<10))); code != 400 {
		t.Errorf("a large form: got %d", code)
	}
	if len(b.poll.decisions) != 0 {
		t.Fatalf("it was decided: %v", b.poll.decisions)
	}
	// Through a reverse proxy that rewrites the host.
	if code, _, _ := b.send(http.MethodPost, goodToken, form, "Origin", "https://mail.example.com"); code != 200 {
		t.Errorf("from our own address: got %d", code)
	}
}

func TestApprovalChangedMeanwhile(t *testing.T) {
	t.Parallel()
	b := newBooth(t)
	form := b.form("approve")
	b.poll.mu.Lock()
	b.poll.a.Hash = strings.Repeat("cd", 32)
	b.poll.mu.Unlock()
	if code, _, page := b.send(http.MethodPost, goodToken, form); code != 409 || !strings.Contains(page, "not what you were shown") {
		t.Errorf("got %d\n%s", code, page)
	}
	b.poll.mu.Lock()
	b.poll.err = console.ErrApprovalChanged
	b.poll.mu.Unlock()
	if code, _, _ := b.get(goodToken); code != 409 {
		t.Errorf("shown: got %d", code)
	}
	b.poll.mu.Lock()
	b.poll.err = errors.New("the store is away")
	b.poll.mu.Unlock()
	if code, header, _ := b.get(goodToken); code != 503 || header.Get("Retry-After") == "" {
		t.Errorf("our own trouble: got %d", code)
	}
	if logs := b.logs.String(); strings.Contains(logs, goodToken) || !strings.Contains(logs, "the store is away") {
		t.Errorf("logs: %s", logs)
	}
}

func TestGuessedTokensSlowDown(t *testing.T) {
	t.Parallel()
	b := newBooth(t)
	blocked := 0
	for range 20 {
		switch code, _, page := b.get(strings.Repeat("A", 43), "X-Forwarded-For", "203.0.113.7"); code {
		case 429:
			blocked++
		case 404:
			if !strings.Contains(page, "There is no such question") {
				t.Errorf("page:\n%s", page)
			}
		default:
			t.Errorf("got %d", code)
		}
	}
	if blocked < 10 {
		t.Errorf("blocked: got %d of 20", blocked)
	}
	if code, _, _ := b.get(goodToken, "X-Forwarded-For", "203.0.113.7"); code != 429 {
		t.Errorf("a right one from there: got %d", code)
	}
	if code, _, _ := b.get(goodToken, "X-Forwarded-For", "198.51.100.1"); code != 200 {
		t.Errorf("from elsewhere: got %d", code)
	}
	if strings.Contains(b.logs.String(), "AAAA") {
		t.Errorf("logs: %s", b.logs)
	}
}

func TestApprovalHelp(t *testing.T) {
	t.Parallel()
	b := newBooth(t)
	if code, _, page := b.do(http.MethodGet, "/approve"); code != 200 || !strings.Contains(page, "link of his own") || strings.Contains(page, "<form") {
		t.Errorf("got %d\n%s", code, page)
	}
	c := newClient(t, console.Options{})
	if code, _, _ := c.do(http.MethodGet, "/approve/"+goodToken); code != 404 {
		t.Errorf("without approvals: got %d", code)
	}
}

// FuzzApprovalPage: no text of a stranger makes an element of the page, or a form of its own.
func FuzzApprovalPage(f *testing.F) {
	f.Add("<script>alert(1)</script>", `"><form action=//evil.example>`)
	f.Add("</pre></title></style>", "{{.Check}}\x00\u202e\xff")
	element := regexp.MustCompile(`<[a-z!/][^>]*>`)
	page := func(t *testing.T, title, text string) []string {
		p := newPoll()
		p.a.Title, p.a.Text, p.a.HTML, p.a.Person, p.a.Rule = title, "x"+text, "x"+text, text, title
		p.a.Rows = [][2]string{{title, text}}
		p.a.Votes = []console.ApprovalVote{{Person: title, Decision: "approved", Comment: "x" + text}}
		var out bytes.Buffer
		if err := console.WriteApproval(&out, &p.a, goodToken); err != nil {
			t.Fatal(err)
		}
		return element.FindAllString(out.String(), -1)
	}
	f.Fuzz(func(t *testing.T, title, text string) {
		got, want := page(t, title, text), page(t, "title", "text")
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Fatalf("%q and %q make %q of the page", title, text, got)
		}
	})
}
