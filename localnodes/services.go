package main

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	discoverylisters "k8s.io/client-go/listers/discovery/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

// port is one port of a Service, or a host port of a pod, and where it leads.
type port struct {
	address   netip.Addr // the service's own, or a node's; for a node port the zero value, which stands for every address of the nodes
	port      uint16
	protocol  corev1.Protocol
	sticky    time.Duration // a client stays with one endpoint until it was away for so long; never, when it is 0
	endpoints []netip.AddrPort
}

// settle is how long changes are collected before the rules are written anew: a rollout is many at once.
const settle = 20 * time.Millisecond

// signIn is a client of the cluster with the shared keys of that name.
func signIn(name string) (*kubernetes.Clientset, error) {
	config, err := clientcmd.BuildConfigFromFlags("", filepath.Join(keysDir, name+".kubeconfig"))
	if err != nil {
		return nil, err
	}
	return kubernetes.NewForConfig(config)
}

// keepServices keeps the rules of the kernel in step with the Services of the cluster, and the host ports of its pods.
func keepServices(ctx context.Context, s settings, factory informers.SharedInformerFactory) error {
	services, slices := factory.Core().V1().Services(), factory.Discovery().V1().EndpointSlices()
	pods := factory.Core().V1().Pods()
	changed, note, err := changes(services.Informer(), slices.Informer())
	if err != nil {
		return err
	}
	_, err = pods.Informer().AddEventHandler(cache.FilteringResourceEventHandler{FilterFunc: hasHostPorts,
		Handler: cache.ResourceEventHandlerFuncs{AddFunc: func(any) { note() }, DeleteFunc: func(any) { note() },
			UpdateFunc: func(_, _ any) { note() }}})
	if err != nil {
		return err
	}
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	kernel, err := newRules(s.serviceCIDR)
	if err != nil {
		return err
	}
	var last []port
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
		ports, err := servicePorts(services.Lister(), slices.Lister())
		if err == nil {
			ports, err = withHostPorts(ports, pods.Lister())
		}
		if err == nil {
			err = kernel.write(ports)
		}
		if err == nil {
			err = forgetFlows(last, ports)
			last = ports
		}
		if err != nil { // the next change tries again, and so does the clock
			fmt.Fprintf(os.Stderr, "services: %v\n", err)
			time.AfterFunc(5*time.Second, func() { note() })
		}
		time.Sleep(settle)
	}
}

// servicePorts are the ports that lead somewhere, in an order that does not change by itself.
func servicePorts(services corelisters.ServiceLister, endpointSlices discoverylisters.EndpointSliceLister) ([]port, error) {
	all, err := services.List(labels.Everything())
	if err != nil {
		return nil, err
	}
	var out []port
	for _, s := range all {
		address, err := netip.ParseAddr(s.Spec.ClusterIP)
		if err != nil { // headless, or a name of elsewhere
			continue
		}
		of, err := endpointSlices.EndpointSlices(s.Namespace).List(labels.SelectorFromSet(labels.Set{discoveryv1.LabelServiceName: s.Name}))
		if err != nil {
			return nil, err
		}
		for _, p := range s.Spec.Ports {
			one := port{address: address, port: uint16(p.Port), protocol: p.Protocol, // #nosec: Kubernetes has checked the range
				sticky: stickiness(s), endpoints: endpoints(of, p.Name)}
			if len(one.endpoints) == 0 {
				continue
			}
			out = append(out, one)
			if p.NodePort != 0 {
				one.address, one.port = netip.Addr{}, uint16(p.NodePort) // #nosec: as above
				out = append(out, one)
			}
		}
	}
	slices.SortFunc(out, comparePorts)
	return out, nil
}

func comparePorts(a, b port) int {
	return cmp.Or(a.address.Compare(b.address), cmp.Compare(a.port, b.port), cmp.Compare(a.protocol, b.protocol))
}

// stickiness is how long a client may be away from a Service and still come to the same endpoint.
func stickiness(s *corev1.Service) time.Duration {
	if s.Spec.SessionAffinity != corev1.ServiceAffinityClientIP {
		return 0
	}
	seconds := int32(corev1.DefaultClientIPServiceAffinitySeconds)
	if c := s.Spec.SessionAffinityConfig; c != nil && c.ClientIP != nil && c.ClientIP.TimeoutSeconds != nil {
		seconds = *c.ClientIP.TimeoutSeconds
	}
	return time.Duration(seconds) * time.Second
}

// endpoints are the addresses behind a port: the ready ones, or while there are none, those that still serve as they end.
func endpoints(of []*discoveryv1.EndpointSlice, name string) []netip.AddrPort {
	var ready, ending []netip.AddrPort
	for _, slice := range of {
		for _, p := range slice.Ports {
			if p.Port == nil || p.Name != nil && *p.Name != name || p.Name == nil && name != "" {
				continue
			}
			for _, e := range slice.Endpoints {
				if len(e.Addresses) == 0 {
					continue
				}
				address, err := netip.ParseAddr(e.Addresses[0])
				if err != nil || !address.Is4() {
					continue
				}
				at := netip.AddrPortFrom(address, uint16(*p.Port)) // #nosec: Kubernetes has checked the range
				switch c := e.Conditions; {
				case c.Ready == nil || *c.Ready:
					ready = append(ready, at)
				case c.Serving != nil && *c.Serving:
					ending = append(ending, at)
				}
			}
		}
	}
	if len(ready) == 0 {
		ready = ending
	}
	slices.SortFunc(ready, netip.AddrPort.Compare)
	return slices.Compact(ready)
}
