package kube

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// object is one thing that attach puts into a cluster and detach takes out.
type object struct {
	what   string
	create func(context.Context, *kubernetes.Clientset) error
	get    func(context.Context, *kubernetes.Clientset) (metav1.Object, error)
	remove func(context.Context, *kubernetes.Clientset, metav1.DeleteOptions) error
}

// Rights that the service account holds, and why. Nothing else: what Berth does as the cluster's administrator it does
// while attaching and detaching only.
func (a Attachment) clusterRules() []rbacv1.PolicyRule {
	return []rbacv1.PolicyRule{
		// How large the cluster is, and whether its nodes are ready: health checks and the vCPU rule.
		{APIGroups: []string{""}, Resources: []string{"nodes"}, Verbs: []string{"get", "list"}},
		// Who the cluster is: the UID of kube-system.
		{APIGroups: []string{""}, Resources: []string{"namespaces"}, ResourceNames: []string{metav1.NamespaceSystem, a.Namespace}, Verbs: []string{"get"}},
	}
}

func (a Attachment) namespaceRules() []rbacv1.PolicyRule {
	return []rbacv1.PolicyRule{
		// A new token before the present one ends, for itself and nobody else.
		{APIGroups: []string{""}, Resources: []string{"serviceaccounts/token"}, ResourceNames: []string{accountName}, Verbs: []string{"create"}},
		{APIGroups: []string{""}, Resources: []string{"serviceaccounts"}, ResourceNames: []string{accountName}, Verbs: []string{"get"}},
	}
}

func (a Attachment) systemRules() []rbacv1.PolicyRule {
	// Whether the ownership record is still its own.
	return []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"configmaps"}, ResourceNames: []string{recordName}, Verbs: []string{"get"}}}
}

// objects lists everything besides the namespace and the ownership record, in the order of making.
func (a Attachment) objects() []object {
	account := &corev1.ServiceAccount{ObjectMeta: a.meta(accountName, a.Namespace)}
	return []object{
		{
			what: "the service account",
			create: func(ctx context.Context, c *kubernetes.Clientset) error {
				_, err := c.CoreV1().ServiceAccounts(a.Namespace).Create(ctx, account, metav1.CreateOptions{})
				return err
			},
			get: func(ctx context.Context, c *kubernetes.Clientset) (metav1.Object, error) {
				return c.CoreV1().ServiceAccounts(a.Namespace).Get(ctx, accountName, metav1.GetOptions{})
			},
			remove: func(ctx context.Context, c *kubernetes.Clientset, o metav1.DeleteOptions) error {
				return c.CoreV1().ServiceAccounts(a.Namespace).Delete(ctx, accountName, o)
			},
		},
		a.clusterRole(), a.clusterBinding(),
		a.role(a.Namespace, a.namespaceRules()), a.binding(a.Namespace),
		a.role(metav1.NamespaceSystem, a.systemRules()), a.binding(metav1.NamespaceSystem),
	}
}

func (a Attachment) subject() []rbacv1.Subject {
	return []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: accountName, Namespace: a.Namespace}}
}

func (a Attachment) clusterRole() object {
	return object{
		what: "the cluster role",
		create: func(ctx context.Context, c *kubernetes.Clientset) error {
			_, err := c.RbacV1().ClusterRoles().Create(ctx, &rbacv1.ClusterRole{ObjectMeta: a.meta(rightsName, ""), Rules: a.clusterRules()}, metav1.CreateOptions{})
			return err
		},
		get: func(ctx context.Context, c *kubernetes.Clientset) (metav1.Object, error) {
			return c.RbacV1().ClusterRoles().Get(ctx, rightsName, metav1.GetOptions{})
		},
		remove: func(ctx context.Context, c *kubernetes.Clientset, o metav1.DeleteOptions) error {
			return c.RbacV1().ClusterRoles().Delete(ctx, rightsName, o)
		},
	}
}

func (a Attachment) clusterBinding() object {
	ref := rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: rightsName}
	return object{
		what: "the cluster role binding",
		create: func(ctx context.Context, c *kubernetes.Clientset) error {
			_, err := c.RbacV1().ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{ObjectMeta: a.meta(rightsName, ""), RoleRef: ref, Subjects: a.subject()}, metav1.CreateOptions{})
			return err
		},
		get: func(ctx context.Context, c *kubernetes.Clientset) (metav1.Object, error) {
			return c.RbacV1().ClusterRoleBindings().Get(ctx, rightsName, metav1.GetOptions{})
		},
		remove: func(ctx context.Context, c *kubernetes.Clientset, o metav1.DeleteOptions) error {
			return c.RbacV1().ClusterRoleBindings().Delete(ctx, rightsName, o)
		},
	}
}

func (a Attachment) role(namespace string, rules []rbacv1.PolicyRule) object {
	return object{
		what: "the role in " + namespace,
		create: func(ctx context.Context, c *kubernetes.Clientset) error {
			_, err := c.RbacV1().Roles(namespace).Create(ctx, &rbacv1.Role{ObjectMeta: a.meta(rightsName, namespace), Rules: rules}, metav1.CreateOptions{})
			return err
		},
		get: func(ctx context.Context, c *kubernetes.Clientset) (metav1.Object, error) {
			return c.RbacV1().Roles(namespace).Get(ctx, rightsName, metav1.GetOptions{})
		},
		remove: func(ctx context.Context, c *kubernetes.Clientset, o metav1.DeleteOptions) error {
			return c.RbacV1().Roles(namespace).Delete(ctx, rightsName, o)
		},
	}
}

func (a Attachment) binding(namespace string) object {
	ref := rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: rightsName}
	return object{
		what: "the role binding in " + namespace,
		create: func(ctx context.Context, c *kubernetes.Clientset) error {
			_, err := c.RbacV1().RoleBindings(namespace).Create(ctx, &rbacv1.RoleBinding{ObjectMeta: a.meta(rightsName, namespace), RoleRef: ref, Subjects: a.subject()}, metav1.CreateOptions{})
			return err
		},
		get: func(ctx context.Context, c *kubernetes.Clientset) (metav1.Object, error) {
			return c.RbacV1().RoleBindings(namespace).Get(ctx, rightsName, metav1.GetOptions{})
		},
		remove: func(ctx context.Context, c *kubernetes.Clientset, o metav1.DeleteOptions) error {
			return c.RbacV1().RoleBindings(namespace).Delete(ctx, rightsName, o)
		},
	}
}
