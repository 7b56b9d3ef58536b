package access_test

import (
	"context"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"heliograph/internal/console/access"
	"heliograph/internal/console/access/accesstest"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

// app adds an authenticator app, and returns its secret and the recovery codes.
func (r *rig) app(e *access.Entered) (secret string, codes []string) {
	r.t.Helper()
	secret, _, err := r.BeginTOTP(r.t.Context(), with(e))
	if err != nil {
		r.t.Fatal(err)
	}
	if _, codes, err = r.ConfirmTOTP(r.t.Context(), with(e), r.code(secret)); err != nil {
		r.t.Fatal(err)
	}
	r.clock.add(30 * time.Second) // the code that confirmed it is used up
	return secret, codes
}

func (r *rig) code(secret string) string {
	r.t.Helper()
	code, err := totp.GenerateCode(secret, r.clock.Now())
	if err != nil {
		r.t.Fatal(err)
	}
	return code
}

func TestTOTP(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		r.person("it@example.com", access.Admin)
		e := r.in("it@example.com")
		secret, _, err := r.BeginTOTP(ctx, with(e))
		if err != nil {
			t.Fatal(err)
		}
		if r.in("it@example.com").State != access.StateDone {
			t.Error("an app that was only begun counts")
		}
		_, _, err = r.ConfirmTOTP(ctx, with(e), "000000")
		wantErr(t, "a wrong first code", err, access.ErrCode)
		first := r.code(secret)
		_, codes, err := r.ConfirmTOTP(ctx, with(e), first)
		if err != nil || len(codes) != 10 {
			t.Fatalf("confirmed with %d recovery codes, %v", len(codes), err)
		}

		half := r.in("it@example.com")
		if half.State != access.StateHalf || r.caller(request(half)) != nil {
			t.Fatal("the password alone lets in")
		}
		_, err = r.Code(ctx, with(half), first)
		wantErr(t, "the code that confirmed the app", err, access.ErrCode)
		r.clock.add(30 * time.Second)
		done, err := r.Code(ctx, with(half), r.code(secret))
		if err != nil || r.caller(request(done)) == nil || r.caller(request(half)) != nil || done.Cookie.Value == half.Cookie.Value {
			t.Fatalf("the code gives %+v, %v", done, err)
		}
		half = r.in("it@example.com")
		_, err = r.Code(ctx, with(half), r.code(secret))
		wantErr(t, "a replayed code", err, access.ErrCode)
		if _, err = r.Code(ctx, with(half), codes[0]); err != nil {
			t.Errorf("a recovery code gives %v", err)
		}
		half = r.in("it@example.com")
		_, err = r.Code(ctx, with(half), codes[0])
		wantErr(t, "a recovery code again", err, access.ErrCode)
		r.clock.add(5 * time.Minute)
		_, err = r.Code(ctx, with(half), r.code(secret))
		wantErr(t, "a sign-in that waited too long", err, access.ErrOver)
	})
}

func TestWrongCodesBringADelayThatGrows(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		r.person("it@example.com", access.Admin)
		secret, _ := r.app(r.in("it@example.com"))
		half := r.in("it@example.com")
		for range 4 {
			_, err := r.Code(ctx, with(half), "000000")
			wantErr(t, "a guess", err, access.ErrCode)
		}
		_, err := r.Code(ctx, with(half), "000000")
		wantErr(t, "the fifth guess", err, access.ErrCode)
		_, err = r.Code(ctx, with(half), r.code(secret))
		wantErr(t, "a code behind five guesses", err, access.ErrOver)
		half = r.in("it@example.com")
		_, err = r.Code(ctx, with(half), r.code(secret))
		first := limited(t, "a new sign-in right behind them", err)
		r.clock.add(first)
		_, err = r.Code(ctx, with(half), "000000")
		wantErr(t, "a guess after the delay", err, access.ErrCode)
		_, err = r.Code(ctx, with(half), "000000")
		if second := limited(t, "the next", err); second <= first {
			t.Errorf("the delay was %s and is %s: it must grow", first, second)
		}
	})
}

func TestFactorsNeedAFreshSignIn(t *testing.T) {
	t.Parallel()
	r := newRig(t, storetest.SQLite(t), nil)
	ctx := t.Context()
	u := r.person("it@example.com", access.Admin)
	e := r.in("it@example.com")
	r.app(e)
	factors, left, err := r.Factors(ctx, u.ID)
	if err != nil || len(factors) != 1 || left != 10 {
		t.Fatalf("got %+v and %d codes, %v", factors, left, err)
	}
	r.clock.add(15 * time.Minute)
	wantErr(t, "removing it later", r.RemoveFactor(ctx, with(e), factors[0].ID), access.ErrNotFresh)
	_, err = r.Confirm(ctx, with(e), "wrong horse battery", "")
	wantErr(t, "a wrong password", err, access.ErrRefused)
	if e, err = r.Confirm(ctx, with(e), goodPassword, ""); err != nil {
		t.Fatal(err)
	}
	wantErr(t, "somebody else's factor", r.RemoveFactor(ctx, with(e), "other"), access.ErrNotFound)
	if err := r.RemoveFactor(ctx, with(e), factors[0].ID); err != nil {
		t.Fatal(err)
	}
	if _, left, _ = r.Factors(ctx, u.ID); left != 0 {
		t.Errorf("%d recovery codes are left behind the last factor", left)
	}
	err = r.ChangePassword(ctx, with(e), goodPassword, "it@example.com")
	wantErr(t, "the address as password", err, access.ErrWeak)
	if err := r.ChangePassword(ctx, with(e), goodPassword, "another fine password"); err != nil {
		t.Fatal(err)
	}
	_, err = r.Password(ctx, from("192.0.2.1"), "it@example.com", goodPassword)
	wantErr(t, "the old password", err, access.ErrRefused)
}

