package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/internal/limit"
)

// robot is a vendor that keeps what is posted. Its answer can be changed.
type robot struct {
	*httptest.Server
	t      *testing.T
	kind   config.NotifierType
	mu     sync.Mutex // guards the rest
	posts  []map[string]any
	raw    []string
	heads  []http.Header
	answer func(w http.ResponseWriter) // nil: success
}

const (
	key     = "k3y-in-the-address"
	secret  = "SECabc123"
	wangID  = "13800000000"
	feishuO = "ou_wang"
)

// paths, queries and bounds as the vendors document them.
var vendors = map[config.NotifierType]struct {
	path, query string
	most        int // bytes of a body
	ok          string
}{
	config.NotifyDingTalk: {"/robot/send", "access_token=" + key, 20_000, `{"errcode":0,"errmsg":"ok"}`},
	config.NotifyWeCom:    {"/cgi-bin/webhook/send", "key=" + key, 8_000, `{"errcode":0,"errmsg":"ok"}`},
	config.NotifyFeishu:   {"/open-apis/bot/v2/hook/" + key, "", 20 << 10, `{"code":0,"msg":"success","data":{},"StatusCode":0,"StatusMessage":"success"}`},
	config.NotifySlack:    {"/services/T1/B1/" + key, "", 40_000, "ok"},
	config.NotifyTeams:    {"/workflows/1/triggers/manual/paths/invoke", "api-version=2016-06-01&sig=" + key, 28 << 10, ""},
	config.NotifyWebhook:  {"/hook/" + key, "", 1 << 20, "{}"},
}

func newRobot(t *testing.T, kind config.NotifierType) *robot {
	t.Helper()
	r := &robot{t: t, kind: kind}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

func (r *robot) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	v := vendors[r.kind]
	body, err := io.ReadAll(req.Body)
	if err != nil {
		r.t.Error(err)
	}
	if req.Method != http.MethodPost || req.URL.Path != v.path || !strings.HasPrefix(req.Header.Get("Content-Type"), "application/json") {
		r.t.Errorf("%s %s %s", req.Method, req.URL.Path, req.Header.Get("Content-Type"))
	}
	if v.query != "" && !strings.HasPrefix(req.URL.Query().Encode()+"&"+req.URL.RawQuery, v.query) {
		r.t.Errorf("query %q", req.URL.RawQuery)
	}
	if len(body) > v.most {
		r.t.Errorf("a post of %d bytes, at most %d are allowed", len(body), v.most)
	}
	var post map[string]any
	if err := json.Unmarshal(body, &post); err != nil {
		r.t.Errorf("%v in %s", err, body)
	}
	if r.kind == config.NotifyDingTalk {
		stamp := req.URL.Query().Get("timestamp")
		ms, _ := strconv.ParseInt(stamp, 10, 64)
		if req.URL.Query().Get("sign") != dingtalkSign(stamp, secret) || time.Since(time.UnixMilli(ms)).Abs() > time.Hour {
			r.t.Errorf("signature of %q", req.URL.RawQuery)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.posts, r.raw, r.heads = append(r.posts, post), append(r.raw, string(body)), append(r.heads, req.Header)
	if r.answer != nil {
		r.answer(w)
		return
	}
	if r.kind == config.NotifyTeams {
		w.WriteHeader(http.StatusAccepted)
	}
	_, _ = io.WriteString(w, v.ok)
}

func (r *robot) answers(status int, body string, header ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = func(w http.ResponseWriter) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func (r *robot) got() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.raw)
}

// section is the configuration of a channel to the robot.
func (r *robot) section() config.Notifier {
	v := vendors[r.kind]
	u := r.URL + v.path
	if v.query != "" {
		u += "?" + v.query
	}
	n := config.Notifier{Name: "ops", Type: r.kind, URL: config.NewSecret(u), People: map[string]string{"wang@example.com": wangID}}
	switch r.kind {
	case config.NotifyDingTalk, config.NotifyFeishu, config.NotifyWebhook:
		n.Secret = config.NewSecret(secret)
	case config.NotifySlack, config.NotifyTeams, config.NotifyWeCom:
	}
	if r.kind == config.NotifyFeishu {
		n.People["wang@example.com"] = feishuO
	}
	return n
}

func (r *robot) open(d Deps) *Channel {
	r.t.Helper()
	c, err := New(r.section(), d)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		if err := c.Close(); err != nil {
			r.t.Error(err)
		}
	})
	return c
}

