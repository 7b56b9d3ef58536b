package customerbox

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"golang.org/x/text/unicode/norm"
)

const (
	// searchAtOnce is how many messages are in memory during a search; textsAtOnce, how many with their text.
	searchAtOnce = 500
	textsAtOnce  = 50
	// maxCriteria bounds the work for each message.
	maxCriteria = 200
)

// Search answers SEARCH. It compares without regard to case and width of letters, and finds any part of a word, so that
// Chinese needs nothing of its own.
func (s *session) Search(kind imapserver.NumKind, c *imap.SearchCriteria, o *imap.SearchOptions) (*imap.SearchData, error) {
	if o.ReturnSave {
		return nil, no(imap.ResponseCodeCannot, "results are not saved")
	}
	s.mu.Lock()
	box, view := s.box, s.view
	s.mu.Unlock()
	q := &search{s: s, box: box, view: view}
	want := q.compile(c)
	if q.keys > maxCriteria {
		return nil, no(imap.ResponseCodeLimit, "too many search keys")
	}
	step := searchAtOnce
	if q.text {
		step = textsAtOnce
	}
	var found []uint32
	for first := 0; first < len(view); first += step {
		some, err := q.run(span{first, min(first+step, len(view))}, want)
		if err != nil {
			return nil, s.failed("search", err)
		}
		found = append(found, some...)
	}
	return result(kind, view, found), nil
}

// result makes the answer of the sequence numbers that were found, in order.
func result(kind imapserver.NumKind, view []mail, found []uint32) *imap.SearchData {
	data := &imap.SearchData{Count: uint32(len(found))}
	var uids imap.UIDSet
	var seqs imap.SeqSet
	for i, n := range found {
		if kind == imapserver.NumKindUID {
			n = view[n-1].uid
			uids.AddNum(imap.UID(n))
		} else {
			seqs.AddNum(n)
		}
		if i == 0 {
			data.Min = n
		}
		data.Max = n
	}
	data.All = seqs
	if kind == imapserver.NumKindUID {
		data.All = uids
	}
	return data
}

// search is one SEARCH.
type search struct {
	s    *session
	box  folder
	view []mail

	keys                int
	store, people, text bool // what the criteria look at
}

// criteria are the keys of a search, ready to be compared. All must hold.
type criteria struct {
	never                bool
	sets                 [][]span
	since, before        time.Time // dates
	sentSince, sentUntil time.Time
	larger, smaller      int64
	headers              []headerKey
	body, text           []string
	not                  []criteria
	or                   [][2]criteria
}

// headerKey wants a text in a field; without a text, the field.
type headerKey struct{ name, text string }

// compile makes criteria, and notes what they look at.
func (q *search) compile(c *imap.SearchCriteria) criteria {
	out := criteria{
		since: c.Since, before: c.Before, sentSince: c.SentSince, sentUntil: c.SentBefore, larger: c.Larger, smaller: c.Smaller,
	}
	for _, set := range c.SeqNum {
		out.sets = append(out.sets, spans(q.view, set))
	}
	for _, set := range c.UID {
		out.sets = append(out.sets, spans(q.view, set))
	}
	// Each message is seen and nothing else.
	out.never = slices.ContainsFunc(c.Flag, func(f imap.Flag) bool { return f != imap.FlagSeen }) || slices.Contains(c.NotFlag, imap.FlagSeen)
	for _, h := range c.Header {
		out.headers = append(out.headers, headerKey{strings.ToLower(h.Key), folded(h.Value)})
	}
	for _, text := range c.Body {
		out.body = append(out.body, folded(text))
	}
	for _, text := range c.Text {
		out.text = append(out.text, folded(text))
	}
	dates := !c.Since.IsZero() || !c.Before.IsZero() || !c.SentSince.IsZero() || !c.SentBefore.IsZero()
	q.store = q.store || dates || c.Larger > 0 || c.Smaller > 0
	q.people = q.people || len(c.Header) > 0
	q.text = q.text || len(c.Body)+len(c.Text) > 0
	q.keys += 1 + len(out.sets) + len(c.Header) + len(c.Body) + len(c.Text)
	if q.keys > maxCriteria {
		return out
	}
	for i := range c.Not {
		out.not = append(out.not, q.compile(&c.Not[i]))
	}
	for i := range c.Or {
		out.or = append(out.or, [2]criteria{q.compile(&c.Or[i][0]), q.compile(&c.Or[i][1])})
	}
	return out
}

