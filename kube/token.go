package kube

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Token asks for a short-lived token of the service account that Attach created. It works as administrator and with the
// account's own token. Kubernetes gives no token for less than ten minutes.
func (c *Conn) Token(ctx context.Context, namespace string, ttl time.Duration) (token string, expires time.Time, err error) {
	return c.token(ctx, serviceAccounts.in(namespace, accountName), ttl)
}

func (c *Conn) token(ctx context.Context, of place, ttl time.Duration) (token string, expires time.Time, err error) {
	seconds := int64(ttl.Seconds())
	request := &authenticationv1.TokenRequest{
		TypeMeta: metav1.TypeMeta{Kind: "TokenRequest", APIVersion: "authentication.k8s.io/v1"},
		Spec:     authenticationv1.TokenRequestSpec{ExpirationSeconds: &seconds},
	}
	var got struct {
		Status struct {
			Token               string
			ExpirationTimestamp time.Time
		}
	}
	if err := c.send(ctx, of.call(http.MethodPost, "token"), request, &got); err != nil {
		return "", time.Time{}, err
	}
	switch n := len(got.Status.Token); {
	case n == 0:
		return "", time.Time{}, errors.New("the cluster answered a token request without a token")
	case n > maxToken:
		return "", time.Time{}, nonsense("the cluster answered a token request with a token of %d bytes", n)
	}
	return got.Status.Token, got.Status.ExpirationTimestamp.UTC(), nil
}

// Can asks the cluster whether this connection may do something. A resource is written
// "type[.group][/subresource][:name]": "nodes", "deployments.apps", "serviceaccounts/token:berth".
func (c *Conn) Can(ctx context.Context, verb, resource, namespace string) (bool, error) {
	resource, name, _ := strings.Cut(resource, ":")
	resource, sub, _ := strings.Cut(resource, "/")
	resource, group, _ := strings.Cut(resource, ".")
	question := &authorizationv1.SelfSubjectAccessReview{
		TypeMeta: metav1.TypeMeta{Kind: "SelfSubjectAccessReview", APIVersion: "authorization.k8s.io/v1"},
		Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &authorizationv1.ResourceAttributes{
			Verb: verb, Group: group, Resource: resource, Subresource: sub, Name: name, Namespace: namespace,
		}},
	}
	var answer struct{ Status struct{ Allowed bool } }
	if err := c.create(ctx, accessReviews.in("", ""), question, &answer); err != nil {
		return false, err
	}
	return answer.Status.Allowed, nil
}
