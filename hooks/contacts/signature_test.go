package contacts_test

import (
	"maps"
	"strings"
	"testing"

	"heliograph/hooks/contacts"
)

func TestSignature(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		text string
		want contacts.Fields
	}{
		"chinese with labels": {
			"李雷\n采购经理\n北京顶点科技有限公司\n电话：010-6588 1234 传真：010-6588 1235\n手机：138 0013 8000\n邮箱：li@acme.com.cn\n地址：北京市海淀区中关村1号",
			contacts.Fields{"name": "李雷", "title": "采购经理", "company": "北京顶点科技有限公司", "phone": "010-6588 1234", "mobile": "138 0013 8000"},
		},
		"chinese in one row": {
			"王芳 | 销售总监 | 上海光华股份有限公司\nTel: 021-12345678-801 | Mob: +86 139 1234 5678",
			contacts.Fields{"name": "王芳", "title": "销售总监", "company": "上海光华股份有限公司", "phone": "021-12345678-801", "mobile": "+86 139 1234 5678"},
		},
		"name and title in one row": {
			"张伟 工程师\n13912345678",
			contacts.Fields{"name": "张伟", "title": "工程师", "mobile": "13912345678"},
		},
		"full-width": {
			"职务：工程师\n手机：１３８００１３８０００",
			contacts.Fields{"title": "工程师", "mobile": "13800138000"},
		},
		"a mobile number behind the label of a phone": {
			"电话：13800138000", contacts.Fields{"mobile": "13800138000"},
		},
		"english": {
			"John Smith\nPurchasing Manager\nAcme Optics GmbH\nT: +49 89 1234567 | F: +49 89 1234568\nM: +49 171 1234567\nwww.acme.example",
			contacts.Fields{"name": "John Smith", "title": "Purchasing Manager", "company": "Acme Optics GmbH", "phone": "+49 89 1234567", "mobile": "+49 171 1234567"},
		},
		"english with comma": {
			"Jane O'Hara, Head of Sales\nAcme Ltd.\nPhone 020 7946 0018",
			contacts.Fields{"name": "Jane O'Hara", "title": "Head of Sales", "company": "Acme Ltd.", "phone": "020 7946 0018"},
		},
		"the first of two persons": {
			"手机：13800138000\n手机：13900139000", contacts.Fields{"mobile": "13800138000"},
		},
		"only a fax":           {"传真：010-65881235\nFax: 010-65881235", contacts.Fields{}},
		"a greeting":           {"Best Regards\nKind regards", contacts.Fields{}},
		"a name alone":         {"Li Lei", contacts.Fields{}},
		"sent from my phone":   {"Sent from my iPhone", contacts.Fields{}},
		"a chinese greeting":   {"此致\n敬礼", contacts.Fields{}},
		"a sentence":           {"请联系我们的经理。谢谢！\nPlease call our manager!", contacts.Fields{}},
		"a date is no number":  {"2026-11-20 09:30", contacts.Fields{}},
		"an address is not it": {"地址：北京市朝阳区建国路88号\nAddress: 88 Jianguo Road", contacts.Fields{}},
		"a word with a label":  {"hotel 12345678\nInc 5551234567", contacts.Fields{}},
		"nothing":              {"", contacts.Fields{}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := contacts.Signature(c.text); !maps.Equal(got, c.want) {
				t.Errorf("got  %v\nwant %v", got, c.want)
			}
		})
	}
}

func FuzzSignature(f *testing.F) {
	f.Add("李雷\n电话：010-6588 1234 传真：1\nT: +49 89 1 | M: 2")
	f.Add("t.: +1\xff|\x00手机:")
	f.Add(strings.Repeat("Tel: 12345678 ", 100))
	f.Fuzz(func(t *testing.T, text string) {
		for field, value := range contacts.Signature(text) {
			if value == "" || len(value) > 200 || strings.ContainsAny(value, "\n\x00") {
				t.Errorf("%s: %q", field, value)
			}
		}
	})
}

func TestPhone(t *testing.T) {
	t.Parallel()
	cases := map[string]struct{ text, region, want string }{
		"chinese mobile":        {"138 0013 8000", "CN", "+8613800138000"},
		"with country code":     {"+86-138-0013-8000", "US", "+8613800138000"},
		"with 00":               {"0086 13800138000", "CN", "+8613800138000"},
		"landline":              {"(010) 6588 1234", "CN", "+861065881234"},
		"extension is left out": {"010-65881234 转 801", "CN", "+861065881234"},
		"full-width":            {"１３８００１３８０００", "CN", "+8613800138000"},
		"german":                {"089 1234567", "DE", "+49891234567"},
		"extension alone":       {"801", "CN", ""},
		"nonsense":              {"call me", "CN", ""},
		"too many digits":       {strings.Repeat("1", 60), "CN", ""},
		"unknown region":        {"138 0013 8000", "ZZ", ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, ok := contacts.Phone(c.text, c.region)
			if got != c.want || ok != (c.want != "") {
				t.Errorf("got %q, %v; want %q", got, ok, c.want)
			}
		})
	}
}
