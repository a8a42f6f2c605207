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

// ConnectionNamespace holds what Berth puts into a cluster that it did not make: its own service account.
const ConnectionNamespace = "berth-system"

// connectionName is what the service account, its role and its binding are called.
const connectionName = "berth-connection"

// connectionThings belong to the namespace: Kubernetes takes them away together with it. So that a connection can be ended
// with its own rights, by one request, and nothing is left half.
func connectionThings(a Attachment, ns metadata) []thing {
	const group = rbacv1.GroupName + "/v1"
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
				Rules: connectionRules()}},
		{"cluster role binding", clusterBindings.in("", connectionName),
			&rbacv1.ClusterRoleBinding{TypeMeta: metav1.TypeMeta{Kind: "ClusterRoleBinding", APIVersion: group},
				ObjectMeta: owned(connectionName), Subjects: account,
				RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: connectionName}}},
	}
}

// Enter makes Berth's own service account with the credential of an administrator, who is not needed afterwards. of is the
// ARM id of the cluster, server which Berth. All of it may be there already.
func (c *Conn) Enter(ctx context.Context, of, server string) error {
	a := Attachment{Namespace: ConnectionNamespace, ComputeID: of, Server: server}
	place := namespaces.in("", ConnectionNamespace)
	// Made, never changed: of two who try at once one finds the other's.
	if err := c.create(ctx, place, a.namespace(), nil); ignoreExists(err) != nil {
		return err
	}
	var ns stored
	if err := c.get(ctx, place, &ns); err != nil {
		return err
	}
	switch {
	case !a.isOwn(ns.Metadata):
		return berth.Errorf(berth.CodeConflict, "The cluster is connected already, as %s: its namespace %s says so. "+
			"Disconnect it there first; if that is gone for good, connect with --force (force=true).", whose(ns.Metadata), ConnectionNamespace)
	case ns.ending():
		return ErrNamespaceEnding
	}
	for _, t := range connectionThings(a, ns.Metadata) {
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
	return "something that left no name"
}

// ConnectionToken asks for a token of Berth's own service account: as administrator, or with the token that it follows.
func (c *Conn) ConnectionToken(ctx context.Context, ttl time.Duration) (token string, expires time.Time, err error) {
	return c.token(ctx, serviceAccounts.in(ConnectionNamespace, connectionName), ttl)
}

// Leave ends a connection: the namespace goes, and Kubernetes removes all that belongs to it. left names what stays in the
// cluster of what this Berth made there.
func (c *Conn) Leave(ctx context.Context, of, server string) (left []string, err error) {
	a := Attachment{Namespace: ConnectionNamespace, ComputeID: of, Server: server}
	stays, err := c.remaining(ctx, server)
	switch {
	case Denied(err):
		left = []string{"The cluster does not let Berth see whether anything of Berth's is left in it. To see it: kubectl get namespaces -l " +
			labelManaged + "=berth"}
	case err != nil:
		return nil, err
	case stays.n > 0:
		left = []string{"These objects of Berth's stay in the cluster: " + stays.String() +
			". A namespace stays when it holds what Berth did not put there. Remove what is not needed with kubectl."}
	}
	var ns stored
	err = c.get(ctx, namespaces.in("", ConnectionNamespace), &ns)
	if apierrors.IsNotFound(err) || Denied(err) { // gone, and the account with it
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

// remaining names what this Berth made in the cluster besides the connection itself, and what is not on its way out.
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

// Adopt lets role and binding of a connection that was applied by hand belong to its namespace, as Enter makes them: its own
// rights would not suffice to take away what gives them.
func (c *Conn) Adopt(ctx context.Context, of, server string) error {
	a := Attachment{Namespace: ConnectionNamespace, ComputeID: of, Server: server}
	var ns stored
	if err := c.get(ctx, namespaces.in("", ConnectionNamespace), &ns); err != nil {
		return err
	}
	if !a.isOwn(ns.Metadata) {
		return berth.Errorf(berth.CodeConflict, "The cluster's namespace %s was made for %s. "+
			"Apply the manifest that is printed for this connection.", ConnectionNamespace, whose(ns.Metadata))
	}
	for _, t := range connectionThings(a, ns.Metadata)[1:] {
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
