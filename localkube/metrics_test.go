package main

import (
	"context"
	"errors"
	"fmt"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	metricsclient "k8s.io/metrics/pkg/client/clientset/versioned"
	metrics "k8s.io/metrics/pkg/client/clientset/versioned/typed/metrics/v1beta1"
)

// usageOf is the client that kubectl top has.
func usageOf(t *testing.T, config *rest.Config) metrics.MetricsV1beta1Interface {
	t.Helper()
	c, err := metricsclient.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return c.MetricsV1beta1()
}

// limited lets each container have so much of a core, and no more.
func limited(p *corev1.PodSpec, cpu string) {
	for i := range p.Containers {
		p.Containers[i].Resources = corev1.ResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("50m")},
			Limits:   corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse("64Mi")}}
	}
}

// usageIsServed: a busy container uses what its limit lets it, an idle one nearly nothing, and their nodes at least as much.
func usageIsServed(t *testing.T, s space) {
	needsCgroups(t)
	busy, idle := probe("busy", "burn"), probe("idle", "wait")
	limited(&busy.Spec, "200m")
	busyNode := s.run(t, busy, ready).Spec.NodeName
	s.run(t, idle, ready)
	of := usageOf(t, s.config())
	cores := map[string]int64{}
	eventually(t, func(ctx context.Context) error {
		list, err := of.PodMetricses(s.name).List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		for _, m := range list.Items {
			if len(m.Containers) != 1 || m.Window.Duration <= 0 || m.Timestamp.IsZero() {
				t.Errorf("%+v", m)
				continue
			}
			cores[m.Name] = m.Containers[0].Usage.Cpu().MilliValue()
			if bytes := m.Containers[0].Usage.Memory().Value(); bytes < 100<<10 || bytes > 64<<20 {
				t.Errorf("%s has %d bytes in memory", m.Name, bytes)
			}
		}
		if len(list.Items) != 2 || cores["busy"] < 20 {
			return fmt.Errorf("%+v", list.Items)
		}
		return nil
	})
	if cores["busy"] > 300 || cores["idle"] > cores["busy"]/2 {
		t.Errorf("%v thousandths of a core", cores)
	}
	node, err := of.NodeMetricses().Get(t.Context(), busyNode, metav1.GetOptions{})
	if err != nil || node.Usage.Cpu().MilliValue() < 20 || node.Usage.Memory().Value() < 100<<10 {
		t.Errorf("%+v, %v", node, err)
	}
	usageIsSelected(t, s, of)
	usageHasRights(t, s)
}

// usageIsSelected: by labels, fields and names as other resources are.
func usageIsSelected(t *testing.T, s space, of metrics.MetricsV1beta1Interface) {
	for _, o := range []metav1.ListOptions{{LabelSelector: "app=idle"}, {FieldSelector: "metadata.name=idle"}} {
		list, err := of.PodMetricses(s.name).List(t.Context(), o)
		if err != nil || len(list.Items) != 1 || list.Items[0].Name != "idle" {
			t.Errorf("%+v: %v, %v", o, list, err)
		}
	}
	if list, err := of.NodeMetricses().List(t.Context(), metav1.ListOptions{}); err != nil || len(list.Items) != 2 {
		t.Errorf("%v, %v", list, err)
	}
	_, none := of.PodMetricses(s.name).Get(t.Context(), "nobody", metav1.GetOptions{})
	_, noNode := of.NodeMetricses().Get(t.Context(), "nobody", metav1.GetOptions{})
	if !apierrors.IsNotFound(none) || !apierrors.IsNotFound(noNode) {
		t.Errorf("%v, %v", none, noNode)
	}
	table, err := s.client().RESTClient().Get().AbsPath("/apis/metrics.k8s.io/v1beta1/namespaces/"+s.name+"/pods").
		SetHeader("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io").DoRaw(t.Context())
	if err != nil || !containsOne(string(table), `"columnDefinitions"`) || !containsOne(string(table), `"busy"`) {
		t.Errorf("%s, %v", table, err)
	}
	found := false
	groups, lists, err := s.client().ServerGroupsAndResources()
	for _, l := range lists {
		found = found || l.GroupVersion == "metrics.k8s.io/v1beta1" && len(l.APIResources) == 2
	}
	if err != nil || !found {
		t.Errorf("%v, %v", groups, err)
	}
}

// usageHasRights: a reader of the namespace reads it, and a stranger does not.
func usageHasRights(t *testing.T, s space) {
	binding := &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "reader"},
		RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "view"},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: "reader"}}}
	if _, err := s.client().RbacV1().RoleBindings(s.name).Create(t.Context(), binding, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	as := func(name string) metrics.MetricsV1beta1Interface {
		config := s.config()
		config.Impersonate.UserName = name
		return usageOf(t, config)
	}
	eventually(t, func(ctx context.Context) error {
		list, err := as("reader").PodMetricses(s.name).List(ctx, metav1.ListOptions{})
		if err == nil && len(list.Items) == 0 {
			err = errors.New("nothing is listed")
		}
		return err
	})
	for name, of := range map[string]string{"stranger": s.name, "reader": "kube-system"} {
		if _, err := as(name).PodMetricses(of).List(t.Context(), metav1.ListOptions{}); !apierrors.IsForbidden(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// busyPodsAreScaled: the horizontal autoscaler gives a busy deployment more pods, and no more than it may.
func busyPodsAreScaled(t *testing.T, s space) {
	needsCgroups(t)
	one, percent := int32(1), int32(50)
	pod := probe("busy", "burn")
	pod.Spec.RestartPolicy = corev1.RestartPolicyAlways
	limited(&pod.Spec, "150m")
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "busy"}, Spec: appsv1.DeploymentSpec{Replicas: &one,
		Selector: &metav1.LabelSelector{MatchLabels: pod.Labels},
		Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: pod.Labels}, Spec: pod.Spec}}}
	if _, err := s.client().AppsV1().Deployments(s.name).Create(t.Context(), d, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	scaler := &autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: metav1.ObjectMeta{Name: "busy"},
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{MinReplicas: &one, MaxReplicas: 2,
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "busy"},
			Metrics: []autoscalingv2.MetricSpec{{Type: autoscalingv2.ResourceMetricSourceType, Resource: &autoscalingv2.ResourceMetricSource{
				Name: corev1.ResourceCPU, Target: autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType,
					AverageUtilization: &percent}}}}}}
	scalers := s.client().AutoscalingV2().HorizontalPodAutoscalers(s.name)
	if _, err := scalers.Create(t.Context(), scaler, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func(ctx context.Context) error {
		now, err := s.client().AppsV1().Deployments(s.name).Get(ctx, "busy", metav1.GetOptions{})
		if err == nil && now.Status.ReadyReplicas != 2 {
			scaler, _ := scalers.Get(ctx, "busy", metav1.GetOptions{})
			err = fmt.Errorf("%d pods; %+v", now.Status.ReadyReplicas, scaler.Status)
		}
		return err
	})
}
