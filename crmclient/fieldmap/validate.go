package fieldmap

import (
	"fmt"
	"slices"
	"strings"

	"heliograph/config"
	"heliograph/crmclient"
)

// Validate compares the mapping with what the CRM says of the fields of object. Filled are fields that the connector fills
// besides the mapping. The error is of ClassConfiguration; it names all fields that are not there, cannot be written, are too
// short or are of a type that the steps cannot give, and says what to do.
func (m *Map) Validate(object string, fields []crmclient.Field, filled ...string) error {
	has := make(map[string]crmclient.Field, len(fields))
	var writable []string
	for _, f := range fields {
		has[f.Name] = f
		if !f.ReadOnly {
			writable = append(writable, f.Name)
		}
	}
	var bad, missing []string
	for _, name := range m.names {
		f, ok := has[name]
		if !ok {
			missing = append(missing, name)
			bad = append(bad, fmt.Sprintf("field %s is not in object %s%s", name, object, nearestField(name, writable, fields)))
			continue
		}
		if text := m.fields[name].fits(f); text != "" {
			bad = append(bad, fmt.Sprintf("field %s of object %s %s", name, object, text))
		}
	}
	for _, f := range fields {
		if f.Required && !f.ReadOnly && !m.Has(f.Name) && !slices.Contains(filled, f.Name) {
			bad = append(bad, fmt.Sprintf("field %s of object %s must be filled, and nothing does: add it to %s:", f.Name, object, m.key))
		}
	}
	if len(bad) == 0 {
		return nil
	}
	e := &crmclient.Error{Class: crmclient.ClassConfiguration, Message: strings.Join(bad, "; ")}
	e.Remedy = fmt.Sprintf("change %s: in the section of the target as the message says", m.key)
	if len(missing) > 0 {
		e.Remedy = fmt.Sprintf("create %s in the CRM, or remove it from %s: ({remove: true} for a default)", strings.Join(missing, ", "), m.key)
	}
	return e
}

// nearestField says which field was probably meant: by its name, or because the name is the label that people see.
func nearestField(name string, writable []string, fields []crmclient.Field) string {
	for _, f := range fields {
		if f.Label != "" && f.Label == name && !f.ReadOnly {
			return fmt.Sprintf("; %s is the label of %s", name, f.Name)
		}
	}
	if near := config.Nearest(name, writable); near != "" {
		return "; nearest is " + near
	}
	return ""
}

// fits says why a field cannot take what the steps give; nothing where it can.
func (c compiled) fits(f crmclient.Field) string {
	want := typeKind(f.Type)
	switch {
	case f.ReadOnly:
		return "cannot be written"
	case c.kind == Any || c.kind == Object || want == Any:
		return ""
	case want == Number && c.kind != Number:
		return fmt.Sprintf("is a number (%s), but it gets a %s: add the step {number: true} or {map: …}", f.Type, c.kind)
	case want == Bool && c.kind != Bool:
		return fmt.Sprintf("is true or false (%s), but it gets a %s", f.Type, c.kind)
	case want == Time && (c.kind == Bool || c.kind == List):
		return fmt.Sprintf("is a date (%s), but it gets a %s", f.Type, c.kind)
	case want == Text && c.kind == List:
		return fmt.Sprintf("is a text (%s), but it gets a list: add the step {join: \", \"} or {first: true}", f.Type)
	case want == Text && f.Length > 0 && c.limit == unbounded:
		return fmt.Sprintf("takes %d characters, and nothing cuts what it gets: add the step {cut: %d}", f.Length, f.Length)
	case want == Text && f.Length > 0 && c.limit > f.Length:
		return fmt.Sprintf("takes %d characters, but may get %d: cut it to %d", f.Length, c.limit, f.Length)
	}
	return ""
}

// typeKind reads a vendor's word for a type. Words that it does not know are Any: they are not compared.
func typeKind(word string) Kind {
	switch strings.ToLower(strings.TrimSpace(word)) {
	case "text", "string", "textarea", "longtextarea", "varchar", "varchar_auto", "char", "nvarchar", "memo", "email", "phone", "url", "website", "html", "richtext", "wysiwyg",
		"single-line text", "multi-line text", "singleline", "multiline", "long_text", "longtext", "name":
		return Text
	case "int", "integer", "long", "bigint", "double", "decimal", "number", "float", "currency", "money", "monetary", "percent", "numeric":
		return Number
	case "bool", "boolean", "checkbox", "bit":
		return Bool
	case "date", "datetime", "timestamp", "date_time", "datetimecombo":
		return Time
	}
	return Any
}

func didYouMean(name string, known []string) string {
	if near := config.Nearest(name, known); near != "" {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	return ""
}

func hintSources(name string, s Sources) string {
	if hint := didYouMean(name, s.Names()); hint != "" {
		return hint
	}
	return "; there are " + strings.Join(s.Names(), ", ")
}
