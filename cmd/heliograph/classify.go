package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"heliograph/config"
	"heliograph/hooks/rules"
	"heliograph/hooks/rules/classify"
	"heliograph/internal/gateway/actions"
	"heliograph/internal/journal"
	"heliograph/internal/message"
	"heliograph/internal/store"
)

// classifyCmd are the commands for what mails are about: intent, urgency, product line, tags.
type classifyCmd struct {
	configFlag
	Waiting  classifyWaitingCmd  `cmd:"" default:"withargs" help:"List labels on which somebody has to decide. 待确认的分类建议"`
	Suggest  classifySuggestCmd  `cmd:"" help:"Say what a message may be, and why. 识别邮件类别"`
	Correct  classifyCorrectCmd  `cmd:"" help:"Say what a message is; the classifier learns from it. 纠正分类"`
	Evaluate classifyEvaluateCmd `cmd:"" help:"Show how good suggestions are, on corrections that were held back. 评估准确率"`
	Train    classifyTrainCmd    `cmd:"" help:"Learn from new corrections now, which the gateway does each minute by itself. 立即训练"`
}

// openClassifier is the classifier over the store of a gateway. It never asks the chat endpoint: what is printed is for the one who typed.
type openClassifier struct {
	*actions.Classifier
	cfg *config.Config
	db  *store.DB
}

func (c *classifyCmd) with(ctx context.Context, do func(openClassifier) error) (err error) {
	cfg, db, err := c.openStore(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	k, err := actions.NewClassifier(actions.ClassifierOptions{Store: db, Config: cfg.Rules.Classifier})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, k.Close()) }()
	if err := k.Load(ctx); err != nil {
		return err
	}
	return do(openClassifier{k, cfg, db})
}

// mail finds a message by the name of a mail file, or by its Message-ID in the journal.
func (o openClassifier) mail(ctx context.Context, which string) (m classify.Mail, err error) {
	body, err := o.open(ctx, which)
	if err != nil {
		return m, err
	}
	digest := sha256.New()
	msg, err := message.Parse(io.TeeReader(body, digest), message.Options{Salt: which})
	if err := errors.Join(err, body.Close()); err != nil {
		return m, fmt.Errorf("%s: %w", which, err)
	}
	id := strings.Trim(msg.MessageID, "<>")
	key, err := actions.NewStored(actions.StoredOptions{Store: o.db}).MessageKey(ctx, id)
	switch {
	case err != nil:
		return m, err
	case key == "" && id != "":
		key = "file " + id
	case key == "":
		key = "file " + hex.EncodeToString(digest.Sum(nil))
	}
	return actions.MailOf(key[:min(len(key), 256)], msg), nil
}

func (o openClassifier) open(ctx context.Context, which string) (io.ReadCloser, error) {
	if info, err := os.Stat(which); err == nil && info.Mode().IsRegular() {
		return os.Open(which)
	}
	rows, err := journal.ReadLedger(ctx, o.db.Reader(), journal.LedgerFilter{MessageID: strings.Trim(which, "<> "), Limit: 100})
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		e, err := journal.ReadEntry(ctx, o.db.Reader(), r.Entry)
		if errors.Is(err, journal.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return journal.ReadBody(filepath.Join(o.cfg.DataDir, "journal"), o.cfg.Journal.KeyFile, e)
	}
	return nil, fmt.Errorf("%q is no file, and the journal has no such message", which)
}

type classifyWaitingCmd struct {
	listFlags
}

// waitingLine is a suggestion as JSON.
type waitingLine struct {
	MessageID string `json:"message_id,omitempty"`
	rules.Suggestion
}

