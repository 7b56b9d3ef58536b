package actions

import (
	"slices"
	"strings"

	"heliograph/hooks/mirror"
	"heliograph/hooks/rules"
	"heliograph/internal/journal"
	"heliograph/internal/message"
)

// replyIn is a mail as an answer to a question of an approval; nil where it can be none. The provider let the account in, the program handed the mail to
// us, and the provider took it: that makes it the account's. A mail that came from outside, lies in a mailbox or was handed in by a machine is none, whatever its
// header says, and gets no answer either.
func replyIn(e journal.Entry, id mirror.Identity, m readMail) *rules.Reply {
	msg := m.msg
	answers := msg.InReplyTo
	if answers == "" && len(msg.References) > 0 {
		answers = msg.References[len(msg.References)-1]
	}
	account := strings.ToLower(e.Account)
	switch {
	case answers == "" || e.Kind != journal.KindSubmission || e.State != journal.StateConfirmed || e.Automated() || !m.answerable || m.depth > 0:
		return nil
	case !strings.Contains(account, "@") || !strings.EqualFold(e.ReversePath, account) || !only(msg.From, account) || len(msg.Sender) > 0 && !only(msg.Sender, account):
		return nil
	}
	r := &rules.Reply{
		Entry: e.ID.String(), Message: id.Message, At: e.Received, Account: account, Answers: answers,
		Subject: msg.Subject, Text: msg.Text, Unquoted: msg.Unquoted, Signature: msg.Signature,
	}
	for _, to := range e.Recipients {
		if to.Code/100 == 2 {
			r.To = append(r.To, strings.ToLower(to.Address))
		}
	}
	return r
}

// only says whether a field names this address and no other.
func only(list []message.Address, address string) bool {
	return len(list) > 0 && !slices.ContainsFunc(list, func(a message.Address) bool { return !strings.EqualFold(a.Address, address) })
}
