package classify_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"heliograph/hooks/rules/classify"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

func correct(t testing.TB, c *classify.Classifier, m classify.Mail, dimension string, labels ...string) {
	t.Helper()
	err := c.Correct(t.Context(), classify.Correction{Mail: m, Dimension: dimension, Labels: labels, By: "a@example.com", TrainAutomated: true})
	if err != nil {
		t.Fatal(err)
	}
}

func count(t *testing.T, db *store.DB, query string, args ...any) (n int) {
	t.Helper()
	if err := db.Reader().QueryRowContext(t.Context(), query, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// What one process learned, another has after it loaded the model; and training twice makes no second version.
func TestVersions(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c, other := open(t, db, nil), open(t, db, nil)
		m := classify.Mail{Key: "k1", Subject: "Zweimal Flansche", SenderDomain: "example.com"}
		for i := range 5 {
			m.Key = fmt.Sprint("k", i)
			correct(t, c, m, classify.Intent, "order")
		}
		if got := of(t, c, m, classify.Intent); got.Label != "order" || got.Model != "intent/0+5" {
			t.Errorf("at once: %+v", got)
		}
		if n, err := c.Train(t.Context()); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		if n, err := c.Train(t.Context()); n != 0 || err != nil {
			t.Fatal(n, err)
		}
		if n, err := other.Train(t.Context()); n != 0 || err != nil {
			t.Fatal(n, err)
		}
		a, b := of(t, c, m, classify.Intent), of(t, other, m, classify.Intent)
		if a.Label != "order" || a.Model != "intent/1" || a.Probability != b.Probability || a.Origin != classify.Corrections {
			t.Errorf("%+v\n%+v", a, b)
		}
		for i := range 12 { // another correction, another version; old ones go
			correct(t, c, classify.Mail{Key: fmt.Sprint("more", i), Subject: "Rechnung"}, classify.Intent, "invoice")
			if _, err := c.Train(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		list, err := other.Versions(t.Context())
		if err != nil || len(list) != 10 || list[0].Version != 13 || list[0].Corrections != 17 || list[0].Used {
			t.Errorf("%+v %v", list, err)
		}
		if err := other.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := of(t, other, m, classify.Intent); got.Model != "intent/13" {
			t.Errorf("%+v", got)
		}
	})
}

// The last correction of a mail counts, in memory as in the next version.
func TestCorrectingAgain(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c, plain := open(t, db, nil), open(t, storetest.SQLite(t), nil)
		m := classify.Mail{Key: "k", Subject: "Sonderposten Kugellager"}
		correct(t, c, m, classify.Intent, "order")
		correct(t, c, m, classify.Intent, "spam")
		correct(t, plain, m, classify.Intent, "spam")
		want := of(t, plain, m, classify.Intent).Probability
		if got := of(t, c, m, classify.Intent); got.Probability != want {
			t.Errorf("%v instead of %v", got.Probability, want)
		}
		for _, c := range []*classify.Classifier{c, plain} {
			if _, err := c.Train(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		want = of(t, plain, m, classify.Intent).Probability
		if got := of(t, c, m, classify.Intent); got.Probability != want {
			t.Errorf("trained: %v instead of %v", got.Probability, want)
		}
		if n := count(t, db, "SELECT COUNT(*) FROM classify_corrections"); n != 2 {
			t.Errorf("%d rows: who said what is history", n)
		}
		if err := c.Forget(t.Context(), "k"); err != nil {
			t.Fatal(err)
		}
		if n, err := c.Train(t.Context()); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		if n := count(t, db, "SELECT COUNT(*) FROM classify_corrections"); n != 0 {
			t.Errorf("%d rows are left", n)
		}
		if got := of(t, c, m, classify.Intent); got.Label != "" || len(got.Evidence) != 0 {
			t.Errorf("not forgotten: %+v", got)
		}
	})
}

// A machine's mail is learned from only when somebody asks for it.
func TestAutomatedMail(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	c := open(t, db, nil)
	m := classify.Mail{Key: "k", Subject: "Wochenbericht Anlage", Automated: true}
	co := classify.Correction{Mail: m, Dimension: classify.Intent, Labels: []string{"invoice"}, By: "a@example.com"}
	if err := c.Correct(t.Context(), co); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Train(t.Context()); n != 0 || err != nil {
		t.Errorf("%d models, %v", n, err)
	}
	if got := of(t, c, m, classify.Intent); len(got.Evidence) != 0 || count(t, db, "SELECT COUNT(*) FROM classify_corrections") != 1 {
		t.Errorf("%+v", got)
	}
	co.TrainAutomated = true
	if err := c.Correct(t.Context(), co); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Train(t.Context()); n != 1 || err != nil {
		t.Errorf("%d models, %v", n, err)
	}
	if got := of(t, c, m, classify.Intent); len(got.Evidence) == 0 {
		t.Errorf("%+v", got)
	}
}

// Of a mail nothing but hashes is stored.
func TestNoTextIsStored(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	c := open(t, db, nil)
	m := classify.Mail{Key: "k", Subject: "机密项目报价", Text: "secretword 13800138000", SenderDomain: "hidden.example"}
	correct(t, c, m, classify.Intent, "quote")
	if _, err := c.Train(t.Context()); err != nil {
		t.Fatal(err)
	}
	rows, err := db.Reader().QueryContext(t.Context(), "SELECT features || labels FROM classify_corrections UNION ALL SELECT model || state FROM classify_models")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var b []byte
		if err := rows.Scan(&b); err != nil {
			t.Fatal(err)
		}
		for _, word := range []string{"机密", "secretword", "13800138000", "hidden"} {
			if strings.Contains(string(b), word) {
				t.Errorf("%s is stored", word)
			}
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
}

// Numbers are no features: two mails that differ in them are one to the models.
func TestNumbersDoNotCount(t *testing.T) {
	t.Parallel()
	c := open(t, storetest.SQLite(t), nil)
	correct(t, c, classify.Mail{Key: "k", Subject: "SO2231 Pos 7"}, classify.Intent, "order")
	a, b := of(t, c, classify.Mail{Subject: "SO9 Pos 123"}, classify.Intent), of(t, c, classify.Mail{Subject: "SO2231 Pos 7"}, classify.Intent)
	if a.Probability != b.Probability || len(a.Evidence) == 0 {
		t.Errorf("%+v\n%+v", a, b)
	}
}

func TestTags(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db, nil)
		for i := range 8 {
			key := fmt.Sprint(i)
			correct(t, c, classify.Mail{Key: "a" + key, Subject: "Messe Hannover Standplan"}, classify.Tag, "fair")
			correct(t, c, classify.Mail{Key: "b" + key, Subject: "Reisekosten Hannover"}, classify.Tag, "travel")
			correct(t, c, classify.Mail{Key: "c" + key, Subject: "Messe Hannover Reisekosten"}, classify.Tag, "fair", "travel")
			correct(t, c, classify.Mail{Key: "d" + key, Subject: "Kantine am Montag"}, classify.Tag)
		}
		if _, err := c.Train(t.Context()); err != nil {
			t.Fatal(err)
		}
		for subject, want := range map[string][]string{
			"Standplan der Messe": {"fair"}, "Messe und Reisekosten": {"fair", "travel"}, "Reisekosten": {"travel"}, "Kantine": nil, "Ganz anders": nil,
		} {
			list, err := c.Suggest(t.Context(), classify.Mail{Subject: subject})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, s := range list {
				if s.Dimension == classify.Tag {
					got = append(got, s.Label)
				}
			}
			if slices.Sort(got); !slices.Equal(got, want) {
				t.Errorf("%s: %v", subject, got)
			}
		}
		e, err := c.Evaluate(t.Context(), classify.Tag, classify.Folds)
		if err != nil || !e.Enough || e.Accuracy < 0.9 || len(e.Labels) != 2 || e.Confusion != nil {
			t.Errorf("%+v %v", e, err)
		}
	})
}

