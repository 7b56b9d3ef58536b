package console

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"html/template"
	"mime"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/language"

	"heliograph/internal/limit"
)

// Approvals lets people decide what rules ask them: /approve/{token}. GET shows the question and changes nothing, since scanners of mail follow links;
// POST decides. The token in the link is all that a person needs, so nothing here writes it down.
type Approvals struct {
	Book ApprovalBook
	// Failures slow down who tries tokens. Nil means nobody is.
	Failures *limit.Failures
	// PublicURL returns where people reach the console; it may be empty. Nil means that it is.
	PublicURL func() string
}

// ApprovalBook finds and decides approvals by the tokens of links. Its methods may run concurrently.
type ApprovalBook interface {
	// Show returns what the token is for. It is ErrNoApproval for a token that nobody has.
	Show(ctx context.Context, token string) (*Approval, error)
	// Decide takes a decision, once; the errors below say why it does not.
	Decide(ctx context.Context, token string, d ApprovalDecision) (*Approval, error)
}

// Approval is what one of those who are asked sees. All texts are of strangers.
type Approval struct {
	ID, Rule     string
	Person       string // whose link it is
	Title, Text  string
	HTML         string // source of the HTML of a mail, shown as text
	Rows         [][2]string
	Hash         string // of what is shown: a decision counts for nothing else
	Need         int
	ExpiresAt    time.Time
	State        string // open, approved, refused, expired, or ApprovalEnded
	Yours        string // approved, refused, delegated; empty: not yet
	NeedsComment bool
	Votes        []ApprovalVote
}

// ApprovalEnded is the state of an approval whose run is over.
const ApprovalEnded = "ended"

// ApprovalVote is what somebody said.
type ApprovalVote struct {
	Person, Decision, Comment string
	At                        time.Time
}

// ApprovalDecision is what a person says: yes or no, or that another is to say it.
type ApprovalDecision struct {
	Approve bool
	HandTo  string // mail address; empty: decide
	Comment string
	Hash    string
}

// Why a decision is not taken. Other errors are our own trouble.
var (
	ErrNoApproval      = errors.New("no such approval")
	ErrApprovalChanged = errors.New("what is to be decided is not what was shown")
	ErrApprovalOver    = errors.New("it is decided already, or too late")
	ErrApprovalComment = errors.New("a refusal needs a comment")
	ErrApprovalHand    = errors.New("the vote cannot be handed to this person")
)

// maxDecision bounds the form of a decision.
const maxDecision = 64 << 10

// approvals serves /approve/{token}.
type approvals struct {
	Approvals
	log func(ctx context.Context, msg string, args ...any)
}

// serveApprovals adds the pages of approvals, where somebody decides.
func (s *Server) serveApprovals(mux *http.ServeMux) {
	if s.options.Approvals == nil {
		return
	}
	a := &approvals{Approvals: *s.options.Approvals, log: s.logger.WarnContext}
	mux.HandleFunc("GET /approve", func(w http.ResponseWriter, r *http.Request) { a.render(w, r, http.StatusOK, approvalView{Help: true}) })
	mux.HandleFunc("GET /approve/{token}", a.show)
	mux.HandleFunc("POST /approve/{token}", a.decide)
}

// show answers GET.
func (a *approvals) show(w http.ResponseWriter, r *http.Request) {
	if a.blocked(w, r) {
		return
	}
	token := r.PathValue("token")
	found, err := a.Book.Show(r.Context(), token)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	a.render(w, r, http.StatusOK, viewOf(found, token))
}

