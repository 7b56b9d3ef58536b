package customerbox

import (
	"context"
	"errors"
	"slices"
	"sort"
	"strings"
	"sync"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
)

// session answers imapserver for one reader.
type session struct {
	srv *Server
	f   *front

	// mu guards the fields below: imapserver may poll while an IDLE ends whose connection has gone.
	mu     sync.Mutex
	box    folder // the open mailbox; its name is empty when none is
	view   []mail
	beats  uint64 // of the pulse when view was read
	stop   func() // of watching the pulse
	closed bool
}

var (
	_ imapserver.SessionNamespace = (*session)(nil)
	_ imapserver.SessionMove      = (*session)(nil)
)

// newSession is called by imapserver with a connection from handover.
func newSession(c *imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
	f, ok := c.NetConn().(*front)
	if !ok {
		return nil, nil, errors.New("a connection that did not come by the front")
	}
	return &session{srv: f.srv, f: f}, &imapserver.GreetingData{PreAuth: true}, nil
}

// The refusals of what is not possible.
var (
	errReadOnly = no(imap.ResponseCodeNoPerm, strings.TrimPrefix(readOnly, "NO [NOPERM] "))
	errUnknown  = no(imap.ResponseCodeNonExistent, "there is no such mailbox, or you may not see it")
	errNoMail   = no(imap.ResponseCodeCannot, "this mailbox only holds others")
	errStore    = no(imap.ResponseCodeUnavailable, "the mailboxes cannot be read at the moment")
)

func no(code imap.ResponseCode, text string) *imap.Error {
	return &imap.Error{Type: imap.StatusResponseTypeNo, Code: code, Text: text}
}

func bad(text string) *imap.Error { return &imap.Error{Type: imap.StatusResponseTypeBad, Text: text} }

// failed tells the reader that the store does not answer, and the operator why.
func (s *session) failed(doing string, err error) error {
	s.srv.metrics.failed("store")
	if s.srv.ctx.Err() == nil {
		s.f.log.Error("customer mailbox not read", "doing", doing, "err", err)
	}
	return errStore
}

// Close ends the session.
func (s *session) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.leave()
	return nil
}

// leave closes the open mailbox. The caller holds mu.
func (s *session) leave() {
	if s.stop != nil {
		s.stop()
	}
	s.box, s.view, s.stop = folder{}, nil, nil
}

// Login is never called: the login is over before imapserver begins.
func (*session) Login(string, string) error { return imapserver.ErrAuthFailed }

// Select opens a mailbox.
func (s *session) Select(name string, _ *imap.SelectOptions) (*imap.SelectData, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leave()
	f, err := s.find(name)
	if err != nil {
		return nil, err
	}
	s.stop = s.srv.pulse.watch()
	beats, _ := s.srv.pulse.now()
	st, err := s.open(f)
	if err != nil {
		s.leave()
		return nil, s.failed("open", err)
	}
	s.box, s.view, s.beats = f, st.shown, beats
	return &imap.SelectData{
		Flags:          []imap.Flag{imap.FlagSeen},
		PermanentFlags: []imap.Flag{},
		NumMessages:    uint32(len(s.view)),
		UIDNext:        imap.UID(st.next),
		UIDValidity:    f.validity,
	}, nil
}

// find looks a mailbox up that has messages.
func (s *session) find(name string) (folder, error) {
	switch {
	case strings.EqualFold(name, inbox):
		return folder{name: inbox, validity: 1}, nil
	case name == customersRoot || name == ticketsRoot:
		return folder{}, errNoMail
	}
	ctx, cancel := context.WithTimeoutCause(s.srv.ctx, queryTimeout, errSlow)
	defer cancel()
	f, ok, err := s.srv.boxes.folder(ctx, s.f.scope, name)
	switch {
	case err != nil:
		return folder{}, s.failed("find", err)
	case !ok:
		return folder{}, errUnknown
	}
	return f, nil
}

