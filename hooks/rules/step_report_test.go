package rules

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"image"
	"image/color"
	"image/png"
	"io"
	osexec "os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"

	"heliograph/internal/calendar"
	"heliograph/internal/report"
	"heliograph/internal/store/storetest"
)

// monthly is the report of scenario 7: budget against actual by department, and a mail to each head with the files.
const monthly = `
id: monthly
name: 月度预算执行
owner: cfo@example.com
trigger: {type: manual}
steps:
  - {id: spent, do: find_records, with: {target: crm, object: expense}}
  - id: r
    do: report
    with:
      title: '{{.time.last_month}} 部门预算执行'
      from: steps.spent.records
      spec:
        columns: [{key: dept, label: 部门}, {key: amount, label: 金额, kind: money, currency: CNY}, {key: day, label: 日期}]
        do:
          - compare: {table: budget, on: [dept], budget: amount, actual: amount, labels: {budget: 预算, actual: 实际}}
          - totals: {}
      chart: {kind: bar, title: 预算与实际, category: dept, series: [budget, actual]}
      outputs: [html, text, pdf, xlsx]
      file_name: '预算执行 {{.time.last_month}}'
  - id: each
    do: for_each
    with:
      in: steps.r.rows
      steps:
        - id: tell
          do: send_mail
          with: {to: 'head-{{.item.dept}}@example.com', subject: '{{.item.dept}} 预算', html: '<p>合计 {{.steps.r.totals.actual}}</p>{{.steps.r.html}}<p>{{.item.note | default "<b>x</b>"}}</p>', text: '{{.steps.r.text}}', files: [r]}
`

func monthlyWorld() testWorld {
	return testWorld{
		"records": map[string]any{"expense": []any{
			map[string]any{"dept": "rd", "amount": json.Number("100.10"), "day": monday, "note": "<script>alert(1)</script>"},
			map[string]any{"dept": "sales<b>", "amount": json.Number("250.05"), "day": monday},
			map[string]any{"dept": "rd", "amount": json.Number("0.20"), "day": monday},
		}},
		"tables": map[string]any{"budget": []any{
			map[string]any{"dept": "rd", "amount": json.Number("120")}, map[string]any{"dept": "sales<b>", "amount": json.Number("200")},
		}},
	}
}

func manual(rule, key string) Event {
	return Event{Type: TypeManual, Rule: rule, Key: key, At: monday, Title: key, Data: map[string]any{}}
}

func TestReport(t *testing.T) {
	t.Parallel()
	r := newRig(t, storetest.SQLite(t)) // PDF costs seconds of work; the files in both stores are the crash test's
	r.world = monthlyWorld()
	r.restart()
	text := strings.ReplaceAll(monthly, "'head-{{.item.dept}}@example.com'", "boss@example.com")
	r.publish(text)
	r.post(manual("monthly", "march"))
	r.wantEffects("mail rd 预算", "mail sales<b> 预算")
	run := r.runOf("march")
	if run.State != RunDone {
		t.Fatalf("the run is %s: %s", run.State, run.Reason)
	}
	m := r.out.done[r.out.order[0]].Mail
	for _, want := range []string{"<table", "sales&lt;b&gt;", "100.30", "50.05", "合计 350.35", "&lt;b&gt;x&lt;/b&gt;"} {
		if !strings.Contains(m.HTML, want) {
			t.Errorf("the mail's HTML has no %q:\n%s", want, m.HTML)
		}
	}
	for _, never := range []string{"sales<b>", "<script", "&lt;table"} {
		if strings.Contains(m.HTML, never) {
			t.Errorf("the mail's HTML has %q:\n%s", never, m.HTML)
		}
	}
	if !strings.Contains(m.Text, "sales<b>") || strings.Contains(m.Text, "<table") {
		t.Errorf("the mail's text is %q", m.Text)
	}
	var names []string
	for _, f := range m.Files {
		names = append(names, f.Name)
	}
	if want := []string{"预算执行 2026-02.pdf", "预算执行 2026-02.xlsx"}; !slices.Equal(names, want) {
		t.Fatalf("files are %q, want %q", names, want)
	}
	wantPDF(t, m.Files[0].Content, "2026-02 部门预算执行", "预算与实际", "sales<b>", "350.35")
	wantCells(t, m.Files[1].Content, map[string]string{"A2": "rd", "B2": "120", "C2": "100.3", "C4": "350.35"})
}

