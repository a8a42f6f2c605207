package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// outside is the address of a node on this machine.
func (s space) outside(t *testing.T, node string) (address string) {
	t.Helper()
	eventually(t, func(ctx context.Context) error {
		n, err := s.client().CoreV1().Nodes().Get(ctx, node, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if address = addressOf(n, corev1.NodeExternalIP); address == "" || addressOf(n, corev1.NodeInternalIP) == "" {
			return fmt.Errorf("%s has the addresses %v", node, n.Status.Addresses)
		}
		return nil
	})
	return address
}

// whoAnswers asks from this machine by HTTP which pod it is.
func whoAnswers(ctx context.Context, address string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/", nil)
	if err != nil {
		return "", err
	}
	client := &http.Client{Timeout: 3 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	pod, _, _ := strings.Cut(string(text), " ")
	return pod, err
}

// whoAnswersUDP asks so by a datagram.
func whoAnswersUDP(ctx context.Context, address string) (string, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, "udp", address)
	if err != nil {
		return "", err
	}
	defer func() { _ = c.Close() }()
	if err := c.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return "", err
	}
	if _, err := c.Write([]byte("?")); err != nil {
		return "", err
	}
	answer := make([]byte, 100)
	n, err := c.Read(answer)
	return string(answer[:n]), err
}

// answers waits until a pod whose name begins so has answered.
func answers(t *testing.T, want, address string, who func(context.Context, string) (string, error)) {
	t.Helper()
	eventually(t, func(ctx context.Context) error {
		pod, err := who(ctx, address)
		if err == nil && !strings.HasPrefix(pod, want) {
			err = fmt.Errorf("%q", pod)
		}
		if err != nil {
			err = fmt.Errorf("%s: %w", address, err)
		}
		return err
	})
}

// nodePortsAnswerOutside: at an address of each node on this machine, by TCP and UDP, and so does the load balancer; without the Service
// nothing listens there.
func nodePortsAnswerOutside(t *testing.T, s space) {
	p := probe("both", "both")
	s.run(t, p, ready)
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "both"}, Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeLoadBalancer,
		Selector: p.Labels, Ports: []corev1.ServicePort{
			{Name: "tcp", Port: 18081, Protocol: corev1.ProtocolTCP, TargetPort: intstr.FromInt32(8080)},
			{Name: "udp", Port: 18081, Protocol: corev1.ProtocolUDP, TargetPort: intstr.FromInt32(8080)}}}}
	services := s.client().CoreV1().Services(s.name)
	service, err := services.Create(t.Context(), service, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	first, second := s.outside(t, "n0"), s.outside(t, "n1")
	if first == second {
		t.Errorf("both nodes are at %s", first)
	}
	at := func(address string, port int32) string { return net.JoinHostPort(address, fmt.Sprint(port)) }
	for _, node := range []string{first, second} {
		answers(t, "both", at(node, service.Spec.Ports[0].NodePort), whoAnswers)
		answers(t, "both", at(node, service.Spec.Ports[1].NodePort), whoAnswersUDP)
	}
	eventually(t, func(ctx context.Context) error {
		service, err = services.Get(ctx, "both", metav1.GetOptions{})
		if err == nil && len(service.Status.LoadBalancer.Ingress) == 0 {
			err = errors.New("no address")
		}
		return err
	})
	balancer := service.Status.LoadBalancer.Ingress[0].IP
	answers(t, "both", at(balancer, 18081), whoAnswers)
	answers(t, "both", at(balancer, 18081), whoAnswersUDP)
	if err := services.Delete(t.Context(), "both", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func(ctx context.Context) error {
		for address, who := range map[string]func(context.Context, string) (string, error){
			at(first, service.Spec.Ports[0].NodePort): whoAnswers, at(second, service.Spec.Ports[1].NodePort): whoAnswersUDP,
			at(balancer, 18081): whoAnswersUDP} {
			if pod, err := who(ctx, address); err == nil {
				return fmt.Errorf("%s still answers: %s", address, pod)
			}
		}
		return nil
	})
}

// hostPortsAnswer: at the node of the pod and no other, inside and on this machine, by TCP and UDP.
func hostPortsAnswer(t *testing.T, s space) {
	p := probe("host", "both")
	p.Spec.NodeName = "n1"
	p.Spec.Containers[0].Ports = []corev1.ContainerPort{{ContainerPort: 8080, HostPort: 18082},
		{ContainerPort: 8080, HostPort: 18083, Protocol: corev1.ProtocolUDP}}
	s.run(t, p, ready)
	s.run(t, probe("client", "wait"), ready)
	eventually(t, func(ctx context.Context) error {
		pod, err := s.get(ctx, "client", "10.224.0.5:18082")
		if err == nil && pod != "host" {
			err = fmt.Errorf("%q", pod)
		}
		return err
	})
	if pod, err := s.get(t.Context(), "client", "10.224.0.4:18082"); err == nil {
		t.Errorf("%q answers at the other node", pod)
	}
	answers(t, "host", s.outside(t, "n1")+":18082", whoAnswers)
	answers(t, "host", s.outside(t, "n1")+":18083", whoAnswersUDP)
	s.remove(t, "host")
	eventually(t, func(ctx context.Context) error {
		for _, ask := range []func() (string, error){
			func() (string, error) { return whoAnswers(ctx, s.outside(t, "n1")+":18082") },
			func() (string, error) { return s.get(ctx, "client", "10.224.0.5:18082") }} {
			if pod, err := ask(); err == nil {
				return fmt.Errorf("%s still answers", pod)
			}
		}
		return nil
	})
}

// whatDoesNotAnswerIsTold: an event says which port is not carried, and which one somebody else has; that one answers when it is free.
func whatDoesNotAnswerIsTold(t *testing.T, s space) {
	other, err := net.Listen("tcp", net.JoinHostPort(s.outside(t, "n0"), "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	taken := int32(other.Addr().(*net.TCPAddr).Port)
	p := probe("told", "serve")
	p.Spec.NodeName = "n0"
	p.Spec.Containers[0].Ports = []corev1.ContainerPort{{ContainerPort: 8080, HostPort: taken}}
	s.run(t, p, ready)
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "sctp"}, Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeLoadBalancer,
		Selector: p.Labels, Ports: []corev1.ServicePort{{Port: 9, Protocol: corev1.ProtocolSCTP}}}}
	if _, err := s.client().CoreV1().Services(s.name).Create(t.Context(), service, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"sctp": "Warning NotAnswering: The port 9/SCTP does not answer on this machine",
		"told": fmt.Sprintf("Warning NotAnswering: The port %d/TCP of the node 10.224.0.4 does not answer on this machine yet", taken)} {
		eventually(t, func(ctx context.Context) error {
			events, err := s.eventsOf(ctx, name)
			if err == nil && !strings.Contains(events, want) {
				err = fmt.Errorf("%q is not among\n%s", want, events)
			}
			return err
		})
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	answers(t, "told", other.Addr().String(), whoAnswers)
}