func TestEvaluate(t *testing.T) {
	t.Parallel()
	c := open(t, storetest.SQLite(t), nil)
	train, _ := split(t)
	for i, s := range train {
		if i == 15 {
			e, err := c.Evaluate(t.Context(), classify.Intent, classify.Folds)
			if err != nil || e.Enough || e.Corrections != 15 || e.Labels != nil || e.Accuracy != 0 {
				t.Errorf("too few: %+v %v", e, err)
			}
		}
		correct(t, c, s.mail, classify.Intent, s.intent)
	}
	e, err := c.Evaluate(t.Context(), classify.Intent, classify.Folds)
	if err != nil || !e.Enough || e.Judged != 40 || e.Accuracy < 0.85 || e.Answered < 0.8 || e.Calibration > 0.2 || e.LexiconAccuracy == 0 {
		t.Errorf("%+v %v", e, err)
	}
	support, hits, confused := 0, 0, 0
	for _, l := range e.Labels {
		support += l.Support
		hits += e.Confusion[l.Label][l.Label]
		if want := float64(e.Confusion[l.Label][l.Label]) / float64(l.Support); l.Recall != want {
			t.Errorf("%s: recall %v instead of %v", l.Label, l.Recall, want)
		}
	}
	for _, said := range e.Confusion {
		for _, n := range said {
			confused += n
		}
	}
	if support != 40 || confused != 40 || float64(hits) != math.Round(40*e.Accuracy*e.Answered) {
		t.Errorf("%d with labels, %d in the table, %d right: %+v", support, confused, hits, e)
	}
	again, err := c.Evaluate(t.Context(), classify.Intent, classify.Folds)
	if err != nil || fmt.Sprint(again) != fmt.Sprint(e) {
		t.Errorf("another time: %+v %v", again, err)
	}
	late, err := c.Evaluate(t.Context(), classify.Intent, classify.Time)
	if err != nil || late.Judged != 10 {
		t.Errorf("%+v %v", late, err)
	}
	if _, err := c.Evaluate(t.Context(), "colour", classify.Folds); !errors.Is(err, classify.ErrUnknown) {
		t.Error(err)
	}
}

