package builtin

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strings"
	"unicode/utf8"

	"github.com/xuri/excelize/v2"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// Format is a kind of contact file.
type Format string

// The formats.
const (
	CSV  Format = "csv"
	XLSX Format = "xlsx"
)

const (
	sniffBytes = 64 << 10 // enough to judge an encoding
	// maxRecord bounds one record of a CSV file: where a quote is missing, the rest of the file is one record.
	maxRecord = 1 << 20
	// maxWorkbook and maxUnzipped bound an XLSX file, which has to be held as a whole. 100,000 contacts take about 5 MB.
	maxWorkbook = 128 << 20
	maxUnzipped = 1 << 30
	maxColumns  = 500
)

// rowReader reads a file row by row. Next returns the line of the file at which the row begins, from 1, and io.EOF after the last row.
type rowReader interface {
	Next() (row []string, line int, err error)
	Encoding() string // certain once the last row was read
	Close() error
}

// openRows recognises format and encoding. An empty format means by content.
func openRows(r io.Reader, format Format) (rowReader, error) {
	b := bufio.NewReaderSize(r, sniffBytes)
	head, err := b.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if format == "" {
		format = CSV
		if bytes.Equal(head, []byte("PK\x03\x04")) {
			format = XLSX
		}
	}
	if format == XLSX {
		return openXLSX(b)
	}
	if bytes.HasPrefix(head, []byte("\xd0\xcf\x11\xe0")) {
		return nil, errors.New("this is an old Excel file (.xls); save it as .xlsx or CSV")
	}
	return openCSV(b)
}

// csvRows reads CSV.
type csvRows struct {
	csv      *csv.Reader
	limit    *recordLimit
	encoding func() string
}

func openCSV(b *bufio.Reader) (rowReader, error) {
	text, encoding := decodeText(b)
	limit := &recordLimit{r: text}
	buffered := bufio.NewReaderSize(limit, sniffBytes)
	head, err := buffered.Peek(sniffBytes)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	c := csv.NewReader(buffered)
	c.Comma = delimiterOf(head)
	c.FieldsPerRecord = -1 // files made by hand are ragged
	c.LazyQuotes = true
	return &csvRows{c, limit, encoding}, nil
}

// Next reads one record.
func (c *csvRows) Next() ([]string, int, error) {
	c.limit.read = 0
	row, err := c.csv.Read()
	if err != nil {
		return nil, 0, err
	}
	line, _ := c.csv.FieldPos(0)
	return row, line, nil
}

// Encoding returns what was recognised.
func (c *csvRows) Encoding() string { return c.encoding() }

// Close does nothing: the file is its opener's.
func (c *csvRows) Close() error { return nil }

// recordLimit fails when one record needs too much.
type recordLimit struct {
	r    io.Reader
	read int
}

var errRecordTooLong = fmt.Errorf("a record is longer than %d bytes; is a closing quote missing?", maxRecord)

// Read reads and counts.
func (l *recordLimit) Read(p []byte) (int, error) {
	if l.read > maxRecord {
		return 0, errRecordTooLong
	}
	n, err := l.r.Read(p)
	l.read += n
	return n, err
}

// delimiterOf looks at the first line, outside quotes.
func delimiterOf(head []byte) rune {
	counts := map[rune]int{}
	quoted := false
	for _, r := range string(head) {
		if r == '"' {
			quoted = !quoted
		}
		if r == '\n' && !quoted {
			break
		}
		if !quoted && strings.ContainsRune(",;\t|，", r) {
			counts[r]++
		}
	}
	best := ','
	for _, r := range ",\t;|，" {
		if counts[r] > counts[best] {
			best = r
		}
	}
	return best
}

// decodeText returns the text as UTF-8, by its byte order mark or by its first bytes beyond ASCII. The name of the
// encoding is known for certain after the first read.
func decodeText(b *bufio.Reader) (text io.Reader, encoding func() string) {
	head, _ := b.Peek(3)
	fixed := func(name string) func() string { return func() string { return name } }
	switch {
	case bytes.HasPrefix(head, []byte("\xef\xbb\xbf")):
		_, _ = b.Discard(3)
		return transform.NewReader(b, unicode.UTF8.NewDecoder()), fixed("utf-8")
	case bytes.HasPrefix(head, []byte("\xff\xfe")), bytes.HasPrefix(head, []byte("\xfe\xff")):
		return transform.NewReader(b, unicode.UTF16(unicode.LittleEndian, unicode.ExpectBOM).NewDecoder()), fixed("utf-16")
	}
	g := &guessingReader{b: b, name: "utf-8"}
	return g, func() string { return g.name }
}

