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
	if err := demo.Run(ctx, demo.Options{Out: &out, Once: true, Version: "test"}); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	for _, want := range []string{
		"报价单：数控机床 XK-714 两台", "Re: 报价单", "Spring fair: your invitation", "excluded 未写入: internal only",
		"huaxia-machinery.example", "报价单-XK-714.csv (42 bytes)", "STARTTLS", "password 密码: demo",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the demo does not show %q", want)
		}
	}
	if n := strings.Count(out.String(), "mirrored 已写入"); n != 4 {
		t.Errorf("%d mails were mirrored, want 4\n%s", n, out.String())
	}
	if n := strings.Count(out.String(), "Spring fair"); n != 3 { // the table, and the timelines of two customers
		t.Errorf("the mail with Bcc is shown %d times, want 3", n)
	}
	if strings.Contains(out.String(), "午饭") {
		t.Error("the demo shows the subject of an internal mail")
	}
}
