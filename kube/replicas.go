package kube

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// maxMessage is how much is read of what a container left when it ended. The kubelet keeps 4 kB.
const maxMessage = 4 << 10

// Replica is a pod as its deployment sees it.
type Replica struct {
	Name, Node    string
	Address       string // in the network of pods; empty while it has none
	Hash          string // of the template that it was made by
	Created       time.Time
	Phase         string
	Deleting      bool
	Ready         bool
	Unschedulable string // what the scheduler says, when it has found no node
	Containers    []ContainerState
}

// ContainerState is one container of a replica. A text in it is as the cluster sent it, and is cut only.
type ContainerState struct {
	Name                    string
	Init                    bool
	Running, Ready, Started bool
	Restarts                int
	Waiting, Message        string // the reason, and what it says
	Ended                   *Ending
}

// Ending is how a container ended: the present one, or the one before it.
type Ending struct {
	Reason, Message string
	ExitCode        int
	Before          bool // another was started after it
}

// replica is the part of a pod that is read.
type replica struct {
	Metadata struct {
		Name, CreationTimestamp, DeletionTimestamp string

		Labels map[string]string
	}
	Spec   struct{ NodeName string }
	Status struct {
		Phase, PodIP                             string
		Conditions                               few[struct{ Type, Status, Reason, Message string }]
		InitContainerStatuses, ContainerStatuses few[replicaContainer]
	}
}

type replicaContainer struct {
	Name             string
	Ready            bool
	Started          *bool
	RestartCount     int
	State, LastState containerState
}

// Replicas lists the pods with these labels, the newest first.
func (c *Conn) Replicas(ctx context.Context, namespace, selector string) (out []Replica, err error) {
	l := listing{call: pods.in(namespace, "").call(http.MethodGet), page: manyPods, items: manyPods, pages: 1, bytes: maxPodBytes}
	l.query = url.Values{"labelSelector": {selector}}
	_, err = list(ctx, c, l, func(p *replica) error {
		out = append(out, p.facts())
		return nil
	})
	slices.SortStableFunc(out, func(a, b Replica) int { return cmp.Or(b.Created.Compare(a.Created), cmp.Compare(a.Name, b.Name)) })
	return out, err
}

func (p *replica) facts() Replica {
	out := Replica{
		Name: cut(p.Metadata.Name, maxName), Node: cut(p.Spec.NodeName, maxName), Hash: cut(p.Metadata.Labels["pod-template-hash"], maxWord),
		Address: cut(p.Status.PodIP, maxWord), Created: moment(p.Metadata.CreationTimestamp), Phase: cut(p.Status.Phase, maxWord),
		Deleting: p.Metadata.DeletionTimestamp != "",
	}
	for _, c := range p.Status.Conditions {
		switch {
		case c.Type == "Ready":
			out.Ready = c.Status == "True"
		case c.Type == "PodScheduled" && c.Status == "False":
			out.Unschedulable = shown(cmp.Or(c.Message, c.Reason), maxSentence)
		}
	}
	for _, s := range p.Status.InitContainerStatuses {
		out.Containers = append(out.Containers, s.facts(true))
	}
	for _, s := range p.Status.ContainerStatuses {
		out.Containers = append(out.Containers, s.facts(false))
	}
	return out
}

func (s *replicaContainer) facts(isInit bool) ContainerState {
	out := ContainerState{
		Name: cut(s.Name, maxWord), Init: isInit, Running: s.State.Running != nil, Ready: s.Ready,
		Started: s.Started != nil && *s.Started, Restarts: s.RestartCount,
	}
	if w := s.State.Waiting; w != nil {
		out.Waiting, out.Message = cut(w.Reason, maxWord), shown(w.Message, 3*maxSentence)
	}
	ended, before := s.State.Terminated, false
	if ended == nil {
		ended, before = s.LastState.Terminated, true
	}
	if ended != nil {
		out.Ended = &Ending{cut(ended.Reason, maxWord), cut(ended.Message, maxMessage), ended.ExitCode, before}
	}
	return out
}
