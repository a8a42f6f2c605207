package kube

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	quantity "k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// countName is a quota that forbids nothing. Who may not list secrets, because a list shows them, can see by it how many
// there are: before a namespace is taken away, that is all there is to know.
const countName = "berth-count"

const countOfSecrets corev1.ResourceName = "count/secrets"

func (c *Conn) ensureCount(ctx context.Context, a Attachment) error {
	q := &corev1.ResourceQuota{
		TypeMeta: metav1.TypeMeta{Kind: "ResourceQuota", APIVersion: "v1"}, ObjectMeta: a.meta(countName, a.Namespace),
		Spec: corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{countOfSecrets: *quantity.NewQuantity(1_000_000, quantity.DecimalSI)}},
	}
	err := c.create(ctx, resourceQuotas.in(a.Namespace, countName), q, nil)
	return ignoreExists(err)
}

// secrets is how many secrets a namespace holds, as far as the quota can say.
func (c *Conn) secrets(ctx context.Context, namespace string) (n int64, known bool) {
	var q corev1.ResourceQuota
	if err := c.get(ctx, resourceQuotas.in(namespace, countName), &q); err != nil {
		return 0, false
	}
	used, known := q.Status.Used[countOfSecrets]
	return used.Value(), known
}

// dropCount removes the quota from a namespace that stays.
func (c *Conn) dropCount(ctx context.Context, a Attachment) error {
	var q corev1.ResourceQuota
	p := resourceQuotas.in(a.Namespace, countName)
	err := c.get(ctx, p, &q)
	if apierrors.IsNotFound(err) || apierrors.IsForbidden(err) || err == nil && !a.isOwn(&q) {
		return nil
	}
	if err != nil {
		return err
	}
	return c.remove(ctx, p, q.UID)
}
