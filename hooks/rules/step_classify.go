package rules

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"heliograph/hooks/rules/classify"
)

// Suggester is a World that says what a mail may be about. A *classify.Classifier is one.
type Suggester interface {
	// Suggest gives for each dimension what the mail may be; a label that is empty means that nobody knows.
	Suggest(ctx context.Context, m classify.Mail) ([]classify.Suggestion, error)
}

// defaultCertain is how probable a label must be to be set as a tag without anybody looking.
const defaultCertain = 0.8

// tagMode says what becomes of labels.
type tagMode string

const (
	tagNothing tagMode = ""        // they are in the step's output only
	tagSet     tagMode = "set"     // those that are sure enough become tags, the others suggestions
	tagSuggest tagMode = "suggest" // all become suggestions, on which people decide
)

// UnmarshalJSON reads true, false or "suggest".
func (m *tagMode) UnmarshalJSON(b []byte) error {
	switch string(b) {
	case "false", `""`, "null":
		*m = tagNothing
	case "true":
		*m = tagSet
	case `"suggest"`:
		*m = tagSuggest
	default:
		return errors.New(`set_tags is true, false or "suggest"`)
	}
	return nil
}

// classifyStep says what the mail is about: steps.ID.intent, .urgency and so on by dimension, .probability and .evidence by dimension. What nobody
// knows is nil. Labels become tags such as intent:complaint; those of the dimension "tag" are tags as they are.
type classifyStep struct {
	Dimensions     []string `json:"dimensions,omitempty"` // intent and urgency if empty
	SetTags        tagMode  `json:"set_tags,omitempty"`
	MinProbability float64  `json:"min_probability,omitempty"` // of tags that are set; 0.8 if zero
}

func (s *classifyStep) compile(*compiler) error {
	if len(s.Dimensions) == 0 {
		s.Dimensions = []string{classify.Intent, classify.Urgency}
	}
	for _, d := range s.Dimensions {
		if !validID(d) || slices.Contains(classifyOwn, d) {
			return fmt.Errorf("%q cannot be a dimension: letters, digits and underscores, and none of %s", d, strings.Join(classifyOwn, ", "))
		}
	}
	if s.MinProbability == 0 {
		s.MinProbability = defaultCertain
	}
	if !(s.MinProbability > 0 && s.MinProbability <= 1) {
		return errors.New("min_probability is above 0, and 1 at most")
	}
	return nil
}

// classifyOwn are the names in the step's output that are not dimensions.
var classifyOwn = []string{"probability", "evidence", "tags", "suggested", "state", "reason"}

func (s *classifyStep) run(x *exec) (outcome, error) {
	out, _ := x.remembered("labels").(map[string]any)
	var tagging *Tagging
	if out == nil {
		list, err := s.suggest(x)
		if err != nil {
			return outcome{}, err
		}
		out, tagging = s.facts(x, list)
		// An answer from outside may differ the next time: what was found is kept before anything is done with it.
		if err := x.remember("labels", out); err != nil {
			return outcome{}, err
		}
		if err := x.remember("tagging", tagging); err != nil {
			return outcome{}, err
		}
		out, _ = x.remembered("labels").(map[string]any)
	}
	if s.SetTags == tagNothing {
		return done(out), nil
	}
	kept, err := json.Marshal(x.remembered("tagging"))
	if err != nil {
		return outcome{}, err
	}
	tagging = &Tagging{}
	if err := json.Unmarshal(kept, tagging); err != nil {
		return outcome{}, err
	}
	if len(tagging.Add)+len(tagging.Suggest) == 0 {
		return done(out), nil
	}
	title := strings.Join(tagging.Add, ", ")
	for _, g := range tagging.Suggest {
		title = strings.TrimPrefix(title+", "+TagOf(g.Dimension, g.Label)+"?", ", ")
	}
	acted, err := x.act(0, &Effect{Kind: EffectTag, Title: title, Tags: tagging})
	if err != nil || acted.state != StepDone {
		return acted, err
	}
	return done(out), nil
}

