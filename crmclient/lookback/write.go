package lookback

import (
	"context"
	"errors"
	"net/http"

	"heliograph/crmclient"
)

// Written returns the id of what has the key. Only what was begun and has no outcome is looked for.
func Written(ctx context.Context, intents crmclient.Intents, key string, look func(known crmclient.Intent) (string, error)) (string, error) {
	known, err := intents.Find(ctx, key)
	if err != nil || known.RemoteID != "" || known.Began.IsZero() {
		return known.RemoteID, err
	}
	id, err := look(known)
	if err != nil || id == "" {
		return "", err
	}
	return id, intents.Done(ctx, key, id)
}

// Write sends what has the key, with an intent before it and its outcome after it. own tells of an answer whether the CRM itself made it, and
// not something before it. The caller has the turn of the key.
func Write(ctx context.Context, intents crmclient.Intents, key string, own func(*crmclient.Answer) bool, send func() (id string, a *crmclient.Answer, err error)) (string, error) {
	if _, err := intents.Begin(ctx, key); err != nil {
		return "", err
	}
	id, answer, err := send()
	after := context.WithoutCancel(ctx)
	switch {
	case err == nil:
		return id, intents.Done(after, key, id)
	case notWritten(answer, err, own):
		err = errors.Join(err, intents.Forget(after, key))
	}
	return "", err
}

// notWritten says that the request was not sent, or that the CRM itself refused it, so that nothing was written.
func notWritten(a *crmclient.Answer, err error, own func(*crmclient.Answer) bool) bool {
	if a == nil { // a limit of ours is told without an answer, too
		return errors.Is(err, crmclient.ErrCircuitOpen) || crmclient.ClassOf(err) == crmclient.ClassRate
	}
	return a.Status == http.StatusTooManyRequests || own(a) && a.Status/100 == 4 && a.Status != http.StatusRequestTimeout && a.Status != http.StatusConflict
}
