// Package tablefile reads table files that people made: CSV, TSV and the like, and workbooks (XLSX).
//
// The main idea: the file is a stranger's. Format, encoding and delimiter are recognised by content (UTF-8, UTF-16 and GB18030, which
// includes GBK and GB2312), rows are handed out one by one, and everything that a file can blow up is bounded: bytes after
// unpacking, columns, one row. Cells are texts; what they mean is for the callers to say (contacts, tables for reports).
//
//   - open.go: Open, which finds out what the file is
//   - text.go: encodings
//   - csv.go: delimited texts
//   - xlsx.go: workbooks; OpenWorkbook is for those who want to know more of cells than their text
//   - write.go: the writers of CSV and XLSX, which neutralise formulas
package tablefile
