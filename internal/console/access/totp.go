package access

import (
	"context"
	"errors"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	"github.com/pquerna/otp/totp"

	"heliograph/internal/store"
)

// totpPeriod is a time step; codes of the steps before and after are good, too, because clocks differ (RFC 6238, 5.2).
const totpPeriod = 30 * time.Second

// totpIssuer is how authenticator apps call the console.
const totpIssuer = "Heliograph"

// totpStep finds the time step that a code is of, behind the last one that was used.
func totpStep(secret []byte, code string, now time.Time, last int64) (int64, bool) {
	current := now.Unix() / int64(totpPeriod.Seconds())
	for step := max(current-1, last+1); step <= current+1; step++ {
		ok, err := hotp.ValidateCustom(code, uint64(step), string(secret), hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
		if ok && err == nil {
			return step, true
		}
	}
	return 0, false
}

// ErrHasTOTP says that a person has an authenticator app.
var ErrHasTOTP = errors.New("the person has an authenticator app already")

// BeginTOTP makes the secret of an authenticator app for who sits at a browser. It replaces one that was begun before.
func (s *SignIn) BeginTOTP(ctx context.Context, v Visit) (secret, uri string, err error) {
	x, err := s.Fresh(ctx, v)
	if err != nil {
		return "", "", err
	}
	key, err := totp.Generate(totp.GenerateOpts{Issuer: totpIssuer, AccountName: x.User.Email, Period: uint(totpPeriod.Seconds())})
	if err != nil {
		return "", "", err
	}
	return key.Secret(), key.URL(), s.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		var n int
		if err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM access_factors WHERE person = $1 AND kind = 'totp' AND confirmed = 1`, x.User.ID).Scan(&n); err != nil {
			return err
		}
		if n > 0 {
			return ErrHasTOTP
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM access_factors WHERE person = $1 AND kind = 'totp'`, x.User.ID); err != nil {
			return err
		}
		return s.insertFactor(ctx, tx, x.User.ID, secretFactor{
			Factor: Factor{ID: newID(), Kind: FactorTOTP, Name: "TOTP", Created: s.now()}, secret: []byte(key.Secret()),
		}, "")
	})
}

// ConfirmTOTP takes a code of the app that was begun, which counts from then on. The recovery codes are nil where the person had some.
func (s *SignIn) ConfirmTOTP(ctx context.Context, v Visit, code string) (factor Factor, codes []string, err error) {
	x, err := s.Fresh(ctx, v)
	if err != nil {
		return Factor{}, nil, err
	}
	err = s.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		list, err := s.factors(ctx, tx, x.User.ID)
		if err != nil {
			return err
		}
		for _, f := range list {
			if f.Kind != FactorTOTP || f.confirmed {
				continue
			}
			step, ok := totpStep(f.secret, code, s.now(), 0)
			if !ok {
				return ErrCode
			}
			factor = f.Factor
			if _, err := tx.ExecContext(ctx, `UPDATE access_factors SET confirmed = 1, step = $2 WHERE id = $1`, f.ID, step); err != nil {
				return err
			}
			codes, err = s.firstCodes(ctx, tx, x.User.ID)
			return err
		}
		return ErrOver
	})
	return factor, codes, err
}
