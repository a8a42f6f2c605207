package client

import (
	"context"
	"net/url"
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
	res, err := c.postForm(ctx, "/studio/links", url.Values{"client_id": {cr.ClientID}, "client_secret": {cr.ClientSecret}})
	if err != nil {
		return "", err
	}
	err = res.Decode(&out)
	return out.URL, err
}