func eachVendor(t *testing.T, f func(t *testing.T, r *robot)) {
	t.Helper()
	for kind := range vendors {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			f(t, newRobot(t, kind))
		})
	}
}

func sample() Message {
	return Message{
		Key: "alarm-1", Level: Critical, Title: "目标 crm 需要处理", Text: "20 deliveries failed.\n上海办公室",
		Facts: []Fact{{"失败", "20"}, {"Since", "09:00"}}, Links: []Link{{"Open", "https://gw.example.com/targets/crm"}},
		Mentions: []string{"Wang@example.com", "li@example.com"}, At: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC),
	}
}

func TestSend(t *testing.T) {
	t.Parallel()
	eachVendor(t, func(t *testing.T, r *robot) {
		c := r.open(Deps{})
		if err := c.Send(t.Context(), sample()); err != nil {
			t.Fatal(err)
		}
		got := r.got()
		if len(got) != 1 {
			t.Fatalf("%d posts", len(got))
		}
		want := []string{"目标 crm 需要处理", "20 deliveries failed.", "上海办公室", "失败", "09:00", "https://gw.example.com/targets/crm", "li@example.com"}
		switch r.kind {
		case config.NotifyDingTalk:
			want = append(want, "@"+wangID, `"atMobiles":["`+wangID+`"]`, `"msgtype":"markdown"`)
		case config.NotifyWeCom:
			want = append(want, "<@"+wangID+">", `"msgtype":"markdown"`)
		case config.NotifyFeishu:
			want = append(want, "<at id="+feishuO+"></at>", `"msg_type":"interactive"`, `"template":"red"`, `"sign":"`)
		case config.NotifySlack:
			want = append(want, "<@"+wangID+">")
		case config.NotifyTeams:
			want = append(want, `"contentType":"application/vnd.microsoft.card.adaptive"`, "Wang@example.com")
		case config.NotifyWebhook:
			want = append(want, `"id":"alarm-1"`, `"level":"critical"`, "Wang@example.com")
			h := http.Header{}
			at, _ := strconv.ParseInt(r.heads[0].Get(crmclient.WebhookTimestampHeader), 10, 64)
			crmclient.SignWebhook(h, [][]byte{[]byte(secret)}, crmclient.WebhookID("alarm-1"), time.Unix(at, 0), []byte(got[0]))
			for name := range h {
				if h.Get(name) != r.heads[0].Get(name) {
					t.Errorf("%s: %q, want %q", name, r.heads[0].Get(name), h.Get(name))
				}
			}
		}
		for _, w := range want {
			if !strings.Contains(got[0], w) {
				t.Errorf("%q is not in %s", w, got[0])
			}
		}
	})
}