// decide answers POST.
func (a *approvals) decide(w http.ResponseWriter, r *http.Request) {
	if a.blocked(w, r) {
		return
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" || !a.sameOrigin(r) {
		a.render(w, r, http.StatusForbidden, approvalView{Trouble: troubleOrigin})
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxDecision)
	if err := r.ParseForm(); err != nil {
		a.render(w, r, http.StatusBadRequest, approvalView{Trouble: troubleOrigin})
		return
	}
	token, hash := r.PathValue("token"), r.PostForm.Get("hash")
	if !hmac.Equal([]byte(r.PostForm.Get("check")), []byte(formCheck(token, hash))) {
		a.failed(r)
		a.render(w, r, http.StatusForbidden, approvalView{Trouble: troubleOrigin})
		return
	}
	d := ApprovalDecision{Comment: r.PostForm.Get("comment"), Hash: hash}
	switch r.PostForm.Get("decision") {
	case "approve":
		d.Approve = true
	case "refuse":
	case "hand":
		if d.HandTo = strings.TrimSpace(r.PostForm.Get("to")); d.HandTo == "" {
			a.again(w, r, token, ErrApprovalHand)
			return
		}
	default:
		a.render(w, r, http.StatusBadRequest, approvalView{Trouble: troubleOrigin})
		return
	}
	decided, err := a.Book.Decide(r.Context(), token, d)
	switch {
	case errors.Is(err, ErrApprovalComment), errors.Is(err, ErrApprovalHand), errors.Is(err, ErrApprovalOver):
		a.again(w, r, token, err)
	case err != nil:
		a.fail(w, r, err)
	default:
		a.render(w, r, http.StatusOK, viewOf(decided, token))
	}
}

// again shows the page with what is wrong with the decision.
func (a *approvals) again(w http.ResponseWriter, r *http.Request, token string, why error) {
	found, err := a.Book.Show(r.Context(), token)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	view, status := viewOf(found, token), http.StatusUnprocessableEntity
	switch {
	case errors.Is(why, ErrApprovalComment):
		view.Trouble = troubleComment
	case errors.Is(why, ErrApprovalHand):
		view.Trouble = troubleHand
	default:
		view.Trouble, status = troubleOver, http.StatusConflict
	}
	a.render(w, r, status, view)
}

// fail answers what has no page of its own.
func (a *approvals) fail(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case errors.Is(err, ErrNoApproval):
		a.failed(r)
		a.render(w, r, http.StatusNotFound, approvalView{Trouble: troubleNone})
	case errors.Is(err, ErrApprovalChanged):
		a.render(w, r, http.StatusConflict, approvalView{Trouble: troubleChanged})
	default:
		if r.Context().Err() == nil {
			a.log(r.Context(), "an approval was not shown or decided", "error", err) // no token
		}
		w.Header().Set("Retry-After", "5")
		a.render(w, r, http.StatusServiceUnavailable, approvalView{Trouble: troubleOurs})
	}
}

// sameOrigin says whether the form was on a page of ours: as the browser says, or by comparing origins.
func (a *approvals) sameOrigin(r *http.Request) bool {
	p := http.NewCrossOriginProtection()
	if a.PublicURL != nil {
		if u, err := url.Parse(a.PublicURL()); err == nil && u.Host != "" {
			_ = p.AddTrustedOrigin(u.Scheme + "://" + u.Host) // it is one
		}
	}
	return p.Check(r) == nil
}

// formCheck binds a form to the link and to what was shown: only a page that was made for the token has it.
func formCheck(token, hash string) string {
	m := hmac.New(sha256.New, []byte(token))
	m.Write([]byte("form of an approval\x00" + hash))
	return hex.EncodeToString(m.Sum(nil))
}

func (a *approvals) blocked(w http.ResponseWriter, r *http.Request) bool {
	from := remote(r)
	if a.Failures == nil || !from.IsValid() {
		return false
	}
	wait, err := a.Failures.Check(r.Context(), from, approvalGuard(from))
	if err != nil || wait <= 0 {
		return false // who has a token may decide; there are too many to try
	}
	w.Header().Set("Retry-After", "60")
	a.render(w, r, http.StatusTooManyRequests, approvalView{Trouble: troubleMany})
	return true
}

func (a *approvals) failed(r *http.Request) {
	if from := remote(r); a.Failures != nil && from.IsValid() {
		_ = a.Failures.Failed(r.Context(), from, approvalGuard(from)) // see blocked
	}
}

func approvalGuard(from netip.Addr) string { return "approval from " + from.String() }

// approvalView is what the page shows.
type approvalView struct {
	*Approval
	Help    bool // only how to decide
	Trouble trouble
	Check   string
	Open    bool // the person can decide
	Until   string
	W       map[string]string
	Lang    string
}

