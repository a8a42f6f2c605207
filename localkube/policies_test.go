package main

import (
	"context"
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// policy creates a NetworkPolicy.
func (s space) policy(t *testing.T, name string, of networkingv1.NetworkPolicySpec) {
	t.Helper()
	p := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: of}
	if _, err := s.client().NetworkingV1().NetworkPolicies(s.name).Create(t.Context(), p, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// reaches waits until a pod reaches an address, or does not.
func (s space) reaches(t *testing.T, from, address string, want bool) {
	t.Helper()
	eventually(t, func(ctx context.Context) error {
		out, err := s.exec(ctx, from, "/hello", "get", "http://"+address+"/")
		if (err == nil) != want {
			return fmt.Errorf("%s reaches %s: %t, %q, %w", from, address, !want, out, err)
		}
		return nil
	})
}

func only(app string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}
}

// policiesAreKept: who is selected is reached by nobody, but by those whom a policy names; probes of its kubelet arrive in any case.
func policiesAreKept(t *testing.T, s space) {
	s.serveBy(t, "served", 2, corev1.ServiceSpec{})
	other := newSpace(t, s.running, s.name+"-other", map[string]string{"kind": "other"})
	for _, in := range []space{s, other} {
		for _, name := range []string{"friend", "stranger"} {
			in.run(t, probe(name, "wait"), ready)
		}
	}
	at := "served." + s.name
	s.reaches(t, "stranger", at, true)
	s.policy(t, "nobody", networkingv1.NetworkPolicySpec{PodSelector: *only("served")})
	for _, in := range []space{s, other} {
		in.reaches(t, "friend", at, false)
	}
	tcp, port := corev1.ProtocolTCP, intstr.FromInt32(8080)
	s.policy(t, "friends", networkingv1.NetworkPolicySpec{PodSelector: *only("served"), Ingress: []networkingv1.NetworkPolicyIngressRule{
		{From: []networkingv1.NetworkPolicyPeer{{PodSelector: only("friend")}},
			Ports: []networkingv1.NetworkPolicyPort{{Protocol: &tcp, Port: &port}}}}})
	s.reaches(t, "friend", at, true)
	s.reaches(t, "stranger", at, false)
	other.reaches(t, "friend", at, false)
	s.policy(t, "others", networkingv1.NetworkPolicySpec{PodSelector: *only("served"), Ingress: []networkingv1.NetworkPolicyIngressRule{
		{From: []networkingv1.NetworkPolicyPeer{{PodSelector: only("friend"),
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"kind": "other"}}}}}}})
	other.reaches(t, "friend", at, true)
	other.reaches(t, "stranger", at, false)
	s.reaches(t, "stranger", at, false)
	pods, err := s.client().CoreV1().Pods(s.name).List(t.Context(), metav1.ListOptions{LabelSelector: "app=served"})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pods.Items {
		s.wait(t, p.Name, ready)
	}
	for _, name := range []string{"nobody", "friends", "others"} {
		if err := s.client().NetworkingV1().NetworkPolicies(s.name).Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	s.reaches(t, "stranger", at, true)
}

// egressPoliciesAreKept: who is selected reaches nobody but whom a policy names, by a range of addresses or by the name of a port; names
// are answered in any case.
func egressPoliciesAreKept(t *testing.T, s space) {
	named := probe("named", "serve")
	named.Spec.Containers[0].Ports = []corev1.ContainerPort{{Name: "web", ContainerPort: 8080}}
	first, second := s.run(t, named, ready).Status.PodIP, s.run(t, probe("second", "serve"), ready).Status.PodIP
	s.run(t, probe("caller", "wait"), ready)
	egress := []networkingv1.PolicyType{networkingv1.PolicyTypeEgress}
	s.policy(t, "nowhere", networkingv1.NetworkPolicySpec{PodSelector: *only("caller"), PolicyTypes: egress})
	s.reaches(t, "caller", first+":8080", false)
	s.reaches(t, "named", second+":8080", true)
	if out, err := s.exec(t.Context(), "caller", "/hello", "lookup", "kubernetes.default.svc.cluster.local"); err != nil {
		t.Error(out, err)
	}
	if out, err := s.exec(t.Context(), "caller", "/hello", "get", "https://kubernetes.default/"); err == nil ||
		!containsOne(out, "connection refused") {
		t.Errorf("%q, %v", out, err)
	}
	s.policy(t, "range", networkingv1.NetworkPolicySpec{PodSelector: *only("caller"), PolicyTypes: egress,
		Egress: []networkingv1.NetworkPolicyEgressRule{{To: []networkingv1.NetworkPolicyPeer{
			{IPBlock: &networkingv1.IPBlock{CIDR: "10.0.0.0/8", Except: []string{first + "/32"}}}}}}})
	s.reaches(t, "caller", second+":8080", true)
	s.reaches(t, "caller", first+":8080", false)
	web := intstr.FromString("web")
	s.policy(t, "web", networkingv1.NetworkPolicySpec{PodSelector: *only("caller"), PolicyTypes: egress,
		Egress: []networkingv1.NetworkPolicyEgressRule{{To: []networkingv1.NetworkPolicyPeer{{PodSelector: &metav1.LabelSelector{}}},
			Ports: []networkingv1.NetworkPolicyPort{{Port: &web}}}}})
	s.reaches(t, "caller", first+":8080", true)
}
