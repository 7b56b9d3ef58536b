package watch

import "time"

// Quick gives a Watcher less time than it has in earnest.
func Quick(o *Options) {
	o.times = times{
		lease: 600 * time.Millisecond, backoff: 10 * time.Millisecond, second: 20 * time.Millisecond, again: 20 * time.Millisecond, refused: time.Hour,
		silence: 2 * time.Second, quiet: 2 * time.Second, whole: time.Hour, unsettle: 50 * time.Millisecond, flush: 50 * time.Millisecond,
		trial: 50 * time.Millisecond, least: time.Millisecond,
	}
}

// Patience changes how long a server may be silent in an IDLE and in a command.
func Patience(o *Options, quiet, silence time.Duration) {
	o.times.quiet, o.times.silence = quiet, silence
}

// BrakeOf finds a provider's brake.
func BrakeOf(text string) (pause time.Duration, found bool) {
	b, found := brakeOf(text)
	return b.pause, found
}

// LastWords finds a BYE in what came last.
func LastWords(parts ...[]byte) string {
	m := &meter{}
	for _, p := range parts {
		m.keep(p)
	}
	return m.bye()
}
