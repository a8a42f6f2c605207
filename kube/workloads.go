package kube

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"berth.dev/berth"
)

// The bounds of what is listed for a reader. What is beyond them is not asked for.
const (
	MostPods        = 1000
	mostControllers = 500 // of each kind
	mostNamespaces  = 500
	mostEvents      = 2000 // that are read, in the cluster's own order
	MostEvents      = 200  // the newest of them
	maxListBytes    = 16 << 20
)

var (
	statefulSets = resource{"/apis/apps/v1", "statefulsets"}
	daemonSets   = resource{"/apis/apps/v1", "daemonsets"}
	jobs         = resource{"/apis/batch/v1", "jobs"}
	events       = resource{"/api/v1", "events"}
)

// moment is a time as a cluster writes it; zero when it is none.
func moment(text string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, cut(text, maxWord))
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

// firstOf is the list of the first objects of a kind, in a namespace or in all.
func firstOf(r resource, namespace string, most int) listing {
	return listing{call: r.in(namespace, "").call(http.MethodGet), page: most, items: most, pages: 1, bytes: maxListBytes}
}

// Pods lists the pods of a namespace, or of all when it is empty. whole is false when there are more than MostPods.
func (c *Conn) Pods(ctx context.Context, namespace string) (out []berth.PodFacts, whole bool, err error) {
	l := firstOf(pods, namespace, MostPods)
	l.bytes = maxPodBytes
	whole, err = list(ctx, c, l, func(p *pod) error {
		out = append(out, p.facts())
		return nil
	})
	return out, whole, err
}

// Namespaces lists the names of namespaces.
func (c *Conn) Namespaces(ctx context.Context) (out []string, whole bool, err error) {
	whole, err = list(ctx, c, firstOf(namespaces, "", mostNamespaces), func(n *struct{ Metadata struct{ Name string } }) error {
		out = append(out, shown(n.Metadata.Name, maxWord))
		return nil
	})
	return out, whole, err
}

// controller is the part of a Deployment, StatefulSet, DaemonSet or Job that Berth reads.
type controller struct {
	Metadata struct{ Name, Namespace, CreationTimestamp string }
	Spec     struct {
		Replicas, Completions *int
	}
	Status struct {
		ReadyReplicas, DesiredNumberScheduled, NumberReady, Succeeded, Failed int

		Conditions few[struct{ Type, Status, Reason, Message string }]
	}
}

// Controllers lists what creates pods. Those of the kinds that were read before an error are among the result.
func (c *Conn) Controllers(ctx context.Context, namespace string) (out []berth.Controller, whole bool, err error) {
	whole = true
	for _, k := range []struct {
		kind string
		resource
	}{{"Deployment", deployments}, {"StatefulSet", statefulSets}, {"DaemonSet", daemonSets}, {"Job", jobs}} {
		all, err := list(ctx, c, firstOf(k.resource, namespace, mostControllers), func(o *controller) error {
			out = append(out, o.facts(k.kind))
			return nil
		})
		if err != nil {
			return out, false, fmt.Errorf("%s: %w", k.name, err)
		}
		whole = whole && all
	}
	return out, whole, nil
}

func (o *controller) facts(kind string) berth.Controller {
	out := berth.Controller{
		Kind: kind, Namespace: shown(o.Metadata.Namespace, maxWord), Name: shown(o.Metadata.Name, maxName),
		Created: moment(o.Metadata.CreationTimestamp), Wanted: 1, Ready: o.Status.ReadyReplicas,
	}
	wanted := o.Spec.Replicas
	switch kind {
	case "DaemonSet":
		wanted, out.Ready = &o.Status.DesiredNumberScheduled, o.Status.NumberReady
	case "Job":
		wanted, out.Ready = o.Spec.Completions, o.Status.Succeeded
	}
	if wanted != nil {
		out.Wanted = min(max(*wanted, 0), most)
	}
	out.Ready = min(max(out.Ready, 0), most)
	for _, c := range o.Status.Conditions {
		wrong := c.Status == "True"
		if c.Type == "Progressing" || c.Type == "Available" {
			wrong = c.Status == "False"
		}
		if known := c.Type == "Progressing" || c.Type == "Available" || c.Type == "ReplicaFailure" || c.Type == "Failed"; known && wrong {
			out.Trouble, out.Message = true, shown(cmp.Or(c.Message, c.Reason), maxSentence)
		}
	}
	return out
}

// event is the part of an event that Berth reads. Which of the times it has depends on who has written it.
type event struct {
	Metadata       struct{ Namespace, CreationTimestamp string }
	InvolvedObject struct{ Kind, Namespace, Name string }

	Type, Reason, Message, EventTime, FirstTimestamp, LastTimestamp string

	Count  int
	Series struct {
		Count            int
		LastObservedTime string
	}
}

func (e *event) facts() berth.Event {
	at := moment(cmp.Or(e.Series.LastObservedTime, e.LastTimestamp, e.EventTime, e.FirstTimestamp, e.Metadata.CreationTimestamp))
	return berth.Event{
		At: at, Warning: e.Type == "Warning", Namespace: shown(e.InvolvedObject.Namespace, maxWord),
		Kind: shown(e.InvolvedObject.Kind, maxWord), Name: shown(e.InvolvedObject.Name, maxName), Reason: shown(e.Reason, maxWord),
		Message: shown(e.Message, 3*maxSentence), Count: min(max(e.Count, e.Series.Count, 1), most),
	}
}

// Events lists the newest events, the newest first. whole is false when there are more than MostEvents, or more than were read.
func (c *Conn) Events(ctx context.Context, namespace string) (out []berth.Event, whole bool, err error) {
	whole, err = list(ctx, c, firstOf(events, namespace, mostEvents), func(e *event) error {
		out = append(out, e.facts())
		return nil
	})
	slices.SortStableFunc(out, func(a, b berth.Event) int { return b.At.Compare(a.At) })
	if len(out) > MostEvents {
		out, whole = slices.Clone(out[:MostEvents]), false
	}
	return out, whole, err
}
