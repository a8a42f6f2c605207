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

// Load is what the pods of a node have asked for.
type Load struct{ Pods, MilliCPUs, MemoryMiB int }

// Loads is what is asked of each node, by its name. whole is false when there are more pods than are looked through.
func (c *Conn) Loads(ctx context.Context) (loads map[string]Load, whole bool, err error) {
	var list corev1.PodList
	if err := c.request("GET", pods.in("", "")).Param("limit", manyPods).Do(ctx).Into(&list); err != nil {
		return nil, false, err
	}
	loads = map[string]Load{}
	for i := range list.Items {
		p := &list.Items[i]
		if p.Spec.NodeName == "" || p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed {
			continue
		}
		l := loads[p.Spec.NodeName]
		l.Pods++
		for _, container := range p.Spec.Containers {
			l.MilliCPUs += int(container.Resources.Requests.Cpu().MilliValue())
			l.MemoryMiB += int(container.Resources.Requests.Memory().Value() >> 20)
		}
		loads[p.Spec.NodeName] = l
	}
	return loads, list.Continue == "", nil
}
