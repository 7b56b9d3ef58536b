// Package classify says what a mail is about: its intent (complaint, quote, order, …), how urgent it is, which product line it
// concerns, which tags it deserves. It learns from the corrections of people.
//
// The main idea: each dimension (intent, urgency, …) is a small naive Bayes model over hashed features of a mail: words, pairs
// of words, pairs of Chinese characters, the sender's domain, the types of attachments. Beside it stands a lexicon of
// phrases, shipped with the program, that knows something on the first day. How much either counts, and how sure they may be together,
// is fitted to the corrections themselves (each judged by what the others teach), so that a probability of 0.8 means that about
// four of five such suggestions are right. Below a threshold the answer is "don't know", which is never a label.
//
// What was learned is a sum over the rows of corrections, so that it depends on nothing else: equal rows give equal
// models, in whichever order they came. A correction stores the hashes of features and no text; numbers are taken out before
// hashing. (A hash hides words from a reader, not from somebody who tries a dictionary.)
//
// File by file:
//
//   - classify.go: the dimensions, the mail, Suggest.
//   - features.go: what of a mail counts, and its stored form.
//   - lexicon.go, lexicon.txt: the phrases.
//   - model.go: counts, scores, evidence. calibrate.go fits the two weights.
//   - correct.go: the rows of people's corrections.
//   - train.go: versions of models, rebuilt in the background.
//   - evaluate.go: precision, recall and confusion on corrections that were held back.
//   - chat.go, answer.go: a language model behind an OpenAI-compatible endpoint, off unless configured.
//
// It sets no tags and starts no rules: what becomes of a suggestion is its caller's decision.
package classify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"heliograph/internal/store"
)

// The dimensions that are known without configuration.
const (
	Intent      = "intent"
	Urgency     = "urgency"
	ProductLine = "product_line"
	Tag         = "tag"
)

// Origin says where a suggestion or a piece of evidence comes from.
type Origin string

// The origins.
const (
	Lexicon     Origin = "lexicon"     // the phrases that were shipped or configured
	Corrections Origin = "corrections" // what people said about other mails
	ChatOrigin  Origin = "chat"        // a language model
)

// Dimension is one question about mails.
type Dimension struct {
	Name string
	// Labels are the answers. Empty: those that people gave in corrections, besides those of Phrases.
	Labels []string
	// Many lets a mail have any number of the labels, as with tags. Otherwise it has one.
	Many bool
	// Usual is the label of mails that show nothing, such as "normal"; empty means that such mails are "don't know".
	Usual string
	// Phrases are added to those of the shipped lexicon.
	Phrases []Phrase
}

// DefaultDimensions returns the intents and urgencies of the shipped lexicon, and product lines and tags that are learned from
// corrections alone.
func DefaultDimensions() []Dimension {
	return []Dimension{
		{Name: Intent, Labels: []string{"complaint", "quote", "order", "invoice", "out_of_office", "question", "thanks", "spam", "other"}},
		{Name: Urgency, Labels: []string{"urgent", "normal", "low"}, Usual: "normal"},
		{Name: ProductLine},
		{Name: Tag, Many: true},
	}
}

// Mail is what a classifier looks at. Of long texts it reads the beginning.
type Mail struct {
	Key          string // message key; needed for Correct only
	Subject      string
	Text         string // without quoted history
	SenderDomain string
	Attachments  []string // types, such as "application/pdf", or names, such as "order.pdf"
	Automated    bool     // a machine sent it: an auto-responder, a list, a gateway
}

// Suggestion is what a mail may be in one dimension.
type Suggestion struct {
	Dimension string
	Label     string // empty means "don't know"
	// Probability is that of the label, or of the best one where Label is empty. 0 where nobody can tell (Origin is ChatOrigin).
	Probability float64
	Origin      Origin // Corrections as soon as any correction weighs more than the lexicon
	Evidence    []Evidence
	Model       string // name and version of what decided, such as "intent/7" or "chat/MODEL"
}

