package fake

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"
)

// caller is the sender of a request: the administrator, or a service account.
type caller struct {
	Admin           bool   `json:"-"`
	Namespace, Name string `json:",omitempty"`
	UID             string
	Expires         int64
}

func (u caller) user() string {
	if u.Admin {
		return "kubernetes-admin"
	}
	return "system:serviceaccount:" + u.Namespace + ":" + u.Name
}

// issue creates a token of a service account. It carries its own claims under a MAC, so that tokens take no memory.
func (c *cluster) issue(u caller) string {
	claims, _ := json.Marshal(u)
	body := base64.RawURLEncoding.EncodeToString(claims)
	return body + "." + base64.RawURLEncoding.EncodeToString(c.mac(body))
}

func (c *cluster) mac(body string) []byte {
	h := hmac.New(sha256.New, []byte(c.adminToken))
	h.Write([]byte(body))
	return h.Sum(nil)
}

// authenticate finds the caller of a request. A token ends with its time and with its account.
func (c *cluster) authenticate(r *http.Request) (caller, *failure) {
	refused := fail(http.StatusUnauthorized, "Unauthorized", "Unauthorized")
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return caller{}, refused
	}
	if subtle.ConstantTimeCompare([]byte(token), []byte(c.adminToken)) == 1 {
		return caller{Admin: true}, nil
	}
	body, mac, _ := strings.Cut(token, ".")
	sum, err := base64.RawURLEncoding.DecodeString(mac)
	if err != nil || !hmac.Equal(sum, c.mac(body)) {
		return caller{}, refused
	}
	var u caller
	claims, err := base64.RawURLEncoding.DecodeString(body)
	if err != nil || json.Unmarshal(claims, &u) != nil || !c.clock.Now().Before(time.Unix(u.Expires, 0)) {
		return caller{}, refused
	}
	account, missing := c.load(at{resource: accountsResource, namespace: u.Namespace, name: u.Name})
	if missing != nil || account.meta().text("uid") != u.UID {
		return caller{}, refused
	}
	return u, nil
}

// question is one access whose permission is to be decided.
type question struct {
	Verb, Group, Resource, Subresource, Namespace, Name string
}

func (q question) target() string {
	if q.Subresource != "" {
		return q.Resource + "/" + q.Subresource
	}
	return q.Resource
}

type rule struct{ Verbs, APIGroups, Resources, ResourceNames []string }

func (r rule) allows(q question) bool {
	among := func(list []string, s string) bool { return slices.Contains(list, s) || slices.Contains(list, "*") }
	return among(r.Verbs, q.Verb) && among(r.APIGroups, q.Group) && among(r.Resources, q.target()) &&
		(len(r.ResourceNames) == 0 || slices.Contains(r.ResourceNames, q.Name))
}

type binding struct {
	Metadata struct{ Namespace string }
	RoleRef  struct{ Kind, Name string }
	Subjects []struct{ Kind, Name, Namespace string }
}

func (b binding) binds(u caller) bool {
	for _, s := range b.Subjects {
		switch s.Kind {
		case "ServiceAccount":
			if s.Name == u.Name && s.Namespace == u.Namespace {
				return true
			}
		case "Group":
			if slices.Contains([]string{"system:authenticated", "system:serviceaccounts", "system:serviceaccounts:" + u.Namespace}, s.Name) {
				return true
			}
		}
	}
	return false
}

// allowed evaluates role-based access control. Every authenticated caller may review its own rights and read discovery.
func (c *cluster) allowed(u caller, q question) bool {
	if u.Admin || q.Resource == "selfsubjectaccessreviews" && q.Verb == "create" {
		return true
	}
	for _, kind := range []string{"clusterrolebindings", "rolebindings"} {
		for _, text := range c.objects[find("rbac.authorization.k8s.io", kind)] {
			var b binding
			if json.Unmarshal(text, &b) != nil || kind == "rolebindings" && b.Metadata.Namespace != q.Namespace || !b.binds(u) {
				continue
			}
			if slices.ContainsFunc(c.rules(b), func(r rule) bool { return r.allows(q) }) {
				return true
			}
		}
	}
	return false
}

func (c *cluster) rules(b binding) []rule {
	role := at{resource: find("rbac.authorization.k8s.io", "roles"), namespace: b.Metadata.Namespace, name: b.RoleRef.Name}
	if b.RoleRef.Kind == "ClusterRole" {
		role = at{resource: find("rbac.authorization.k8s.io", "clusterroles"), name: b.RoleRef.Name}
	}
	var r struct{ Rules []rule }
	if text := c.objects[role.resource][role.key()]; text == nil || json.Unmarshal(text, &r) != nil {
		return nil
	}
	return r.Rules
}
