package rules

const (
	// diffAround is how many equal lines are shown round what differs.
	diffAround = 2
	// diffCells bounds the table of a comparison; larger ones are shown as all old and all new.
	diffCells = 16 << 20
)

// LineDiff compares texts line by line: "- " and "+ " mark what only one of them has.
func LineDiff(a, b []string) []string {
	head := 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < len(a)-head && tail < len(b)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	all := make([]string, 0, len(a)+len(b))
	for _, line := range a[:head] {
		all = append(all, "  "+line)
	}
	all = append(all, middleDiff(a[head:len(a)-tail], b[head:len(b)-tail])...)
	for _, line := range a[len(a)-tail:] {
		all = append(all, "  "+line)
	}
	return nearChanges(all)
}

// middleDiff finds the longest common subsequence of lines.
func middleDiff(a, b []string) (out []string) {
	if len(a)*len(b) > diffCells {
		for _, line := range a {
			out = append(out, "- "+line)
		}
		for _, line := range b {
			out = append(out, "+ "+line)
		}
		return out
	}
	common := make([][]int32, len(a)+1)
	for i := range common {
		common[i] = make([]int32, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			out = append(out, "  "+a[i])
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && common[i+1][j] >= common[i][j+1]:
			out = append(out, "- "+a[i])
			i++
		default:
			out = append(out, "+ "+b[j])
			j++
		}
	}
	return out
}

// nearChanges leaves out equal lines that are far from any change.
func nearChanges(lines []string) (out []string) {
	near := make([]bool, len(lines))
	for i, line := range lines {
		if line[0] == ' ' {
			continue
		}
		for k := max(0, i-diffAround); k <= min(len(lines)-1, i+diffAround); k++ {
			near[k] = true
		}
	}
	skipped := false
	for i, line := range lines {
		switch {
		case near[i]:
			out = append(out, line)
			skipped = false
		case !skipped:
			out = append(out, "  …")
			skipped = true
		}
	}
	return out
}
