package kube

import (
	"context"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// recordName is the ConfigMap in kube-system that names the compute that holds the cluster: one per cluster.
const recordName = "berth-attachment"

var record = configMaps.in(metav1.NamespaceSystem, recordName)

// Owner is the ownership record of a cluster: it names the compute that holds it.
type Owner struct {
	ComputeID string // ARM id
	Server    string // id of the Berth server
	Since     string // RFC 3339
	By        string // application id of the caller
}

// Is reports whether the record names this compute of this server.
func (o Owner) Is(computeID, server string) bool {
	return strings.EqualFold(o.ComputeID, computeID) && o.Server == server
}

// ConflictError means that another compute holds the cluster.
type ConflictError struct{ Owner Owner }

// Error implements error.
func (e *ConflictError) Error() string {
	holder := "a compute without a name"
	if e.Owner.ComputeID != "" {
		holder = fmt.Sprintf("%s (server %s, since %s)", e.Owner.ComputeID, e.Owner.Server, e.Owner.Since)
	}
	return fmt.Sprintf("the cluster is held by %s; detach it there first. If that compute no longer exists, remove the record: "+
		"kubectl -n kube-system delete configmap %s", holder, recordName)
}

// TakeOwnership writes the ownership record, by a create only: of two computes that try at once, one gets a *ConflictError. The
// present owner may take it again.
func (c *Conn) TakeOwnership(ctx context.Context, o Owner) error {
	a := Attachment{ComputeID: o.ComputeID, Server: o.Server}
	m := &corev1.ConfigMap{
		TypeMeta: metav1.TypeMeta{Kind: "ConfigMap", APIVersion: "v1"}, ObjectMeta: a.meta(recordName, metav1.NamespaceSystem),
		Data: map[string]string{"computeId": o.ComputeID, "server": o.Server, "since": o.Since, "by": o.By},
	}
	err := c.create(ctx, record, m, nil)
	if !apierrors.IsAlreadyExists(err) {
		return err
	}
	have, err := c.Owner(ctx)
	if err != nil {
		return err
	}
	if have == nil {
		return errors.New("the cluster's ownership record was removed while it was being read; try again")
	}
	if !have.Is(o.ComputeID, o.Server) {
		return &ConflictError{Owner: *have}
	}
	return nil
}

// Owner reads the ownership record; nil when there is none.
func (c *Conn) Owner(ctx context.Context) (*Owner, error) {
	var m stored
	err := c.get(ctx, record, &m)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return ownerOf(&m), nil
}

// ownerOf reads a record that anyone may have written: a text that is longer than any of Berth's is cut.
func ownerOf(m *stored) *Owner {
	const most = 1024
	return &Owner{ComputeID: cut(m.Data.ComputeID, most), Server: cut(m.Data.Server, 128), Since: cut(m.Data.Since, 64),
		By: cut(m.Data.By, 128)}
}

// DropOwnership removes the ownership record when it names this compute.
func (c *Conn) DropOwnership(ctx context.Context, computeID string) error {
	return c.dropOwnership(ctx, func(o Owner) bool { return strings.EqualFold(o.ComputeID, computeID) })
}

func (c *Conn) dropOwnership(ctx context.Context, own func(Owner) bool) error {
	var m stored
	if err := c.get(ctx, record, &m); err != nil {
		return ignoreNotFound(err)
	}
	if !own(*ownerOf(&m)) {
		return nil
	}
	return c.remove(ctx, record, m.Metadata.UID)
}
