package rules

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/width"
)

// Reply is a mail by which somebody may answer a question. Only mail that an account submitted through the gateway itself makes one, and only if
// Account is what the provider let in: what the header says of the sender proves nothing, and whoever forges it has no vote.
type Reply struct {
	Entry     string // of the mail in the journal
	Message   string // its key
	At        time.Time
	Account   string   // address of the account that submitted it, lower case
	To        []string // addresses that it went to
	Answers   string   // Message-ID that it answers, without brackets
	Subject   string
	Text      string // with what it quotes
	Unquoted  string // without
	Signature string // the end of Unquoted
}

// answerPrefix begins what runs wait for whose question can be answered by mail.
const answerPrefix = "answer:"

// Answer takes the vote in a mail that answers a question, and returns whether it was one. What cannot be taken for a vote is answered with why.
// The same mail may come again.
//
// Four things have to be there: the account is that of the person who was asked; the mail answers the question's Message-ID; it has the code of that
// question, which only the person got and which is bound to what was shown (without it somebody could have a yes to something else counted, by giving it
// the Message-ID of a question); and its first line is nothing but yes or no.
func (e *Engine) Answer(ctx context.Context, r *Reply) (bool, error) {
	q, err := e.answered(ctx, r)
	if err != nil || q == nil {
		return false, err
	}
	problem, err := e.takeReply(ctx, r, q.Approval, q.asked)
	if err != nil || problem == "" {
		return true, err
	}
	return true, e.askBack(ctx, r, q, problem)
}

// question is a mail that asked somebody.
type question struct {
	*Approval
	asked *Approver
	from  string // account that it was sent as; empty where that is not known
}

// answered finds the question that a mail answers; nil where it answers none that can be answered by mail. One that does not go to whoever asked is none:
// people forward questions to others.
func (e *Engine) answered(ctx context.Context, r *Reply) (*question, error) {
	run, row, err := e.ledger.effectOf(ctx, r.Answers)
	if errors.Is(err, errNoRun) || err == nil && row.Kind != EffectMail {
		return nil, nil //nolint:nilnil // that there is none is an answer
	}
	if err != nil {
		return nil, err
	}
	from, _ := row.Output["from"].(string)
	if from != "" && !slices.Contains(r.To, from) {
		return nil, nil //nolint:nilnil // as above
	}
	a, err := e.ledger.approval(ctx, effectID(run, row.Path, 0))
	if err != nil || a == nil || !a.Shown.ByReply {
		return nil, err
	}
	for i := range a.Approvers {
		if p := &a.Approvers[i]; p.isAsked(run, row) {
			return &question{a, p, from}, nil
		}
	}
	return nil, nil //nolint:nilnil // a mail of the step that asks nobody
}

// isAsked says whether an effect is the mail, or a reminder, that asks this person.
func (p *Approver) isAsked(run string, row *EffectRow) bool {
	if !slices.Contains(row.Recipients, p.Person) {
		return false
	}
	for k := range maxReminders + 1 {
		if effectID(run, row.Path, askSpan*(p.Position+1)+k) == row.ID {
			return true
		}
	}
	return false
}

// replyProblem is why a mail is no vote.
type replyProblem string

const (
	replyUnclear replyProblem = "unclear"
	replyCodless replyProblem = "no code"
	replyOthers  replyProblem = "another's"
	replyComment replyProblem = "no comment"
	replyVoted   replyProblem = "voted"
	replyOver    replyProblem = "over"
	replyChanged replyProblem = "changed"
	replyNoVote  replyProblem = "no vote"
)

// replyErrors are the problems that the book's errors mean.
var replyErrors = []struct {
	err     error
	problem replyProblem
}{
	{ErrNeedsComment, replyComment},
	{ErrApprovalClosed, replyOver},
	{ErrApprovalEnded, replyOver},
	{ErrApprovalExpired, replyOver},
	{ErrApprovalChanged, replyChanged},
	{ErrNotAsked, replyNoVote},
}

// takeReply votes. It returns why there is no vote; both are empty once it counts.
func (e *Engine) takeReply(ctx context.Context, r *Reply, a *Approval, p *Approver) (replyProblem, error) {
	if !strings.EqualFold(r.Account, p.Person) {
		return replyOthers, nil
	}
	if !e.hasCode(r, a, p) {
		return replyCodless, nil
	}
	decision, comment := readReply(strings.TrimSuffix(r.Unquoted, r.Signature))
	if decision == "" {
		return replyUnclear, nil
	}
	via := "mail " + r.Entry
	after, err := NewApprovals(e.o.Store, e.o.Queue, e.now).Vote(ctx, a.ID, Vote{Person: p.Person, Decision: decision, Comment: comment, Via: via, Hash: a.Hash})
	if err == nil {
		e.log.InfoContext(ctx, "somebody decided by mail", "approval", a.ID, "rule", a.Rule, "run", a.Run, "state", string(after.State), "entry", r.Entry)
		return "", nil
	}
	if errors.Is(err, ErrApprovalVoted) {
		now, err := e.ledger.approval(ctx, a.ID)
		if err != nil || now == nil {
			return "", err
		}
		if q := now.find(p.Person); q != nil && q.Decision == decision { // this mail came before, or says it once more
			return "", nil
		}
		return replyVoted, nil
	}
	for _, known := range replyErrors {
		if errors.Is(err, known.err) {
			return known.problem, nil
		}
	}
	return "", err
}

// replyCode is what an answer by mail has to hold: 80 bits that follow from the same key as links do, and from what is shown. It opens no page, so it
// may stand in a subject; it is worth nothing without the person's account.
func replyCode(key []byte, a *Approval, p *Approver) string {
	m := hmac.New(sha256.New, key)
	fmt.Fprintf(m, "reply\x00%s\x00%s\x00%s\x00%s", a.ID, p.Person, p.nonce, a.Hash)
	return strings.ToLower(base32.StdEncoding.EncodeToString(m.Sum(nil)[:10]))
}

