package pipedrive

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

// activity is an activity as Pipedrive gives it.
type activity struct {
	ID    json.Number `json:"id"`
	Note  string      `json:"note"`
	Added string      `json:"add_time"`
}

// place is whom an activity belongs to.
type place struct{ person, org int64 }

func (c *Client) placeOf(a *crmclient.Activity) place {
	var p place
	for _, k := range a.Contacts {
		if id, err := strconv.ParseInt(k.ID, 10, 64); err == nil && p.person == 0 {
			p.person = id
		}
	}
	for _, k := range a.Companies {
		if id, err := strconv.ParseInt(k.ID, 10, 64); err == nil && p.org == 0 {
			p.org = id
		}
	}
	if p == (place{}) {
		p.person = c.cfg.DefaultPerson
	}
	return p
}

// LogEmail makes the activity unless it is there, and adds the files.
func (c *Client) LogEmail(ctx context.Context, a *crmclient.Activity) (crmclient.Receipt, error) {
	where := c.placeOf(a)
	if where == (place{}) {
		return crmclient.Receipt{}, &crmclient.Error{
			Class: crmclient.ClassPermanent, Message: "the mail belongs to nobody in Pipedrive",
			Remedy: "let the gateway make contacts of unknown correspondents, or set default_person",
		}
	}
	release, err := c.turns.Take(ctx, a.Key)
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
	sent, left := limits.Split(a.Attachments, a.AttachmentsLeft)
	body, err := c.body(ctx, a, where, left)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	id, err := c.write(ctx, a.Key, body)
	if err != nil {
		return crmclient.Receipt{}, fmt.Errorf("log e-mail: %w", err)
	}
	return crmclient.Receipt{RemoteID: id}, c.addFiles(ctx, id, a, left, sent)
}

// there returns the id of the activity if it was written before.
func (c *Client) there(ctx context.Context, where place, key string) (string, error) {
	return lookback.Written(ctx, c.intents, key, func(known crmclient.Intent) (string, error) { return c.look(ctx, where, key, known) })
}

// write sends the activity. The caller has the turn.
func (c *Client) write(ctx context.Context, key string, body map[string]any) (string, error) {
	return lookback.Write(ctx, c.intents, key, isRefusal, func() (string, *crmclient.Answer, error) {
		var out struct {
			Data activity `json:"data"`
		}
		answer, err := c.call(ctx, request{method: http.MethodPost, version: v2, path: "/activities", body: body}, &out)
		id := out.Data.ID.String()
		if err == nil && (id == "" || id == "0") {
			err = unclear()
		}
		return id, answer, err
	})
}

// addFiles adds the files to the new activity. Those that cannot be added are named in its note: the next try would find the
// activity and do no more.
func (c *Client) addFiles(ctx context.Context, id string, a *crmclient.Activity, left []crmclient.AttachmentLeft, sent []crmclient.Attachment) error {
	failed := false
	for _, f := range sent {
		if err := c.upload(ctx, id, f); err != nil {
			left = append(left, crmclient.AttachmentLeft{Name: f.Name, Size: f.Size, Reason: "Pipedrive did not take it"})
			failed = true
		}
	}
	if !failed {
		return nil
	}
	if err := c.setNote(ctx, id, c.noteOf(a, left)); err != nil {
		return fmt.Errorf("name files that were not taken: %w", err)
	}
	return nil
}

func (c *Client) body(ctx context.Context, a *crmclient.Activity, where place, left []crmclient.AttachmentLeft) (map[string]any, error) {
	subject := fieldmap.CutRunes(a.Subject, maxSubject)
	if strings.TrimSpace(subject) == "" {
		subject = "(no subject)"
	}
	at := a.Date.UTC()
	body := map[string]any{
		"subject": subject, "type": c.cfg.activityType(), "done": true, "due_date": at.Format(time.DateOnly), "due_time": at.Format("15:04"),
		"note": c.noteOf(a, left),
	}
	if where.org != 0 {
		body["org_id"] = where.org
	}
	switch {
	case where.person == 0:
	case c.cfg.Link == linkParticipants:
		body["participants"] = []any{map[string]any{"person_id": where.person, "primary": true}}
	default:
		body["person_id"] = where.person
	}
	if a.Owner != "" {
		id, err := c.userID(ctx, a.Owner)
		if err != nil {
			return nil, err
		}
		if id != 0 {
			body["owner_id"] = id
		}
	}
	return body, nil
}

// known returns the id of the mail's activity: of the receipt if its note has the key, else by looking.
func (c *Client) known(ctx context.Context, remoteID string, where place, key string) (string, error) {
	if _, err := strconv.ParseInt(remoteID, 10, 64); err == nil {
		var out struct {
			Data activity `json:"data"`
		}
		_, err := c.call(ctx, request{method: http.MethodGet, version: v2, path: "/activities/" + remoteID}, &out)
		switch {
		case err == nil && strings.Contains(out.Data.Note, crmclient.KeyLine(key)):
			return remoteID, nil
		case err == nil, isGone(err):
			return "", nil // deleted, or rewritten by people: no longer ours
		}
		return "", fmt.Errorf("read activity: %w", err)
	}
	known, err := c.intents.Find(ctx, key)
	if err != nil || known.RemoteID != "" {
		return known.RemoteID, err
	}
	return c.look(ctx, where, key, crmclient.Intent{Began: c.oldest()})
}

func (c *Client) setNote(ctx context.Context, id, note string) error {
	_, err := c.call(ctx, request{method: http.MethodPatch, version: v2, path: "/activities/" + id, body: map[string]any{"note": note}}, nil)
	return err
}

// UpdateEmail writes the note again.
func (c *Client) UpdateEmail(ctx context.Context, remoteID string, a *crmclient.Activity) (crmclient.Receipt, error) {
	gone := &crmclient.Error{Class: crmclient.ClassPermanent, Message: "Pipedrive has no activity of the mail", Err: crmclient.ErrNoRecord}
	id, err := c.known(ctx, remoteID, c.placeOf(a), a.Key)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	if id == "" {
		return crmclient.Receipt{}, gone
	}
	_, left := limits.Split(a.Attachments, a.AttachmentsLeft)
	if err := c.setNote(ctx, id, c.noteOf(a, left)); isGone(err) {
		return crmclient.Receipt{}, gone
	} else if err != nil {
		return crmclient.Receipt{}, fmt.Errorf("update e-mail: %w", err)
	}
	return crmclient.Receipt{RemoteID: id}, nil
}

// WithdrawEmail deletes the activity. Without the id all activities are looked through.
func (c *Client) WithdrawEmail(ctx context.Context, remoteID, key string) error {
	id, err := c.known(ctx, remoteID, place{}, key)
	if err != nil || id == "" {
		return err
	}
	_, err = c.call(ctx, request{method: http.MethodDelete, version: v2, path: "/activities/" + id}, nil)
	if err != nil && !isGone(err) {
		return err
	}
	return c.intents.Forget(ctx, key)
}
