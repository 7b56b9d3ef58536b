package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/width"
)

// table prints columns that stand below each other also where the text is Chinese. Columns
// named in right are aligned right.
type table struct {
	head  []string
	right []int
	rows  [][]string
}

// maxCell bounds a cell, in columns of the terminal. Whole texts are in the JSON.
const maxCell = 60

func (t *table) add(cells ...string) {
	for i, c := range cells {
		cells[i] = cut(oneLine(c), maxCell)
	}
	t.rows = append(t.rows, cells)
}

func (t *table) print(w io.Writer) error {
	widths := make([]int, len(t.head))
	for _, row := range append([][]string{t.head}, t.rows...) {
		for i, c := range row {
			widths[i] = max(widths[i], cells(c))
		}
	}
	right := make([]bool, len(t.head))
	for _, i := range t.right {
		right[i] = true
	}
	b := bufio.NewWriter(w)
	for _, row := range append([][]string{t.head}, t.rows...) {
		var line strings.Builder
		for i, c := range row {
			pad := strings.Repeat(" ", widths[i]-cells(c))
			if right[i] {
				line.WriteString(pad + c + "  ")
			} else {
				line.WriteString(c + pad + "  ")
			}
		}
		_, _ = b.WriteString(strings.TrimRight(line.String(), " ") + "\n") // Flush tells
	}
	return b.Flush()
}

// cells is how many columns of a terminal s takes.
func cells(s string) (n int) {
	for _, r := range s {
		n += runeCells(r)
	}
	return n
}

func runeCells(r rune) int {
	if unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf) {
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// cut shortens s to so many columns and says so with an ellipsis.
func cut(s string, limit int) string {
	if cells(s) <= limit {
		return s
	}
	n := 0
	for i, r := range s {
		if n += runeCells(r); n >= limit {
			return s[:i] + "…"
		}
	}
	return s
}

// oneLine makes a text of strangers harmless to a terminal: no control characters, which
// could move the cursor or worse, and no invisible ones, which could turn the text round.
func oneLine(s string) string {
	return strings.Join(strings.Fields(strings.Map(harmless, s)), " ")
}

// paragraphs is oneLine for texts of several lines.
func paragraphs(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return r
		}
		return harmless(r)
	}, strings.ReplaceAll(s, "\r\n", "\n"))
}

func harmless(r rune) rune {
	switch {
	case unicode.IsControl(r), unicode.Is(unicode.Zl, r), unicode.Is(unicode.Zp, r):
		return ' '
	case unicode.Is(unicode.Cf, r):
		return -1
	}
	return r
}

// clock shows a time as people here read it; the zero time is empty.
func clock(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format("2006-01-02 15:04")
}

// number shows an id; zero, which means none, is empty.
func number(n int64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}

// printList prints items as a table, or as JSON, one object a line.
func printList[T any](items []T, more, asJSON bool, what string, t *table, row func(T) []string) error {
	if asJSON {
		return printJSON(items...)
	}
	if len(items) == 0 {
		fmt.Printf("no %s\n", what)
		return nil
	}
	for _, item := range items {
		t.add(row(item)...)
	}
	if err := t.print(os.Stdout); err != nil {
		return err
	}
	if more {
		fmt.Fprintf(os.Stderr, "there are more %s: narrow the search, or raise --limit\n", what)
	}
	return nil
}

func printJSON[T any](items ...T) error {
	b := bufio.NewWriter(os.Stdout)
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	for _, item := range items {
		if err := enc.Encode(item); err != nil {
			return err
		}
	}
	return b.Flush()
}

// field is one line of a record that is shown alone; an empty one is not.
func field(name, value string) {
	if value = oneLine(value); value != "" {
		fmt.Printf("%-12s %s\n", name+":", value)
	}
}

// stamp shows a time to programs.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
