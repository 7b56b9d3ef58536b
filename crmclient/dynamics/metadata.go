package dynamics

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"heliograph/crmclient"
)

// table is what the metadata tell of a table.
type table struct {
	name, set, key string
	columns        map[string]column
	order          []string
}

type column struct {
	kind                       string
	required, creates, updates bool
}

// tableOf reads the metadata of a table, from memory where it can.
func (c *Client) tableOf(ctx context.Context, name string) (*table, error) {
	if t, ok := c.tables.Get(name); ok {
		return t, nil
	}
	if !nameForm.MatchString(name) {
		return nil, noTable(name, nil)
	}
	path := "EntityDefinitions(LogicalName='" + name + "')"
	answer, err := c.do(ctx, request{method: http.MethodGet, path: path, query: url.Values{"$select": {"EntitySetName,PrimaryIdAttribute"}}})
	if err != nil {
		if gone(err) || codeOf(err) == "0x80060888" {
			return nil, noTable(name, err)
		}
		return nil, fmt.Errorf("read metadata of %s: %w", name, err)
	}
	var head row
	if err := answer.Exact(&head); err != nil {
		return nil, err
	}
	t := &table{name: name, set: head.text("EntitySetName"), key: head.text("PrimaryIdAttribute"), columns: map[string]column{}}
	if !nameForm.MatchString(t.set) || !nameForm.MatchString(t.key) {
		return nil, noTable(name, nil)
	}
	rows, err := c.list(ctx, path+"/Attributes", url.Values{
		"$select": {"LogicalName,AttributeType,RequiredLevel,IsValidForCreate,IsValidForUpdate,IsValidForRead"},
	}, 0)
	if err != nil {
		return nil, fmt.Errorf("read columns of %s: %w", name, err)
	}
	for _, r := range rows {
		if read, ok := r["IsValidForRead"].(bool); ok && !read {
			continue
		}
		level, _ := r["RequiredLevel"].(map[string]any)
		creates, _ := r["IsValidForCreate"].(bool)
		updates, _ := r["IsValidForUpdate"].(bool)
		required := row(level).text("Value")
		n := r.text("LogicalName")
		t.columns[n] = column{kind: r.text("AttributeType"), creates: creates, updates: updates, required: required == "ApplicationRequired" && creates}
		t.order = append(t.order, n)
	}
	c.tables.Put(name, t)
	return t, nil
}

func noTable(name string, err error) error {
	e := &crmclient.Error{
		Class: crmclient.ClassConfiguration, Message: fmt.Sprintf("Dynamics has no table %.100q", name),
		Remedy: "give the logical name (Power Apps, Tables, Properties) and the application user read access to it",
	}
	if err != nil {
		e.Err = &vendorError{codeOf(err)}
	}
	return e
}

// DescribeObject returns the columns of a table.
func (c *Client) DescribeObject(ctx context.Context, object string) ([]crmclient.Field, error) {
	t, err := c.tableOf(ctx, object)
	if err != nil {
		return nil, err
	}
	return t.fields(), nil
}

func (t *table) fields() []crmclient.Field {
	out := make([]crmclient.Field, 0, len(t.order))
	for _, n := range t.order {
		col := t.columns[n]
		out = append(out, crmclient.Field{Name: n, Label: n, Type: typeWord(col.kind), Required: col.required, ReadOnly: !col.creates && !col.updates})
	}
	return out
}

// typeWord writes a type of Dataverse as a word that mappings are compared by.
func typeWord(kind string) string {
	switch kind {
	case "String", "Memo", "Integer", "BigInt", "Decimal", "Double", "Money", "Boolean", "DateTime":
		return strings.ToLower(kind)
	}
	return kind // Lookup, Picklist and the like: not compared
}

// property returns the name under which a column is read: that of a lookup differs.
func (t *table) property(name string) string {
	switch t.columns[name].kind {
	case "Lookup", "Customer", "Owner":
		return "_" + name + "_value"
	}
	return name
}
