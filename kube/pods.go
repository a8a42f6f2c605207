package kube

import (
	"context"
	"net/http"
	"net/url"
)

// The bounds of a list of pods. The text of a pod has up to about 30 kB.
const (
	manyPods    = 500 // that are read; the rest is not asked for
	fewPods     = 3   // that are named
	maxPodBytes = 32 << 20
)

// pod is the part of a pod that Berth reads.
type pod struct {
	Metadata struct {
		Name, Namespace, UID, DeletionTimestamp string

		Annotations struct {
			Mirror string `json:"kubernetes.io/config.mirror"`
		}
		OwnerReferences few[struct{ Kind string }]
	}
	Spec struct {
		NodeName   string
		Containers few[struct {
			Resources struct {
				Requests struct{ CPU, Memory amount }
			}
		}]
	}
	Status struct {
		Phase                                    string
		InitContainerStatuses, ContainerStatuses few[containerStatus]
	}
}

type containerStatus struct {
	Image string
	State struct{ Waiting struct{ Reason string } }
}

// ended reports whether all its containers have ended.
func (p *pod) ended() bool { return p.Status.Phase == "Succeeded" || p.Status.Phase == "Failed" }

// somePods reads the first pods; whole is false when there are more.
func (c *Conn) somePods(ctx context.Context, query url.Values, limit int, each func(*pod)) (whole bool, err error) {
	l := listing{call: pods.in("", "").call(http.MethodGet), page: limit, items: limit, pages: 1, bytes: maxPodBytes}
	l.query = query
	return list(ctx, c, l, func(p *pod) error {
		each(p)
		return nil
	})
}

// ImagesMissing names up to three pods whose images cannot be pulled: "kube-system/proxy (image)".
func (c *Conn) ImagesMissing(ctx context.Context) (stuck []string, err error) {
	_, err = c.somePods(ctx, nil, manyPods, func(p *pod) {
		for _, s := range append(p.Status.InitContainerStatuses, p.Status.ContainerStatuses...) {
			if w := s.State.Waiting.Reason; (w == "ImagePullBackOff" || w == "ErrImagePull") && len(stuck) < fewPods {
				stuck = append(stuck, cut(p.Metadata.Namespace+"/"+p.Metadata.Name, 2*63)+" ("+cut(s.Image, maxSentence)+")")
				break
			}
		}
	})
	return stuck, err
}

// Load is what the pods of a node request together.
type Load struct{ Pods, MilliCPUs, MemoryMiB int }

// Loads returns the load of each node, by the node's name. whole is false when the cluster has more pods than are read (500).
func (c *Conn) Loads(ctx context.Context) (loads map[string]Load, whole bool, err error) {
	loads = map[string]Load{}
	whole, err = c.somePods(ctx, nil, manyPods, func(p *pod) {
		node := cut(p.Spec.NodeName, 253)
		if node == "" || p.ended() {
			return
		}
		l := loads[node]
		l.Pods++
		for _, container := range p.Spec.Containers {
			l.MilliCPUs += container.Resources.Requests.CPU.milli()
			l.MemoryMiB += container.Resources.Requests.Memory.mebi()
		}
		loads[node] = l
	})
	return loads, whole, err
}
