package kube

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// What tests do as the user of a cluster.

const MaxAnswer = maxAnswer

func (c *Conn) PutMap(ctx context.Context, namespace, name string) error {
	m := &corev1.ConfigMap{TypeMeta: metav1.TypeMeta{Kind: "ConfigMap", APIVersion: "v1"}, ObjectMeta: metav1.ObjectMeta{Name: name}}
	return c.create(ctx, configMaps.in(namespace, name), m, nil)
}

func (c *Conn) DropMap(ctx context.Context, namespace, name string) error {
	return c.remove(ctx, configMaps.in(namespace, name), "")
}

func (c *Conn) PutNamespace(ctx context.Context, name string, finalizers ...string) error {
	ns := &corev1.Namespace{TypeMeta: metav1.TypeMeta{Kind: "Namespace", APIVersion: "v1"}, ObjectMeta: metav1.ObjectMeta{Name: name, Finalizers: finalizers}}
	return c.create(ctx, namespaces.in("", name), ns, nil)
}

func (c *Conn) DropNamespace(ctx context.Context, name string) error {
	return c.remove(ctx, namespaces.in("", name), "")
}

// Namespace is nil when there is none.
func (c *Conn) Namespace(ctx context.Context, name string) (*corev1.Namespace, error) {
	var ns corev1.Namespace
	if err := c.get(ctx, namespaces.in("", name), &ns); err != nil {
		return nil, ignoreNotFound(err)
	}
	return &ns, nil
}

func (c *Conn) PutClusterRole(ctx context.Context) error {
	r := &rbacv1.ClusterRole{TypeMeta: metav1.TypeMeta{Kind: "ClusterRole", APIVersion: "rbac.authorization.k8s.io/v1"}, ObjectMeta: metav1.ObjectMeta{Name: rightsName}}
	return c.create(ctx, clusterRoles.in("", rightsName), r, nil)
}

func (c *Conn) DropClusterRole(ctx context.Context) error {
	return c.remove(ctx, clusterRoles.in("", rightsName), "")
}

// Widen gives the service account a right that Berth did not ask for.
func (c *Conn) Widen(ctx context.Context) error {
	var r rbacv1.ClusterRole
	if err := c.get(ctx, clusterRoles.in("", rightsName), &r); err != nil {
		return err
	}
	r.TypeMeta = metav1.TypeMeta{Kind: "ClusterRole", APIVersion: "rbac.authorization.k8s.io/v1"}
	r.Rules = append(r.Rules, rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"list"}})
	return c.update(ctx, clusterRoles.in("", rightsName), &r)
}

// Present names what of an attachment is in the cluster.
func (c *Conn) Present(ctx context.Context, a Attachment) (found []string, err error) {
	for _, t := range a.things() {
		err := c.get(ctx, t.place, t.blank())
		if err == nil {
			found = append(found, t.what+t.where())
		} else if ignoreNotFound(err) != nil {
			return nil, err
		}
	}
	return found, nil
}
