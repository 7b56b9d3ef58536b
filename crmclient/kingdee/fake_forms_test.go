package kingdee_test

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
)

func (s *site) query(data json.RawMessage) any {
	var q struct {
		FormID                               string `json:"FormId"`
		FieldKeys, FilterString, OrderString string
		TopRowCount, StartRow, Limit         int
		SubSystemID                          string `json:"SubSystemId"`
	}
	if err := strict(data, &q); err != nil || q.Limit < 1 || q.Limit > 2000 || q.TopRowCount != 0 {
		s.bad("query %s: %v", data, err)
	}
	f := s.forms[q.FormID]
	switch {
	case f == nil:
		return problem("ExecuteBillQuery", "0", "业务对象不存在")
	case q.FormID == s.denied:
		return problem("ExecuteBillQuery", "2", "没有查询权限")
	}
	keys := strings.Split(q.FieldKeys, ",")
	for _, k := range keys {
		if _, ok := f.fields[k]; !ok && k != f.id {
			return problem("ExecuteBillQuery", "9", "字段不存在: "+k)
		}
	}
	match, err := parseFilter(q.FilterString, f)
	if errors.Is(err, errNoField) {
		return problem("ExecuteBillQuery", "9", "字段不存在")
	}
	if err != nil {
		s.bad("filter %q: %v", q.FilterString, err)
		return problem("ExecuteBillQuery", "8", "x")
	}
	var hits []map[string]any
	for _, r := range f.rows {
		if match(r) {
			hits = append(hits, r)
		}
	}
	if q.OrderString == "" && q.FilterString != "" && !strings.HasPrefix(q.FilterString, f.id+"=") {
		s.bad("a query without an order: %+v", q)
	}
	for _, by := range slices.Backward(strings.Split(q.OrderString, ",")) {
		slices.SortStableFunc(hits, func(a, b map[string]any) int { return compare(a[by], b[by]) })
	}
	hits = hits[min(q.StartRow, len(hits)):]
	hits = hits[:min(q.Limit, len(hits))]
	out := make([][]any, 0, len(hits))
	for _, r := range hits {
		values := make([]any, len(keys))
		for i, k := range keys {
			values[i] = r[k]
		}
		out = append(out, values)
	}
	return out
}

func compare(a, b any) int {
	if n, ok := a.(json.Number); ok {
		x, _ := new(big.Rat).SetString(n.String())
		if y, ok := new(big.Rat).SetString(fmt.Sprint(b)); ok {
			return x.Cmp(y)
		}
	}
	x, okX := a.(int64)
	y, okY := b.(int64)
	if okX && okY {
		return cmp.Compare(x, y)
	}
	return cmp.Compare(strings.ReplaceAll(fmt.Sprint(a), "T", " "), strings.ReplaceAll(fmt.Sprint(b), "T", " "))
}

func (s *site) describe(data json.RawMessage) any {
	var q struct {
		FormID string `json:"FormId"`
	}
	if err := strict(data, &q); err != nil {
		s.bad("describe %s: %v", data, err)
	}
	f := s.forms[q.FormID]
	if f == nil {
		return problem("QueryBusinessInfo", "0", "业务对象不存在")
	}
	var fields []any
	for _, name := range slices.Sorted(maps.Keys(f.fields)) {
		if head, _, dotted := strings.Cut(name, "."); dotted {
			name = head
		}
		must := 0
		if slices.Contains(f.must, name) {
			must = 1
		}
		fields = append(fields, map[string]any{"Key": name, "Name": []any{map[string]any{"Key": 2052, "Value": "字段 " + name}}, "MustInput": must, "LookUpObjectFormId": ""})
	}
	return map[string]any{"Result": map[string]any{
		"ResponseStatus": map[string]any{"IsSuccess": true, "Errors": []any{}},
		"NeedReturnData": map[string]any{"Entrys": []any{map[string]any{"Key": "FBillHead", "Name": "单据头", "Fields": fields}}},
	}}
}

// saveData is the body of Save; all of it is known.
type saveData struct {
	NeedUpDateFields, NeedReturnFields                               []string
	IsDeleteEntry, IsVerifyBaseDataField, ValidateFlag, NumberSearch string
	IsAutoAdjustField, InterationFlags, IgnoreInterationFlag         string
	ValidateRepeatJSON                                               string `json:"ValidateRepeatJson"`
	Model                                                            map[string]any
}