func viewOf(a *Approval, token string) approvalView {
	shown := *a
	shown.Title, shown.Text, shown.HTML = plainly(a.Title), plainly(a.Text), plainly(a.HTML)
	shown.Rows = make([][2]string, len(a.Rows))
	for i, r := range a.Rows {
		shown.Rows[i] = [2]string{plainly(r[0]), plainly(r[1])}
	}
	return approvalView{
		Approval: &shown, Check: formCheck(token, a.Hash), Open: a.State == "open" && a.Yours == "", Until: a.ExpiresAt.UTC().Format("2006-01-02 15:04 UTC"),
	}
}

// plainly is a text without what cannot be seen, and could turn the others round.
func plainly(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r)) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\ufffd"))
}

// approvalLanguages are those of the page; the first is for who asks for neither.
var approvalLanguages = language.NewMatcher([]language.Tag{language.English, language.Chinese})

// render writes the page in the language of the browser.
func (a *approvals) render(w http.ResponseWriter, r *http.Request, status int, v approvalView) {
	v.Lang = "en"
	if _, i := language.MatchStrings(approvalLanguages, r.Header.Get("Accept-Language")); i == 1 {
		v.Lang = "zh"
	}
	v.W = approvalWords[v.Lang]
	h := w.Header()
	h.Set("Content-Security-Policy", approvalPolicy)
	h.Set("Referrer-Policy", "same-origin") // with no-referrer browsers do not tell the origin of a form
	h.Set("X-Robots-Tag", "noindex, nofollow")
	h.Set("Vary", "Accept-Language")
	h.Set("Content-Language", v.Lang)
	h.Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_ = approvalPage.Execute(w, v) // whoever asked is gone
}

// approvalPolicy is that of all pages, with our own style and forms.
var approvalPolicy = func() string {
	sum := sha256.Sum256([]byte(approvalStyle))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
}()

const approvalStyle = `body{font-family:sans-serif;max-width:44em;margin:1em auto;padding:0 1em;line-height:1.5}pre{white-space:pre-wrap;overflow-wrap:anywhere;border-left:3px solid #999;padding-left:1em;font:inherit}th{text-align:left;vertical-align:top;padding-right:1em}td{overflow-wrap:anywhere}textarea,input{width:100%;box-sizing:border-box;font:inherit}button{font:inherit;padding:.5em 2em;margin:.5em 0 1.5em}.note{border:1px solid #b00;padding:.5em 1em}`

// approvalPage puts texts of strangers into text only; the template escapes them.
var approvalPage = template.Must(template.New("approval").Funcs(template.FuncMap{
	"style": func() template.CSS { return approvalStyle },
}).Parse(`<!doctype html>
<html lang="{{.Lang}}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>{{.W.title}}</title><style>{{style}}</style></head>
<body><h1>{{.W.title}}</h1>
{{with .Trouble}}<p class="note">{{index $.W .Word}}</p>
{{end}}{{if .Help}}<p>{{.W.help}}</p>
{{end}}{{with .Approval}}<p>{{$.W.for}} {{.Person}}</p>
<h2>{{.Title}}</h2>
{{with .Rows}}<table>{{range .}}<tr><th>{{index . 0}}</th><td>{{index . 1}}</td></tr>
{{end}}</table>
{{end}}{{with .Text}}<pre>{{.}}</pre>
{{end}}{{with .HTML}}<p>HTML:</p><pre>{{.}}</pre>
{{end}}<p>{{$.W.rule}}: {{.Rule}} · {{$.W.until}}: {{$.Until}} · {{$.W.need}}: {{.Need}}</p>
{{with .Votes}}<ul>{{range .}}<li>{{.Person}}: {{index $.W .Decision}}{{with .Comment}} ({{.}}){{end}}</li>
{{end}}</ul>
{{end}}{{if not $.Open}}<p><strong>{{if eq .State "open"}}{{$.W.waits}}{{else}}{{$.W.state}}: {{index $.W .State}}{{end}}</strong></p>
{{end}}{{end}}{{if .Open}}<form method="post"><input type="hidden" name="check" value="{{.Check}}"><input type="hidden" name="hash" value="{{.Hash}}"><input type="hidden" name="decision" value="approve">
<label>{{.W.comment}}<textarea name="comment" rows="2" maxlength="2000"></textarea></label><button type="submit">{{.W.approve}}</button></form>
<form method="post"><input type="hidden" name="check" value="{{.Check}}"><input type="hidden" name="hash" value="{{.Hash}}"><input type="hidden" name="decision" value="refuse">
<label>{{if .NeedsComment}}{{.W.reason}}{{else}}{{.W.comment}}{{end}}<textarea name="comment" rows="2" maxlength="2000"{{if .NeedsComment}} required{{end}}></textarea></label><button type="submit">{{.W.refuse}}</button></form>
<details><summary>{{.W.hand}}</summary><form method="post"><input type="hidden" name="check" value="{{.Check}}"><input type="hidden" name="hash" value="{{.Hash}}"><input type="hidden" name="decision" value="hand">
<label>{{.W.to}}<input type="email" name="to" required maxlength="320"></label><label>{{.W.comment}}<textarea name="comment" rows="2" maxlength="2000"></textarea></label><button type="submit">{{.W.hand}}</button></form></details>
{{end}}</body></html>
`))

