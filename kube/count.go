package kube

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	quantity "k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// countName is a quota that forbids nothing. It shows how many objects of a kind a namespace holds to an account that may not
// list them: secrets, because a list shows what is in them, and custom resources, which no role can name beforehand. A detach
// creates it when it begins: Kubernetes counts what exists when a quota is created, and misses what is created at that moment.
const countName = "berth-count"

// annotationCounting marks a quota that a detach has created; earlier versions of Berth created one at the attach.
const annotationCounting = "berth.dev/counting"

// ErrCounting means that the cluster is counting the objects of a namespace, which takes a few seconds, and up to a minute for
// a kind that is new. Ask again.
var ErrCounting = errors.New("the cluster is still counting what is in the namespace")

// countKey is how a quota names a kind ("Object count quota" in Kubernetes' documentation).
func (k kind) countKey() string { return "count/" + k.qualified() }

// count reads how many objects there are of kinds, by countKey. A kind that the quota does not name yet is added, and one
// that Kubernetes has not counted yet is missing. The quota is created again then, so that no role must permit updates.
func (c *Conn) count(ctx context.Context, a Attachment, kinds []kind) (used map[string]string, err error) {
	p := resourceQuotas.in(a.Namespace, countName)
	var have struct {
		stored
		Spec struct{ Hard map[string]string }
	}
	if err := c.get(ctx, p, &have); ignoreNotFound(err) != nil {
		return nil, err
	}
	hard := corev1.ResourceList{}
	missing := have.Metadata.Annotations[annotationCounting] == ""
	for _, k := range kinds {
		hard[corev1.ResourceName(k.countKey())] = *quantity.NewQuantity(1_000_000, quantity.DecimalSI)
		_, named := have.Spec.Hard[k.countKey()]
		_, seen := have.Status.Hard[k.countKey()]
		_, counted := have.Status.Used[k.countKey()]
		missing = missing || !named || seen && !counted // Kubernetes did not know the kind yet, and counts for new quotas only
	}
	if !missing {
		return merged(map[string]string{}, have.Status.Used), nil // empty until Kubernetes has counted
	}
	if have.Metadata.UID != "" {
		if !a.isOwn(have.Metadata) {
			return nil, nil // a quota that is not Berth's: nothing can be counted
		}
		if err := c.remove(ctx, p, have.Metadata.UID); err != nil {
			return nil, err
		}
	}
	q := &corev1.ResourceQuota{
		TypeMeta: metav1.TypeMeta{Kind: "ResourceQuota", APIVersion: "v1"}, ObjectMeta: a.meta(countName, a.Namespace),
		Spec: corev1.ResourceQuotaSpec{Hard: hard},
	}
	q.Annotations[annotationCounting] = "true"
	return map[string]string{}, ignoreExists(c.create(ctx, p, q, nil))
}

// counted sorts the kinds that could not be listed by what the quota shows of them. It returns ErrCounting while Kubernetes
// counts, unless the attachment is Hurried.
func (c *Conn) counted(ctx context.Context, a Attachment, hidden []kind, theirs, unseen *tally) error {
	countable := slices.DeleteFunc(slices.Clone(hidden), func(k kind) bool { return !k.countable })
	used := map[string]string{}
	if len(countable) > 0 {
		var err error
		if used, err = c.count(ctx, a, countable); err != nil && !Denied(err) {
			return fmt.Errorf("the objects in the namespace '%s' could not be counted: %w", a.Namespace, err)
		}
	}
	var waiting []string
	for _, k := range hidden {
		text, known := used[k.countKey()]
		n, err := strconv.ParseInt(text, 10, 64)
		switch {
		case known && err == nil && n == 0:
		case known && err == nil:
			theirs.add(fmt.Sprintf("%s (%d)", k.qualified(), n))
		case k.countable && used != nil && !a.Hurried:
			waiting = append(waiting, k.qualified())
		default:
			unseen.add(k.qualified())
		}
	}
	if len(waiting) > 0 && theirs.n == 0 {
		return fmt.Errorf("%w: %s", ErrCounting, cut(strings.Join(waiting[:min(len(waiting), 10)], ", "), maxSentence))
	}
	return nil
}

// dropCount removes the quota from a namespace that stays.
func (c *Conn) dropCount(ctx context.Context, a Attachment) error {
	var q stored
	p := resourceQuotas.in(a.Namespace, countName)
	err := c.get(ctx, p, &q)
	if apierrors.IsNotFound(err) || apierrors.IsForbidden(err) || err == nil && !a.isOwn(q.Metadata) {
		return nil
	}
	if err != nil {
		return err
	}
	return c.remove(ctx, p, q.Metadata.UID)
}
