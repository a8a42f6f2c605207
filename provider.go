package berth

import "context"

// Provider creates and operates clusters. Every method is quick and may be called again at any time: after a crash, while an
// earlier call that was given up still runs, or when a cluster is only partly created. A provider finds the clusters that it
// created by a name derived from the id.
type Provider interface {
	// Observe returns the actual state and changes nothing.
	Observe(ctx context.Context, id ID) (ClusterFacts, error)
	// Ensure takes the next step towards spec and returns the state after it. It never waits for a cluster: Ready is false until
	// the cluster answers and has exactly the nodes of spec, all of them ready; the caller calls again. A *Error is final; after
	// any other error the caller tries again.
	Ensure(ctx context.Context, id ID, spec ClusterSpec) (ClusterFacts, error)
	// Remove takes the next step of the removal. gone is true when nothing of the cluster is left.
	Remove(ctx context.Context, id ID) (gone bool, err error)
	// Kubeconfig is the credential with which Berth itself works in the cluster, as kubeconfig YAML: a secret that is given to nobody.
	Kubeconfig(ctx context.Context, id ID) ([]byte, error)
	// AdminKubeconfig is that of the cluster's administrator, which users get.
	AdminKubeconfig(ctx context.Context, id ID) ([]byte, error)
}

// ClusterFacts is the state of one cluster as its provider reports it.
type ClusterFacts struct {
	Exists     bool
	Reachable  bool // its Kubernetes API answers
	Ready      bool // reachable, and the nodes are those that were requested, all ready
	Endpoint   string
	FQDN       string
	Version    string // "1.36.0"
	Nodes      int
	ReadyNodes int
	Simulated  bool
	// SimulatedBecause is a sentence for users: why the nodes are simulated although nobody has asked for that.
	SimulatedBecause string
	Unlimited        bool // the nodes are real and do not keep the limits of pods
	// Overcommitted is, in numbers, what all real nodes together have and this machine has not; empty when it has all of it.
	Overcommitted string
	Message       string // a sentence for users: what is waited for
}
