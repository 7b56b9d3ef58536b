package access

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"heliograph/internal/store"
)

// FactorKind is the kind of a second factor.
type FactorKind string

// The kinds of second factors.
const (
	FactorTOTP    FactorKind = "totp"
	FactorPasskey FactorKind = "passkey"
)

const (
	maxPasskeys   = 20
	recoveryCodes = 10
	// freeCodes may be wrong before there is a delay, which doubles with each further one. So a guesser has some hundred codes of a million a day.
	freeCodes      = 5
	firstCodeDelay = time.Minute
	maxCodeDelay   = 15 * time.Minute
)

// ErrNoFactor says that a person has no second factor.
var ErrNoFactor = errors.New("the person has no second factor")

// Factor is a second factor.
type Factor struct {
	ID      string
	Kind    FactorKind
	Name    string
	Created time.Time
	Used    time.Time // zero: never
}

// secretFactor is a Factor with what it is checked by.
type secretFactor struct {
	Factor
	secret    []byte
	step      int64
	confirmed bool
}

func factorAAD(id string) []byte { return []byte("second factor " + id) }

// factors returns those of a person, the oldest first.
func (s *SignIn) factors(ctx context.Context, q store.Querier, person string) (list []*secretFactor, err error) {
	rows, err := q.QueryContext(ctx, `SELECT id, kind, name, sealed, step, confirmed, created_at, used_at FROM access_factors WHERE person = $1 ORDER BY created_at, id`, person)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var f secretFactor
		var sealed []byte
		var created, used int64
		if err := rows.Scan(&f.ID, &f.Kind, &f.Name, &sealed, &f.step, &f.confirmed, &created, &used); err != nil {
			return nil, err
		}
		f.Created, f.Used = store.FromMicros(created), store.FromMicros(used)
		if f.secret, err = s.options.Seal.Open(sealed, factorAAD(f.ID)); err != nil {
			return nil, fmt.Errorf("second factor %s: %w", f.ID, err)
		}
		list = append(list, &f)
	}
	return list, rows.Err()
}

// Factors lists the second factors of a person, and how many recovery codes are left.
func (s *SignIn) Factors(ctx context.Context, person string) (list []Factor, codes int, err error) {
	all, err := s.factors(ctx, s.db.Reader(), person)
	if err != nil {
		return nil, 0, err
	}
	for _, f := range all {
		if f.confirmed {
			list = append(list, f.Factor)
		}
	}
	err = s.db.Reader().QueryRowContext(ctx, `SELECT COUNT(*) FROM access_recovery_codes WHERE person = $1`, person).Scan(&codes)
	return list, codes, err
}

