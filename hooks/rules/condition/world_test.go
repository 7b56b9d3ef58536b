package condition_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"heliograph/hooks/rules/condition"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	shanghai = time.FixedZone("Asia/Shanghai", 8*3600)
	noon     = time.Date(2026, 3, 4, 12, 0, 0, 0, shanghai) // a Wednesday
)

// world is Facts over a tree; it remembers what was asked.
type world struct {
	tree   map[string]any
	broken map[string]error // paths that give an error

	mu    sync.Mutex
	asked []string
}

func (w *world) Fact(_ context.Context, path string) (any, error) {
	w.mu.Lock()
	w.asked = append(w.asked, path)
	w.mu.Unlock()
	if err := w.broken[path]; err != nil {
		return nil, err
	}
	var value any = w.tree
	for name := range strings.SplitSeq(path, ".") {
		m, _ := value.(map[string]any)
		below, ok := m[name]
		if value = below; !ok {
			return nil, &condition.Unknown{Path: path, Reason: "there is none"}
		}
	}
	return value, nil
}

// node reads a condition.
func node(t testing.TB, source string) *condition.Node {
	t.Helper()
	var n condition.Node
	if err := json.Unmarshal([]byte(source), &n); err != nil {
		t.Fatalf("%s: %v", source, err)
	}
	return &n
}

func complaint() map[string]any {
	address := func(a, name string) map[string]any {
		_, domain, _ := strings.Cut(a, "@")
		return map[string]any{"address": a, "name": name, "domain": domain}
	}
	return map[string]any{
		"mail": map[string]any{
			"subject": "关于投诉：订单 SO10086 晚到", "from": address("Li@Example.com", "李雷"),
			"to":       []any{address("support@heliograph.example", "客服"), address("boss@heliograph.example", "")},
			"cc":       []any{},
			"text":     "您好，\r\n订单 SO10086 至今未到，请尽快处理。" + strings.Repeat("谢谢！", 40),
			"language": "zh-CN", "direction": "in", "date": noon.Add(-90 * time.Minute), "automated": false, "bulk": nil,
			"tags":        []any{"投诉", "VIP"},
			"attachments": []any{attachment("照片.JPG", "2048"), attachment("报价.xlsx", "5000000")},
		},
		"record": map[string]any{
			"amount": json.Number("120000.10"), "price": "￥1,200.50", "level": "ＶＩＰ ", "limit": json.Number("100000"), "due": "2026-03-02", "owner": nil,
			"stage": "已成交", "lines": []any{map[string]any{"sku": "A", "qty": json.Number("3")}, map[string]any{"sku": "B"}}, "客户级别": "A",
		},
		"change": map[string]any{"kind": "changed", "fields": map[string]any{
			"stage": map[string]any{"old": "谈判", "new": "已成交"}, "owner": map[string]any{"new": "王芳"}, "note": map[string]any{"old": "a", "new": "A "},
		}},
	}
}

func attachment(name, size string) map[string]any {
	return map[string]any{"name": name, "size": json.Number(size), "type": "application/octet-stream"}
}

// lists are named lists with what is in them.
type lists map[string][]string

var errLists = errors.New("the lists are away")

func (l lists) Has(_ context.Context, list, entry string) (bool, error) {
	if list == "broken" {
		return false, errLists
	}
	entries, ok := l[list]
	if !ok {
		return false, &condition.Unknown{Path: list, Reason: "no such list"}
	}
	return slices.Contains(entries, entry), nil
}

// office works on weekdays from 9 to 18 in Shanghai.
type office struct{}

func (office) IsWorkday(t time.Time) bool {
	day := t.In(shanghai).Weekday()
	return day != time.Saturday && day != time.Sunday
}

func (o office) InHours(t time.Time) bool {
	hour := t.In(shanghai).Hour()
	return o.IsWorkday(t) && hour >= 9 && hour < 18
}

func (o office) Between(from, to time.Time) time.Duration {
	var sum time.Duration
	for t := from; t.Before(to); t = t.Add(time.Minute) {
		if o.InHours(t) {
			sum += time.Minute
		}
	}
	return sum
}
