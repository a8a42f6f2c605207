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

// pod is the part of a pod that Berth reads. Environments of containers are not among it.
type pod struct {
	Metadata struct {
		Name, Namespace, UID, DeletionTimestamp, CreationTimestamp string

		Annotations struct {
			Mirror string `json:"kubernetes.io/config.mirror"`
		}
		OwnerReferences few[struct{ Kind string }]
	}
	Spec struct {
		NodeName                   string
		InitContainers, Containers few[container]
	}
	Status struct {
		Phase, Reason, Message                   string
		Conditions                               few[struct{ Type, Status, Reason, Message string }]
		InitContainerStatuses, ContainerStatuses few[containerStatus]
	}
}

type container struct {
	Name, Image, RestartPolicy string
	Resources                  struct {
		Requests, Limits struct{ CPU, Memory amount }
	}
}

type containerStatus struct {
	Name, Image      string
	Ready            bool
	RestartCount     int
	State, LastState containerState
}

// containerState is one of three; the others are nil.
type containerState struct {
	Waiting    *struct{ Reason, Message string }
	Running    *struct{}
	Terminated *termination
}

type termination struct {
	Reason, Message  string
	ExitCode, Signal int
}

// sidecar reports whether an init container runs as long as the pod does.
func (c *container) sidecar() bool { return c.RestartPolicy == "Always" }

// requests is what the scheduler counts: what runs together, or an init container that asks for more.
func (p *pod) requests() (milliCPUs, memoryMiB int) {
	most := [2]int{}
	for _, c := range p.Spec.InitContainers {
		cpu, memory := c.Resources.Requests.CPU.milli(), c.Resources.Requests.Memory.mebi()
		if c.sidecar() {
			milliCPUs, memoryMiB = milliCPUs+cpu, memoryMiB+memory
			continue
		}
		most = [2]int{max(most[0], milliCPUs+cpu), max(most[1], memoryMiB+memory)}
	}
	for _, c := range p.Spec.Containers {
		milliCPUs += c.Resources.Requests.CPU.milli()
		memoryMiB += c.Resources.Requests.Memory.mebi()
	}
	return max(milliCPUs, most[0]), max(memoryMiB, most[1])
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
			w := s.State.Waiting
			if w != nil && (w.Reason == "ImagePullBackOff" || w.Reason == "ErrImagePull") && len(stuck) < fewPods {
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
		cpu, memory := p.requests()
		l.MilliCPUs += cpu
		l.MemoryMiB += memory
		loads[node] = l
	})
	return loads, whole, err
}
