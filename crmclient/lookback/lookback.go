// Package lookback searches a CRM's list for the record that an interrupted write may have made. It is for CRMs that find no record by a
// key of ours: their lists are read from the newest record back, to the time at which the write was begun.
//
// The main idea: a search that is cut off, by a limit of the vendor's or by time, is not for nothing. Where it stood is kept in the
// write's intent, and the next attempt goes on there; so the attempts do not run out, however long the list is. What was made since the first
// part was read is read at the end. A search that came to its end leaves its time, and the next one for the same key goes
// back no further.
//
//   - lookback.go: List, Find; state.go: where a search stands
//   - write.go: Written and Write, which keep the intent
//
// It does not decide what to do when a list is too long to be read: that is the connector's.
package lookback

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"heliograph/crmclient"
)

const (
	// margin is how far a record's time may be off once the vendor's clock is reckoned with: it is of whole seconds, and told by
	// several of the vendor's machines.
	margin = 5 * time.Second
	// blindMargin is the same where an answer does not tell the vendor's clock.
	blindMargin = 10 * time.Minute
	// settle is how long a record may take to appear in the list: what was made less than that before a search is looked at again.
	settle = 2 * time.Minute
	// roomy is the part of an answer's greatest size below which the next page may be longer.
	roomy = 8
)

// Row is a record of a list.
type Row struct {
	ID   string
	Made time.Time // zero: the CRM told none that could be read
	Text string    // has the line with the key, if the record is ours
}

// Page is a part of a list.
type Page struct {
	Rows []Row
	Next string // the place of the next page; empty: there is none
}

// List is a list of a CRM.
type List struct {
	// Read reads a page of so many rows at a place; empty means the beginning. The answer may be nil only with an error.
	Read func(ctx context.Context, at string, size int) (Page, *crmclient.Answer, error)
	// Back returns the place that is so many rows before another. Nil says that a place stays what it is when rows come and go (a cursor).
	Back func(at string, rows int) string
	// Sizes are the rows of a page, from the most to the one; Usual is that of the first page. Without Back any place takes any size;
	// with it a place takes those that Fits says.
	Sizes []int
	Usual int
	Fits  func(at string, size int) bool // nil: all do
	// Newest says that the list surely goes back from the newest. Else the order is seen from the rows, and a list in another order is
	// read as a whole.
	Newest bool
	Pages  int // that are read at most
	Now    func() time.Time
	Wait   func(context.Context, time.Duration) error // that of crmclient.Reread
}

// Find searches for the record with the key, whose write was begun at a time, and goes on where a search for it was cut off. No id says that
// it is not there; all, that everything was seen that could be it. intents keep where it stands, if there are any.
func (l List) Find(ctx context.Context, intents crmclient.Intents, key string, known crmclient.Intent) (id string, all bool, err error) {
	s := parse(known.Looked)
	id, all, err = l.find(ctx, crmclient.KeyLine(key), known.Began, &s)
	if intents == nil || id != "" || s.String() == known.Looked {
		return id, all, err
	}
	if kept := intents.Looked(context.WithoutCancel(ctx), key, s.String()); err == nil {
		err = kept
	}
	return "", all, err
}

func (l List) find(ctx context.Context, line string, began time.Time, s *state) (id string, all bool, err error) {
	for {
		whole := s.At == "" // the pass begins at the newest, now
		id, all, err = l.pass(ctx, line, began, s)
		if err == nil && id == "" && !all {
			*s = state{} // too long: the next search is another one
		}
		if err != nil || id != "" || !all {
			return id, all, err
		}
		done := whole || s.Rest // a rest that was cut off, too: to begin once more might never end
		*s = state{Since: s.Head.Add(-settle), Rest: !done}
		if done {
			return "", true, nil
		}
	}
}

