package watch

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
)

// lostError says that the connection is of no use any more.
type lostError struct {
	err error
	bye string // the server's last words
}

func (e *lostError) Error() string {
	if e.bye != "" {
		return "connection lost: the mail server said " + quote(e.bye)
	}
	return "connection lost: " + e.err.Error()
}

func (e *lostError) Unwrap() error { return e.err }

var (
	errSilent  = errors.New("the mail server said nothing for too long")
	errHungUp  = errors.New("the mail server hung up")
	errTooMuch = errors.New("the mail server sent far more than was asked for")
)

// boxError says that one mailbox cannot be watched; the others can.
type boxError struct{ text string }

func (e *boxError) Error() string { return e.text }

// waitError asks for a pause without the connection.
type waitError struct {
	wait time.Duration
	text string
}

func (e *waitError) Error() string { return e.text }

// quote makes words of a server fit into a line.
func quote(text string) string {
	const most = 300 // as much as explains; the rest is decoration
	text = strings.ToValidUTF8(text, "�")
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return strconv.Quote(text)
}

// brake is a way in which a provider slows clients down, and how long it is left alone then.
type brake struct {
	words  string // in lower case
	pause  time.Duration
	fewer  bool // one connection fewer helps
	unsure bool // the words also stand for a refused password
	why    string
}

// brakes are the words of providers, the more special ones first. The pauses are from their documents where these say any.
var brakes = []brake{
	{words: "too many simultaneous connections", pause: 5 * time.Minute, fewer: true, why: "the provider allows fewer connections"},
	{words: "maximum number of connections", pause: 5 * time.Minute, fewer: true, why: "the provider allows fewer connections"},
	{words: "bandwidth limits", pause: 2 * time.Hour, why: "the provider's daily volume of this mailbox is used up"},
	{words: "overquota", pause: 2 * time.Hour, why: "the provider's daily volume of this mailbox is used up"},
	// Known of Outlook and Exchange Online; not a wrong password, and tries make it last longer.
	{words: "authenticated but not connected", pause: 15 * time.Minute, why: "IMAP is switched off for the mailbox, or the application has no right to it"},
	{words: "request is throttled", pause: time.Minute, why: "the provider slows this mailbox down"},
	// QQ says the same words for six causes, and prolongs the block with each try within 15 minutes.
	{words: "login frequency limited", pause: 15 * time.Minute, unsure: true, why: "the provider refuses logins: IMAP is not switched on, the authorization code is wrong, or there were too many logins"},
	{words: "too much fail authentication", pause: 15 * time.Minute, unsure: true, why: "the provider refuses logins for a while after wrong ones"},
	{words: "unsafe login", pause: 15 * time.Minute, why: "the provider did not take the gateway's ID: set provider of the upstream, so that it is sent"},
	{words: "mi:stc", pause: 12 * time.Hour, why: "the provider's daily limit of connections is used up"},
	{words: "hl:icc", pause: 15 * time.Minute, fewer: true, why: "the provider allows fewer connections"},
	{words: "hl:ifc", pause: 15 * time.Minute, why: "the provider limits this machine"},
	{words: "hl:rep", pause: 15 * time.Minute, why: "the provider limits this machine"},
	{words: "ip frequency limited", pause: 15 * time.Minute, why: "the provider limits this machine"},
	{words: "connection denied", pause: 15 * time.Minute, why: "the provider limits this machine"},
	{words: "too frequently", pause: 15 * time.Minute, why: "the provider limits this mailbox"},
	{words: "throttl", pause: time.Minute, why: "the provider slows this mailbox down"},
}

// suggested is how Exchange names a pause.
var suggested = regexp.MustCompile(`(?i)suggested backoff time: *([0-9]{1,10}) *(milli)?seconds`)

// maxSuggested bounds what we let a server suggest.
const maxSuggested = 6 * time.Hour

// brakeOf finds a provider's brake in its words.
func brakeOf(text string) (brake, bool) {
	if m := suggested.FindStringSubmatch(text); m != nil {
		n, err := strconv.ParseInt(m[1], 10, 64)
		unit := time.Second
		if m[2] != "" {
			unit = time.Millisecond
		}
		if err == nil && n < int64(maxSuggested/unit) {
			return brake{pause: max(time.Second, time.Duration(n)*unit), why: "the provider slows this mailbox down"}, true
		}
		return brake{pause: maxSuggested, why: "the provider slows this mailbox down"}, true
	}
	lower := strings.ToLower(text)
	for _, b := range brakes {
		if strings.Contains(lower, b.words) {
			return b, true
		}
	}
	return brake{}, false
}

// passing reports whether a refusal may pass by itself (RFC 5530, 3).
func passing(no *imap.Error) bool {
	switch no.Code {
	case imap.ResponseCodeUnavailable, imap.ResponseCodeInUse, imap.ResponseCodeServerBug, imap.ResponseCodeLimit, "THROTTLED", "OVERQUOTA":
		return true
	}
	_, slow := brakeOf(no.Text)
	return slow
}

// words are what a server said in an error, for brakeOf; empty where it said nothing.
func words(err error) string {
	var no *imap.Error
	var lost *lostError
	switch {
	case errors.As(err, &no):
		return fmt.Sprintf("[%s] %s", no.Code, no.Text)
	case errors.As(err, &lost):
		return lost.bye
	}
	return ""
}
