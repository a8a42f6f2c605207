package client

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// DeviceSignIn signs a person in for an application of Azure by a code that the person enters in a browser, and keeps the tokens.
type DeviceSignIn struct {
	HTTP        *http.Client
	Authority   string // https address, without a slash at its end
	Tenant      string
	Program     string       // client id of the program that asks
	Application string       // client id of the application that the tokens are for
	File        string       // keeps the tokens between runs, mode 0600
	Show        func(string) // shows the person where to enter which code
}

// personTokens are the answer of the token endpoint, as it is kept.
type personTokens struct {
	Access  string    `json:"access_token"`
	Refresh string    `json:"refresh_token"`
	Life    int       `json:"expires_in"`
	Expires time.Time `json:"expires"`
}

// deviceBegun is the answer of the device endpoint.
type deviceBegun struct {
	Code    string `json:"device_code"`
	Message string `json:"message"`
	Every   int    `json:"interval"`   // seconds
	Life    int    `json:"expires_in"` // seconds
}

// Token is an access token and when it expires: a kept one, else one for the kept sign-in, else one of a new sign-in, for which it waits.
func (d *DeviceSignIn) Token(ctx context.Context) (string, time.Time, error) {
	kept, err := d.read()
	if err != nil {
		return "", time.Time{}, err
	}
	if time.Until(kept.Expires) > tokenMargin {
		return kept.Access, kept.Expires, nil
	}
	fresh := personTokens{}
	if kept.Refresh != "" {
		fresh, err = d.grant(ctx, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {kept.Refresh}})
	}
	if _, refused := errors.AsType[*StatusError](err); kept.Refresh == "" || refused { // the sign-in has ended
		fresh, err = d.signIn(ctx)
	}
	if err != nil {
		return "", time.Time{}, err
	}
	fresh.Expires = time.Now().Add(time.Duration(fresh.Life) * time.Second)
	data, err := json.Marshal(fresh)
	if err == nil {
		err = writeSecret(d.File, data)
	}
	return fresh.Access, fresh.Expires, err
}

func (d *DeviceSignIn) read() (kept personTokens, err error) {
	data, err := os.ReadFile(d.File)
	if errors.Is(err, fs.ErrNotExist) {
		return kept, nil
	}
	if err == nil && json.Unmarshal(data, &kept) != nil {
		kept = personTokens{} // it is only a cache
	}
	return kept, err
}

// signIn shows a code and waits until a person has entered it.
func (d *DeviceSignIn) signIn(ctx context.Context) (personTokens, error) {
	var begun deviceBegun
	if err := d.ask(ctx, "devicecode", url.Values{}, &begun); err != nil {
		return personTokens{}, err
	}
	d.Show(begun.Message)
	ctx, cancel := context.WithTimeout(ctx, time.Duration(begun.Life)*time.Second)
	defer cancel()
	for {
		got, err := d.grant(ctx, url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "device_code": {begun.Code}})
		e, refused := errors.AsType[*StatusError](err)
		if !refused || e.Err.Code != "authorization_pending" && e.Err.Code != "slow_down" {
			return got, err
		}
		select {
		case <-ctx.Done():
			return personTokens{}, ctx.Err()
		case <-time.After(time.Duration(begun.Every) * time.Second):
		}
	}
}

func (d *DeviceSignIn) grant(ctx context.Context, form url.Values) (got personTokens, err error) {
	err = d.ask(ctx, "token", form, &got)
	return got, err
}

// ask sends a form to an endpoint of the authority. A *StatusError is its refusal.
func (d *DeviceSignIn) ask(ctx context.Context, endpoint string, form url.Values, into any) error {
	form.Set("client_id", d.Program)
	form.Set("scope", d.Application+"/.default offline_access openid profile")
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.Authority+"/"+url.PathEscape(d.Tenant)+"/oauth2/v2.0/"+endpoint,
		strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	c := Client{http: d.HTTP, base: d.Authority}
	res, err := c.send(req, []byte(form.Encode()))
	switch {
	case err != nil:
		return err
	case res.Status != http.StatusOK:
		return tokenError(res)
	}
	return json.Unmarshal(res.body, into)
}
