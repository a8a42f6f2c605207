package main

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/client-go/kubernetes"
	restclient "k8s.io/client-go/rest"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	apiregistration "k8s.io/kube-aggregator/pkg/client/clientset_generated/clientset/typed/apiregistration/v1"
	"k8s.io/metrics/pkg/apis/metrics"
	metricsinstall "k8s.io/metrics/pkg/apis/metrics/install"
	"k8s.io/metrics/pkg/apis/metrics/v1beta1"
)

// serveUsage adds metrics.k8s.io to the API server itself: its own callers and rights apply, and there is no port of another server that
// had to be protected.
func serveUsage(server *genericapiserver.GenericAPIServer, u *meter) error {
	scheme := runtime.NewScheme()
	metricsinstall.Install(scheme)
	metav1.AddToGroupVersion(scheme, schema.GroupVersion{Version: "v1"})
	info := genericapiserver.NewDefaultAPIGroupInfo(metrics.GroupName, scheme, metav1.ParameterCodec, serializer.NewCodecFactory(scheme))
	info.PrioritizedVersions = []schema.GroupVersion{v1beta1.SchemeGroupVersion}
	info.VersionedResourcesStorageMap[v1beta1.SchemeGroupVersion.Version] = map[string]rest.Storage{
		"nodes": nodeUsage{u}, "pods": podUsage{u},
	}
	return server.InstallAPIGroup(&info)
}

// errNotCounted is the answer where the machine lets the nodes have no cgroups.
func errNotCounted() error {
	return apierrors.NewServiceUnavailable("the nodes of this cluster cannot count what pods use, because their server runs as a user who " +
		"may not make cgroups; start the server as root")
}

func counts(n *corev1.Node) bool { return n.Labels[limitsLabel] != "none" }

// nodeUsage is the resource nodes of metrics.k8s.io: what all pods of a node use.
type nodeUsage struct{ *meter }

// New, NewList, Destroy, NamespaceScoped, GetSingularName and Kind describe the resource.
func (nodeUsage) New() runtime.Object     { return &metrics.NodeMetrics{} }
func (nodeUsage) NewList() runtime.Object { return &metrics.NodeMetricsList{} }
func (nodeUsage) Destroy()                {}
func (nodeUsage) NamespaceScoped() bool   { return false }
func (nodeUsage) GetSingularName() string { return "node" }
func (nodeUsage) Kind() string            { return "NodeMetrics" }

// Get implements rest.Getter.
func (u nodeUsage) Get(_ context.Context, name string, _ *metav1.GetOptions) (runtime.Object, error) {
	n, err := u.nodes.Get(name)
	if err != nil {
		return nil, err
	}
	if !counts(n) {
		return nil, errNotCounted()
	}
	if m, known := u.node(n); known {
		return &m, nil
	}
	return nil, apierrors.NewNotFound(metrics.Resource("nodes"), name)
}

