package watch

import (
	"context"
	"maps"
	"slices"

	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/fields"

	"berth.dev/berth/router"
)

// slices follows the EndpointSlices of a namespace and passes on all those of a Service when one of them changes. A replica that
// moves from one slice to another is in none for a moment; the others are there.
func (w *Watcher) slices(ctx context.Context, namespace string, changed func(service string, all []*discoveryv1.EndpointSlice)) {
	known := map[string]*discoveryv1.EndpointSlice{}
	tell := func(service string) {
		var all []*discoveryv1.EndpointSlice
		for _, name := range slices.Sorted(maps.Keys(known)) {
			if s := known[name]; s.Labels[discoveryv1.LabelServiceName] == service {
				all = append(all, s)
			}
		}
		changed(service, all)
	}
	w.client.discovery.follow(ctx, namespace, "endpointslices", fields.Everything(), &keeper[*discoveryv1.EndpointSlice]{
		changed: func(name string, s *discoveryv1.EndpointSlice) {
			known[name] = s
			tell(s.Labels[discoveryv1.LabelServiceName])
		},
		removed: func(name string) {
			service := known[name].Labels[discoveryv1.LabelServiceName]
			delete(known, name)
			tell(service)
		},
		listed: func() { w.listed(namespace) },
	})
}

// endpoints are the replicas that may get requests: the ready ones, or, when there is none, those that are being ended and still
// serve.
func endpoints(all []*discoveryv1.EndpointSlice) []router.Endpoint {
	var ready, ending []router.Endpoint
	for _, s := range all {
		if s.AddressType == discoveryv1.AddressTypeFQDN {
			continue
		}
		ports := map[string]int{}
		for _, p := range s.Ports {
			if p.Port != nil {
				ports[value(p.Name)] = int(*p.Port)
			}
		}
		for i := range s.Endpoints {
			e := &s.Endpoints[i]
			for _, host := range e.Addresses[:min(1, len(e.Addresses))] {
				switch one := (router.Endpoint{Host: host, Ports: ports}); {
				case e.Conditions.Ready == nil || *e.Conditions.Ready:
					ready = append(ready, one)
				case value(e.Conditions.Serving) && value(e.Conditions.Terminating):
					ending = append(ending, one)
				}
			}
		}
	}
	if len(ready) == 0 {
		return ending
	}
	return ready
}

func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
