package rules

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"heliograph/internal/calendar"
)

func trialOptions(tb testing.TB, w World) TrialOptions {
	tb.Helper()
	set, err := calendar.NewSet(nil)
	if err != nil {
		tb.Fatal(err)
	}
	return TrialOptions{World: w, Calendars: set, Calendar: "cn", Internal: func(a string) bool { return strings.HasSuffix(a, "@example.com") }}
}

func versionOf(tb testing.TB, number int, text string) Version {
	tb.Helper()
	r, err := Parse([]byte(text))
	if err != nil {
		tb.Fatal(err)
	}
	return Version{Rule: r.ID, Number: number, Body: r}
}

func newTrial(tb testing.TB, o TrialOptions, texts ...string) *Trial {
	tb.Helper()
	var list []Version
	for _, text := range texts {
		list = append(list, versionOf(tb, 1, text))
	}
	t, err := NewTrial(list, o)
	if err != nil {
		tb.Fatal(err)
	}
	return t
}

func feed(tb testing.TB, t *Trial, events ...Event) {
	tb.Helper()
	for _, ev := range events {
		if err := t.Feed(tb.Context(), ev); err != nil {
			tb.Fatal(err)
		}
	}
}

// mailAt is a mail from a customer at a time.
func mailAt(key, subject string, at time.Time) Event {
	ev := mailIn(key, subject)
	ev.At = at
	return ev
}

const nudge = `
id: nudge
name: 提醒
owner: lead@example.com
trigger: {type: mail}
when: {field: mail.subject, op: contains, value: 询价}
steps:
  - {id: first, do: send_mail, with: {to: '{{.mail.from.address}}', subject: '已收到 {{.mail.subject}}', text: 谢谢}}
  - {id: pause, do: wait, with: {for: 2h, reply_to: first}}
  - {id: again, do: notify, with: {channel: sales, title: '未回复 {{.mail.subject}}'}}
`

func TestATrialWaitsWithItsOwnClock(t *testing.T) {
	t.Parallel()
	trial := newTrial(t, trialOptions(t, testWorld{}), nudge)
	feed(t, trial, mailAt("a", "询价 1", monday), mailAt("b", "询价 2", monday.Add(time.Hour)), mailAt("c", "谢谢", monday.Add(90*time.Minute)))
	if r := trial.Result(); r.Runs["waiting"] != 2 || r.Effects["mail shadow"] != 2 || r.Results["fires"] != 2 || r.Results["not"] != 1 {
		t.Errorf("after 90 min the report is %+v", r)
	}
	if err := trial.Until(t.Context(), monday.Add(150*time.Minute)); err != nil {
		t.Fatal(err)
	}
	r := trial.Result()
	if r.Runs["waiting"] != 1 || r.Runs["done"] != 1 || len(r.Fired) != 2 {
		t.Fatalf("after 150 min the report is %+v", r)
	}
	effects := r.Fired[0].Effects
	if len(effects) != 2 || !effects[1].At.Equal(monday.Add(2*time.Hour)) || effects[1].Step != "again" || effects[1].Effect.Title != "未回复 询价 1" {
		t.Errorf("the effects of the first run are %+v", effects)
	}
	if r.Recipients["li@customer.org"] != 2 {
		t.Errorf("recipients are %v", r.Recipients)
	}
	if again := trial.Result(); again.Runs["done"] != 1 || again.Effects["mail shadow"] != 2 {
		t.Errorf("asked again the report is %+v", again)
	}
}