// TestStrangersWriteNoMarkup: what a customer wrote into a subject is a text in each vendor's post.
func TestStrangersWriteNoMarkup(t *testing.T) {
	t.Parallel()
	const evil = "[click](https://evil.example) <@all> <at id=all></at> <!channel> **b** # h `c` <https://evil.example|x> @all"
	eachVendor(t, func(t *testing.T, r *robot) {
		m := Message{
			Title: evil + "\n# second line", Text: "# " + evil + "\n- " + evil, Facts: []Fact{{evil, evil}},
			Links: []Link{{evil, "javascript:alert(1)"}, {"x](y", "https://ok.example/(a) b"}},
		}
		if err := r.open(Deps{}).Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		post := r.got()[0]
		if strings.Contains(post, "javascript") {
			t.Errorf("a link to a script: %s", post)
		}
		var markup []string // texts in which the vendor looks for markup
		walk(r.posts[0], func(path string, node map[string]any) {
			tag, _ := node["tag"].(string)
			kind, _ := node["type"].(string)
			for name, value := range node {
				s, ok := value.(string)
				if !ok || tag == "plain_text" || kind == "plain_text" || r.kind == config.NotifyWebhook || r.kind == config.NotifyTeams && kind == "Action.OpenUrl" {
					continue
				}
				if name == "text" || name == "content" || name == "value" || name == "title" {
					markup = append(markup, s)
				}
			}
		})
		for _, s := range markup {
			for _, bad := range []string{"](https://evil", "<@all>", "<at id=all", "<!channel", "<https://evil", "**b**", "`c`", "\n# "} {
				if strings.Contains(s, bad) {
					t.Errorf("%q is markup in %q", bad, s)
				}
			}
		}
		if r.kind == config.NotifyDingTalk && strings.Contains(post, `"isAtAll":true`) {
			t.Error("everybody is mentioned")
		}
	})
}

func walk(node any, visit func(string, map[string]any)) {
	switch n := node.(type) {
	case map[string]any:
		visit("", n)
		for _, v := range n {
			walk(v, visit)
		}
	case []any:
		for _, v := range n {
			walk(v, visit)
		}
	}
}

func TestLongMessagesFit(t *testing.T) {
	t.Parallel()
	eachVendor(t, func(t *testing.T, r *robot) {
		m := Message{Title: strings.Repeat("标题", 500), Text: strings.Repeat("很长的正文🙂\"\\ <b>\n", 5000)}
		for i := range 100 {
			m.Facts = append(m.Facts, Fact{fmt.Sprint("f", i), strings.Repeat("值", 1000)})
			m.Links = append(m.Links, Link{"l", "https://example.com/" + strings.Repeat("x", 900)})
			m.Mentions = append(m.Mentions, fmt.Sprintf("%d@example.com", i))
		}
		if err := r.open(Deps{}).Send(t.Context(), m); err != nil {
			t.Fatal(err) // the robot checks the length
		}
		if !strings.Contains(r.got()[0], "标题") {
			t.Error("the title is gone")
		}
	})
}

