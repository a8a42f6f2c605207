package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"syscall"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/record"
)

// outlets open ports of this machine that lead inside, on addresses of 127.0.0.0/8: those of load balancers (balancer.go) and of nodes
// (nodeports.go).
type outlets struct {
	dir    string // of the cluster
	events record.EventRecorder
	flows  chan struct{} // one element for each client of a UDP port
}

// notAnswering is the reason of an event about a port that was asked for and does not answer on this machine.
const notAnswering = "NotAnswering"

// portOffset is added to a port below 1024 that this user may not listen on.
const portOffset = 8000

// startOutlets follows what has ports that answer on this machine.
func (c *cluster) startOutlets(ctx context.Context, client *kubernetes.Clientset) error {
	events := record.NewBroadcaster(record.WithContext(ctx))
	events.StartRecordingToSink(&typedcorev1.EventSinkImpl{Interface: client.CoreV1().Events("")})
	o := &outlets{dir: c.dir, flows: make(chan struct{}, maxFlows),
		events: events.NewRecorder(scheme.Scheme, corev1.EventSource{Component: "berth-kube"})}
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithTransform(onlyPorts))
	err := errors.Join(startBalancers(ctx, client, factory.Core().V1().Services().Informer(), o), startNodePorts(ctx, client, factory, o))
	factory.Start(ctx.Done())
	return err
}

// onlyPorts leaves out what nobody asks for here: pods are many.
func onlyPorts(o any) (any, error) {
	pod, is := o.(*corev1.Pod)
	if !is {
		return o, nil
	}
	small := &corev1.Pod{TypeMeta: pod.TypeMeta, Spec: corev1.PodSpec{NodeName: pod.Spec.NodeName},
		Status: corev1.PodStatus{Phase: pod.Status.Phase}}
	small.ObjectMeta = metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID, ResourceVersion: pod.ResourceVersion}
	for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) { // of the first, those that stay may have ports
		for _, p := range c.Ports {
			if p.HostPort != 0 {
				small.Spec.Containers = append(small.Spec.Containers, corev1.Container{Ports: c.Ports})
				break
			}
		}
	}
	return small, nil
}

// loopback is the address of an object with ports. On Linux every address in 127.0.0.0/8 is there, so that objects with the same port, and
// clusters, do not meet.
func (o *outlets) loopback(uid types.UID) string {
	sum := sha256.Sum256([]byte(o.dir + "/" + string(uid)))
	return net.IPv4(127, 64+sum[0]%128, sum[1], 1+sum[2]%254).String()
}

// answer lets a port of this machine lead to an address inside, until it is closed. at is which port it is: one below 1024 that this user
// may not have is portOffset more.
func (o *outlets) answer(protocol corev1.Protocol, address string, port int32, inside string) (l io.Closer, at int32, err error) {
	l, err = o.listen(protocol, net.JoinHostPort(address, strconv.Itoa(int(port))), inside)
	if errors.Is(err, syscall.EACCES) {
		port += portOffset
		l, err = o.listen(protocol, net.JoinHostPort(address, strconv.Itoa(int(port))), inside)
	}
	return l, port, err
}

func (o *outlets) listen(protocol corev1.Protocol, at, inside string) (io.Closer, error) {
	switch protocol {
	case corev1.ProtocolTCP:
		l, err := net.Listen("tcp", at)
		if err != nil {
			return nil, err
		}
		go forward(l, func() (net.Conn, error) { return dialInside(inside) })
		return l, nil
	case corev1.ProtocolUDP:
		l, err := net.ListenPacket("udp", at)
		if err != nil {
			return nil, err
		}
		f := &flows{idle: flowIdle, room: o.flows, open: map[netip.AddrPort]net.Conn{},
			dial: func() (net.Conn, error) { return dialDatagrams(inside) }}
		go f.carry(l.(*net.UDPConn))
		return l, nil
	}
	return nil, fmt.Errorf("a port of %s", protocol)
}
