package imapd_test

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"heliograph/internal/journal"
	"heliograph/internal/uidset"
)

// count reads "* n WORD rest". By hand: regular expressions would be most of what this test does.
func count(l string) (n int, word, rest string, ok bool) {
	text, ok := strings.CutPrefix(l, "* ")
	digits, text, found := strings.Cut(text, " ")
	n, err := strconv.Atoi(digits)
	if !ok || !found || err != nil {
		return 0, "", "", false
	}
	end := strings.IndexAny(text, " \r")
	if end < 0 {
		end = len(text)
	}
	return n, text[:end], text[end:], true
}

// item returns what follows a name of FETCH items.
func item(items, name string) (rest string, ok bool) {
	for _, before := range []string{" ", "("} {
		if _, rest, ok = strings.Cut(items, before+name+" "); ok {
			return rest, true
		}
	}
	return "", false
}

func uidItem(items string) uint32 {
	rest, ok := item(items, "UID")
	if !ok {
		return 0
	}
	end := strings.IndexAny(rest, " )")
	uid, err := strconv.ParseUint(rest[:max(end, 0)], 10, 32)
	if err != nil {
		return 0
	}
	return uint32(uid)
}

func flagsItem(items string) (flags string, ok bool) {
	rest, ok := item(items, "FLAGS")
	if !ok || !strings.HasPrefix(rest, "(") {
		return "", false
	}
	flags, _, ok = strings.Cut(rest[1:], ")")
	return sortedFlags(flags), ok
}

// untagged moves the client's view.
func (x *torture) untagged(l string) {
	if rest, ok := strings.CutPrefix(l, "* VANISHED "); ok {
		x.vanished(strings.TrimSpace(rest))
		return
	}
	if x.selecting && (strings.Contains(l, "[CLOSED]") || strings.HasPrefix(l, "* FLAGS")) {
		x.view, x.selecting = nil, false // what came before was about the mailbox before
	}
	n, word, _, ok := count(l)
	if !ok {
		if strings.HasPrefix(l, "* BYE") {
			x.fail("the server said %q", l)
		}
		return
	}
	switch word {
	case "EXISTS":
		if n < len(x.view) {
			x.fail("EXISTS %d with %d messages", n, len(x.view))
		}
		x.view = append(x.view, make([]message, n-len(x.view))...)
	case "EXPUNGE":
		if n < 1 || n > len(x.view) || x.seqOnly {
			x.fail("%q with %d messages, while nothing may be expunged: %v", l, len(x.view), x.seqOnly)
		}
		x.view = slices.Delete(x.view, n-1, n)
	case "FETCH":
		if n < 1 || n > len(x.view) {
			x.fail("%q with %d messages", l, len(x.view))
		}
		x.fetched(&x.view[n-1], l)
	}
}

func (x *torture) fetched(m *message, l string) {
	head, _, _ := strings.Cut(l, "\r\n")
	if strings.Contains(head, "BODY[") && !x.asked {
		x.fail("a body that was not asked for: %q", head)
	}
	if uid := uidItem(head); uid != 0 {
		if m.uid != 0 && m.uid != uid {
			x.fail("UID %d became %d", m.uid, uid)
		}
		m.uid = uid
	}
	if flags, ok := flagsItem(head + l[max(0, len(l)-300):]); ok {
		m.flags = flags
	}
}

func sortedFlags(list string) string {
	flags := strings.Fields(strings.ReplaceAll(list, `\Recent`, ""))
	slices.Sort(flags)
	return strings.Join(append(flags, "."), " ")
}

func (x *torture) vanished(text string) {
	if strings.HasPrefix(text, "(EARLIER)") {
		return
	}
	set, err := uidset.Parse(text)
	if err != nil {
		x.fail("VANISHED %q: %v", text, err)
	}
	if x.seqOnly {
		x.fail("VANISHED while nothing may be expunged")
	}
	for uid := range set.All() {
		i := slices.IndexFunc(x.view, func(m message) bool { return m.uid == uid })
		if i < 0 {
			i = slices.IndexFunc(x.view, func(m message) bool { return m.uid == 0 })
		}
		if i < 0 {
			x.fail("UID %d vanished and was not there", uid)
		}
		x.view = slices.Delete(x.view, i, i+1)
	}
}

// check compares the client's view with that of a session without gateway.
func (x *torture) check() {
	x.batch([]string{"NOOP"})
	if i := slices.IndexFunc(x.view, func(m message) bool { return m.uid == 0 || m.flags == "" }); i >= 0 {
		x.batch([]string{fmt.Sprintf("FETCH %d:* (UID FLAGS)", i+1)})
	}
	x.direct(x.observer, "NOOP")
	var truth []message
	for _, l := range x.observer.ok("UID FETCH 1:* (FLAGS)") {
		if _, word, items, ok := count(l); ok && word == "FETCH" {
			flags, _ := flagsItem(items)
			truth = append(truth, message{uidItem(items), flags})
		}
	}
	if !slices.Equal(x.view, truth) {
		x.fail("the client's view\n%v\nis not the truth\n%v", x.view, truth)
	}
}

// captured waits until nothing is missing, and compares the bytes.
func (x *torture) captured() {
	var lines []string
	var last time.Time
	var missing string
	defer func() {
		if missing != "" {
			x.Logf("%s, seed %d: UIDs %s of %v are missing; there are %v", x.name, x.seed, missing, lines, x.view)
		}
	}()
	x.world.eventually(x.name+" is captured", func() bool {
		if time.Since(last) > time.Second { // the gateway waits for a client that talks all the time
			x.batch([]string{"NOOP"})
			last = time.Now()
		}
		lines = x.observer.ok("STATUS %s (UIDNEXT UIDVALIDITY)", x.name)
		m := regexp.MustCompile(`UIDNEXT (\d+) UIDVALIDITY (\d+)`).FindStringSubmatch(strings.Join(lines, ""))
		next, _ := strconv.ParseUint(m[1], 10, 32)
		var all uidset.Set
		all.Add(1, uint32(next)-1)
		states, err := x.world.journal.Mailboxes(x.Context(), journal.MailboxFilter{Mailbox: x.name})
		must(x.T, err)
		for _, s := range states {
			for _, set := range s.Sets {
				all = all.Sub(set)
			}
		}
		missing = all.String()
		return len(states) == 1 && all.Empty()
	})
	missing = ""
	x.bodies()
}

func (x *torture) bodies() {
	seen := map[uint32]journal.Entry{}
	filter := journal.Filter{State: journal.StateConfirmed, Limit: 1000}
	for {
		entries, err := x.world.journal.Entries(x.Context(), filter)
		must(x.T, err)
		if len(entries) == 0 {
			break
		}
		for _, e := range entries {
			filter.Before = e.ID
			if e.Mailbox != x.name {
				continue
			}
			uid := max(e.UID, e.Verdict.UID)
			if first, twice := seen[uid]; twice && uid != 0 {
				x.fail("UID %d was captured twice:\n%+v\n%+v", uid, e, first)
			}
			seen[uid] = e
			body := readBody(x.T, x.world.journal, e)
			id, _, _ := strings.Cut(strings.TrimPrefix(string(body), "X-Test: "), "\r\n")
			if want, ok := x.sent[id]; !ok || !bytes.Equal(body, want) {
				x.fail("UID %d of %q was captured with %d bytes, want %d", uid, id, len(body), len(want))
			}
		}
	}
	if len(seen) == 0 {
		x.fail("nothing was captured")
	}
}
