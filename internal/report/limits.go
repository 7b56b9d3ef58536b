package report

// Limits bound what one report may cost. Zero fields take the value of DefaultLimits.
type Limits struct {
	InputBytes   int // of an uploaded CSV or XLSX file as it came
	UnzippedSize int // bytes of an uploaded XLSX after decompression
	Rows         int // of a table, in every step of its making
	Columns      int // of a table
	Cells        int // rows times columns
	CellRunes    int // runes of one text value; longer texts are cut with an ellipsis when shown
	Blocks       int // of a document
	Pages        int // of a PDF
	Pictures     int // of a document
	PictureBytes int // of all pictures of a document as they came
	DecodedBytes int // memory that one decoded picture may take
	OutputBytes  int // of a finished file or page
}

// DefaultLimits are generous for business reports and keep one report under some 200 MB of memory.
func DefaultLimits() Limits {
	return Limits{
		InputBytes:   20 << 20,
		UnzippedSize: 64 << 20,
		Rows:         50_000,
		Columns:      200,
		Cells:        500_000,
		CellRunes:    4_000,
		Blocks:       500,
		Pages:        500,
		Pictures:     60,
		PictureBytes: 60 << 20,
		DecodedBytes: 128 << 20,
		OutputBytes:  25 << 20,
	}
}

// orDefault fills what is zero.
func (l Limits) orDefault() Limits {
	d := DefaultLimits()
	for _, pair := range []struct{ have, standard *int }{
		{&l.InputBytes, &d.InputBytes},
		{&l.UnzippedSize, &d.UnzippedSize},
		{&l.Rows, &d.Rows},
		{&l.Columns, &d.Columns},
		{&l.Cells, &d.Cells},
		{&l.CellRunes, &d.CellRunes},
		{&l.Blocks, &d.Blocks},
		{&l.Pages, &d.Pages},
		{&l.Pictures, &d.Pictures},
		{&l.PictureBytes, &d.PictureBytes},
		{&l.DecodedBytes, &d.DecodedBytes},
		{&l.OutputBytes, &d.OutputBytes},
	} {
		if *pair.have <= 0 {
			*pair.have = *pair.standard
		}
	}
	return l
}

// table checks the size of a table.
func (l Limits) table(t *Table) error {
	return l.size(len(t.Rows), len(t.Columns))
}

func (l Limits) size(rows, columns int) error {
	if err := bound("rows", rows, l.Rows); err != nil {
		return err
	}
	if err := bound("columns", columns, l.Columns); err != nil {
		return err
	}
	return bound("cells", rows*columns, l.Cells)
}
