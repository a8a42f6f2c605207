package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

// balancers give each Service of type LoadBalancer an address of this machine's loopback, at which it answers.
type balancers struct {
	*outlets
	client *kubernetes.Clientset

	mu   sync.Mutex
	open map[string]*balancer // by namespace/name
}

// balancer is the listeners of one Service.
type balancer struct {
	spec      string // of the Service, as far as it matters here
	address   string
	listeners []io.Closer
}

// balancerRetry is when a Service whose ports somebody else has is tried again.
const balancerRetry = 5 * time.Second

// portsAnnotation says where the ports answer when not at their own number: "80=8080".
const portsAnnotation = "berth.dev/ports"

// startBalancers follows the Services of the cluster.
func startBalancers(ctx context.Context, client *kubernetes.Clientset, informer cache.SharedIndexInformer, o *outlets) error {
	b := &balancers{outlets: o, client: client, open: map[string]*balancer{}}
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { b.fit(ctx, o.(*corev1.Service)) },
		UpdateFunc: func(_, o any) { b.fit(ctx, o.(*corev1.Service)) },
		DeleteFunc: func(o any) {
			if gone, ok := o.(cache.DeletedFinalStateUnknown); ok {
				o = gone.Obj
			}
			if s, ok := o.(*corev1.Service); ok {
				b.close(s.Namespace + "/" + s.Name)
			}
		},
	})
	return err
}

// fit opens, replaces or closes the listeners of a Service, and writes its address into its status.
func (b *balancers) fit(ctx context.Context, s *corev1.Service) {
	b.mu.Lock()
	defer b.mu.Unlock()
	key := s.Namespace + "/" + s.Name
	if s.Spec.Type != corev1.ServiceTypeLoadBalancer || s.Spec.LoadBalancerClass != nil || s.DeletionTimestamp != nil {
		b.end(key)
		return
	}
	spec := s.Spec.ClusterIP
	for _, p := range s.Spec.Ports {
		spec += fmt.Sprintf(" %s/%d", p.Protocol, p.Port)
	}
	if now := b.open[key]; now == nil || now.spec != spec {
		b.end(key)
		one, moved, err := b.listen(s)
		if err != nil {
			b.events.Eventf(s, corev1.EventTypeWarning, notAnswering,
				"The load balancer does not answer on this machine yet, and is tried again: %v", err)
			b.again(ctx, s)
			b.publish(ctx, s, "") // somebody else may answer there
			return
		}
		one.spec = spec
		b.open[key] = one
		if err := b.annotate(ctx, s, moved); err != nil {
			fmt.Fprintf(os.Stderr, "load balancer %s: %v\n", key, err)
		}
	}
	b.publish(ctx, s, b.open[key].address)
}

// publish writes the address into the status of a Service; empty for none.
func (b *balancers) publish(ctx context.Context, s *corev1.Service, address string) {
	var ingress []corev1.LoadBalancerIngress
	if address != "" {
		ingress = []corev1.LoadBalancerIngress{{IP: address}}
	}
	if i := s.Status.LoadBalancer.Ingress; len(i) == len(ingress) && (len(i) == 0 || i[0].IP == address) {
		return
	}
	s = s.DeepCopy()
	s.Status.LoadBalancer.Ingress = ingress
	_, err := b.client.CoreV1().Services(s.Namespace).UpdateStatus(ctx, s, metav1.UpdateOptions{})
	if err != nil && !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) { // the next change tries again
		fmt.Fprintf(os.Stderr, "load balancer %s/%s: %v\n", s.Namespace, s.Name, err)
	}
}

// again tries a Service once more, a while later.
func (b *balancers) again(ctx context.Context, s *corev1.Service) {
	time.AfterFunc(balancerRetry, func() {
		now, err := b.client.CoreV1().Services(s.Namespace).Get(ctx, s.Name, metav1.GetOptions{})
		if err == nil && ctx.Err() == nil {
			b.fit(ctx, now)
		}
	})
}

func (b *balancers) close(key string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.end(key)
}

// end closes the listeners of a Service. b.mu is held.
func (b *balancers) end(key string) {
	if one := b.open[key]; one != nil {
		for _, l := range one.listeners {
			_ = l.Close()
		}
		delete(b.open, key)
	}
}

// listen takes the ports of a Service on its own loopback address. moved are the ports that answer elsewhere.
func (b *balancers) listen(s *corev1.Service) (one *balancer, moved string, err error) {
	one = &balancer{address: b.loopback(s.UID)}
	for _, p := range s.Spec.Ports {
		if p.Protocol == corev1.ProtocolSCTP {
			b.events.Eventf(s, corev1.EventTypeWarning, notAnswering,
				"The port %d/SCTP does not answer on this machine: only TCP and UDP do.", p.Port)
			continue
		}
		l, port, err := b.answer(p.Protocol, one.address, p.Port, net.JoinHostPort(s.Spec.ClusterIP, strconv.Itoa(int(p.Port))))
		if err != nil {
			for _, open := range one.listeners {
				_ = open.Close()
			}
			return nil, "", err
		}
		if pair := fmt.Sprintf("%d=%d ", p.Port, port); port != p.Port && !strings.Contains(moved, pair) { // of TCP and UDP once
			moved += pair
		}
		one.listeners = append(one.listeners, l)
	}
	return one, moved, nil
}

// annotate says at the Service which ports have moved.
func (b *balancers) annotate(ctx context.Context, s *corev1.Service, moved string) error {
	if s.Annotations[portsAnnotation] == moved {
		return nil
	}
	patch := fmt.Appendf(nil, `{"metadata":{"annotations":{%q:%q}}}`, portsAnnotation, moved)
	_, err := b.client.CoreV1().Services(s.Namespace).Patch(ctx, s.Name, "application/merge-patch+json", patch, metav1.PatchOptions{})
	return err
}
