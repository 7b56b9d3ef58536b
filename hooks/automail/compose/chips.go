package compose

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// ChipKind is what a piece of a template is to the person who edits it.
type ChipKind string

// The kinds of chips.
const (
	ChipText  ChipKind = "text"
	ChipField ChipKind = "field"
	ChipCode  ChipKind = "code" // an action that is more than a field
)

// Chip is one piece of a template, as an editor shows it.
type Chip struct {
	Kind    ChipKind `json:"kind"`
	Text    string   `json:"text,omitempty"`    // of a text; of code, the whole action as it is written
	Path    string   `json:"path,omitempty"`    // of a field
	Default *string  `json:"default,omitempty"` // of a field that has one
}

// actions returns where the actions of a source begin and end. An action that has no end is text.
func actions(source string) [][2]int {
	var out [][2]int
	for at := 0; ; {
		i := strings.Index(source[at:], "{{")
		if i < 0 {
			return out
		}
		begin := at + i
		end := actionEnd(source, begin)
		if end < 0 {
			return out
		}
		out = append(out, [2]int{begin, end})
		at = end
	}
}

// actionEnd finds the end of an action, past strings and comments; -1 if it has none.
func actionEnd(s string, begin int) int {
	i := begin + 2
	if body := strings.TrimLeft(strings.TrimPrefix(s[i:], "-"), " \t\r\n"); strings.HasPrefix(body, "/*") {
		start := len(s) - len(body)
		stop := strings.Index(s[start:], "*/")
		if stop < 0 {
			return -1
		}
		i = start + stop + 2
	}
	for i < len(s) {
		switch s[i] {
		case '"', '\'':
			quote := s[i]
			for i++; i < len(s) && s[i] != quote && s[i] != '\n'; i++ {
				if s[i] == '\\' {
					i++
				}
			}
		case '`':
			stop := strings.IndexByte(s[i+1:], '`')
			if stop < 0 {
				return -1
			}
			i += stop + 1
		case '}':
			if strings.HasPrefix(s[i:], "}}") {
				return i + 2
			}
		}
		i++
	}
	return -1
}

// How braces are written that are text, but would begin an action.
const (
	openBraces = `{{"{{"}}`
	openBrace  = `{{"{"}}` // one, right before an action
)

// Chips splits a template into texts, fields and code. [FromChips] puts it together again, to the last character.
func Chips(source string) []Chip {
	var out []Chip
	text := func(s string) {
		switch {
		case s == "":
		case len(out) > 0 && out[len(out)-1].Kind == ChipText:
			out[len(out)-1].Text += s
		default:
			out = append(out, Chip{Kind: ChipText, Text: s})
		}
	}
	at := 0
	for _, a := range actions(source) {
		text(source[at:a[0]])
		at = a[1]
		switch action := source[a[0]:a[1]]; {
		case action == openBraces:
			text("{{")
		case action == openBrace && strings.HasPrefix(source[at:], "{{") && !strings.HasPrefix(source[at:], openBraces) && !strings.HasPrefix(source[at:], openBrace):
			text("{")
		default:
			out = append(out, chipOf(action))
		}
	}
	if rest := source[at:]; strings.Contains(rest, "{{") { // an action without an end is shown as what it is
		out = append(out, Chip{Kind: ChipCode, Text: rest})
	} else {
		text(rest)
	}
	return out
}

var (
	plainName   = regexp.MustCompile(`^[\p{L}_][\p{L}\p{Nd}_]*(\.[\p{L}_][\p{L}\p{Nd}_]*)*$`)
	plainAction = regexp.MustCompile(`^\{\{(?:\.([^\s|"]+)|field ("(?:[^"\\\n]|\\.)*"))(?: \| default ("(?:[^"\\\n]|\\.)*"))?\}\}$`)
)

// chipOf makes a field of an action where it is written just as FromChips would.
func chipOf(action string) Chip {
	code := Chip{Kind: ChipCode, Text: action}
	m := plainAction.FindStringSubmatch(action)
	if m == nil {
		return code
	}
	c := Chip{Kind: ChipField, Path: m[1]}
	if m[2] != "" {
		c.Path, _ = strconv.Unquote(m[2])
	}
	if m[3] != "" {
		text, err := strconv.Unquote(m[3])
		if err != nil {
			return code
		}
		c.Default = &text
	}
	if again, err := c.source(); err != nil || again != action {
		return code
	}
	return c
}

// source writes a chip as a template has it.
func (c Chip) source() (string, error) {
	switch c.Kind {
	case ChipText:
		return c.Text, nil
	case ChipCode:
		return c.Text, nil
	case ChipField:
		if c.Path == "" {
			return "", fmt.Errorf("a field has no path")
		}
		s := "field " + strconv.Quote(c.Path)
		if plainName.MatchString(c.Path) {
			s = "." + c.Path
		}
		if c.Default != nil {
			s += " | default " + strconv.Quote(*c.Default)
		}
		return "{{" + s + "}}", nil
	}
	return "", fmt.Errorf("there is no kind of chip %q", c.Kind)
}

// FromChips writes the template that the chips stand for.
func FromChips(chips []Chip) (string, error) {
	var b strings.Builder
	text := ""
	flush := func(action bool) {
		s := strings.ReplaceAll(text, "{{", openBraces)
		if rest, brace := strings.CutSuffix(s, "{"); brace && action {
			s = rest + openBrace
		}
		b.WriteString(s)
		text = ""
	}
	for i, c := range chips {
		if c.Kind == ChipText {
			text += c.Text
			continue
		}
		s, err := c.source()
		if err != nil {
			return "", fmt.Errorf("chip %d: %w", i+1, err)
		}
		flush(strings.HasPrefix(s, "{"))
		b.WriteString(s)
	}
	flush(false)
	return b.String(), nil
}
