package kube

import (
	"cmp"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"berth.dev/berth"
)

// maxName is the longest name of a pod or a node; maxWord that of a label, a namespace or a reason.
// maxParts is how many containers of a pod are shown, and as many init containers.
const (
	maxName  = 253
	maxWord  = 63
	maxParts = 30
)

// waits are the reasons for which a container waits in the course of things. For every other reason something is wrong.
var waits = []string{"", "ContainerCreating", "PodInitializing"}

// facts is the pod as users see it, with its containers.
func (p *pod) facts() berth.PodFacts {
	out := berth.PodFacts{
		Namespace: shown(p.Metadata.Namespace, maxWord), Name: shown(p.Metadata.Name, maxName), Node: shown(p.Spec.NodeName, maxName),
		Created: moment(p.Metadata.CreationTimestamp),
	}
	out.MilliCPUs, out.RequestedMiB = p.requests()
	first, main := p.Spec.InitContainers, p.Spec.Containers
	first, main = first[:min(len(first), maxParts)], main[:min(len(main), maxParts)]
	for i, c := range slices.Concat(first, main) {
		f := p.container(c, i < len(first))
		if !f.Init || c.sidecar() {
			out.Containers++
			if f.Ready {
				out.Ready++
			}
		}
		out.Restarts += f.Restarts
		out.Parts = append(out.Parts, f)
	}
	p.judge(&out)
	return out
}

// container is one container of the pod.
func (p *pod) container(c container, isInit bool) berth.ContainerFacts {
	out := berth.ContainerFacts{
		Name: shown(c.Name, maxWord), Image: shown(c.Image, maxSentence), Init: isInit, State: "Waiting",
		MilliCPUs: c.Resources.Requests.CPU.milli(), RequestedMiB: c.Resources.Requests.Memory.mebi(),
		LimitCPUs: c.Resources.Limits.CPU.milli(), LimitMiB: c.Resources.Limits.Memory.mebi(),
	}
	all := p.Status.ContainerStatuses
	if isInit {
		all = p.Status.InitContainerStatuses
	}
	i := slices.IndexFunc(all, func(s containerStatus) bool { return s.Name == c.Name })
	if i < 0 {
		return out
	}
	s := &all[i]
	out.Ready, out.Restarts = s.Ready, min(max(s.RestartCount, 0), most)
	switch {
	case s.State.Terminated != nil:
		out.State, out.Message = s.State.Terminated.word(), shown(s.State.Terminated.Message, maxSentence)
		out.Ended = true
		out.Trouble = s.State.Terminated.ExitCode != 0
		if out.Message == "" && out.Trouble {
			out.Message = s.State.Terminated.sentence(out.Name)
		}
		return out
	case s.State.Running != nil:
		out.State = "Running"
	case s.State.Waiting != nil:
		out.State = cmp.Or(shown(s.State.Waiting.Reason, maxWord), out.State)
		out.Message, out.Trouble = shown(s.State.Waiting.Message, maxSentence), !slices.Contains(waits, s.State.Waiting.Reason)
	}
	switch last := s.LastState.Terminated; { // why it was started again, or will be
	case last != nil && s.State.Running != nil:
		out.Message = fmt.Sprintf("The container %s runs again after it ended: %s, exit code %d.", out.Name, last.word(), last.ExitCode)
	case last != nil:
		out.Message = last.sentence(out.Name)
	}
	return out
}

// word is how a container ended, as kubectl names it.
func (t *termination) word() string {
	switch {
	case t.Reason != "":
		return shown(t.Reason, maxWord)
	case t.Signal != 0:
		return fmt.Sprintf("Signal:%d", t.Signal)
	}
	return fmt.Sprintf("ExitCode:%d", t.ExitCode)
}

func (t *termination) sentence(name string) string {
	return fmt.Sprintf("The container %s ended: %s, exit code %d.", name, t.word(), t.ExitCode)
}

// judge finds the state of the pod and the reason for it: the first of its containers that keeps it from running.
func (p *pod) judge(out *berth.PodFacts) {
	out.State = cmp.Or(shown(p.Status.Phase, maxWord), "Unknown")
	out.Message = shown(p.Status.Message, maxSentence)
	switch {
	case p.Metadata.DeletionTimestamp != "":
		out.State = "Terminating"
		return
	case p.Status.Phase == string(corev1.PodSucceeded):
		out.State, out.Ended = "Completed", true
		return
	case p.Status.Phase == string(corev1.PodFailed):
		out.Ended, out.Trouble = true, true
		out.State = cmp.Or(shown(p.Status.Reason, maxWord), "Error")
	case p.Status.Phase == string(corev1.PodPending) && p.unscheduled(out):
		return
	}
	for _, c := range out.Parts {
		if idle(c) {
			if c.Restarts > 0 && out.Message == "" {
				out.Message = c.Message
			}
			continue
		}
		if !out.Ended || p.Status.Reason == "" {
			out.State = c.State
			if c.Init {
				out.State = "Init:" + c.State
			}
		}
		out.Message = cmp.Or(out.Message, c.Message)
		out.Trouble = out.Trouble || c.Trouble
		return
	}
}

// idle reports whether a container does not keep its pod from running: it runs, has done its work, or its turn has not come.
func idle(c berth.ContainerFacts) bool {
	if c.Init {
		return c.Ended && !c.Trouble || c.State == "Running" && c.Ready || c.State == "Waiting"
	}
	return !c.Trouble && (c.Ended || c.State == "Running" || c.State == "Waiting")
}

// unscheduled reports whether the scheduler has found no node, and takes over its reason.
func (p *pod) unscheduled(out *berth.PodFacts) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == string(corev1.PodScheduled) && c.Status == string(corev1.ConditionFalse) {
			out.State, out.Trouble = cmp.Or(shown(c.Reason, maxWord), "Unschedulable"), true
			out.Message = shown(c.Message, maxSentence)
			return true
		}
	}
	return false
}