// guessingReader passes ASCII on, and decides between UTF-8 and GB18030 (which includes GBK and GB2312) at the
// first byte that is not ASCII, however late in the file that is.
type guessingReader struct {
	b    *bufio.Reader
	rest io.Reader // after the decision
	name string
}

// Read reads decoded text.
func (g *guessingReader) Read(p []byte) (int, error) {
	if g.rest != nil {
		return g.rest.Read(p)
	}
	if _, err := g.b.Peek(1); err != nil { // fills the buffer
		return 0, err
	}
	peeked, _ := g.b.Peek(min(g.b.Buffered(), len(p)))
	n := 0
	for n < len(peeked) && peeked[n] < utf8.RuneSelf {
		n++
	}
	if n > 0 {
		return g.b.Read(p[:n])
	}
	sample, _ := g.b.Peek(sniffBytes)
	if isUTF8(sample) {
		g.rest = transform.NewReader(g.b, unicode.UTF8.NewDecoder())
	} else {
		g.name = "gb18030"
		g.rest = transform.NewReader(g.b, simplifiedchinese.GB18030.NewDecoder())
	}
	return g.rest.Read(p)
}

// isUTF8 allows that the last character was cut.
func isUTF8(b []byte) bool {
	for i := 0; i < utf8.UTFMax && i < len(b); i++ {
		if utf8.Valid(b[:len(b)-i]) {
			return true
		}
	}
	return false
}

// xlsxRows reads the first visible sheet of a workbook.
type xlsxRows struct {
	file *excelize.File
	rows *excelize.Rows
	line int
}

func openXLSX(r io.Reader) (rowReader, error) {
	limited := &io.LimitedReader{R: r, N: maxWorkbook + 1}
	file, err := excelize.OpenReader(limited, excelize.Options{UnzipSizeLimit: maxUnzipped, RawCellValue: true})
	if limited.N <= 0 {
		err = fmt.Errorf("the workbook is larger than %d bytes; save it as CSV", maxWorkbook)
	}
	if err != nil {
		if file != nil {
			_ = file.Close()
		}
		return nil, fmt.Errorf("read workbook: %w", err)
	}
	x := &xlsxRows{file: file}
	for _, sheet := range file.GetSheetList() {
		if visible, err := file.GetSheetVisible(sheet); err == nil && visible {
			if x.rows, err = file.Rows(sheet); err == nil {
				return x, nil
			}
		}
	}
	return nil, errors.Join(errors.New("read workbook: it has no visible sheet"), file.Close())
}

// Next reads one row.
func (x *xlsxRows) Next() ([]string, int, error) {
	if !x.rows.Next() {
		if err := x.rows.Error(); err != nil {
			return nil, 0, fmt.Errorf("read workbook: %w", err)
		}
		return nil, 0, io.EOF
	}
	x.line++
	row, err := x.rows.Columns()
	if err != nil {
		return nil, 0, fmt.Errorf("read workbook, row %d: %w", x.line, err)
	}
	for i, cell := range row {
		row[i] = plainNumber(cell)
	}
	return row, x.line, nil
}

// Encoding names the format, which has only one.
func (x *xlsxRows) Encoding() string { return string(XLSX) }

// Close removes the temporary files of a large workbook.
func (x *xlsxRows) Close() error { return errors.Join(x.rows.Close(), x.file.Close()) }

// plainNumber undoes the scientific notation in which Excel stores long numbers, such as phone numbers.
func plainNumber(cell string) string {
	if len(cell) > 30 || strings.Trim(cell, "0123456789.E+") != "" || !strings.Contains(cell, "E+") {
		return cell
	}
	f, _, err := big.ParseFloat(cell, 10, 200, big.ToNearestEven)
	if err != nil || f.MantExp(nil) > 100 {
		return cell
	}
	if i, accuracy := f.Int(nil); accuracy == big.Exact {
		return i.String()
	}
	return cell
}
