package kube

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// ConnectedElsewhere is the ARM id under which the cluster is connected, when that is another one than of or belongs to another
// Berth server; empty when the cluster has no such connection.
func (c *Conn) ConnectedElsewhere(ctx context.Context, of, server string) (string, error) {
	a := Attachment{Namespace: ConnectionNamespace, ComputeID: of, Server: server}
	var ns stored
	err := c.get(ctx, namespaces.in("", ConnectionNamespace), &ns)
	switch {
	case apierrors.IsNotFound(err):
		return "", nil
	case err != nil:
		return "", err
	case a.isOwn(ns.Metadata):
		return "", nil
	}
	return whose(ns.Metadata), nil
}
