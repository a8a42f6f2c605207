package local

import (
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"path/filepath"

	"berth.dev/berth"
)

// SignIn is how the API servers of clusters verify the tokens of Berth's callers, and ask what somebody may do.
type SignIn struct {
	Issuer    string // of the tokens
	Discovery string // https address of the issuer's document, as this machine reaches it
	Authorize string // https address that answers SubjectAccessReviews
	CA        string // PEM: the authority of the certificate at both
}

// What the API server knows of a caller beside its name, by keys of extra. The name is what role bindings name, and says neither which
// of two persons of the same name it is nor when it signed in.
const (
	ExtraObject = "berth.dev/object-id"
	ExtraClient = "berth.dev/client-id"
	ExtraKind   = "berth.dev/kind"   // "user" or "app"
	ExtraIssued = "berth.dev/issued" // seconds since 1970
)

// How long an API server remembers what it was told. An answer comes from the same machine in about a millisecond, so it may be short: a
// role that is taken away ends after remembersYes, and one that is given begins after remembersNo. AKS takes up to five minutes.
const (
	remembersYes = "5s"
	remembersNo  = "1s"
	asksFor      = "3s" // then the answer is no
)

type object = map[string]any

// signIn writes the files with which the API server takes Berth's tokens, and returns its arguments. Each process has a token of its own
// with which it asks: it is on the disk as long as nobody asks with it any more.
func (c *cluster) signIn() ([]string, error) {
	in := c.provider.SignIn
	if in.Issuer == "" {
		return nil, errors.New("callers cannot sign in to clusters of this provider")
	}
	token := rand.Text() + rand.Text()
	names := []string{"authentication.json", "authorization.json", "authorizer.json"}
	for i := range names {
		names[i] = filepath.Join(c.dir, names[i])
	}
	for i, content := range []object{in.authentication(), in.authorization(names[2]), in.authorizer(token)} {
		if err := writeJSON(names[i], content); err != nil {
			return nil, err
		}
	}
	c.mu.Lock()
	c.asks = token
	c.mu.Unlock()
	return []string{"--authentication-config", names[0], "--authorization-config", names[1]}, nil
}

// authentication is what the API server takes from a token: names as AKS has them, which are the user principal name of a person and the
// object id of an application. Names of Kubernetes itself are nobody's.
func (s SignIn) authentication() object {
	extra := func(key, expression string) object { return object{"key": key, "valueExpression": expression} }
	return object{"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration", "jwt": []object{{
		"issuer": object{"url": s.Issuer, "discoveryURL": s.Discovery, "certificateAuthority": s.CA,
			"audiences": []string{berth.KubernetesApplication}},
		"claimMappings": object{
			"username": object{"expression": "has(claims.upn) ? claims.upn : claims.oid"},
			"groups":   object{"expression": "has(claims.groups) ? claims.groups : []"},
			"uid":      object{"expression": "claims.oid"},
			"extra": []object{extra(ExtraObject, "claims.oid"), extra(ExtraClient, "claims.appid"), extra(ExtraKind, "claims.idtyp"),
				extra(ExtraIssued, "string(int(claims.iat))")},
		},
		"userValidationRules": []object{{"expression": "!user.username.startsWith('system:')",
			"message": "names that begin with system: are those of Kubernetes"}},
	}}}
}

// authorization makes the API server ask Berth about Berth's callers, and nobody about its own. Without an answer it refuses.
func (s SignIn) authorization(kubeconfig string) object {
	return object{"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthorizationConfiguration", "authorizers": []object{
		{"type": "Node", "name": "node"},
		{"type": "Webhook", "name": "berth", "webhook": object{
			"authorizedTTL": remembersYes, "unauthorizedTTL": remembersNo, "timeout": asksFor, "failurePolicy": "Deny",
			"subjectAccessReviewVersion": "v1", "matchConditionSubjectAccessReviewVersion": "v1",
			"connectionInfo":  object{"type": "KubeConfigFile", "kubeConfigFile": kubeconfig},
			"matchConditions": []object{{"expression": "'" + ExtraObject + "' in request.extra"}},
		}},
		{"type": "RBAC", "name": "rbac"},
	}}
}

// authorizer is the kubeconfig with which it asks.
func (s SignIn) authorizer(token string) object {
	named := func(key string, of object) []object { return []object{{"name": "berth", key: of}} }
	return object{"apiVersion": "v1", "kind": "Config", "current-context": "berth",
		"clusters": named("cluster", object{"server": s.Authorize, "certificate-authority-data": []byte(s.CA)}),
		"users":    named("user", object{"token": token}),
		"contexts": named("context", object{"cluster": "berth", "user": "berth"}),
	}
}

// Asking is the cluster whose API server asks with a token, as it is to be; false when no process of this provider has the token.
func (p *Provider) Asking(token string) (berth.ID, berth.ClusterSpec, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.clusters {
		c.mu.Lock()
		found, spec := c.asks != "" && subtle.ConstantTimeCompare([]byte(c.asks), []byte(token)) == 1, c.record.Spec
		c.mu.Unlock()
		if found {
			return c.id, spec, true
		}
	}
	return berth.ID{}, berth.ClusterSpec{}, false
}