// TestDigest: what comes faster than the vendor allows goes together, nothing is lost, and each sender learns what became of it.
func TestDigest(t *testing.T) {
	t.Parallel()
	eachVendor(t, func(t *testing.T, r *robot) {
		c := r.open(Deps{Limiter: &stingy{free: 1}})
		const n = 25
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				if err := c.Send(t.Context(), Message{Key: fmt.Sprint(i), Title: fmt.Sprintf("No%dx", i), Text: strings.Repeat("字", 300)}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		posts := r.got()
		all := strings.Join(posts, "\n")
		for i := range n {
			if !strings.Contains(all, fmt.Sprintf("No%dx", i)) {
				t.Errorf("message %d was not posted", i)
			}
		}
		if r.kind != config.NotifyWebhook && len(posts) >= n {
			t.Errorf("%d posts for %d messages", len(posts), n)
		}
	})
}

// stingy allows a few posts at once, the others only after a moment.
type stingy struct {
	limit.Limiter
	mu   sync.Mutex
	free int
	next time.Time
}

func (s *stingy) Allow(context.Context, string, limit.Rate, int) (limit.Decision, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.free > 0 {
		s.free--
		return limit.Decision{Allowed: true}, nil
	}
	if wait := time.Until(s.next); wait > 0 {
		return limit.Decision{RetryAfter: wait}, nil
	}
	s.next = time.Now().Add(10 * time.Millisecond)
	return limit.Decision{Allowed: true}, nil
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	type answer struct {
		status int
		body   string
		class  crmclient.Class
		remedy string
		wait   time.Duration
	}
	const conf = crmclient.ClassConfiguration
	cases := map[config.NotifierType][]answer{
		config.NotifyDingTalk: {
			{200, `{"errcode":310000,"errmsg":"sign not match"}`, conf, "加签", 0},
			{200, `{"errcode":300001,"errmsg":"token is not exist"}`, conf, "webhook address", 0},
			{200, `{"errcode":400102,"errmsg":"robot stopped"}`, conf, "机器人", 0},
			{200, `{"errcode":130101,"errmsg":"send too fast"}`, crmclient.ClassRate, "", 10 * time.Minute},
			{200, `{"status":1111,"punish":"deny","wait":5}`, crmclient.ClassRate, "", time.Minute},
			{200, `{"errcode":-1,"errmsg":"系统繁忙"}`, crmclient.ClassRetry, "", 30 * time.Second},
			{200, `{"errcode":40035,"errmsg":"缺少参数"}`, crmclient.ClassPermanent, "", 0},
			{200, `{}`, crmclient.ClassRetry, "", 0},
			{200, `<html>`, crmclient.ClassRetry, "", 0},
			{502, ``, crmclient.ClassRetry, "", 0},
		},
		config.NotifyWeCom: {
			{200, `{"errcode":93000,"errmsg":"invalid webhook url"}`, conf, "群机器人", 0},
			{200, `{"errcode":45009,"errmsg":"api freq out of limit"}`, crmclient.ClassRate, "", time.Minute},
			{200, `{"errcode":60020,"errmsg":"not allow to access from your ip"}`, conf, "可信IP", 0},
			{200, `{"errcode":-1,"errmsg":"busy"}`, crmclient.ClassRetry, "", 0},
			{200, `{"errcode":45002,"errmsg":"too long"}`, crmclient.ClassPermanent, "", 0},
		},
		config.NotifyFeishu: {
			{200, `{"code":19021,"msg":"sign match fail or timestamp is not within one hour from current time"}`, conf, "签名校验", 0},
			{400, `{"code":19024,"msg":"Key Words Not Found"}`, conf, "自定义关键词", 0},
			{200, `{"code":11232,"msg":"frequency limited"}`, crmclient.ClassRate, "", time.Minute},
			{400, `{"code":9499,"msg":"Bad Request"}`, crmclient.ClassPermanent, "", 0},
			{200, `{"StatusCode":19022,"StatusMessage":"Ip Not Allowed"}`, conf, "白名单", 0},
			{500, ``, crmclient.ClassRetry, "", 0},
		},
		config.NotifySlack: {
			{404, "no_service", conf, "Incoming Webhooks", 0},
			{403, "invalid_token", conf, "Incoming Webhooks", 0},
			{410, "channel_is_archived", conf, "Incoming Webhooks", 0},
			{400, "invalid_blocks", crmclient.ClassPermanent, "", 0},
			{200, "not ok", crmclient.ClassPermanent, "", 0},
			{500, "rollup_error", crmclient.ClassRetry, "", 0},
		},
		config.NotifyTeams: {
			{401, "", conf, "anyone", 0},
			{404, "", conf, "deleted", 0},
			{413, "", crmclient.ClassPermanent, "", 0},
			{503, "", crmclient.ClassRetry, "", 0},
		},
		config.NotifyWebhook: {
			{409, "", "", "", 0},
			{500, "", crmclient.ClassRetry, "", 0},
			{410, "", conf, "", 0},
		},
	}
	for kind, answers := range cases {
		for _, a := range answers {
			t.Run(fmt.Sprintf("%s %d %s", kind, a.status, a.body), func(t *testing.T) {
				t.Parallel()
				var logs logBuffer
				r := newRobot(t, kind)
				r.answers(a.status, strings.ReplaceAll(a.body, `"errmsg":"`, `"errmsg":"`+key+" "+secret))
				err := r.open(Deps{Logger: slog.New(slog.NewJSONHandler(&logs, &slog.HandlerOptions{Level: slog.LevelDebug}))}).Send(t.Context(), sample())
				if got := crmclient.ClassOf(err); got != a.class {
					t.Errorf("class %q of %v, want %q", got, err, a.class)
				}
				if got := crmclient.RetryAfter(err); got != a.wait {
					t.Errorf("wait %s, want %s", got, a.wait)
				}
				if e := new(crmclient.Error); a.remedy != "" && (!errors.As(err, &e) || !strings.Contains(e.Remedy, a.remedy)) {
					t.Errorf("%+v has no remedy with %q", err, a.remedy)
				}
				for _, s := range []string{key, r.section().Secret.Reveal()} {
					if s != "" && (strings.Contains(fmt.Sprintf("%+v", err), s) || strings.Contains(logs.String(), s)) {
						t.Errorf("a secret is in %v or %s", err, logs.String())
					}
				}
			})
		}
	}
}

type logBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestClosing(t *testing.T) {
	t.Parallel()
	r := newRobot(t, config.NotifySlack)
	c, err := New(r.section(), Deps{Limiter: never{}})
	if err != nil {
		t.Fatal(err)
	}
	result := make(chan error)
	go func() { result <- c.Send(context.Background(), sample()) }()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Send(ctx, sample()); crmclient.ClassOf(err) != crmclient.ClassRetry {
		t.Errorf("who gave up got %v", err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if err := <-result; crmclient.ClassOf(err) != crmclient.ClassRetry {
		t.Errorf("who waited got %v", err)
	}
	if err := c.Send(t.Context(), sample()); crmclient.ClassOf(err) != crmclient.ClassRetry {
		t.Errorf("who came later got %v", err)
	}
	if len(r.got()) != 0 {
		t.Error("something was posted")
	}
}

type never struct{ limit.Limiter }

func (never) Allow(context.Context, string, limit.Rate, int) (limit.Decision, error) {
	return limit.Decision{RetryAfter: time.Hour}, nil
}

func TestTooManyWait(t *testing.T) {
	t.Parallel()
	r := newRobot(t, config.NotifySlack)
	c := r.open(Deps{Limiter: never{}})
	var wg sync.WaitGroup
	results := make(chan error, maxWaiting+50)
	ctx, cancel := context.WithCancel(t.Context())
	for range maxWaiting + 50 {
		wg.Go(func() { results <- c.Send(ctx, Message{Title: "x"}) })
	}
	refused := <-results // only who is refused returns
	if crmclient.ClassOf(refused) != crmclient.ClassRate {
		t.Errorf("got %v", refused)
	}
	cancel()
	wg.Wait()
}

// The worked examples of the vendors.
func TestSignatures(t *testing.T) {
	t.Parallel()
	if got := dingtalkSign("1700000000000", "SECabc123"); got != "N5P09a4+p1AMJIJWnIvQd2Yxw9+fu/oEBnPrjCcsLXk=" {
		t.Errorf("dingtalk: %s", got)
	}
	if got := feishuSign("1700000000", "feishu-secret"); got != "OrBzY1Y01Gq+HgJsl+7OfWcMVwc7YocohQm5iiZwjhU=" {
		t.Errorf("feishu: %s", got)
	}
}

func TestCheckPostsNothing(t *testing.T) {
	t.Parallel()
	r := newRobot(t, config.NotifyFeishu)
	if _, err := r.open(Deps{}).Check(t.Context()); err != nil {
		t.Error(err)
	}
	if len(r.got()) != 0 {
		t.Error("the check posted something")
	}
}

func FuzzBounded(f *testing.F) {
	f.Add("title", "text\r\n\x00\u202e", "name", "https://example.com")
	f.Fuzz(func(t *testing.T, title, text, name, link string) {
		m := bounded(Message{Title: title, Text: text, Facts: []Fact{{name, text}}, Links: []Link{{name, link}}}, time.Now())
		for _, v := range []vendor{&dingtalk{}, &wecom{}, &feishu{}, &slack{}, &teams{}, &webhook{}} {
			body, taken, err := v.compose([]Message{m, m}, time.Now())
			if err != nil || taken < 1 || !json.Valid(body) {
				t.Errorf("%T: %d, %v, %q", v, taken, err, body)
			}
		}
		if strings.ContainsAny(m.Title, "\n\x00\u202e") || strings.ContainsAny(m.Text, "\x00\u202e") {
			t.Errorf("%q %q", m.Title, m.Text)
		}
	})
}