// Evidence is one reason for a suggestion.
type Evidence struct {
	Text   string  // words of the mail, or "from example.com", "attachment pdf", "automated"
	Where  string  // subject, text, sender, attachment
	Weight float64 // in natural logarithms of odds, against the other labels; 0 of a chat's quote
	Origin Origin
}

// Options configure New. Store is required.
type Options struct {
	Store      *store.DB
	Dimensions []Dimension // nil means DefaultDimensions
	// Threshold is the probability below which the answer is "don't know"; zero means 0.5.
	Threshold float64
	// Chat is asked for the dimensions that are "don't know" otherwise. Nil: nobody is asked.
	Chat   *Chat
	Now    func() time.Time // nil means time.Now
	Logger *slog.Logger     // nil: nothing is logged
	// Every is how often Run looks for new corrections and models; zero means 1 min.
	Every time.Duration
}

const (
	defaultThreshold = 0.5
	defaultEvery     = time.Minute
	maxDimensions    = 32
	maxLabels        = 200 // of a dimension
	maxName          = 64  // octets of a dimension's name or a label
	maxEvidence      = 5
)

// ErrUnknown is the cause of errors about dimensions and labels that there are not.
var ErrUnknown = errors.New("no such dimension or label")

// Classifier suggests labels. Its methods may run concurrently, also in several processes on one database.
type Classifier struct {
	o          Options
	dims       []*dimension
	correcting sync.Mutex // held while a correction is stored and learned
}

// dimension is a Dimension with what was learned about it.
type dimension struct {
	Dimension
	lexicon *lexicon

	mu      sync.RWMutex // guards all below
	model   *model
	version int64
	state   string // digest of the rows that version was trained from
	fresh   int    // corrections that were learned since
}

// New builds a classifier that knows the lexicon. Load gives it what was learned before.
func New(o Options) (*Classifier, error) {
	if o.Store == nil {
		return nil, errors.New("the classifier needs a store")
	}
	if o.Dimensions == nil {
		o.Dimensions = DefaultDimensions()
	}
	if o.Threshold == 0 {
		o.Threshold = defaultThreshold
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Every <= 0 {
		o.Every = defaultEvery
	}
	if !(o.Threshold > 0 && o.Threshold < 1) {
		return nil, fmt.Errorf("the threshold %v is not between 0 and 1", o.Threshold)
	}
	if len(o.Dimensions) > maxDimensions {
		return nil, fmt.Errorf("more than %d dimensions", maxDimensions)
	}
	shipped, err := shippedPhrases()
	if err != nil {
		return nil, err
	}
	c := &Classifier{o: o}
	for _, d := range o.Dimensions {
		dim, err := newDimension(d, shipped[d.Name])
		if err != nil {
			return nil, err
		}
		if c.dimension(d.Name) != nil {
			return nil, fmt.Errorf("the dimension %q is there twice", d.Name)
		}
		c.dims = append(c.dims, dim)
	}
	return c, nil
}

func newDimension(d Dimension, shipped []Phrase) (*dimension, error) {
	if !validName(d.Name) {
		return nil, fmt.Errorf("%q is no name of a dimension: between 1 and %d octets without control characters", d.Name, maxName)
	}
	if len(d.Labels) > maxLabels {
		return nil, fmt.Errorf("dimension %s: more than %d labels", d.Name, maxLabels)
	}
	for i, l := range d.Labels {
		if !validName(l) || slices.Contains(d.Labels[:i], l) {
			return nil, fmt.Errorf("dimension %s: the label %q is empty, too long or there twice", d.Name, l)
		}
	}
	if d.Usual != "" && !d.allows(d.Usual) {
		return nil, fmt.Errorf("dimension %s: the usual label %q: %w", d.Name, d.Usual, ErrUnknown)
	}
	var phrases []Phrase
	for _, p := range shipped { // an operator may use fewer labels than were shipped
		if d.allows(p.Label) {
			phrases = append(phrases, p)
		}
	}
	for _, p := range d.Phrases {
		if !d.allows(p.Label) {
			return nil, fmt.Errorf("dimension %s: the phrase %q for the label %q: %w", d.Name, p.Text, p.Label, ErrUnknown)
		}
	}
	lex, err := newLexicon(append(phrases, d.Phrases...))
	if err != nil {
		return nil, fmt.Errorf("dimension %s: %w", d.Name, err)
	}
	dim := &dimension{Dimension: d, lexicon: lex}
	dim.model = dim.empty()
	return dim, nil
}

// allows tells whether l may be a label of the dimension.
func (d *Dimension) allows(l string) bool {
	return validName(l) && (len(d.Labels) == 0 || slices.Contains(d.Labels, l))
}

// empty returns a model that knows only the lexicon.
func (d *dimension) empty() *model {
	m := newModel(d.Name, d.Usual, d.Many)
	for _, l := range d.Labels {
		m.class(l)
	}
	for _, l := range d.lexicon.labels {
		m.class(l)
	}
	return m
}

func (c *Classifier) dimension(name string) *dimension {
	for _, d := range c.dims {
		if d.Name == name {
			return d
		}
	}
	return nil
}

// Dimensions returns what the classifier was configured with.
func (c *Classifier) Dimensions() []Dimension { return slices.Clone(c.o.Dimensions) }

// Suggest says what m may be: for each dimension one suggestion, which may be "don't know"; for a dimension of many
// labels one for each label that is probable enough, most probable first, and none at all if there is none. It changes
// nothing. The error is that of ctx; trouble of the chat endpoint is logged and gives no suggestion.
func (c *Classifier) Suggest(ctx context.Context, m Mail) ([]Suggestion, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	d := c.read(m)
	var all []Suggestion
	var unknown []string
	for _, dim := range c.dims {
		found := dim.suggest(d, c.o.Threshold)
		if len(found) == 0 || found[0].Label == "" {
			unknown = append(unknown, dim.Name)
		}
		all = append(all, found...)
	}
	if c.o.Chat == nil || len(unknown) == 0 {
		return all, nil
	}
	answers, err := c.o.Chat.ask(ctx, m, c.dims, unknown)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		c.o.Logger.Warn("asking the chat endpoint for labels", "error", err)
	}
	return merge(all, answers), nil
}

