package automation

import (
	"context"
	"strconv"
	"strings"

	"heliograph/hooks/rules"
	"heliograph/internal/console/api"
)

// version is a version of a rule as requests name it: a number, 0 for the one in force, draft, or nothing for the draft if there is one.
func (p *Part) version(ctx context.Context, id, name string) (rules.Version, error) {
	if name == "" || name == "draft" {
		s, err := p.book.Get(ctx, id)
		if err != nil {
			return rules.Version{}, ruleError(id, err)
		}
		shown, _, err := p.bodies(ctx, s)
		if err != nil {
			return rules.Version{}, err
		}
		if name == "draft" && !s.Draft {
			return rules.Version{}, api.NotFound("no_draft", "nobody works on a next version")
		}
		v := rules.Version{Rule: id, Body: shown}
		if !s.Draft {
			v.Number = s.Latest
		}
		return v, nil
	}
	number, err := strconv.Atoi(name)
	if err != nil || number < 0 {
		return rules.Version{}, api.Invalid("bad_version", "a version is a number or draft")
	}
	v, err := p.book.Version(ctx, id, number)
	return v, ruleError(id, err)
}

// ListVersions lists versions, the newest first.
func (p *Part) ListVersions(ctx context.Context, request ListVersionsRequestObject) (ListVersionsResponseObject, error) {
	var before int
	if _, err := api.DecodeCursor(request.Params.Cursor, &before); err != nil {
		return nil, err
	}
	s, err := p.book.Get(ctx, request.Id)
	if err != nil {
		return nil, ruleError(request.Id, err)
	}
	versions, err := p.book.Versions(ctx, request.Id)
	if err != nil {
		return nil, err
	}
	out, limit := VersionList{Items: []Version{}}, api.PageLimit(request.Params.Limit)
	called := p.o.Gateway.RecordNames()
	for i, v := range versions {
		if before > 0 && v.Number >= before {
			continue
		}
		if len(out.Items) == limit {
			if out.Next, err = api.EncodeCursor(out.Items[limit-1].Version); err != nil {
				return nil, err
			}
			break
		}
		one := versionOf(v, s, called)
		if i+1 < len(versions) {
			changes, err := rules.Compare(versions[i+1].Body, v.Body, called)
			if err != nil {
				return nil, err
			}
			one.Changes = len(changes)
		}
		out.Items = append(out.Items, one)
	}
	return ListVersions200JSONResponse(out), nil
}

func versionOf(v rules.Version, s rules.Summary, called *rules.RecordNames) Version {
	return Version{
		Rule: v.Rule, Version: v.Number, Note: v.Note, MadeAt: v.MadeAt, MadeBy: v.MadeBy, Words: described(v.Body, called),
		InForce: v.Number == s.Version && (s.State == rules.StateLive || s.State == rules.StateShadow),
	}
}

// GetVersion shows one version.
func (p *Part) GetVersion(ctx context.Context, request GetVersionRequestObject) (GetVersionResponseObject, error) {
	s, err := p.book.Get(ctx, request.Id)
	if err != nil {
		return nil, ruleError(request.Id, err)
	}
	v, err := p.book.Version(ctx, request.Id, request.Version)
	if err != nil {
		return nil, ruleError(request.Id, err)
	}
	out := versionOf(v, s, p.o.Gateway.RecordNames())
	if out.Body, err = bodyOf(v.Body); err != nil {
		return nil, err
	}
	return GetVersion200JSONResponse(out), nil
}

// DiffVersions compares two versions.
func (p *Part) DiffVersions(ctx context.Context, request DiffVersionsRequestObject) (DiffVersionsResponseObject, error) {
	var bodies [2]rules.Rule
	var texts [2][]string
	for i, name := range []string{request.Params.From, request.Params.To} {
		v, err := p.version(ctx, request.Id, name)
		if err != nil {
			return nil, err
		}
		text, err := v.Body.YAML()
		if err != nil {
			return nil, err
		}
		bodies[i], texts[i] = v.Body, strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	}
	called := p.o.Gateway.RecordNames()
	changes, err := rules.Compare(bodies[0], bodies[1], called)
	if err != nil {
		return nil, err
	}
	out := Diff{Equal: len(changes) == 0, Changes: []Change{}, FromWords: described(bodies[0], called), ToWords: described(bodies[1], called)}
	for _, c := range changes {
		out.Changes = append(out.Changes, Change{Pointer: c.Pointer, Kind: ChangeKind(c.Kind), Before: c.Before, After: c.After, Text: Words{Zh: c.Zh, En: c.En}, BeforeWords: wordsOf(c.BeforeWords), AfterWords: wordsOf(c.AfterWords)})
	}
	if !out.Equal {
		out.Lines = rules.LineDiff(texts[0], texts[1])
	}
	return DiffVersions200JSONResponse(out), nil
}
