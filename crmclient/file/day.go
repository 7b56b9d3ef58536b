package file

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"heliograph/crmclient"
	"heliograph/crmclient/export"
)

const (
	// maxDays is how many days are remembered at once; a backfill goes through many.
	maxDays = 8
	// maxLine bounds a line that is read: a message's text is bounded far below.
	maxLine = 64 << 20
	// mark begins a CSV file, so that spreadsheets know its charset.
	mark = "\ufeff"
)

// columns are the heading of a CSV file. The key is last, so that a record is whole where it has one.
var columns = []string{
	"date", "direction", "from", "to", "cc", "subject", "text", "attachments", "owner", "accounts", "companies", "message_id", "thread", "file", "key",
}

// day is the file of a day, with the keys of its lines.
type day struct {
	path string
	csv  bool
	size int64 // as far as it was read
	keys map[string]bool
}

// open returns the file of a day, with what others added since. A line that was cut short is removed.
func (c *Client) open(name string) (*day, error) {
	d := c.days[name]
	if d == nil {
		if len(c.days) >= maxDays {
			clear(c.days)
		}
		d = &day{path: filepath.Join(c.cfg.OutputDir, name+"."+string(c.cfg.Format)), csv: c.cfg.Format == CSV, keys: map[string]bool{}}
	}
	info, err := os.Stat(d.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.size, d.keys = 0, map[string]bool{}
	case err != nil:
		return nil, err
	case info.Size() != d.size:
		if err := d.read(); err != nil {
			delete(c.days, name)
			return nil, err
		}
	}
	c.days[name] = d
	return d, nil
}

func (d *day) has(key string) bool { return d.keys[key] }

