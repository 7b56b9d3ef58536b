package builtin_test

import (
	"bytes"
	"fmt"
	"testing"

	"heliograph/crmclient/builtin"
	"heliograph/crmclient/crmtest"
	"heliograph/internal/store/storetest"
)

// BenchmarkImport imports one row per iteration.
func BenchmarkImport(b *testing.B) {
	c, err := builtin.New(storetest.SQLite(b), builtin.Config{})
	if err != nil {
		b.Fatal(err)
	}
	var file bytes.Buffer
	file.WriteString("姓名,邮箱,公司,电话\n")
	for i := range b.N {
		fmt.Fprintf(&file, "联系人%d,p%d@customer%d.com,公司%d,021-%d\n", i, i, i%1000, i%1000, i)
	}
	b.ReportAllocs()
	b.ResetTimer()
	report, err := c.ImportContacts(b.Context(), &file, builtin.ImportOptions{})
	if err != nil || report.Created != b.N {
		b.Fatalf("got %+v, %v", report, err)
	}
}

// BenchmarkLogEmail writes one activity per iteration.
func BenchmarkLogEmail(b *testing.B) {
	c, err := builtin.New(storetest.SQLite(b), builtin.Config{})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := c.LogEmail(b.Context(), crmtest.Activity(fmt.Sprint("k", i))); err != nil {
			b.Fatal(err)
		}
	}
}
