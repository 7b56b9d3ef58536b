package notify

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/crmclient"
)

const appSecret = "s3cr3t-of-the-app"

// office is the API of a vendor as its specification says, and strict: what it does not know fails the test.
type office struct {
	*httptest.Server
	t      *testing.T
	vendor config.NotifierType

	mu     sync.Mutex // guards all below
	tokens int
	live   string
	sent   []map[string]any
	fail   []any // answers of the next posts to people, in place of the vendor's own
}

func newOffice(t *testing.T, vendor config.NotifierType) *office {
	o := &office{t: t, vendor: vendor}
	o.Server = httptest.NewServer(o)
	t.Cleanup(o.Close)
	return o
}

func (o *office) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	raw, _ := io.ReadAll(r.Body)
	var body map[string]any
	if len(raw) > 0 && json.Unmarshal(raw, &body) != nil {
		o.t.Errorf("%s: not JSON", r.URL.Path)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	q, status := r.URL.Query(), http.StatusOK
	token := q.Get("access_token")
	if o.vendor == config.NotifyFeishu {
		token = strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	}
	var out any
	switch path := r.Method + " " + r.URL.Path; path {
	case "GET /gettoken", "GET /cgi-bin/gettoken":
		out = o.issue(q.Get("appkey")+q.Get("corpid"), q.Get("appsecret")+q.Get("corpsecret"))
	case "POST /open-apis/auth/v3/tenant_access_token/internal":
		out = o.issue(body["app_id"], body["app_secret"])
	default:
		switch {
		case token != o.live && o.vendor == config.NotifyFeishu:
			status, out = http.StatusBadRequest, map[string]any{"code": 99991663, "msg": "Invalid access token " + token}
		case token != o.live:
			out = map[string]any{"errcode": 42001, "errmsg": "access_token expired: " + token}
		case len(o.fail) > 0 && !strings.Contains(path, "/user/"):
			out, o.fail = o.fail[0], o.fail[1:]
		default:
			out = o.call(path, q.Get("receive_id_type"), body)
		}
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(out)
}

func (o *office) issue(id, secret any) any {
	if id != "app-1" || secret != appSecret {
		return map[string]any{"errcode": 40001, "errmsg": "bad secret", "code": 10014, "msg": "bad secret"}
	}
	o.tokens++
	o.live = "t0ken-" + strings.Repeat("x", o.tokens)
	return map[string]any{"errcode": 0, "code": 0, "access_token": o.live, "expires_in": 7200, "tenant_access_token": o.live, "expire": 7200}
}

func (o *office) call(path, kind string, body map[string]any) any {
	known := func(names ...string) {
		for name := range body {
			if !slices.Contains(names, name) {
				o.t.Errorf("%s: unknown key %q", path, name)
			}
		}
	}
	switch path {
	case "POST /topapi/v2/user/getbymobile":
		known("mobile")
		if body["mobile"] == "13800000001" {
			return map[string]any{"errcode": 0, "result": map[string]any{"userid": "ding-li"}}
		}
		return map[string]any{"errcode": 60121, "errmsg": "no such user"}
	case "POST /cgi-bin/user/getuserid":
		known("mobile")
		return map[string]any{"errcode": 0, "userid": "wx-" + body["mobile"].(string)}
	case "POST /cgi-bin/user/get_userid_by_email":
		known("email", "email_type")
		if body["email"] == "zhao@example.com" {
			return map[string]any{"errcode": 0, "userid": "wx-zhao"}
		}
		return map[string]any{"errcode": 46004, "errmsg": "no such user"}
	case "POST /topapi/message/corpconversation/asyncsend_v2":
		known("agent_id", "userid_list", "to_all_user", "msg")
		o.sent = append(o.sent, body)
		return map[string]any{"errcode": 0, "task_id": 1}
	case "POST /cgi-bin/message/send":
		known("touser", "msgtype", "agentid", "markdown", "enable_duplicate_check", "duplicate_check_interval")
		if content := body["markdown"].(map[string]any)["content"].(string); len(content) > 2048 {
			o.t.Errorf("content of %d bytes", len(content))
		}
		o.sent = append(o.sent, body)
		return map[string]any{"errcode": 0, "invaliduser": ""}
	case "POST /open-apis/im/v1/messages":
		known("receive_id", "msg_type", "content", "uuid")
		var card map[string]any
		if json.Unmarshal([]byte(body["content"].(string)), &card) != nil || kind != "open_id" && kind != "email" || len(body["uuid"].(string)) > 50 {
			o.t.Errorf("message: %v as %s", body, kind)
		}
		if body["receive_id"] == "nobody@example.com" {
			return map[string]any{"code": 230001, "msg": "no such receiver"}
		}
		body["kind"] = kind
		o.sent = append(o.sent, body)
		return map[string]any{"code": 0, "data": map[string]any{"message_id": "om_1"}}
	}
	o.t.Errorf("unknown call %s", path)
	return nil
}

func (o *office) channel(change func(*config.Notifier)) *Channel {
	o.t.Helper()
	yes := true
	cfg := config.Notifier{
		Name: "people", Type: o.vendor, AllowPrivate: &yes,
		People: map[string]string{"Wang@example.com": "user-wang", "li@example.com": "13800000001", "gone@example.com": "13800000009"},
		App:    config.NotifierApp{URL: o.URL, ID: "app-1", Secret: config.NewSecret(appSecret), Agent: 1000002, FindByEmail: true},
	}
	if change != nil {
		change(&cfg)
	}
	c, err := New(cfg, Deps{})
	if err != nil {
		o.t.Fatal(err)
	}
	o.t.Cleanup(func() { _ = c.Close() })
	return c
}

func personal(to ...string) Message {
	return Message{
		Key: "approval 7", Title: "Approve the quotation", Text: "SO1042 of Customer Ltd <b>", Facts: []Fact{{"Amount", "12,000"}},
		Links: []Link{{"Decide", "https://mail.example.com/a/7"}}, At: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC), To: to,
	}
}

