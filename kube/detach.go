package kube

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// Detach removes exactly what Attach and TakeOwnership created for this attachment. The namespace is deleted only when it is
// marked as created for it and holds nothing of the user; left names, in sentences, what stays. Call it again after an error: it
// goes on where it was interrupted. ErrCounting while the cluster still counts what is in the namespace.
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
	// Last: until here the compute holds the cluster, so the next holder finds nothing of this one.
	return left, c.dropOwnership(ctx, func(o Owner) bool {
		return strings.EqualFold(o.ComputeID, a.ComputeID) && (a.Server == "" || o.Server == a.Server)
	})
}

// takeOut removes a thing that is marked as this attachment's. An object of the same name that is not
// stays; note names it when it does not belong to another compute either.
func (c *Conn) takeOut(ctx context.Context, a Attachment, t thing) (note string, err error) {
	var have stored
	err = c.get(ctx, t.place, &have)
	switch {
	case apierrors.IsNotFound(err):
		return "", nil
	case err != nil:
		return "", err
	case a.isOwn(have.Metadata):
		if err := c.remove(ctx, t.place, have.Metadata.UID); err != nil {
			return "", fmt.Errorf("the %s '%s' could not be removed: %w", t.what, t.place.name, err)
		}
		return "", nil
	case have.Metadata.byBerth():
		return "", nil
	}
	return fmt.Sprintf("The %s '%s'%s was kept, because Berth did not make it.", t.what, t.place.name, t.where()), nil
}

func (c *Conn) leaveNamespace(ctx context.Context, a Attachment) (note string, err error) {
	place := namespaces.in("", a.Namespace)
	var ns stored
	if err := c.get(ctx, place, &ns); err != nil {
		return "", ignoreNotFound(err)
	}
	if !a.isOwn(ns.Metadata) || ns.ending() {
		return "", c.dropCount(ctx, a)
	}
	theirs, unseen, err := c.contents(ctx, a)
	if err == nil && theirs.n+unseen.n > 0 {
		err = c.dropCount(ctx, a)
	}
	switch {
	case err != nil:
		return "", err
	case theirs.n > 0:
		return fmt.Sprintf("The namespace '%s' was kept, because it holds objects that Berth did not create: %s.", a.Namespace, theirs), nil
	case unseen.n > 0:
		return fmt.Sprintf("The namespace '%s' was kept, because the cluster did not show whether it holds objects of these kinds: %s.",
			a.Namespace, unseen), nil
	}
	if err := c.remove(ctx, place, ns.Metadata.UID); err != nil {
		return "", fmt.Errorf("the namespace '%s' could not be removed: %w", a.Namespace, err)
	}
	return "", nil
}

// kubernetesOwn are resources, or single objects, that Kubernetes itself puts into namespaces: traces, not work.
var kubernetesOwn = map[string]bool{
	"events": true, "endpoints": true, "endpointslices": true, "leases": true, "controllerrevisions": true,
	"configmaps/kube-root-ca.crt": true, "serviceaccounts/default": true, "resourcequotas/" + countName: true,
}

// contents lists what is in an attachment's namespace besides what Kubernetes puts into every one: "pods/web-1". Kinds that
// Berth may not list are counted by the quota; those that cannot be counted either are unseen.
func (c *Conn) contents(ctx context.Context, a Attachment) (theirs, unseen *tally, err error) {
	ctx, cancel := context.WithTimeout(ctx, max(listTime, c.timeout))
	defer cancel()
	kinds, stale, err := c.kinds(ctx)
	if err != nil {
		return nil, nil, err
	}
	theirs, unseen = &tally{}, &stale
	var hidden []kind
	for _, k := range kinds {
		err := c.names(ctx, k.in(a.Namespace, ""), func(name string) {
			if key := k.name + "/" + name; !kubernetesOwn[key] {
				theirs.add(key)
			}
		})
		switch {
		case err == nil, apierrors.IsNotFound(err), apierrors.IsMethodNotSupported(err): // or removed since discovery
		case apierrors.IsForbidden(err):
			hidden = append(hidden, k)
		case Unreachable(err) && ctx.Err() == nil && k.group != "" && strings.Contains(k.group, "."): // an extension's own server is down
			unseen.add(k.qualified())
		default:
			return nil, nil, fmt.Errorf("the %s in the namespace '%s' could not be listed: %w", k.name, a.Namespace, err)
		}
	}
	if theirs.n == 0 && len(hidden) > 0 {
		err = c.counted(ctx, a, hidden, theirs, unseen)
	}
	return theirs, unseen, err
}

// names lists the first objects of one resource: more are not needed to show what is in a namespace.
func (c *Conn) names(ctx context.Context, p place, each func(string)) error {
	const (
		page      = 50
		most      = 1000
		mostBytes = 32 << 20
	)
	l := listing{call: p.call(http.MethodGet), page: page, items: most, pages: 1, bytes: mostBytes}
	l.accept = metadataOnly
	_, err := list(ctx, c, l, func(o *struct{ Metadata struct{ Name string } }) error {
		each(cut(o.Metadata.Name, 253))
		return nil
	})
	return err
}
