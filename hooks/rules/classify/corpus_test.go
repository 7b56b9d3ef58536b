package classify_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"heliograph/hooks/rules/classify"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// sample is a mail of the corpus with what a person says about it.
type sample struct {
	language, intent, urgency string
	mail                      classify.Mail
}

func corpus(t testing.TB) []sample {
	t.Helper()
	text, err := os.ReadFile("testdata/corpus.txt")
	if err != nil {
		t.Fatal(err)
	}
	var list []sample
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Split(line, "|")
		if len(f) != 7 {
			t.Fatalf("%d fields: %s", len(f), line)
		}
		s := sample{language: f[0], intent: f[1], urgency: f[2], mail: classify.Mail{
			Key: fmt.Sprintf("m1-%d", len(list)), SenderDomain: f[3], Subject: f[5], Text: f[6], Automated: f[1] == "out_of_office",
		}}
		if f[4] != "" {
			s.mail.Attachments = []string{"file." + f[4]}
		}
		list = append(list, s)
	}
	return list
}

// split returns corrections (about every third mail of each intent and language, 40 altogether) and the rest.
func split(t testing.TB) (train, test []sample) {
	t.Helper()
	count := map[string]int{}
	for _, s := range corpus(t) {
		kind := s.language + s.intent
		if (count[kind]%3 == 1 || count[kind] == 6 && s.intent != "spam") && len(train) < 40 {
			train = append(train, s)
		} else {
			test = append(test, s)
		}
		count[kind]++
	}
	return train, test
}

func open(t testing.TB, db *store.DB, change func(*classify.Options)) *classify.Classifier {
	t.Helper()
	o := classify.Options{Store: db}
	if change != nil {
		change(&o)
	}
	c, err := classify.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// of returns the suggestion of a dimension.
func of(t testing.TB, c *classify.Classifier, m classify.Mail, dimension string) classify.Suggestion {
	t.Helper()
	list, err := c.Suggest(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(list, func(s classify.Suggestion) bool { return s.Dimension == dimension })
	if i < 0 {
		return classify.Suggestion{}
	}
	return list[i]
}

// quality counts suggestions: all mails, those with a label, and those with the right one.
type quality struct{ all, answered, right int }

func (q quality) accuracy() float64 { return float64(q.right) / float64(q.all) }

func (q quality) String() string {
	return fmt.Sprintf("%d of %d right (%.0f %%), %d wrong, %d unknown", q.right, q.all, 100*q.accuracy(), q.answered-q.right, q.all-q.answered)
}

func judge(t testing.TB, c *classify.Classifier, list []sample, dimension string) quality {
	t.Helper()
	var q quality
	for _, s := range list {
		want := s.intent
		if dimension == classify.Urgency {
			want = s.urgency
		}
		got := of(t, c, s.mail, dimension)
		q.all++
		if got.Label != "" {
			q.answered++
		}
		if got.Label == want {
			q.right++
		} else if testing.Verbose() {
			t.Logf("%s: want %s, got %q %.2f %v", s.mail.Subject, want, got.Label, got.Probability, got.Evidence)
		}
	}
	return q
}

// The lexicon is useful on the first day, and 40 corrections make it better, on mails that nobody corrected.
func TestCorpus(t *testing.T) {
	t.Parallel()
	c := open(t, storetest.SQLite(t), nil)
	train, test := split(t)
	if len(train)+len(test) < 120 || len(train) != 40 {
		t.Fatalf("%d mails to learn from, %d to judge", len(train), len(test))
	}
	intent, urgency := judge(t, c, test, classify.Intent), judge(t, c, test, classify.Urgency)
	t.Logf("lexicon alone: intent %v; urgency %v", intent, urgency)
	for _, s := range train {
		for dimension, label := range map[string]string{classify.Intent: s.intent, classify.Urgency: s.urgency} {
			err := c.Correct(t.Context(), classify.Correction{
				Mail: s.mail, Dimension: dimension, Labels: []string{label}, By: "a@example.com", TrainAutomated: true,
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Logf("at once: intent %v", judge(t, c, test, classify.Intent))
	if n, err := c.Train(t.Context()); n != 2 || err != nil {
		t.Fatal(n, err)
	}
	intent2, urgency2 := judge(t, c, test, classify.Intent), judge(t, c, test, classify.Urgency)
	t.Logf("after 40 corrections: intent %v; urgency %v", intent2, urgency2)
	if intent.accuracy() < 0.75 || intent2.accuracy() < max(0.9, intent.accuracy()) || intent2.answered-intent2.right > 4 {
		t.Errorf("intent: %v, then %v", intent, intent2)
	}
	if urgency.accuracy() < 0.9 || urgency2.accuracy() < urgency.accuracy() {
		t.Errorf("urgency: %v, then %v", urgency, urgency2)
	}
}

// Corrections alone, without a lexicon, teach too: here the senders' own words for product lines.
func TestProductLine(t *testing.T) {
	t.Parallel()
	c := open(t, storetest.SQLite(t), func(o *classify.Options) {
		o.Dimensions = []classify.Dimension{{
			Name: classify.ProductLine, Phrases: []classify.Phrase{{Text: "水泵", Label: "pumps", Weight: 3}, {Text: "pump", Label: "pumps", Weight: 3}},
		}}
	})
	if got := of(t, c, classify.Mail{Subject: "水泵漏水"}, classify.ProductLine); got.Label != "pumps" || got.Origin != classify.Lexicon {
		t.Errorf("%+v", got)
	}
	for i, s := range []string{"传感器接线", "传感器信号不稳", "压力传感器询价", "sensor wiring", "two sensors needed", "the sensor shows nothing"} {
		correct(t, c, classify.Mail{Key: fmt.Sprint(i), Subject: s}, classify.ProductLine, "sensors")
	}
	for i, s := range []string{"水泵询价", "pump needed", "pump shows nothing", "阀门询价", "水泵信号"} {
		correct(t, c, classify.Mail{Key: fmt.Sprint("p", i), Subject: s}, classify.ProductLine, "pumps")
	}
	if _, err := c.Train(t.Context()); err != nil {
		t.Fatal(err)
	}
	for subject, want := range map[string]string{
		"温度传感器多少钱": "sensors", "sensor wiring again": "sensors", "大水泵": "pumps", "完全无关的内容": "", "": "",
	} {
		if got := of(t, c, classify.Mail{Subject: subject}, classify.ProductLine); got.Label != want {
			t.Errorf("%s: %+v", subject, got)
		}
	}
	got := of(t, c, classify.Mail{Subject: "温度传感器多少钱"}, classify.ProductLine)
	if got.Origin != classify.Corrections || len(got.Evidence) == 0 || got.Evidence[0].Text != "传感" && got.Evidence[0].Text != "感器" {
		t.Errorf("%+v", got)
	}
}

func BenchmarkSuggest(b *testing.B) {
	c := open(b, storetest.SQLite(b), nil)
	list := corpus(b)
	for _, s := range list {
		correct(b, c, s.mail, classify.Intent, s.intent)
	}
	if _, err := c.Train(b.Context()); err != nil {
		b.Fatal(err)
	}
	var long strings.Builder
	for _, s := range list {
		long.WriteString(s.mail.Text + "\n")
	}
	for name, text := range map[string]string{"short": list[0].mail.Text, "long": long.String()} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Suggest(b.Context(), classify.Mail{Subject: list[0].mail.Subject, Text: text}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
