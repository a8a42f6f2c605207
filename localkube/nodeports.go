package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
)

// nodePorts give each real node an address of this machine's loopback, at which its node ports and the host ports of its pods answer. The
// node object has it as its ExternalIP.
type nodePorts struct {
	*outlets
	client   *kubernetes.Clientset
	services corelisters.ServiceLister
	nodes    corelisters.NodeLister
	pods     corelisters.PodLister
	open     map[nodePort]io.Closer
}

// nodePort is one port of one node.
type nodePort struct {
	protocol        corev1.Protocol
	outside, inside string // addresses of the node
	port            int32
}

// startNodePorts follows the nodes, and what has ports at them.
func startNodePorts(ctx context.Context, client *kubernetes.Clientset, factory informers.SharedInformerFactory, o *outlets) error {
	of := factory.Core().V1()
	n := &nodePorts{outlets: o, client: client, services: of.Services().Lister(), nodes: of.Nodes().Lister(), pods: of.Pods().Lister(),
		open: map[nodePort]io.Closer{}}
	changed := make(chan struct{}, 1)
	note := func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
	handler := cache.FilteringResourceEventHandler{FilterFunc: hasPorts, Handler: cache.ResourceEventHandlerFuncs{
		AddFunc: func(any) { note() }, DeleteFunc: func(any) { note() }, UpdateFunc: func(_, _ any) { note() }}}
	for _, i := range []cache.SharedIndexInformer{of.Services().Informer(), of.Nodes().Informer(), of.Pods().Informer()} {
		if _, err := i.AddEventHandler(handler); err != nil {
			return err
		}
	}
	go func() {
		factory.WaitForCacheSync(ctx.Done())
		for {
			select {
			case <-ctx.Done():
				return
			case <-changed:
			}
			if !n.fit(ctx) {
				time.AfterFunc(balancerRetry, note)
			}
		}
	}()
	return nil
}

// hasPorts reports whether a change of an object matters: that of most pods does not.
func hasPorts(o any) bool {
	pod, is := o.(*corev1.Pod)
	return !is || len(pod.Spec.Containers) > 0 // onlyPorts has left out the others
}

// fit opens the ports that are missing and closes those that are too many. It reports whether all answer.
func (n *nodePorts) fit(ctx context.Context) bool {
	want, all := map[nodePort]runtime.Object{}, true
	nodes, _ := n.nodes.List(realNodesSelector) // listers have no errors
	services, _ := n.services.List(labels.Everything())
	pods, _ := n.pods.List(labels.Everything())
	for _, node := range nodes {
		inside, outside := addressOf(node, corev1.NodeInternalIP), n.loopback(node.UID)
		if inside == "" {
			continue
		}
		if err := n.publish(ctx, node, outside); err != nil {
			fmt.Fprintf(os.Stderr, "address of node %s: %v\n", node.Name, err)
			all = false
		}
		at := nodePort{outside: outside, inside: inside}
		for _, s := range services {
			at.ofService(want, s)
		}
		for _, p := range pods {
			if p.Spec.NodeName == node.Name && p.Status.Phase == corev1.PodRunning {
				at.ofPod(want, p)
			}
		}
	}
	for p, l := range n.open {
		if want[p] == nil {
			_ = l.Close()
			delete(n.open, p)
		}
	}
	for p, of := range want {
		if n.open[p] == nil && !n.begin(p, of) {
			all = false
		}
	}
	return all
}

// ofService adds the node ports of a Service.
func (p nodePort) ofService(want map[nodePort]runtime.Object, s *corev1.Service) {
	for _, port := range s.Spec.Ports {
		if port.NodePort != 0 && port.Protocol != corev1.ProtocolSCTP && s.DeletionTimestamp == nil {
			p.protocol, p.port = port.Protocol, port.NodePort
			want[p] = s
		}
	}
}

// ofPod adds the host ports of a pod.
func (p nodePort) ofPod(want map[nodePort]runtime.Object, pod *corev1.Pod) {
	for _, c := range pod.Spec.Containers { // onlyPorts has put all of them there
		for _, port := range c.Ports {
			if port.HostPort != 0 && port.Protocol != corev1.ProtocolSCTP && reaches(port.HostIP, p.inside) {
				p.protocol, p.port = port.Protocol, port.HostPort
				want[p] = pod
			}
		}
	}
}

// reaches reports whether a host port on the address of a pod's choice answers at that of its node.
func reaches(hostIP, node string) bool { return hostIP == "" || hostIP == "0.0.0.0" || hostIP == node }

// begin opens a port, and says at its object what is unusual.
func (n *nodePorts) begin(p nodePort, of runtime.Object) bool {
	l, at, err := n.answer(p.protocol, p.outside, p.port, net.JoinHostPort(p.inside, strconv.Itoa(int(p.port))))
	if err != nil {
		n.events.Eventf(of, corev1.EventTypeWarning, notAnswering, "The port %d/%s of the node %s does not answer on this machine yet, and is "+
			"tried again: %v", p.port, p.protocol, p.inside, err)
		return false
	}
	if at != p.port {
		n.events.Eventf(of, corev1.EventTypeNormal, "Moved", "The port %d/%s of the node %s answers at %s on this machine.", p.port, p.protocol,
			p.inside, net.JoinHostPort(p.outside, strconv.Itoa(int(at))))
	}
	n.open[p] = l
	return true
}

// addressOf is an address of a node; empty when it has none of that kind.
func addressOf(n *corev1.Node, kind corev1.NodeAddressType) string {
	for _, a := range n.Status.Addresses {
		if a.Type == kind {
			return a.Address
		}
	}
	return ""
}

// publish writes the address on this machine into the status of a node. Its kubelet leaves addresses as they are.
func (n *nodePorts) publish(ctx context.Context, node *corev1.Node, outside string) error {
	if addressOf(node, corev1.NodeExternalIP) == outside {
		return nil
	}
	addresses := []corev1.NodeAddress{}
	for _, a := range node.Status.Addresses {
		if a.Type != corev1.NodeExternalIP {
			addresses = append(addresses, a)
		}
	}
	addresses = append(addresses, corev1.NodeAddress{Type: corev1.NodeExternalIP, Address: outside})
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"resourceVersion": node.ResourceVersion},
		"status": map[string]any{"addresses": addresses}})
	if err != nil {
		return err
	}
	_, err = n.client.CoreV1().Nodes().Patch(ctx, node.Name, "application/merge-patch+json", patch, metav1.PatchOptions{}, "status")
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) { // the change that came before tells of itself
		return nil
	}
	return err
}
