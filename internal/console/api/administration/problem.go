package administration

import (
	"errors"
	"net/http"

	"heliograph/internal/console/access"
	"heliograph/internal/console/api"
)

// problems are the words for what package access says.
var problems = []struct {
	err     error
	problem *api.Error
}{
	{access.ErrUsePassword, api.Forbidden("use_password", "this person signs in with the console's own password")},
	{access.ErrRefused, api.Fail(http.StatusUnauthorized, "sign_in_refused", "address or password is wrong", "Try again. An administrator can make a link for a new password.")},
	{access.ErrCode, api.Fail(http.StatusUnauthorized, "code_refused", "the code is wrong or was used before", "Wait for the next code of the app, or use a recovery code.")},
	{access.ErrPasskey, api.Fail(http.StatusUnauthorized, "passkey_refused", "the passkey was not accepted", "Try again, or sign in otherwise.")},
	{access.ErrOver, api.Fail(http.StatusUnauthorized, "sign_in_expired", "this was not begun in this browser, or took too long", "Begin again.")},
	{access.ErrNotFresh, api.Forbidden("sign_in_again", "the sign-in is too long ago for this")},
	{access.ErrNobody, api.Forbidden("browser_only", "only a person at a browser can do this, no API token")},
	{access.ErrMailServer, api.Unavailable("mail_server_unavailable", "the mail server cannot check the password now", "Try again later.")},
	{access.ErrUnavailable, api.Unavailable("oidc_unavailable", "the company's sign-in cannot be reached", "Try again later, or sign in otherwise.")},
	{access.ErrNotOffered, api.NotFound("not_offered", "this way to sign in is not on offer")},
	{access.ErrLink, api.NotFound("link_invalid", "the link is unknown, was used, or is over")},
	{access.ErrWeak, api.Invalid("weak_password", "the password needs at least 12 characters, five of them different, and must not be the address or name",
		api.Field{Pointer: "/password", Code: "weak_password", Detail: "is too short or too simple", Remedy: "Use a few words."})},
	{access.ErrNoPassword, api.Conflict("no_password", "there is no local password to change", "Ask an administrator for a link that sets one.")},
	{access.ErrHasTOTP, api.Conflict("has_totp", "there is an authenticator app already", "Remove it first.")},
	{access.ErrNoFactor, api.Conflict("no_second_factor", "there is no second factor to recover", "Add one first.")},
	{access.ErrTooMany, api.Conflict("too_many", "there are too many already", "Remove some first.")},
	{access.ErrNotYours, api.Invalid("not_yours", "a token can do only what its owner may, and cannot make tokens",
		api.Field{Pointer: "/permissions", Code: "not_yours", Detail: "has what you may not do"})},
	{access.ErrExpiry, api.Invalid("bad_expiry", "a token ends in the future, within 2 years", api.Field{Pointer: "/expires_at", Code: "bad_expiry", Detail: "is past, or more than 2 years away"})},
	{access.ErrAddress, api.Invalid("bad_address", "this is no mail address", api.Field{Code: "bad_address", Pointer: "/email", Detail: "is no mail address", Remedy: "Write it as name@example.com."})},
	{access.ErrScope, api.Invalid("bad_scope", "people with this role cannot have this scope", api.Field{Pointer: "/scope", Code: "bad_scope", Detail: "does not go with the role"})},
	{access.ErrLastAdmin, api.Conflict("last_admin", "this is the last active admin", "Make somebody else an admin first.")},
	{access.ErrNoPerson, api.Invalid("unknown_person", "somebody in the team is not among the people")},
	{access.ErrChanged, api.Fail(http.StatusPreconditionFailed, "changed_meanwhile", "somebody changed this meanwhile", "Read it again, and repeat your change if it is still wanted.")},
	{access.ErrNotFound, api.NotFound("not_found", "there is no such thing")},
}

// problem puts an error into words.
func problem(err error) error {
	if err == nil {
		return nil
	}
	var limited *access.LimitError
	if errors.As(err, &limited) {
		e := api.Fail(http.StatusTooManyRequests, "too_many_failures", "too many failures, from here or for this account", "Wait, then try again.")
		e.RetryAfter = limited.Wait
		return e
	}
	for _, p := range problems {
		if errors.Is(err, p.err) {
			return p.problem.Because(err)
		}
	}
	return err
}
