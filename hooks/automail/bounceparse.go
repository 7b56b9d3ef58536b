package automail

import (
	"bytes"
	"encoding/base64"
	"io"
	"mime"
	"mime/quotedprintable"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"heliograph/internal/accounts"
	"heliograph/internal/message"
)

// The bounds of what is read of a report.
const (
	maxBounce       = 1 << 20 // a report that returns more has said who and why before
	maxBounceDepth  = 4
	maxBounceParts  = 50
	maxBounceFields = 500 // of one header or group
	maxBounced      = 200 // recipients
	maxReturnedIDs  = 20
)

// ParseBounce reads a report on a delivery: one that follows RFC 3464, or one in the words of qmail, Exim, old Exchange, QQ, NetEase
// and others. It reports false for what is no report, or tells of nobody. The error is the reader's.
func ParseBounce(r io.Reader) (b Bounce, ok bool, err error) {
	raw, err := io.ReadAll(io.LimitReader(r, maxBounce))
	if err != nil {
		return b, false, err
	}
	msg, err := message.Parse(bytes.NewReader(raw), message.Options{})
	if err != nil {
		return b, false, err
	}
	w := &bounceWalk{}
	w.walk(raw, 0)
	if msg.Report != "delivery-status" && len(w.groups) == 0 {
		return b, false, nil
	}
	for _, group := range w.groups {
		b.read(group)
	}
	text := msg.Text
	if len(b.Recipients) == 0 && !w.told {
		b.readWords(text, msg, w.failed)
	}
	b.identify(text, w, msg)
	return b, len(b.Recipients) > 0, nil
}

// identify gathers what tells which message it was.
func (b *Bounce) identify(text string, w *bounceWalk, msg *message.Message) {
	add := func(ids ...string) {
		for _, id := range ids {
			if id != "" && len(id) <= maxName && len(b.MessageIDs) < maxReturnedIDs && !slices.Contains(b.MessageIDs, id) && id != msg.MessageID {
				b.MessageIDs = append(b.MessageIDs, id)
			}
		}
	}
	b.MessageIDs = []string{}
	add(w.returned...)
	for _, m := range quotedID.FindAllStringSubmatch(text, maxReturnedIDs) {
		add(m[1])
	}
	add(msg.ThreadIDs()...)
	for _, field := range w.to {
		if id, ok := tagOf(field); ok {
			b.Tag = id
			break
		}
	}
}

// quotedID finds the Message-ID in a header that stands in the text.
var quotedID = regexp.MustCompile(`(?mi)^[> ]*message-id:\s*<([^<>\s]{1,200})>`)

// read takes in one group of fields of a delivery report (RFC 3464, 2.2 and 2.3). Some servers put the fields of the message and of the
// first recipient into one.
func (b *Bounce) read(f bounceFields) {
	if v := f.get("original-envelope-id"); v != "" && b.EnvelopeID == "" {
		b.EnvelopeID = v[:min(len(v), maxName)]
	}
	if v := f.get("reporting-mta"); v != "" && b.Reporter == "" {
		b.Reporter = clip(typed(v))
	}
	final, original := address(f.get("final-recipient")), address(f.get("original-recipient"))
	if final == "" {
		final = original
	}
	action := strings.ToLower(firstWord(f.get("action")))
	if final == "" || len(b.Recipients) >= maxBounced {
		return
	}
	r := BouncedRecipient{Address: final, Original: original, Status: firstWord(f.get("status")), Diagnostic: clip(typed(f.get("diagnostic-code")))}
	if original == final {
		r.Original = ""
	}
	if !statusForm.MatchString(r.Status) {
		r.Status = guessStatus(r.Diagnostic, "")
	}
	switch {
	case action == actionFailed, action == "" && strings.HasPrefix(r.Status, "5"):
		r.Action, r.Permanent = actionFailed, true
		if r.Status == "" {
			r.Status = "5.0.0"
		}
		// Exchange and Gmail say 5.0.0 or 5.4.1 and give the better code in the words.
		if better := guessStatus(r.Diagnostic, ""); strings.HasSuffix(r.Status, ".0.0") && better != "" {
			r.Status = better
		}
	case action == actionDelayed, action == "" && strings.HasPrefix(r.Status, "4"):
		r.Action = actionDelayed
	default:
		return // delivered, relayed, expanded
	}
	b.Recipients = append(b.Recipients, r)
}