func TestMessagesToPeople(t *testing.T) {
	t.Parallel()
	cases := map[config.NotifierType]struct {
		to      []string
		unknown []string
		where   func(map[string]any) string
		want    []string
	}{
		config.NotifyDingTalk: {
			[]string{"wang@example.com", "LI@example.com", "gone@example.com", "stranger@example.com"},
			[]string{"gone@example.com", "stranger@example.com"},
			func(m map[string]any) string { return m["userid_list"].(string) },
			[]string{"ding-li,user-wang"},
		},
		config.NotifyWeCom: {
			[]string{"wang@example.com", "li@example.com", "zhao@example.com", "stranger@example.com"},
			[]string{"stranger@example.com"},
			func(m map[string]any) string { return m["touser"].(string) },
			[]string{"wx-13800000001|user-wang|wx-zhao"},
		},
		config.NotifyFeishu: {
			[]string{"wang@example.com", "zhao@example.com", "nobody@example.com"},
			[]string{"nobody@example.com"},
			func(m map[string]any) string { return m["kind"].(string) + " " + m["receive_id"].(string) },
			[]string{"open_id user-wang", "email zhao@example.com"},
		},
	}
	for vendor, c := range cases {
		t.Run(string(vendor), func(t *testing.T) {
			t.Parallel()
			o := newOffice(t, vendor)
			channel := o.channel(nil)
			if !channel.Personal() {
				t.Error("it says that it reaches nobody")
			}
			err := channel.Send(t.Context(), personal(c.to...))
			var unknown *UnknownPeopleError
			if !errors.As(err, &unknown) || !slices.Equal(unknown.Addresses, c.unknown) || crmclient.ClassOf(err) != crmclient.ClassPermanent {
				t.Errorf("got %v, want those unknown: %q", err, c.unknown)
			}
			var got []string
			for _, m := range o.sent {
				got = append(got, c.where(m))
			}
			slices.Sort(got)
			if slices.Sort(c.want); !slices.Equal(got, c.want) {
				t.Errorf("sent to %q, want %q", got, c.want)
			}
			// A token that runs out is renewed, once, and what is sent again is the same to the byte.
			o.mu.Lock()
			first, tokens := o.sent, o.tokens
			o.live, o.sent = "another", nil
			o.mu.Unlock()
			if err := channel.Send(t.Context(), personal(c.to...)); !errors.As(err, &unknown) {
				t.Errorf("again: %v", err)
			}
			a, _ := json.Marshal(first)
			if b, _ := json.Marshal(o.sent); string(a) != string(b) || o.tokens != tokens+1 {
				t.Errorf("again: got %s with %d tokens, want %s", b, o.tokens-tokens, a)
			}
		})
	}
}