func TestATrialLetsOneRuleStartAnother(t *testing.T) {
	t.Parallel()
	const first = `
id: stage
name: 阶段
owner: lead@example.com
trigger: {type: mail}
steps:
  - {id: pause, do: wait, with: {for: 1h}}
  - {id: won, do: update_record, with: {target: crm, object: deal, id: '7', fields: {stage: won}}}
`
	const second = `
id: news
name: 喜报
owner: lead@example.com
trigger: {type: record, target: crm, object: deal, fields: [stage], to: [won]}
steps:
  - {id: tell, do: notify, with: {channel: sales, title: '成交 {{.record._id}} {{.change.fields.stage.new}}'}}
`
	trial := newTrial(t, trialOptions(t, testWorld{"record": map[string]any{"_id": "7"}}), first, second)
	feed(t, trial, mailAt("a", "签了", monday))
	if err := trial.Until(t.Context(), monday.Add(2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	r := trial.Result()
	if len(r.Fired) != 2 || r.Fired[1].Rule != "news" || r.Fired[1].Effects[0].Title != "成交 7 won" {
		t.Errorf("the report is %+v", r.Fired)
	}
}

func TestATrialFiresSchedules(t *testing.T) {
	t.Parallel()
	const daily = `
id: daily
name: 日报
owner: lead@example.com
trigger: {type: schedule, at: 'every day at 09:00', zone: Asia/Shanghai}
steps: [{id: tell, do: notify, with: {channel: sales, title: '{{.time.today}}'}}]
`
	o := trialOptions(t, testWorld{})
	o.From = monday // 10:00 in Shanghai
	trial := newTrial(t, o, daily)
	feed(t, trial, mailAt("a", "x", monday.AddDate(0, 0, 3)))
	var titles []string
	for _, f := range trial.Result().Fired {
		titles = append(titles, f.Effects[0].Title)
	}
	if want := []string{"2026-03-03", "2026-03-04", "2026-03-05"}; !slices.Equal(titles, want) {
		t.Errorf("the schedule fired with %q, want %q", titles, want)
	}
}

// TestTwoTrialsAreEqual is what a replay promises: byte for byte.
func TestTwoTrialsAreEqual(t *testing.T) {
	t.Parallel()
	run := func() []byte {
		o := trialOptions(t, testWorld{})
		o.From = monday.Add(-time.Hour)
		trial := newTrial(t, o, nudge, complaint, replace(nudge, "id: nudge", "id: other"))
		for i := range 90 {
			feed(t, trial, mailAt(fmt.Sprint("m", i), []string{"询价 %", "投诉 %", "你好"}[i%3], monday.Add(time.Duration(i)*7*time.Minute)))
		}
		text, err := json.Marshal(trial.Result())
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	first := run()
	for range 3 {
		if again := run(); !bytes.Equal(first, again) {
			t.Fatal("two trials over the same events differ")
		}
	}
}

func TestDifferencesBetweenVersions(t *testing.T) {
	t.Parallel()
	differ := NewDiffer()
	side := func(number int, text string, ended func(Fired)) *Trial {
		o := trialOptions(t, testWorld{})
		o.Ended = ended
		trial, err := NewTrial([]Version{versionOf(t, number, text)}, o)
		if err != nil {
			t.Fatal(err)
		}
		return trial
	}
	after := replace(replace(nudge, "value: 询价", "value: 价"), "title: '未回复", "title: '仍未回复")
	trials := []*Trial{side(1, nudge, differ.Before), side(2, replace(after, "op: contains, value: 价", "op: matches, value: '询价 [12]|议价'"), differ.After)}
	for _, trial := range trials {
		feed(t, trial, mailAt("a", "询价 1", monday), mailAt("b", "询价 3", monday.Add(time.Minute)), mailAt("c", "议价", monday.Add(2*time.Minute)), mailAt("d", "你好", monday.Add(3*time.Minute)))
		if err := trial.Until(t.Context(), monday.AddDate(0, 0, 1)); err != nil {
			t.Fatal(err)
		}
		trial.Result()
	}
	d := differ.Result()
	if d.Same != 0 || d.Changed != 1 || d.Before != 1 || d.After != 1 || len(d.List) != 3 {
		t.Fatalf("differences are %+v", d)
	}
	if one := d.List[0]; one.Event != "a" || len(one.Before) != 3 || !strings.Contains(one.Before[2].Zh, "未回复") || !strings.Contains(one.After[2].En, "仍未回复") {
		t.Errorf("the change is %+v", one)
	}
	if was := d.List[0].Before; was[0].Zh != "触发，执行完成" || was[0].En != "it fires, and ends" || !strings.HasPrefix(was[2].Zh, "2 小时后发群通知“") || !strings.HasPrefix(was[2].En, "after 2 hours: notice “") {
		t.Errorf("what it did before is said as %+v", was)
	}
	if one := d.List[1]; one.Event != "b" || len(one.After) != 0 {
		t.Errorf("what fires only before is %+v", one)
	}
	if one := d.List[2]; one.Event != "c" || len(one.Before) != 0 {
		t.Errorf("what fires only after is %+v", one)
	}
}

// What is said alike but has other content is told apart, and who may not read it sees its kind only.
func TestDifferenceInContent(t *testing.T) {
	t.Parallel()
	run := func(digest string) Report {
		return Report{Fired: []Fired{{Run: "r", Event: "e", At: monday, State: RunDone, Effects: []Imagined{
			{At: monday, State: EffectShadow, Kind: EffectMail, Title: "报价", Recipients: []string{"a@example.com"}, Digest: digest},
			{At: monday, State: EffectBlocked, Kind: EffectNotify, Reason: "too many"},
		}}}}
	}
	if same := Diff(run("1"), run("1")); len(same) != 0 {
		t.Errorf("equal runs differ: %+v", same)
	}
	list := Diff(run("1"), run("2"))
	if len(list) != 1 || len(list[0].After) != 3 {
		t.Fatalf("the difference is %+v", list)
	}
	mail, notice := list[0].After[1], list[0].After[2]
	if mail.Zh != "发邮件“报价” → a@example.com（内容不同）" || mail.En != "mail “报价” → a@example.com (with other content)" {
		t.Errorf("the mail is said as %+v", mail)
	}
	if notice.Zh != "发群通知（被拦下：too many）" || notice.En != "notice (held back: too many)" {
		t.Errorf("the notice is said as %+v", notice)
	}
	if h := mail.Hidden(); h.Zh != "发邮件" || h.En != "mail" {
		t.Errorf("the hidden mail is %+v", h)
	}
	if h := list[0].After[0].Hidden(); h.Zh != "触发" || h.En != "it fires" {
		t.Errorf("the hidden end is %+v", h)
	}
}

// TestATrialForgetsRunsThatEnded has many runs end, and looks at what is left of them.
func TestATrialForgetsRunsThatEnded(t *testing.T) {
	t.Parallel()
	o := trialOptions(t, testWorld{})
	o.Fired, o.Samples = 2, 1
	trial := newTrial(t, o, nudge, complaint)
	for i := range 200 {
		feed(t, trial, mailAt(fmt.Sprint("m", i), "询价", monday.Add(time.Duration(i)*time.Hour)))
	}
	if n := len(trial.mem.runs); n > 3 {
		t.Errorf("%d runs are in memory, want those that wait: 2 or 3", n)
	}
	if n := len(trial.mem.wakes); n > 10 {
		t.Errorf("%d wakes are in memory", n)
	}
	if len(trial.contents) > 4 || len(trial.slots) > 2 || len(trial.mem.waits) > 6 {
		t.Errorf("%d contents, %d slots and %d waits are left", len(trial.contents), len(trial.slots), len(trial.mem.waits))
	}
	r := trial.Result()
	if len(r.Fired) != 2 || r.Omitted != 198 || r.Runs["done"]+r.Runs["waiting"] != 200 {
		t.Errorf("%d runs are listed and %d omitted of %v", len(r.Fired), r.Omitted, r.Runs)
	}
	if r.Fired[0].Effects[0].Effect == nil || r.Fired[1].Effects[0].Effect != nil {
		t.Error("the content of one effect is to be kept")
	}
	feed(t, trial, mailAt("m0", "询价", monday.AddDate(1, 0, 0)))
	if again := trial.Result(); again.Omitted != 198 {
		t.Error("an event of long ago started a run again")
	}
}

func TestUnknownEventsAreCounted(t *testing.T) {
	t.Parallel()
	trial := newTrial(t, trialOptions(t, testWorld{}), replace(nudge, "{field: mail.subject, op: contains, value: 询价}", "{field: contact.name, op: is, value: 李雷}"))
	feed(t, trial, mailAt("a", "x", monday), mailAt("b", "y", monday))
	if r := trial.Result(); r.Results["unknown"] != 2 || r.Unknown["nudge"].Events != 2 || !strings.Contains(r.Unknown["nudge"].Reason, "contact.name") {
		t.Errorf("the report is %+v", r)
	}
}

func TestJudgeSaysWhyATriggerDoesNotFit(t *testing.T) {
	t.Parallel()
	ev := mailIn("a", "询价")
	tests := map[string]struct {
		trigger string
		change  func(*Event)
		want    string
	}{
		"direction":  {"{type: mail, direction: out}", nil, "the direction of the mail is received, not sent"},
		"account":    {"{type: mail, accounts: [a@example.com]}", nil, "which is none of the rule's"},
		"automated":  {"{type: mail}", func(e *Event) { e.Automated = true }, "a machine wrote the mail"},
		"by a rule":  {"{type: mail}", func(e *Event) { e.Depth = 1 }, "a rule caused the mail"},
		"mailbox":    {"{type: mail, mailboxes: [Sales]}", nil, "lies in the mailbox INBOX"},
		"record":     {"{type: record, target: crm, object: deal, fields: [stage]}", nil, "waits for something else than mail"},
		"fits":       {"{type: mail}", nil, ""},
		"other rule": {"{type: manual}", func(e *Event) { e.Type, e.Rule = TypeManual, "x" }, "for the rule x alone"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := ev
			if test.change != nil {
				test.change(&e)
			}
			v, err := newTrial(t, trialOptions(t, testWorld{}), replace(nudge, "{type: mail}", test.trigger)).Judge(t.Context(), e)
			if err != nil {
				t.Fatal(err)
			}
			if test.want == "" {
				if v[0].Result != "fires" || v[0].Why == nil {
					t.Errorf("the verdict is %+v", v[0])
				}
				return
			}
			if v[0].Result != VerdictUnfit || !strings.Contains(v[0].En, test.want) || v[0].Zh == "" {
				t.Errorf("the verdict is %s: %s, want %q", v[0].Result, v[0].En, test.want)
			}
		})
	}
}

// followed is a world that sees what a trial imagines.
type followed struct {
	testWorld
	now  func() time.Time
	seen []string
}

func (f *followed) Clock(now func() time.Time) { f.now = now }
func (f *followed) Follow(e *Effect, output map[string]any) {
	f.seen = append(f.seen, fmt.Sprintf("%s %s %v", f.now().Format("15:04"), e.Kind, output["imagined"]))
}

func TestAWorldSeesClockAndEffects(t *testing.T) {
	t.Parallel()
	w := &followed{testWorld: testWorld{}}
	feed(t, newTrial(t, trialOptions(t, w), complaint), mailAt("a", "投诉", monday))
	if want := []string{"02:00 ticket true", "02:00 mail true"}; !slices.Equal(w.seen, want) {
		t.Errorf("the world saw %q, want %q", w.seen, want)
	}
}

// mixed are n rules as a company has them: most for mail, some for one account, for records, webhooks and times.
func mixed(tb testing.TB, n int) []Version {
	tb.Helper()
	triggers := []string{
		`{type: mail}`, `{type: mail, accounts: [sales%d@example.com]}`, `{type: mail, direction: out}`, `{type: record, target: crm, object: deal, fields: [stage]}`,
		`{type: webhook, hook: erp%d}`, `{type: absence, within: 4 business hours, accounts: [support%d@example.com]}`, `{type: schedule, at: 'every day at 09:00'}`,
		`{type: mail, automated: true}`, `{type: deadline, target: crm, object: contract, field: due}`, `{type: mail, mailboxes: ['Sales%d']}`,
	}
	conditions := []string{
		`{all: [{field: mail.subject, op: contains_any, value: [投诉%d, complaint%d]}, {not: {field: mail.automated, op: is, value: true}}]}`,
		`{any: [{field: mail.from.domain, op: is, value: customer%d.org}, {field: mail.unquoted, op: contains, value: 订单号%d}]}`,
		`{all: [{field: mail.unquoted, op: matches, value: 'SO-%d\d+'}, {field: mail.language, op: is, value: zh}]}`,
		`{some: mail.attachments, where: {field: item.name, op: ends_with, value: '%d.pdf'}}`,
		`{all: [{field: fields.order_no, op: is, value: SO-%d}]}`,
	}
	var out []Version
	for i := range n {
		fill := func(s string) string { return strings.ReplaceAll(s, "%d", fmt.Sprint(i)) }
		text := fmt.Sprintf("id: rule-%d\nname: 规则 %d\nowner: lead@example.com\ntrigger: %s\nextract: {order_no: {label: [订单号], pattern: 'SO-\\d+'}}\nwhen: %s\nsteps: [{id: a, do: notify, with: {channel: sales, title: x}}]\n",
			i, i, fill(triggers[i%len(triggers)]), fill(conditions[i/len(triggers)%len(conditions)]))
		if i/len(triggers)%len(conditions) != 4 {
			text = strings.Replace(text, "extract: {order_no: {label: [订单号], pattern: 'SO-\\d+'}}\n", "", 1)
		}
		out = append(out, versionOf(tb, 1, text))
	}
	return out
}

// BenchmarkDecide is the cost of one message with 1,000 rules in force.
func BenchmarkDecide(b *testing.B) {
	trial, err := NewTrial(mixed(b, 1000), trialOptions(b, testWorld{}))
	if err != nil {
		b.Fatal(err)
	}
	trial.clock = monday
	ev := mailIn("m", "关于订单的问题")
	ev.Data["mail"].(map[string]any)["unquoted"] = strings.Repeat("您好，我们上周的订单还没有收到，请尽快处理。Best regards, Li Lei. ", 60) // 5 KB
	ev.Data["mail"].(map[string]any)["text"] = ev.Data["mail"].(map[string]any)["unquoted"]
	asked := len(trial.index.match(&ev))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := trial.decide(b.Context(), trial.index.match(&ev), &ev); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(asked), "rules-asked")
}

// BenchmarkReplay feeds events, of which one in a thousand fires, and reports the most memory that was in use: 10,000 of them, or
// a million with -benchtime=1x.
func BenchmarkReplay(b *testing.B) {
	events := 10_000
	if flag.Lookup("test.benchtime").Value.String() == "1x" {
		events = 1_000_000
	}
	for b.Loop() {
		trial, err := NewTrial(append(mixed(b, 20), versionOf(b, 1, nudge)), trialOptions(b, testWorld{}))
		if err != nil {
			b.Fatal(err)
		}
		var peak uint64
		began := time.Now()
		for i := range events {
			subject := "你好"
			if i%1000 == 0 {
				subject = "询价"
			}
			if err := trial.Feed(b.Context(), mailAt(fmt.Sprint("m", i), subject, monday.Add(time.Duration(i)*time.Second))); err != nil {
				b.Fatal(err)
			}
			if i%(events/10) == 0 {
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				peak = max(peak, m.HeapInuse)
			}
		}
		r := trial.Result()
		if r.Events != events || r.Results["fires"] != (events+999)/1000 {
			b.Fatalf("%d events, decisions %v", r.Events, r.Results)
		}
		b.ReportMetric(float64(peak)/(1<<20), "peak-MiB")
		b.ReportMetric(float64(time.Since(began).Microseconds())/float64(events), "µs/event")
	}
}

// TestATrialDoesNotGrowWithEvents feeds events that fire nothing.
func TestATrialDoesNotGrowWithEvents(t *testing.T) {
	if testing.Short() {
		t.Skip("it feeds many events")
	}
	trial := newTrial(t, trialOptions(t, testWorld{}), nudge)
	ev := mailAt("m", "你好", monday)
	measure := func(n int) uint64 {
		for i := range n {
			ev.Key, ev.At = fmt.Sprint("m", i), monday.Add(time.Duration(i)*time.Second)
			feed(t, trial, ev)
		}
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := measure(1000)
	if after := measure(30_000); after > before+1<<20 {
		t.Errorf("the heap grew from %d to %d bytes over events that fire nothing", before, after)
	}
}

// TestRulesShareWhatTheyExtract: those that look for the same get the same, and others their own.
func TestRulesShareWhatTheyExtract(t *testing.T) {
	t.Parallel()
	const text = `
id: ID
name: x
owner: lead@example.com
trigger: {type: mail}
extract: {no: {label: [LABEL]}}
when: {field: fields.no, op: is, value: 'VALUE'}
steps: [{id: a, do: notify, with: {channel: sales, title: ID}}]
`
	var rules []string
	for id, of := range map[string][2]string{"one": {"订单号", "SO-1001"}, "two": {"订单号", "SO-1001"}, "three": {"合同号", "C-7"}, "four": {"合同号", "SO-1001"}} {
		rules = append(rules, replace(replace(replace(text, "ID", id), "LABEL", of[0]), "VALUE", of[1]))
	}
	trial := newTrial(t, trialOptions(t, testWorld{}), rules...)
	ev := mailIn("m", "x")
	ev.Data["mail"].(map[string]any)["unquoted"] = "订单号：SO-1001\n合同号：C-7"
	feed(t, trial, ev)
	var fired []string
	for _, f := range trial.Result().Fired {
		fired = append(fired, f.Rule)
	}
	slices.Sort(fired)
	if got := strings.Join(fired, " "); got != "one three two" {
		t.Errorf("those that fire are %q", got)
	}
}
