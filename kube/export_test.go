package kube

import (
	"context"
	"encoding/json"
	"maps"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	quantity "k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"berth.dev/berth"
)

// What tests do as the user of a cluster.

func (c *Conn) PutMap(ctx context.Context, namespace, name string) error {
	m := &corev1.ConfigMap{TypeMeta: metav1.TypeMeta{Kind: "ConfigMap", APIVersion: "v1"}, ObjectMeta: metav1.ObjectMeta{Name: name}}
	return c.create(ctx, configMaps.in(namespace, name), m, nil)
}

func (c *Conn) DropMap(ctx context.Context, namespace, name string) error {
	return c.remove(ctx, configMaps.in(namespace, name), "")
}

func (c *Conn) PutNamespace(ctx context.Context, name string, finalizers ...string) error {
	ns := &corev1.Namespace{TypeMeta: metav1.TypeMeta{Kind: "Namespace", APIVersion: "v1"},
		ObjectMeta: metav1.ObjectMeta{Name: name, Finalizers: finalizers}}
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
	r := &rbacv1.ClusterRole{TypeMeta: metav1.TypeMeta{Kind: "ClusterRole", APIVersion: "rbac.authorization.k8s.io/v1"},
		ObjectMeta: metav1.ObjectMeta{Name: rightsName}}
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
		err := c.get(ctx, t.place, new(stored))
		if err == nil {
			found = append(found, t.what+t.where())
		} else if ignoreNotFound(err) != nil {
			return nil, err
		}
	}
	return found, nil
}

// Dump is every object of the cluster, by "resource namespace/name", as far as a client wrote it: without status, and
// without what Kubernetes itself keeps changing.
func (c *Conn) Dump(ctx context.Context) (map[string]string, error) {
	out := map[string]string{}
	for _, root := range []string{"/api", "/apis"} {
		var groups []apiGroup
		l := listing{call: call{path: root, what: "groups", accept: discoveryTypes}, items: maxGroups, pages: 1, bytes: maxDiscoveryBytes}
		_, err := list(ctx, c, l, func(g *apiGroup) error { groups = append(groups, *g); return nil })
		if err != nil {
			return nil, err
		}
		for _, group := range groups {
			for _, v := range group.Versions[:1] {
				for _, r := range v.Resources {
					if !slices.Contains(r.Verbs, "list") || slices.Contains([]string{"events", "leases", "componentstatuses"}, r.Resource) {
						continue
					}
					path := root + "/" + v.Version
					if group.Metadata.Name != "" {
						path = root + "/" + group.Metadata.Name + "/" + v.Version
					}
					found, err := c.dump(ctx, resource{path, r.Resource})
					if err != nil {
						return nil, err
					}
					maps.Copy(out, found)
				}
			}
		}
	}
	return out, nil
}

func (c *Conn) dump(ctx context.Context, r resource) (map[string]string, error) {
	var items []map[string]any
	l := listing{call: r.in("", "").call("GET"), items: 10000, pages: 1, bytes: 64 << 20}
	if _, err := list(ctx, c, l, func(o *map[string]any) error { items = append(items, *o); return nil }); err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, o := range items {
		delete(o, "status")
		meta := o["metadata"].(map[string]any)
		delete(meta, "resourceVersion")
		delete(meta, "managedFields")
		written, err := json.Marshal(o)
		if err != nil {
			return nil, err
		}
		namespace, _ := meta["namespace"].(string)
		out[r.name+" "+namespace+"/"+meta["name"].(string)] = string(written)
	}
	return out, nil
}

var (
	definitions = resource{"/apis/apiextensions.k8s.io/v1", "customresourcedefinitions"}
	widgets     = resource{"/apis/example.com/v1", "widgets"}
)

// DefineWidgets creates a kind of custom resource.
func (c *Conn) DefineWidgets(ctx context.Context) error {
	return ignoreExists(c.create(ctx, definitions.in("", ""),
		json.RawMessage(`{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition",
"metadata":{"name":"widgets.example.com"},"spec":{"group":"example.com","scope":"Namespaced",
"names":{"plural":"widgets","singular":"widget","kind":"Widget"},"versions":[{"name":"v1","served":true,"storage":true,
"schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}]}}`), nil))
}

// DropWidgets removes it.
func (c *Conn) DropWidgets(ctx context.Context) error {
	return c.remove(ctx, definitions.in("", "widgets.example.com"), "")
}

// PutWidget makes one of them.
func (c *Conn) PutWidget(ctx context.Context, namespace string) error {
	return c.create(ctx, widgets.in(namespace, ""),
		json.RawMessage(`{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"w"}}`), nil)
}

// CountSecretsOnly makes the quota as earlier versions of Berth did.
func (c *Conn) CountSecretsOnly(ctx context.Context, a Attachment) error {
	return c.create(ctx, resourceQuotas.in(a.Namespace, ""), &corev1.ResourceQuota{
		TypeMeta: metav1.TypeMeta{Kind: "ResourceQuota", APIVersion: "v1"}, ObjectMeta: a.meta(countName, a.Namespace),
		Spec: corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{"count/secrets": quantity.MustParse("1M")}},
	}, nil)
}

// PutPod makes a pod that is on a node already.
func (c *Conn) PutPod(ctx context.Context, name, node string) error {
	return c.create(ctx, pods.in("default", name), &corev1.Pod{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"app": name}},
		Spec:       corev1.PodSpec{NodeName: node, Containers: []corev1.Container{{Name: "c", Image: "simulated"}}},
	}, nil)
}

var budgets = resource{"/apis/policy/v1", "poddisruptionbudgets"}

// PutBudget lets no pod of that name leave.
func (c *Conn) PutBudget(ctx context.Context, name string) error {
	one := intstr.FromInt32(1)
	return c.create(ctx, budgets.in("default", name), &policyv1.PodDisruptionBudget{
		TypeMeta:   metav1.TypeMeta{APIVersion: "policy/v1", Kind: "PodDisruptionBudget"},
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: policyv1.PodDisruptionBudgetSpec{MinAvailable: &one,
			Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": name}}},
	}, nil)
}

// DropBudget lets it leave.
func (c *Conn) DropBudget(ctx context.Context, name string) error {
	return c.remove(ctx, budgets.in("default", name), "")
}

// PodPhase is "" when there is no such pod.
func (c *Conn) PodPhase(ctx context.Context, name string) (string, error) {
	var p corev1.Pod
	err := c.get(ctx, pods.in("default", name), &p)
	return string(p.Status.Phase), ignoreNotFound(err)
}

// CheckAddress is the verdict of a guard on an address.
func CheckAddress(g *Guard, at netip.AddrPort) error { return g.check(at) }

// Plain is a node without what it has from its pool.
func Plain(n Node) Node {
	n.mark = ""
	return n
}

// PodFacts is what Berth sees of a pod in its JSON.
func PodFacts(text string) (berth.PodFacts, error) {
	var p pod
	err := json.Unmarshal([]byte(text), &p)
	return p.facts(), err
}
