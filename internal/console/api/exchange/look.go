package exchange

import (
	"errors"
	"io"
	"os"
	"strings"

	"heliograph/internal/console/api"
	"heliograph/internal/tablefile"
)

const (
	previewRows  = 20
	previewCell  = 200 // runes
	headerSearch = 20  // rows in which the header may be, below titles
)

// fileOptions are what is said of the file.
func (b *importBody) fileOptions() tablefile.Options {
	o := tablefile.Options{Encoding: b.Said.Encoding, Sheet: b.Said.Sheet}
	o.Delimiter, _ = tablefile.DelimiterOf(b.Said.Delimiter)
	return o
}

// look reads the beginning of the file, and fills in what follows from it. A file that cannot be read is a problem of the caller's.
func (p *Part) look(b *importBody) (err error) {
	id := b.Id
	f, err := os.Open(p.upload(id))
	if err != nil {
		return errAway.Because(err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	rows, err := tablefile.Open(f, b.fileOptions())
	if err != nil {
		return fileProblem(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	var cells [][]string
	var lines []int
	for len(cells) < headerSearch+previewRows {
		row, line, err := rows.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fileProblem(err)
		}
		cells, lines = append(cells, row), append(lines, line)
	}
	b.Format, b.Encoding = ImportFormat(rows.Format()), FileEncoding(rows.Encoding())
	b.Delimiter, b.Sheet, b.Sheets = nil, nil, []string{}
	if d := rows.Delimiter(); d != 0 {
		b.Delimiter = ptr(string(d))
	}
	if all, one := rows.Sheets(); len(all) > 0 {
		b.Sheets, b.Sheet = all, ptr(one)
	}
	b.understand(cells, lines)
	return nil
}

// understand finds the header, makes the preview and guesses the mapping.
func (b *importBody) understand(cells [][]string, lines []int) {
	at := -1
	for i, line := range lines {
		if b.Said.HeaderRow > 0 && line >= b.Said.HeaderRow {
			at = i
			break
		}
	}
	if b.Said.HeaderRow == 0 {
		at = headerOf(b.Kind, cells)
	}
	b.HeaderRow, b.Mapping, b.Preview = nil, []ColumnMapping{}, &ImportPreview{Rows: [][]string{}}
	if at < 0 {
		b.settle()
		return
	}
	b.HeaderRow = ptr(lines[at])
	header := cells[at]
	for len(header) > 0 && strings.TrimSpace(header[len(header)-1]) == "" {
		header = header[:len(header)-1]
	}
	shown := cut(header)
	b.Preview.Header = &shown
	body := cells[at+1:]
	for _, row := range body[:min(len(body), previewRows)] {
		b.Preview.Ragged = b.Preview.Ragged || len(row) > len(header)
		b.Preview.Rows = append(b.Preview.Rows, cut(row[:min(len(row), len(header)+1)]))
	}
	b.Mapping = guess(b.Kind, header, body)
	b.settle()
}

func cut(row []string) []string {
	out := make([]string, len(row))
	for i, cell := range row {
		cell = strings.ToValidUTF8(cell, "\uFFFD")
		if runes := []rune(cell); len(runes) > previewCell {
			cell = string(runes[:previewCell-1]) + "…"
		}
		out[i] = cell
	}
	return out
}

var errAway = api.Conflict("file_away", "the uploaded file is not on this machine", "Upload it again.")

// fileProblem tells a mistake of the file from trouble with the disk.
func fileProblem(err error) error {
	var wrong *tablefile.Error
	if errors.As(err, &wrong) {
		return api.Invalid("file_broken", wrong.Error(), api.Field{Pointer: "/file", Detail: wrong.Error()})
	}
	return err
}