func (s *site) save(f *form, data json.RawMessage) any {
	var in saveData
	if err := strict(data, &in); err != nil || in.IsDeleteEntry != "false" || in.NumberSearch != "true" || in.NeedUpDateFields == nil || in.NeedReturnFields == nil {
		s.bad("save %.300s: %v", data, err)
		return problem("Save", "8", "x")
	}
	for name, v := range in.Model {
		length, ok := f.fields[name]
		text, isText := v.(string)
		switch {
		case !ok && name != f.id:
			return problem("Save", "9", "字段不存在: "+name)
		case isText && length > 0 && len(utf16.Encode([]rune(text))) > length:
			return problem("Save", "11", fmt.Sprintf("字段 %s 的长度超过 %d", name, length))
		}
	}
	row := map[string]any{}
	if id, update := in.Model[f.id]; update {
		i := s.index(f, fmt.Sprint(id))
		if i < 0 {
			return problem("Save", "10", "数据不存在")
		}
		row = f.rows[i]
		if row["FDocumentStatus"] == "C" {
			return problem("Save", "12", "已审核的单据不能修改")
		}
		for name, v := range in.Model {
			if name == f.id {
				continue
			}
			if !slices.Contains(in.NeedUpDateFields, name) {
				s.bad("field %s is not among those to update", name)
			}
			row[name] = v
		}
	} else {
		if f.unique != "" {
			for _, r := range f.rows {
				if r[f.unique] == in.Model[f.unique] {
					return problem("Save", "11", "编码唯一: 单据编号已存在")
				}
			}
		}
		s.nextID++
		maps.Copy(row, in.Model)
		row[f.id] = s.nextID
		if f.states {
			row["FDocumentStatus"] = "A"
		}
		f.rows = append(f.rows, row)
	}
	row["FModifyDate"], row["FModifierId"] = stamp(s.now()), int64(16394)
	number, _ := row["FBillNo"].(string)
	return success(row[f.id], number)
}

func stamp(t time.Time) string { return t.In(zone).Format("2006-01-02T15:04:05.000") }

func (s *site) index(f *form, id string) int {
	want, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return -1
	}
	return slices.IndexFunc(f.rows, func(r map[string]any) bool { return r[f.id] == want })
}

func (s *site) operate(service string, f *form, data json.RawMessage) any {
	var in struct {
		CreateOrgID int `json:"CreateOrgId"`
		Numbers     []string
		IDs         string `json:"Ids"`
		NetworkCtrl string
	}
	if err := strict(data, &in); err != nil || len(in.Numbers) > 0 {
		s.bad("%s %s: %v", service, data, err)
	}
	i := s.index(f, in.IDs)
	if i < 0 {
		return problem(service, "10", "数据不存在")
	}
	row := f.rows[i]
	state := row["FDocumentStatus"]
	switch {
	case service == "Submit" && (state == "A" || state == "D"):
		row["FDocumentStatus"] = "B"
	case service == "Audit" && state == "B":
		row["FDocumentStatus"] = "C"
	case service == "UnAudit" && state == "C":
		row["FDocumentStatus"] = "D"
	case service == "Delete" && state != "C":
		f.rows = slices.Delete(f.rows, i, i+1)
	default:
		return problem(service, "12", fmt.Sprintf("状态 %v 不允许此操作", state))
	}
	return success(in.IDs, "")
}

func (s *site) attach(data json.RawMessage) any {
	var in struct {
		FileName, BillNo, AliasFileName, SendByte string
		FormID                                    string `json:"FormId"`
		InterID                                   string `json:"InterId"`
		EntryinterID                              string `json:"EntryinterId"`
		FileID                                    string `json:"FileId"`
		IsLast                                    bool
	}
	b, err := []byte(nil), strict(data, &in)
	if err == nil {
		b, err = base64.StdEncoding.DecodeString(in.SendByte)
	}
	f := s.forms[in.FormID]
	if err != nil || len(in.SendByte) > 4<<20 || f == nil || s.index(f, in.InterID) < 0 || in.EntryinterID != "-1" || in.FileName == "" || in.AliasFileName != in.FileName {
		s.bad("upload of %d letters: %v", len(in.SendByte), err)
		return problem("AttachmentUpLoad", "8", "x")
	}
	s.pieces++
	if in.FileID == "" {
		in.FileID = fmt.Sprintf("file-%d", len(s.uploads)+1)
		s.uploads[in.FileID] = &upload{form: in.FormID, inter: in.InterID, name: in.FileName}
	}
	u := s.uploads[in.FileID]
	if u == nil || u.done {
		s.bad("a piece of the file %s", in.FileID)
		return problem("AttachmentUpLoad", "8", "x")
	}
	u.content, u.done = append(u.content, b...), in.IsLast
	return map[string]any{"Result": map[string]any{"ResponseStatus": map[string]any{"IsSuccess": true, "Errors": []any{}}, "FileId": in.FileID}}
}
