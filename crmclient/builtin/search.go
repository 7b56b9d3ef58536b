package builtin

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"heliograph/crmclient"
	"heliograph/internal/store"
)

// QueryRecords returns a page of the records for which all conditions hold, in the order of their ids.
func (c *CRM) QueryRecords(ctx context.Context, q crmclient.Query, cursor string) ([]crmclient.Record, string, error) {
	o, err := c.object(q.Object)
	if err != nil {
		return nil, "", err
	}
	for _, name := range q.Fields {
		if _, err := o.field(name); err != nil {
			return nil, "", err
		}
	}
	var w where
	for _, cond := range q.Where {
		if err := o.condition(&w, c.db.Dialect(), cond); err != nil {
			return nil, "", err
		}
	}
	if cursor != "" {
		after, err := strconv.ParseInt(cursor, 10, 64)
		if err != nil {
			return nil, "", &crmclient.Error{Class: crmclient.ClassConfiguration, Message: "the cursor is not one that a query returned"}
		}
		w.add(o.id+" > ?", after)
	}
	limit := Paging{Limit: q.Limit}.limit()
	found, err := o.read(ctx, c.db.Reader(), q.Fields, w.String()+` ORDER BY `+o.id+` LIMIT `+w.arg(limit+1), w.args...)
	if err != nil {
		return nil, "", fmt.Errorf("query records: %w", err)
	}
	if len(found) > limit {
		found = found[:limit]
		return found, found[limit-1].ID, nil
	}
	return found, "", nil
}

func refused(cond crmclient.Condition, why string) error {
	return &crmclient.Error{
		Class:   crmclient.ClassConfiguration,
		Message: fmt.Sprintf("the condition %q of field %q cannot be searched by: %s", string(cond.Is), cond.Field, why),
		Remedy:  "change the condition",
	}
}

// comparisons are the signs of the comparisons that two values take.
var comparisons = map[crmclient.Comparison]string{
	crmclient.Equal: "=", crmclient.NotEqual: "<>", crmclient.Less: "<", crmclient.LessEqual: "<=", crmclient.Greater: ">", crmclient.GreaterEqual: ">=",
}

// maxIn bounds the list of In.
const maxIn = 1000

func (o object) condition(w *where, d store.Dialect, cond crmclient.Condition) error {
	col, err := o.field(cond.Field)
	if err != nil {
		return err
	}
	if col.Name == "addresses" {
		return byAddress(w, cond)
	}
	if col.sql == "" {
		return refused(cond, "it holds more than one value")
	}
	sign, compares := comparisons[cond.Is]
	switch {
	case cond.Is == crmclient.Empty && (col.Type == typeText || col.Type == typeDate):
		w.add(col.sql + " = ''")
	case cond.Is == crmclient.Empty:
		w.add(col.sql + " = 0")
	case cond.Is == crmclient.Contains && col.Type == typeText:
		part, ok := cond.Value.(string)
		if !ok {
			return refused(cond, "a text is needed")
		}
		search := "instr(" + col.sql + ", ?) > 0" // unlike LIKE it tells large letters from small ones on both engines
		if d == store.Postgres {
			search = "strpos(" + col.sql + ", ?) > 0"
		}
		w.add(search, part)
	case cond.Is == crmclient.In:
		list, ok := cond.Value.([]any)
		if !ok || len(list) > maxIn {
			return refused(cond, fmt.Sprintf("a list of at most %d values is needed", maxIn))
		}
		marks := []string{"NULL"} // IN () is not SQL
		for _, v := range list {
			value, err := col.value(cond, v)
			if err != nil {
				return err
			}
			marks = append(marks, w.arg(value))
		}
		w.add(col.sql + " IN (" + strings.Join(marks, ", ") + ")")
	case compares && (col.Type != typeText || cond.Is == crmclient.Equal || cond.Is == crmclient.NotEqual):
		value, err := col.value(cond, cond.Value)
		if err != nil {
			return err
		}
		w.add(col.sql+" "+sign+" ?", value)
	default:
		return refused(cond, "the comparison is not known for a "+col.Type)
	}
	return nil
}

// byAddress finds contacts by an address.
func byAddress(w *where, cond crmclient.Condition) error {
	address, ok := cond.Value.(string)
	if !ok || cond.Is != crmclient.Equal {
		return refused(cond, "addresses are compared with eq only")
	}
	w.add("p.id IN (SELECT contact_id FROM crm_contact_addresses WHERE address = ?)", normalAddress(address))
	return nil
}

// value makes the argument of a query, so that it has the type of the column.
func (c column) value(cond crmclient.Condition, v any) (any, error) {
	switch c.Type {
	case typeText, typeDate:
		if s, ok := v.(string); ok {
			return clean(s), nil
		}
	case typeNumber:
		switch n := v.(type) {
		case json.Number:
			if i, err := n.Int64(); err == nil {
				return i, nil
			}
		case int:
			return int64(n), nil
		case int64:
			return n, nil
		case string: // ids are texts elsewhere
			if i, err := strconv.ParseInt(n, 10, 64); err == nil {
				return i, nil
			}
		}
	case typeMoney:
		if n, ok := tenThousandths(v); ok {
			return n, nil
		}
	case typeTime:
		switch t := v.(type) {
		case time.Time:
			return store.Micros(t), nil
		case string:
			if at, err := time.Parse(time.RFC3339Nano, t); err == nil {
				return store.Micros(at), nil
			}
		}
	}
	return nil, refused(cond, "the value is not a "+c.Type)
}