// wantPDF looks for texts in a PDF, with the tool of the machine where it is there.
func wantPDF(t *testing.T, data []byte, want ...string) {
	t.Helper()
	if !bytes.HasPrefix(data, []byte("%PDF-")) {
		t.Fatalf("no PDF: %.20q", data)
	}
	tool, err := osexec.LookPath("pdftotext")
	if err != nil {
		return
	}
	cmd := osexec.CommandContext(t.Context(), tool, "-layout", "-", "-")
	cmd.Stdin = bytes.NewReader(data)
	text, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range want {
		if !strings.Contains(string(text), w) {
			t.Errorf("the PDF has no %q:\n%s", w, text)
		}
	}
}

func wantCells(t *testing.T, data []byte, want map[string]string) {
	t.Helper()
	f, err := excelize.OpenReader(bytes.NewReader(data), excelize.Options{RawCellValue: true})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for cell, text := range want {
		if got, err := f.GetCellValue(f.GetSheetName(0), cell); err != nil || got != text {
			t.Errorf("cell %s is %q (%v), want %q", cell, got, err, text)
		}
	}
}

// The records change between report and mail, and the process ends at each of the mails: what goes out stays what the report was.
func TestReportAfterACrashIsTheSame(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, r *rig) {
		r.world = monthlyWorld()
		r.restart()
		r.publish(strings.ReplaceAll(strings.Replace(monthly, "text, pdf, xlsx", "text, csv, xlsx", 1), "'head-{{.item.dept}}@example.com'", "boss@example.com"))
		var before []*Effect
		boom := errors.New("the process ends here")
		died := map[string]bool{}
		r.out.fail = func(e *Effect) error {
			if died[e.ID] {
				return nil
			}
			died[e.ID] = true
			before = append(before, e)
			return boom
		}
		r.e.performer = dying{r}
		r.post(manual("monthly", "march"))
		r.world["records"] = map[string]any{"expense": []any{map[string]any{"dept": "other", "amount": json.Number("1")}}}
		for range 4 {
			r.restart()
			r.e.performer = dying{r}
			r.after(time.Hour)
		}
		r.wantEffects("mail rd 预算", "mail sales<b> 预算")
		for i, e := range before {
			after := r.out.done[e.ID].Mail
			if after.HTML != e.Mail.HTML || len(after.Files) != 2 {
				t.Fatalf("mail %d is another one after the crash", i)
			}
			for n := range after.Files {
				if !bytes.Equal(after.Files[n].Content, e.Mail.Files[n].Content) {
					t.Errorf("mail %d: %s has other bytes after the crash", i, after.Files[n].Name)
				}
			}
		}
	})
}

// Two trials of a report give the same bytes, and the HTML of a report is trusted only where it comes from the step itself.
func TestReportInATrial(t *testing.T) {
	t.Parallel()
	const more = `
  - {id: copied, do: set, with: {values: {html: {fact: steps.r.html}}}}
  - {id: last, do: send_mail, with: {to: boss@example.com, subject: copy, html: '{{.steps.copied.html}}', files: [r]}}
`
	rule := trialRule(t, strings.ReplaceAll(strings.Replace(monthly, "text, pdf, xlsx", "text, csv, xlsx", 1), "'head-{{.item.dept}}@example.com'", "boss@example.com")+more)
	var texts []string
	for range 2 {
		result := tryOnce(t, rule, monthlyWorld(), manual("monthly", "march"))
		text, err := json.Marshal(result)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(text))
		effects := result.Fired[0].Effects
		if result.Fired[0].State != RunDone || len(effects) != 3 || len(effects[0].Effect.Mail.Files) != 2 {
			t.Fatalf("the trial gave %s: %s, %d effects", result.Fired[0].State, result.Fired[0].Reason, len(effects))
		}
		if html := effects[2].Effect.Mail.HTML; strings.Contains(html, "<table") || !strings.Contains(html, "&lt;table") {
			t.Errorf("HTML that went through another step is trusted: %.200s", html)
		}
	}
	if texts[0] != texts[1] {
		t.Error("two trials differ")
	}
}

func trialRule(t *testing.T, text string) Rule {
	t.Helper()
	rule, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return rule
}

func tryOnce(t *testing.T, rule Rule, world World, ev Event) Report {
	t.Helper()
	cals, err := calendar.NewSet(nil)
	if err != nil {
		t.Fatal(err)
	}
	trial, err := NewTrial([]Version{{Rule: rule.ID, Number: 1, Body: rule}}, TrialOptions{World: world, Calendars: cals, Calendar: "cn"})
	if err != nil {
		t.Fatal(err)
	}
	if err := trial.Feed(t.Context(), ev); err != nil {
		t.Fatal(err)
	}
	return trial.Result()
}

// bare is a World whose font is not there.
type bare struct{ testWorld }