func TestRefusedCorrections(t *testing.T) {
	t.Parallel()
	c := open(t, storetest.SQLite(t), nil)
	good := classify.Correction{Mail: classify.Mail{Key: "k"}, Dimension: classify.Intent, Labels: []string{"order"}}
	for name, change := range map[string]func(*classify.Correction){
		"dimension":  func(co *classify.Correction) { co.Dimension = "colour" },
		"label":      func(co *classify.Correction) { co.Labels = []string{"mauve"} },
		"empty":      func(co *classify.Correction) { co.Dimension, co.Labels = classify.Tag, []string{""} },
		"control":    func(co *classify.Correction) { co.Dimension, co.Labels = classify.Tag, []string{"a\nb"} },
		"two labels": func(co *classify.Correction) { co.Labels = []string{"order", "quote"} },
		"no label":   func(co *classify.Correction) { co.Labels = nil },
		"no key":     func(co *classify.Correction) { co.Mail.Key = "" },
		"long key":   func(co *classify.Correction) { co.Mail.Key = strings.Repeat("k", 300) },
		"long name":  func(co *classify.Correction) { co.By = strings.Repeat("k", 400) },
	} {
		co := good
		change(&co)
		if err := c.Correct(t.Context(), co); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if err := c.Correct(t.Context(), good); err != nil {
		t.Error(err)
	}
}

func TestRefusedOptions(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	for name, o := range map[string]classify.Options{
		"no store":  {},
		"threshold": {Store: db, Threshold: 1},
		"twice":     {Store: db, Dimensions: []classify.Dimension{{Name: "a"}, {Name: "a"}}},
		"no name":   {Store: db, Dimensions: []classify.Dimension{{}}},
		"label":     {Store: db, Dimensions: []classify.Dimension{{Name: "a", Labels: []string{"x", "x"}}}},
		"usual":     {Store: db, Dimensions: []classify.Dimension{{Name: "a", Labels: []string{"x"}, Usual: "y"}}},
		"phrase":    {Store: db, Dimensions: []classify.Dimension{{Name: "a", Phrases: []classify.Phrase{{Text: "…", Label: "x"}}}}},
		"weight":    {Store: db, Dimensions: []classify.Dimension{{Name: "a", Phrases: []classify.Phrase{{Text: "a", Label: "x", Weight: 99}}}}},
		"other":     {Store: db, Dimensions: []classify.Dimension{{Name: "a", Labels: []string{"x"}, Phrases: []classify.Phrase{{Text: "a", Label: "y"}}}}},
	} {
		if _, err := classify.New(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// A background run learns what another process was told.
func TestRun(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	c := open(t, db, nil)
	other := open(t, db, func(o *classify.Options) { o.Every = time.Millisecond })
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		other.Run(ctx)
	}()
	m := classify.Mail{Key: "k", Subject: "Kugellager Sonderposten"}
	correct(t, c, m, classify.Intent, "order")
	for deadline := time.Now().Add(20 * time.Second); ; {
		if got := of(t, other, m, classify.Intent); got.Model == "intent/1" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("nothing was learned")
		}
	}
	cancel()
	<-done
	if _, err := other.Suggest(ctx, m); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestOldCorrectionsAreForgotten: what counts is kept however old it is; what was said before of the same mail is history, and history ends.
func TestOldCorrectionsAreForgotten(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		now := time.Date(2026, 3, 2, 2, 0, 0, 0, time.UTC)
		c := open(t, db, func(o *classify.Options) { o.Now = func() time.Time { return now } })
		first, other := classify.Mail{Key: "first", Subject: "Angebot Flansche"}, classify.Mail{Key: "other", Subject: "Rechnung"}
		correct(t, c, first, classify.Intent, "order")
		correct(t, c, first, classify.Intent, "quote")
		train := func(rows int) {
			t.Helper()
			if n, err := c.Train(t.Context()); n != 1 || err != nil {
				t.Fatalf("%d models, %v", n, err)
			}
			if n, err := c.Train(t.Context()); n != 0 || err != nil {
				t.Fatalf("again: %d models, %v", n, err)
			}
			if n := count(t, db, "SELECT COUNT(*) FROM classify_corrections"); n != rows {
				t.Errorf("%d corrections are kept, want %d", n, rows)
			}
		}
		train(2)
		now = now.AddDate(1, 0, 0)
		correct(t, c, other, classify.Intent, "invoice")
		train(2)
		if got := of(t, c, first, classify.Intent); got.Label != "quote" {
			t.Errorf("what was said a year ago is not known any more: %+v", got)
		}
	})
}

// TestCorrectionsHaveANumber: of too many, the oldest go.
func TestCorrectionsHaveANumber(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db, nil)
		m := classify.Mail{Key: "k", Subject: "Zweimal Flansche"}
		correct(t, c, m, classify.Intent, "order")
		err := db.Write(t.Context(), func(ctx context.Context, tx store.Querier) error {
			_, err := tx.ExecContext(ctx, `INSERT INTO classify_corrections (message_key, dimension, labels, corrected_by, corrected_at, trains, scheme, features)
				WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40010)
				SELECT 'k' || i, 'intent', '["order"]', '', $1, 0, 0, $2 FROM n`, store.Micros(time.Now()), []byte{})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Train(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n, first := count(t, db, "SELECT COUNT(*) FROM classify_corrections"), count(t, db, "SELECT COUNT(*) FROM classify_corrections WHERE message_key = 'k'"); n != 40000 || first != 0 {
			t.Errorf("%d corrections are kept, want 40000 without the first", n)
		}
	})
}