// insertFactor keeps a factor that was confirmed, or is about to be.
func (s *SignIn) insertFactor(ctx context.Context, tx store.Querier, person string, f secretFactor, credential string) error {
	confirmed := 0
	if f.confirmed {
		confirmed = 1
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO access_factors (id, person, kind, name, sealed, credential, step, confirmed, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		f.ID, person, string(f.Kind), f.Name, s.options.Seal.Seal(f.secret, factorAAD(f.ID)), credential, f.step, confirmed, store.Micros(f.Created))
	return taken(err)
}

// RemoveFactor removes a factor of who sits at a browser; the recovery codes go with the last one.
func (s *SignIn) RemoveFactor(ctx context.Context, v Visit, id string) error {
	x, err := s.Fresh(ctx, v)
	if err != nil {
		return err
	}
	return s.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		r, err := tx.ExecContext(ctx, `DELETE FROM access_factors WHERE person = $1 AND id = $2`, x.User.ID, id)
		if err != nil {
			return err
		}
		if errors.Is(changedOne(r), ErrChanged) {
			return ErrNotFound
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM access_recovery_codes WHERE person = $1 AND NOT EXISTS (SELECT 1 FROM access_factors f WHERE f.person = $1 AND f.confirmed = 1)`, x.User.ID)
		return err
	})
}

// RecoveryCodes makes new recovery codes for who sits at a browser; the old ones end.
func (s *SignIn) RecoveryCodes(ctx context.Context, v Visit) (codes []string, err error) {
	x, err := s.Fresh(ctx, v)
	if err != nil {
		return nil, err
	}
	if x.User.Factors == 0 {
		return nil, ErrNoFactor
	}
	err = s.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		codes, err = s.newCodes(ctx, tx, x.User.ID)
		return err
	})
	return codes, err
}

// firstCodes makes recovery codes where a person has none.
func (s *SignIn) firstCodes(ctx context.Context, tx store.Querier, person string) ([]string, error) {
	var n int
	err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM access_recovery_codes WHERE person = $1`, person).Scan(&n)
	if err != nil || n > 0 {
		return nil, err
	}
	return s.newCodes(ctx, tx, person)
}

func (s *SignIn) newCodes(ctx context.Context, tx store.Querier, person string) ([]string, error) {
	if _, err := tx.ExecContext(ctx, `DELETE FROM access_recovery_codes WHERE person = $1`, person); err != nil {
		return nil, err
	}
	var codes []string
	for range recoveryCodes {
		text := strings.ToLower(rand.Text())[:16]
		if _, err := tx.ExecContext(ctx, `INSERT INTO access_recovery_codes (person, hash) VALUES ($1, $2)`, person, digest(text)); err != nil {
			return nil, err
		}
		codes = append(codes, text[:4]+"-"+text[4:8]+"-"+text[8:12]+"-"+text[12:])
	}
	return codes, nil
}

// Code finishes a sign-in with a code of an authenticator app, or a recovery code.
func (s *SignIn) Code(ctx context.Context, v Visit, code string) (*Entered, error) {
	x, err := s.Session(ctx, v)
	if errors.Is(err, ErrNobody) || err == nil && x.State != StateHalf {
		return nil, ErrOver
	}
	if err != nil {
		return nil, err
	}
	if err := s.takeCode(ctx, x.User, code); err != nil {
		if errors.Is(err, ErrCode) {
			err = errors.Join(err, s.countTry(ctx, x.ID))
		}
		return nil, err
	}
	return s.open(ctx, v, x.User, x.Kind, StateDone)
}

// countTry ends a sign-in that is half done after so many wrong codes.
func (s *SignIn) countTry(ctx context.Context, session string) error {
	return s.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		if _, err := tx.ExecContext(ctx, `UPDATE access_sessions SET tries = tries + 1 WHERE id = $1`, session); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM access_sessions WHERE id = $1 AND tries >= $2`, session, maxHalf)
		return err
	})
}

// takeCode uses a code up. Wrong ones bring a delay that grows, for the person and so wherever they come from: only who has the password
// gets here.
func (s *SignIn) takeCode(ctx context.Context, u *User, code string) error {
	code = strings.ToLower(strings.NewReplacer(" ", "", "-", "").Replace(code))
	var outcome error
	err := s.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		outcome = nil
		now := s.now()
		// Holds the row, so that codes are tried one after the other.
		if _, err := tx.ExecContext(ctx, `UPDATE access_people SET wrong_codes = wrong_codes WHERE id = $1`, u.ID); err != nil {
			return err
		}
		var wrong int
		var after int64
		if err := tx.QueryRowContext(ctx, `SELECT wrong_codes, codes_after FROM access_people WHERE id = $1`, u.ID).Scan(&wrong, &after); err != nil {
			return err
		}
		if wait := store.FromMicros(after).Sub(now); after > 0 && wait > 0 {
			outcome = &LimitError{Wait: wait}
			return nil
		}
		ok, err := s.spend(ctx, tx, u.ID, code, now)
		switch {
		case err != nil:
			return err
		case ok:
			wrong, after = 0, 0
		default:
			outcome = ErrCode
			if wrong++; wrong >= freeCodes {
				after = store.Micros(now.Add(min(firstCodeDelay<<min(wrong-freeCodes, 10), maxCodeDelay)))
			}
		}
		_, err = tx.ExecContext(ctx, `UPDATE access_people SET wrong_codes = $2, codes_after = $3 WHERE id = $1`, u.ID, wrong, after)
		return err
	})
	if err != nil {
		return err
	}
	return outcome
}

// spend tells whether a code is good, and makes sure that it is not good again.
func (s *SignIn) spend(ctx context.Context, tx store.Querier, person, code string, now time.Time) (bool, error) {
	list, err := s.factors(ctx, tx, person)
	if err != nil {
		return false, err
	}
	for _, f := range list {
		if f.Kind != FactorTOTP || !f.confirmed {
			continue
		}
		if step, ok := totpStep(f.secret, code, now, f.step); ok {
			_, err := tx.ExecContext(ctx, `UPDATE access_factors SET step = $2, used_at = $3 WHERE id = $1`, f.ID, step, store.Micros(now))
			return err == nil, err
		}
	}
	r, err := tx.ExecContext(ctx, `DELETE FROM access_recovery_codes WHERE person = $1 AND hash = $2`, person, digest(code))
	if err != nil {
		return false, err
	}
	n, err := r.RowsAffected()
	return n > 0, err
}
