package main

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/informers"
)

// isolation is what the NetworkPolicies of a cluster come to.
type isolation struct{ ingress, egress []policy }

// policy is one direction of a NetworkPolicy: the pods that it isolates, and whom they may be reached by, or reach, nevertheless.
type policy struct {
	selected []netip.Addr
	allowed  []allowance
}

// allowance is one rule: any of these peers at any of these ports.
type allowance struct {
	everyone bool
	pods     []netip.Addr
	blocks   []ipBlock
	ports    []portRange // none: all of them
}

type ipBlock struct {
	of     netip.Prefix
	except []netip.Prefix
}

// portRange is of one destination, if at is valid: a name of a port may be another number elsewhere.
type portRange struct {
	protocol    corev1.Protocol
	at          netip.Addr
	first, last uint16
}

// keepPolicies keeps the kernel in step with the NetworkPolicies, and with the pods and namespaces that they select.
func keepPolicies(ctx context.Context, s settings, factory informers.SharedInformerFactory) error {
	kernel, err := newPolicyRules(s.dns)
	if err != nil {
		return err
	}
	pods, namespaces := factory.Core().V1().Pods(), factory.Core().V1().Namespaces()
	policies := factory.Networking().V1().NetworkPolicies()
	changed, note, err := changes(pods.Informer(), namespaces.Informer(), policies.Informer())
	if err != nil {
		return err
	}
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
		var of selection
		all, err := policies.Lister().List(labels.Everything())
		if err == nil {
			of.pods, err = pods.Lister().List(labels.Everything())
		}
		if err == nil {
			of.namespaces, err = namespaces.Lister().List(labels.Everything())
		}
		if err == nil {
			err = kernel.write(of.isolation(all))
		}
		if err != nil { // the next change tries again, and so does the clock
			fmt.Fprintf(os.Stderr, "network policies: %v\n", err)
			time.AfterFunc(5*time.Second, func() { note() })
		}
		time.Sleep(settle)
	}
}

// selection is what there is to select from.
type selection struct {
	pods       []*corev1.Pod
	namespaces []*corev1.Namespace
}

// isolation works out all policies, in an order that does not change by itself.
func (s selection) isolation(all []*networkingv1.NetworkPolicy) (out isolation) {
	slices.SortFunc(all, func(a, b *networkingv1.NetworkPolicy) int { return compareNames(a, b) })
	for _, p := range all {
		selected := s.inNamespace(p.Namespace, &p.Spec.PodSelector)
		if len(selected) == 0 {
			continue
		}
		if slices.Contains(p.Spec.PolicyTypes, networkingv1.PolicyTypeIngress) {
			of := policy{selected: addressesOf(selected)}
			for _, r := range p.Spec.Ingress {
				a, _ := s.peers(p.Namespace, r.From)
				of.add(a, r.Ports, selected)
			}
			out.ingress = append(out.ingress, of)
		}
		if slices.Contains(p.Spec.PolicyTypes, networkingv1.PolicyTypeEgress) {
			of := policy{selected: addressesOf(selected)}
			for _, r := range p.Spec.Egress {
				a, pods := s.peers(p.Namespace, r.To)
				of.add(a, r.Ports, pods)
			}
			out.egress = append(out.egress, of)
		}
	}
	return out
}

func compareNames(a, b metav1.Object) int {
	return slices.Compare([]string{a.GetNamespace(), a.GetName()}, []string{b.GetNamespace(), b.GetName()})
}

// add adds a rule to a policy, unless it names ports that nobody has: no port at all would stand for every one.
func (p *policy) add(a allowance, ports []networkingv1.NetworkPolicyPort, to []*corev1.Pod) {
	if a.ports = portRanges(ports, to); len(a.ports) > 0 || len(ports) == 0 {
		p.allowed = append(p.allowed, a)
	}
}

