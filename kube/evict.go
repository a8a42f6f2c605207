package kube

import (
	"context"
	"encoding/json"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Evict takes out what an owner has put into the cluster, its ownership record last: its account goes, and its tokens with it.
// It is what a take-over begins with; Detach is for one's own. What had to stay is told in sentences.
func (c *Conn) Evict(ctx context.Context, owner Owner) (left []string, err error) {
	accounts, err := c.marked(ctx, serviceAccounts)
	if err != nil {
		return nil, err
	}
	for _, o := range accounts {
		a := Attachment{Namespace: o.Namespace, ComputeID: owner.ComputeID, Server: owner.Server}
		if o.Name != accountName || !a.isOwn(&o) {
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

// marked lists all objects of a kind that some Berth made.
func (c *Conn) marked(ctx context.Context, r resource) ([]metav1.ObjectMeta, error) {
	text, err := c.request("GET", r.in("", "")).Param("labelSelector", labelManaged+"=berth").
		SetHeader("Accept", "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1").DoRaw(ctx)
	if err != nil {
		return nil, err
	}
	var list struct {
		Items []struct{ Metadata metav1.ObjectMeta }
	}
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, err
	}
	var out []metav1.ObjectMeta
	for _, o := range list.Items {
		if !strings.HasPrefix(o.Metadata.Namespace, "kube-") {
			out = append(out, o.Metadata)
		}
	}
	return out, nil
}

// EvictConnection takes out another connection's account, with all its rights.
func (c *Conn) EvictConnection(ctx context.Context) error {
	return c.remove(ctx, namespaces.in("", ConnectionNamespace), "")
}
