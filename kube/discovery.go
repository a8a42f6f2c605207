package kube

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
)

// discoveryTypes asks for everything of a root in one answer. The second form is that of Kubernetes 1.26 to 1.29.
const discoveryTypes = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList"

type discovered struct {
	Kind  string
	Items []struct {
		Metadata struct{ Name string } // the group
		Versions []struct {            // best first
			Version   string
			Freshness string // Current, or Stale when the group's own server does not answer
			Resources []struct {
				Resource string
				Scope    string // Namespaced | Cluster
				Verbs    []string
			}
		}
	}
}

// kinds lists the resources that a namespace can hold, each once and in its best version; and the groups whose server does
// not answer.
func (c *Conn) kinds(ctx context.Context) (kinds []resource, stale []string, err error) {
	for _, root := range []string{"/api", "/apis"} {
		text, err := c.raw(ctx, root, discoveryTypes)
		if err != nil {
			return nil, nil, err
		}
		var d discovered
		if err := json.Unmarshal(text, &d); err != nil || d.Kind != "APIGroupDiscoveryList" {
			return nil, nil, errors.New("the cluster cannot say which kinds of objects it has; Kubernetes 1.26 or newer can")
		}
		found, old := d.listable(root)
		kinds, stale = append(kinds, found...), append(stale, old...)
	}
	return kinds, stale, nil
}

func (d discovered) listable(root string) (kinds []resource, stale []string) {
	for _, group := range d.Items {
		seen := map[string]bool{}
		for _, v := range group.Versions {
			if v.Freshness == "Stale" {
				stale = append(stale, group.Metadata.Name+"/"+v.Version)
			}
			path := strings.Trim(group.Metadata.Name+"/"+v.Version, "/")
			for _, r := range v.Resources {
				if r.Scope != "Namespaced" || seen[r.Resource] || kubernetesOwn[r.Resource] || !slices.Contains(r.Verbs, "list") || !slices.Contains(r.Verbs, "delete") {
					continue
				}
				seen[r.Resource] = true
				kinds = append(kinds, resource{root + "/" + path, r.Resource})
			}
		}
	}
	return kinds, stale
}
