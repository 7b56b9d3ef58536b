package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"heliograph/proxy/backfill"

	"golang.org/x/term"
)

const (
	// lineEvery is how often progress is told where it cannot be drawn.
	lineEvery = 5 * time.Second
	// drawEvery is how often the bar is drawn anew, also while nothing comes.
	drawEvery = 500 * time.Millisecond
	// window is the time over which the speed is measured.
	window = 30 * time.Second
	// defaultWidth is the width of a terminal that does not tell.
	defaultWidth = 80
)

// meter shows how a run gets on: a bar on a terminal, a line now and then elsewhere. A nil meter shows nothing.
type meter struct {
	out   io.Writer
	now   func() time.Time
	width func() int // zero: not a terminal

	mu      sync.Mutex // guards all below
	last    backfill.Event
	waiting backfill.Event // the newest wait, while it lasts
	samples []sample
	lined   time.Time
	drawn   bool // the bar is on the line of the cursor

	stop chan struct{}
	done chan struct{}
}

// sample is where the run stood at a time.
type sample struct {
	at    time.Time
	ended int
	bytes int64
}

func newMeter(f *os.File, now func() time.Time) *meter {
	m := &meter{out: f, now: now, width: func() int { return 0 }}
	if term.IsTerminal(int(f.Fd())) {
		m.width = func() int {
			if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
				return w
			}
			return defaultWidth
		}
	}
	m.start()
	return m
}

// start draws the bar from time to time, so that the time left goes on.
func (m *meter) start() {
	m.lined = m.now()
	m.stop, m.done = make(chan struct{}), make(chan struct{})
	go func() {
		defer close(m.done)
		tick := time.NewTicker(drawEvery)
		defer tick.Stop()
		for {
			select {
			case <-m.stop:
				return
			case <-tick.C:
				m.mu.Lock()
				m.show()
				m.mu.Unlock()
			}
		}
	}()
}

// end takes the bar away.
func (m *meter) end() {
	if m == nil {
		return
	}
	close(m.stop)
	<-m.done
	m.clear()
}

// event takes note of what the run tells.
func (m *meter) event(e backfill.Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last = e
	at := m.now()
	m.samples = append(m.samples, sample{at, e.Counts.Done(), e.Counts.Bytes})
	for len(m.samples) > 2 && at.Sub(m.samples[1].at) > window {
		m.samples = m.samples[1:]
	}
	switch e.Kind {
	case backfill.EventPlan:
		if e.Total > 0 {
			m.say(fmt.Sprintf("%s messages to fetch", thousands(e.Total)))
		}
		m.samples = m.samples[len(m.samples)-1:]
	case backfill.EventNote:
		m.say(oneLine(e.Text))
	case backfill.EventWait:
		m.waiting = e
		if at.Before(e.Until) && (m.width() == 0 || e.Until.Sub(at) > time.Minute) {
			m.say(fmt.Sprintf("waiting until %s: %s", e.Until.Local().Format("15:04:05"), oneLine(e.Text)))
		}
	case backfill.EventProgress:
		m.waiting = backfill.Event{}
	}
	m.show()
}

// say prints a line for good.
func (m *meter) say(text string) {
	m.clear()
	fmt.Fprintln(m.out, text)
	m.lined = m.now()
}

func (m *meter) clear() {
	if m.drawn {
		fmt.Fprint(m.out, "\r\033[K")
		m.drawn = false
	}
}

// show draws the bar, or prints a line when the last is old enough.
func (m *meter) show() {
	if m.last.Total == 0 {
		return
	}
	width := m.width()
	switch {
	case width > 0:
		fmt.Fprint(m.out, "\r"+m.bar(width)+"\033[K")
		m.drawn = true
	case m.now().Sub(m.lined) >= lineEvery:
		m.say(oneLine(m.last.Mailbox) + "  " + strings.Join(m.facts(), "  "))
	}
}

// bar is the whole line: the mailbox, the bar, the facts. It leaves the last column free, where some terminals wrap.
func (m *meter) bar(width int) string {
	facts := strings.Join(m.facts(), "  ")
	name := cut(oneLine(m.last.Mailbox), 20)
	room := width - 1 - cells(name) - cells(facts) - 6
	if room < 10 {
		return cut(facts, width-1)
	}
	room = min(room, 40)
	full := room * min(m.last.Counts.Done(), m.last.Total) / m.last.Total
	return name + "  [" + strings.Repeat("=", full) + strings.Repeat(" ", room-full) + "]  " + facts
}

// facts are messages, speed and the time left.
func (m *meter) facts() []string {
	ended := m.last.Counts.Done()
	facts := []string{thousands(ended) + "/" + thousands(m.last.Total)}
	if m.waiting.Until.After(m.now()) {
		return append(facts, "waiting until "+m.waiting.Until.Local().Format("15:04:05"))
	}
	if len(m.samples) == 0 {
		return facts
	}
	first, now := m.samples[0], m.now()
	seconds := now.Sub(first.at).Seconds()
	if seconds < 1 || ended <= first.ended {
		return facts
	}
	speed := float64(ended-first.ended) / seconds
	facts = append(facts, perSecond(speed), size(int64(float64(m.last.Counts.Bytes-first.bytes)/seconds))+"/s")
	if left := m.last.Total - ended; left > 0 {
		facts = append(facts, remaining(time.Duration(float64(left)/speed*float64(time.Second)))+" left")
	}
	return facts
}

func perSecond(n float64) string {
	if n < 10 {
		return fmt.Sprintf("%.1f/s", n)
	}
	return fmt.Sprintf("%.0f/s", n)
}

// remaining is a length of time as precise as a guess can be.
func remaining(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds())+1)
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd%dh", int(d.Hours())/24, int(d.Hours())%24)
}

// thousands writes a number as people read large ones.
func thousands(n int) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
