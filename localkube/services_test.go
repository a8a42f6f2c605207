package main

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// probePatience is how many seconds a probe waits: a container on a busy machine is not dead because it is slow.
const probePatience = 20

// serveBy creates pods that serve, and a Service for them.
func (s space) serveBy(t *testing.T, name string, pods int32, of corev1.ServiceSpec) *corev1.Service {
	t.Helper()
	p := probe(name, "serve")
	p.Spec.RestartPolicy = corev1.RestartPolicyAlways
	p.Spec.Containers[0].ReadinessProbe = &corev1.Probe{PeriodSeconds: 1, TimeoutSeconds: probePatience, ProbeHandler: corev1.ProbeHandler{
		HTTPGet: &corev1.HTTPGetAction{Path: "/", Port: intstr.FromInt32(8080)}}}
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: appsv1.DeploymentSpec{Replicas: &pods,
		Selector: &metav1.LabelSelector{MatchLabels: p.Labels}, Template: templateOf(p)}}
	if _, err := s.client().AppsV1().Deployments(s.name).Create(t.Context(), d, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	of.Selector = p.Labels
	of.Ports = []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromInt32(8080)}}
	service, err := s.client().CoreV1().Services(s.name).Create(t.Context(),
		&corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: of}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, func(ctx context.Context) error {
		d, err := s.client().AppsV1().Deployments(s.name).Get(ctx, name, metav1.GetOptions{})
		if err == nil && d.Status.ReadyReplicas != pods {
			err = fmt.Errorf("%+v", d.Status)
		}
		return err
	})
	return service
}

// get asks from inside a pod and answers which pod it was that answered.
func (s space) get(ctx context.Context, from, address string) (string, error) {
	out, err := s.exec(ctx, from, "/hello", "get", "http://"+address+"/")
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	pod, _, _ := strings.Cut(out, " ")
	return pod, nil
}

// headlessServicesAreNames: the name of one without an address of its own stands for all its pods; a pod has a name by its address.
func headlessServicesAreNames(t *testing.T, s space) {
	s.serveBy(t, "headless", 2, corev1.ServiceSpec{ClusterIP: corev1.ClusterIPNone})
	client := s.run(t, probe("client", "wait"), ready)
	eventually(t, func(ctx context.Context) error {
		out, err := s.exec(ctx, "client", "/hello", "lookup", "headless")
		if err == nil && len(strings.Fields(out)) != 2 {
			err = fmt.Errorf("%q", out)
		}
		return err
	})
	name := strings.ReplaceAll(client.Status.PodIP, ".", "-") + "." + s.name + ".pod.cluster.local"
	if out, err := s.exec(t.Context(), "client", "/hello", "lookup", name); err != nil || strings.TrimSpace(out) != client.Status.PodIP {
		t.Errorf("%s: %q, %v", name, out, err)
	}
}

// nodePortsAnswerInside: at each node, whichever the pod is on.
func nodePortsAnswerInside(t *testing.T, s space) {
	service := s.serveBy(t, "nodeport", 1, corev1.ServiceSpec{Type: corev1.ServiceTypeNodePort})
	s.run(t, probe("client", "wait"), ready)
	for _, node := range []string{"10.224.0.4", "10.224.0.5"} {
		eventually(t, func(ctx context.Context) error {
			pod, err := s.get(ctx, "client", fmt.Sprintf("%s:%d", node, service.Spec.Ports[0].NodePort))
			if err == nil && !strings.HasPrefix(pod, "nodeport-") {
				err = fmt.Errorf("%q", pod)
			}
			return err
		})
	}
}

// clientsStay: with one endpoint, also when the rules are written anew; and no longer than the Service says.
func clientsStay(t *testing.T, s space) {
	second := int32(1)
	s.serveBy(t, "stay", 3, corev1.ServiceSpec{SessionAffinity: corev1.ServiceAffinityClientIP})
	s.serveBy(t, "leave", 3, corev1.ServiceSpec{SessionAffinity: corev1.ServiceAffinityClientIP,
		SessionAffinityConfig: &corev1.SessionAffinityConfig{ClientIP: &corev1.ClientIPConfig{TimeoutSeconds: &second}}})
	s.run(t, probe("client", "wait"), ready)
	first := ""
	eventually(t, func(ctx context.Context) (err error) { first, err = s.get(ctx, "client", "stay"); return err })
	for i := range 12 {
		if i == 6 { // other rules
			s.serveBy(t, "other", 1, corev1.ServiceSpec{})
			eventually(t, func(ctx context.Context) error { _, err := s.get(ctx, "client", "other"); return err })
		}
		if pod, err := s.get(t.Context(), "client", "stay"); err != nil || pod != first {
			t.Errorf("%s after %s, %v", pod, first, err)
		}
	}
	seen, pause := map[string]bool{}, time.NewTicker(1500*time.Millisecond)
	defer pause.Stop()
	for range 30 { // that they all lead to one of three is not to be expected
		if pod, err := s.get(t.Context(), "client", "leave"); err != nil {
			t.Error(err)
		} else if seen[pod] = true; len(seen) > 1 {
			return
		}
		<-pause.C // what is tested is that time passes without a request
	}
	t.Errorf("%v", seen)
}

// manyEndpointsWork: thousands of rules are no reason that another Service is not served.
func manyEndpointsWork(t *testing.T, s space) {
	ports := []corev1.ServicePort{}
	slice := &discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{GenerateName: "many-",
		Labels: map[string]string{discoveryv1.LabelServiceName: "many"}}, AddressType: discoveryv1.AddressTypeIPv4}
	for i := range int32(4) {
		name, number := fmt.Sprintf("p%d", i), 9000+i
		ports = append(ports, corev1.ServicePort{Name: name, Port: number})
		slice.Ports = append(slice.Ports, discoveryv1.EndpointPort{Name: &name, Port: &number})
	}
	many := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "many"}, Spec: corev1.ServiceSpec{Ports: ports}}
	if _, err := s.client().CoreV1().Services(s.name).Create(t.Context(), many, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	at := netip.MustParseAddr("198.18.0.1")
	for range 5 {
		slice.Endpoints = nil
		for range 100 {
			slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{Addresses: []string{at.String()}})
			at = at.Next()
		}
		if _, err := s.client().DiscoveryV1().EndpointSlices(s.name).Create(t.Context(), slice, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	s.serveBy(t, "few", 1, corev1.ServiceSpec{})
	s.run(t, probe("client", "wait"), ready)
	eventually(t, func(ctx context.Context) error { _, err := s.get(ctx, "client", "few"); return err })
}

// flowsOfGoneEndpointsEnd: a client that sends from one port all the time comes to the pod that took the place of the one before.
func flowsOfGoneEndpointsEnd(t *testing.T, s space) {
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "udp"}, Spec: corev1.ServiceSpec{Selector: map[string]string{"of": "udp"},
		Ports: []corev1.ServicePort{{Port: 53, Protocol: corev1.ProtocolUDP, TargetPort: intstr.FromInt32(8080)}}}}
	if _, err := s.client().CoreV1().Services(s.name).Create(t.Context(), service, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	s.run(t, probe("client", "wait"), ready)
	for _, name := range []string{"first", "second"} {
		p := probe(name, "udp")
		p.Labels["of"] = "udp"
		s.run(t, p, ready)
		eventually(t, func(ctx context.Context) error {
			out, err := s.exec(ctx, "client", "/hello", "ask", "udp:53", "5353")
			if err == nil && strings.TrimSpace(out) != name {
				err = fmt.Errorf("%q", out)
			}
			return err
		})
		s.remove(t, name)
	}
}
