package kube

import (
	"context"
	"encoding/json"
)

// maxOpenID bounds each OpenID document of a cluster. Kubernetes' own have about 1 kB for each key.
const maxOpenID = 64 << 10

// OpenID reads what the cluster says of the issuer of its service accounts' tokens: the discovery document, and the keys.
func (c *Conn) OpenID(ctx context.Context) (configuration, keys []byte, err error) {
	if configuration, err = c.openID(ctx, "/.well-known/openid-configuration"); err != nil {
		return nil, nil, err
	}
	keys, err = c.openID(ctx, "/openid/v1/jwks")
	return configuration, keys, err
}

func (c *Conn) openID(ctx context.Context, path string) ([]byte, error) {
	text, err := c.raw(ctx, path, maxOpenID)
	if err == nil && !json.Valid(text) {
		return nil, nonsense("the cluster's answer to %s is not JSON", path)
	}
	return text, err
}
