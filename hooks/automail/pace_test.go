package automail

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestRetryDelay(t *testing.T) {
	t.Parallel()
	for attempt, minutes := range map[int]int{0: 1, 1: 1, 2: 2, 3: 5, 4: 10, 5: 20, 6: 40, 7: 80, 8: 120, 9: 120, 1000: 120} {
		want := time.Duration(minutes) * time.Minute
		for range 50 {
			if got := retryDelay(attempt); got > want || got < want*7/8 {
				t.Fatalf("retryDelay(%d) = %v, want %v less at most an eighth", attempt, got, want)
			}
		}
	}
}

func TestAsksToSlowDown(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		r    reply
		want bool
	}{
		{reply{code: 421, enhanced: "4.7.28", text: "Our system has detected an unusual rate of unsolicited mail"}, true},
		{reply{code: 450, enhanced: "4.7.1", text: "Error: too much mail from 192.0.2.1"}, true},
		{reply{code: 451, enhanced: "4.0.0", text: "MI:SFQ 发信频率过高"}, true},
		{reply{code: 452, enhanced: "4.3.2", text: "Sending rate limit exceeded"}, true},
		{reply{code: 550, enhanced: "5.4.5", text: "Daily sending limit exceeded"}, false}, // final: the message's answer
		{reply{code: 450, enhanced: "4.2.1", text: "The user is receiving mail at a rate limit"}, false},
		{reply{code: 451, enhanced: "4.7.1", text: "Greylisted, try again later"}, false},
		{reply{code: 452, enhanced: "4.5.3", text: "Too many recipients"}, false},
		{reply{code: 250, enhanced: "2.0.0", text: "throttled but fine"}, false},
	} {
		if got := asksToSlowDown(tc.r); got != tc.want {
			t.Errorf("asksToSlowDown(%d %s %s) = %v, want %v", tc.r.code, tc.r.enhanced, tc.r.text, got, tc.want)
		}
	}
}

func TestPacerPausesLongerEachTime(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	p := newPacer(1, func() time.Time { return now })
	var got []time.Duration
	for range 4 {
		p.pause("main", time.Minute, 4*time.Minute)
		p.pause("main", time.Minute, 4*time.Minute) // side by side: one strike
		leave, back := p.enter(t.Context(), "main")
		if leave != nil {
			t.Fatal("a paused upstream was entered")
		}
		got = append(got, back.Sub(now))
		if leave, _ := p.enter(t.Context(), "other"); leave == nil {
			t.Fatal("another upstream is paused too")
		} else {
			leave()
		}
		now = back
	}
	for i, want := range []time.Duration{1, 2, 4, 4} {
		if got[i] != want*time.Minute {
			t.Errorf("pause %d is %v, want %v", i+1, got[i], want*time.Minute)
		}
	}
	p.succeeded("main")
	p.pause("main", time.Minute, 4*time.Minute)
	if _, back := p.enter(t.Context(), "main"); back.Sub(now) != time.Minute {
		t.Errorf("after a success the pause is %v, want 1m", back.Sub(now))
	}
}

func TestPacerLimitsConnections(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPacer(2, time.Now)
		first, _ := p.enter(t.Context(), "main")
		second, _ := p.enter(t.Context(), "main")
		if first == nil || second == nil {
			t.Fatal("two places are not there")
		}
		began := time.Now()
		if third, back := p.enter(t.Context(), "main"); third != nil || !back.After(time.Now()) {
			t.Fatalf("a third place was found, or no time to come back: %v", back)
		}
		if waited := time.Since(began); waited != slotWait {
			t.Errorf("waited %v for a place, want %v", waited, slotWait)
		}
		time.AfterFunc(slotWait/2, first)
		if third, _ := p.enter(t.Context(), "main"); third == nil {
			t.Error("a place that came free was not taken")
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		began = time.Now()
		if fourth, _ := p.enter(ctx, "main"); fourth != nil || time.Since(began) != 0 {
			t.Error("waited in spite of the stop")
		}
	})
}