func TestRefusalsToPeople(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		vendor config.NotifierType
		answer any
		class  crmclient.Class
	}{
		"busy":           {config.NotifyDingTalk, map[string]any{"errcode": -1, "errmsg": "busy"}, crmclient.ClassRetry},
		"gateway":        {config.NotifyDingTalk, map[string]any{"errcode": 88, "sub_code": "60011", "sub_msg": "no right"}, crmclient.ClassConfiguration},
		"no code":        {config.NotifyDingTalk, map[string]any{}, crmclient.ClassRetry},
		"too often":      {config.NotifyWeCom, map[string]any{"errcode": 45009}, crmclient.ClassRate},
		"address":        {config.NotifyWeCom, map[string]any{"errcode": 60020}, crmclient.ClassConfiguration},
		"all unknown":    {config.NotifyWeCom, map[string]any{"errcode": 81013}, crmclient.ClassPermanent},
		"one unknown":    {config.NotifyWeCom, map[string]any{"errcode": 0, "invaliduser": "user-wang"}, crmclient.ClassPermanent},
		"too long":       {config.NotifyWeCom, map[string]any{"errcode": 45002}, crmclient.ClassPermanent},
		"feishu, often":  {config.NotifyFeishu, map[string]any{"code": 99991400, "msg": "frequency"}, crmclient.ClassRate},
		"feishu, no bot": {config.NotifyFeishu, map[string]any{"code": 230006}, crmclient.ClassConfiguration},
		"feishu, other":  {config.NotifyFeishu, map[string]any{"code": 9499}, crmclient.ClassPermanent},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOffice(t, c.vendor)
			o.fail = []any{c.answer}
			err := o.channel(nil).Send(t.Context(), personal("wang@example.com"))
			var unknown *UnknownPeopleError
			if crmclient.ClassOf(err) != c.class || errors.As(err, &unknown) != strings.HasSuffix(name, "unknown") {
				t.Errorf("got %v of class %q, want %q", err, crmclient.ClassOf(err), c.class)
			}
		})
	}
}

func TestWrongAppTellsNoSecret(t *testing.T) {
	t.Parallel()
	for _, vendor := range []config.NotifierType{config.NotifyDingTalk, config.NotifyWeCom, config.NotifyFeishu} {
		o := newOffice(t, vendor)
		c := o.channel(func(n *config.Notifier) { n.App.ID = "app-2" })
		for _, err := range []error{c.Send(t.Context(), personal("wang@example.com")), second(c.Check(t.Context()))} {
			if crmclient.ClassOf(err) != crmclient.ClassAuth || strings.Contains(err.Error(), appSecret) {
				t.Errorf("%s: got %v", vendor, err)
			}
		}
		good := o.channel(nil)
		if _, err := good.Check(t.Context()); err != nil {
			t.Errorf("%s: check: %v", vendor, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestWhoReachesWhom(t *testing.T) {
	t.Parallel()
	o := newOffice(t, config.NotifyWeCom)
	onlyPeople := o.channel(nil)
	m := personal()
	if err := onlyPeople.Send(t.Context(), m); crmclient.ClassOf(err) != crmclient.ClassConfiguration {
		t.Errorf("to a group without one: got %v", err)
	}
	onlyGroup := o.channel(func(n *config.Notifier) { n.App, n.URL = config.NotifierApp{}, config.NewSecret(o.URL) })
	if err := onlyGroup.Send(t.Context(), personal("wang@example.com")); !errors.Is(err, ErrNotPersonal) || onlyGroup.Personal() {
		t.Errorf("to people without an app: got %v", err)
	}
	if err := onlyPeople.Send(t.Context(), personal(make([]string, 101)...)); err != nil && crmclient.ClassOf(err) != crmclient.ClassPermanent {
		t.Errorf("too many: got %v", err)
	}
	long := personal("wang@example.com", "li@example.com", "zhao@example.com")
	long.Text = strings.Repeat("很长的一段话。", 2000)
	if err := onlyPeople.Send(t.Context(), long); err != nil {
		t.Errorf("long: %v", err)
	}
}

func FuzzAppAnswers(f *testing.F) {
	f.Add([]byte(`{"errcode":88,"sub_code":"1"}`))
	f.Add([]byte(`{"code":99991663,"msg":"x"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		a := &crmclient.Answer{Status: 200, Body: body}
		_, err1 := readOld(a, nil)
		_, err2 := readNew(a, nil)
		for _, err := range []error{err1, err2} {
			if err != nil && strings.ContainsAny(err.Error(), "\r\n") {
				t.Errorf("got %q", err)
			}
		}
	})
}
