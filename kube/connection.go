package kube

import (
	"context"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"berth.dev/berth"
)

// ConnectionNamespace is the namespace in a connected cluster that holds Berth's own service account.
const ConnectionNamespace = "berth-system"

// connectionName is what the service account, its role and its binding are called.
const connectionName = "berth-connection"

// Connection is Berth's own account in a connected cluster.
type Connection struct {
	Of        string // the ARM id of the cluster
	Server    string // the id of the Berth server
	Inference bool   // it may create what serves models
}

func (n Connection) attachment() Attachment {
	return Attachment{Namespace: ConnectionNamespace, ComputeID: n.Of, Server: n.Server}
}

// connectionThings belong to the namespace: Kubernetes deletes them together with it. So a connection can be
// ended with its own rights, by one request, completely.
func connectionThings(n Connection, ns metadata) []thing {
	const group = rbacv1.GroupName + "/v1"
	a := n.attachment()
	owned := func(name string) metav1.ObjectMeta {
		m := a.meta(name, "")
		m.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "Namespace", Name: ns.Name, UID: types.UID(ns.UID)}}
		return m
	}
	account := []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: connectionName, Namespace: ns.Name}}
	return []thing{
		{"service account", serviceAccounts.in(ns.Name, connectionName),
			&corev1.ServiceAccount{TypeMeta: metav1.TypeMeta{Kind: "ServiceAccount", APIVersion: "v1"},
				ObjectMeta: a.meta(connectionName, ns.Name)}},
		{"cluster role", clusterRoles.in("", connectionName),
			&rbacv1.ClusterRole{TypeMeta: metav1.TypeMeta{Kind: "ClusterRole", APIVersion: group}, ObjectMeta: owned(connectionName),
				Rules: connectionRules(n.Inference)}},
		{"cluster role binding", clusterBindings.in("", connectionName),
			&rbacv1.ClusterRoleBinding{TypeMeta: metav1.TypeMeta{Kind: "ClusterRoleBinding", APIVersion: group},
				ObjectMeta: owned(connectionName), Subjects: account,
				RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: connectionName}}},
	}
}

// Enter creates Berth's own service account, by the credential of an administrator, which is not needed afterwards.
// Objects that exist already are kept. CodeConflict when the cluster
// is connected under another id or by another server.
func (c *Conn) Enter(ctx context.Context, n Connection) error {
	a := n.attachment()
	place := namespaces.in("", ConnectionNamespace)
	// The namespace is created, never changed: of two servers that try at once, one finds the namespace of the other.
	if err := c.create(ctx, place, a.namespace(), nil); ignoreExists(err) != nil {
		return err
	}
	var ns stored
	if err := c.get(ctx, place, &ns); err != nil {
		return err
	}
	switch {
	case !a.isOwn(ns.Metadata):
		return berth.Errorf(berth.CodeConflict, "The cluster is connected already, as %s: its namespace %s names it. "+
			"Disconnect it there first; if that connection no longer exists, connect with --force (force=true).",
			whose(ns.Metadata), ConnectionNamespace)
	case ns.ending():
		return ErrNamespaceEnding
	}
	for _, t := range connectionThings(n, ns.Metadata) {
		if err := c.put(ctx, a, t); err != nil {
			return err
		}
	}
	return nil
}

func whose(m metadata) string {
	if of := m.Annotations[annotationFor]; of != "" {
		return cut(of, maxSentence)
	}
	return "a cluster without a name"
}

// ConnectionToken asks for a token of Berth's own service account: as administrator, or with the token that it follows.
func (c *Conn) ConnectionToken(ctx context.Context, ttl time.Duration) (token string, expires time.Time, err error) {
	return c.token(ctx, serviceAccounts.in(ConnectionNamespace, connectionName), ttl)
}

// Leave ends a connection: it deletes the namespace, and Kubernetes deletes all that belongs to it. left names, in sentences,
// the objects that stay in the cluster of those that this Berth server created.
func (c *Conn) Leave(ctx context.Context, of, server string) (left []string, err error) {
	a := Attachment{Namespace: ConnectionNamespace, ComputeID: of, Server: server}
	stays, err := c.remaining(ctx, server)
	switch {
	case Denied(err):
		left = []string{"The cluster does not let Berth list its own objects, so some of them may still be there. " +
			"To list them: kubectl get namespaces -l " +
			labelManaged + "=berth"}
	case err != nil:
		return nil, err
	case stays.n > 0:
		left = []string{"These objects of Berth stay in the cluster: " + stays.String() +
			". A namespace stays when it holds objects that Berth did not create. Delete with kubectl those that you do not need."}
	}
	var ns stored
	err = c.get(ctx, namespaces.in("", ConnectionNamespace), &ns)
	if apierrors.IsNotFound(err) || Denied(err) { // deleted, and the account with it
		return left, nil
	}
	if err != nil {
		return nil, err
	}
	if !a.isOwn(ns.Metadata) || ns.ending() {
		return left, nil
	}
	return left, c.remove(ctx, namespaces.in("", ConnectionNamespace), ns.Metadata.UID)
}

// remaining names the objects that this Berth server created in the cluster, without the connection's own and without those that
// are being deleted already.
func (c *Conn) remaining(ctx context.Context, server string) (*tally, error) {
	found := &tally{}
	for _, kind := range []resource{namespaces, serviceAccounts, roles, bindings} {
		marked, err := c.marked(ctx, kind)
		if err != nil {
			return nil, err
		}
		for _, m := range marked {
			connection := m.Name == ConnectionNamespace || m.Namespace == ConnectionNamespace
			if m.Annotations[annotationServer] == server && !connection && m.DeletionTimestamp == "" {
				found.add(strings.Trim(kind.name+"/"+m.Namespace, "/") + "/" + m.Name)
			}
		}
	}
	owner, err := c.Owner(ctx)
	if err != nil {
		return nil, err
	}
	if owner != nil && owner.Server == server {
		found.add(record.text())
	}
	for _, kind := range []resource{clusterRoles, clusterBindings} {
		var o stored
		if err := c.get(ctx, kind.in("", rightsName), &o); ignoreNotFound(err) != nil {
			return nil, err
		}
		if o.Metadata.byBerth() && o.Metadata.Annotations[annotationServer] == server {
			found.add(kind.in("", rightsName).text())
		}
	}
	return found, nil
}

// Adopt makes the namespace the owner of the role and the binding of a connection that an administrator applied by hand, as Enter
// does: the account's own rights do not suffice to delete the role that grants them. CodeConflict when the namespace belongs to
// another connection.
func (c *Conn) Adopt(ctx context.Context, n Connection) error {
	a := n.attachment()
	var ns stored
	if err := c.get(ctx, namespaces.in("", ConnectionNamespace), &ns); err != nil {
		return err
	}
	if !a.isOwn(ns.Metadata) {
		return berth.Errorf(berth.CodeConflict, "The cluster's namespace %s belongs to the connection of %s. "+
			"Apply the manifest that Berth prints for this connection.", ConnectionNamespace, whose(ns.Metadata))
	}
	for _, t := range connectionThings(n, ns.Metadata)[1:] {
		var have stored
		if err := c.get(ctx, t.place, &have); err != nil {
			return err
		}
		t.object.SetResourceVersion(have.Metadata.ResourceVersion)
		if err := c.update(ctx, t.place, t.object); err != nil {
			return err
		}
	}
	return nil
}
