package arm

import (
	"net/http"
	"regexp"

	"berth.dev/berth"
)

// openIDPath is where the issuers of clusters are served: the tenant, the issuer's GUID, and one of two documents.
var openIDPath = regexp.MustCompile(
	`^(/oidc/[0-9a-fA-F-]{36}/[0-9a-fA-F-]{36}/)(\.well-known/openid-configuration|openid/v1/jwks)$`)

// openID answers the OpenID documents of a cluster's issuer: the cluster's own ones. Whoever verifies a token of a service account
// reads them without a token. Nil for every other address.
func (s *Server) openID(q *request, path string) *response {
	m := openIDPath.FindStringSubmatch(path)
	if m == nil || q.Method != http.MethodGet && q.Method != http.MethodHead {
		return nil
	}
	q.kindName = "oidc"
	if s.Clusters == nil {
		return noIssuer()
	}
	documents, err := s.Clusters.OpenID(q.Context(), m[1])
	switch {
	case err != nil:
		s.Log.Warn("the documents of an issuer could not be read", "path", path, "error", err)
		return &response{status: http.StatusServiceUnavailable, header: map[string]string{"Retry-After": "5"},
			body: openIDError(berth.CodeClusterUnreachable, "The cluster of this issuer does not answer. Try again later.")}
	case documents == nil:
		return noIssuer()
	case m[2] == "openid/v1/jwks":
		return ok(documents.Keys)
	}
	return ok(documents.Configuration)
}

func noIssuer() *response {
	return &response{status: http.StatusNotFound, body: openIDError(berth.CodeNotFound, "There is no such issuer. "+
		"Enable it for the cluster (az aks update --enable-oidc-issuer), and use the cluster's oidcIssuerProfile.issuerURL.")}
}

func openIDError(code berth.Code, message string) map[string]any {
	return map[string]any{"error": map[string]string{"code": string(code), "message": message}}
}
