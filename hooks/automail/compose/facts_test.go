package compose_test

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"heliograph/hooks/rules/condition"
)

// facts are nested maps; what is not there is unknown.
type facts map[string]any

func (f facts) Fact(_ context.Context, path string) (any, error) {
	var at any = map[string]any(f)
	for step := range strings.SplitSeq(path, ".") {
		m, ok := at.(map[string]any)
		if !ok {
			return nil, &condition.Unknown{Path: path, Reason: "no such field"}
		}
		if at, ok = m[step]; !ok {
			return nil, &condition.Unknown{Path: path, Reason: "no such field"}
		}
	}
	return at, nil
}

type m = map[string]any

func office() facts {
	return facts{
		"mail": m{
			"subject": "投诉: SO123 <b>", "language": "zh", "date": time.Date(2026, 11, 22, 0, 33, 0, 0, time.UTC),
			"from": m{"address": "li@customer.test", "name": "李雷", "domain": "customer.test"},
			"to":   []any{m{"address": "support@example.com", "name": "客服"}, m{"address": "boss@example.com", "name": ""}},
			"attachments": []any{
				m{"name": "合同.pdf", "type": "application/pdf", "size": json.Number("12345")},
				m{"name": "a<b>.png", "type": "image/png", "size": json.Number("7")},
			},
			"text": "第一行\n<script>alert(1)</script>",
			"tags": []any{"投诉", "VIP"},
		},
		"contact": m{"name": nil, "address": "li@customer.test", "kind": "person", "owner": "Han Meimei"},
		"record": m{
			"金额": json.Number("1234567.895"), "odd-name": "奇", "_url": "https://crm.test/r/1?a=1&b=2", "evil": "javascript:alert(1)", "phone": "tel:+861012345678",
			"emails": "a@x.test; b@y.test", "items": []any{m{"name": "螺丝", "qty": json.Number("10")}, m{"name": "Bolt <M4>", "qty": nil}},
			"due": "2026-12-01", "zero": json.Number("0"), "empty": "", "none": []any{},
		},
		"rule": m{"id": "r1"},
	}
}
