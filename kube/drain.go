package kube

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// maxEvictions is how many pods one call of Drain evicts: a node holds 110 as a rule, 250 at most in AKS.
const maxEvictions = 256

// Drain empties a node as a scale-in does: nothing new is placed there, and each pod is asked to leave by eviction, so that
// disruption budgets are kept. It does not wait: remaining is how many pods are still there, and why names what keeps
// the first pod that may not leave. Pods of daemon sets and ended ones do not count. A node that does not exist is drained.
//
// The order is kubectl drain's and AKS's: cordon, evict, and only then does the caller delete the node.
func (c *Conn) Drain(ctx context.Context, node string) (remaining int, why string, err error) {
	if err := c.cordon(ctx, node); err != nil {
		return 0, "", ignoreNotFound(err)
	}
	var there []pod
	_, err = c.somePods(ctx, url.Values{"fieldSelector": {"spec.nodeName=" + node}}, maxEvictions, func(p *pod) {
		if p.mustLeave() {
			there = append(there, *p)
		}
	})
	if err != nil {
		return 0, "", err
	}
	for i := range there {
		p := &there[i]
		remaining++
		if p.Metadata.DeletionTimestamp != "" {
			continue // is being deleted
		}
		switch err := c.evict(ctx, p); {
		case apierrors.IsTooManyRequests(err):
			if why == "" {
				why = fmt.Sprintf("a disruption budget keeps pod %s/%s", cut(p.Metadata.Namespace, 63), cut(p.Metadata.Name, 253))
			}
		case err != nil:
			return remaining, why, err
		}
	}
	return remaining, why, nil
}

// annotationLeaving distinguishes nodes that Drain has cordoned from those that a user has.
const annotationLeaving = "berth.dev/leaving"

// cordon keeps new pods off a node.
func (c *Conn) cordon(ctx context.Context, node string) error {
	return c.mark(ctx, node, `{"metadata":{"annotations":{"`+annotationLeaving+`":"true"}},"spec":{"unschedulable":true}}`)
}

// Stay reverts Drain: the node accepts pods again. Call it only for a Leaving node: it uncordons any other one, too.
func (c *Conn) Stay(ctx context.Context, node string) error {
	return c.mark(ctx, node, `{"metadata":{"annotations":{"`+annotationLeaving+`":null}},"spec":{"unschedulable":null}}`)
}

func (c *Conn) mark(ctx context.Context, node, patch string) error {
	l := nodes.in("", node).call(http.MethodPatch)
	l.contentType, l.body = typeMergePatch, []byte(patch)
	return c.object(ctx, l, nil)
}

// mustLeave reports whether a pod must leave before its node is deleted.
func (p *pod) mustLeave() bool {
	if p.ended() || p.Metadata.Annotations.Mirror != "" {
		return false
	}
	return !slices.ContainsFunc(p.Metadata.OwnerReferences, func(o struct{ Kind string }) bool { return o.Kind == "DaemonSet" })
}

func (c *Conn) evict(ctx context.Context, p *pod) error {
	uid := types.UID(p.Metadata.UID)
	e := &policyv1.Eviction{
		TypeMeta:      metav1.TypeMeta{APIVersion: "policy/v1", Kind: "Eviction"},
		ObjectMeta:    metav1.ObjectMeta{Name: p.Metadata.Name, Namespace: p.Metadata.Namespace},
		DeleteOptions: &metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid}},
	}
	return ignoreNotFound(c.send(ctx, pods.in(p.Metadata.Namespace, p.Metadata.Name).call(http.MethodPost, "eviction"), e, nil))
}
