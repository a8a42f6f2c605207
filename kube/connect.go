// Package kube talks to one Kubernetes cluster. It is the only user of client-go.
package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
)

// Options configure a connection. The zero value has the defaults.
type Options struct {
	Timeout   time.Duration // of one request, from the first byte out to the last byte in; 5 s when zero
	UserAgent string        // "berth" when empty
	Guard     *Guard        // judges the address of a connected cluster; nil for managed ones
	// Apart gives each request a network connection of its own: an answer that takes long, and is not read for a while, then holds up
	// no other request to the cluster.
	Apart bool
}

// Conn is a connection to one cluster. Any number of goroutines may use it. Close it after use.
type Conn struct {
	http    *http.Client
	server  *url.URL
	timeout time.Duration
	shared  *sharedTransport
}

// client-go writes errors to the process's stderr besides returning them.
func init() { klog.SetLogger(logr.Discard()) }

// Connect parses a kubeconfig and creates a connection by it. It sends nothing yet: an error is one of the kubeconfig.
func Connect(kubeconfig []byte, o Options) (*Conn, error) {
	k, err := ParseKubeconfig(kubeconfig)
	if err != nil {
		return nil, err
	}
	return k.Connect(o)
}

// Connect creates a connection. It sends nothing yet.
func (a *Kubeconfig) Connect(o Options) (*Conn, error) {
	c := a.restConfig()
	if c.UserAgent = o.UserAgent; c.UserAgent == "" {
		c.UserAgent = "berth"
	}
	server, err := url.Parse(c.Host)
	if err != nil {
		return nil, err
	}
	shared, err := acquireTransport(c, o)
	if err != nil {
		return nil, fmt.Errorf("the kubeconfig's certificates cannot be used: %w", err)
	}
	signed, err := rest.HTTPWrappersForConfig(c, shared)
	if err != nil {
		shared.done()
		return nil, fmt.Errorf("the kubeconfig's credential cannot be used: %w", err)
	}
	out := &Conn{server: server, timeout: o.Timeout, shared: shared}
	out.http = &http.Client{Transport: signed, CheckRedirect: func(*http.Request, []*http.Request) error { return errRedirect }}
	if out.timeout == 0 {
		out.timeout = 5 * time.Second
	}
	return out, nil
}

// Close releases the connection. Its sockets stay open a little longer: another connection to the same cluster often follows,
// and uses them without a new TLS handshake.
func (c *Conn) Close() { c.shared.done() }

// Healthy returns nil when the cluster's /readyz answers that it is ready.
func (c *Conn) Healthy(ctx context.Context) error {
	_, err := c.raw(ctx, "/readyz", maxRefusal)
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

// call begins a request about an object, or about its subresource.
func (p place) call(method string, sub ...string) call {
	path := []string{p.root}
	if p.namespace != "" {
		path = append(path, "namespaces", p.namespace)
	}
	path = append(path, p.resource.name)
	if p.name != "" {
		path = append(path, p.name)
	}
	return call{method: method, path: strings.Join(append(path, sub...), "/"), what: p.resource.name}
}

// stored is what is read of any object: besides its metadata, what the few kinds that Berth uses hold.
type stored struct {
	Metadata metadata
	Rules    few[rule]    // of a role
	Subjects few[subject] // of a binding
	Data     struct {     // of the ownership record
		ComputeID string `json:"computeId"`
		Server    string
		Since     string
		By        string
	}
	Status struct {
		Phase      string            // of a namespace
		Hard, Used map[string]string // of a quota
	}
}

func (o *stored) ending() bool {
	return o.Metadata.DeletionTimestamp != "" || o.Status.Phase == "Terminating"
}

func (c *Conn) get(ctx context.Context, p place, into any) error {
	return c.object(ctx, p.call(http.MethodGet), into)
}

func (c *Conn) create(ctx context.Context, p place, o, into any) error {
	p.name = ""
	return c.send(ctx, p.call(http.MethodPost), o, into)
}

func (c *Conn) update(ctx context.Context, p place, o any) error {
	return c.send(ctx, p.call(http.MethodPut), o, nil)
}

func (c *Conn) send(ctx context.Context, l call, o, into any) (err error) {
	if l.body, err = json.Marshal(o); err != nil {
		return err
	}
	return c.object(ctx, l, into)
}

// remove deletes the object of this UID, not a newer one of the same name. An object that does not exist counts as removed.
func (c *Conn) remove(ctx context.Context, p place, uid string) error {
	o := &metav1.DeleteOptions{}
	o.Kind, o.APIVersion = "DeleteOptions", "v1"
	if uid != "" {
		id := types.UID(uid)
		o.Preconditions = &metav1.Preconditions{UID: &id}
	}
	return ignoreNotFound(c.send(ctx, p.call(http.MethodDelete), o, nil))
}
