package kube

import (
	"context"
	"errors"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"berth.dev/berth"
)

// ConnectionNamespace holds what Berth puts into a cluster that it did not make: its own service account.
const ConnectionNamespace = "berth-system"

// connectionName is what the service account, its role and its binding are called.
const connectionName = "berth-connection"

// connectionRules are what Berth may do in a cluster that was given to it: look at it, say whose it is, and make and take
// away what a compute needs. It cannot read secrets, run anything, or grant what it does not have: Kubernetes refuses roles
// that exceed their maker's own rights.
var connectionRules = []rbacv1.PolicyRule{
	// How large the cluster is, and which of its nodes are ready.
	{APIGroups: []string{""}, Resources: []string{"nodes"}, Verbs: []string{"get", "list"}},
	// The cluster's identity (kube-system's UID), and the namespaces of computes.
	{APIGroups: []string{""}, Resources: []string{"namespaces"}, Verbs: []string{"get", "create", "update", "delete"}},
	// The ownership record. It is made with create-only semantics, which Kubernetes cannot bind to a name.
	{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"create"}},
	{APIGroups: []string{""}, Resources: []string{"configmaps"}, ResourceNames: []string{recordName}, Verbs: []string{"get", "delete"}},
	// The service accounts of computes, and short-lived tokens for them and for itself, and for no other account.
	{APIGroups: []string{""}, Resources: []string{"serviceaccounts"}, Verbs: []string{"create"}},
	{APIGroups: []string{""}, Resources: []string{"serviceaccounts"}, ResourceNames: []string{accountName, connectionName}, Verbs: []string{"get", "update", "delete"}},
	{APIGroups: []string{""}, Resources: []string{"serviceaccounts/token"}, ResourceNames: []string{accountName, connectionName}, Verbs: []string{"create"}},
	// The roles of computes: never more than what stands here.
	{APIGroups: []string{rbacv1.GroupName}, Resources: []string{"clusterroles", "clusterrolebindings", "roles", "rolebindings"}, Verbs: []string{"create"}},
	{APIGroups: []string{rbacv1.GroupName}, Resources: []string{"clusterroles", "clusterrolebindings", "roles", "rolebindings"}, ResourceNames: []string{rightsName}, Verbs: []string{"get", "update", "delete"}},
	// A quota that forbids nothing and counts secrets, instead of the right to list, which is to read, them.
	{APIGroups: []string{""}, Resources: []string{"resourcequotas"}, Verbs: []string{"create"}},
	{APIGroups: []string{""}, Resources: []string{"resourcequotas"}, ResourceNames: []string{countName}, Verbs: []string{"get", "delete"}},
	// Whether a namespace holds anything of the user's, before it is taken away. Names of secrets are not among it.
	{APIGroups: []string{"", "apps", "batch", "networking.k8s.io", "autoscaling", "policy", "discovery.k8s.io", "coordination.k8s.io", "events.k8s.io", "storage.k8s.io", "resource.k8s.io", rbacv1.GroupName}, Resources: listable, Verbs: []string{"list"}},
}

// listable are the kinds that live in namespaces, besides secrets.
var listable = []string{
	"pods", "services", "configmaps", "serviceaccounts", "persistentvolumeclaims", "replicationcontrollers", "endpoints", "events", "limitranges",
	"resourcequotas", "podtemplates", "deployments", "statefulsets", "daemonsets", "replicasets", "controllerrevisions", "jobs", "cronjobs",
	"ingresses", "networkpolicies", "horizontalpodautoscalers", "poddisruptionbudgets", "endpointslices", "leases", "csistoragecapacities", "resourceclaims", "resourceclaimtemplates", "roles", "rolebindings",
}

// Rights says in sentences what Berth may do in a cluster that was given to it.
func Rights() []string {
	var out []string
	for _, r := range connectionRules {
		line := strings.Join(r.Verbs, ", ") + " " + strings.Join(r.Resources, ", ")
		if len(r.ResourceNames) > 0 {
			line += " named " + strings.Join(r.ResourceNames, ", ")
		}
		out = append(out, line)
	}
	return out
}