// Run lists suggestions, the newest first.
func (c *classifyWaitingCmd) Run(ctx context.Context, parent *classifyCmd) error {
	return parent.with(ctx, func(o openClassifier) error {
		found, err := rules.Suggestions(ctx, o.db.Reader(), "", c.Limit+1)
		if err != nil {
			return err
		}
		more := len(found) > c.Limit
		var lines []waitingLine
		for _, s := range found[:min(len(found), c.Limit)] {
			id, err := messageIDOf(ctx, o.db.Reader(), s.Message)
			if err != nil {
				return err
			}
			lines = append(lines, waitingLine{id, s})
		}
		t := &table{head: []string{"MESSAGE-ID", "MAY BE", "PROBABILITY", "BECAUSE OF", "BY", "SINCE"}, right: []int{2}}
		return printList(lines, more, c.JSON, "labels to decide on", t, func(l waitingLine) []string {
			return []string{
				l.MessageID, rules.TagOf(l.Dimension, l.Label), l.Probability.String(), strings.Join(l.Evidence, ", "), l.By, clock(l.At),
			}
		})
	})
}

// messageIDOf is the Message-ID of a message; empty where it is not known.
func messageIDOf(ctx context.Context, q store.Querier, key string) (id string, err error) {
	rows, err := q.QueryContext(ctx, `SELECT message_id FROM messages WHERE key = $1`, key)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	if rows.Next() {
		err = rows.Scan(&id)
	}
	return id, errors.Join(err, rows.Err())
}

type classifySuggestCmd struct {
	Which []string `arg:"" name:"message" help:"Mail files, or Message-IDs. 邮件文件或 Message-ID"`
	JSON  bool     `help:"Print JSON, one object a suggestion."`
}

// suggestionLine is what a message may be as JSON.
type suggestionLine struct {
	Message     string   `json:"message"`
	Dimension   string   `json:"dimension"`
	Label       string   `json:"label"`
	Probability float64  `json:"probability"`
	Evidence    []string `json:"evidence,omitempty"`
	Model       string   `json:"model"`
}

// Run shows suggestions. It stores none.
func (c *classifySuggestCmd) Run(ctx context.Context, parent *classifyCmd) error {
	return parent.with(ctx, func(o openClassifier) error {
		var lines []suggestionLine
		for _, which := range c.Which {
			m, err := o.mail(ctx, which)
			if err != nil {
				return err
			}
			list, err := o.Suggest(ctx, m)
			if err != nil {
				return err
			}
			for _, s := range list {
				l := suggestionLine{Message: which, Dimension: s.Dimension, Label: s.Label, Probability: float64(int(s.Probability*1000+0.5)) / 1000, Model: s.Model}
				for _, e := range s.Evidence {
					l.Evidence = append(l.Evidence, e.Text)
				}
				lines = append(lines, l)
			}
		}
		t := &table{head: []string{"MESSAGE", "DIMENSION", "MAY BE", "PROBABILITY", "BECAUSE OF", "MODEL"}, right: []int{3}}
		return printList(lines, false, c.JSON, "suggestions", t, func(l suggestionLine) []string {
			label := l.Label
			if label == "" {
				label = "(not known)"
			}
			return []string{l.Message, l.Dimension, label, fmt.Sprintf("%.2f", l.Probability), strings.Join(l.Evidence, ", "), l.Model}
		})
	})
}

type classifyCorrectCmd struct {
	Which string   `arg:"" name:"message" help:"A mail file, or a Message-ID. 邮件文件或 Message-ID"`
	Is    []string `required:"" sep:"none" help:"What it is: intent=complaint, urgency=urgent, product_line=NAME; tag=A,B for all its tags, tag= for none. 类别"`
	By    string   `help:"Who says so; empty: the user of this machine. 纠正人"`
}

// Run writes the corrections down: they teach the classifier, become the message's tags, and answer what waits.
func (c *classifyCorrectCmd) Run(ctx context.Context, parent *classifyCmd) error {
	return parent.with(ctx, func(o openClassifier) error {
		m, err := o.mail(ctx, c.Which)
		if err != nil {
			return err
		}
		by := c.By
		if by == "" {
			by = operator()
		}
		for _, text := range c.Is {
			dimension, value, ok := strings.Cut(text, "=")
			if !ok {
				return fmt.Errorf("--is %q: write DIMENSION=LABEL, such as intent=complaint", oneLine(text))
			}
			labels := labelsOf(value)
			if err := o.Correct(ctx, classify.Correction{Mail: m, Dimension: dimension, Labels: labels, By: by}); err != nil {
				return err
			}
			err := o.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
				return rules.Decide(ctx, tx, m.Key, dimension, labels, by, time.Now())
			})
			if err != nil {
				return err
			}
		}
		fmt.Printf("%d corrections were written down\n", len(c.Is))
		return nil
	})
}

