package fieldmap_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/crmclient/crmtest"
	"heliograph/crmclient/fieldmap"
)

// section is what a connector's section looks like.
type section struct {
	Fields fieldmap.Fields `yaml:"fields"`
}

func decode(t *testing.T, text string) fieldmap.Fields {
	t.Helper()
	var s section
	if err := config.NewSection(text).Decode(&s); err != nil {
		t.Fatal(err)
	}
	return s.Fields
}

func defaults() fieldmap.Fields {
	return fieldmap.Fields{
		"Subject":     fieldmap.From("subject", fieldmap.Cut(12)),
		"Description": fieldmap.FirstOf([]string{"text_unquoted", "text"}),
		"Type":        fieldmap.Value("Email"),
	}
}

func build(t *testing.T, text string) *fieldmap.Map {
	t.Helper()
	m, err := fieldmap.New("fields", fieldmap.ActivitySources(), defaults(), decode(t, text))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// written returns what Apply makes of the example, as JSON reads it again.
func written(t *testing.T, m *fieldmap.Map, v fieldmap.Values) map[string]any {
	t.Helper()
	got, err := m.Apply(v)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	back := map[string]any{}
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	return back
}

func example() *crmclient.Activity {
	a := crmtest.Activity("k1")
	a.Automated = true
	a.Contacts = []crmclient.Contact{{ID: "c1", Kind: "contact", Name: "Li Lei"}, {ID: "l1", Kind: "lead"}, {ID: "c2", Kind: "contact"}}
	return a
}

func TestEveryStep(t *testing.T) {
	t.Parallel()
	a := example()
	a.Subject = `A & B <b>"中文"</b>`
	a.Text = "one\r\ntwo & three\n"
	for name, c := range map[string]struct {
		field string
		want  any // nil: the field is left out
	}{
		"source":              {`{from: key}`, "k1"},
		"constant text":       {`{value: "E-mail"}`, "E-mail"},
		"constant number":     {`{value: 7}`, 7.0},
		"constant bool":       {`{value: false}`, false},
		"constant list":       {`{value: [a, b]}`, []any{"a", "b"}},
		"cut":                 {`{from: subject, then: [{cut: 10}]}`, `A & B <b>…`},
		"cut is long enough":  {`{from: key, then: [{cut: 10}]}`, `k1`},
		"cut bytes":           {`{from: subject, then: [{cut_bytes: 16}]}`, `A & B <b>"中…`},
		"escape":              {`{from: subject, then: [{cut: 9}, {html_escape: true}]}`, `A &amp; B &lt;b…`},
		"lines":               {`{from: text, then: [{text_to_html: true}]}`, "one<br>\ntwo &amp; three<br>\n"},
		"list":                {`{from: contact_ids}`, []any{"c1", "c2"}},
		"join":                {`{from: contact_ids, then: [{join: "; "}]}`, "c1; c2"},
		"join with nothing":   {`{from: contact_ids, then: [{join: ""}]}`, "c1c2"},
		"first":               {`{from: contact_ids, then: [{first: true}]}`, "c1"},
		"each of a list":      {`{from: contact_ids, then: [{prefix: "x-"}, {join: " "}]}`, "x-c1 x-c2"},
		"as list":             {`{from: key, then: [{list: true}]}`, []any{"k1"}},
		"wrap":                {`{from: key, then: [{wrap: FNumber}]}`, map[string]any{"FNumber": "k1"}},
		"wrap each":           {`{from: contact_ids, then: [{wrap_each: id}]}`, []any{map[string]any{"id": "c1"}, map[string]any{"id": "c2"}}},
		"prefix and suffix":   {`{from: key, then: [{prefix: "<"}, {suffix: ">"}]}`, "<k1>"},
		"prefix of nothing":   {`{from: owner, then: [{prefix: "by "}]}`, nil},
		"lower":               {`{from: from_name, then: [{lower: true}]}`, "wang fang"},
		"time by itself":      {`{from: date}`, "2026-03-04T05:06:07Z"},
		"rfc3339 in a zone":   {`{from: date, then: [{date: rfc3339, zone: Asia/Shanghai}]}`, "2026-03-04T13:06:07+08:00"},
		"milliseconds":        {`{from: date, then: [{date: rfc3339_ms}]}`, "2026-03-04T05:06:07.000Z"},
		"offset":              {`{from: date, then: [{date: iso_offset}]}`, "2026-03-04T05:06:07+00:00"},
		"basic offset":        {`{from: date, then: [{date: iso_ms_offset}]}`, "2026-03-04T05:06:07.000+0000"},
		"local":               {`{from: date, then: [{date: iso_local, zone: Asia/Shanghai}]}`, "2026-03-04T13:06:07"},
		"date and time":       {`{from: date, then: [{date: datetime, zone: America/New_York}]}`, "2026-03-04 00:06:07"},
		"short":               {`{from: date, then: [{date: datetime_short}]}`, "2026-03-04 05:06"},
		"day":                 {`{from: date, then: [{date: date, zone: America/Los_Angeles}]}`, "2026-03-03"},
		"slashes":             {`{from: date, then: [{date: date_slashes}]}`, "2026/03/04"},
		"compact":             {`{from: date, then: [{date: date_compact}]}`, "20260304"},
		"time of day":         {`{from: date, then: [{date: time}]}`, "05:06"},
		"unix":                {`{from: date, then: [{date: unix}]}`, 1772600767.0},
		"unix ms":             {`{from: date, then: [{date: unix_ms}]}`, 1772600767000.0},
		"unix as text":        {`{from: date, then: [{date: unix}, {string: true}]}`, "1772600767"},
		"map":                 {`{from: direction, then: [{map: {outbound: "1", inbound: "2"}}]}`, "1"},
		"map to numbers":      {`{from: direction, then: [{map: {outbound: 1, inbound: 2}}]}`, 1.0},
		"map without a hit":   {`{from: direction, then: [{map: {inbound: "2"}}]}`, nil},
		"map with else":       {`{from: direction, then: [{map: {inbound: "2"}, else: "0"}]}`, "0"},
		"map of a bool":       {`{from: automated, then: [{map: {"true": machine}}]}`, "machine"},
		"map of a list":       {`{from: contact_ids, then: [{map: {c2: x}}]}`, []any{"x"}},
		"bool":                {`{from: automated}`, true},
		"bool false is kept":  {`{from: unconfirmed}`, false},
		"bool words":          {`{from: automated, then: [{bool: [Y, N]}]}`, "Y"},
		"bool words for no":   {`{from: unconfirmed, then: [{bool: [1, 0]}]}`, 0.0},
		"number":              {`{from: attachment_count}`, 1.0},
		"number of a text":    {`{from: direction, then: [{map: {outbound: "12.50"}}, {number: true}]}`, 12.5},
		"default":             {`{from: owner, then: [{default: nobody}]}`, "nobody"},
		"default not needed":  {`{from: key, then: [{default: nobody}]}`, "k1"},
		"nothing is left out": {`{from: owner}`, nil},
		"first of several":    {`{from: owner, or: [thread, key]}`, "thread-k1"},
		"people":              {`{from: to, then: [{join: ", "}]}`, "Li Lei <li.lei@customer.example>"},
		"addresses":           {`{from: cc_addresses, then: [{first: true}]}`, "boss@example.com"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := build(t, "fields:\n  X: "+c.field+"\n")
			if got := written(t, m, fieldmap.Activity(a))["X"]; !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %#v, want %#v", got, c.want)
			}
		})
	}
}

