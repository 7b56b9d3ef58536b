package jiandaoyun

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"heliograph/crmclient"
)

// schemaAge is how long the widgets of a form are believed. A form that is changed meanwhile is noticed by the errors it makes.
const schemaAge = 10 * time.Minute

// maxWidgets is above the 500 that a form may have.
const maxWidgets = 2000

// widget is one field of a form.
type widget struct {
	Name   string   `json:"name"`       // alias where one is set, else the id; the name in requests and answers
	ID     string   `json:"widgetName"` // _widget_…
	Label  string   `json:"label"`
	Type   string   `json:"type"`
	Items  []widget `json:"items"` // of a sub-form
	schema *schema
}

// schema is what a form consists of.
type schema struct {
	form    Form
	object  string
	widgets []widget
	fetched time.Time
}

// find returns the widget that a name means: alias or id, else a title that only one has.
func (s *schema) find(name string) (*widget, bool) {
	for i := range s.widgets {
		if w := &s.widgets[i]; w.Name == name || w.ID == name {
			return w, true
		}
	}
	var found *widget
	for i := range s.widgets {
		if w := &s.widgets[i]; w.Label == name {
			if found != nil {
				return nil, false
			}
			found = w
		}
	}
	return found, found != nil
}

// optional returns the widget of a name, where a section names it: then it must be there. A default may be missing.
func (s *schema) optional(given, fallback string) (*widget, error) {
	if given == "" {
		w, _ := s.find(fallback)
		return w, nil
	}
	return s.need(given)
}

// need returns the widget of a name, or an error that says what to do.
func (s *schema) need(name string) (*widget, error) {
	if w, ok := s.find(name); ok {
		return w, nil
	}
	var titles []string
	for _, w := range s.widgets {
		titles = append(titles, fmt.Sprintf("%s (%s)", w.Label, w.Name))
	}
	const shown = 30
	if len(titles) > shown {
		titles = append(titles[:shown], "…")
	}
	return nil, configuration(
		fmt.Sprintf("在表单中添加字段并把别名设为 %s (编辑表单 > 扩展功能 > 字段别名设置), 或在配置中写入现有字段的名称 (add the widget or name another)", name),
		"form %s has no widget %q, or more than one with this title; it has %s", s.object, name, strings.Join(titles, ", "))
}

// needKind returns a widget of one of some types.
func (s *schema) needType(name string, types ...string) (*widget, error) {
	w, err := s.need(name)
	if err != nil {
		return nil, err
	}
	return w, w.mustBe(types...)
}

func (w *widget) mustBe(types ...string) error {
	if slices.Contains(types, w.Type) {
		return nil
	}
	return configuration(
		fmt.Sprintf("把字段 %s 换成类型 %s 的字段 (use a widget of the type %s)", w.Label, typeName(types[0]), types[0]),
		"widget %s of form %s is of the type %s, but must be %s", w.show(), w.schema.object, typeName(w.Type), typeName(types[0]))
}

func (w *widget) show() string {
	if w.Label == "" || w.Label == w.Name {
		return w.Name
	}
	return fmt.Sprintf("%s (%s)", w.Label, w.Name)
}

// schemaOf returns the widgets of a form, from memory where they are fresh.
func (c *Client) schemaOf(ctx context.Context, object string) (*schema, error) {
	form, ok := c.form(object)
	if !ok {
		return nil, configuration("", "there is no form %q in the section: add it to records with its app_id and entry_id", object)
	}
	c.mu.Lock()
	s := c.schemas[object]
	c.mu.Unlock()
	if s != nil && c.now().Sub(s.fetched) < schemaAge {
		return s, nil
	}
	return c.fetchSchema(ctx, object, form)
}

func (c *Client) fetchSchema(ctx context.Context, object string, form Form) (*schema, error) {
	var answer struct {
		Widgets []widget `json:"widgets"`
	}
	if err := c.post(ctx, callWidgets, address(form), &answer); err != nil {
		return nil, nameForm(err, object)
	}
	if len(answer.Widgets) == 0 || len(answer.Widgets) > maxWidgets {
		return nil, &crmclient.Error{Class: crmclient.ClassRetry, Message: fmt.Sprintf("the list of widgets of form %s has %d entries", object, len(answer.Widgets))}
	}
	s := &schema{form: form, object: object, widgets: answer.Widgets, fetched: c.now()}
	own(s, s.widgets)
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.schemas) >= maxForms+16 { // forms that rules name by ids
		clear(c.schemas)
	}
	c.schemas[object] = s
	return s, nil
}

func own(s *schema, widgets []widget) {
	for i := range widgets {
		w := &widgets[i]
		w.Name = cmp.Or(w.Name, w.ID)
		w.schema = s
		own(s, w.Items)
	}
}

// nameForm says of which form an error is.
func nameForm(err error, object string) error {
	var e *crmclient.Error
	if errors.As(err, &e) && hasCode(err, codeNoApp, codeNoForm, 17053, 17054) {
		e.Message = "form " + object + ": " + e.Message
	}
	return err
}

// forget drops the widgets of a form, after an error that a change of the form may have made.
func (c *Client) forget(object string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.schemas, object)
}