// candidate is a message as a search looks at it. Texts are folded.
type candidate struct {
	index                     int // in the view
	stored                    *stored
	subject, from, to, cc, id string
	text                      string
	fields                    fields // of the header; nil until somebody asks
}

// run looks at a run of the view and returns the sequence numbers that match.
func (q *search) run(run span, want criteria) ([]uint32, error) {
	list := make([]candidate, run.end-run.first)
	for i := range list {
		list[i].index = run.first + i
	}
	look := q.store || q.people || q.text
	if look {
		if err := q.load(run, list); err != nil {
			return nil, err
		}
	}
	var found []uint32
	for i := range list {
		if m := &list[i]; (!look || m.stored != nil) && q.match(&want, m) {
			found = append(found, uint32(m.index+1))
		}
	}
	return found, nil
}

// load reads what the store knows of the candidates.
func (q *search) load(run span, list []candidate) error {
	first, last := q.view[run.first].uid, q.view[run.end-1].uid
	known, err := q.s.srv.boxes.stored(q.s.srv.ctx, q.box, first, last)
	if err != nil {
		return err
	}
	at := make(map[uint32]*candidate, len(list))
	for i := range list {
		if m := known[q.view[list[i].index].uid]; m != nil {
			list[i].stored = m
			at[m.uid] = &list[i]
		}
	}
	if !q.people && !q.text {
		return nil
	}
	body := `''`
	if q.text {
		body = `m.body`
	}
	ctx, cancel := context.WithTimeoutCause(q.s.srv.ctx, queryTimeout, errSlow)
	defer cancel()
	return query(ctx, q.s.srv.boxes.db.Reader(), func(scan func(...any) error) error {
		var uid uint32
		var subject, name, from, people, id, text string
		if err := scan(&uid, &subject, &name, &from, &people, &id, &text); err != nil {
			return err
		}
		m := at[uid]
		if m == nil {
			return nil
		}
		// Who got a blind copy is in the column as well; nobody but the sender's own copy tells it.
		var who struct {
			To []address `json:"to"`
			CC []address `json:"cc"`
		}
		if err := json.Unmarshal([]byte(people), &who); err != nil {
			return fmt.Errorf("people of a message: %w", err)
		}
		m.subject, m.id, m.text = folded(subject), folded(id), folded(text)
		m.from, m.to, m.cc = inWords(address{Name: name, Address: from}), inWords(who.To...), inWords(who.CC...)
		return nil
	}, `SELECT u.uid, m.subject, m.from_name, m.from_address, m.people, m.message_id, `+body+`
		FROM customerbox_uids u JOIN crm_activities m ON m.id = u.activity WHERE u.mailbox = $1 AND u.uid >= $2 AND u.uid <= $3`,
		q.box.mailbox, first, last)
}

func inWords(list ...address) string {
	var b strings.Builder
	for _, a := range list {
		fmt.Fprintf(&b, "%s <%s>\n", a.Name, a.Address)
	}
	return folded(b.String())
}

// match tells whether a message meets all criteria. The costly ones come last.
func (q *search) match(c *criteria, m *candidate) bool {
	if c.never || !q.matchNumbers(c, m) {
		return false
	}
	for _, h := range c.headers {
		if !q.matchHeader(h, m) {
			return false
		}
	}
	for _, text := range c.body {
		if !strings.Contains(m.text, text) {
			return false
		}
	}
	for _, text := range c.text {
		if !slices.ContainsFunc([]string{m.subject, m.from, m.to, m.cc, m.id, m.text}, func(s string) bool { return strings.Contains(s, text) }) {
			return false
		}
	}
	for i := range c.not {
		if q.match(&c.not[i], m) {
			return false
		}
	}
	for i := range c.or {
		if !q.match(&c.or[i][0], m) && !q.match(&c.or[i][1], m) {
			return false
		}
	}
	return true
}

