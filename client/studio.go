package client

import (
	"context"
	"net/http"
	"net/url"
	"strings"
)

// StudioLink is an address of the web page that signs in once, as this client. With a client secret the session lasts as long as one
// that began with the secret at the page; with a token alone it ends with the token.
func (c *Client) StudioLink(ctx context.Context) (string, error) {
	var out struct{ URL string }
	cr := c.options.Credentials
	if c.options.Token != "" || cr.ClientSecret == "" {
		err := c.Post(ctx, "/studio/links", nil, &out)
		return out.URL, err
	}
	form := url.Values{"client_id": {cr.ClientID}, "client_secret": {cr.ClientSecret}}.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+"/studio/links", strings.NewReader(form))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := c.send(req, []byte(form))
	if err != nil {
		return "", err
	}
	err = res.Decode(&out)
	return out.URL, err
}