func TestSectionOverDefaults(t *testing.T) {
	t.Parallel()
	m := build(t, "fields:\n  Type: {remove: true}\n  Subject: {from: key}\n  客户: {from: company_names, keep_empty: true}\n  Note: {from: owner, keep_empty: true}\n")
	got := written(t, m, fieldmap.Activity(example()))
	want := map[string]any{
		"Subject": "k1", "Description": "Hello,\n\nplease find our quotation.\n", "客户": nil, "Note": "",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if names := m.Names(); !reflect.DeepEqual(names, []string{"Description", "Note", "Subject", "客户"}) {
		t.Errorf("names: %q", names)
	}
	if m.NameOf("key") != "Subject" || m.NameOf("date") != "" || !m.Has("Note") || m.Has("Type") {
		t.Error("NameOf and Has do not tell what is there")
	}
}

func TestMistakesNameTheKey(t *testing.T) {
	t.Parallel()
	for field, want := range map[string]string{
		`{}`:                          `fields: "X": from is missing`,
		`{from: subjet}`:              `did you mean "subject"?`,
		`{from: zzzzzzzzzz}`:          `there are accounts, `,
		`{from: subject, value: x}`:   `exclude each other`,
		`{value: {a: b}}`:             `a text, number`,
		`{value: [{a: b}]}`:           `a list must hold texts`,
		`{from: subject, or: [date]}`: `date is a time, the first is a text`,
		`{from: subject, then: [{}]}`: `then[0]: a step needs one of cut`,
		`{from: subject, then: [{cut: 5, prefix: a}]}`:           `then[0]: cut and prefix are several steps`,
		`{from: subject, then: [{cut: -5}]}`:                     `cut must be positive`,
		`{from: subject, then: [{cut: 5, zone: UTC}]}`:           `zone belongs to date`,
		`{from: subject, then: [{cut: 5, else: 1}]}`:             `else belongs to map`,
		`{from: subject, then: [{join: ", "}]}`:                  `join takes a list, not a text`,
		`{from: subject, then: [{date: unix}]}`:                  `date takes a time, not a text`,
		`{from: date, then: [{cut: 4}]}`:                         `cut takes a text, not a time`,
		`{from: date, then: [{date: unix, zone: Mars/Olympus}]}`: `zone: "Mars/Olympus" is not a time zone`,
		`{from: date, then: [{date: unix, zone: Local}]}`:        `zone: "Local" is not a time zone`,
		`{from: subject, then: [{bool: [1, 0]}]}`:                `bool takes a bool, not a text`,
		`{from: automated, then: [{bool: [1]}]}`:                 `bool needs two values`,
		`{from: automated, then: [{number: true}]}`:              `number takes a text, not a bool`,
		`{from: subject, then: [{map: {}}]}`:                     `map needs 1 to`,
		`{from: subject, then: [{map: {a: [1]}}]}`:               `map: "a": a list must hold texts`,
		`{from: contact_ids, then: [{map: {a: 1}}]}`:             `the values for a list must be texts`,
		`{from: text, then: [{text_to_html: true}, {cut: 5}]}`:   `cut would cut within HTML`,
		`{from: contact_ids, then: [{list: true}]}`:              `list takes one value`,
		`{from: key, then: [{wrap_each: a}]}`:                    `wrap_each takes a list`,
		`{remove: true, from: key}`:                              `remove stands alone`,
		`{remove: true}`:                                         `there is no default to remove`,
		`{from: key, then: [{cut: 1}, {cut: 1}, {cut: 1}, {cut: 1}, {cut: 1}, {cut: 1}, {cut: 1}, {cut: 1}, {cut: 1}, {cut: 1}, {cut: 1}, {cut: 1}, {cut: 1}, {cut: 1}, {cut: 1}, {cut: 1}, {cut: 1}]}`: `17 steps are more`,
	} {
		t.Run(field, func(t *testing.T) {
			t.Parallel()
			_, err := fieldmap.New("fields", fieldmap.ActivitySources(), defaults(), decode(t, "fields:\n  X: "+field+"\n"))
			if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), `fields: "X": `) {
				t.Errorf("got %v, want %s", err, want)
			}
		})
	}
}

