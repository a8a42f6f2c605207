package client

import "context"

// StudioLink is an address of the web page that signs in once, as this client.
func (c *Client) StudioLink(ctx context.Context) (string, error) {
	var out struct{ URL string }
	err := c.Post(ctx, "/studio/links", nil, &out)
	return out.URL, err
}
