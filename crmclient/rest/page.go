package rest

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"heliograph/crmclient"
)

const (
	defaultPageSize = 100
	maxPageSize     = 1000 // an answer is at most 1 MiB
	defaultPages    = 50
	maxPages        = 1000
	maxItems        = 10_000  // of one call, over all pages
	maxCursor       = 8 << 10 // bytes of what an API gives for the next page
)

// paging is a compiled Paging.
type paging struct {
	kind     PagingKind
	size     int
	first    int
	next     *extractor
	more     *extractor
	maxPages int
}

// pageState is where in the pages we are. Its JSON is the cursor of QueryRecords.
type pageState struct {
	Number int    `json:"n,omitempty"`
	Offset int    `json:"o,omitempty"`
	Cursor string `json:"c,omitempty"`
	URL    string `json:"u,omitempty"` // of the same host
}

func (c *compiler) compilePaging(p Paging) paging {
	out := paging{kind: p.Kind, size: p.Size, first: 1, maxPages: p.MaxPages}
	if out.kind == "" {
		out.kind = PagingNone
	}
	if out.size == 0 {
		out.size = defaultPageSize
	}
	if out.maxPages == 0 {
		out.maxPages = defaultPages
	}
	if p.First != nil {
		out.first = *p.First
	}
	if p.Size < 0 || p.Size > maxPageSize {
		c.bad("paging.size", "it must be between 1 and %d", maxPageSize)
	}
	if p.MaxPages < 0 || p.MaxPages > maxPages {
		c.bad("paging.max_pages", "it must be between 1 and %d", maxPages)
	}
	if out.first < 0 || out.first > 1 {
		c.bad("paging.first", "it must be 0 or 1")
	}
	out.next, out.more = c.extractor("paging.next", p.Next), c.extractor("paging.more", p.More)
	needsNext := out.kind == PagingCursor || out.kind == PagingURL
	switch {
	case needsNext && p.Next == "":
		c.bad("paging.next", "it is missing: where in an answer is what leads to the next page?")
	case !needsNext && p.Next != "":
		c.bad("paging.next", "it is for the kinds cursor and url")
	}
	usesPage := map[PagingKind]bool{PagingPage: true, PagingOffset: true, PagingCursor: true}[out.kind]
	if usesPage && !c.used["page"] {
		c.bad("paging.kind", "the request uses neither {{ page.number }}, {{ page.offset }} nor {{ page.cursor }}, so that all pages would be the first")
	}
	return out
}

func (p *paging) start() pageState { return pageState{Number: p.first} }

func (p *paging) values(at pageState) map[string]any {
	return map[string]any{"number": int64(at.Number), "offset": int64(at.Offset), "size": int64(p.size), "cursor": at.Cursor}
}

// after returns the state of the next page, or nil after the last.
func (p *paging) after(at pageState, r *reply, items int, s scope) (*pageState, error) {
	more, told := true, p.more != nil
	if told {
		var err error
		if more, err = p.more.truth(r.place(r.root, s)); err != nil {
			return nil, r.broken("paging.more", err)
		}
	}
	full := items >= p.size
	switch p.kind {
	case PagingNone:
		return nil, nil //nolint:nilnil // there is one page
	case PagingPage, PagingOffset:
		if !more || !told && !full || items == 0 {
			return nil, nil //nolint:nilnil // this was the last
		}
		return &pageState{Number: at.Number + 1, Offset: at.Offset + items}, nil
	case PagingLink:
		next := nextLink(r.header.Values("Link"))
		if next == "" || !more {
			return nil, nil //nolint:nilnil // this was the last
		}
		return p.follow(at, next)
	case PagingCursor, PagingURL:
	}
	next, err := p.next.text(r.place(r.root, s))
	if err != nil {
		return nil, r.broken("paging.next", err)
	}
	if next == "" || !more {
		return nil, nil //nolint:nilnil // this was the last
	}
	if p.kind == PagingURL {
		return p.follow(at, next)
	}
	if len(next) > maxCursor {
		return nil, r.broken("paging.next", fmt.Errorf("the cursor is longer than %d bytes", maxCursor))
	}
	if next == at.Cursor {
		return nil, r.broken("paging.next", fmt.Errorf("the cursor of the next page is that of this one"))
	}
	return &pageState{Number: at.Number + 1, Offset: at.Offset + items, Cursor: next}, nil
}

func (p *paging) follow(at pageState, next string) (*pageState, error) {
	if len(next) > maxCursor {
		return nil, &crmclient.Error{Class: crmclient.ClassConfiguration, Message: "the URL of the next page is too long"}
	}
	if next == at.URL {
		return nil, &crmclient.Error{Class: crmclient.ClassConfiguration, Message: "the URL of the next page is that of this one"}
	}
	if _, err := url.Parse(next); err != nil {
		return nil, &crmclient.Error{Class: crmclient.ClassConfiguration, Message: "the URL of the next page is not one"}
	}
	return &pageState{Number: at.Number + 1, URL: next}, nil
}

// nextLink returns the target with the relation next from Link header fields (RFC 8288, 3).
func nextLink(fields []string) string {
	for _, field := range fields {
		for field != "" {
			_, rest, ok := strings.Cut(field, "<")
			if !ok {
				break
			}
			target, params, ok := strings.Cut(rest, ">")
			if !ok {
				break
			}
			var rel string
			rel, field = linkParams(params)
			for r := range strings.FieldsSeq(rel) {
				if strings.EqualFold(r, "next") {
					return strings.TrimSpace(target)
				}
			}
		}
	}
	return ""
}

// linkParams reads the parameters of one link up to the comma before the next, and returns the first rel.
func linkParams(s string) (rel, rest string) {
	found := false
	for {
		s = strings.TrimLeft(s, " \t")
		after, ok := strings.CutPrefix(s, ";")
		if !ok {
			_, rest, _ = strings.Cut(s, ",")
			return rel, rest
		}
		name, value, rest := linkParam(strings.TrimLeft(after, " \t"))
		if strings.EqualFold(name, "rel") && !found {
			rel, found = value, true
		}
		s = rest
	}
}

func linkParam(s string) (name, value, rest string) {
	i := strings.IndexAny(s, "=;,")
	if i < 0 {
		return strings.TrimSpace(s), "", ""
	}
	name = strings.TrimSpace(s[:i])
	if s[i] != '=' {
		return name, "", s[i:]
	}
	s = strings.TrimLeft(s[i+1:], " \t")
	if !strings.HasPrefix(s, `"`) {
		if i = strings.IndexAny(s, ";,"); i < 0 {
			return name, strings.TrimSpace(s), ""
		}
		return name, strings.TrimSpace(s[:i]), s[i:]
	}
	var b strings.Builder
	for i = 1; i < len(s) && s[i] != '"'; i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return name, b.String(), s[min(i+1, len(s)):]
}

// encode makes a cursor for callers; empty after the last page.
func (s *pageState) encode() string {
	if s == nil {
		return ""
	}
	b, err := json.Marshal(s)
	if err != nil { // texts and numbers only
		return ""
	}
	return string(b)
}

func decodePage(cursor string) (pageState, error) {
	var s pageState
	d := json.NewDecoder(strings.NewReader(cursor))
	d.DisallowUnknownFields()
	if len(cursor) > 2*maxCursor || d.Decode(&s) != nil || s.Number < 0 || s.Offset < 0 {
		return s, &crmclient.Error{Class: crmclient.ClassConfiguration, Message: "the cursor is not one of this target"}
	}
	return s, nil
}
