package kube

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"berth.dev/berth"
)

// The marks of every object that Berth creates: that it is Berth's, of which server, and for which compute.
const (
	labelManaged     = "app.kubernetes.io/managed-by"
	annotationFor    = "berth.dev/compute"
	annotationServer = "berth.dev/server"
)

// ErrNamespaceEnding means that the namespace of an earlier attachment is still being deleted: Kubernetes takes about five
// seconds for it. Ask again.
var ErrNamespaceEnding = errors.New("the namespace of an earlier attachment is still being deleted; it can be created again afterwards")

// Attachment names the objects that Berth creates in a cluster for one compute.
type Attachment struct {
	Namespace     string `json:"namespace"`
	ComputeID     string `json:"computeId"`
	WorkspaceName string `json:"workspaceName"`
	ComputeName   string `json:"computeName"`
	// Server is the id of this Berth server. By it, servers that have computes of the same id tell their objects apart; empty
	// compares by the compute's id alone.
	Server string `json:"server,omitempty"`
	// Limited is true when Berth has only the rights of a connection there, which do not let it list secrets.
	Limited bool `json:"limited,omitempty"`
	// Hurried is true when a detach does not wait until everything is counted (ErrCounting): the namespace is kept then, and
	// the note names what was not counted.
	Hurried bool `json:"-"`
}

var notInNames = regexp.MustCompile(`[^a-z0-9-]+`)

// NamespaceName turns a text into a name that Kubernetes accepts: at most 63 lower-case letters, digits and dashes.
func NamespaceName(s string) string {
	s = notInNames.ReplaceAllString(strings.ToLower(s), "-")
	return strings.Trim(s[:min(len(s), 63)], "-")
}

func (a Attachment) meta(name, namespace string) metav1.ObjectMeta {
	m := metav1.ObjectMeta{
		Name: name, Namespace: namespace,
		Labels: map[string]string{labelManaged: "berth"}, Annotations: map[string]string{annotationFor: a.ComputeID},
	}
	for label, value := range map[string]string{"berth.dev/workspace": a.WorkspaceName, "berth.dev/compute": a.ComputeName} {
		if value != "" {
			m.Labels[label] = labelValue(value)
		}
	}
	if a.Server != "" {
		m.Annotations[annotationServer] = a.Server
	}
	return m
}

// isOwn reports whether an object was created for this attachment.
func (a Attachment) isOwn(m metadata) bool {
	server := m.Annotations[annotationServer]
	return m.byBerth() && strings.EqualFold(m.Annotations[annotationFor], a.ComputeID) &&
		(a.Server == "" || server == "" || server == a.Server)
}

func (m metadata) byBerth() bool { return m.Labels[labelManaged] == "berth" }

// Attach creates the namespace, the service account and its rights. Objects that exist already, from an earlier try, are kept
// or corrected. Call TakeOwnership first. CodeConflict when an object of the same name is not Berth's.
func (c *Conn) Attach(ctx context.Context, a Attachment) error {
	owner, err := c.Owner(ctx)
	if err != nil {
		return err
	}
	if owner != nil && !strings.EqualFold(owner.ComputeID, a.ComputeID) {
		return &ConflictError{Owner: *owner}
	}
	if err := c.ensureNamespace(ctx, a); err != nil {
		return err
	}
	for _, t := range a.things() {
		if err := c.put(ctx, a, t); err != nil {
			return err
		}
	}
	if a.Limited {
		return c.dropCount(ctx, a) // of a detach that was interrupted
	}
	return nil
}

// ensureNamespace creates the namespace with a mark, by which Detach recognizes it. A namespace of the user is not marked.
func (c *Conn) ensureNamespace(ctx context.Context, a Attachment) error {
	place := namespaces.in("", a.Namespace)
	var ns stored
	err := c.get(ctx, place, &ns)
	if apierrors.IsNotFound(err) {
		if err := c.create(ctx, place, a.namespace(), nil); ignoreExists(err) != nil {
			return fmt.Errorf("the namespace %s could not be created: %w", a.Namespace, err)
		}
		err = c.get(ctx, place, &ns)
	}
	if err != nil {
		return err
	}
	if ns.ending() {
		return fmt.Errorf("%w: %s", ErrNamespaceEnding, a.Namespace)
	}
	if m := ns.Metadata; m.byBerth() && !a.isOwn(m) { // kept at an earlier compute's detach, because the user had things in it
		mark := a.meta(a.Namespace, "")
		m.Labels, m.Annotations = merged(m.Labels, mark.Labels), merged(m.Annotations, mark.Annotations)
		return c.update(ctx, place, changed{metav1.TypeMeta{Kind: "Namespace", APIVersion: "v1"}, m})
	}
	return nil
}

// changed is an object of which only the metadata is written back; Kubernetes keeps the rest of a namespace as it is.
type changed struct {
	metav1.TypeMeta `json:",inline"`
	Metadata        metadata `json:"metadata"`
}

// namespace is the object by which the attachment's namespace is created.
func (a Attachment) namespace() *corev1.Namespace {
	return &corev1.Namespace{TypeMeta: metav1.TypeMeta{Kind: "Namespace", APIVersion: "v1"}, ObjectMeta: a.meta(a.Namespace, "")}
}

func merged(have, more map[string]string) map[string]string {
	out := maps.Clone(have)
	maps.Copy(out, more)
	return out
}

// put creates a thing, or corrects the one that exists. An object that Berth did not create is never changed.
func (c *Conn) put(ctx context.Context, a Attachment, t thing) error {
	err := c.create(ctx, t.place, t.object, nil)
	if err == nil {
		return nil
	}
	if !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("the %s '%s' could not be created: %w", t.what, t.place.name, err)
	}
	var have stored
	if err := c.get(ctx, t.place, &have); err != nil {
		return err
	}
	if !have.Metadata.byBerth() {
		return berth.Errorf(berth.CodeConflict, "The cluster has a %s '%s'%s that Berth did not create. Rename or remove it, then try again.",
			t.what, t.place.name, t.where())
	}
	if a.isOwn(have.Metadata) && t.grantsAs(&have) {
		return nil
	}
	// Either a user changed it, or it belongs to a compute that was deleted: this compute has the ownership record.
	t.object.SetResourceVersion(have.Metadata.ResourceVersion)
	if err := c.update(ctx, t.place, t.object); err != nil {
		return fmt.Errorf("the %s '%s' could not be corrected: %w", t.what, t.place.name, err)
	}
	return nil
}

func (p place) where() string {
	if p.namespace == "" {
		return ""
	}
	return " in the namespace '" + p.namespace + "'"
}

func ignoreExists(err error) error {
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}
