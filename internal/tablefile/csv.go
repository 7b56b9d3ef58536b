package tablefile

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// Delimiters are what may stand between cells, the likeliest first.
var Delimiters = []rune{',', '\t', ';', '|', '，'}

// csvRows reads delimited text.
type csvRows struct {
	csv   *csv.Reader
	limit *rowLimit
	above int // lines that stand above what csv reads
}

func openCSV(b *bufio.Reader, o Options) (*Rows, error) {
	text, encoding := decode(b, o.Encoding)
	limit := &rowLimit{r: text}
	buffered := bufio.NewReaderSize(limit, sniffBytes)
	head, err := buffered.Peek(sniffBytes)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if bytes.IndexByte(head, 0) >= 0 {
		return nil, wrong("this is no text")
	}
	c := &csvRows{limit: limit}
	delimiter := delimiterOf(head)
	if rest, ok := bytes.CutPrefix(head, []byte("sep=")); ok { // Excel's own hint
		line, _, _ := bytes.Cut(rest, []byte("\n"))
		if r, n := utf8.DecodeRune(line); n > 0 && slices.Contains(Delimiters, r) && len(bytes.TrimRight(line[n:], "\r")) == 0 {
			delimiter = r
			if _, err := buffered.ReadString('\n'); err != nil && !errors.Is(err, io.EOF) {
				return nil, err
			}
			c.above = 1
		}
	}
	if o.Delimiter != 0 {
		if !slices.Contains(Delimiters, o.Delimiter) {
			return nil, wrong("%q is no delimiter", o.Delimiter)
		}
		delimiter = o.Delimiter
	}
	c.csv = csv.NewReader(buffered)
	c.csv.Comma = delimiter
	c.csv.FieldsPerRecord = -1 // files made by hand are ragged
	c.csv.LazyQuotes = true
	return &Rows{format: CSV, encoding: encoding, delimiter: delimiter, next: c.next, close: func() error { return nil }}, nil
}

func (c *csvRows) next() ([]string, int, error) {
	c.limit.read = 0
	row, err := c.csv.Read()
	if err != nil {
		if parse := new(csv.ParseError); errors.As(err, &parse) {
			err = wrong("%w", err)
		}
		return nil, 0, err
	}
	line, _ := c.csv.FieldPos(0)
	return row, line + c.above, nil
}

// rowLimit fails when one row needs too much.
type rowLimit struct {
	r    io.Reader
	read int
}

var errRowTooLong = wrong("a row is longer than %d bytes; is a closing quote missing?", MaxRow)

// Read reads and counts.
func (l *rowLimit) Read(p []byte) (int, error) {
	if l.read > MaxRow {
		return 0, errRowTooLong
	}
	n, err := l.r.Read(p)
	l.read += n
	return n, err
}

// sampleLines is how many lines the delimiter is judged by.
const sampleLines = 50

// delimiterOf takes what divides the first lines into the most equal cells.
func delimiterOf(head []byte) rune {
	best, most := ',', 0
	for _, delimiter := range Delimiters {
		counts := make(map[int]int)
		quoted, n, lines := false, 0, 0
		for _, r := range string(head) {
			switch {
			case r == '"':
				quoted = !quoted
			case r == '\n' && !quoted:
				counts[n]++
				n = 0
				lines++
			case r == delimiter && !quoted:
				n++
			}
			if lines == sampleLines {
				break
			}
		}
		counts[n]++
		score := 0
		for cells, times := range counts {
			if cells > 0 {
				score = max(score, times*1000+min(cells, 999))
			}
		}
		if score > most {
			best, most = delimiter, score
		}
	}
	return best
}

// DelimiterOf returns the delimiter that a person names: one character, or "tab". What is none gives 0.
func DelimiterOf(s string) (rune, bool) {
	if strings.EqualFold(s, "tab") || s == `\t` {
		s = "\t"
	}
	r, n := utf8.DecodeRuneInString(s)
	if n != len(s) || !slices.Contains(Delimiters, r) {
		return 0, false
	}
	return r, true
}
