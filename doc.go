// Package berth has the nouns of Berth: the types that the other packages exchange, such as a compute, a cluster, an operation or
// an error.
//
// It imports the standard library only. The JSON that clients see is in wire, the database in store, Kubernetes in kube.
package berth
