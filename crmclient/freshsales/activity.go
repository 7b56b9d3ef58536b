package freshsales

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"heliograph/crmclient"
	"heliograph/crmclient/fieldmap"
	"heliograph/crmclient/lookback"
)

// activity is a sales activity as Freshsales gives it.
type activity struct {
	ID      json.Number `json:"id"`
	Notes   string      `json:"notes"`
	Created string      `json:"created_at"`
}

type oneActivity struct {
	Activity activity `json:"sales_activity"`
}

// place is what an activity belongs to.
type place struct {
	object string // Contact or SalesAccount
	id     int64
}

// placeOf is the first contact, else the first account.
func (c *Client) placeOf(a *crmclient.Activity) place {
	for _, k := range a.Contacts {
		if id, ok := number(k.ID); ok {
			return place{"Contact", id}
		}
	}
	for _, k := range a.Companies {
		if id, ok := number(k.ID); ok {
			return place{"SalesAccount", id}
		}
	}
	return place{"Contact", c.cfg.DefaultContact}
}

// LogEmail makes the activity unless it is there, and adds the files.
func (c *Client) LogEmail(ctx context.Context, a *crmclient.Activity) (crmclient.Receipt, error) {
	where := c.placeOf(a)
	if where.id == 0 {
		return crmclient.Receipt{}, &crmclient.Error{
			Class: crmclient.ClassPermanent, Message: "the mail belongs to nobody in Freshsales",
			Remedy: "let the gateway make contacts of unknown correspondents, or set default_contact",
		}
	}
	release, err := c.turns.Take(ctx, "mail "+a.Key)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	defer release()
	there, err := c.there(ctx, where, a.Key)
	if errors.Is(err, errUnknown) { // who sends it again has looked
		err = errors.Join(err, c.intents.Forget(ctx, a.Key))
	}
	if err != nil {
		return crmclient.Receipt{}, fmt.Errorf("log e-mail: %w", err)
	}
	if there != "" {
		return crmclient.Receipt{RemoteID: there, Duplicate: true}, nil
	}
	sent, left := c.files().Split(a.Attachments, a.AttachmentsLeft)
	body, err := c.body(ctx, a, where, left)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	id, err := c.write(ctx, a.Key, body)
	if err != nil {
		return crmclient.Receipt{}, fmt.Errorf("log e-mail: %w", err)
	}
	return crmclient.Receipt{RemoteID: id}, c.addFiles(ctx, id, where, a, left, sent)
}

// there returns the id of the activity if it was written before.
func (c *Client) there(ctx context.Context, where place, key string) (string, error) {
	return lookback.Written(ctx, c.intents, key, func(known crmclient.Intent) (string, error) { return c.look(ctx, where, key, known) })
}

// write sends the activity. The caller has the turn.
func (c *Client) write(ctx context.Context, key string, body map[string]any) (string, error) {
	return lookback.Write(ctx, c.intents, key, isOwn, func() (string, *crmclient.Answer, error) {
		var out oneActivity
		answer, err := c.call(ctx, request{method: http.MethodPost, path: "/sales_activities", body: map[string]any{"sales_activity": body}}, &out)
		if err == nil && out.Activity.ID == "" {
			err = unclear()
		}
		return out.Activity.ID.String(), answer, err
	})
}

func (c *Client) body(ctx context.Context, a *crmclient.Activity, where place, left []crmclient.AttachmentLeft) (map[string]any, error) {
	title := fieldmap.CutRunes(a.Subject, maxTitle)
	if strings.TrimSpace(title) == "" {
		title = noSubject
	}
	kind, err := c.activityType(ctx)
	if err != nil {
		return nil, err
	}
	at := a.Date.UTC()
	body := map[string]any{
		"title": title, "notes": notesOf(a, left), "targetable_type": where.object, "targetable_id": where.id, "sales_activity_type_id": json.Number(kind),
		"start_date": at.Format(time.RFC3339), "end_date": at.Add(time.Minute).Format(time.RFC3339),
	}
	owner, err := c.users.ID(ctx, a.Owner)
	if err != nil {
		return nil, err
	}
	if id, ok := number(owner); ok {
		body["owner_id"] = id
	}
	return body, nil
}

