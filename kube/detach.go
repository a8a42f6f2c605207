package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// Detach takes away exactly what Attach and Claim put in for this attachment, and nothing of anybody else's. The
// namespace goes only when it is marked as made for it and nothing of the user's is in it; what stays is told in sentences. It may be
// repeated, and begun anew where it broke off.
func (c *Conn) Detach(ctx context.Context, a Attachment) (left []string, err error) {
	for _, t := range slices.Backward(a.things()) {
		note, err := c.takeOut(ctx, a, t)
		if err != nil {
			return nil, err
		}
		if note != "" {
			left = append(left, note)
		}
	}
	note, err := c.leaveNamespace(ctx, a)
	if err != nil {
		return nil, err
	}
	if note != "" {
		left = append(left, note)
	}
	// Last: until here the cluster is ours, and whoever comes next finds it clean.
	return left, c.dropOwnership(ctx, func(o Owner) bool {
		return strings.EqualFold(o.ComputeID, a.ComputeID) && (a.Server == "" || o.Server == a.Server)
	})
}

// takeOut removes a thing that is marked as this attachment's. One by the same name that is not stays; when it is
// someone's own and not another compute's, that is told.
func (c *Conn) takeOut(ctx context.Context, a Attachment, t thing) (note string, err error) {
	have := t.blank()
	err = c.get(ctx, t.place, have)
	switch {
	case apierrors.IsNotFound(err):
		return "", nil
	case err != nil:
		return "", err
	case a.isOwn(have):
		if err := c.remove(ctx, t.place, have.GetUID()); err != nil {
			return "", fmt.Errorf("the %s '%s' could not be removed: %w", t.what, t.place.name, err)
		}
		return "", nil
	case byBerth(have):
		return "", nil
	}
	return fmt.Sprintf("The %s '%s'%s was kept, because Berth did not make it.", t.what, t.place.name, t.where()), nil
}

func (c *Conn) leaveNamespace(ctx context.Context, a Attachment) (note string, err error) {
	place := namespaces.in("", a.Namespace)
	var ns corev1.Namespace
	if err := c.get(ctx, place, &ns); err != nil {
		return "", ignoreNotFound(err)
	}
	if !a.isOwn(&ns) || ns.DeletionTimestamp != nil {
		return "", c.dropCount(ctx, a)
	}
	theirs, unseen, err := c.contents(ctx, a.Namespace)
	if err == nil && len(theirs)+len(unseen) > 0 {
		err = c.dropCount(ctx, a)
	}
	switch {
	case err != nil:
		return "", err
	case len(theirs) > 0:
		return fmt.Sprintf("The namespace '%s' was kept, because it holds things that Berth did not put there: %s.", a.Namespace, few(theirs)), nil
	case len(unseen) > 0:
		return fmt.Sprintf("The namespace '%s' was kept, because the cluster could not say whether it holds anything of these kinds: %s.", a.Namespace, few(unseen)), nil
	}
	if err := c.remove(ctx, place, ns.UID); err != nil {
		return "", fmt.Errorf("the namespace '%s' could not be removed: %w", a.Namespace, err)
	}
	return "", nil
}

// few names the first ones of many.
func few(names []string) string {
	const most = 10
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// kubernetesOwn are resources, or single objects, that Kubernetes itself puts into namespaces: traces, not work.
var kubernetesOwn = map[string]bool{
	"events": true, "endpoints": true, "endpointslices": true, "leases": true, "controllerrevisions": true,
	"configmaps/kube-root-ca.crt": true, "serviceaccounts/default": true, "resourcequotas/" + countName: true,
}

// contents lists what is in a namespace besides what Kubernetes puts into every one: "pods/web-1". Kinds that the
// cluster could not list are unseen.
func (c *Conn) contents(ctx context.Context, namespace string) (theirs, unseen []string, err error) {
	kinds, unseen, err := c.kinds(ctx)
	if err != nil {
		return nil, nil, err
	}
	for _, k := range kinds {
		names, err := c.names(ctx, k.in(namespace, ""))
		switch {
		case apierrors.IsNotFound(err) || apierrors.IsMethodNotSupported(err): // removed since discovery
		case err != nil && Unreachable(err) && strings.Count(k.root, ".") > 0: // an extension's own server is down
			unseen = append(unseen, k.name)
		case apierrors.IsForbidden(err) && k.name == "secrets": // a connection has few rights, and none on these
			if n, known := c.secrets(ctx, namespace); known && n > 0 {
				theirs = append(theirs, fmt.Sprintf("secrets (%d)", n))
			} else if !known {
				unseen = append(unseen, k.name)
			}
		case apierrors.IsForbidden(err):
			unseen = append(unseen, k.name)
		case err != nil:
			return nil, nil, fmt.Errorf("the %s in the namespace '%s' could not be listed: %w", k.name, namespace, err)
		}
		for _, name := range names {
			if key := k.name + "/" + name; !kubernetesOwn[key] {
				theirs = append(theirs, key)
			}
		}
	}
	return theirs, unseen, nil
}

// names lists the objects of one resource.
func (c *Conn) names(ctx context.Context, p place) ([]string, error) {
	text, err := c.request("GET", p).Param("limit", "50").SetHeader("Accept", "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1").DoRaw(ctx)
	if err != nil {
		return nil, err
	}
	var list struct {
		Items []struct {
			Metadata struct{ Name string }
		}
	}
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, fmt.Errorf("the cluster's list of %s is not JSON", p.resource.name)
	}
	var names []string
	for _, o := range list.Items {
		names = append(names, o.Metadata.Name)
	}
	return names, nil
}
