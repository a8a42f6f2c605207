package fake

import (
	"cmp"
	"crypto/ecdsa"
	"encoding/base64"
)

// openID answers the OpenID documents of the cluster's issuer. Tokens of the simulator are of a simpler kind: they cannot be verified
// with its key.
func (c *cluster) openID(path string) ([]byte, bool) {
	issuer := cmp.Or(c.spec.IssuerURL, "https://kubernetes.default.svc/")
	switch path {
	case "/.well-known/openid-configuration":
		return object{"issuer": issuer, "jwks_uri": issuer + "openid/v1/jwks", "response_types_supported": []string{"id_token"},
			"subject_types_supported": []string{"public"}, "id_token_signing_alg_values_supported": []string{"ES256"}}.bytes(), true
	case "/openid/v1/jwks":
		cert, err := certificate()
		if err != nil {
			return nil, false
		}
		point, err := cert.PrivateKey.(*ecdsa.PrivateKey).PublicKey.Bytes() // 4, x, y
		if err != nil {
			return nil, false
		}
		text := base64.RawURLEncoding.EncodeToString
		return object{"keys": []object{{"use": "sig", "kty": "EC", "kid": "simulated", "alg": "ES256", "crv": "P-256",
			"x": text(point[1:33]), "y": text(point[33:])}}}.bytes(), true
	}
	return nil, false
}
