package exchange

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"heliograph/crmclient/builtin"
)

// The fields that a row of contacts is known by.
const (
	fieldEmail  = "email"
	fieldName   = "name"
	fieldGiven  = "given_name"
	fieldFamily = "family_name"
	fieldPhone  = "phone"
	fieldMobile = "mobile"
)

var (
	looksLikeAddress = regexp.MustCompile(`^[^@\s]+@[^@\s]+\.[^@\s.]+$`)
	looksLikePhone   = regexp.MustCompile(`^\+?[0-9][0-9 ()\-]{6,18}$`)
	looksLikeMobile  = regexp.MustCompile(`^(\+?86[ -]?)?1[3-9][0-9]{9}$`)
)

// headerOf finds the row with the names of the columns: for contacts the first that names an address, or a name with a phone, as imports
// do; else the first that is as wide as those near it. -1: there is none.
func headerOf(kind ImportKind, rows [][]string) int {
	widest := 0
	near := rows[:min(len(rows), headerSearch)]
	for i, row := range near {
		widest = max(widest, filled(row))
		if kind == ImportKindTable {
			continue
		}
		has := map[string]bool{}
		for _, cell := range row {
			has[builtin.FieldOf(cell)] = true
		}
		if has[fieldEmail] || (has[fieldName] || has[fieldGiven]) && (has[fieldPhone] || has[fieldMobile]) {
			return i
		}
	}
	for i, row := range near {
		if n := filled(row); n > 0 && n*10 >= widest*6 {
			return i
		}
	}
	return -1
}

func filled(row []string) (n int) {
	for _, cell := range row {
		if strings.TrimSpace(cell) != "" {
			n++
		}
	}
	return n
}

const (
	sampleCells = 3
	sure        = 1.0
	likely      = 0.7 // by the values alone
)

// guess says what the columns mean: by their names, and where those say nothing, by what stands in them.
func guess(kind ImportKind, header []string, rows [][]string) []ColumnMapping {
	out := make([]ColumnMapping, len(header))
	shown := cut(header)
	taken := map[string]bool{}
	for i := range header {
		out[i] = ColumnMapping{Column: i, Header: shown[i]}
		samples := []string{}
		for _, row := range rows {
			if i < len(row) && strings.TrimSpace(row[i]) != "" && len(samples) < sampleCells {
				samples = append(samples, cut(row[i : i+1])[0])
			}
		}
		out[i].Samples = &samples
		f := ""
		if kind == ImportKindTable {
			f = strings.Join(strings.Fields(shown[i]), " ")
			for n := 2; f != "" && taken[f]; n++ {
				f = fmt.Sprintf("%s_%d", strings.Join(strings.Fields(shown[i]), " "), n)
			}
		} else if f = builtin.FieldOf(header[i]); f != fieldEmail && taken[f] {
			f = ""
		}
		if f != "" {
			taken[f] = true
			out[i].choose(f, Header, sure)
		}
	}
	if kind != ImportKindTable {
		guessByValues(out, rows, taken)
	}
	return out
}

func (m *ColumnMapping) choose(field string, by ColumnMappingBy, confidence float32) {
	m.Field, m.By, m.Confidence = ptr(field), &by, &confidence
	if field == "" {
		m.Confidence = nil
	}
}

func guessByValues(out []ColumnMapping, rows [][]string, taken map[string]bool) {
	for _, try := range []struct {
		field string
		like  *regexp.Regexp
	}{{fieldEmail, looksLikeAddress}, {fieldMobile, looksLikeMobile}, {fieldPhone, looksLikePhone}} {
		if taken[try.field] {
			continue
		}
		for i := range out {
			if out[i].Field == nil && share(rows, i, try.like) >= 0.6 {
				out[i].choose(try.field, Values, likely)
				taken[try.field] = true
				break
			}
		}
	}
}

// share is how many of the filled cells of a column look like something.
func share(rows [][]string, column int, like *regexp.Regexp) float64 {
	all, hits := 0, 0
	for _, row := range rows {
		if column < len(row) && strings.TrimSpace(row[column]) != "" {
			all++
			if like.MatchString(strings.TrimSpace(row[column])) {
				hits++
			}
		}
	}
	if all == 0 {
		return 0
	}
	return float64(hits) / float64(all)
}

// settle says what keeps the import from being started.
func (i *Import) settle() {
	i.Problems = []MappingProblem{}
	add := func(code MappingProblemCode, column *int, detail string) {
		i.Problems = append(i.Problems, MappingProblem{Code: code, Column: column, Detail: detail})
	}
	if i.HeaderRow == nil {
		add(NoHeader, nil, "no row with the names of the columns was found")
		return
	}
	seen := map[string]bool{}
	var chosen []string
	for n := range i.Mapping {
		m := &i.Mapping[n]
		f := deref(m.Field)
		if f == "" {
			continue
		}
		if seen[f] && (i.Kind == ImportKindTable || f != fieldEmail) {
			add(SameField, &m.Column, fmt.Sprintf("two columns are to become %s", f))
		}
		seen[f] = true
		chosen = append(chosen, f)
	}
	switch {
	case i.Kind == ImportKindTable && len(chosen) == 0:
		add(NoKey, nil, "no column is imported")
	case i.Kind != ImportKindTable && !seen[fieldEmail] && (!seen[fieldName] && !seen[fieldGiven] || !seen[fieldPhone] && !seen[fieldMobile]):
		add(NoKey, nil, "no column is the mail address, nor are there name and phone")
	case i.Kind == ImportKindContactsLearn && !seen[fieldEmail]:
		add(NoKey, nil, "no column is the mail address")
	}
}

// knownField tells whether a column may mean something.
func knownField(kind ImportKind, field string) bool {
	if kind == ImportKindTable {
		return len(field) <= previewCell
	}
	names, _ := builtin.Fields()
	return slices.Contains(names, field)
}
