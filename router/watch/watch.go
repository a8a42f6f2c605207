// Package watch tells a router what its cluster knows: the routes and the certificate from two Secrets, the ready replicas from
// EndpointSlices, the other routers too. While the API server is away the router keeps what it was told last.
package watch

import (
	"context"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/go-logr/logr"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"

	"berth.dev/berth/router"
	"berth.dev/berth/router/route"
)

// Options say where a router's knowledge is.
type Options struct {
	Namespace    string // of the router's Secrets and its own Service
	RoutesSecret string
	TLSSecret    string // empty: none
	Service      string // the router's own Service, by which it finds the other routers
	InternalPort int    // of every router
	Logger       *slog.Logger
}

// Watcher follows one cluster.
type Watcher struct {
	o      Options
	client *client
	router *router.Router
	cert   *router.Certificate

	mu         sync.Mutex
	namespaces map[string]context.CancelFunc // whose EndpointSlices are watched
	unlisted   map[string]bool               // whose EndpointSlices are not known yet
	begun      time.Time                     // when the first routes came
	replicas   map[named]int                 // of the Deployments that are scaled
}

type named struct{ namespace, name string }

// The libraries of Kubernetes write what they cannot do to stderr besides returning it.
func init() { klog.SetLogger(logr.Discard()) }

// Connect makes a watcher by a kubeconfig file, or by what a pod has when there is none.
func Connect(kubeconfig string, o Options) (*Watcher, error) {
	c, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	return New(c, o)
}

// New makes a watcher by the configuration of a client.
func New(c *rest.Config, o Options) (*Watcher, error) {
	client, err := newClient(c)
	if err != nil {
		return nil, err
	}
	return &Watcher{o: o, client: client, namespaces: map[string]context.CancelFunc{}, unlisted: map[string]bool{},
		replicas: map[named]int{}}, nil
}

// Run tells the router until the context ends.
func (w *Watcher) Run(ctx context.Context, r *router.Router, cert *router.Certificate) {
	w.router, w.cert = r, cert
	var all sync.WaitGroup
	one := func(name string) fields.Selector { return fields.OneTermEqualSelector("metadata.name", name) }
	all.Go(func() {
		w.client.core.follow(ctx, w.o.Namespace, "secrets", one(w.o.RoutesSecret), &keeper[*corev1.Secret]{
			changed: func(_ string, s *corev1.Secret) { w.routes(ctx, s) }})
	})
	if w.o.TLSSecret != "" {
		all.Go(func() {
			w.client.core.follow(ctx, w.o.Namespace, "secrets", one(w.o.TLSSecret), &keeper[*corev1.Secret]{
				changed: func(_ string, s *corev1.Secret) { w.certificate(s) }})
		})
	}
	if w.o.Service != "" {
		w.mu.Lock()
		w.unlisted[w.o.Namespace] = true
		w.mu.Unlock()
		all.Go(func() {
			w.slices(ctx, w.o.Namespace, func(service string, slices []*discoveryv1.EndpointSlice) {
				if service == w.o.Service {
					w.members(slices)
				}
			})
		})
	}
	all.Wait()
}

// routes takes over a new table. One that cannot be read changes nothing.
func (w *Watcher) routes(ctx context.Context, s *corev1.Secret) {
	t, err := route.Parse(s.Data[route.Key])
	if err == nil {
		err = w.router.Apply(t)
	}
	if err != nil {
		w.o.Logger.Error("the routes cannot be read; the former ones stay", "secret", w.o.RoutesSecret, "error", err)
		return
	}
	w.o.Logger.Info("routes", "number", len(t.Routes), "resourceVersion", s.ResourceVersion)
	wanted := map[string]bool{}
	for i := range t.Routes {
		for _, v := range t.Routes[i].Versions {
			if v.Backend.Namespace != "" {
				wanted[v.Backend.Namespace] = true
			}
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.begun.IsZero() {
		w.begun = time.Now()
	}
	for namespace, stop := range w.namespaces {
		if !wanted[namespace] {
			stop()
			delete(w.namespaces, namespace)
			delete(w.unlisted, namespace)
		}
	}
	for namespace := range wanted {
		if w.namespaces[namespace] == nil {
			inside, stop := context.WithCancel(ctx)
			w.namespaces[namespace] = stop
			w.unlisted[namespace] = true
			go w.namespace(inside, namespace)
		}
	}
}

// patience is how long a router waits for replicas before it is ready without: one namespace that it may not read must not keep it
// from serving the others.
const patience = 10 * time.Second

// Ready tells whether the replicas of all routes are known.
func (w *Watcher) Ready() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.begun.IsZero() && (len(w.unlisted) == 0 || time.Since(w.begun) > patience)
}

func (w *Watcher) listed(namespace string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.unlisted, namespace)
}

// namespace follows the replicas of one namespace.
func (w *Watcher) namespace(ctx context.Context, namespace string) {
	var all sync.WaitGroup
	all.Go(func() {
		w.slices(ctx, namespace, func(service string, slices []*discoveryv1.EndpointSlice) {
			w.router.SetEndpoints(router.Service{Namespace: namespace, Name: service}, endpoints(slices))
		})
	})
	all.Go(func() {
		w.client.apps.follow(ctx, namespace, "deployments", fields.Everything(), &keeper[*appsv1.Deployment]{
			changed: func(name string, d *appsv1.Deployment) { w.deployment(named{namespace, name}, d) },
			removed: func(name string) { w.deployment(named{namespace, name}, nil) },
		})
	})
	all.Wait()
}

func (w *Watcher) deployment(n named, d *appsv1.Deployment) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case d == nil:
		delete(w.replicas, n)
	case d.Spec.Replicas == nil:
		w.replicas[n] = 1
	default:
		w.replicas[n] = int(*d.Spec.Replicas)
	}
}

// Replicas is part of router.Scaler.
func (w *Watcher) Replicas(namespace, deployment string) (int, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n, ok := w.replicas[named{namespace, deployment}]
	return n, ok
}

// Scale is part of router.Scaler.
func (w *Watcher) Scale(ctx context.Context, namespace, deployment string, n int) error {
	return w.client.scale(ctx, named{namespace, deployment}, n)
}

// certificate takes over a certificate, under the names of kubectl create secret tls or of the extension of Azure ML.
func (w *Watcher) certificate(s *corev1.Secret) {
	chain, key := s.Data["tls.crt"], s.Data["tls.key"]
	if len(chain) == 0 {
		chain, key = s.Data["cert.pem"], s.Data["key.pem"]
	}
	if err := w.cert.Set(chain, key); err != nil {
		w.o.Logger.Error("the certificate cannot be used; the former one stays", "secret", w.o.TLSSecret, "error", err)
		return
	}
	w.o.Logger.Info("certificate", "resourceVersion", s.ResourceVersion)
}

func (w *Watcher) members(slices []*discoveryv1.EndpointSlice) {
	var members, known []string
	at := func(host string) string { return net.JoinHostPort(host, strconv.Itoa(w.o.InternalPort)) }
	for _, e := range endpoints(slices) {
		members = append(members, at(e.Host))
	}
	for _, s := range slices {
		for i := range s.Endpoints {
			for _, host := range s.Endpoints[i].Addresses {
				known = append(known, at(host))
			}
		}
	}
	w.router.SetMembers(members)
	w.router.SetKnown(known)
}

// retry is how long a watch waits that the API server ended or refused.
const (
	retryFirst = 200 * time.Millisecond
	retryMost  = 5 * time.Second
)
