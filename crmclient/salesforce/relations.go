package salesforce

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"heliograph/crmclient"
)

// The values of EmailMessageRelation.RelationType.
const (
	relationFrom  = "FromAddress"
	relationBCC   = "BccAddress"
	relationOther = "OtherAddress"
)

// relation is one row that ties a message to a person.
type relation struct{ kind, id, address string }

// same says whether two rows say the same of one person.
func (r relation) same(other relation) bool {
	if r.id != "" && other.id != "" {
		return r.kind == other.kind && shortID(r.id) == shortID(other.id)
	}
	return r.kind == other.kind && strings.EqualFold(r.address, other.address)
}

// relate ties the sender to the message, and the employees who have it too. Recipients are tied by the message's own fields.
func (c *Client) relate(ctx context.Context, id string, a *crmclient.Activity, who participants, look bool) error {
	want := wantedRelations(a, who)
	if len(want) == 0 {
		return nil
	}
	var has []relation
	if look {
		var err error
		if has, err = c.relations(ctx, id); err != nil {
			return err
		}
	}
	return c.addRelations(ctx, id, want, has)
}

// wantedRelations are the sender and the owners that are no recipients.
func wantedRelations(a *crmclient.Activity, who participants) []relation {
	var want []relation
	var seen []string
	if id := who.ids[a.From.Address]; id != "" {
		want = append(want, relation{relationFrom, id, a.From.Address})
		seen = append(seen, id)
	}
	for _, people := range [][]crmclient.Person{a.To, a.CC, a.BCC} {
		ids, _ := who.split(people)
		seen = append(seen, ids...)
	}
	for _, account := range a.Accounts {
		if id := who.ids[account]; id != "" && !slices.Contains(seen, id) {
			want = append(want, relation{relationOther, id, account})
			seen = append(seen, id)
		}
	}
	return want
}

// relations reads the rows of a message.
func (c *Client) relations(ctx context.Context, id string) ([]relation, error) {
	rows, err := c.query(ctx, "SELECT RelationId, RelationType, RelationAddress FROM EmailMessageRelation WHERE EmailMessageId = "+text(id), false)
	if err != nil {
		return nil, err
	}
	out := make([]relation, len(rows))
	for i, r := range rows {
		out[i] = relation{r.text("RelationType"), r.text("RelationId"), r.text("RelationAddress")}
	}
	return out, nil
}

// maxCollection is how many records one call of the collections resource takes.
const maxCollection = 200

// addRelations makes the rows that are not there.
func (c *Client) addRelations(ctx context.Context, id string, want, has []relation) error {
	var records []map[string]any
	for _, w := range want {
		if slices.ContainsFunc(has, w.same) {
			continue
		}
		record := map[string]any{
			"attributes":     map[string]any{"type": objectRelation},
			"EmailMessageId": id, "RelationType": w.kind, "RelationAddress": w.address,
		}
		if w.id != "" {
			record["RelationId"] = w.id
		}
		records = append(records, record)
	}
	for part := range slices.Chunk(records, maxCollection) {
		if err := c.collection(ctx, part); err != nil {
			return err
		}
	}
	return nil
}

// collection makes several records by one request. Its answer is 200 whatever became of each of them.
func (c *Client) collection(ctx context.Context, records []map[string]any) error {
	answer, err := c.do(ctx, request{method: http.MethodPost, path: "/composite/sobjects", body: map[string]any{"allOrNone": false, "records": records}})
	if err != nil {
		return err
	}
	var results []struct {
		Success bool    `json:"success"`
		Errors  []fault `json:"errors"`
	}
	if err := answer.Exact(&results); err != nil {
		return err
	}
	if len(results) != len(records) {
		return &crmclient.Error{Class: crmclient.ClassRetry, Status: answer.Status, Message: fmt.Sprintf("%d results for %d records", len(results), len(records))}
	}
	for _, r := range results {
		if r.Success {
			continue
		}
		if len(r.Errors) == 0 {
			return &crmclient.Error{Class: crmclient.ClassRetry, Status: answer.Status, Message: "a record was refused without a reason"}
		}
		e := faultError(r.Errors[0], answer, "", 0)
		if e.Class == crmclient.ClassDuplicate || gone(e) { // it is there, or the person is not there any more
			continue
		}
		return e
	}
	return nil
}