// suggest asks what the mail is about.
func (s *classifyStep) suggest(x *exec) ([]classify.Suggestion, error) {
	if x.run.Event.Message == "" {
		return nil, Permanent(errors.New("there is no mail to classify"))
	}
	w, ok := x.e.world.(Suggester)
	if !ok {
		return nil, Permanent(errors.New("nobody here can classify mail"))
	}
	v, err := factOf(x, x.facts, "mail")
	if err != nil {
		return nil, err
	}
	m, _ := v.(map[string]any)
	list, err := w.Suggest(x, mailToClassify(x.run.Event.Message, m))
	if u, ok := asUnknown(err); ok {
		return nil, Permanent(u)
	}
	return list, err
}

// mailToClassify is what a classifier looks at of the facts of a mail.
func mailToClassify(key string, m map[string]any) classify.Mail {
	text := func(m map[string]any, name string) string {
		s, _ := m[name].(string)
		return s
	}
	from, _ := m["from"].(map[string]any)
	out := classify.Mail{Key: key, Subject: text(m, "subject"), Text: text(m, "unquoted"), SenderDomain: text(from, "domain")}
	if out.Text == "" {
		out.Text = text(m, "text")
	}
	out.Automated, _ = m["automated"].(bool)
	files, _ := m["attachments"].([]any)
	for _, f := range files {
		if f, ok := f.(map[string]any); ok && f["inline"] != true {
			out.Attachments = append(out.Attachments, text(f, "type"), text(f, "name"))
		}
	}
	return out
}

// facts are the step's output, and the tags that follow from it.
func (s *classifyStep) facts(x *exec, list []classify.Suggestion) (map[string]any, *Tagging) {
	probability, evidence := map[string]any{}, map[string]any{}
	out := map[string]any{"probability": probability, "evidence": evidence}
	t := &Tagging{Message: x.run.Event.Message}
	for _, d := range s.Dimensions {
		out[d], probability[d], evidence[d] = nil, nil, []any{}
		if d == classify.Tag {
			out[d] = []any{}
		}
	}
	for _, g := range list {
		if !slices.Contains(s.Dimensions, g.Dimension) || g.Label == "" {
			continue
		}
		reasons := reasonsOf(g)
		switch have := out[g.Dimension].(type) {
		case []any:
			out[g.Dimension] = append(have, g.Label)
		case nil:
			out[g.Dimension] = g.Label
		default: // a dimension of many labels: the most probable one was there first
			out[g.Dimension] = []any{have, g.Label}
		}
		if probability[g.Dimension] == nil {
			probability[g.Dimension] = thousandths(g.Probability)
		}
		for _, r := range reasons {
			evidence[g.Dimension] = append(evidence[g.Dimension].([]any), r)
		}
		s.tag(t, g, reasons)
	}
	out["tags"] = texted(t.Add)
	suggested := []any{}
	for _, g := range t.Suggest {
		suggested = append(suggested, TagOf(g.Dimension, g.Label))
	}
	out["suggested"] = suggested
	return out, t
}

// tag decides what becomes of a label. One for which nothing in the mail speaks is what mails usually are, and no news. What a language model
// says has no probability: it is a suggestion at most.
func (s *classifyStep) tag(t *Tagging, g classify.Suggestion, reasons []string) {
	if s.SetTags == tagNothing || len(reasons) == 0 {
		return
	}
	if s.SetTags == tagSet && g.Origin != classify.ChatOrigin && g.Probability >= s.MinProbability {
		t.Add = append(t.Add, TagOf(g.Dimension, g.Label))
		return
	}
	t.Suggest = append(t.Suggest, Suggested{Dimension: g.Dimension, Label: g.Label, Probability: thousandths(g.Probability), Evidence: reasons, Model: g.Model})
}

// TagOf is the tag of a label: intent:complaint. Labels of the dimension "tag" are tags as they are.
func TagOf(dimension, label string) string {
	if dimension == classify.Tag {
		return label
	}
	return dimension + ":" + label
}

func reasonsOf(g classify.Suggestion) (out []string) {
	for _, e := range g.Evidence {
		if !slices.Contains(out, e.Text) {
			out = append(out, e.Text)
		}
	}
	return out
}

// thousandths is a probability as a number with three digits.
func thousandths(p float64) json.Number {
	return json.Number(strconv.FormatFloat(math.Round(p*1000)/1000, 'f', -1, 64))
}

func (s *classifyStep) check(c *checker) { c.needsMail() }

func (s *classifyStep) describe(l voice) string {
	return l.of("find out of the mail: ", "识别邮件的 ") + strings.Join(s.Dimensions, l.of(", ", "、"))
}