// open reads a mailbox, unless it is the one that is always empty.
func (s *session) open(f folder) (state, error) {
	if f.kind == "" {
		return state{next: 1}, nil
	}
	return s.srv.boxes.open(s.srv.ctx, f)
}

// Unselect closes the mailbox.
func (s *session) Unselect() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leave()
	return nil
}

// Namespace tells that all mailboxes are the reader's, as programs expect it (RFC 2342).
func (*session) Namespace() (*imap.NamespaceData, error) {
	return &imap.NamespaceData{Personal: []imap.NamespaceDescriptor{{Delim: '/'}}}, nil
}

const (
	// maxPatterns and maxPattern bound the work of a LIST.
	maxPatterns = 10
	maxPattern  = 1024
)

// List names the mailboxes. All count as subscribed.
func (s *session) List(w *imapserver.ListWriter, reference string, patterns []string, o *imap.ListOptions) error {
	if len(patterns) == 0 { // asks for the delimiter (RFC 9051, 6.3.9)
		return w.WriteList(&imap.ListData{Attrs: []imap.MailboxAttr{imap.MailboxAttrNoSelect}, Delim: '/'})
	}
	if len(patterns) > maxPatterns {
		return no(imap.ResponseCodeLimit, "too many patterns")
	}
	for i, p := range patterns {
		if patterns[i] = squeeze(reference + p); len(patterns[i]) > maxPattern {
			return no(imap.ResponseCodeLimit, "the pattern is too long")
		}
	}
	if o.SelectSpecialUse || o.SelectRemote {
		return nil
	}
	list, err := s.list(o.ReturnStatus != nil)
	if err != nil {
		return s.failed("list", err)
	}
	for _, f := range list.list {
		if !slices.ContainsFunc(patterns, func(p string) bool { return matchName(p, f.name) }) {
			continue
		}
		data := &imap.ListData{Attrs: attributes(f, o), Delim: '/', Mailbox: f.name}
		if o.ReturnStatus != nil && (f.kind != "" || f.name == inbox) {
			if data.Status, err = s.status(f, o.ReturnStatus); err != nil {
				return err
			}
		}
		if err := w.WriteList(data); err != nil {
			return err
		}
	}
	return nil
}

func (s *session) list(enrolled bool) (*folders, error) {
	ctx, cancel := context.WithTimeoutCause(s.srv.ctx, queryTimeout, errSlow)
	defer cancel()
	list, err := s.srv.boxes.folders(ctx, s.f.scope, listAge)
	if err == nil && enrolled {
		list, err = s.srv.boxes.enrolled(ctx, s.f.scope)
	}
	return list, err
}

func attributes(f folder, o *imap.ListOptions) []imap.MailboxAttr {
	var attrs []imap.MailboxAttr
	if f.name == customersRoot || f.name == ticketsRoot {
		attrs = append(attrs, imap.MailboxAttrNoSelect, imap.MailboxAttrHasChildren)
	} else {
		attrs = append(attrs, imap.MailboxAttrHasNoChildren)
	}
	if o.SelectSubscribed || o.ReturnSubscribed {
		attrs = append(attrs, imap.MailboxAttrSubscribed)
	}
	return attrs
}

// squeeze joins wildcards that stand side by side; * swallows %.
func squeeze(pattern string) string {
	var b strings.Builder
	for i := 0; i < len(pattern); {
		if pattern[i] != '*' && pattern[i] != '%' {
			b.WriteByte(pattern[i])
			i++
			continue
		}
		wild := byte('%')
		for ; i < len(pattern) && (pattern[i] == '*' || pattern[i] == '%'); i++ {
			if pattern[i] == '*' {
				wild = '*'
			}
		}
		b.WriteByte(wild)
	}
	return b.String()
}

