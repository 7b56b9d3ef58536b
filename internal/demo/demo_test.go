package demo_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"heliograph/internal/demo"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestDemoShowsWhatHappened(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out bytes.Buffer
	if err := demo.Run(ctx, demo.Options{Out: &out, Once: true, AnyPort: true, Version: "test"}); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	for _, want := range []string{
		"报价单：数控机床 XK-714 两台", "Re: 报价单", "Spring fair: your invitation", "excluded 未写入: rule internal: everybody",
		"huaxia-machinery.example", "报价单-XK-714.csv (42 bytes)", "STARTTLS", "password 密码: demo",
		"投诉 — 主轴噪音", "ticket 工单 1  投诉 — 主轴噪音", "machines@sunrise.example", "receipt 回执 → chen.jing@huaxia-machinery.example (1)", "Re: Spring fair: your invitation  [stand-plan.csv (108000 bytes)]",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the demo does not show %q", want)
		}
	}
	for what, n := range map[string]int{
		"mirrored 已写入": 8, // four that were sent, three that were read, the receipt of a rule
		"known 已有":     3, // Zhang's answer at the second reader, the quote that was filed, the reply that came to a colleague
		" sent   ":     5,
		" read   ":     6, // of them one internal
		" filed  ":     1,
		" rule   ":     1,
		// Twice in the table, and with the one that has Bcc thrice in the timelines of two customers.
		"Spring fair": 5,
	} {
		if got := strings.Count(out.String(), what); got != n {
			t.Errorf("%q is shown %d times, want %d\n%s", what, got, n, out.String())
		}
	}
	if strings.Contains(out.String(), "午饭") {
		t.Error("the demo shows the subject of an internal mail")
	}
}
