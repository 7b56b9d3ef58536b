package customerbox

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"

	"heliograph/internal/journal"
	"heliograph/internal/store"
)

const (
	// fetchAtOnce is how many messages are looked up in the store together.
	fetchAtOnce = 200
	// maxSections bounds the items of one FETCH, each of which may read the message again.
	maxSections = 50
	// maxFiltered bounds the header of which fields are selected; what is beyond is not looked at.
	maxFiltered = 1 << 20
)

// stored is what the store knows of a message in a mailbox.
type stored struct {
	uid      uint32
	entry    string
	sent     time.Time
	internal time.Time
	size     int64 // -1 when nobody has read the message yet
	raw      string
	known    *structure // raw, read; nil when nobody asked for it
}

// stored reads the messages of a run of the view, by UID, if they may still be seen.
func (b *boxes) stored(ctx context.Context, f folder, first, last uint32) (map[uint32]*stored, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, queryTimeout, errSlow)
	defer cancel()
	out := map[uint32]*stored{}
	err := query(ctx, b.db.Reader(), func(scan func(...any) error) error {
		var m stored
		var sent, created int64
		if err := scan(&m.uid, &m.entry, &sent, &created, &m.size, &m.raw); err != nil {
			return err
		}
		m.sent, m.internal = store.FromMicros(sent), store.FromMicros(min(sent, created))
		out[m.uid] = &m
		return nil
	}, `SELECT u.uid, u.entry, m.sent_at, m.created_at, COALESCE(c.size, -1), COALESCE(c.structure, '')
		FROM customerbox_uids u JOIN crm_activities m ON m.id = u.activity
		JOIN sightings s ON s.entry = u.entry AND s.excluded = '' AND ($4 = '' OR s.account = $4)
		LEFT JOIN customerbox_entries c ON c.entry = u.entry
		WHERE u.mailbox = $1 AND u.uid >= $2 AND u.uid <= $3`, f.mailbox, first, last, f.scope)
	return out, err
}

