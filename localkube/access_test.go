package main

import (
	"net/http"
	"testing"

	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/server"
)

// TestRefuseLocal: without local accounts a certificate signs in components of the cluster and nobody else, whoever signed it.
func TestRefuseLocal(t *testing.T) {
	var who user.DefaultInfo
	config := &server.Config{}
	config.Authentication.Authenticator = authenticator.RequestFunc(func(*http.Request) (*authenticator.Response, bool, error) {
		return &authenticator.Response{User: &who}, true, nil
	})
	refuseLocal(config, &server.Config{}) // the second has no authenticator
	certificate := map[string][]string{user.CredentialIDKey: {"X509SHA256=00"}}
	for _, c := range []struct {
		user  user.DefaultInfo
		known bool
	}{
		{user.DefaultInfo{Name: administrator, Extra: certificate}, false},
		{user.DefaultInfo{Name: "somebody", Extra: certificate}, false},
		{user.DefaultInfo{Name: "", Extra: certificate}, false},
		{user.DefaultInfo{Name: "berth", Extra: certificate}, true},
		{user.DefaultInfo{Name: "system:kube-scheduler", Extra: certificate}, true},
		{user.DefaultInfo{Name: "system:node:aks-0", Extra: certificate}, true},
		{user.DefaultInfo{Name: "ann@example.com"}, true}, // by a token of Berth
		{user.DefaultInfo{Name: "system:serviceaccount:a:b", Extra: map[string][]string{user.CredentialIDKey: {"JTI=0"}}}, true},
	} {
		who = c.user
		if _, known, err := config.Authentication.Authenticator.AuthenticateRequest(nil); known != c.known || err != nil {
			t.Errorf("%+v: %v, %v", c.user, known, err)
		}
	}
}
