// Package kube talks to one Kubernetes cluster. It is the only user of client-go.
package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/go-logr/logr"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
)

// Options of a connection. The zero value is good.
type Options struct {
	Timeout   time.Duration // of one request, from the first byte out to the last byte in; 5 s when zero
	UserAgent string        // "berth" when empty
	Guard     *Guard        // for clusters that strangers name; nil for Berth's own
}

// Conn is a connection to one cluster, for any number of goroutines. Close gives its sockets back.
type Conn struct {
	rest   *rest.RESTClient
	shared *sharedTransport
}

// codecs know the few kinds that Berth reads and writes. The whole of client-go's clientset knows sixty groups, and each
// connection would carry a client for every one of them.
var codecs = func() serializer.CodecFactory {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, rbacv1.AddToScheme, authenticationv1.AddToScheme, authorizationv1.AddToScheme} {
		utilruntime.Must(add(scheme))
	}
	metav1.AddToGroupVersion(scheme, metav1.SchemeGroupVersion)
	return serializer.NewCodecFactory(scheme)
}()

// client-go writes what goes wrong to the process's stderr besides returning it, in words of its own.
func init() { klog.SetLogger(logr.Discard()) }

// Connect reads a kubeconfig, judges it, and makes a client. It asks the cluster nothing yet.
//
// A kubeconfig is untrusted: client-go would run any command and read any file that it names. What could make it do so is
// refused with the name of the field before client-go sees it.
func Connect(kubeconfig []byte, o Options) (*Conn, error) {
	config, err := judge(kubeconfig)
	if err != nil {
		return nil, err
	}
	c := restConfig(config)
	c.Timeout, c.UserAgent = o.Timeout, o.UserAgent
	if c.Timeout == 0 {
		c.Timeout = 5 * time.Second
	}
	if c.UserAgent == "" {
		c.UserAgent = "berth"
	}
	shared, err := acquireTransport(c, o.Guard)
	if err != nil {
		return nil, fmt.Errorf("the kubeconfig's certificates cannot be used: %w", err)
	}
	limited, err := rest.HTTPWrappersForConfig(c, bounded{shared})
	if err != nil {
		shared.done()
		return nil, fmt.Errorf("the kubeconfig's credential cannot be used: %w", err)
	}
	client := &http.Client{Transport: limited, Timeout: c.Timeout, CheckRedirect: func(*http.Request, []*http.Request) error { return errRedirect }}
	r, err := rest.UnversionedRESTClientForConfigAndClient(c, client)
	if err != nil {
		shared.done()
		return nil, fmt.Errorf("the kubeconfig cannot be used: %w", err)
	}
	return &Conn{rest: r, shared: shared}, nil
}

// Close gives the sockets back, a little later: another connection to the same cluster often follows, and takes them
// over without a new TLS handshake.
func (c *Conn) Close() { c.shared.done() }

// Healthy asks /readyz.
func (c *Conn) Healthy(ctx context.Context) error {
	_, err := c.raw(ctx, "/readyz", "")
	return err
}

// resource is one kind of object and where the API server keeps it.
type resource struct{ root, name string }

var (
	namespaces      = resource{"/api/v1", "namespaces"}
	nodes           = resource{"/api/v1", "nodes"}
	pods            = resource{"/api/v1", "pods"}
	configMaps      = resource{"/api/v1", "configmaps"}
	resourceQuotas  = resource{"/api/v1", "resourcequotas"}
	serviceAccounts = resource{"/api/v1", "serviceaccounts"}
	clusterRoles    = resource{"/apis/rbac.authorization.k8s.io/v1", "clusterroles"}
	clusterBindings = resource{"/apis/rbac.authorization.k8s.io/v1", "clusterrolebindings"}
	roles           = resource{"/apis/rbac.authorization.k8s.io/v1", "roles"}
	bindings        = resource{"/apis/rbac.authorization.k8s.io/v1", "rolebindings"}
	accessReviews   = resource{"/apis/authorization.k8s.io/v1", "selfsubjectaccessreviews"}
)

// place is where one object is, or (without a name) where all of its kind are.
type place struct {
	resource
	namespace, name string
}

func (r resource) in(namespace, name string) place { return place{r, namespace, name} }

// object is what the API server keeps.
type object interface {
	metav1.Object
	runtime.Object
}

// request begins a request. It is never repeated here: who asks knows better whether and when to ask again.
func (c *Conn) request(verb string, p place) *rest.Request {
	path := []string{p.root}
	if p.namespace != "" {
		path = append(path, "namespaces", p.namespace)
	}
	path = append(path, p.resource.name)
	if p.name != "" {
		path = append(path, p.name)
	}
	return c.rest.Verb(verb).AbsPath(path...).MaxRetries(0)
}

func (c *Conn) get(ctx context.Context, p place, into runtime.Object) error {
	return c.request(http.MethodGet, p).Do(ctx).Into(into)
}

func (c *Conn) create(ctx context.Context, p place, o, into runtime.Object) error {
	return send(ctx, c.request(http.MethodPost, place{p.resource, p.namespace, ""}), o, into)
}

func (c *Conn) update(ctx context.Context, p place, o object) error {
	return send(ctx, c.request(http.MethodPut, p), o, nil)
}

// send writes as JSON, which is small in what Berth writes; answers, which can be long, come as protobuf.
func send(ctx context.Context, r *rest.Request, o, into runtime.Object) error {
	body, err := json.Marshal(o)
	if err != nil {
		return err
	}
	result := r.SetHeader("Content-Type", runtime.ContentTypeJSON).Body(body).Do(ctx)
	if into == nil {
		return result.Error()
	}
	return result.Into(into)
}

// remove deletes the very object that was looked at: not one that took its name since. That there is none is fine.
func (c *Conn) remove(ctx context.Context, p place, uid types.UID) error {
	o := &metav1.DeleteOptions{}
	o.Kind, o.APIVersion = "DeleteOptions", "v1"
	if uid != "" {
		o.Preconditions = &metav1.Preconditions{UID: &uid}
	}
	return ignoreNotFound(send(ctx, c.request(http.MethodDelete, p), o, nil))
}

// raw reads a path of the API server that is not an object.
func (c *Conn) raw(ctx context.Context, path, accept string) ([]byte, error) {
	r := c.rest.Get().AbsPath(path).MaxRetries(0)
	if accept != "" {
		r.SetHeader("Accept", accept)
	}
	return r.DoRaw(ctx)
}