var (
	statusForm = regexp.MustCompile(`^[245]\.\d{1,3}\.\d{1,3}$`)
	statusIn   = regexp.MustCompile(`(?:^|[^\d.])([45]\.\d{1,3}\.\d{1,3})(?:$|[^\d.])`)
	codeIn     = regexp.MustCompile(`(?:^|[^\d.])([45])\d\d[ \-:]`)
)

// guessStatus finds a status in a server's words, or makes one of its reply code.
func guessStatus(words, otherwise string) string {
	if m := statusIn.FindStringSubmatch(words); m != nil {
		return m[1]
	}
	low := strings.ToLower(words)
	for _, phrase := range noUserWords {
		if strings.Contains(low, phrase) {
			return "5.1.1"
		}
	}
	if m := codeIn.FindStringSubmatch(words); m != nil {
		return m[1] + ".0.0"
	}
	return otherwise
}

// noUserWords say that there is no such mailbox, in servers that give no status.
var noUserWords = []string{
	"user unknown", "unknown user", "no such user", "user not found", "does not exist", "mailbox not found", "no mailbox here by that name", "unrouteable address",
	"invalid recipient", "recipient address rejected: access denied", "no such recipient", "mailbox unavailable",
	"收件人不存在", "地址不存在", "用户不存在", "邮箱不存在", "帐号不存在", "账号不存在", "收件人邮件地址不存在", "不存在，邮件无法送达",
}

// typed takes the type off a typed field ("smtp; 550 …", "dns; mx").
func typed(v string) string {
	if kind, rest, ok := strings.Cut(v, ";"); ok && len(kind) < 20 && !strings.ContainsAny(strings.TrimSpace(kind), " <") {
		return strings.TrimSpace(rest)
	}
	return v
}

var extended = regexp.MustCompile(`\\x\{([0-9A-Fa-f]{1,6})\}`)

// address reads a recipient field: "rfc822; <user@host>", or with \x{…} (RFC 6533, 3).
func address(v string) string {
	kind, rest, ok := strings.Cut(v, ";")
	if !ok {
		rest = v
	} else if strings.EqualFold(strings.TrimSpace(kind), "utf-8") {
		rest = extended.ReplaceAllStringFunc(rest, func(s string) string {
			n, err := strconv.ParseInt(s[3:len(s)-1], 16, 32)
			if err != nil || !utf8.ValidRune(rune(n)) {
				return s
			}
			return string(rune(n))
		})
	}
	a := accounts.Address(strings.Trim(strings.TrimSpace(rest), "<>"))
	if !sendable(a) {
		return ""
	}
	return a
}

func firstWord(s string) string {
	if f := strings.Fields(s); len(f) > 0 {
		return f[0]
	}
	return ""
}

// bounceFields are the fields of a header or a group, names in lower case.
type bounceFields [][2]string

func (f bounceFields) get(name string) string {
	for _, x := range f {
		if x[0] == name {
			return x[1]
		}
	}
	return ""
}

// bounceWalk goes through the parts of a report.
type bounceWalk struct {
	parts    int
	told     bool           // there was a delivery report, whatever it says
	groups   []bounceFields // of delivery reports
	returned []string       // Message-IDs of returned messages
	failed   []string       // X-Failed-Recipients
	to       []string       // whom the report came to
}

