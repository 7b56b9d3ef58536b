package automail

import (
	"regexp"
	"slices"
	"strings"

	"heliograph/internal/accounts"
	"heliograph/internal/message"
)

// copyMarks stand between a report's words and the message that it returns; addresses below them are none that it tells of.
var copyMarks = []string{
	"--- below this line is a copy of the message", "------ this is a copy of", "--- the header of the original message is following",
	"----- original message -----", "-----original message-----", "original message headers:", "--- original message", "------ forwarded message",
	"原邮件信息", "原始邮件", "原邮件如下", "被退回的邮件", "原信内容",
}

// delayWords say that a message is late and not lost.
var delayWords = []string{
	"has not yet been delivered", "have not yet been delivered", "will continue to be attempted", "will be retried", "we will keep trying", "still trying",
	"you do not need to resend", "message delayed", "delivery is delayed", "delivery status notification (delay)",
	"继续尝试", "延迟投递", "投递延迟", "暂时无法送达",
}

var bounceAddress = regexp.MustCompile(`[A-Za-z0-9._%+=/\-~&'*!#$^{}|]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.\-]{0,250}[A-Za-z0-9])?`)

// readWords reads a report that no program was meant to read. Which of the addresses in it the message went to, its sender knows
// better: who is not among the recipients is left out there.
func (b *Bounce) readWords(text string, msg *message.Message, failed []string) {
	low := strings.ToLower(text)
	end := len(text)
	for _, mark := range copyMarks {
		if i := strings.Index(low, mark); i >= 0 {
			end = min(end, i)
		}
	}
	if len(low) == len(text) {
		text, low = text[:end], low[:end]
	}
	action := actionFailed
	for _, words := range delayWords {
		if strings.Contains(low, words) || strings.Contains(strings.ToLower(msg.Subject), words) {
			action = actionDelayed
		}
	}
	if strings.HasPrefix(strings.ToLower(msg.Subject), "warning: message ") { // Exim
		action = actionDelayed
	}
	list := failed
	if len(list) == 0 {
		list = addressesIn(text, msg)
	}
	for _, a := range list {
		if len(b.Recipients) >= maxBounced {
			return
		}
		words := wordsAbout(text, a)
		r := BouncedRecipient{Address: a, Action: action, Diagnostic: clip(words), Permanent: action == actionFailed}
		class := "5.0.0"
		if !r.Permanent {
			class = "4.0.0"
		}
		if r.Status = guessStatus(words, ""); r.Status == "" {
			r.Status = guessStatus(text, class)
		}
		if r.Permanent != strings.HasPrefix(r.Status, "5") && !r.Permanent {
			r.Status = class // it quotes another's refusal
		}
		b.Recipients = append(b.Recipients, r)
	}
	if len(msg.From) > 0 && b.Reporter == "" {
		b.Reporter = domainOf(msg.From[0].Address)
	}
}

// addressesIn returns the addresses of a text but those of the report's own people.
func addressesIn(text string, msg *message.Message) (list []string) {
	own := map[string]bool{}
	for _, people := range [][]message.Address{msg.From, msg.To, msg.ReplyTo, msg.Sender} {
		for _, p := range people {
			own[p.Address] = true
		}
	}
	for _, found := range bounceAddress.FindAllString(text, maxBounced) {
		a := accounts.Address(found)
		local, _, _ := strings.Cut(a, "@")
		if own[a] || local == "postmaster" || local == "mailer-daemon" || strings.HasPrefix(local, "mailto") || slices.Contains(list, a) || !sendable(a) {
			continue
		}
		list = append(list, a)
	}
	return list
}

// wordsAbout returns what stands behind an address, up to an empty line once there were words.
func wordsAbout(text, address string) string {
	i := strings.Index(strings.ToLower(text), address)
	if i < 0 || i+len(address) > len(text) {
		return ""
	}
	var words []string
	for n, line := range strings.SplitN(text[i+len(address):], "\n", 12) {
		line = strings.TrimSpace(strings.Trim(strings.TrimSpace(line), "<>:：)"))
		if line == "" {
			if len(words) > 0 {
				break
			}
			continue
		}
		if n > 10 {
			break
		}
		words = append(words, line)
	}
	return strings.Join(words, " ")
}
