package condition

import "fmt"

// Truth is a value of Kleene's strong three-valued logic. The zero Truth is Unsure: what was forgotten never fires.
type Truth uint8

// The three values.
const (
	Unsure Truth = iota // knowledge is missing, and with it this could be either
	False
	True
)

// truthNames are the words of a Truth in JSON.
var truthNames = [...]string{Unsure: "unknown", False: "false", True: "true"}

func (t Truth) String() string {
	if int(t) < len(truthNames) {
		return truthNames[t]
	}
	return fmt.Sprintf("Truth(%d)", uint8(t))
}

// MarshalText writes true, false or unknown.
func (t Truth) MarshalText() ([]byte, error) {
	if int(t) >= len(truthNames) {
		return nil, fmt.Errorf("no such truth: %d", uint8(t))
	}
	return []byte(truthNames[t]), nil
}

// UnmarshalText reads what MarshalText writes.
func (t *Truth) UnmarshalText(text []byte) error {
	for i, name := range truthNames {
		if name == string(text) {
			*t = Truth(i)
			return nil
		}
	}
	return fmt.Errorf("neither true, false nor unknown: %s", show(string(text)))
}

// Not turns true and false round; what is unsure stays so.
func (t Truth) Not() Truth {
	switch t {
	case True:
		return False
	case False:
		return True
	}
	return Unsure
}

// And is false where one is false, true where both are true.
func (t Truth) And(u Truth) Truth {
	switch {
	case t == False || u == False:
		return False
	case t == True && u == True:
		return True
	}
	return Unsure
}

// Or is true where one is true, false where both are false.
func (t Truth) Or(u Truth) Truth { return t.Not().And(u.Not()).Not() }

// truth is the Truth of a bool.
func truth(b bool) Truth {
	if b {
		return True
	}
	return False
}
