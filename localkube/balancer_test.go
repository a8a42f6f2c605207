package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// balancersAnswer: two Services of type LoadBalancer with the same port answer on this machine, each at its address; without the Service
// nothing listens there.
func balancersAnswer(t *testing.T, r *running) {
	services := r.client().CoreV1().Services("default")
	var at []string
	for _, name := range []string{"first", "second"} {
		s := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeLoadBalancer,
			Selector: map[string]string{"app": "hello"}, Ports: []corev1.ServicePort{{Port: 18080, TargetPort: intstr.FromInt32(8080)}}}}
		if _, err := services.Create(t.Context(), s, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		eventually(t, func(ctx context.Context) error {
			s, err := services.Get(ctx, name, metav1.GetOptions{})
			if err == nil && len(s.Status.LoadBalancer.Ingress) == 0 {
				err = fmt.Errorf("%s has no address", name)
			}
			if err == nil {
				at = append(at, net.JoinHostPort(s.Status.LoadBalancer.Ingress[0].IP, "18080"))
			}
			return err
		})
	}
	if at[0] == at[1] {
		t.Fatalf("both are at %s", at[0])
	}
	for _, address := range at {
		eventually(t, func(ctx context.Context) error { // the rules of the nodes may be a moment late
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/", nil)
			if err != nil {
				return err
			}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				return err
			}
			defer func() { _ = res.Body.Close() }()
			text, err := io.ReadAll(res.Body)
			if err == nil && !strings.HasPrefix(string(text), "Hello from the pod") {
				err = fmt.Errorf("%q", text)
			}
			return err
		})
	}
	if err := services.Delete(t.Context(), "first", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func(context.Context) error {
		c, err := net.Dial("tcp", at[0])
		if err == nil {
			_ = c.Close()
			return fmt.Errorf("%s still answers", at[0])
		}
		return nil
	})
}