// learn reads messages that nobody has read as a whole yet, and stores what it finds.
func (s *session) learn(list []*stored) error {
	var read []*stored
	for _, m := range list {
		st, err := s.readWhole(m.entry)
		if err != nil {
			s.unreadable(m, err)
			continue
		}
		raw, err := json.Marshal(st)
		if err != nil {
			return err
		}
		m.size, m.raw, m.known = st.Size, string(raw), st
		read = append(read, m)
	}
	if len(read) == 0 {
		return nil
	}
	err := s.srv.opts.Store.Write(s.srv.ctx, func(ctx context.Context, tx store.Querier) error {
		for _, m := range read {
			_, err := tx.ExecContext(ctx, `INSERT INTO customerbox_entries (entry, size, structure) VALUES ($1, $2, $3) ON CONFLICT (entry) DO NOTHING`,
				m.entry, m.size, m.raw)
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil { // the next reader finds it again
		s.f.log.Warn("what was read of messages was not stored", "err", err)
	}
	return nil
}

func (s *session) readWhole(entry string) (*structure, error) {
	body, err := s.body(entry)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return readStructure(body)
}

// unreadable counts a message whose bytes are damaged or on another node.
func (s *session) unreadable(m *stored, err error) {
	s.srv.metrics.failed("journal")
	s.f.log.Error("message of a customer mailbox not read", "entry", m.entry, "err", err)
}

// body opens the bytes of a message.
func (s *session) body(entry string) (io.ReadCloser, error) {
	id, err := journal.ParseID(entry)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(s.srv.ctx, queryTimeout, errSlow)
	defer cancel()
	e, err := s.srv.opts.Journal.Entry(ctx, id)
	if err != nil {
		return nil, err
	}
	return s.srv.opts.Journal.Body(s.srv.ctx, e)
}

// structure returns what is known of a message that was learned.
func (m *stored) structure() (*structure, error) {
	if m.known != nil {
		return m.known, nil
	}
	st := new(structure)
	if err := json.Unmarshal([]byte(m.raw), st); err != nil {
		return nil, fmt.Errorf("structure of entry %s: %w", m.entry, err)
	}
	if st.Root == nil {
		return nil, fmt.Errorf("structure of entry %s is empty", m.entry)
	}
	m.known = st
	return st, nil
}

var errMissing = no("EXPUNGEISSUED", "some of the messages are not here any more")

// Fetch answers FETCH. Messages are streamed from the journal, one at a time.
func (s *session) Fetch(w *imapserver.FetchWriter, set imap.NumSet, o *imap.FetchOptions) error {
	if len(o.BinarySection)+len(o.BinarySectionSize) > 0 {
		return bad("BINARY is not offered")
	}
	if len(o.BodySection) > maxSections {
		return no(imap.ResponseCodeLimit, "too many items")
	}
	s.mu.Lock()
	box, view := s.box, s.view
	s.mu.Unlock()
	missing := false
	for _, run := range spans(view, set) {
		for first := run.first; first < run.end; first += fetchAtOnce {
			some, err := s.fetchRun(w, box, view, span{first, min(first+fetchAtOnce, run.end)}, o)
			if err != nil {
				return err
			}
			missing = missing || some
		}
	}
	if missing {
		return errMissing
	}
	return nil
}

// fetchRun answers for a run of the view.
func (s *session) fetchRun(w *imapserver.FetchWriter, box folder, view []mail, run span, o *imap.FetchOptions) (missing bool, err error) {
	var known map[uint32]*stored
	if o.InternalDate || needsMessage(o) {
		if known, err = s.srv.boxes.stored(s.srv.ctx, box, view[run.first].uid, view[run.end-1].uid); err != nil {
			return false, s.failed("fetch", err)
		}
	}
	if needsWhole(o) {
		var unread []*stored
		for _, m := range view[run.first:run.end] {
			if k := known[m.uid]; k != nil && k.size < 0 {
				unread = append(unread, k)
			}
		}
		if err := s.learn(unread); err != nil {
			return false, s.failed("fetch", err)
		}
	}
	for i := run.first; i < run.end; i++ {
		m := known[view[i].uid]
		switch {
		case known == nil:
			m = &stored{uid: view[i].uid}
		case m == nil || needsWhole(o) && m.size < 0:
			missing = true
			continue
		}
		if err := s.fetchOne(w, uint32(i+1), m, o); err != nil {
			return false, err
		}
	}
	return missing, nil
}

func needsMessage(o *imap.FetchOptions) bool { return needsWhole(o) || len(o.BodySection) > 0 }

// needsWhole tells whether the message must have been read to its end once.
func needsWhole(o *imap.FetchOptions) bool {
	if o.RFC822Size || o.Envelope || o.BodyStructure != nil {
		return true
	}
	for _, section := range o.BodySection {
		if len(section.Part) > 0 || section.Specifier != imap.PartSpecifierHeader {
			return true
		}
	}
	return false
}

// piece is a section that is ready to be sent: bytes, or a place in the message.
type piece struct {
	section *imap.FetchItemBodySection
	data    []byte
	from    int64
	size    int64
}

// fetchOne answers for one message. All that may fail comes before the answer begins, except reading the
// message once more: then the connection breaks, since nobody could tell the rest from what is missing.
func (s *session) fetchOne(w *imapserver.FetchWriter, seq uint32, m *stored, o *imap.FetchOptions) error {
	var st *structure
	var err error
	if o.Envelope || o.BodyStructure != nil || needsWhole(&imap.FetchOptions{BodySection: o.BodySection}) {
		if st, err = m.structure(); err != nil {
			return s.failed("fetch", err)
		}
	}
	pieces := make([]piece, 0, len(o.BodySection))
	for _, section := range o.BodySection {
		p, err := s.piece(m, st, section)
		if err != nil {
			s.unreadable(m, err)
			return errStore
		}
		pieces = append(pieces, p)
	}
	out := w.CreateMessage(seq)
	if o.UID {
		out.WriteUID(imap.UID(m.uid))
	}
	if o.Flags {
		out.WriteFlags([]imap.Flag{imap.FlagSeen})
	}
	if o.InternalDate {
		out.WriteInternalDate(m.internal.In(time.Local))
	}
	if o.RFC822Size {
		out.WriteRFC822Size(m.size)
	}
	if o.Envelope {
		out.WriteEnvelope(st.Envelope.wire())
	}
	if o.BodyStructure != nil {
		out.WriteBodyStructure(st.Root.wire())
	}
	for _, p := range pieces {
		if err := s.send(out.WriteBodySection(p.section, p.size), m, p); err != nil {
			s.f.abort()
			_ = out.Close()
			return fmt.Errorf("sending entry %s: %w", m.entry, err)
		}
	}
	if len(pieces) > 0 {
		s.srv.metrics.messages.Inc()
	}
	return out.Close()
}

// piece finds a section in its message.
func (s *session) piece(m *stored, st *structure, section *imap.FetchItemBodySection) (piece, error) {
	p := piece{section: section}
	filtered := len(section.HeaderFields)+len(section.HeaderFieldsNot) > 0
	var head []byte
	var end int64
	var err error
	switch {
	case st == nil: // nothing but headers is asked for
		if head, err = s.head(m.entry); err != nil {
			return p, err
		}
	default:
		var ok bool
		if p.from, end, ok = st.locate(section); !ok {
			p.data = []byte{}
			return p, nil
		}
		if filtered {
			if head, err = s.read(m.entry, p.from, min(end-p.from, maxFiltered)); err != nil {
				return p, err
			}
		}
	}
	if filtered {
		head = selectFields(head, section)
	}
	if st == nil || filtered {
		from, length := partial(int64(len(head)), section.Partial)
		p.data, p.size = head[from:from+length], length
		return p, nil
	}
	from, length := partial(end-p.from, section.Partial)
	p.from, p.size = p.from+from, length
	return p, nil
}

// head reads the header of a message with its empty line.
func (s *session) head(entry string) ([]byte, error) {
	body, err := s.body(entry)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	in := bufio.NewReader(io.LimitReader(body, maxFiltered))
	var head []byte
	for began := true; ; {
		line, err := in.ReadSlice('\n')
		head = append(head, line...)
		switch {
		case errors.Is(err, io.EOF):
			return head, nil
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		case began && (string(line) == "\r\n" || string(line) == "\n"):
			return head, nil
		}
		began = err == nil
	}
}

// read reads a place of a message.
func (s *session) read(entry string, from, size int64) ([]byte, error) {
	body, err := s.body(entry)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	if _, err := io.CopyN(io.Discard, body, from); err != nil {
		return nil, err
	}
	out := make([]byte, size)
	_, err = io.ReadFull(body, out)
	return out, err
}

// send writes a piece.
func (s *session) send(w io.WriteCloser, m *stored, p piece) error {
	if p.data != nil || p.size == 0 {
		s.srv.metrics.bytes.Add(float64(len(p.data)))
		if _, err := w.Write(p.data); err != nil {
			return err
		}
		return w.Close()
	}
	body, err := s.body(m.entry)
	if err != nil {
		return err
	}
	defer body.Close()
	if _, err := io.CopyN(io.Discard, body, p.from); err != nil {
		return fmt.Errorf("skipping: %w", err)
	}
	n, err := io.CopyN(w, body, p.size)
	s.srv.metrics.bytes.Add(float64(n))
	if err != nil {
		return err
	}
	return w.Close()
}