// merge puts the chat's answers where the classifier had none.
func merge(all, answers []Suggestion) []Suggestion {
	for _, a := range answers {
		i := slices.IndexFunc(all, func(s Suggestion) bool { return s.Dimension == a.Dimension && s.Label == "" })
		if i >= 0 {
			all[i] = a
		} else {
			all = append(all, a)
		}
	}
	return all
}

func (d *dimension) suggest(doc *doc, threshold float64) []Suggestion {
	d.mu.RLock()
	defer d.mu.RUnlock()
	name := fmt.Sprintf("%s/%d", d.Name, d.version)
	if d.fresh > 0 {
		name = fmt.Sprintf("%s+%d", name, d.fresh)
	}
	scores := d.model.scores(doc)
	if len(scores) == 0 {
		return nil
	}
	slices.SortStableFunc(scores, func(a, b score) int { return cmp.Compare(b.p, a.p) })
	if d.Many {
		var list []Suggestion
		for _, s := range scores {
			if s.p >= threshold && d.model.grounded(doc, s, scores) {
				list = append(list, d.suggestion(doc, s, scores, name))
			}
		}
		return list
	}
	best := d.suggestion(doc, scores[0], scores, name)
	if best.Probability < threshold || !d.model.grounded(doc, scores[0], scores) {
		best.Label = ""
	}
	return []Suggestion{best}
}

func (d *dimension) suggestion(doc *doc, s score, all []score, name string) Suggestion {
	evidence := d.model.evidence(doc, s, all)
	var weight [2]float64
	for _, e := range evidence {
		if e.Origin == Corrections {
			weight[1] += e.Weight
		} else {
			weight[0] += e.Weight
		}
	}
	origin := Lexicon
	if weight[1] > weight[0] {
		origin = Corrections
	}
	return Suggestion{
		Dimension: d.Name, Label: s.label, Probability: s.p, Origin: origin, Model: name,
		Evidence: evidence[:min(len(evidence), maxEvidence)],
	}
}
