package mirror

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"heliograph/crmclient"
	"heliograph/hooks/mirror/scope"
	"heliograph/internal/journal"
	"heliograph/internal/message"
	"heliograph/internal/store"
)

// LinkOptions configure NewLinks.
type LinkOptions struct {
	Store   *store.DB
	Journal *journal.Journal
	Masking *scope.Masking   // of the names of files; nil masks nothing
	URL     string           // what stands before the token, with the slash
	Now     func() time.Time // nil means time.Now
}

// Links makes links to attachments, for targets that are to have a link instead of the file, and finds the files again. Who
// has a link can read the file: a token names the target, the entry and the file, and ends with a signature. The key of
// that is in the store, so that all nodes have it. Its methods may run concurrently.
type Links struct {
	o LinkOptions

	mu  sync.Mutex
	key []byte // guarded by mu: nil until it is needed
}

// LinkedFile is the file that a link leads to.
type LinkedFile struct {
	Name string // as the target was told
	Size int64
	// Body are the decoded bytes; who has the file closes it.
	Body io.ReadCloser
}

var (
	// ErrNoFile says that a link leads to no file. It does not tell why: the link may be forged, or have expired.
	ErrNoFile = errors.New("no such file")
	// ErrFileGone says that the message of a link was taken back since.
	ErrFileGone = errors.New("the message was taken back")
)

// NewLinks returns Links. Nothing is read or made until one of them is needed.
func NewLinks(o LinkOptions) *Links {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Links{o: o}
}

// link is what a token says.
type link struct {
	target string
	entry  journal.ID
	index  uint16 // in message.Message.Attachments
	day    uint16 // the last one on which it works, since 1970 in UTC
	hash   [8]byte
}

const (
	linkVersion = 1
	// linkHead is the length of all before the target's name.
	linkHead = 1 + 16 + 2 + 2 + 8
	// linkMAC is the length of the signature: 160 bits, as HMAC with SHA-1 had, are far beyond guessing.
	linkMAC = 20
	// maxToken bounds what is looked at of a token that a stranger sends.
	maxToken = 1024
	// maxLinked bounds the files of one message that have links.
	maxLinked = 1<<16 - 1
	linkKey   = 32
	oneDay    = 24 * time.Hour
)

func (l *link) token(key []byte) string {
	b := append([]byte{linkVersion}, l.entry[:]...)
	b = binary.BigEndian.AppendUint16(b, l.index)
	b = binary.BigEndian.AppendUint16(b, l.day)
	b = append(append(b, l.hash[:]...), l.target...)
	return base64.RawURLEncoding.EncodeToString(append(b, sign(key, b)...))
}

func sign(key, b []byte) []byte {
	mac := hmac.New(sha256.New, key)
	_, _ = mac.Write([]byte("file link\n")) // a hash never fails
	_, _ = mac.Write(b)
	return mac.Sum(nil)[:linkMAC]
}

