// Package clusters talks to one Kubernetes cluster on behalf of a resource: it finds the credential, connects, and asks. It
// changes nothing in a cluster; what changes something is a phase of the engine.
package clusters

import (
	"context"
	"errors"
	"time"

	"github.com/jonboulle/clockwork"

	"berth.dev/berth"
	"berth.dev/berth/kube"
	"berth.dev/berth/rules"
	"berth.dev/berth/store"
)

// Options is what Clusters works with.
type Options struct {
	Store    *store.Store
	Provider berth.Provider // of the clusters that Berth operates itself
	Clock    clockwork.Clock
	ServerID string        // stands in ownership records: which Berth holds a cluster
	Guard    *kube.Guard   // which addresses connected clusters may have
	Timeout  time.Duration // of one request to a cluster; kube's default when zero
	// Counts are what the routers of a cluster have counted, in the text format of Prometheus, by their names.
	Counts func(context.Context, *kube.Conn) (map[string][]byte, error)
	// Front is the https address by which clients elsewhere reach the server and, through it, the clusters on this machine; empty when
	// clients are on this machine too.
	Front string
}

// Clusters reaches every cluster that the store knows: those of the provider with the administrator's credential, connected
// ones with the account that Berth has there.
type Clusters struct {
	Options
	openIDs  openIDs
	looks    looks
	usages   usages
	traffics traffics
	logs     chan struct{}   // one for each log that is followed
	life     context.Context // ends with Close
	end      context.CancelFunc
}

// New creates a Clusters. Close it after use.
func New(o Options) *Clusters {
	c := &Clusters{Options: o, looks: looks{all: map[string]*look{}}, usages: usages{of: map[string]*samples{}},
		traffics: traffics{of: map[string]*flow{}}, logs: make(chan struct{}, maxFollowed)}
	c.life, c.end = context.WithCancel(context.Background())
	return c
}

// Close ends the logs that are followed, and the measuring.
func (c *Clusters) Close() { c.end() }

// IsConnected reports whether a cluster is a connected one, in which Berth has its own account only. False for a cluster that is
// not in the store.
func (c *Clusters) IsConnected(ctx context.Context, cluster berth.ID) (bool, error) {
	r, err := c.Store.Get(ctx, cluster)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if r.Unreadable {
		return false, r.Fault
	}
	body, isCluster := r.Body.(*berth.Cluster)
	return isCluster && body.Spec.Connected, nil
}

// AsksRouter reports whether Berth may ask the router of a cluster what it has counted and kept. True for a cluster that is not in the
// store.
func (c *Clusters) AsksRouter(ctx context.Context, cluster berth.ID) (bool, error) {
	r, err := c.Store.Get(ctx, cluster)
	if errors.Is(err, store.ErrNotFound) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	body, isCluster := r.Body.(*berth.Cluster)
	return !isCluster || body.AsksRouter(), nil
}

// Credential is the kubeconfig that Berth works with in a cluster. CodeConflict when a connected cluster has none.
func (c *Clusters) Credential(ctx context.Context, cluster berth.ID) (*kube.Kubeconfig, error) {
	connected, err := c.IsConnected(ctx, cluster)
	if err != nil {
		return nil, err
	}
	return c.credential(ctx, cluster, connected)
}

func (c *Clusters) credential(ctx context.Context, cluster berth.ID, connected bool) (config *kube.Kubeconfig, err error) {
	var text []byte
	if connected {
		text, err = c.Store.Secret(ctx, cluster, berth.SecretOwn)
		if errors.Is(err, store.ErrNotFound) {
			err = berth.Errorf(berth.CodeConflict, "Berth has no credential for the cluster '%s'. Connect it again.", cluster.Name())
		}
	} else {
		text, err = c.administrator(ctx, cluster)
	}
	if err != nil {
		return nil, err
	}
	return kube.ParseKubeconfig(text)
}

