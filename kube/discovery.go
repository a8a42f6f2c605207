package kube

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// discoveryTypes asks for everything of a root in one answer. The second form is that of Kubernetes 1.26 to 1.29.
const discoveryTypes = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList," +
	"application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList"

// apiGroup is what discovery shows of one group of kinds.
type apiGroup struct {
	Metadata struct{ Name string }
	Versions few[struct { // best first
		Version   string
		Freshness string // Current, or Stale when the group's own server does not answer
		Resources few[struct {
			Resource string
			Scope    string // Namespaced | Cluster
			Verbs    few[string]
		}]
	}]
}

// The bounds of discovery. Clusters with many extensions have some hundred groups and a thousand kinds.
const (
	maxGroups         = 2000
	maxKinds          = 5000
	maxDiscoveryBytes = 16 << 20
)

// kind is a kind of object that a namespace can hold.
type kind struct {
	resource
	group     string
	countable bool // by a quota: what can be listed, watched, created and deleted
}

// qualified is how quotas and roles name the kind: "widgets.example.com".
func (k kind) qualified() string { return strings.TrimSuffix(k.name+"."+k.group, ".") }

// kinds lists the resources that a namespace can hold, each once and in its best version; and the groups whose server does
// not answer.
func (c *Conn) kinds(ctx context.Context) (kinds []kind, stale tally, err error) {
	for _, root := range []string{"/api", "/apis"} {
		l := listing{call: call{path: root, what: "groups of kinds", accept: discoveryTypes}, items: maxGroups, pages: 1,
			bytes: maxDiscoveryBytes}
		_, err := list(ctx, c, l, func(g *apiGroup) error {
			if kinds = append(kinds, g.listable(root, &stale)...); len(kinds) > maxKinds {
				return nonsense("the cluster has more than %d kinds of objects", maxKinds)
			}
			return nil
		})
		if _, odd := errors.AsType[*notKubernetes](err); odd {
			return nil, stale, fmt.Errorf("the cluster does not list its kinds of objects (Kubernetes 1.26 or newer can): %w", err)
		}
		if err != nil {
			return nil, stale, err
		}
	}
	return kinds, stale, nil
}

func (g *apiGroup) listable(root string, stale *tally) (kinds []kind) {
	seen := map[string]bool{}
	for _, v := range g.Versions {
		if v.Freshness == "Stale" {
			stale.add(g.Metadata.Name + "/" + v.Version)
		}
		path := strings.Trim(g.Metadata.Name+"/"+v.Version, "/")
		for _, r := range v.Resources {
			can := func(verb string) bool { return slices.Contains(r.Verbs, verb) }
			if r.Scope != "Namespaced" || seen[r.Resource] || kubernetesOwn[r.Resource] || !can("list") || !can("delete") || len(r.Resource) > 253 {
				continue
			}
			seen[r.Resource] = true
			kinds = append(kinds, kind{resource{root + "/" + path, r.Resource}, g.Metadata.Name, can("create") && can("watch")})
		}
	}
	return kinds
}

// tally names the first ones of many, and counts the rest: a cluster can have any number.
type tally struct {
	first []string
	n     int
}

func (t *tally) add(name string) {
	if t.n++; len(t.first) < 10 {
		t.first = append(t.first, cut(name, maxSentence))
	}
}

func (t *tally) String() string {
	s := strings.Join(t.first, ", ")
	if more := t.n - len(t.first); more > 0 {
		return fmt.Sprintf("%s and %d more", s, more)
	}
	return s
}
