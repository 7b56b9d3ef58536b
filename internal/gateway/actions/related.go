package actions

import (
	"context"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/hooks/rules"
)

var _ rules.Relations = (*Actions)(nil)

// maxRelated bounds the records that are looked at for the newest one.
const maxRelated = 200

// Related implements rules.Relations.
func (a *Actions) Related(ctx context.Context, what string, contact map[string]any) (map[string]any, error) {
	rel, ok := a.relation(what)
	if !ok {
		return nil, unknown(what, "rules.related does not say where the %ss of a contact are", what)
	}
	by := contact[rel.By]
	if by == nil {
		return nil, unknown(what, "the contact has no %s", rel.By)
	}
	c, err := a.client(rel.Target)
	if err != nil {
		return nil, err
	}
	querier, ok := crmclient.As[crmclient.RecordQuerier](c)
	if !ok {
		return nil, unknown(what, "records of target %s cannot be searched", rel.Target)
	}
	newest, err := newestOf(ctx, querier, crmclient.Query{Object: rel.Object, Where: []crmclient.Condition{{Field: rel.Field, Is: crmclient.Equal, Value: by}}})
	if err != nil {
		return nil, permanent(err)
	}
	if newest == nil {
		return nil, unknown(what, "the contact has none")
	}
	return recordFacts(rel.Target, *newest), nil
}

// newestOf returns the record that was changed last; nil where none fits.
func newestOf(ctx context.Context, c crmclient.RecordQuerier, q crmclient.Query) (newest *crmclient.Record, err error) {
	cursor, seen := "", 0
	for {
		page, next, err := c.QueryRecords(ctx, q, cursor)
		if err != nil {
			return nil, err
		}
		for i := range page {
			if newest == nil || page[i].UpdatedAt.After(newest.UpdatedAt) {
				newest = &page[i]
			}
		}
		if seen += len(page); next == "" || seen >= maxRelated {
			return newest, nil
		}
		cursor = next
	}
}

// relation says where the records of a kind are.
func (a *Actions) relation(what string) (config.RuleRelation, bool) {
	for _, r := range a.o.Config.Related {
		if r.Name != what {
			continue
		}
		if r.Target == "" {
			r.Target = a.o.Target
		}
		if r.By == "" {
			r.By = "id"
		}
		return r, true
	}
	return config.RuleRelation{}, false
}