func (w *bounceWalk) walk(raw []byte, depth int) {
	if w.parts++; w.parts > maxBounceParts || depth > maxBounceDepth {
		return
	}
	h, body := splitHeader(raw)
	if depth == 0 {
		for _, x := range h {
			switch x[0] {
			case "to", "delivered-to", "x-original-to", "envelope-to", "x-envelope-to":
				w.to = append(w.to, x[1])
			case "x-failed-recipients":
				for a := range strings.SplitSeq(x[1], ",") {
					if a = address(a); a != "" && len(w.failed) < maxBounced {
						w.failed = append(w.failed, a)
					}
				}
			}
		}
	}
	kind, params, err := mime.ParseMediaType(h.get("content-type"))
	if err != nil {
		kind = strings.ToLower(strings.TrimSpace(strings.SplitN(h.get("content-type"), ";", 2)[0]))
	}
	switch {
	case strings.HasPrefix(kind, "multipart/"):
		for _, part := range splitParts(body, params["boundary"]) {
			w.walk(part, depth+1)
		}
	case kind == "message/delivery-status" || kind == "message/global-delivery-status":
		w.told = true
		for _, group := range splitGroups(decodePart(h, body)) {
			if len(group) > 0 && len(w.groups) < maxBounced {
				w.groups = append(w.groups, group)
			}
		}
	case depth > 0 && (kind == "message/rfc822" || kind == "message/global" || kind == "text/rfc822-headers" || kind == "message/rfc822-headers" || kind == "message/global-headers"):
		inner, _ := splitHeader(decodePart(h, body))
		w.identify(inner)
	}
}

// identify notes the Message-IDs of a returned message. Exchange keeps the one that we gave in a field of its own where it replaced it.
func (w *bounceWalk) identify(h bounceFields) {
	for _, name := range []string{"message-id", "x-microsoft-original-message-id", "x-google-original-message-id"} {
		if id := strings.Trim(strings.TrimSpace(h.get(name)), "<>"); id != "" && len(w.returned) < maxReturnedIDs {
			w.returned = append(w.returned, id)
		}
	}
}

// splitHeader cuts a message or part at its first empty line, and unfolds the fields.
func splitHeader(raw []byte) (h bounceFields, body []byte) {
	rest := raw
	for len(rest) > 0 && len(h) <= maxBounceFields {
		line, after, _ := bytes.Cut(rest, []byte("\n"))
		line = bytes.TrimRight(line, "\r")
		rest = after
		switch {
		case len(line) == 0:
			return h, rest
		case line[0] == ' ' || line[0] == '\t':
			if len(h) > 0 && len(h[len(h)-1][1]) < 8<<10 {
				h[len(h)-1][1] += " " + string(bytes.TrimSpace(line))
			}
		default:
			if name, value, ok := bytes.Cut(line, []byte(":")); ok {
				h = append(h, [2]string{strings.ToLower(string(bytes.TrimSpace(name))), strings.ToValidUTF8(string(bytes.TrimSpace(value)), "?")})
			}
		}
	}
	return h, rest
}

// splitParts cuts the body of a multipart at its boundary. The last part may lack its end.
func splitParts(body []byte, boundary string) (parts [][]byte) {
	if boundary == "" {
		return nil
	}
	mark := []byte("--" + boundary)
	begin := -1
	for at := 0; at < len(body) && len(parts) < maxBounceParts; {
		end := bytes.IndexByte(body[at:], '\n')
		next := len(body)
		if end >= 0 {
			next = at + end + 1
		}
		line := bytes.TrimRight(body[at:next], "\r\n \t")
		last := bytes.Equal(line, append(mark[:len(mark):len(mark)], "--"...))
		if last || bytes.Equal(line, mark) {
			if begin >= 0 {
				parts = append(parts, body[begin:at])
			}
			if begin = next; last {
				return parts
			}
		}
		at = next
	}
	if begin >= 0 && begin < len(body) {
		parts = append(parts, body[begin:])
	}
	return parts
}

// splitGroups reads the groups of fields of a delivery report.
func splitGroups(body []byte) (groups []bounceFields) {
	for len(body) > 0 && len(groups) < maxBounced {
		var h bounceFields
		h, body = splitHeader(body)
		groups = append(groups, h)
	}
	return groups
}

// decodePart undoes the transfer encoding, as far as it is whole.
func decodePart(h bounceFields, body []byte) []byte {
	switch strings.ToLower(h.get("content-transfer-encoding")) {
	case "base64":
		clean := bytes.Map(func(r rune) rune {
			if r == '\r' || r == '\n' || r == ' ' || r == '\t' {
				return -1
			}
			return r
		}, body)
		out := make([]byte, base64.StdEncoding.DecodedLen(len(clean)))
		n, _ := base64.StdEncoding.Decode(out, clean) // up to what is broken
		return out[:n]
	case "quoted-printable":
		out, _ := io.ReadAll(quotedprintable.NewReader(bytes.NewReader(body))) // up to what is broken
		return out
	}
	return body
}