// readToken reads what token wrote. All that is wrong with it is one error.
func readToken(key []byte, token string) (l link, err error) {
	if len(token) > maxToken {
		return l, ErrNoFile
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(b) < linkHead+linkMAC {
		return l, ErrNoFile
	}
	b, mac := b[:len(b)-linkMAC], b[len(b)-linkMAC:]
	if !hmac.Equal(mac, sign(key, b)) || b[0] != linkVersion {
		return l, ErrNoFile
	}
	l.entry, b = journal.ID(b[1:17]), b[17:]
	l.index, l.day = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	l.hash, l.target = [8]byte(b[4:12]), string(b[12:])
	return l, nil
}

// loaded returns the key that signs, which is made when there is none.
func (s *Links) loaded(ctx context.Context) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.key != nil {
		return s.key, nil
	}
	fresh := make([]byte, linkKey)
	_, _ = rand.Read(fresh) // never fails: crypto/rand aborts the program instead
	var key []byte
	err := s.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO link_keys (one, key, created_at) VALUES (1, $1, $2) ON CONFLICT (one) DO NOTHING`, fresh, store.Micros(s.o.Now()))
		if err != nil {
			return err
		}
		return tx.QueryRowContext(ctx, `SELECT key FROM link_keys WHERE one = 1`).Scan(&key)
	})
	if err != nil {
		return nil, fmt.Errorf("reading the key of links: %w", err)
	}
	s.key = key
	return key, nil
}

// linker returns what makes the links to the files of a message for one target. They work for the given time, and to the end
// of that day, so that what is told again is told the same.
func (s *Links) linker(ctx context.Context, target string, entry journal.ID, works time.Duration) (func(index int, f crmclient.Attachment) crmclient.AttachmentLeft, error) {
	key, err := s.loaded(ctx)
	if err != nil {
		return nil, err
	}
	until := s.o.Now().Add(works).UTC()
	day := uint16(min(until.Unix()/int64(oneDay.Seconds()), 1<<16-1))
	return func(index int, f crmclient.Attachment) crmclient.AttachmentLeft {
		left := crmclient.AttachmentLeft{Name: f.Name, Size: f.Size}
		hash, err := hex.DecodeString(f.SHA256)
		if err != nil || len(hash) < 8 || index > maxLinked {
			left.Reason = "no link can be made"
			return left
		}
		l := link{target: target, entry: entry, index: uint16(index), day: day, hash: [8]byte(hash[:8])}
		left.URL = s.o.URL + l.token(key)
		left.Reason = "download until " + until.Format(time.DateOnly) + ": " + left.URL
		return left
	}, nil
}

// Open finds the file that a token leads to. The error is ErrNoFile, ErrFileGone, or a trouble of our own.
func (s *Links) Open(ctx context.Context, token string) (*LinkedFile, error) {
	key, err := s.loaded(ctx)
	if err != nil {
		return nil, err
	}
	l, err := readToken(key, token)
	if err != nil {
		return nil, err
	}
	if end := time.Unix(0, 0).Add((time.Duration(l.day) + 1) * oneDay); !s.o.Now().Before(end) {
		return nil, ErrNoFile
	}
	if err := s.allowed(ctx, l); err != nil {
		return nil, err
	}
	e, err := s.o.Journal.Entry(ctx, l.entry)
	if errors.Is(err, journal.ErrNotFound) {
		return nil, ErrNoFile
	}
	if err != nil {
		return nil, fmt.Errorf("reading entry %s: %w", l.entry, err)
	}
	return s.open(ctx, l, e)
}

// allowed tells whether the target that a link was made for may still have the message.
func (s *Links) allowed(ctx context.Context, l link) error {
	q := s.o.Store.Reader()
	var key, form, account, excluded, state string
	err := q.QueryRowContext(ctx, `
		SELECT s.message_key, s.form, s.account, s.excluded, d.state FROM sightings s JOIN deliveries d ON d.message_key = s.message_key AND d.target = $2
		WHERE s.entry = $1`, l.entry.String(), l.target).Scan(&key, &form, &account, &excluded, &state)
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNoFile
	}
	if err != nil {
		return fmt.Errorf("reading the sighting %s: %w", l.entry, err)
	}
	v, err := readVetoes(ctx, q, key)
	if err != nil {
		return err
	}
	stones, err := readTombstones(ctx, q, key)
	if err != nil {
		return fmt.Errorf("reading withdrawals of %s: %w", key, err)
	}
	_, gone := stones.find(l.target, account)
	if gone || excluded != "" || v.of(form) != "" || state == deliveryWithdrawing || state == deliveryWithdrawn || state == deliveryExcluded {
		return ErrFileGone
	}
	return nil
}

// open reads the message once for what is known of the file; who reads the file reads it again.
func (s *Links) open(ctx context.Context, l link, e journal.Entry) (_ *LinkedFile, err error) {
	body, err := s.o.Journal.Body(ctx, e)
	if err != nil {
		return nil, fmt.Errorf("opening entry %s: %w", e.ID, err)
	}
	msg, err := message.Parse(body, parseOptions(e))
	if err = errors.Join(err, body.Close()); err != nil {
		return nil, fmt.Errorf("entry %s: %w", e.ID, err)
	}
	if int(l.index) >= len(msg.Attachments) {
		return nil, ErrNoFile
	}
	f := msg.Attachments[l.index]
	if hash, err := hex.DecodeString(f.SHA256); err != nil || !bytes.HasPrefix(hash, l.hash[:]) {
		return nil, ErrNoFile
	}
	told := &crmclient.Activity{Attachments: []crmclient.Attachment{{Name: f.Name}}}
	s.o.Masking.Apply(l.target, told)
	if body, err = s.o.Journal.Body(ctx, e); err != nil {
		return nil, fmt.Errorf("opening entry %s: %w", e.ID, err)
	}
	return &LinkedFile{Name: told.Attachments[0].Name, Size: f.Size, Body: message.OpenAttachment(body, int(l.index), parseOptions(e))}, nil
}