// trouble is what is wrong, by the name of its words.
type trouble string

const (
	troubleNone    trouble = "none"
	troubleChanged trouble = "changed"
	troubleOver    trouble = "over"
	troubleComment trouble = "needs"
	troubleHand    trouble = "nohand"
	troubleOrigin  trouble = "origin"
	troubleMany    trouble = "many"
	troubleOurs    trouble = "ours"
)

// Word is the name of the words.
func (t trouble) Word() string { return string(t) }

var approvalWords = map[string]map[string]string{
	"en": {
		"title": "Approval", "for": "This link is for", "rule": "Rule", "until": "Until", "need": "Approvals needed", "state": "It is decided", "waits": "You have decided; others still have to.",
		"comment": "Comment", "reason": "Reason (needed)", "approve": "Approve", "refuse": "Refuse", "hand": "Hand it to a colleague", "to": "Mail address of the colleague",
		"approved": "approved", "refused": "refused", "expired": "the time is over", "ended": "the run has ended", "delegated": "handed to a colleague",
		"none":    "There is no such question, or the link is not complete. Open the link in your own mail.",
		"changed": "What is to be decided is not what you were shown. Nothing was decided; ask the operator.",
		"over":    "Your decision was not taken: it is decided already, or the time is over.",
		"needs":   "Whoever refuses has to say why.",
		"nohand":  "It cannot be handed to this person: take a colleague who is not asked already and has not caused it.",
		"origin":  "Nothing was decided. Open the link in your mail again, and decide on that page.",
		"many":    "Too many wrong links came from your address. Try again in a minute.",
		"ours":    "This cannot be shown or decided now. Try again in a minute.",
		"help":    "Whoever is asked has got a mail with a link of his own. Open that link to decide. A group has no link, because it would be everybody's. The operator can take your decision, too (heliograph approval).",
	},
	"zh": {
		"title": "审批", "for": "此链接仅供本人使用：", "rule": "规则", "until": "截止", "need": "需同意人数", "state": "结果", "waits": "您已作出决定，等待其他人。",
		"comment": "意见", "reason": "理由（必填）", "approve": "同意", "refuse": "拒绝", "hand": "转交同事", "to": "同事的邮箱",
		"approved": "同意", "refused": "拒绝", "expired": "已超时", "ended": "流程已结束", "delegated": "已转交",
		"none":    "没有这项审批，或链接不完整。请打开您邮件中的链接。",
		"changed": "待审批的内容与您看到的不一致。未作出任何决定，请联系管理员。",
		"over":    "您的决定未被采纳：审批已结束或已超时。",
		"needs":   "拒绝时必须填写理由。",
		"nohand":  "不能转交给此人：请选择尚未参与审批且不是发起人的同事。",
		"origin":  "未作出任何决定。请重新打开邮件中的链接，在该页面上决定。",
		"many":    "来自您地址的错误链接过多，请一分钟后再试。",
		"ours":    "暂时无法显示或决定，请一分钟后再试。",
		"help":    "每位审批人都会收到带有本人专用链接的邮件，请打开该链接进行审批。群消息不含个人链接。管理员也可代为登记您的决定（heliograph approval）。",
	},
}
