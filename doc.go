// Package berth holds the nouns of Berth: what the other packages talk about when they talk to each other.
//
// It imports the standard library only. Wire shapes live in wire, rows in store, Kubernetes in kube; here is just what a
// compute, a cluster, an operation or an error *is*.
package berth