// labelsOf reads labels that commas part.
func labelsOf(text string) (labels []string) {
	for l := range strings.SplitSeq(text, ",") {
		if l = strings.TrimSpace(l); l != "" {
			labels = append(labels, l)
		}
	}
	return labels
}

type classifyEvaluateCmd struct {
	Dimensions []string `arg:"" optional:"" name:"dimension" help:"intent, urgency, product_line or tag; all if none is named. 维度"`
	Newest     bool     `help:"Judge the newest quarter of the corrections by the older ones, instead of each fifth by the others. 按时间划分"`
	JSON       bool     `help:"Print JSON, one object a dimension."`
}

// Run shows evaluations.
func (c *classifyEvaluateCmd) Run(ctx context.Context, parent *classifyCmd) error {
	return parent.with(ctx, func(o openClassifier) error {
		split, names := classify.Folds, c.Dimensions
		if c.Newest {
			split = classify.Time
		}
		if len(names) == 0 {
			for _, d := range o.Dimensions() {
				names = append(names, d.Name)
			}
		}
		for i, name := range names {
			e, err := o.Evaluate(ctx, name, split)
			if err != nil {
				return err
			}
			if c.JSON {
				if err := printJSON(e); err != nil {
					return err
				}
				continue
			}
			if i > 0 {
				fmt.Println()
			}
			if err := printEvaluation(e); err != nil {
				return err
			}
		}
		return nil
	})
}

func printEvaluation(e classify.Evaluation) error {
	if !e.Enough {
		fmt.Printf("%s: %d corrections are too few to say anything: it takes 20, and 3 each of two labels\n", e.Dimension, e.Corrections)
		return nil
	}
	fmt.Printf("%s: %d corrections\n", e.Dimension, e.Corrections)
	percent := func(p float64) string { return fmt.Sprintf("%.0f %%", 100*p) }
	field("got a label", percent(e.Answered)+" of mails; by the shipped phrases alone "+percent(e.LexiconAnswered))
	field("right", percent(e.Accuracy)+" of these; by the shipped phrases alone "+percent(e.LexiconAccuracy))
	field("calibration", fmt.Sprintf("probabilities are off by %s on average", percent(e.Calibration)))
	t := &table{head: []string{"LABEL", "MAILS", "SUGGESTED", "PRECISION", "RECALL", "F1"}, right: []int{1, 2, 3, 4, 5}}
	return printList(e.Labels, false, false, "labels", t, func(l classify.LabelQuality) []string {
		return []string{l.Label, fmt.Sprint(l.Support), fmt.Sprint(l.Suggested), percent(l.Precision), percent(l.Recall), fmt.Sprintf("%.2f", l.F1)}
	})
}

type classifyTrainCmd struct{}

// Run makes new models where there are new corrections.
func (c *classifyTrainCmd) Run(ctx context.Context, parent *classifyCmd) error {
	return parent.with(ctx, func(o openClassifier) error {
		made, err := o.Train(ctx)
		if err != nil {
			return err
		}
		fmt.Printf("%d new models\n", made)
		versions, err := o.Versions(ctx)
		if err != nil {
			return err
		}
		t := &table{head: []string{"DIMENSION", "VERSION", "TRAINED", "CORRECTIONS", "USED"}, right: []int{1, 3}}
		return printList(versions, false, false, "models", t, func(v classify.Version) []string {
			used := ""
			if v.Used {
				used = "yes"
			}
			return []string{v.Dimension, fmt.Sprint(v.Version), clock(v.TrainedAt), fmt.Sprint(v.Corrections), used}
		})
	})
}