func TestAllMistakesAtOnce(t *testing.T) {
	t.Parallel()
	_, err := fieldmap.New("fields", fieldmap.ActivitySources(), defaults(), decode(t, "fields:\n  A: {from: x1}\n  Subjec: {remove: true}\n  C: {from: x2}\n"))
	for _, want := range []string{`fields: "A"`, `fields: "C"`, `did you mean "Subject"?`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestDecoderIsStrict(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"fields:\n  X: {form: subject}\n", "fields:\n  X: {from: subject, then: [{shorten: 5}]}\n",
		"fields:\n  X: subject\n", "fields:\n  X: {from: date, then: [{date: \"2006-01-02\"}]}\n", "fields: [a]\n",
	} {
		var s section
		if err := config.NewSection(text).Decode(&s); err == nil || !strings.Contains(err.Error(), "fields") {
			t.Errorf("%q: got %v, want a mistake that names the key", text, err)
		}
	}
}

func TestValueThatCannotBeMade(t *testing.T) {
	t.Parallel()
	m, err := fieldmap.New("fields", fieldmap.TicketSources(), nil, decode(t, "fields:\n  X: {from: subject, then: [{number: true}]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, subject := range []string{"12,5", "secret words", "0x10", "1e", "Infinity", "NaN", "null", "\"5\"", strings.Repeat("9", 61)} {
		_, err = m.Apply(fieldmap.Ticket(&crmclient.Ticket{Subject: subject}))
		if crmclient.ClassOf(err) != crmclient.ClassPermanent || !strings.Contains(err.Error(), `"X"`) || strings.Contains(err.Error(), subject) {
			t.Errorf("%q: got %v, want a permanent error that names the field and not the value", subject, err)
		}
	}
	for _, subject := range []string{"12.50", "-3", "1e5", " 7 ", "123456789012345678901234567890.123456789"} {
		got, err := m.Apply(fieldmap.Ticket(&crmclient.Ticket{Subject: subject}))
		if err != nil || got["X"] != json.Number(strings.TrimSpace(subject)) {
			t.Errorf("%q: got %v, %v", subject, got, err)
		}
	}
}

func TestValidateAgainstMetadata(t *testing.T) {
	t.Parallel()
	fields := []crmclient.Field{
		{Name: "Subject", Type: "string", Length: 255},
		{Name: "Description", Type: "textarea"},
		{Name: "Type", Type: "picklist"},
		{Name: "Created", Type: "datetime", ReadOnly: true, Required: true},
		{Name: "Amount", Type: "currency"},
		{Name: "Short", Type: "varchar", Length: 20},
		{Name: "Done", Type: "boolean"},
		{Name: "Start", Type: "datetime"},
		{Name: "Own__c", Label: "Our key", Type: "string", Length: 100},
		{Name: "Must", Type: "string", Required: true},
	}
	for name, c := range map[string]struct{ section, want string }{
		"good":        {"  Start: {from: date}\n  Done: {from: automated}\n  Own__c: {from: key}\n", ""},
		"unknown":     {"  Subjekt: {from: key}\n", "field Subjekt is not in object Task; nearest is Subject"},
		"label":       {"  Our key: {from: key}\n", "Our key is the label of Own__c"},
		"read-only":   {"  Created: {from: date}\n", "field Created of object Task cannot be written"},
		"too short":   {"  Short: {from: subject, then: [{cut: 21}]}\n", "takes 20 characters, but may get 21"},
		"not cut":     {"  Short: {from: subject}\n", "add the step {cut: 20}"},
		"long enough": {"  Short: {from: subject, then: [{cut: 20}]}\n", ""},
		"number":      {"  Amount: {from: subject, then: [{cut: 20}]}\n", "field Amount of object Task is a number (currency)"},
		"bool":        {"  Done: {value: \"yes\"}\n", "is true or false (boolean), but it gets a text"},
		"date":        {"  Start: {from: automated}\n", "is a date (datetime), but it gets a bool"},
		"list":        {"  Own__c: {from: contact_ids}\n", "but it gets a list"},
		"constant":    {"  Short: {value: \"123456789012345678901\"}\n", "may get 21"},
		"required":    {"  Must: {from: key}\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := build(t, "fields:\n"+c.section).Validate("Task", fields, "Must")
			if c.want == "" {
				if err != nil {
					t.Errorf("got %v, want no mistake", err)
				}
				return
			}
			var e *crmclient.Error
			if !errors.As(err, &e) || e.Class != crmclient.ClassConfiguration || !strings.Contains(e.Message, c.want) || !strings.Contains(e.Remedy, "fields:") {
				t.Errorf("got %+v, want %s", err, c.want)
			}
		})
	}
	if err := build(t, "").Validate("Task", fields); err == nil || !strings.Contains(err.Error(), "field Must of object Task must be filled") {
		t.Errorf("required: got %v", err)
	}
}

func TestContactValues(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		person                crmclient.Person
		name, first, lastName string
	}{
		{crmclient.Person{Name: "Li Lei", Address: "a@b.example"}, "Li Lei", "Li", "Lei"},
		{crmclient.Person{Name: "Mary Ann Smith", Address: "a@b.example"}, "Mary Ann Smith", "Mary Ann", "Smith"},
		{crmclient.Person{Name: "Smith, Mary Ann", Address: "a@b.example"}, "Smith, Mary Ann", "Mary Ann", "Smith"},
		{crmclient.Person{Name: "王芳", Address: "a@b.example"}, "王芳", "", "王芳"},
		{crmclient.Person{Address: "wang.fang@b.example"}, "wang.fang", "", "wang.fang"},
	} {
		v := fieldmap.Contact(c.person, "boss@example.com")
		if v["name"] != c.name || v["first_name"] != c.first || v["last_name"] != c.lastName || v["owner"] != "boss@example.com" {
			t.Errorf("%+v: got %v", c.person, v)
		}
	}
	v := fieldmap.ContactFields(map[string]string{"name": "Li Lei", "title": ""})
	if v["last_name"] != "Lei" || v["title"] != "" {
		t.Errorf("got %v", v)
	}
}

