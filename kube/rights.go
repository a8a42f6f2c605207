package kube

import (
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Names of the objects that Berth creates in a cluster.
const (
	accountName = "berth"
	rightsName  = "berth-compute"
)

// clusterRules are rights that no namespace bounds. What else Berth does in a cluster (attach, detach) it does with the
// administrator's credential, and only then.
var clusterRules = []rbacv1.PolicyRule{
	// The size of the cluster, and whether its nodes are ready: the health check, and the rule on vCPUs.
	{APIGroups: []string{""}, Resources: []string{"nodes"}, Verbs: []string{"get", "list"}},
	// The cluster's identity: the UID of this one namespace. It shows when another cluster answers at the same address.
	{APIGroups: []string{""}, Resources: []string{"namespaces"}, ResourceNames: []string{metav1.NamespaceSystem}, Verbs: []string{"get"}},
}

// systemRules hold in kube-system.
var systemRules = []rbacv1.PolicyRule{
	// Whether this compute still holds the cluster. Reading is enough: it is written once, by the administrator.
	{APIGroups: []string{""}, Resources: []string{"configmaps"}, ResourceNames: []string{recordName}, Verbs: []string{"get"}},
}

// namespaceRules hold in the compute's own namespace.
var namespaceRules = []rbacv1.PolicyRule{
	// A new token before the present one ends: for itself, and for no other account.
	{APIGroups: []string{""}, Resources: []string{"serviceaccounts/token"}, ResourceNames: []string{accountName}, Verbs: []string{"create"}},
	// Whether the account and the namespace are still there.
	{APIGroups: []string{""}, Resources: []string{"serviceaccounts"}, ResourceNames: []string{accountName}, Verbs: []string{"get"}},
	{APIGroups: []string{""}, Resources: []string{"namespaces"}, Verbs: []string{"get"}},
}

// thing is one object that attach creates in a cluster and detach removes.
type thing struct {
	what string // in the user's words
	place
	object metav1.Object
}

// things lists everything besides the namespace and the ownership record, in the order of creation.
func (a Attachment) things() []thing {
	const group = rbacv1.GroupName + "/v1"
	typ := func(kind, version string) metav1.TypeMeta { return metav1.TypeMeta{Kind: kind, APIVersion: version} }
	ref := func(kind string) rbacv1.RoleRef {
		return rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: kind, Name: rightsName}
	}
	account := []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: accountName, Namespace: a.Namespace}}
	out := []thing{
		{"service account", serviceAccounts.in(a.Namespace, accountName),
			&corev1.ServiceAccount{TypeMeta: typ("ServiceAccount", "v1"), ObjectMeta: a.meta(accountName, a.Namespace)}},
		{"cluster role", clusterRoles.in("", rightsName),
			&rbacv1.ClusterRole{TypeMeta: typ("ClusterRole", group), ObjectMeta: a.meta(rightsName, ""), Rules: clusterRules}},
		{"cluster role binding", clusterBindings.in("", rightsName),
			&rbacv1.ClusterRoleBinding{TypeMeta: typ("ClusterRoleBinding", group), ObjectMeta: a.meta(rightsName, ""),
				RoleRef: ref("ClusterRole"), Subjects: account}},
	}
	for _, r := range []struct {
		namespace string
		rules     []rbacv1.PolicyRule
	}{{a.Namespace, namespaceRules}, {metav1.NamespaceSystem, systemRules}} {
		out = append(out,
			thing{"role", roles.in(r.namespace, rightsName),
				&rbacv1.Role{TypeMeta: typ("Role", group), ObjectMeta: a.meta(rightsName, r.namespace), Rules: r.rules}},
			thing{"role binding", bindings.in(r.namespace, rightsName),
				&rbacv1.RoleBinding{TypeMeta: typ("RoleBinding", group), ObjectMeta: a.meta(rightsName, r.namespace), RoleRef: ref("Role"),
					Subjects: account}},
		)
	}
	return out
}

// rule and subject are what is read again of roles and bindings.
type (
	rule    = rbacv1.PolicyRule
	subject = rbacv1.Subject
)

// grantsAs reports whether an object in the cluster grants what this one grants. Berth corrects it when a user changes it.
func (t thing) grantsAs(have *stored) bool {
	var want stored
	switch o := t.object.(type) {
	case *rbacv1.ClusterRole:
		want.Rules = o.Rules
	case *rbacv1.Role:
		want.Rules = o.Rules
	case *rbacv1.ClusterRoleBinding:
		want.Subjects = o.Subjects
	case *rbacv1.RoleBinding:
		want.Subjects = o.Subjects
	}
	return equality.Semantic.DeepEqual(have.Rules, want.Rules) && equality.Semantic.DeepEqual(have.Subjects, want.Subjects)
}