var (
	codeIn   = regexp.MustCompile(`#\s?([A-Za-z2-7]{16})\b`)
	maxCodes = 50
)

// hasCode looks for the person's code in the subject and in what is quoted. Codes of earlier keys count.
func (e *Engine) hasCode(r *Reply, a *Approval, p *Approver) bool {
	var codes []string
	for _, m := range append(codeIn.FindAllStringSubmatch(r.Subject, maxCodes), codeIn.FindAllStringSubmatch(r.Text, maxCodes)...) {
		codes = append(codes, strings.ToLower(m[1]))
	}
	for _, key := range e.approvalKeys {
		want := replyCode(key, a, p)
		if slices.ContainsFunc(codes, func(c string) bool { return same(c, want) }) {
			return true
		}
	}
	return false
}

// The words that are a decision.
var replyWords = map[string]ApprovalState{
	"同意": ApprovalApproved, "批准": ApprovalApproved, "yes": ApprovalApproved, "approve": ApprovalApproved, "approved": ApprovalApproved,
	"不同意": ApprovalRefused, "拒绝": ApprovalRefused, "no": ApprovalRefused, "reject": ApprovalRefused, "rejected": ApprovalRefused,
	"不批准": ApprovalRefused, "refuse": ApprovalRefused, "refused": ApprovalRefused,
}

// readReply reads what somebody wrote above the quoted question. The first line is the decision, and nothing else: a condition or a question in it makes it
// none. The rest is the comment; a line in it that is a decision of the other kind makes it none as well.
func readReply(own string) (decision ApprovalState, comment string) {
	lines := strings.Split(strings.TrimSpace(own), "\n")
	decision = decisionIn(lines[0])
	if decision == "" {
		return "", ""
	}
	for _, l := range lines[1:] {
		if d := decisionIn(l); d != "" && d != decision {
			return "", ""
		}
	}
	return decision, strings.TrimSpace(strings.Join(lines[1:], "\n"))
}

func decisionIn(line string) ApprovalState {
	line = strings.ToLower(strings.TrimSpace(width.Narrow.String(line)))
	return replyWords[strings.TrimRight(line, " .!｡。！")]
}

// replyTexts say why a mail is no vote, and what to do.
var replyTexts = map[replyProblem]string{
	replyUnclear: "无法从您的回复中看出决定，因此尚未记录。请再次回复，第一行只写“同意”或“不同意”，意见写在下面的行中。\nYour answer does not say clearly what you decide; nothing was noted. Please answer again: the first line yes or no and nothing else, comments in the lines below.",
	replyCodless: "您的回复中没有审批代码（主题末尾 # 之后的字符），因此未记录。请直接回复审批邮件并保留主题，或使用其中的链接。\nYour answer lacks the code (behind # at the end of the subject); nothing was noted. Please answer the mail that asked you and keep its subject, or use its link.",
	replyOthers:  "该审批询问的是另一个邮箱账号，您的回复未记录。请用收到审批邮件的账号回复。\nAnother account was asked this; your answer was not noted. Please answer from the account that got the question.",
	replyComment: "拒绝需要说明原因，因此尚未记录。请再次回复：第一行写“不同意”，下面的行写原因。\nWho refuses has to say why; nothing was noted. Please answer again: no in the first line, the reason in the lines below.",
	replyVoted:   "您此前已做出决定，不能更改；这封回复未改变任何内容。\nYou have decided before, and that stands; this answer changed nothing.",
	replyOver:    "该审批已结束或已过期，您的回复未记录。\nThis is decided already, or its time is over; your answer was not noted.",
	replyChanged: "审批内容与您看到的不一致，您的回复未记录。请联系管理员。\nWhat is to be decided is not what you were shown; your answer was not noted. Please ask the operator.",
	replyNoVote:  "您不能对该事项投票，您的回复未记录。\nYou have no vote in this; your answer was not noted.",
}

// askBack answers a mail that is no vote. For one person and problem that happens once a day: two machines that answer each other come to an end.
func (e *Engine) askBack(ctx context.Context, r *Reply, q *question, problem replyProblem) error {
	a := q.Approval
	day := r.At.UTC().Format(time.DateOnly)
	title := "[审批 Approval] " + a.Shown.Title
	if problem == replyOthers {
		title = "[审批 Approval]" // what was asked is not for this account
	} else if code := e.code(a, q.asked); code != "" {
		title += " [#" + code + "]"
	}
	_, err := e.performer.Perform(ctx, &Effect{
		ID: digest("reply to approver", a.ID, r.Account, string(problem), day), Kind: EffectMail, Rule: a.Rule, Run: a.Run, Title: title,
		Recipients: []string{r.Account}, Depth: 1, Cause: r.Entry, Message: r.Message, At: r.At, ask: askReminder,
		Mail: &Mail{As: q.from, To: []string{r.Account}, Subject: title, Text: replyTexts[problem] + "\n", Answers: r.Entry, AtLeastOnce: true},
	})
	if err != nil && !temporary(err) {
		e.log.WarnContext(ctx, "who answered a question by mail cannot be told that it is no vote", "approval", a.ID, "rule", a.Rule, "problem", string(problem), "err", err)
		return nil
	}
	return err
}

// code is the person's code as it is written now; empty where nobody could know it.
func (c *core) code(a *Approval, p *Approver) string {
	if !a.Shown.ByReply || len(c.approvalKeys) == 0 || a.shown == "" {
		return ""
	}
	return replyCode(c.approvalKeys[0], a, p)
}
