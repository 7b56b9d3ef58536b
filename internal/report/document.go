package report

import (
	"cmp"
	"slices"

	"github.com/goccy/go-yaml"
)

// Document is a report of blocks, one under the other.
type Document struct {
	Title       string  `json:"title"`
	Subtitle    string  `json:"subtitle,omitempty"`
	Subject     string  `json:"subject,omitempty"`     // in the file's properties
	Keywords    string  `json:"keywords,omitempty"`    // in the file's properties
	Orientation string  `json:"orientation,omitempty"` // portrait or landscape; landscape only when a table needs it, if empty
	Facts       []Fact  `json:"facts,omitempty"`       // under the title
	Blocks      []Block `json:"blocks,omitempty"`
}

// Block is one part of a document. Exactly one of its fields is set, Level aside.
type Block struct {
	Heading    string      `json:"heading,omitempty"`
	Level      int         `json:"level,omitempty"` // of the heading: 1 (the default) or 2
	Paragraph  string      `json:"paragraph,omitempty"`
	Facts      []Fact      `json:"facts,omitempty"`
	Table      *TableBlock `json:"table,omitempty"`
	Chart      *ChartBlock `json:"chart,omitempty"`
	Pictures   *Pictures   `json:"pictures,omitempty"`
	Process    []Step      `json:"process,omitempty"`
	Signatures []Signature `json:"signatures,omitempty"`
	PageBreak  bool        `json:"page_break,omitempty"`
}

// Fact is a label with its value.
type Fact struct {
	Label string `json:"label"`
	Value string `json:"value"`
	Warn  bool   `json:"warn,omitempty"` // in red
}

// TableBlock is a table; Of is the name under which Bind finds its data.
type TableBlock struct {
	Of   string `json:"of,omitempty"`
	Data *Table `json:"-"`
}

// ChartBlock is a chart of a table; Of is the name under which Bind finds its data.
type ChartBlock struct {
	Chart `yaml:",inline"`
	Of    string `json:"of,omitempty"`
	Data  *Table `json:"-"`
}

// Pictures stand beside each other; Of is the name under which Bind finds them.
type Pictures struct {
	Of      string    `json:"of,omitempty"`
	Columns int       `json:"columns,omitempty"` // 1 to 4; 2 if 0
	Data    []Picture `json:"-"`
}

// Picture is a picture as it came: JPEG, PNG or GIF.
type Picture struct {
	Name    string // of the file, for the reason when it is broken
	Caption string
	Data    []byte
}

// Step is one step of a process, with what came of it.
type Step struct {
	Title string `json:"title"`
	When  string `json:"when,omitempty"`
	By    string `json:"by,omitempty"`
	Text  string `json:"text,omitempty"`
	State string `json:"state,omitempty"` // done (the default), current, open or failed
}

// Signature is a line to sign on, or the name of one who has.
type Signature struct {
	Role string `json:"role"`
	Name string `json:"name,omitempty"`
	Date string `json:"date,omitempty"`
}

// DecodeDocument reads a document from YAML or JSON. Keys that do not exist are errors that name the line. Tables and pictures
// are named in it and filled in by Bind.
func DecodeDocument(data []byte) (*Document, error) {
	if err := bound("bytes of a document specification", len(data), maxSpec); err != nil {
		return nil, err
	}
	d := new(Document)
	if err := yaml.UnmarshalWithOptions(data, d, yaml.Strict()); err != nil {
		return nil, wrong("read document specification: %w", err)
	}
	return d, d.Check()
}

