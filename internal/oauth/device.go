package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"time"
)

// Device is an authorization that a person gives on another device (RFC 8628).
type Device struct {
	// URL is what the person opens, and Code what they type there. Complete, where it is, is an address with the code in it.
	URL, Code, Complete string
	Expires             time.Time
	app                 App
	code                string
	interval            time.Duration
}

const (
	grantDeviceCode = "urn:ietf:params:oauth:grant-type:device_code"
	// The bounds on how often a vendor wants to be asked (RFC 8628, 3.5).
	defaultInterval = 5 * time.Second
	maxInterval     = time.Minute
	// maxDevice bounds how long a person has.
	maxDevice = time.Hour
)

// BeginDevice asks for a device code. The poster is for the vendor's device authorization endpoint.
func (app App) BeginDevice(ctx context.Context, p Poster) (*Device, error) {
	form := url.Values{"client_id": {app.ID}, "scope": app.scope()}
	if len(app.Scopes) == 0 {
		form.Del("scope")
	}
	asked := time.Now()
	status, body, err := p.PostForm(ctx, form, nil)
	if err != nil {
		return nil, err
	}
	if e := ErrorOf(status, body); e != nil {
		return nil, e
	}
	var a struct {
		Code     string      `json:"device_code"`
		UserCode string      `json:"user_code"`
		URL      string      `json:"verification_uri"`
		Old      string      `json:"verification_url"` // Google's and Microsoft's first form
		Complete string      `json:"verification_uri_complete"`
		Expires  json.Number `json:"expires_in"`
		Interval json.Number `json:"interval"`
	}
	if json.Unmarshal(body, &a) != nil || a.Code == "" || a.UserCode == "" || a.URL == "" && a.Old == "" {
		return nil, &Error{Status: status, Code: CodeNoToken, Description: "the answer has no device code"}
	}
	if a.URL == "" {
		a.URL = a.Old
	}
	d := &Device{
		URL: clean(a.URL, nil), Code: clean(a.UserCode, nil), Complete: clean(a.Complete, nil), app: app, code: a.Code,
		interval: defaultInterval, Expires: asked.Add(maxDevice),
	}
	if n, err := a.Interval.Int64(); err == nil && n > 0 {
		d.interval = min(time.Duration(n)*time.Second, maxInterval)
	}
	if n, err := a.Expires.Int64(); err == nil && n > 0 && n < int64(maxDevice/time.Second) {
		d.Expires = asked.Add(time.Duration(n) * time.Second)
	}
	return d, nil
}

// Wait asks until the person has answered. The poster is for the vendor's token endpoint.
func (d *Device) Wait(ctx context.Context, p Poster) (Consent, error) {
	ctx, cancel := context.WithDeadlineCause(ctx, d.Expires, &Error{Code: "expired_token", Description: "nobody answered in time"})
	defer cancel()
	for {
		select {
		case <-time.After(d.interval):
		case <-ctx.Done():
			return Consent{}, context.Cause(ctx)
		}
		token, refresh, err := d.app.request(ctx, p, url.Values{"grant_type": {grantDeviceCode}, "device_code": {d.code}})
		if err == nil {
			return Consent{Token: token, Refresh: refresh}, nil
		}
		var e *Error
		if errors.As(err, &e) && e.Code == "slow_down" { // RFC 8628, 3.5
			d.interval = min(d.interval+defaultInterval, maxInterval)
		}
		switch KindOf(err) {
		case Pending, Passing:
		default:
			return Consent{}, err
		}
	}
}