// connectionThings belong to the namespace: Kubernetes takes them away together with it. So that a connection can be ended
// with its own rights, by one request, and nothing is left half.
func connectionThings(a Attachment, ns *corev1.Namespace) []thing {
	const group = rbacv1.GroupName + "/v1"
	owned := func(name string) metav1.ObjectMeta {
		m := a.meta(name, "")
		m.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "Namespace", Name: ns.Name, UID: ns.UID}}
		return m
	}
	account := []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: connectionName, Namespace: ns.Name}}
	return []thing{
		{"service account", serviceAccounts.in(ns.Name, connectionName),
			&corev1.ServiceAccount{TypeMeta: metav1.TypeMeta{Kind: "ServiceAccount", APIVersion: "v1"}, ObjectMeta: a.meta(connectionName, ns.Name)}},
		{"cluster role", clusterRoles.in("", connectionName),
			&rbacv1.ClusterRole{TypeMeta: metav1.TypeMeta{Kind: "ClusterRole", APIVersion: group}, ObjectMeta: owned(connectionName), Rules: connectionRules}},
		{"cluster role binding", clusterBindings.in("", connectionName),
			&rbacv1.ClusterRoleBinding{TypeMeta: metav1.TypeMeta{Kind: "ClusterRoleBinding", APIVersion: group}, ObjectMeta: owned(connectionName), Subjects: account,
				RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: connectionName}}},
	}
}

// Enter makes Berth's own service account with the credential of an administrator, who is not needed afterwards. of is the
// ARM id of the cluster, server which Berth. All of it may be there already.
func (c *Conn) Enter(ctx context.Context, of, server string) error {
	a := Attachment{Namespace: ConnectionNamespace, ComputeID: of, Server: server}
	place := namespaces.in("", ConnectionNamespace)
	var ns corev1.Namespace
	err := c.get(ctx, place, &ns)
	switch {
	case err == nil && !a.isOwn(&ns):
		return berth.Errorf(berth.CodeConflict, "The cluster is connected already, as %s: its namespace %s says so. Disconnect it there first; if that is gone for good, remove the namespace.", whose(&ns), ConnectionNamespace)
	case ignoreNotFound(err) != nil:
		return err
	}
	if err := c.ensureNamespace(ctx, a); err != nil {
		return err
	}
	if err := c.get(ctx, place, &ns); err != nil {
		return err
	}
	for _, t := range connectionThings(a, &ns) {
		if err := c.put(ctx, a, t); err != nil {
			return err
		}
	}
	return nil
}

func whose(o metav1.Object) string {
	if of := o.GetAnnotations()[annotationFor]; of != "" {
		return of
	}
	return "something that left no name"
}

// ConnectionToken asks for a token of Berth's own service account: as administrator, or with the token that it follows.
func (c *Conn) ConnectionToken(ctx context.Context, ttl time.Duration) (token string, expires time.Time, err error) {
	return c.token(ctx, serviceAccounts.in(ConnectionNamespace, connectionName), ttl)
}

// Leave ends a connection: the namespace goes, and Kubernetes takes away all that belongs to it.
func (c *Conn) Leave(ctx context.Context, of, server string) error {
	a := Attachment{Namespace: ConnectionNamespace, ComputeID: of, Server: server}
	var ns corev1.Namespace
	err := c.get(ctx, namespaces.in("", ConnectionNamespace), &ns)
	if apierrors.IsNotFound(err) || apierrors.IsUnauthorized(err) { // gone, and the account with it
		return nil
	}
	if err != nil {
		return err
	}
	if !a.isOwn(&ns) || ns.DeletionTimestamp != nil {
		return nil
	}
	return c.remove(ctx, namespaces.in("", ConnectionNamespace), ns.UID)
}

// Judge says what is wrong with a kubeconfig that a stranger sent, and which server it names.
func Judge(kubeconfig []byte) (server string, err error) {
	a, err := judge(kubeconfig)
	if err != nil {
		return "", err
	}
	if strings.Contains(strings.TrimPrefix(strings.TrimSpace(string(kubeconfig)), "---"), "\n---") {
		return "", errors.New("the kubeconfig has several YAML documents; give one")
	}
	return a.cluster.Server, nil
}