// matchName matches a name and a pattern of LIST in time proportional to the product of their lengths. INBOX has any case.
func matchName(pattern, name string) bool {
	if name == inbox {
		pattern = strings.ToUpper(pattern)
	}
	at := make([]bool, len(pattern)+1) // at[i]: pattern[:i] matches the name so far
	at[0] = true
	wild := func(i int) bool { return pattern[i] == '*' || pattern[i] == '%' }
	for i := 0; i < len(pattern) && wild(i); i++ {
		at[i+1] = true
	}
	for k := range len(name) {
		diagonal := at[0]
		at[0] = false
		for i := range len(pattern) {
			above := at[i+1]
			switch {
			case pattern[i] == '*' || pattern[i] == '%' && name[k] != delimiter[0]:
				at[i+1] = at[i] || above
			case pattern[i] == '%':
				at[i+1] = at[i]
			default:
				at[i+1] = diagonal && pattern[i] == name[k]
			}
			diagonal = above
		}
	}
	return at[len(pattern)]
}

// Status tells of a mailbox without opening it.
func (s *session) Status(name string, o *imap.StatusOptions) (*imap.StatusData, error) {
	f, err := s.find(name)
	if err != nil {
		return nil, err
	}
	return s.status(f, o)
}

// status promises as UIDNEXT what it will be when those have got UIDs that have none yet.
func (s *session) status(f folder, o *imap.StatusOptions) (*imap.StatusData, error) {
	if o.Size || o.DeletedStorage || o.AppendLimit || o.HighestModSeq {
		return nil, bad("this is not known of a mailbox here")
	}
	st := state{next: 1}
	if f.kind != "" {
		var err error
		if st, err = s.srv.boxes.look(s.srv.ctx, f); err != nil {
			return nil, s.failed("status", err)
		}
	}
	n, none := uint32(len(st.shown)+len(st.fresh)), uint32(0)
	return &imap.StatusData{
		Mailbox: f.name, NumMessages: &n, NumRecent: &none, NumUnseen: &none, NumDeleted: &none,
		UIDNext: imap.UID(st.next + uint32(len(st.fresh))), UIDValidity: f.validity,
	}, nil
}

// Poll tells what has changed in the open mailbox.
func (s *session) Poll(w *imapserver.UpdateWriter, allowExpunge bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.update(w, allowExpunge)
}

// update reads the open mailbox again when the pulse has beaten, and tells the difference. A store
// that is away is not the reader's trouble here. The caller holds mu.
func (s *session) update(w *imapserver.UpdateWriter, allowExpunge bool) error {
	beats, _ := s.srv.pulse.now()
	if s.box.kind == "" || beats == s.beats || s.closed {
		return nil
	}
	if !s.srv.pulse.concerns(s.box.ref, s.beats) {
		s.beats = beats
		return nil
	}
	select {
	case s.srv.refreshing <- struct{}{}:
	case <-s.srv.ctx.Done():
		return nil
	}
	st, err := s.srv.boxes.open(s.srv.ctx, s.box)
	<-s.srv.refreshing
	if err != nil {
		_ = s.failed("refresh", err)
		return nil
	}
	gone := vanished(s.view, st.shown)
	if len(gone) > 0 && !allowExpunge {
		return nil // all of it at the next chance, since sequence numbers change
	}
	s.beats = beats
	for i := len(gone) - 1; i >= 0; i-- {
		s.view = slices.Delete(s.view, gone[i], gone[i]+1)
		if err := w.WriteExpunge(uint32(gone[i] + 1)); err != nil {
			return err
		}
	}
	if len(st.shown) == len(s.view) {
		return nil
	}
	s.view = st.shown
	return w.WriteNumMessages(uint32(len(s.view)))
}

// vanished returns where in old those stand that are not in now. Both are in the order of UIDs.
func vanished(old, now []mail) []int {
	var gone []int
	k := 0
	for i, m := range old {
		for k < len(now) && now[k].uid < m.uid {
			k++
		}
		if k == len(now) || now[k].uid != m.uid {
			gone = append(gone, i)
		}
	}
	return gone
}