func (bare) Font() (report.Font, error) {
	return report.FindFont(report.Font{Regular: "/nowhere/song.ttf"})
}

func TestReportThatCannotBeMade(t *testing.T) {
	t.Parallel()
	const text = `
id: r
name: 报表
owner: cfo@example.com
trigger: {type: manual}
steps:
  - {id: r, do: report, with: WITH}
`
	for name, c := range map[string]struct{ with, want string }{
		"no font":         {"{table: budget, outputs: [pdf]}", "rules.reports.font"},
		"no table":        {"{table: budgte}", `did you mean "budget"`},
		"no column":       {"{table: budget, where: [{field: depp, is: eq, value: x}]}", `no column "depp"`},
		"no records":      {"{target: crm, object: nothing}", "spec.columns"},
		"not a list":      {"{from: run.id}", "is not a list"},
		"unknown columns": {"{table: budget, spec: {do: [{sort: [{by: x}]}]}}", `no column "x"`},
		"itself":          {"{table: budget, tables: {a: {table: budget, spec: {do: [{join: {table: a, on: [dept]}}]}}}, spec: {do: [{join: {table: a, on: [dept]}}]}}", "made from itself"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rule := trialRule(t, strings.Replace(text, "WITH", c.with, 1))
			fired := tryOnce(t, rule, bare{monthlyWorld()}, manual("r", "x")).Fired
			if len(fired) != 1 || fired[0].State != RunFailed || !strings.Contains(fired[0].Reason, c.want) {
				t.Errorf("got %+v, want a failed run that says %q", fired, c.want)
			}
		})
	}
}

func TestReportFromFewAndMany(t *testing.T) {
	t.Parallel()
	const text = `
id: r
name: 报表
owner: cfo@example.com
trigger: {type: manual}
steps:
  - {id: r, do: report, with: {target: crm, object: line, fields: [no, amount], spec: {do: [{totals: {}}]}, outputs: [html, text, csv]}}
  - {id: m, do: send_mail, with: {to: a@example.com, subject: '{{.steps.r.count}} {{.steps.r.cut}}', html: '{{.steps.r.html}}', text: '{{.steps.r.text}}', files: [r]}}
`
	for _, n := range []int{0, 3, 700} {
		var lines []any
		for i := range n {
			lines = append(lines, map[string]any{"no": "A" + strconv.Itoa(i), "amount": json.Number(strconv.Itoa(i)), "_id": "hidden"})
		}
		result := tryOnce(t, trialRule(t, text), testWorld{"records": map[string]any{"line": lines}}, manual("r", "x"))
		if result.Fired[0].State != RunDone {
			t.Fatalf("%d lines: %s", n, result.Fired[0].Reason)
		}
		m := result.Fired[0].Effects[0].Effect.Mail
		if want := strconv.Itoa(n) + " " + strconv.FormatBool(n > givenLines); m.Subject != want {
			t.Errorf("%d lines: subject is %q, want %q", n, m.Subject, want)
		}
		if strings.Contains(m.HTML, "hidden") {
			t.Errorf("%d lines: our own fields are shown", n)
		}
		if cut := strings.Contains(m.HTML, "另有 500 行") && strings.Contains(m.Text, "另有 500 行"); cut != (n == 700) {
			t.Errorf("%d lines: it is %t that lines were left out", n, cut)
		}
		if total := "244,650"; n == 700 && !strings.Contains(m.HTML, total) {
			t.Errorf("the total of all lines is not there")
		}
		if got := bytes.Count(m.Files[0].Content, []byte("\n")); got != n+2 && n > 0 {
			t.Errorf("%d lines: the file has %d", n, got)
		}
	}
}