// activityType returns the id of the type of activity.
func (c *Client) activityType(ctx context.Context) (string, error) {
	if _, ok := number(c.cfg.ActivityType); ok {
		return c.cfg.ActivityType, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kind != "" {
		return c.kind, nil
	}
	var out struct {
		Types []struct {
			ID       json.Number `json:"id"`
			Name     string      `json:"name"`
			Internal string      `json:"internal_name"`
		} `json:"sales_activity_types"`
	}
	if _, err := c.call(ctx, request{method: http.MethodGet, path: "/selector/sales_activity_types"}, &out); err != nil {
		return "", fmt.Errorf("read types of activities: %w", err)
	}
	var names []string
	for _, t := range out.Types {
		if strings.EqualFold(t.Name, c.cfg.ActivityType) || strings.EqualFold(t.Internal, c.cfg.ActivityType) {
			c.kind = t.ID.String()
			return c.kind, nil
		}
		names = append(names, t.Name)
	}
	return "", misconfigured("make the type in Admin settings, Sales activities, or set activity_type to one of: "+fieldmap.CutRunes(strings.Join(names, ", "), maxTitle),
		"Freshsales has no type of sales activity %q", c.cfg.ActivityType)
}

// known returns the id of the mail's activity if its notes have the key.
func (c *Client) known(ctx context.Context, remoteID string, where place, key string) (string, error) {
	if remoteID == "" {
		there, err := c.there(ctx, where, key)
		if err != nil || there == "" {
			return "", err
		}
		remoteID = there
	}
	if _, ok := number(remoteID); !ok {
		return "", nil
	}
	var out oneActivity
	_, err := c.call(ctx, request{method: http.MethodGet, path: "/sales_activities/" + remoteID}, &out)
	switch {
	case isGone(err), err == nil && !strings.Contains(out.Activity.Notes, crmclient.KeyLine(key)):
		return "", nil // deleted, or rewritten by people: no longer ours
	case err != nil:
		return "", fmt.Errorf("read activity: %w", err)
	}
	return remoteID, nil
}

func (c *Client) setNotes(ctx context.Context, id, notes string) error {
	_, err := c.call(ctx, request{method: http.MethodPut, path: "/sales_activities/" + id, body: map[string]any{"sales_activity": map[string]any{"notes": notes}}}, nil)
	return err
}

// UpdateEmail writes the notes again.
func (c *Client) UpdateEmail(ctx context.Context, remoteID string, a *crmclient.Activity) (crmclient.Receipt, error) {
	gone := &crmclient.Error{Class: crmclient.ClassPermanent, Message: "Freshsales has no activity of the mail", Err: crmclient.ErrNoRecord}
	release, err := c.turns.Take(ctx, "mail "+a.Key)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	defer release()
	id, err := c.known(ctx, remoteID, c.placeOf(a), a.Key)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	if id == "" {
		return crmclient.Receipt{}, gone
	}
	_, left := c.files().Split(a.Attachments, a.AttachmentsLeft)
	if err := c.setNotes(ctx, id, notesOf(a, left)); isGone(err) {
		return crmclient.Receipt{}, gone
	} else if err != nil {
		return crmclient.Receipt{}, fmt.Errorf("update e-mail: %w", err)
	}
	return crmclient.Receipt{RemoteID: id}, nil
}

// WithdrawEmail deletes the activity.
func (c *Client) WithdrawEmail(ctx context.Context, remoteID, key string) error {
	release, err := c.turns.Take(ctx, "mail "+key)
	if err != nil {
		return err
	}
	defer release()
	id, err := c.known(ctx, remoteID, place{}, key)
	if err != nil {
		return err
	}
	if id != "" {
		if _, err := c.call(ctx, request{method: http.MethodDelete, path: "/sales_activities/" + id}, nil); err != nil && !isGone(err) {
			return fmt.Errorf("withdraw e-mail: %w", err)
		}
	}
	return c.intents.Forget(ctx, key)
}

func (p place) path() string { return "/contacts/" + strconv.FormatInt(p.id, 10) }
