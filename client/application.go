package client

import (
	"context"
	"net/url"
	"time"
)

// Callers are managed as in Microsoft Graph. It takes tokens for an audience of its own: its address.
const (
	graphAudience = "/graph" // behind the endpoint
	graphPath     = graphAudience + "/v1.0"
)

// CreateApplication makes a caller that cannot sign in yet. certificate, in base64, may be empty.
func (c *Client) CreateApplication(ctx context.Context, name, certificate string) (Object, error) {
	body := Object{"displayName": name}
	if certificate != "" {
		body["keyCredentials"] = keyCredentials(nil, certificate)
	}
	var out Object
	err := c.Post(ctx, graphPath+"/applications", body, &out)
	return out, err
}

func keyCredentials(kept []any, certificate string) []any {
	return append(kept, Object{"type": "AsymmetricX509Cert", "usage": "Verify", "key": certificate})
}

// Applications lists the callers. With an id (a client id or an object id) it lists that caller only, or none if it does not
// exist.
func (c *Client) Applications(ctx context.Context, id string) ([]Object, error) {
	all, err := c.List(ctx, graphPath+"/servicePrincipals")
	if err != nil || id == "" {
		return all, err
	}
	for _, a := range all {
		if a["appId"] == id || a["id"] == id {
			return []Object{a}, nil
		}
	}
	return nil, nil
}

func principalPath(a Object) string {
	id, _ := a["id"].(string)
	return graphPath + "/servicePrincipals/" + url.PathEscape(id)
}

// AddPassword creates a secret for a caller that Applications found, valid until a time, and returns it. The server shows it
// only this once.
func (c *Client) AddPassword(ctx context.Context, a Object, name string, until time.Time) (secret string, err error) {
	var out struct {
		SecretText string `json:"secretText"`
	}
	err = c.Post(ctx, principalPath(a)+"/addPassword", Object{
		"passwordCredential": Object{"displayName": name, "endDateTime": until.UTC().Format(time.RFC3339)},
	}, &out)
	return out.SecretText, err
}

// RemovePassword removes a secret.
func (c *Client) RemovePassword(ctx context.Context, a Object, keyID string) error {
	return c.Post(ctx, principalPath(a)+"/removePassword", Object{"keyId": keyID}, nil)
}

// SetCertificates keeps the certificates in kept, removes the others, and adds a new one unless it is empty.
func (c *Client) SetCertificates(ctx context.Context, a Object, kept []any, certificate string) error {
	keys := append([]any{}, kept...)
	if certificate != "" {
		keys = keyCredentials(keys, certificate)
	}
	_, err := c.Patch(ctx, principalPath(a), Object{"keyCredentials": keys}, nil)
	return err
}

// DeleteApplication deletes a caller that Applications found: its tokens are refused at once.
func (c *Client) DeleteApplication(ctx context.Context, a Object) error {
	_, err := c.Delete(ctx, principalPath(a))
	return err
}

// SigningKeys lists the keys whose tokens are accepted.
func (c *Client) SigningKeys(ctx context.Context) ([]Object, error) {
	return c.List(ctx, graphPath+"/berth/signingKeys")
}

// RotateSecretKey encrypts the secrets in the server's database with a new key.
func (c *Client) RotateSecretKey(ctx context.Context) error {
	return c.Post(ctx, graphPath+"/berth/rotateSecretKey", nil, nil)
}

// RotateSigningKey signs tokens with a new key from now on. With forgetOld, tokens of the old keys are refused at once.
func (c *Client) RotateSigningKey(ctx context.Context, forgetOld bool) ([]Object, error) {
	var out struct {
		Value []Object `json:"value"`
	}
	err := c.Post(ctx, graphPath+"/berth/rotateSigningKey", Object{"forgetOld": forgetOld}, &out)
	return out.Value, err
}
