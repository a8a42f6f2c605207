package kube

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// Names of what Berth puts into a cluster.
const (
	accountName   = "berth"
	rightsName    = "berth-compute"
	recordName    = "berth-attachment" // in kube-system: one per cluster
	annotationFor = "berth.dev/compute"
	labelManaged  = "app.kubernetes.io/managed-by"
)

// Attachment names what is put into a cluster for one compute.
type Attachment struct {
	Namespace     string `json:"namespace"`
	ComputeID     string `json:"computeId"`
	WorkspaceName string `json:"workspaceName"`
	ComputeName   string `json:"computeName"`
}

// Owner is the record of who has taken up a cluster.
type Owner struct {
	ComputeID string // ARM id
	Server    string // which Berth
	Since     string // RFC 3339
	By        string // application id of the caller
}

// ConflictError says that a cluster belongs to someone else.
type ConflictError struct{ Owner Owner }

// Error implements error.
func (e *ConflictError) Error() string {
	return fmt.Sprintf("the cluster is taken by %s (of %s) since %s", e.Owner.ComputeID, e.Owner.Server, e.Owner.Since)
}

var notInNames = regexp.MustCompile(`[^a-z0-9-]+`)

// NamespaceName makes a name that Kubernetes accepts: at most 63 lower-case letters, digits and dashes.
func NamespaceName(s string) string {
	s = notInNames.ReplaceAllString(strings.ToLower(s), "-")
	return strings.Trim(s[:min(len(s), 63)], "-")
}

// Claim writes the ownership record, with create-only semantics: of two who try at once one gets a *ConflictError. Who
// owns the cluster already may claim it again.
func (c *Conn) Claim(ctx context.Context, o Owner) error {
	record := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: recordName, Labels: map[string]string{labelManaged: "berth"}, Annotations: map[string]string{annotationFor: o.ComputeID}},
		Data:       map[string]string{"computeId": o.ComputeID, "server": o.Server, "since": o.Since, "by": o.By},
	}
	_, err := c.client.CoreV1().ConfigMaps(metav1.NamespaceSystem).Create(ctx, record, metav1.CreateOptions{})
	if !apierrors.IsAlreadyExists(err) {
		return err
	}
	have, err := c.Owner(ctx)
	if err != nil {
		return err
	}
	if have == nil {
		return errors.New("the ownership record came and went; try again")
	}
	if !strings.EqualFold(have.ComputeID, o.ComputeID) {
		return &ConflictError{Owner: *have}
	}
	return nil
}

// Owner reads the ownership record; nil when there is none.
func (c *Conn) Owner(ctx context.Context) (*Owner, error) {
	m, err := c.client.CoreV1().ConfigMaps(metav1.NamespaceSystem).Get(ctx, recordName, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &Owner{ComputeID: m.Data["computeId"], Server: m.Data["server"], Since: m.Data["since"], By: m.Data["by"]}, nil
}

// Attach makes the namespace, the service account and its rights. All of it may be there already, whole or in part.
func (c *Conn) Attach(ctx context.Context, a Attachment) error {
	_, err := c.client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: a.meta(a.Namespace, "")}, metav1.CreateOptions{})
	if err := ignoreExists(err); err != nil {
		return err
	}
	ns, err := c.client.CoreV1().Namespaces().Get(ctx, a.Namespace, metav1.GetOptions{})
	if err != nil {
		return err
	}
	if ns.Status.Phase == corev1.NamespaceTerminating {
		return apierrors.NewServiceUnavailable("the namespace " + a.Namespace + " of an earlier attachment is still being deleted")
	}
	for _, put := range a.objects() {
		if err := put.create(ctx, c.client); ignoreExists(err) != nil {
			return fmt.Errorf("make %s: %w", put.what, err)
		}
	}
	return nil
}

// meta is how everything of Berth's is marked: by whom, and for what.
func (a Attachment) meta(name, namespace string) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Name: name, Namespace: namespace, Labels: map[string]string{labelManaged: "berth", "berth.dev/workspace": labelValue(a.WorkspaceName), "berth.dev/compute": labelValue(a.ComputeName)},
		Annotations: map[string]string{annotationFor: a.ComputeID},
	}
}

// Token asks for a short-lived token of the service account. It works as administrator and with the account's own token.
func (c *Conn) Token(ctx context.Context, namespace string, life time.Duration) (token string, expires time.Time, err error) {
	seconds := int64(life.Seconds())
	r, err := c.client.CoreV1().ServiceAccounts(namespace).CreateToken(ctx, accountName,
		&authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &seconds}}, metav1.CreateOptions{})
	if err != nil {
		return "", time.Time{}, err
	}
	return r.Status.Token, r.Status.ExpirationTimestamp.UTC(), nil
}

// TokenKubeconfig is a kubeconfig for the same cluster with a token instead of the administrator's certificate.
func TokenKubeconfig(admin []byte, token, namespace string) ([]byte, error) {
	config, err := judge(admin)
	if err != nil {
		return nil, err
	}
	config.AuthInfos["user"] = &clientcmdapi.AuthInfo{Token: token}
	config.Contexts["context"].Namespace = namespace
	return clientcmd.Write(*config)
}

// Can asks the cluster whether this connection may do something.
func (c *Conn) Can(ctx context.Context, verb, resource, namespace string) (bool, error) {
	r, err := c.client.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
		ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: verb, Resource: resource, Namespace: namespace},
	}}, metav1.CreateOptions{})
	if err != nil {
		return false, err
	}
	return r.Status.Allowed, nil
}

func ignoreExists(err error) error {
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

func ignoreNotFound(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