// enrol adds a device to a person's account.
func (r *rig) enrol(key *accesstest.Passkey, e *access.Entered) []string {
	r.t.Helper()
	ctx := r.t.Context()
	name, o, err := r.BeginPasskeyEnrolment(ctx, with(e))
	if err != nil {
		r.t.Fatal(err)
	}
	_, codes, err := r.FinishPasskeyEnrolment(ctx, with(e), name, "key ring", key.Create(o))
	if err != nil {
		r.t.Fatal(err)
	}
	return codes
}

// present uses a device for a visit.
func (r *rig) present(ctx context.Context, key *accesstest.Passkey, v access.Visit) (*access.Entered, error) {
	r.t.Helper()
	name, o, err := r.BeginPasskey(ctx, v)
	if err != nil {
		return nil, err
	}
	return r.FinishPasskey(ctx, v, name, key.Get(o))
}

func TestPasskey(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		ctx, v := t.Context(), from("192.0.2.1")
		u := r.person("it@example.com", access.Admin)
		e := r.in("it@example.com")
		key := accesstest.NewPasskey(t)
		if codes := r.enrol(key, e); len(codes) != 10 {
			t.Errorf("got %d recovery codes", len(codes))
		}
		alone, err := r.present(ctx, key, v)
		if err != nil || r.caller(request(alone)) == nil || alone.Kind != access.KindPasskey || alone.User.ID != u.ID {
			t.Fatalf("alone: %+v, %v", alone, err)
		}
		half := r.in("it@example.com")
		done, err := r.present(ctx, key, with(half))
		if half.State != access.StateHalf || err != nil || r.caller(request(done)) == nil || done.Kind != access.KindPassword {
			t.Fatalf("behind the password: %+v, %v", done, err)
		}
		r.clock.add(time.Hour)
		confirmed, err := r.present(ctx, key, with(done))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Fresh(ctx, with(confirmed)); err != nil {
			t.Errorf("confirmed: %v", err)
		}
		passkeyRefusals(t, r, key)
	})
}

func passkeyRefusals(t *testing.T, r *rig, key *accesstest.Passkey) {
	t.Helper()
	ctx, v := t.Context(), from("192.0.2.1")
	name, o, err := r.BeginPasskey(ctx, v)
	if err != nil {
		t.Fatal(err)
	}
	answer := key.Get(o)
	if _, err := r.FinishPasskey(ctx, v, name, answer); err != nil {
		t.Fatal(err)
	}
	_, err = r.FinishPasskey(ctx, v, name, answer)
	wantErr(t, "the same answer again", err, access.ErrPasskey)

	stranger := *key
	stranger.Key = accesstest.NewPasskey(t).Key
	_, err = r.present(ctx, &stranger, v)
	wantErr(t, "a signature by another key", err, access.ErrPasskey)

	phished := *key
	phished.Origin = "https://console.example.com.evil.example"
	_, err = r.present(ctx, &phished, v)
	wantErr(t, "an answer given to another site", err, access.ErrPasskey)

	unlocked := *key
	unlocked.Flags = accesstest.UserPresent
	_, err = r.present(ctx, &unlocked, v)
	wantErr(t, "alone, without a finger or PIN", err, access.ErrPasskey)

	copied := *key
	copied.Count = 0
	_, err = r.present(ctx, &copied, v)
	wantErr(t, "a copy of the device", err, access.ErrPasskey)
}

func TestPasskeyIsNotOfferedWithoutHTTPS(t *testing.T) {
	t.Parallel()
	for public, want := range map[string]bool{"": false, "http://10.0.0.5:8025": false, "http://localhost:8025": true, "https://mail.example.com": true} {
		r := newRig(t, storetest.SQLite(t), func(o *access.Options) { o.Config.PublicURL = public })
		if got := r.Offer().Passkey; got != want {
			t.Errorf("at %q: %v, want %v", public, got, want)
		}
	}
}

// Secrets of second factors cannot be read from the database.
func TestFactorsAreEncrypted(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newRig(t, db, nil)
		r.person("it@example.com", access.Admin)
		secret, _ := r.app(r.in("it@example.com"))
		var sealed []byte
		if err := db.Reader().QueryRowContext(t.Context(), `SELECT sealed FROM access_factors`).Scan(&sealed); err != nil {
			t.Fatal(err)
		}
		if len(sealed) == 0 || string(sealed) == secret {
			t.Errorf("stored as %q", sealed)
		}
	})
}
