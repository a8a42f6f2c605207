package kube

import (
	"context"

	corev1 "k8s.io/api/core/v1"
)

// manyPods bounds how many pods are looked through, and fewPods how many are named.
const (
	manyPods = "500"
	fewPods  = 3
)

// ImagesMissing names some pods whose images cannot be pulled: "kube-system/proxy (image)".
func (c *Conn) ImagesMissing(ctx context.Context) (stuck []string, err error) {
	var list corev1.PodList
	if err := c.request("GET", pods.in("", "")).Param("limit", manyPods).Do(ctx).Into(&list); err != nil {
		return nil, err
	}
	for i := range list.Items {
		p := &list.Items[i]
		for _, s := range append(p.Status.InitContainerStatuses, p.Status.ContainerStatuses...) {
			if w := s.State.Waiting; w != nil && (w.Reason == "ImagePullBackOff" || w.Reason == "ErrImagePull") && len(stuck) < fewPods {
				stuck = append(stuck, p.Namespace+"/"+p.Name+" ("+s.Image+")")
				break
			}
		}
	}
	return stuck, nil
}
