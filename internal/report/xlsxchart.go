package report

import (
	"fmt"
	"strings"

	"github.com/xuri/excelize/v2"
)

// chart adds the spreadsheet's own chart to the right of the table. It points at the cells of the table, if all rows of data
// stand together at the top, else at a sheet of its own without totals.
func (w *xlsxWriter) chart(name string, s Sheet) error {
	if _, err := s.Chart.plot(s.Table, w.opts); err != nil { // what cannot be drawn is refused here, not by the spreadsheet
		return err
	}
	source, t, rows, err := w.chartSource(name, s.Table)
	if err != nil {
		return err
	}
	if rows == 0 {
		return nil
	}
	kinds := map[string]excelize.ChartType{"bar": excelize.Col, "line": excelize.Line, "pie": excelize.Pie}
	chart := &excelize.Chart{
		Type:         kinds[s.Chart.Kind],
		Legend:       excelize.ChartLegend{Position: "top"},
		Dimension:    excelize.ChartDimension{Width: chartWidthPx, Height: chartHeightPx},
		ShowBlanksAs: "gap",
		YAxis:        excelize.ChartAxis{MajorGridLines: true},
	}
	if s.Chart.Title != "" {
		chart.Title = []excelize.RichTextRun{{Text: s.Chart.Title}}
	}
	if s.Chart.Kind == "pie" {
		chart.Legend.Position = "right"
		chart.PlotArea.ShowPercent = true
	}
	category, err := t.column(s.Chart.Category)
	if err != nil {
		return err
	}
	for n, key := range s.Chart.Series {
		at, err := t.column(key)
		if err != nil {
			return err
		}
		series := excelize.ChartSeries{
			Name:       cellRange(source, at, 0, 0),
			Categories: cellRange(source, category, 1, rows),
			Values:     cellRange(source, at, 1, rows),
		}
		if s.Chart.Kind != "pie" {
			c := palette[n]
			series.Fill = excelize.Fill{Type: "pattern", Pattern: 1, Color: []string{fmt.Sprintf("%02X%02X%02X", c[0], c[1], c[2])}}
		}
		chart.Series = append(chart.Series, series)
	}
	corner := columnName(len(s.Table.Columns)+1) + "2"
	if err := w.file.AddChart(name, corner, chart); err != nil {
		return wrong("chart: %w", err)
	}
	return nil
}

// chartSource gives the sheet and the table whose first rows a chart points at.
func (w *xlsxWriter) chartSource(name string, t *Table) (source string, data *Table, rows int, err error) {
	for i := range t.Rows {
		if role := t.Roles[i]; role == Total || role == Subtotal {
			continue
		}
		if i == rows {
			rows++
			continue
		}
		source = w.name(name + " " + w.opts.word("图表数据", "chart data"))
		if _, err := w.file.NewSheet(source); err != nil {
			return "", nil, 0, wrong("%w", err)
		}
		data = t.data()
		return source, data, len(data.Rows), w.stream(source, data)
	}
	return name, t, rows, nil
}

// cellRange names cells of a column, counted from 0, as formulas do.
func cellRange(sheet string, column, from, to int) string {
	quoted := "'" + strings.ReplaceAll(sheet, "'", "''") + "'"
	letter := columnName(column)
	if from == to && from == 0 {
		return fmt.Sprintf("%s!$%s$1", quoted, letter)
	}
	return fmt.Sprintf("%s!$%s$%d:$%s$%d", quoted, letter, from+1, letter, to+1)
}