// Bind fills in the tables and pictures that the blocks name. pictures may be nil if no block names any; it is called once per
// block of pictures.
func (d *Document) Bind(tables map[string]*Table, pictures func(of string) ([]Picture, error)) error {
	for i := range d.Blocks {
		b := &d.Blocks[i]
		switch {
		case b.Table != nil && b.Table.Of != "":
			b.Table.Data = tables[b.Table.Of]
		case b.Chart != nil && b.Chart.Of != "":
			b.Chart.Data = tables[b.Chart.Of]
		case b.Pictures != nil && b.Pictures.Of != "":
			if pictures == nil {
				return wrong("block %d: there are no pictures %q", i+1, b.Pictures.Of)
			}
			found, err := pictures(b.Pictures.Of)
			if err != nil {
				return wrong("block %d: pictures %q: %w", i+1, b.Pictures.Of, err)
			}
			b.Pictures.Data = found
		}
		if b.Table != nil && b.Table.Data == nil {
			return wrong("block %d: there is no table %q", i+1, b.Table.Of)
		}
		if b.Chart != nil && b.Chart.Data == nil {
			return wrong("block %d: there is no table %q for the chart", i+1, b.Chart.Of)
		}
	}
	return nil
}

// Check finds the mistakes that can be seen without data.
func (d *Document) Check() error {
	if !slices.Contains([]string{"", "portrait", "landscape"}, d.Orientation) {
		return wrong("orientation is portrait or landscape, not %q", d.Orientation)
	}
	for i, b := range d.Blocks {
		if err := b.check(); err != nil {
			return wrong("block %d: %w", i+1, err)
		}
	}
	return nil
}

func (b Block) check() error {
	set := 0
	for _, is := range []bool{
		b.Heading != "", b.Paragraph != "", len(b.Facts) > 0, b.Table != nil, b.Chart != nil, b.Pictures != nil,
		len(b.Process) > 0, len(b.Signatures) > 0, b.PageBreak,
	} {
		if is {
			set++
		}
	}
	if set > 1 {
		return wrong("one of heading, paragraph, facts, table, chart, pictures, process, signatures and page_break is wanted, there are %d", set)
	}
	if b.Level < 0 || b.Level > 2 {
		return wrong("level is 1 or 2, not %d", b.Level)
	}
	if b.Chart != nil {
		return b.Chart.Chart.check()
	}
	if b.Pictures != nil && (b.Pictures.Columns < 0 || b.Pictures.Columns > 4) {
		return wrong("columns of pictures are 1 to 4, not %d", b.Pictures.Columns)
	}
	for _, step := range b.Process {
		if !slices.Contains([]string{"", "done", "current", "open", "failed"}, step.State) {
			return wrong("state is done, current, open or failed, not %q", step.State)
		}
	}
	return nil
}

// bounds checks the sizes of what the document holds.
func (d *Document) bounds(l Limits) error {
	if err := d.Check(); err != nil {
		return err
	}
	if err := bound("blocks", len(d.Blocks), l.Blocks); err != nil {
		return err
	}
	pictures, size := 0, 0
	for i, b := range d.Blocks {
		for _, t := range b.tables() {
			if t == nil {
				return wrong("block %d has no table bound to it", i+1)
			}
			if err := t.check(l); err != nil {
				return wrong("block %d: %w", i+1, err)
			}
		}
		if b.Pictures == nil {
			continue
		}
		pictures += len(b.Pictures.Data)
		for _, p := range b.Pictures.Data {
			size += len(p.Data)
		}
	}
	if err := bound("pictures", pictures, l.Pictures); err != nil {
		return err
	}
	return bound("bytes of pictures", size, l.PictureBytes)
}

func (b Block) tables() (all []*Table) {
	if b.Table != nil {
		all = append(all, b.Table.Data)
	}
	if b.Chart != nil {
		all = append(all, b.Chart.Data)
	}
	return all
}

// TableDocument makes the document of a report: its title, its chart if it has one, its table.
func TableDocument(t *Table, chart *Chart) *Document {
	d := &Document{Title: cmp.Or(t.Title, "Report")}
	if chart != nil {
		d.Blocks = append(d.Blocks, Block{Chart: &ChartBlock{Chart: *chart, Data: t}})
	}
	untitled := *t
	untitled.Title = ""
	d.Blocks = append(d.Blocks, Block{Table: &TableBlock{Data: &untitled}})
	return d
}
