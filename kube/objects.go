package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var (
	persistentClaims = resource{"/api/v1", "persistentvolumeclaims"}
	replicaSets      = resource{"/apis/apps/v1", "replicasets"}
	networkPolicies  = resource{"/apis/networking.k8s.io/v1", "networkpolicies"}
	storageClasses   = resource{"/apis/storage.k8s.io/v1", "storageclasses"}
)

// applied are the kinds of whole objects that serving works with.
var applied = map[string]resource{
	"ConfigMap": configMaps, "Deployment": deployments, "Job": jobs, "Namespace": namespaces, "NetworkPolicy": networkPolicies,
	"PersistentVolumeClaim": persistentClaims, "ReplicaSet": replicaSets, "Role": roles, "RoleBinding": bindings, "Secret": secrets,
	"Service": services, "ServiceAccount": serviceAccounts, "StorageClass": storageClasses,
}

// Ref names an object of one of those kinds. Namespace and name are empty where there is none.
type Ref struct{ Kind, Namespace, Name string }

func (r Ref) place() place { return applied[r.Kind].in(r.Namespace, r.Name) }

func (r Ref) String() string {
	return strings.Trim(strings.ToLower(r.Kind)+" "+r.Namespace+"/"+r.Name, "/")
}

// Object is an object as JSON has it.
type Object = map[string]any

// Meta is what is read of any object's metadata.
type Meta struct {
	Name, Namespace, UID, CreationTimestamp, DeletionTimestamp string

	Generation          int64
	Labels, Annotations map[string]string
}

// Ours reports whether Berth has created the object.
func (m Meta) Ours() bool { return m.Labels[labelManaged] == "berth" }

// Created is when the object was created, by the clock of the cluster.
func (m Meta) Created() time.Time { return moment(m.CreationTimestamp) }

// fieldManager is who owns the fields of objects that Berth applies.
const fieldManager = "berth"

// Apply makes an object what it is to be (server-side apply): it is created, or the fields that Berth has ever set are made these. What
// others have set stays. The object is marked as Berth's.
func (c *Conn) Apply(ctx context.Context, r Ref, o Object, into any) error {
	p := r.place()
	whole := Object{}
	for key, value := range o {
		whole[key] = value
	}
	meta := Object{"name": r.Name}
	if r.Namespace != "" {
		meta["namespace"] = r.Namespace
	}
	labels := map[string]string{}
	if given, ok := o["metadata"].(Object); ok {
		for key, value := range given {
			meta[key] = value
		}
		if own, ok := given["labels"].(map[string]string); ok {
			labels = merged(own, nil)
		}
	}
	labels[labelManaged] = "berth"
	meta["labels"] = labels
	whole["metadata"] = meta
	whole["kind"] = r.Kind
	whole["apiVersion"] = strings.TrimPrefix(strings.TrimPrefix(p.root, "/apis/"), "/api/")
	l := p.call(http.MethodPatch)
	l.query = url.Values{"fieldManager": {fieldManager}, "force": {"true"}}
	l.contentType = "application/apply-patch+yaml" // JSON is YAML
	if err := c.send(ctx, l, whole, into); err != nil {
		return fmt.Errorf("the %s could not be applied: %w", r, err)
	}
	return nil
}

// Read reads an object; found is false when there is none.
func (c *Conn) Read(ctx context.Context, r Ref, into any) (found bool, err error) {
	err = c.get(ctx, r.place(), into)
	return err == nil, ignoreNotFound(err)
}

// Annotate writes annotations, and no other part of an object. One that does not exist counts as annotated.
func (c *Conn) Annotate(ctx context.Context, r Ref, annotations map[string]string) error {
	l := r.place().call(http.MethodPatch)
	l.contentType = typeMergePatch
	return ignoreNotFound(c.send(ctx, l, Object{"metadata": Object{"annotations": annotations}}, nil))
}

// Delete deletes an object and, in the background, what belongs to it. One that does not exist counts as deleted.
func (c *Conn) Delete(ctx context.Context, r Ref) error {
	background := metav1.DeletePropagationBackground
	o := &metav1.DeleteOptions{PropagationPolicy: &background}
	o.Kind, o.APIVersion = "DeleteOptions", "v1"
	return ignoreNotFound(c.send(ctx, r.place().call(http.MethodDelete), o, nil))
}

// Bounds of a list of objects of one deployment, workspace or cluster.
const (
	mostObjects     = 2000
	maxObjectsBytes = 32 << 20
)

// Objects lists the objects of a kind with these labels; in all namespaces when none is named.
func Objects[T any](ctx context.Context, c *Conn, r Ref, selector string) (out []T, err error) {
	l := listing{call: r.place().call(http.MethodGet), page: 250, items: mostObjects, pages: mostObjects / 100, bytes: maxObjectsBytes}
	if selector != "" {
		l.query = url.Values{"labelSelector": {selector}}
	}
	_, err = list(ctx, c, l, func(o *T) error {
		out = append(out, *o)
		return nil
	})
	return out, err
}

// Proxied is a request to a Service, or to a Pod, through the API server.
type Proxied struct {
	Namespace, Service, Port string // the port by its name
	Pod                      string // instead of Service, in local clusters only; Port is a number then
	Method, Path             string
	Query                    url.Values
	Header                   http.Header
	Body                     io.Reader
	Size                     int64         // of the body
	Timeout                  time.Duration // of all of it
	Most                     int64         // bytes of the answer that are read
}

// Proxy sends a request to a Service or a Pod. A status of 300 and more is an error.
func (c *Conn) Proxy(ctx context.Context, p Proxied) (answer []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, p.Timeout)
	defer cancel()
	l := services.in(p.Namespace, p.Service+":"+p.Port).call(p.Method, "proxy"+p.Path)
	if p.Pod != "" {
		l = pods.in(p.Namespace, p.Pod+":"+p.Port).call(p.Method, "proxy"+p.Path)
	}
	l.query = p.Query
	r, err := c.request(ctx, l)
	if err != nil {
		return nil, err
	}
	for name, values := range p.Header {
		r.Header[name] = values
	}
	if p.Body != nil {
		r.Body, r.ContentLength = io.NopCloser(p.Body), p.Size
		r.GetBody = nil
		r.Header.Set("Content-Type", "application/octet-stream")
	}
	got, err := c.http.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = got.Body.Close() }()
	if got.StatusCode > 299 {
		return nil, refusal(got, l)
	}
	text, err := io.ReadAll(io.LimitReader(got.Body, p.Most+1))
	switch {
	case err != nil:
		return nil, &brokenOff{err}
	case int64(len(text)) > p.Most:
		return nil, nonsense("the service %s sent more than %s", p.Service, size(p.Most))
	}
	return text, nil
}

// JSON is the text of an object that holds nothing but maps, lists and plain values.
func JSON(o any) string {
	text, _ := json.Marshal(o)
	return string(text)
}
