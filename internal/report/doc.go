// Package report makes the documents that rules send: report tables in mails, workbooks, and PDF with Chinese text and charts.
//
// The main idea: one exact table, many faces. Records of a CRM or an uploaded file become a Table whose numbers stay decimal
// texts (json.Number); operations that are data (a Spec) group, sum, join and pivot it with math/big.Rat, so that cents never drift;
// and only the last step, one of the writers, rounds for the eye. A Document is a list of blocks around such tables: the report
// with its chart and the quality report with its pictures are the same thing to the PDF and HTML writers.
//
//   - errors.go, limits.go: what may go wrong, and the bounds of everything that a stranger controls
//   - table.go, value.go, number.go, format.go: the table, its values, reading numbers, showing values
//   - spec.go, group.go, join.go, compare.go, pivot.go, order.go, totals.go, expr.go, exprparse.go: operations as data
//   - csv.go, xlsxread.go, guess.go: uploaded tables; csv.go writes too
//   - html.go, text.go, xlsxwrite.go, xlsxchart.go: tables out
//   - chart.go, chartdraw.go, chartpie.go: charts from tables, drawn with vectors
//   - document.go, documenthtml.go, picture.go, pictureorient.go: documents and their pictures
//   - font.go, fontcheck.go, glyphs.go, linebreak.go: the font, what it can draw, where Chinese lines break
//   - pdf.go, pdftable.go, pdfwidths.go, pdfblocks.go, pdfpictures.go: pages
//
// PDF text is drawn with a TrueType font from the machine. A character that the font lacks is drawn as a visible mark and reported
// in the output, never as a silent box. Equal input gives equal bytes: the date comes from the caller.
//
// It queries no CRM, sends no mail, and expands no templates: callers hand in values and get bytes.
package report