// matchNumbers compares sets, dates and sizes.
func (q *search) matchNumbers(c *criteria, m *candidate) bool {
	for _, set := range c.sets {
		_, there := slices.BinarySearchFunc(set, m.index, func(s span, i int) int {
			switch {
			case s.end <= i:
				return -1
			case s.first > i:
				return 1
			}
			return 0
		})
		if !there {
			return false
		}
	}
	if m.stored != nil {
		internal, sent := day(m.stored.internal), day(m.stored.sent)
		if !between(internal, c.since, c.before) || !between(sent, c.sentSince, c.sentUntil) {
			return false
		}
	}
	if c.larger == 0 && c.smaller == 0 {
		return true
	}
	if m.stored.size < 0 {
		if q.s.learn([]*stored{m.stored}) != nil || m.stored.size < 0 {
			return false
		}
	}
	return (c.larger == 0 || m.stored.size > c.larger) && (c.smaller == 0 || m.stored.size < c.smaller)
}

// day is the date of a moment as the server's clock on the wall shows it, which INTERNALDATE shows too.
func day(t time.Time) time.Time {
	y, m, d := t.In(time.Local).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}

// between tells whether t is not before since and before until; zero times are no bounds.
func between(t, since, until time.Time) bool {
	return (since.IsZero() || !t.Before(since)) && (until.IsZero() || t.Before(until))
}

// matchHeader compares one field. For those that the store does not know the header is read.
func (q *search) matchHeader(h headerKey, m *candidate) bool {
	switch h.name {
	case "subject":
		return strings.Contains(m.subject, h.text)
	case "from":
		return strings.Contains(m.from, h.text)
	case "to":
		return strings.Contains(m.to, h.text) && (h.text != "" || m.to != "")
	case "cc":
		return strings.Contains(m.cc, h.text) && (h.text != "" || m.cc != "")
	case "message-id":
		return strings.Contains("<"+m.id+">", h.text) && m.id != ""
	}
	if m.fields == nil {
		head, err := q.s.head(m.stored.entry)
		if err != nil {
			q.s.unreadable(m.stored, err)
			return false
		}
		m.fields = readFields(head)
	}
	value, there := m.fields[h.name]
	return there && strings.Contains(folded(value), h.text)
}

// folded makes texts equal that people take for the same: case and width do not matter.
func folded(s string) string {
	return strings.ToLower(norm.NFKC.String(strings.ToValidUTF8(s, "\uFFFD")))
}

// stringKeys are the search keys that a text follows, and how many.
var stringKeys = map[string]int{
	"BCC": 1, "BODY": 1, "CC": 1, "FROM": 1, "HEADER": 2, "KEYWORD": 1, "SUBJECT": 1, "TEXT": 1, "TO": 1, "UNKEYWORD": 1,
}

// withoutSmaller writes SMALLER n as NOT LARGER n-1, which says the same: imapserver beta.8 forgets a SMALLER when
// another key comes behind it. Other commands come back as they are.
func withoutSmaller(line []byte) []byte {
	var out []byte
	texts, smaller, searching := 0, false, false
	for i, word := range words(line) {
		upper := strings.ToUpper(string(word))
		switch {
		case i == 2 && upper == "SEARCH", i == 4 && upper == "SEARCH": // behind the tag and a blank, or UID too
			searching = true
		case !searching || len(word) == 0 || strings.ContainsAny(upper[:1], " ()"):
		case texts > 0:
			texts--
		case smaller:
			smaller = false
			n, err := strconv.ParseInt(upper, 10, 64)
			if err != nil || n < 1 {
				return line // the parser says what is wrong; nothing is smaller than 0
			}
			word = strconv.AppendInt(nil, n-1, 10)
		case upper == "SMALLER":
			smaller = true
			word = []byte("NOT LARGER")
		default:
			texts = stringKeys[upper]
		}
		out = append(out, word...)
	}
	return out
}

// words yields the words of a command, quoted strings whole, and between them what separates them: blanks
// and parentheses, one by one.
func words(line []byte) func(yield func(i int, word []byte) bool) {
	return func(yield func(int, []byte) bool) {
		for i := 0; len(line) > 0; i++ {
			n := 1
			switch line[0] {
			case ' ', '(', ')':
			case '"':
				for n < len(line) && line[n] != '"' {
					if line[n] == '\\' {
						n++
					}
					n++
				}
				n = min(n+1, len(line))
			default:
				if n = bytes.IndexAny(line, " ()\""); n < 0 {
					n = len(line)
				}
			}
			if !yield(i, line[:n]) {
				return
			}
			line = line[n:]
		}
	}
}
