package compose_test

import (
	"bytes"
	"fmt"
	"net/textproto"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"heliograph/hooks/automail/compose"
	"heliograph/internal/message"
)

// judge reads a mail as the gateway would.
func judge(t testing.TB, raw []byte, change func(*compose.Received)) compose.Verdict {
	t.Helper()
	head, err := compose.ReadHeader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	r := compose.Received{Header: head, Message: parse(t, raw), Mine: []string{"support@example.com"}, Own: []string{"robot@example.com"}, Signer: signer}
	if change != nil {
		change(&r)
	}
	return compose.Judge(r)
}

// TestJudge reads header sets of known programs. Each file begins with the verdict that is expected: "expect: answerable" or
// the codes of all reasons, and perhaps "path:" with the envelope's sender.
func TestJudge(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/judge/*.eml")
	if err != nil || len(files) < 35 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		about, raw, _ := bytes.Cut(data, []byte("\n\n"))
		var want []string
		path, enveloped := "", false
		for line := range strings.SplitSeq(string(about), "\n") {
			key, value, _ := strings.Cut(line, ":")
			switch key {
			case "expect":
				want = strings.Fields(value)
			case "path":
				path, enveloped = strings.TrimSpace(value), true
			}
		}
		if enveloped && path == "" {
			want = append(want, "null_path")
		}
		for _, parsed := range []bool{true, false} {
			got := judge(t, raw, func(r *compose.Received) {
				r.ReversePath, r.Enveloped = path, enveloped
				if !parsed {
					r.Message = nil
				}
			})
			codes := []string{}
			for _, reason := range got.Reasons {
				codes = append(codes, reason.Code)
				if reason.Zh == "" || reason.En == "" {
					t.Errorf("%s: %+v says nothing", file, reason)
				}
			}
			answerable := slices.Equal(want, []string{"answerable"})
			expected := slices.Clone(want)
			if answerable {
				expected = []string{}
			}
			slices.Sort(codes)
			slices.Sort(expected)
			expected = slices.Compact(expected)
			if parsed && (!slices.Equal(codes, expected) || got.Answerable != answerable) {
				t.Errorf("%s: got %v, want %v", file, codes, expected)
			}
			if !parsed && answerable && !got.Answerable {
				t.Errorf("%s without a parsed message: got %v, want answerable", file, codes)
			}
		}
	}
}

func TestJudgeFollows(t *testing.T) {
	t.Parallel()
	head := textproto.MIMEHeader{"From": {"li@customer.test"}, "References": {"<x@y.test> <hg.run1.a@example.com> <hg.run2.b@example.com>"}}
	if got := compose.Judge(compose.Received{Header: head}); got.Follows != "run2.b" || !got.Answerable {
		t.Errorf("got %+v", got)
	}
	head.Set("In-Reply-To", "<hg.run1.a@example.com>")
	if got := compose.Judge(compose.Received{Header: head}); got.Follows != "run1.a" {
		t.Errorf("got %+v", got)
	}
}

func TestJudgeOwn(t *testing.T) {
	t.Parallel()
	head := textproto.MIMEHeader{"From": {"Robot <ROBOT@example.com>"}, "Received": make([]string, 60)}
	got := compose.Judge(compose.Received{Header: head, Own: []string{"robot@example.com"}})
	if !got.Has("own_sender") || !got.Has("hops") || got.Answerable {
		t.Errorf("got %+v", got)
	}
	if got := compose.Judge(compose.Received{}); got.Answerable || !got.Has("no_sender") {
		t.Errorf("got %+v", got)
	}
}

// TestOurMailsAreNotAnswered composes mails of all kinds: no gateway answers them, ours or another, whatever a relay takes away
// of one sign.
func TestOurMailsAreNotAnswered(t *testing.T) {
	t.Parallel()
	other, err := compose.NewSigner([]byte("another gateway's own key 123456"))
	if err != nil {
		t.Fatal(err)
	}
	for name, msg := range goldens(t) {
		msg.To = []compose.Address{{Address: "support@example.com"}}
		msg.From = compose.Address{Address: "service@customer.test"}
		msg.Cause, msg.Signer = &compose.Cause{Run: "r", Rule: "ack", Depth: 1}, other
		raw, err := compose.Compose(msg)
		if err != nil {
			t.Fatal(err)
		}
		for _, lost := range []string{"", "Auto-Submitted", "X-Auto-Response-Suppress", compose.CauseHeader} {
			got := judge(t, raw, func(r *compose.Received) {
				r.Header.Del(lost)
				r.Message = nil
			})
			if got.Answerable {
				t.Errorf("%s without %s may be answered", name, lost)
			}
		}
		if got := judge(t, raw, nil); got.Ours || got.Cause == nil || got.Cause.Depth != 1 || got.Cause.Rule != "" || !got.Has("other_gateway") {
			t.Errorf("%s: got %+v", name, got)
		}
		if got := judge(t, raw, func(r *compose.Received) { r.Signer = other }); !got.Ours || got.Cause.Rule != "ack" || !got.Has("own_rule") {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}

// TestTwoGatewaysStop lets two gateways, each with a rule that answers everything it may, face each other.
func TestTwoGatewaysStop(t *testing.T) {
	t.Parallel()
	type gateway struct {
		address compose.Address
		signer  *compose.Signer
	}
	var sides [2]gateway
	for i, key := range []string{"key of the first gateway", "key of the second gateway"} {
		s, err := compose.NewSigner([]byte(key))
		if err != nil {
			t.Fatal(err)
		}
		sides[i] = gateway{compose.Address{Address: fmt.Sprintf("service@side%d.test", i)}, s}
	}
	for _, strip := range [][]string{nil, {"Auto-Submitted", "X-Auto-Response-Suppress"}, {compose.CauseHeader, "X-Auto-Response-Suppress"}} {
		raw := []byte("From: service@side1.test\r\nTo: service@side0.test\r\nSubject: hello\r\nMessage-ID: <a@side1.test>\r\n\r\nhello\r\n") // a person's
		sent := 0
		for ; sent < 20; sent++ {
			me, peer := sides[sent%2], sides[1-sent%2]
			head, err := compose.ReadHeader(bytes.NewReader(raw))
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range strip {
				head.Del(name)
			}
			came := parse(t, raw)
			v := compose.Judge(compose.Received{Header: head, Mine: []string{me.address.Address}, Signer: me.signer})
			if !v.Answerable {
				break
			}
			cause, err := compose.After(v.Cause, fmt.Sprint(sent), "ack", came.Key)
			if err != nil {
				t.Fatal(err)
			}
			msg := base()
			msg.ID, msg.Class, msg.From, msg.To = fmt.Sprint("run", sent), compose.Answer, me.address, []compose.Address{peer.address}
			msg.Original, msg.Cause, msg.Signer = compose.OriginalOf(came, nil), cause, me.signer
			if raw, err = compose.Compose(msg); err != nil {
				t.Fatal(err)
			}
		}
		if sent != 1 {
			t.Errorf("without %v: %d answers, want 1", strip, sent)
		}
	}
}

func TestCauseDepth(t *testing.T) {
	t.Parallel()
	var c *compose.Cause
	for i := range compose.MaxDepth {
		next, err := compose.After(c, "run", "rule", fmt.Sprint("m1-", i))
		if err != nil || next.Depth != i+1 || len(next.Chain) != i+1 {
			t.Fatalf("%d: %+v, %v", i, next, err)
		}
		c = next
	}
	if _, err := compose.After(c, "run", "rule", "m1-9"); err == nil {
		t.Error("deeper than allowed")
	}
	if _, err := compose.After(&compose.Cause{Depth: 1, Chain: []string{compose.HashKey("m1-1")}}, "run", "rule", "m1-1"); err == nil {
		t.Error("a message led to itself")
	}
}

func TestSigner(t *testing.T) {
	t.Parallel()
	c := compose.Cause{Run: "r 1;depth=9", Rule: "投诉", Depth: 2, Chain: []string{"00", "11"}}
	value := signer.Sign(c, "a@b.test")
	folded := strings.ReplaceAll(value, "; ", ";\r\n\t ")
	for _, v := range []string{value, folded} {
		if got, own := signer.Verify(v, "a@b.test"); !own || fmt.Sprint(got) != fmt.Sprint(c) {
			t.Errorf("got %+v, %v of %s", got, own, v)
		}
	}
	rotated, err := compose.NewSigner([]byte("a new key of more than 16"), signer.Key)
	if err != nil {
		t.Fatal(err)
	}
	if _, own := rotated.Verify(value, "a@b.test"); !own {
		t.Error("an earlier key is not known")
	}
	for name, v := range map[string]string{
		"other message": signer.Sign(c, "other@b.test"), "depth": strings.Replace(value, "depth=2", "depth=1", 1), "no mac": strings.Split(value, "; mac=")[0], "empty": "",
		"other key": (&compose.Signer{Key: []byte("0123456789abcdeX")}).Sign(c, "a@b.test"), "empty key": (&compose.Signer{}).Sign(c, "a@b.test"), "broken": value[:len(value)-1] + "!",
	} {
		if got, own := signer.Verify(v, "a@b.test"); own || got.Depth != 1 || got.Rule != "" || got.Chain != nil {
			t.Errorf("%s: got %+v, %v", name, got, own)
		}
	}
	if _, err := compose.NewSigner([]byte("short")); err == nil {
		t.Error("a short key is taken")
	}
	var none *compose.Signer
	if got, own := none.Verify(value, "a@b.test"); own || got.Depth != 1 {
		t.Errorf("got %+v, %v", got, own)
	}
}

func TestReadHeader(t *testing.T) {
	t.Parallel()
	h, err := compose.ReadHeader(strings.NewReader("From x@y Mon Mar 4\r\nSubject: a\r\n b\nbad line\nX : y\nfrom: z\r\n\r\nTo: body\r\n"))
	if err != nil || h.Get("Subject") != "a b" || h.Get("X") != "y" || h.Get("From") != "z" || len(h) != 3 {
		t.Errorf("got %v, %v", h, err)
	}
}

func FuzzJudge(f *testing.F) {
	files, _ := filepath.Glob("testdata/judge/*.eml")
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		_, raw, _ := bytes.Cut(data, []byte("\n\n"))
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		head, err := compose.ReadHeader(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		m, err := message.Parse(bytes.NewReader(raw), message.Options{MaxText: 4 << 10})
		if err != nil {
			t.Fatal(err)
		}
		v := compose.Judge(compose.Received{Header: head, Message: m, Mine: []string{"support@example.com"}, Signer: signer})
		if v.Answerable != (len(v.Reasons) == 0) || v.Ours {
			t.Fatalf("got %+v", v)
		}
		if v.Answerable && (m.Bulk || m.Report != "") {
			t.Fatalf("a bulk mail or report may be answered: %+v", m)
		}
	})
}
