package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Detach takes away exactly what Attach and Claim put in for this attachment, and nothing of anybody else's. A namespace
// that Berth made goes only when nothing of the user's is in it; what stays is told in sentences. It may be repeated.
func (c *Conn) Detach(ctx context.Context, a Attachment) (left []string, err error) {
	objects := a.objects()
	for _, o := range slices.Backward(objects) {
		if err := c.removeOwn(ctx, a, o); err != nil {
			return nil, fmt.Errorf("remove %s: %w", o.what, err)
		}
	}
	if left, err = c.leaveNamespace(ctx, a); err != nil {
		return nil, err
	}
	return left, c.release(ctx, a) // last: until here the cluster is ours
}

// removeOwn removes an object that is marked as this attachment's. One by the same name that is not stays.
func (c *Conn) removeOwn(ctx context.Context, a Attachment, o object) error {
	have, err := o.get(ctx, c.client)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if !a.isOwn(have) {
		return nil
	}
	return ignoreNotFound(o.remove(ctx, c.client, sameObject(have)))
}

func (a Attachment) isOwn(o metav1.Object) bool {
	return o.GetLabels()[labelManaged] == "berth" && strings.EqualFold(o.GetAnnotations()[annotationFor], a.ComputeID)
}

// sameObject deletes the object that was looked at, and not one that took its name since.
func sameObject(o metav1.Object) metav1.DeleteOptions {
	uid := o.GetUID()
	return metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid}}
}

func (c *Conn) release(ctx context.Context, a Attachment) error {
	maps := c.client.CoreV1().ConfigMaps(metav1.NamespaceSystem)
	record, err := maps.Get(ctx, recordName, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if !a.isOwn(record) {
		return nil
	}
	return ignoreNotFound(maps.Delete(ctx, recordName, sameObject(record)))
}

func (c *Conn) leaveNamespace(ctx context.Context, a Attachment) ([]string, error) {
	ns, err := c.client.CoreV1().Namespaces().Get(ctx, a.Namespace, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil || !a.isOwn(ns) {
		return nil, err
	}
	theirs, err := c.contents(ctx, a.Namespace)
	if err != nil {
		return nil, err
	}
	if len(theirs) > 0 {
		return []string{fmt.Sprintf("The namespace %s was kept, because it holds things that Berth did not put there: %s.", a.Namespace, strings.Join(theirs, ", "))}, nil
	}
	return nil, ignoreNotFound(c.client.CoreV1().Namespaces().Delete(ctx, a.Namespace, sameObject(ns)))
}

// kubernetesOwn are resources, or single objects, that Kubernetes itself puts into every namespace.
var kubernetesOwn = map[string]bool{
	"events": true, "endpoints": true, "endpointslices": true, "leases": true, "controllerrevisions": true, "localsubjectaccessreviews": true, "bindings": true,
	"configmaps/kube-root-ca.crt": true, "serviceaccounts/default": true, "serviceaccounts/" + accountName: true, "podmetrics": true,
}

// contents lists what is in a namespace besides what Kubernetes puts into every one: "pods/web-1". At most ten.
func (c *Conn) contents(ctx context.Context, namespace string) ([]string, error) {
	lists, err := c.client.Discovery().ServerPreferredNamespacedResources()
	if err != nil && len(lists) == 0 {
		return nil, err
	}
	var out []string
	for _, list := range lists {
		for _, r := range list.APIResources {
			if kubernetesOwn[r.Name] || !slices.Contains(r.Verbs, "list") || !slices.Contains(r.Verbs, "delete") {
				continue
			}
			names, err := c.names(ctx, list.GroupVersion, namespace, r.Name)
			if err != nil {
				return nil, err
			}
			for _, name := range names {
				if key := r.Name + "/" + name; !kubernetesOwn[key] && len(out) < 10 {
					out = append(out, key)
				}
			}
		}
	}
	return out, nil
}

// names lists the objects of one resource.
func (c *Conn) names(ctx context.Context, groupVersion, namespace, resource string) ([]string, error) {
	root := "/apis/" + groupVersion
	if !strings.Contains(groupVersion, "/") {
		root = "/api/" + groupVersion
	}
	text, err := c.client.RESTClient().Get().AbsPath(root, "namespaces", namespace, resource).Param("limit", "20").
		SetHeader("Accept", "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1").DoRaw(ctx)
	if apierrors.IsNotFound(err) || apierrors.IsMethodNotSupported(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var list metav1.PartialObjectMetadataList
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, err
	}
	var names []string
	for _, o := range list.Items {
		names = append(names, o.Name)
	}
	return names, nil
}
