package main

import (
	"net/http"
	"slices"
	"strings"

	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/server"
)

// accessArgs is who may sign in at the API server, and by what it is decided what they may do.
func (c *cluster) accessArgs() []string {
	var args []string
	if !c.noLocal {
		args = append(args, "--token-auth-file="+tokenFile)
	}
	if c.authentication != "" {
		args = append(args, "--authentication-config="+c.authentication)
	}
	if c.authorization != "" {
		return append(args, "--authorization-config="+c.authorization)
	}
	return append(args, "--authorization-mode=Node,RBAC")
}

// refuseLocal makes servers refuse the certificates of users. Kubernetes has one authority for the certificates of users and of its own
// components, so they are told apart by their names: those that users have from earlier end with this, too.
func refuseLocal(servers ...*server.Config) {
	for _, s := range servers {
		if of := s.Authentication.Authenticator; of != nil {
			s.Authentication.Authenticator = notLocal{of}
		}
	}
}

// notLocal refuses whom another authenticator knows by a certificate, unless it is a component of the cluster.
type notLocal struct{ authenticator.Request }

// AuthenticateRequest implements authenticator.Request.
func (n notLocal) AuthenticateRequest(r *http.Request) (*authenticator.Response, bool, error) {
	found, known, err := n.Request.AuthenticateRequest(r)
	if known && byCertificate(found.User) && !isComponent(found.User.GetName()) {
		return nil, false, err
	}
	return found, known, err
}

func byCertificate(u user.Info) bool {
	return slices.ContainsFunc(u.GetExtra()[user.CredentialIDKey], func(id string) bool { return strings.HasPrefix(id, "X509SHA256=") })
}

func isComponent(name string) bool {
	if strings.HasPrefix(name, "system:node:") { // kubelets
		return true
	}
	for _, id := range identities {
		if id.subject.CommonName == name {
			return name != administrator
		}
	}
	return false
}