// administrator is the kubeconfig with which Berth administers a managed cluster. That of a cluster which another server on this host
// runs is in the store. *Elsewhere when it runs on another host.
func (c *Clusters) administrator(ctx context.Context, cluster berth.ID) ([]byte, error) {
	home, err := c.Store.Home(ctx, cluster)
	if err != nil {
		return nil, err
	}
	self := c.Store.Self()
	switch {
	case home == nil || home.ID == self.ID:
		return c.Provider.Kubeconfig(ctx, cluster)
	case home.Name != self.Name || !home.GoneAt.IsZero(): // the clusters of a server end with it
		return nil, &Elsewhere{Home: *home, why: rules.Explain(&berth.ElsewhereError{Cluster: cluster, Host: home.Name, GoneAt: home.GoneAt})}
	}
	text, err := c.Store.Secret(ctx, cluster, berth.SecretServer)
	if errors.Is(err, store.ErrNotFound) {
		err = berth.Errorf(berth.CodeClusterUnreachable, "The cluster '%s' is not ready yet.", cluster.Name())
	}
	return text, err
}

// Elsewhere is the error of a cluster that another server runs, where this one cannot reach it. It is a *berth.Error for users.
type Elsewhere struct {
	Home store.ServerState
	why  *berth.Error
}

// Error implements error.
func (e *Elsewhere) Error() string { return e.why.Error() }

// Unwrap is the error for users.
func (e *Elsewhere) Unwrap() error { return e.why }

// Administrator is the kubeconfig of the administrator of a managed cluster that this server runs, which users get.
func (c *Clusters) Administrator(ctx context.Context, cluster berth.ID) (*kube.Kubeconfig, error) {
	text, err := c.Provider.AdminKubeconfig(ctx, cluster)
	if err != nil {
		return nil, err
	}
	return kube.ParseKubeconfig(text)
}

// SignIn is the kubeconfig of a managed cluster for users who sign in as callers of Berth. It has no credential.
func (c *Clusters) SignIn(ctx context.Context, cluster berth.ID, authority, tenant string) ([]byte, error) {
	config, err := c.credential(ctx, cluster, false)
	if err != nil {
		return nil, err
	}
	name := cluster.Name()
	return config.SignIn(authority, tenant).YAML(kube.Names{Cluster: name, User: "clusterUser_" + cluster.Group + "_" + name, Context: name})
}

// Connect connects to a cluster with Berth's credential. Close the connection after use.
func (c *Clusters) Connect(ctx context.Context, cluster berth.ID) (*kube.Conn, error) {
	return c.connect(ctx, cluster, false)
}

// ConnectBy connects to a cluster with another credential: that of a compute, or one that a user submits. The guard judges the
// addresses of connected clusters; those of the provider are this machine's own.
func (c *Clusters) ConnectBy(ctx context.Context, cluster berth.ID, config *kube.Kubeconfig) (*kube.Conn, error) {
	connected, err := c.IsConnected(ctx, cluster)
	if err != nil {
		return nil, err
	}
	return c.open(config, connected, false)
}

// connect connects with Berth's credential; apart for answers that take long, see kube.Options.
func (c *Clusters) connect(ctx context.Context, cluster berth.ID, apart bool) (*kube.Conn, error) {
	connected, err := c.IsConnected(ctx, cluster)
	if err != nil {
		return nil, err
	}
	config, err := c.credential(ctx, cluster, connected)
	if err != nil {
		return nil, err
	}
	return c.open(config, connected, apart)
}

func (c *Clusters) open(config *kube.Kubeconfig, connected, apart bool) (*kube.Conn, error) {
	o := kube.Options{Timeout: c.Timeout, Apart: apart}
	if connected {
		o.Guard = c.Guard
	}
	return config.Connect(o)
}

// Unreachable turns a failure to reach a cluster into CodeClusterUnreachable, which is worth another try. An answer of the
// cluster itself stays what it is.
func Unreachable(cluster berth.ID, err error) error {
	if kube.Unreachable(err) {
		return berth.Errorf(berth.CodeClusterUnreachable, "The cluster '%s' does not answer: %s.", cluster.Name(), berth.Sentence(err))
	}
	return err
}

// Judge reports what is wrong with a submitted kubeconfig, before anything connects by it.
func (c *Clusters) Judge(kubeconfig []byte) error {
	_, err := kube.ParseKubeconfig(kubeconfig)
	return err
}

// Manifest is what a connection creates in a cluster, as YAML for an administrator to apply.
func (c *Clusters) Manifest(cluster berth.ID, inference bool) string {
	return kube.Manifest(kube.Connection{Of: cluster.String(), Server: c.ServerID, Inference: inference})
}

// Rights lists what Berth may do in a connected cluster, each with its reason.
func (c *Clusters) Rights(inference bool) []string { return kube.Rights(inference) }