// pass reads from where s is to what is older than the record can be. It leaves in s where it came to.
func (l List) pass(ctx context.Context, line string, began time.Time, s *state) (id string, all bool, err error) {
	resumed := s.At != ""
	p := pager{List: l, size: l.Usual}
	order := order{certain: l.Newest, fell: s.Fell, last: s.Last}
	if resumed && l.Back != nil {
		s.At, order.last = l.Back(s.At, l.Usual), time.Time{} // rows that were deleted meanwhile moved the others up
		s.Read--
	}
	for s.Read < l.Pages {
		asked := l.Now()
		page, answer, err := p.read(ctx, s.At)
		switch {
		case err != nil && resumed && l.Back == nil && crmclient.ClassOf(err) == crmclient.ClassPermanent:
			*s, resumed, order.fell, order.last = state{Since: s.Since, Rest: s.Rest}, false, false, time.Time{} // the place is no longer one
			continue
		case err != nil:
			return "", false, fmt.Errorf("look for the mail: %w", err)
		case resumed && l.Back != nil && s.At != "" && (len(page.Rows) == 0 || page.Rows[0].Made.Before(s.Last)):
			s.At = l.Back(s.At, l.Usual)
			continue
		}
		resumed = false
		skew, known := clock(answer, asked)
		if s.At == "" && s.Head.IsZero() {
			s.Head = head(asked, skew, known)
		}
		oldest := floor(began, skew, known)
		if s.Since.After(oldest) {
			oldest = s.Since
		}
		older := false
		for _, row := range page.Rows {
			if strings.Contains(row.Text, line) {
				return row.ID, true, nil
			}
			older = order.older(row.Made, oldest)
		}
		if older || page.Next == "" {
			return "", true, nil
		}
		s.At, s.Last, s.Fell = page.Next, order.last, order.fell
		s.Read++
		if !order.descends() {
			s.Last = time.Time{}
		}
	}
	return "", false, nil
}

// floor is the earliest time that a record of a write can have.
func floor(began time.Time, skew time.Duration, known bool) time.Time {
	if !known {
		return began.Add(-blindMargin)
	}
	return began.Add(min(0, skew) - margin)
}

// head is what the vendor's clock showed, or the earliest that it may have shown.
func head(asked time.Time, skew time.Duration, known bool) time.Time {
	if !known {
		return asked.Add(-blindMargin)
	}
	return asked.Add(min(0, skew))
}

// clock is how much the vendor's clock is before ours, if the answer has a Date field.
func clock(a *crmclient.Answer, now time.Time) (skew time.Duration, known bool) {
	at, err := http.ParseTime(a.Header.Get("Date"))
	if err != nil {
		return 0, false
	}
	return at.Sub(now), true
}

// order is what is known of the order of a list.
type order struct {
	certain bool // it goes back from the newest
	fell    bool // some rows are older than others, so that the order is one
	broken  bool // it does not go back from the newest
	last    time.Time
}

func (o *order) descends() bool { return o.certain || !o.broken }

// older takes the time of the next row, and says whether all that come after it are older than a time.
func (o *order) older(made, than time.Time) bool {
	o.broken = o.broken || made.IsZero() || !o.last.IsZero() && made.After(o.last)
	o.fell = o.fell || made.Before(o.last)
	o.last = made
	return !made.IsZero() && made.Before(than) && (o.certain || !o.broken && o.fell)
}

// pager reads pages of a size that fits into an answer.
type pager struct {
	List
	size int
	full bool // a page was too long
}

func (p *pager) read(ctx context.Context, at string) (Page, *crmclient.Answer, error) {
	for {
		for p.Fits != nil && !p.Fits(at, p.size) {
			p.size = p.next(-1)
		}
		var (
			page   Page
			answer *crmclient.Answer
			err    error
		)
		_ = crmclient.Reread(ctx, p.Wait, func() error {
			if page, answer, err = p.Read(ctx, at, p.size); answer != nil && answer.Truncated {
				return nil // as much again would be cut again
			}
			return err
		})
		if err != nil && answer != nil && answer.Truncated && answer.Status == http.StatusOK && p.next(-1) < p.size {
			p.size, p.full = p.next(-1), true // long texts: fewer at a time
			continue
		}
		if err == nil && !p.full && len(answer.Body) < crmclient.MaxAnswer/roomy {
			p.size = p.next(1)
		}
		return page, answer, err
	}
}

// next is the size that is greater or smaller by a step, or the same.
func (p *pager) next(step int) int {
	for i, size := range p.Sizes {
		if size == p.size && i-step >= 0 && i-step < len(p.Sizes) {
			return p.Sizes[i-step]
		}
	}
	return p.size
}