// read reads all keys, and cuts off what follows the last whole line.
func (d *day) read() (err error) {
	f, err := os.OpenFile(d.path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	d.keys = map[string]bool{}
	d.size, err = d.each(f, func(key string, _ []byte) error {
		d.keys[key] = true
		return nil
	})
	if err != nil {
		return err
	}
	return f.Truncate(d.size)
}

// each visits the whole lines of a file, and returns where the last one ends.
func (d *day) each(r io.Reader, visit func(key string, line []byte) error) (end int64, err error) {
	if d.csv {
		return eachRecord(r, visit)
	}
	b := bufio.NewReaderSize(r, 64<<10)
	for {
		line, err := readLine(b)
		if errors.Is(err, io.EOF) {
			return end, nil
		}
		if err != nil {
			return end, err
		}
		var l struct {
			Key string `json:"key"`
		}
		if json.Unmarshal(line, &l) == nil && l.Key != "" { // somebody else's line is left alone
			if err := visit(l.Key, line); err != nil {
				return end, err
			}
		} else if err := visit("", line); err != nil {
			return end, err
		}
		end += int64(len(line))
	}
}

// readLine reads a line with its end. A line without end is io.EOF.
func readLine(b *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := b.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > maxLine {
			return nil, errors.New("a line is too long to be ours")
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}

// eachRecord visits the records of a CSV file. Whether the last one is whole is known only at the end: it must end in a line end.
func eachRecord(r io.Reader, visit func(key string, line []byte) error) (end int64, err error) {
	in := &counted{r: r}
	c := csv.NewReader(in)
	c.FieldsPerRecord = -1
	var before []string
	var ends int64 // of the record before
	for {
		record, err := c.Read()
		parse := new(csv.ParseError)
		broken := errors.As(err, &parse) || err == nil && len(record) != len(columns)
		last := errors.Is(err, io.EOF) || broken && c.InputOffset() == in.n
		switch {
		case err != nil && !last && !broken:
			return end, err
		case broken && !last:
			return end, errForeign
		}
		if before != nil && (!errors.Is(err, io.EOF) || in.last == '\n') {
			if err := visitRecord(before, end == 0, visit); err != nil {
				return end, err
			}
			end = ends
		}
		if last {
			return end, nil
		}
		before, ends = record, c.InputOffset()
	}
}

// errForeign says that a file is not as we wrote it: nothing of it is thrown away then.
var errForeign = errors.New("the file was changed by another program")

// counted remembers how much was read, and the last byte.
type counted struct {
	r    io.Reader
	n    int64
	last byte
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if c.n += int64(n); n > 0 {
		c.last = p[n-1]
	}
	return n, err
}

func visitRecord(record []string, first bool, visit func(key string, line []byte) error) error {
	key := record[len(record)-1]
	if first && strings.HasPrefix(record[0], mark) {
		key = "" // the heading
	}
	var line bytes.Buffer
	if err := writeRecord(&line, record); err != nil {
		return err
	}
	return visit(key, line.Bytes())
}

func writeRecord(w io.Writer, record []string) error {
	c := csv.NewWriter(w)
	c.UseCRLF = true
	if err := c.Write(record); err != nil {
		return err
	}
	c.Flush()
	return c.Error()
}

// add appends a line and makes it durable.
func (d *day) add(key string, line []byte) (err error) {
	f, err := os.OpenFile(d.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if d.size == 0 && d.csv {
		var head bytes.Buffer
		heading := slices.Clone(columns)
		heading[0] = mark + heading[0]
		if err := writeRecord(&head, heading); err != nil {
			return err
		}
		line = append(head.Bytes(), line...)
	}
	n, err := f.Write(line)
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		// Half a line must not be met by the next one; what cannot be cut now is cut when the day is read again.
		d.size = -1
		return errors.Join(err, f.Truncate(max(0, d.length()-int64(n))))
	}
	if d.size == 0 {
		if err := syncDir(filepath.Dir(d.path)); err != nil {
			return err
		}
	}
	d.size += int64(n)
	d.keys[key] = true
	return nil
}

func (d *day) length() int64 {
	info, err := os.Stat(d.path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// remove writes the file anew without a message.
func (d *day) remove(key string) error {
	if !d.keys[key] {
		return nil
	}
	f, err := os.Open(d.path)
	if err != nil {
		return err
	}
	err = replace(d.path, func(w io.Writer) error {
		_, err := d.each(f, func(k string, line []byte) error {
			if k == key {
				return nil
			}
			_, err := w.Write(line)
			return err
		})
		return err
	})
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	delete(d.keys, key)
	d.size = d.length()
	return nil
}

// line writes a message as a line of the day's file.
func (c *Client) line(a *crmclient.Activity, path string) ([]byte, error) {
	if c.cfg.Format != CSV {
		p := struct {
			export.Payload
			File string `json:"file,omitempty"` // the mail file, below the folder
		}{export.NewPayload(a, true), filepath.ToSlash(path)}
		b, err := export.Encode(p)
		return append(b, '\n'), err
	}
	var files, companies []string
	for _, f := range a.Attachments {
		files = append(files, f.Name)
	}
	for _, company := range a.Companies {
		companies = append(companies, company.Name)
	}
	record := []string{
		a.Date.In(c.zone).Format("2006-01-02 15:04:05"), string(a.Direction), a.From.Address, addresses(a.To), addresses(a.CC), a.Subject, a.TextUnquoted,
		strings.Join(files, "; "), a.Owner, strings.Join(a.Accounts, "; "), strings.Join(companies, "; "), a.MessageID, a.Thread, filepath.ToSlash(path), a.Key,
	}
	for i, cell := range record {
		record[i] = harmless(cell)
	}
	var b bytes.Buffer
	err := writeRecord(&b, record)
	return b.Bytes(), err
}

func addresses(list []crmclient.Person) string {
	out := make([]string, len(list))
	for i, p := range list {
		out[i] = p.Address
	}
	return strings.Join(out, "; ")
}

// harmless keeps a spreadsheet from taking a stranger's words for a formula. A bare CR, which CSV would lose, becomes a line end.
func harmless(s string) string {
	s = strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
	if s != "" && strings.ContainsRune("=+-@\t", rune(s[0])) {
		return "'" + s
	}
	return s
}
