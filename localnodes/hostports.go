package main

import (
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	corelisters "k8s.io/client-go/listers/core/v1"
)

// hasHostPorts reports whether an object is a pod with ports at the address of its node. One in the network of the nodes has them by
// itself.
func hasHostPorts(o any) bool {
	pod, is := o.(*corev1.Pod)
	return is && !pod.Spec.HostNetwork && slices.ContainsFunc(containers(pod), func(c corev1.Container) bool {
		return slices.ContainsFunc(c.Ports, func(p corev1.ContainerPort) bool { return p.HostPort != 0 })
	})
}

// containers are those that may stay: of the init containers, some do.
func containers(pod *corev1.Pod) []corev1.Container {
	return slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers)
}

// withHostPorts adds the host ports of the pods that run. Where a node port has the same number, it goes before.
func withHostPorts(ports []port, pods corelisters.PodLister) ([]port, error) {
	all, err := pods.List(labels.Everything())
	if err != nil {
		return nil, err
	}
	for _, p := range all {
		node, nodeErr := netip.ParseAddr(p.Status.HostIP)
		at, err := netip.ParseAddr(p.Status.PodIP)
		if nodeErr != nil || err != nil || !hasHostPorts(p) || p.Status.Phase != corev1.PodRunning {
			continue
		}
		for _, c := range containers(p) {
			for _, cp := range c.Ports {
				if cp.HostPort == 0 || cp.HostIP != "" && cp.HostIP != "0.0.0.0" && cp.HostIP != p.Status.HostIP {
					continue
				}
				to := netip.AddrPortFrom(at, uint16(cp.ContainerPort))                       // #nosec: Kubernetes has checked the range
				one := port{address: node, port: uint16(cp.HostPort), protocol: cp.Protocol} // #nosec: as above
				one.endpoints = []netip.AddrPort{to}
				ports = append(ports, one)
			}
		}
	}
	slices.SortFunc(ports, comparePorts)
	return ports, nil
}
