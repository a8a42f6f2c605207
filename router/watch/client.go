package watch

import (
	"context"
	"fmt"
	"math"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

// client knows the three API groups that a router reads, and no others: the typed clients of client-go would bring all of them.
type client struct{ core, discovery, apps *group }

// group is the client of one API group.
type group struct{ *rest.RESTClient }

func newClient(c *rest.Config) (*client, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, discoveryv1.AddToScheme, appsv1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, err
		}
	}
	c = rest.CopyConfig(c)
	c.UserAgent = "berth-fe"
	c.QPS, c.Burst = 50, 100
	c.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	httpClient, err := rest.HTTPClientFor(c)
	if err != nil {
		return nil, err
	}
	out := &client{}
	for _, g := range []struct {
		into    **group
		version schema.GroupVersion
		path    string
	}{
		{&out.core, corev1.SchemeGroupVersion, "/api"}, {&out.discovery, discoveryv1.SchemeGroupVersion, "/apis"},
		{&out.apps, appsv1.SchemeGroupVersion, "/apis"},
	} {
		own := rest.CopyConfig(c)
		own.GroupVersion, own.APIPath = &g.version, g.path
		r, err := rest.RESTClientForConfigAndClient(own, httpClient)
		if err != nil {
			return nil, err
		}
		*g.into = &group{r}
	}
	return out, nil
}

// follow lists and watches objects until the context ends, and tells the keeper.
func (g *group) follow(ctx context.Context, namespace, resource string, which fields.Selector, into cache.ReflectorStore) {
	lw := cache.NewListWatchFromClient(g, resource, namespace, which)
	backoff := &wait.Backoff{Duration: retryFirst, Factor: 2, Jitter: 0.5, Cap: retryMost, Steps: math.MaxInt32}
	var example any
	switch resource {
	case "secrets":
		example = &corev1.Secret{}
	case "deployments":
		example = &appsv1.Deployment{}
	default:
		example = &discoveryv1.EndpointSlice{}
	}
	cache.NewReflectorWithOptions(lw, example, into, cache.ReflectorOptions{Name: resource, Backoff: backoff}).RunWithContext(ctx)
}

func (c *client) scale(ctx context.Context, n named, replicas int) error {
	body := fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, replicas)
	return c.apps.Patch(types.MergePatchType).Namespace(n.namespace).Resource("deployments").Name(n.name).SubResource("scale").
		Body(body).Do(ctx).Error()
}

// keeper passes on what a reflector finds, one object after the other.
type keeper[T metav1.Object] struct {
	known   map[string]bool
	changed func(name string, object T)
	removed func(name string) // may be nil: the last one counts
	listed  func()            // may be nil; called when the whole list is known
}

// Add is part of cache.ReflectorStore.
func (k *keeper[T]) Add(object any) error {
	o, ok := object.(T)
	if !ok {
		return fmt.Errorf("the API server sent a %T", object)
	}
	if k.known == nil {
		k.known = map[string]bool{}
	}
	k.known[o.GetName()] = true
	k.changed(o.GetName(), o)
	return nil
}

// Update is part of cache.ReflectorStore.
func (k *keeper[T]) Update(object any) error { return k.Add(object) }

// Delete is part of cache.ReflectorStore.
func (k *keeper[T]) Delete(object any) error {
	o, ok := object.(T)
	if !ok {
		return fmt.Errorf("the API server sent a %T", object)
	}
	k.forget(o.GetName())
	return nil
}

func (k *keeper[T]) forget(name string) {
	delete(k.known, name)
	if k.removed != nil {
		k.removed(name)
	}
}

// Replace is part of cache.ReflectorStore.
func (k *keeper[T]) Replace(objects []any, _ string) error {
	there := make(map[string]bool, len(objects))
	for _, object := range objects {
		if o, ok := object.(T); ok {
			there[o.GetName()] = true
		}
	}
	for _, object := range objects {
		if err := k.Add(object); err != nil {
			return err
		}
	}
	for name := range k.known {
		if !there[name] {
			k.forget(name)
		}
	}
	if k.listed != nil {
		k.listed()
	}
	return nil
}

// Resync is part of cache.ReflectorStore.
func (k *keeper[T]) Resync() error { return nil }
