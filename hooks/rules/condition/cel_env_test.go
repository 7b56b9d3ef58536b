package condition

import (
	"sync"
	"testing"
)

// The checker of the library writes when it first meets an unknown name; the race detector tells.
func TestExpressionsAreCheckedAtTheSameTime(t *testing.T) {
	t.Parallel()
	for range 20 {
		env, err := newCELEnv()
		if err != nil {
			t.Fatal(err)
		}
		var group sync.WaitGroup
		for source, right := range map[string]bool{`nosuch > 5`: false, `[1, 2].exists(n, n > 1)`: true} {
			parsed, issues := env.Parse(source)
			if issues.Err() != nil {
				t.Fatal(issues.Err())
			}
			group.Go(func() {
				if _, issues := env.Check(parsed); (issues.Err() == nil) != right {
					t.Errorf("%s: %v", source, issues.Err())
				}
			})
		}
		group.Wait()
	}
}
