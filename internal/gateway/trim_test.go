package gateway

import "testing"

func TestMemoryIsGivenBackInQuietTimes(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	for _, c := range []struct {
		name      string
		last, now used
		want      bool
	}{
		{"quiet and much to give", used{cpu: 1}, used{cpu: 1.1, free: 20 * mib, garbage: 5 * mib}, true},
		{"busy", used{cpu: 1}, used{cpu: 2, free: 20 * mib}, false},
		{"little to give", used{}, used{free: 7 * mib}, false},
		{"no more than last time", used{trimmed: 30 * mib}, used{free: 25 * mib}, false},
		{"more than last time", used{trimmed: 30 * mib}, used{free: 25 * mib, garbage: 6 * mib}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := worthTrimming(c.last, c.now); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
	if u := usage(); u.cpu <= 0 || u.spare() == 0 {
		t.Errorf("the program uses %+v", u)
	}
}