// Idle tells what changes until stop is closed (RFC 2177).
func (s *session) Idle(w *imapserver.UpdateWriter, stop <-chan struct{}) error {
	for {
		_, next := s.srv.pulse.now()
		select { // an IDLE that has ended says nothing any more
		case <-stop:
			return nil
		default:
		}
		if err := s.Poll(w, true); err != nil {
			return err
		}
		select {
		case <-stop:
			return nil
		case <-next:
		}
	}
}

// What follows would change something.

// Create is refused.
func (*session) Create(string, *imap.CreateOptions) error { return errReadOnly }

// Delete is refused.
func (*session) Delete(string) error { return errReadOnly }

// Rename is refused.
func (*session) Rename(string, string, *imap.RenameOptions) error { return errReadOnly }

// Subscribe does nothing, since all mailboxes are subscribed.
func (s *session) Subscribe(name string) error {
	if name == customersRoot || name == ticketsRoot {
		return nil
	}
	_, err := s.find(name)
	return err
}

// Unsubscribe is refused.
func (*session) Unsubscribe(string) error { return errReadOnly }

// Append is refused. The front does so before a message is sent.
func (*session) Append(string, imap.LiteralReader, *imap.AppendOptions) (*imap.AppendData, error) {
	return nil, errReadOnly
}

// Expunge is refused. imapserver also calls it for CLOSE, with a writer of nothing, where a read-only mailbox
// is closed without (RFC 9051, 6.4.1).
func (*session) Expunge(w *imapserver.ExpungeWriter, _ *imap.UIDSet) error {
	if w != nil && *w == (imapserver.ExpungeWriter{}) {
		return nil
	}
	return errReadOnly
}

// Store is refused.
func (*session) Store(*imapserver.FetchWriter, imap.NumSet, *imap.StoreFlags, *imap.StoreOptions) error {
	return errReadOnly
}

// Copy is refused: there is nowhere to copy to.
func (*session) Copy(imap.NumSet, string) (*imap.CopyData, error) { return nil, errReadOnly }

// Move is refused.
func (*session) Move(*imapserver.MoveWriter, imap.NumSet, string) error { return errReadOnly }

// span is a run of messages of the view, from first up to but without end.
type span struct{ first, end int }

// spans finds the messages of a set, in order and each once, however often the set names them.
func spans(view []mail, set imap.NumSet) []span {
	var out []span
	add := func(a, b uint32, index func(uint32) int) {
		first, end := index(a), index(b)
		if b != ^uint32(0) {
			end = index(b + 1)
		}
		if first < end {
			out = append(out, span{first, end})
		}
	}
	n := len(view)
	switch set := set.(type) {
	case imap.SeqSet:
		for _, r := range set {
			a, b := ordered(r.Start, r.Stop, uint32(n))
			add(max(a, 1), b, func(seq uint32) int { return int(min(seq, uint32(n)+1)) - 1 })
		}
	case imap.UIDSet:
		last := uint32(0)
		if n > 0 {
			last = view[n-1].uid
		}
		for _, r := range set {
			a, b := ordered(uint32(r.Start), uint32(r.Stop), last)
			add(a, b, func(uid uint32) int { return sort.Search(n, func(i int) bool { return view[i].uid >= uid }) })
		}
	}
	slices.SortFunc(out, func(a, b span) int { return a.first - b.first })
	return merged(out)
}

// ordered returns the ends of a range; 0 stands for *, which is last.
func ordered(a, b, last uint32) (from, to uint32) {
	if a == 0 {
		a = last
	}
	if b == 0 {
		b = last
	}
	return min(a, b), max(a, b)
}

func merged(in []span) []span {
	out := in[:0]
	for _, s := range in {
		if k := len(out); k > 0 && s.first <= out[k-1].end {
			out[k-1].end = max(out[k-1].end, s.end)
			continue
		}
		out = append(out, s)
	}
	return out
}
