package berth

import "context"

// Provider makes clusters and keeps them. Every verb is quick and may be called again at any time: after a crash, twice
// at once with the first forgotten, on a thing half made. A provider finds what it made by a name derived from the id.
type Provider interface {
	// Observe says what is there and changes nothing.
	Observe(ctx context.Context, id ID) (ClusterFacts, error)
	// Ensure does the next thing towards spec and says what is there afterwards. It never waits for a cluster: Ready is
	// false until the cluster answers and has exactly the nodes of spec, all of them ready; the caller asks again.
	// A *Error is the user's fault or final; any other error is worth another try.
	Ensure(ctx context.Context, id ID, spec ClusterSpec) (ClusterFacts, error)
	// Remove does the next thing towards nothing being left, and says whether nothing is.
	Remove(ctx context.Context, id ID) (gone bool, err error)
	// Kubeconfig is the administrator's credential as kubeconfig YAML: a secret.
	Kubeconfig(ctx context.Context, id ID) ([]byte, error)
}

// ClusterFacts is what a provider knows of one cluster.
type ClusterFacts struct {
	Exists     bool
	Reachable  bool // its Kubernetes API answers
	Ready      bool // reachable, and the nodes are those that were asked for, all ready
	Endpoint   string
	FQDN       string
	Version    string // "1.36.0"
	Nodes      int
	ReadyNodes int
	Simulated  bool
	Message    string // what is waited for, in the user's words
}
