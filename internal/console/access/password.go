package access

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"

	"heliograph/internal/store"
)

// The costs of argon2id, as OWASP advises them for servers: 19 MiB, twice.
const (
	argonMemory  = 19 << 10 // KiB
	argonTime    = 2
	argonLanes   = 1
	argonSalt    = 16
	argonKey     = 32
	hashesAtOnce = 4 // bounds the memory that strangers can have taken
)

// The least that a password has to have.
const (
	minPassword = 12 // NIST SP 800-63B asks for 8, and 15 where nothing else is asked for
	minLetters  = 5  // different ones
	maxPassword = 1024
)

// ErrWeak says that a password is too short or too simple.
var ErrWeak = errors.New("the password needs at least 12 characters, five of them different, and must not be the address")

func checkPassword(password string, u Person) error {
	letters := map[rune]bool{}
	for _, r := range password {
		letters[r] = true
	}
	name, _, _ := strings.Cut(u.Email, "@")
	switch n := utf8.RuneCountInString(password); {
	case n < minPassword, len(password) > maxPassword, len(letters) < minLetters, !utf8.ValidString(password):
		return ErrWeak
	case strings.EqualFold(password, u.Email), strings.EqualFold(password, u.Name), strings.EqualFold(password, name):
		return ErrWeak
	}
	return nil
}

// hasher makes and checks hashes of passwords, a few at a time.
type hasher struct {
	turns  chan struct{}
	memory uint32 // KiB of new hashes
	dummy  string // a hash that no password has
}

func newHasher(memory uint32) *hasher {
	if memory == 0 {
		memory = argonMemory
	}
	h := &hasher{turns: make(chan struct{}, hashesAtOnce), memory: memory}
	salt := make([]byte, argonSalt+argonKey)
	_, _ = rand.Read(salt) // never fails
	h.dummy = h.phc(salt[:argonSalt], salt[argonSalt:])
	return h
}

// phc is the form of the password hashing competition.
func (h *hasher) phc(salt, key []byte) string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, h.memory, argonTime, argonLanes,
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(key))
}

func (h *hasher) derive(ctx context.Context, password string, salt []byte, time, memory uint32, lanes uint8, length uint32) ([]byte, error) {
	select {
	case h.turns <- struct{}{}:
		defer func() { <-h.turns }()
		return argon2.IDKey([]byte(password), salt, time, memory, lanes, length), nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (h *hasher) hash(ctx context.Context, password string) (string, error) {
	salt := make([]byte, argonSalt)
	_, _ = rand.Read(salt) // never fails
	key, err := h.derive(ctx, password, salt, argonTime, h.memory, argonLanes, argonKey)
	return h.phc(salt, key), err
}

// matches tells whether a password has a hash. An empty hash, which nobody's password has, costs as much.
func (h *hasher) matches(ctx context.Context, hash, password string) (bool, error) {
	known := hash != ""
	if !known {
		hash = h.dummy
	}
	parts := strings.Split(hash, "$")
	if len(parts) != 6 || parts[1] != "argon2id" {
		return false, errors.New("a stored password has an unknown form")
	}
	var memory, time uint32
	var lanes uint8
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &memory, &time, &lanes); err != nil {
		return false, fmt.Errorf("a stored password: %w", err)
	}
	salt, err := base64.RawStdEncoding.DecodeString(parts[4])
	want, err2 := base64.RawStdEncoding.DecodeString(parts[5])
	if err := errors.Join(err, err2); err != nil || len(want) == 0 {
		return false, errors.Join(err, errors.New("a stored password is damaged"))
	}
	got, err := h.derive(ctx, password, salt, time, memory, lanes, uint32(len(want)))
	return err == nil && subtle.ConstantTimeCompare(got, want) == 1 && known, err
}

// Password signs in with a local password. ErrRefused says nothing of why; *LimitError that it was tried too often.
func (s *SignIn) Password(ctx context.Context, v Visit, address, password string) (*Entered, error) {
	address = strings.ToLower(strings.TrimSpace(address))
	var u *User
	err := s.guarded(ctx, v, "console "+address, func() (err error) {
		u, err = s.checkPassword(ctx, address, password)
		return err
	})
	if err != nil {
		return nil, err
	}
	return s.enter(ctx, v, u, KindPassword)
}

// checkPassword returns the person who has a password, or ErrRefused.
func (s *SignIn) checkPassword(ctx context.Context, address, password string) (*User, error) {
	var hash string
	u, err := scanUser(s.db.Reader().QueryRowContext(ctx, `SELECT `+userColumns+`, p.password FROM access_people p WHERE p.email = $1`, address), &hash)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, err
	}
	ok, err := s.hasher.matches(ctx, hash, password)
	switch {
	case err != nil:
		return nil, err
	case !ok || u == nil || u.Disabled:
		return nil, ErrRefused
	}
	return u, nil
}

// ChangePassword sets the password of who has one, and ends all other sessions.
func (s *SignIn) ChangePassword(ctx context.Context, v Visit, current, password string) error {
	session, err := s.Fresh(ctx, v)
	if err != nil {
		return err
	}
	u := session.User
	if !u.HasPassword {
		return ErrNoPassword
	}
	if err := s.guarded(ctx, v, "console "+u.Email, func() error {
		_, err := s.checkPassword(ctx, u.Email, current)
		return err
	}); err != nil {
		return err
	}
	if err := checkPassword(password, u.Person); err != nil {
		return err
	}
	hash, err := s.hasher.hash(ctx, password)
	if err != nil {
		return err
	}
	return s.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		if _, err := tx.ExecContext(ctx, `UPDATE access_people SET password = $2 WHERE id = $1`, u.ID, hash); err != nil {
			return err
		}
		return endSessions(ctx, tx, u.ID, session.ID)
	})
}

// ErrNoPassword says that a person signs in otherwise.
var ErrNoPassword = errors.New("the person has no local password")

// SetUp uses a link that works once: it makes the first admin, or sets somebody's password, and signs the person in. Email, name and language of
// the draft count for the first admin only.
func (s *SignIn) SetUp(ctx context.Context, v Visit, token, password string, d Draft) (*Entered, error) {
	var entered *Entered
	err := s.guarded(ctx, v, byAddress("link", v), func() error {
		l, err := s.Link(ctx, token)
		if err != nil {
			return err
		}
		who := Person{Email: d.Email, Name: d.Name}
		if l.Kind == LinkPassword {
			who = l.Person.Person
		}
		if err := checkPassword(password, who); err != nil {
			return err
		}
		hash, err := s.hasher.hash(ctx, password)
		if err != nil {
			return err
		}
		id, _, err := s.useLink(ctx, token, d, hash)
		if err != nil {
			return err
		}
		u, err := s.User(ctx, id)
		if err != nil {
			return err
		}
		entered, err = s.enter(ctx, v, u, KindSetup)
		return err
	})
	return entered, err
}

// CheckLink tells what a link that works once is for, and does not use it up.
func (s *SignIn) CheckLink(ctx context.Context, v Visit, token string) (l *Link, err error) {
	err = s.guarded(ctx, v, byAddress("link", v), func() error {
		l, err = s.Link(ctx, token)
		return err
	})
	return l, err
}
