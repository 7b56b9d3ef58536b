package exchange

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"heliograph/internal/console/api"
	"heliograph/internal/tablefile"
)

// maxRows is how many rows are kept of an import; a person reads some dozens.
const maxRows = 10_000

func (p *Part) rowsFile(id string) string { return filepath.Join(p.importFolder(id), "rows.jsonl") }

// rowLog writes down what became of rows.
type rowLog struct {
	f    *os.File
	w    *bufio.Writer
	n    int
	more bool
}

func newRowLog(path string) (*rowLog, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	return &rowLog{f: f, w: bufio.NewWriter(f)}, nil
}

// add keeps a row that has something to say.
func (l *rowLog) add(r ImportRow) error {
	if r.Outcome == Unchanged {
		return nil
	}
	if l.n == maxRows {
		l.more = true
		return nil
	}
	l.n++
	return json.NewEncoder(l.w).Encode(r)
}

// close ends the file with a line that says whether there were more rows.
func (l *rowLog) close() error {
	var err error
	if l.more {
		_, err = l.w.WriteString("{\"line\":0}\n")
	}
	return errors.Join(err, l.w.Flush(), l.f.Close())
}

// readRows visits the rows of the last check or import. It returns whether there were more than are kept.
func (p *Part) readRows(id string, visit func(ImportRow) (bool, error)) (truncated bool, err error) {
	f, err := os.Open(p.rowsFile(id))
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	d := json.NewDecoder(bufio.NewReader(f))
	going := true
	for {
		var r ImportRow
		err := d.Decode(&r)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) { // it is being written
			return truncated, nil
		}
		if err != nil {
			return truncated, err
		}
		if r.Line == 0 {
			truncated = true
		} else if going {
			if going, err = visit(r); err != nil {
				return truncated, err
			}
		}
	}
}

// ListImportRows lists what became of rows.
func (p *Part) ListImportRows(ctx context.Context, r ListImportRowsRequestObject) (ListImportRowsResponseObject, error) {
	if _, err := p.find(ctx, r.Id); err != nil {
		return nil, err
	}
	var skip int
	if _, err := api.DecodeCursor(deref(r.Params.Cursor), &skip); err != nil {
		return nil, err
	}
	c, limit, n := caller(ctx), api.PageLimit(deref(r.Params.Limit)), 0
	out := ListImportRows200JSONResponse{Items: []ImportRow{}}
	var err error
	out.Truncated, err = p.readRows(r.Id, func(one ImportRow) (bool, error) {
		if r.Params.Outcome != nil && one.Outcome != *r.Params.Outcome {
			return true, nil
		}
		if n++; n <= skip {
			return true, nil
		}
		if len(out.Items) == limit {
			next, err := api.EncodeCursor(skip + limit)
			out.Next = &next
			return false, err
		}
		if one.Changes != nil {
			for i, change := range *one.Changes {
				if c.Masked(change.Field) {
					(*one.Changes)[i].Before = nil
				}
			}
		}
		out.Items = append(out.Items, one)
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// DownloadRefusedRows gives the refused rows as CSV.
func (p *Part) DownloadRefusedRows(ctx context.Context, r DownloadRefusedRowsRequestObject) (DownloadRefusedRowsResponseObject, error) {
	if _, err := p.find(ctx, r.Id); err != nil {
		return nil, err
	}
	var text strings.Builder
	w, err := tablefile.NewWriter(&text, tablefile.CSV, "")
	if err != nil {
		return nil, err
	}
	head := []string{"line", "key", "column", "reason"}
	if deref(r.Params.Lang) == Zh {
		head = []string{"行", "关键字", "列", "原因"}
	}
	err = w.Write(head)
	if err == nil {
		_, err = p.readRows(r.Id, func(one ImportRow) (bool, error) {
			if one.Outcome != Refused {
				return true, nil
			}
			return true, w.Write([]string{strconv.Itoa(one.Line), deref(one.Key), deref(one.Column), deref(one.Reason)})
		})
	}
	if err := errors.Join(err, w.Flush(), w.Close()); err != nil {
		return nil, err
	}
	return DownloadRefusedRows200TextcsvResponse{
		Body: strings.NewReader(text.String()), ContentLength: int64(text.Len()),
		Headers: DownloadRefusedRows200ResponseHeaders{ContentDisposition: ptr(`attachment; filename="refused.csv"`)},
	}, nil
}