// picture is a PNG of one colour.
func picture(t *testing.T, c color.Color) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, 60, 40))
	for x := range 60 {
		for y := range 40 {
			img.Set(x, y, c)
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// quality is the document of scenario 6.
const quality = `
id: quality
name: 质量问题报告
owner: qa@example.com
trigger: {type: mail}
extract: {order_no: {label: [订单号], kind: order_no}}
steps:
  - id: d
    do: document
    with:
      title: '质量问题报告：{{.mail.subject}}'
      subtitle: '{{.mail.from.name}}'
      facts: [{label: 订单号, value: '{{.fields.order_no}}'}, {label: 报告人, value: '{{.mail.from.address}}', warn: true}]
      blocks:
        - {heading: 问题描述}
        - {paragraph: '{{.mail.text}}'}
        - {heading: 现场照片}
        - {pictures: {of: mail, columns: 2}}
        - {heading: 批次}
        - {table: {of: batches}}
        - {heading: 处理流程}
        - {process: [{title: 收到报告, when: '{{date "2006-01-02" .mail.date}}', by: '{{.mail.from.name}}'}, {title: 原因分析, state: open}]}
        - {signatures: [{role: 质量部}, {role: 生产部}]}
      tables: {batches: {table: batches}}
      outputs: [pdf, html]
  - {id: tell, do: send_mail, with: {to: [qa@example.com, production@example.com], subject: '{{.steps.d.title}}', html: '{{.steps.d.html}}', files: [d]}}
`

func TestDocument(t *testing.T) {
	t.Parallel()
	file := func(name, kind string, data []byte) map[string]any {
		return map[string]any{"name": name, "type": kind, "content": base64.StdEncoding.EncodeToString(data)}
	}
	world := testWorld{
		"files": []any{
			file("裂纹.png", "image/png", picture(t, color.RGBA{200, 30, 30, 255})), file("说明.docx", "application/msword", []byte("x")),
			file("broken.jpg", "application/octet-stream", []byte("not a picture")),
		},
		"tables": map[string]any{"batches": []any{map[string]any{"批次": "B-2026-07", "数量": json.Number("40")}}},
	}
	r := newRig(t, storetest.SQLite(t))
	r.world = world
	r.restart()
	r.publish(strings.Replace(quality, `{{date "2006-01-02" .mail.date}}`, "2026-03-02", 1))
	ev := mailIn("q1", "货物<b>损坏")
	r.post(ev)
	if run := r.runOf("q1"); run.State != RunDone {
		t.Fatalf("the run is %s: %s", run.State, run.Reason)
	}
	m := r.out.done[r.out.order[0]].Mail
	if len(m.Files) != 2 || m.Files[0].Name != "质量问题报告：货物_b_损坏.pdf" && !strings.HasSuffix(m.Files[0].Name, ".pdf") || m.Files[1].Inline == "" {
		t.Fatalf("files are %+v", m.Files)
	}
	for _, want := range []string{"cid:" + m.Files[1].Inline, "货物&lt;b&gt;损坏", "SO-1001", "B-2026-07", "broken.jpg"} {
		if !strings.Contains(m.HTML, want) {
			t.Errorf("the HTML has no %q", want)
		}
	}
	wantPDF(t, m.Files[0].Content, "质量问题报告：货物<b>损坏", "SO-1001", "裂纹", "B-2026-07", "原因分析", "质量部")
	out := r.runOf("q1").Steps[0].Output
	if notes, _ := json.Marshal(out["notes"]); !strings.Contains(string(notes), "broken.jpg") || strings.Count(string(notes), "broken.jpg") != 1 {
		t.Errorf("notes are %s", notes)
	}
}

// Strangers attach what they like: too many pictures, and logos, are left out.
func TestDocumentTakesOnlySoMuch(t *testing.T) {
	t.Parallel()
	many := &crowd{testWorld: testWorld{}, png: picture(t, color.White)}
	text := strings.Replace(quality, `{{date "2006-01-02" .mail.date}}`, "2026-03-02", 1)
	text = strings.Replace(text, "        - {heading: 批次}\n        - {table: {of: batches}}\n", "", 1)
	text = strings.Replace(text, "outputs: [pdf, html]", "outputs: [html]", 1)
	text = strings.Replace(text, "      tables: {batches: {table: batches}}\n", "", 1)
	result := tryOnce(t, trialRule(t, text), many, mailIn("q1", "坏"))
	if result.Fired[0].State != RunDone {
		t.Fatal(result.Fired[0].Reason)
	}
	if many.opened != maxPictures {
		t.Errorf("%d pictures were read, want %d", many.opened, maxPictures)
	}
}

// crowd is a World with a mail of many pictures.
type crowd struct {
	testWorld
	png    []byte
	opened int
}

func (c *crowd) Files(ctx context.Context, entry string) (out []MailFile, err error) {
	w := testWorld{"files": []any{map[string]any{"name": "p.png", "type": "image/png", "content": base64.StdEncoding.EncodeToString(c.png)}}}
	for i := range 100 {
		list, err := w.Files(ctx, entry)
		if err != nil {
			return nil, err
		}
		f := list[0]
		f.Digest, f.Inline = strconv.Itoa(i/2), i < 20 // two of each, the first of them logos
		open := f.Open
		f.Open = func(ctx context.Context) (io.ReadCloser, error) {
			c.opened++
			return open(ctx)
		}
		if i == 99 {
			f.Size = maxPictureBytes + 1
		}
		out = append(out, f)
	}
	return out, nil
}
