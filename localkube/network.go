package main

import (
	"context"
	"fmt"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// network is the address ranges of the cluster.
type network struct {
	services, pods netip.Prefix
	dns            netip.Addr // in services
}

// rangesText is network as the command line has it.
type rangesText struct{ services, pods, dns string }

// The limits are those of Kubernetes: its controllers accept no larger range, and its API server no smaller one.
const (
	largestServices, smallestServices = 12, 29
	largestPods, smallestPods         = 8, 30
)

func (t rangesText) parse() (n network, err error) {
	if n.services, err = parseRange("--service-cidr", t.services, largestServices, smallestServices); err != nil {
		return n, err
	}
	if n.pods, err = parseRange("--pod-cidr", t.pods, largestPods, smallestPods); err != nil {
		return n, err
	}
	if n.services.Overlaps(n.pods) {
		return n, fmt.Errorf("--service-cidr %s and --pod-cidr %s overlap", n.services, n.pods)
	}
	if t.dns == "" {
		const defaultDNS = 10
		n.dns = n.services.Addr()
		for range min(defaultDNS, 1<<(32-n.services.Bits())-2) {
			n.dns = n.dns.Next()
		}
		return n, nil
	}
	n.dns, err = netip.ParseAddr(t.dns)
	if err != nil || !n.services.Contains(n.dns) || n.dns == n.services.Addr() || n.dns == n.api() {
		return n, fmt.Errorf("--dns-service-ip %q is not an address in %s behind its first", t.dns, n.services)
	}
	return n, nil
}

func parseRange(name, text string, largest, smallest int) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(text)
	if err != nil || !p.Addr().Is4() || p.Bits() < largest || p.Bits() > smallest {
		return p, fmt.Errorf("%s %q is not an IPv4 range of /%d to /%d", name, text, largest, smallest)
	}
	return p.Masked(), nil
}

// api is the address of the service kubernetes: Kubernetes takes the first of the range.
func (n network) api() netip.Addr { return n.services.Addr().Next() }

// nodeBits is the size of the range that each node has for its pods: a /24, as in AKS, unless all pods have less.
func (n network) nodeBits() int { return max(n.pods.Bits(), 24) }

// reserveDNS creates the service kube-dns, whose address pods would have as their name server. Simulated pods ask no names, so no pod
// stands behind it; real nodes answer at the address themselves. A cluster in which a user's service has the address already stays as it
// is.
func (c *cluster) reserveDNS(ctx context.Context, client *kubernetes.Clientset) error {
	labels := map[string]string{"k8s-app": "kube-dns"}
	service := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "kube-dns", Namespace: metav1.NamespaceSystem,
			Labels: map[string]string{"k8s-app": "kube-dns", "kubernetes.io/cluster-service": "true", "kubernetes.io/name": "CoreDNS"}},
		Spec: corev1.ServiceSpec{ClusterIP: c.network.dns.String(), Selector: labels, Ports: []corev1.ServicePort{
			{Name: "dns", Port: 53, Protocol: corev1.ProtocolUDP}, {Name: "dns-tcp", Port: 53, Protocol: corev1.ProtocolTCP},
		}},
	}
	return c.until(ctx, func(ctx context.Context) error { // the namespace may be a moment late
		_, err := client.CoreV1().Services(metav1.NamespaceSystem).Create(ctx, service, metav1.CreateOptions{})
		if apierrors.IsAlreadyExists(err) || apierrors.IsInvalid(err) {
			return nil
		}
		return err
	})
}
