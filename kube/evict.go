package kube

import (
	"context"
	"net/http"
	"net/url"
	"strings"
)

// Evict removes what the present owner has created in the cluster, its ownership record last: with its account its tokens end.
// A take-over begins with it; a compute removes its own objects by Detach. left names, in sentences, what stays. For hurried see
// Attachment. ErrCounting while the cluster still counts.
func (c *Conn) Evict(ctx context.Context, owner Owner, hurried bool) (left []string, err error) {
	accounts, err := c.marked(ctx, serviceAccounts)
	if err != nil {
		return nil, err
	}
	for _, o := range accounts {
		a := Attachment{Namespace: o.Namespace, ComputeID: owner.ComputeID, Server: owner.Server, Hurried: hurried}
		if o.Name != accountName || !a.isOwn(o) || strings.HasPrefix(o.Namespace, "kube-") {
			continue
		}
		notes, err := c.Detach(ctx, a)
		if err != nil {
			return nil, err
		}
		left = append(left, notes...)
	}
	return left, c.dropOwnership(ctx, func(o Owner) bool { return o == owner })
}

// maxMarked is how many objects of a kind Berth's mark can have in one cluster.
const maxMarked = 1000

// marked lists all objects of a kind that any Berth server created.
func (c *Conn) marked(ctx context.Context, r resource) (out []metadata, err error) {
	l := listing{call: r.in("", "").call(http.MethodGet), page: maxMarked, items: maxMarked, pages: 1, bytes: maxPodBytes}
	l.accept, l.query = metadataOnly, url.Values{"labelSelector": {labelManaged + "=berth"}}
	_, err = list(ctx, c, l, func(o *struct{ Metadata metadata }) error {
		out = append(out, o.Metadata)
		return nil
	})
	return out, err
}

// EvictConnection removes the account of another connection, with all its rights.
func (c *Conn) EvictConnection(ctx context.Context) error {
	return c.remove(ctx, namespaces.in("", ConnectionNamespace), "")
}