// peers are whom a rule allows, and the pods among them. No list stands for everyone.
func (s selection) peers(namespace string, of []networkingv1.NetworkPolicyPeer) (out allowance, pods []*corev1.Pod) {
	if len(of) == 0 {
		return allowance{everyone: true}, s.pods
	}
	for _, p := range of {
		if p.IPBlock != nil {
			if b, err := blockOf(p.IPBlock); err == nil { // of IPv6, which there is none of
				out.blocks = append(out.blocks, b)
			}
			continue
		}
		every := &metav1.LabelSelector{}
		podSelector := p.PodSelector
		if podSelector == nil {
			podSelector = every
		}
		if p.NamespaceSelector == nil {
			pods = append(pods, s.inNamespace(namespace, podSelector)...)
			continue
		}
		for _, n := range s.namespaces {
			if selects(p.NamespaceSelector, n.Labels) {
				pods = append(pods, s.inNamespace(n.Name, podSelector)...)
			}
		}
	}
	out.pods = addressesOf(pods)
	return out, pods
}

func blockOf(b *networkingv1.IPBlock) (out ipBlock, err error) {
	if out.of, err = netip.ParsePrefix(b.CIDR); err != nil || !out.of.Addr().Is4() {
		return out, fmt.Errorf("%s is no range of IPv4: %w", b.CIDR, err)
	}
	for _, text := range b.Except {
		e, err := netip.ParsePrefix(text)
		if err != nil {
			return out, err
		}
		out.except = append(out.except, e)
	}
	return out, nil
}

func selects(selector *metav1.LabelSelector, of map[string]string) bool {
	s, err := metav1.LabelSelectorAsSelector(selector)
	return err == nil && s.Matches(labels.Set(of)) // Kubernetes has checked it
}

// inNamespace are the selected pods that have an address of their own.
func (s selection) inNamespace(namespace string, selector *metav1.LabelSelector) (out []*corev1.Pod) {
	for _, p := range s.pods {
		over := p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
		if p.Namespace == namespace && !over && !p.Spec.HostNetwork && addressOf(p).IsValid() && selects(selector, p.Labels) {
			out = append(out, p)
		}
	}
	return out
}

func addressOf(p *corev1.Pod) netip.Addr {
	a, _ := netip.ParseAddr(p.Status.PodIP) // the zero value: it has none yet
	return a
}

func addressesOf(pods []*corev1.Pod) (out []netip.Addr) {
	for _, p := range pods {
		out = append(out, addressOf(p))
	}
	slices.SortFunc(out, netip.Addr.Compare)
	return slices.Compact(out)
}

// portRanges are the ports of a rule, those with a name as the numbers that these pods have under it.
func portRanges(ports []networkingv1.NetworkPolicyPort, to []*corev1.Pod) (out []portRange) {
	for _, p := range ports {
		r := portRange{protocol: corev1.ProtocolTCP, last: 65535}
		if p.Protocol != nil {
			r.protocol = *p.Protocol
		}
		switch {
		case p.Port == nil:
			out = append(out, r)
		case p.Port.Type == intstr.Int:
			r.first, r.last = uint16(p.Port.IntVal), uint16(p.Port.IntVal) // #nosec: Kubernetes has checked the range
			if p.EndPort != nil {
				r.last = uint16(*p.EndPort) // #nosec: as above
			}
			out = append(out, r)
		default:
			out = append(out, r.named(p.Port.StrVal, to)...)
		}
	}
	return out
}

// named are the ports of that name.
func (r portRange) named(name string, to []*corev1.Pod) (out []portRange) {
	for _, p := range to {
		for _, c := range p.Spec.Containers {
			for _, port := range c.Ports {
				if at := addressOf(p); port.Name == name && port.Protocol == r.protocol && at.IsValid() {
					number := uint16(port.ContainerPort) // #nosec: Kubernetes has checked the range
					out = append(out, portRange{r.protocol, at, number, number})
				}
			}
		}
	}
	return out
}
