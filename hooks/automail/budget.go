package automail

import (
	"context"
	"fmt"
	"strings"
	"time"

	"heliograph/internal/journal"
	"heliograph/internal/limit"
)

// rates are how many mails a provider takes from an account, one for each recipient. Zero means no limit.
type rates struct{ minute, hour, day int }

// providerRates is what is known of providers, by the name of their preset. The Chinese ones keep their limits secret and react to bursts: theirs
// are cautious guesses.
var providerRates = func() map[string]rates {
	const google, workspace = 500, 2000
	table := map[string]rates{
		"gmail": {day: google}, "workspace": {day: workspace},
		"outlook": {minute: 30, day: 300},
		"icloud":  {day: 1000}, "yahoo": {day: 500}, "yandex": {day: 500}, "fastmail": {day: 4000},
	}
	for _, cloud := range []string{"microsoft365", "microsoft365-china", "microsoft365-gcchigh", "microsoft365-dod"} {
		table[cloud] = rates{minute: 30, day: 10000}
	}
	for _, secret := range []string{"qq", "163", "vip163", "126", "yeah", "sina", "sohu", "139", "aliyun-personal"} {
		table[secret] = rates{minute: 10, day: 200}
	}
	for _, secret := range []string{"exmail", "exmail-abroad", "qiye163", "qiye163-hangzhou", "qiye163-free", "aliyun", "aliyun-singapore", "feishu", "lark"} {
		table[secret] = rates{minute: 20, day: 1000}
	}
	return table
}()

// rates of an account: what the configuration says, and else what is known of the provider.
func (a *Account) rates() rates {
	r := providerRates[a.up.Config().Provider]
	for _, c := range []struct {
		to   *int
		from int
	}{{&r.minute, a.settings.PerMinute}, {&r.hour, a.settings.PerHour}, {&r.day, a.settings.PerDay}} {
		if c.from > 0 {
			*c.to = c.from
		}
	}
	return r
}

// window is one limit of an account.
type window struct {
	key   string
	rate  limit.Rate
	keep  int // what must be left of it
	words string
}

// windows are the limits that a message of a rule must pass: of each limit of the account its automated share, spread over the time
// with small bursts, so that what the provider counts in any such time stays below; and the whole limit, against which the owner's own mail
// counts, too (see CountOwn), so that the more the owner sends, the less rules do.
func (o *Outbox) windows(a *Account, bulk bool) (list []window) {
	const bursts = 10 // how many bursts make a limit
	share := o.o.Config.AutomatedShare
	if share <= 0 {
		share = 100
	}
	for _, w := range a.rates().list() {
		part := max(w.count*share/100, 1)
		own := window{
			key: a.budgetKey("auto", w.name), words: fmt.Sprintf("%d a %s", part, w.name),
			rate: limit.Rate{Count: part, Per: w.per, Burst: max(part/bursts, 1)},
		}
		if bulk { // one of many leaves room for one that somebody waits for
			own.keep = own.rate.Burst / 2
		}
		list = append(list, own, window{
			key: a.budgetKey("all", w.name), words: fmt.Sprintf("%d a %s with its owner's own mail", w.count, w.name),
			rate: limit.Rate{Count: w.count, Per: w.per, Burst: w.count},
		})
	}
	return list
}

type namedRate struct {
	name  string
	per   time.Duration
	count int
}

func (r rates) list() (list []namedRate) {
	for _, w := range []namedRate{{"minute", time.Minute, r.minute}, {"hour", time.Hour, r.hour}, {"day", 24 * time.Hour, r.day}} {
		if w.count > 0 {
			list = append(list, w)
		}
	}
	return list
}

func (a *Account) budgetKey(who, window string) string {
	return strings.Join([]string{"mail-out", who, window, a.up.Name(), a.address}, ":")
}

// spend takes n mails from the account's budget. When it is used up, it takes nothing and returns how long to wait and why.
func (o *Outbox) spend(ctx context.Context, a *Account, n int, bulk bool) (wait time.Duration, why string, err error) {
	if o.o.Limiter == nil {
		return 0, "", nil
	}
	list := o.windows(a, bulk)
	for _, w := range list { // look first: what is refused by one must not cost the others
		d, err := o.o.Limiter.Allow(ctx, w.key, w.rate, 0)
		if err != nil {
			return 0, "", fmt.Errorf("looking at the budget of %s: %w", a.address, err)
		}
		if want := w.atOnce(n); d.Remaining < want+w.keep {
			missing := want + w.keep - d.Remaining
			wait = max(wait, time.Duration(missing)*w.rate.Per/time.Duration(w.rate.Count))
			why = fmt.Sprintf("the budget of %s is used up: %s", a.address, w.words)
		}
	}
	if wait > 0 {
		return wait, why, nil
	}
	for _, w := range list {
		d, err := o.o.Limiter.Allow(ctx, w.key, w.rate, w.atOnce(n))
		if err != nil {
			return 0, "", fmt.Errorf("taking from the budget of %s: %w", a.address, err)
		}
		if !d.Allowed { // another took it between
			return max(d.RetryAfter, time.Second), fmt.Sprintf("the budget of %s is used up: %s", a.address, w.words), nil
		}
	}
	return 0, "", nil
}

// atOnce is what n mails cost: a message to more than fit at once goes when all that fits is free.
func (w *window) atOnce(n int) int { return min(n, w.rate.Burst-w.keep) }

// CountOwn counts a person's own submission against the budget of the account, so that rules leave it what it needs. It never holds the person up.
func (o *Outbox) CountOwn(ctx context.Context, e *journal.Envelope) error {
	if o.o.Limiter == nil || e.Kind != journal.KindSubmission || e.Account == "" {
		return nil
	}
	a, err := o.sender(ctx, e.Account)
	if err != nil {
		return nil //nolint:nilerr // rules cannot send as this account
	}
	n := 0
	for _, r := range e.Recipients {
		if r.Code/100 == 2 {
			n++
		}
	}
	for _, w := range a.rates().list() {
		// What is above the limit is not counted: there is nothing left to keep.
		if _, err := o.o.Limiter.Allow(ctx, a.budgetKey("all", w.name), limit.Rate{Count: w.count, Per: w.per, Burst: w.count}, min(n, w.count)); err != nil {
			return fmt.Errorf("counting the mail of %s: %w", a.address, err)
		}
	}
	return nil
}