// List implements rest.Lister.
func (u nodeUsage) List(_ context.Context, o *internalversion.ListOptions) (runtime.Object, error) {
	byLabel, byField := selectors(o)
	nodes, err := u.nodes.List(byLabel)
	if err != nil {
		return nil, err
	}
	if err := u.noneCounts(); err != nil {
		return nil, err
	}
	out := &metrics.NodeMetricsList{}
	for _, n := range nodes {
		if m, known := u.node(n); known && byField.Matches(fields.Set{"metadata.name": n.Name}) {
			out.Items = append(out.Items, m)
		}
	}
	slices.SortFunc(out.Items, func(a, b metrics.NodeMetrics) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// ConvertToTable implements rest.TableConvertor.
func (nodeUsage) ConvertToTable(_ context.Context, o runtime.Object, _ runtime.Object) (*metav1.Table, error) {
	items := []metrics.NodeMetrics{}
	switch o := o.(type) {
	case *metrics.NodeMetrics:
		items = append(items, *o)
	case *metrics.NodeMetricsList:
		items = o.Items
	}
	table := newTable()
	for i, m := range items {
		addRow(table, m.Name, m.Usage, m.Window, &items[i])
	}
	return table, nil
}

// node sums up what the pods of a node use. It is not what Kubernetes counts as its node: that is the whole machine.
func (u *meter) node(n *corev1.Node) (metrics.NodeMetrics, bool) {
	last := u.of(n.Name)
	if last.at.IsZero() || !counts(n) {
		return metrics.NodeMetrics{}, false
	}
	var cores, bytes int64
	for _, p := range last.pods {
		for _, r := range p {
			cores, bytes = cores+r.cores(), bytes+r.bytes()
		}
	}
	return metrics.NodeMetrics{ObjectMeta: metav1.ObjectMeta{Name: n.Name, Labels: n.Labels, CreationTimestamp: metav1.Now()},
		Timestamp: metav1.NewTime(last.at), Window: metav1.Duration{Duration: usageInterval}, Usage: usageList(cores, bytes)}, true
}

// podUsage is the resource pods of metrics.k8s.io.
type podUsage struct{ *meter }

// New, NewList, Destroy, NamespaceScoped, GetSingularName and Kind describe the resource.
func (podUsage) New() runtime.Object     { return &metrics.PodMetrics{} }
func (podUsage) NewList() runtime.Object { return &metrics.PodMetricsList{} }
func (podUsage) Destroy()                {}
func (podUsage) NamespaceScoped() bool   { return true }
func (podUsage) GetSingularName() string { return "pod" }
func (podUsage) Kind() string            { return "PodMetrics" }

// Get implements rest.Getter.
func (u podUsage) Get(ctx context.Context, name string, _ *metav1.GetOptions) (runtime.Object, error) {
	p, err := u.pods.Pods(request.NamespaceValue(ctx)).Get(name)
	if err != nil {
		return nil, err
	}
	if err := u.noneCounts(); err != nil {
		return nil, err
	}
	if m, known := u.pod(p); known {
		return &m, nil
	}
	return nil, apierrors.NewNotFound(metrics.Resource("pods"), name)
}

// List implements rest.Lister.
func (u podUsage) List(ctx context.Context, o *internalversion.ListOptions) (runtime.Object, error) {
	byLabel, byField := selectors(o)
	pods, err := u.pods.Pods(request.NamespaceValue(ctx)).List(byLabel)
	if err != nil {
		return nil, err
	}
	if err := u.noneCounts(); err != nil {
		return nil, err
	}
	out := &metrics.PodMetricsList{}
	for _, p := range pods {
		names := fields.Set{"metadata.name": p.Name, "metadata.namespace": p.Namespace}
		if m, known := u.pod(p); known && byField.Matches(names) {
			out.Items = append(out.Items, m)
		}
	}
	slices.SortFunc(out.Items, func(a, b metrics.PodMetrics) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
	})
	return out, nil
}

// ConvertToTable implements rest.TableConvertor.
func (podUsage) ConvertToTable(_ context.Context, o runtime.Object, _ runtime.Object) (*metav1.Table, error) {
	items := []metrics.PodMetrics{}
	switch o := o.(type) {
	case *metrics.PodMetrics:
		items = append(items, *o)
	case *metrics.PodMetricsList:
		items = o.Items
	}
	table := newTable()
	for i, m := range items {
		var cores, bytes int64
		for _, c := range m.Containers {
			cores, bytes = cores+c.Usage.Cpu().ScaledValue(resource.Nano), bytes+c.Usage.Memory().Value()
		}
		addRow(table, m.Name, usageList(cores, bytes), m.Window, &items[i])
	}
	return table, nil
}

// pod is what the containers of a pod use. One of which a container was not read yet is left out: an autoscaler would see too little.
func (u *meter) pod(p *corev1.Pod) (metrics.PodMetrics, bool) {
	of := u.of(p.Spec.NodeName).pods[string(p.UID)]
	for _, c := range p.Status.ContainerStatuses {
		if _, read := of[c.Name]; !read && c.State.Running != nil {
			return metrics.PodMetrics{}, false
		}
	}
	out := metrics.PodMetrics{ObjectMeta: metav1.ObjectMeta{Name: p.Name, Namespace: p.Namespace, Labels: p.Labels,
		CreationTimestamp: metav1.Now()}}
	for _, name := range slices.Sorted(maps.Keys(of)) {
		r := of[name]
		out.Containers = append(out.Containers, metrics.ContainerMetrics{Name: name, Usage: usageList(r.cores(), r.bytes())})
		if out.Timestamp.IsZero() || r.now.at.Before(out.Timestamp.Time) {
			out.Timestamp = metav1.NewTime(r.now.at)
			out.Window = metav1.Duration{Duration: r.now.at.Sub(r.before.at).Round(time.Millisecond)}
		}
	}
	return out, len(out.Containers) > 0
}

// noneCounts is an error where no node can count.
func (u *meter) noneCounts() error {
	nodes, err := u.nodes.List(realNodesSelector)
	if err != nil || len(nodes) == 0 || slices.ContainsFunc(nodes, counts) {
		return err
	}
	return errNotCounted()
}

func selectors(o *internalversion.ListOptions) (labels.Selector, fields.Selector) {
	byLabel, byField := labels.Everything(), fields.Everything()
	if o != nil && o.LabelSelector != nil {
		byLabel = o.LabelSelector
	}
	if o != nil && o.FieldSelector != nil {
		byField = o.FieldSelector
	}
	return byLabel, byField
}

func usageList(cores, bytes int64) corev1.ResourceList {
	return corev1.ResourceList{corev1.ResourceCPU: *resource.NewScaledQuantity(cores, resource.Nano),
		corev1.ResourceMemory: *resource.NewQuantity(bytes, resource.BinarySI)}
}

func newTable() *metav1.Table {
	return &metav1.Table{ColumnDefinitions: []metav1.TableColumnDefinition{
		{Name: "Name", Type: "string", Format: "name"}, {Name: "CPU", Type: "string"}, {Name: "Memory", Type: "string"},
		{Name: "Window", Type: "string"},
	}}
}

func addRow(t *metav1.Table, name string, used corev1.ResourceList, window metav1.Duration, of runtime.Object) {
	t.Rows = append(t.Rows, metav1.TableRow{Cells: []any{name, used.Cpu().String(), used.Memory().String(), window.Duration.String()},
		Object: runtime.RawExtension{Object: of}})
}

// offerUsage lists the API where clients look for it, and lets those read it who may view, edit or administrate.
func (c *cluster) offerUsage(ctx context.Context, config *restclient.Config, client *kubernetes.Clientset) error {
	registry, err := apiregistration.NewForConfig(config)
	if err != nil {
		return err
	}
	of := v1beta1.SchemeGroupVersion
	service := &apiregistrationv1.APIService{ObjectMeta: metav1.ObjectMeta{Name: of.Version + "." + of.Group},
		Spec: apiregistrationv1.APIServiceSpec{Group: of.Group, Version: of.Version, GroupPriorityMinimum: 100, VersionPriority: 100}}
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "system:aggregated-metrics-reader", Labels: map[string]string{}},
		Rules: []rbacv1.PolicyRule{{APIGroups: []string{of.Group}, Resources: []string{"pods", "nodes"}, Verbs: []string{"get", "list"}}}}
	for _, to := range []string{"view", "edit", "admin"} {
		role.Labels["rbac.authorization.k8s.io/aggregate-to-"+to] = "true"
	}
	return c.until(ctx, func(ctx context.Context) error {
		_, err := registry.APIServices().Create(ctx, service, metav1.CreateOptions{})
		if err == nil || apierrors.IsAlreadyExists(err) {
			_, err = client.RbacV1().ClusterRoles().Create(ctx, role, metav1.CreateOptions{})
		}
		if apierrors.IsAlreadyExists(err) {
			return nil
		}
		return err
	})
}