// TestSourcesAreFilled proves that each source that is announced is filled with a value of its kind.
func TestSourcesAreFilled(t *testing.T) {
	t.Parallel()
	a := example()
	a.Owner, a.Flags = "wang@example.com", []string{"odd date"}
	a.Companies = []crmclient.Company{{ID: "co", Name: "Customer"}}
	a.AttachmentsLeft = []crmclient.AttachmentLeft{{Name: "big.iso", Size: 1 << 30, Reason: "too large"}}
	ticket := &crmclient.Ticket{
		Key: "k", Subject: "s", Text: "t", Priority: "high", Queue: "q", Assignee: "a", Requester: crmclient.Person{Name: "n", Address: "a"},
		ContactID: "c", MessageID: "m", Files: []crmclient.Attachment{{Name: "f"}},
	}
	for name, c := range map[string]struct {
		sources fieldmap.Sources
		values  fieldmap.Values
	}{
		"activity": {fieldmap.ActivitySources(), fieldmap.Activity(a)},
		"ticket":   {fieldmap.TicketSources(), fieldmap.Ticket(ticket)},
	} {
		for source, kind := range c.sources {
			var ok bool
			switch v := c.values[source].(type) {
			case string:
				ok = kind == fieldmap.Text && v != ""
			case []string:
				ok = kind == fieldmap.List && len(v) > 0
			case bool:
				ok = kind == fieldmap.Bool
			case int:
				ok = kind == fieldmap.Number
			case time.Time:
				ok = kind == fieldmap.Time
			}
			if !ok {
				t.Errorf("%s: source %s is a %s, got %#v", name, source, kind, c.values[source])
			}
		}
		if len(c.sources) != len(c.values) {
			t.Errorf("%s: %d sources, %d values", name, len(c.sources), len(c.values))
		}
	}
}
