package clusters

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/kube"
)

const (
	// fresh is how long what was read of a cluster is shown to others: many open pages are one question to the cluster.
	fresh = 2 * time.Second
	// lookTime bounds one reading. It goes on when the reader who began it has left: others may wait for it.
	lookTime = 40 * time.Second
	// maxLooks is how many readings are held.
	maxLooks = 64
)

// look is one reading of a cluster, or of a namespace of it.
type look struct {
	done  chan struct{}
	begun time.Time
	found berth.Workloads
	err   error
}

// looks are the latest readings.
type looks struct {
	mu  sync.Mutex
	all map[string]*look
}

// Workloads lists what runs in a cluster. What the cluster does not let Berth see is named in Unseen. CodeClusterUnreachable when it
// does not answer at all.
func (c *Clusters) Workloads(ctx context.Context, cluster berth.ID, q berth.WorkloadsQuery) (berth.Workloads, error) {
	l, begin := c.looks.at(cluster.Key()+"\x00"+q.Namespace, c.Clock.Now())
	if begin {
		go func() {
			defer close(l.done)
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookTime)
			defer cancel()
			l.found, l.err = c.read(ctx, cluster, q.Namespace)
		}()
	}
	select {
	case <-ctx.Done():
		return berth.Workloads{}, ctx.Err()
	case <-l.done:
	}
	if l.err != nil {
		return berth.Workloads{}, l.err
	}
	return c.usages.put(cluster, l.found.For(q), q), nil
}

// at is the reading of this name that is under way or fresh; begin is true for a new one.
func (l *looks) at(name string, now time.Time) (found *look, begin bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if found = l.all[name]; found != nil && (!ended(found) || now.Sub(found.begun) < fresh) {
		return found, false
	}
	for other, old := range l.all {
		if ended(old) && (now.Sub(old.begun) >= fresh || len(l.all) >= maxLooks) {
			delete(l.all, other)
		}
	}
	found = &look{done: make(chan struct{}), begun: now}
	l.all[name] = found
	return found, true
}

func ended(l *look) bool {
	select {
	case <-l.done:
		return true
	default:
		return false
	}
}

// reading is one reading on its way: its parts are read at the same time.
type reading struct {
	*kube.Conn
	out     berth.Workloads
	mu      sync.Mutex
	silence []error
	asked   int
}

func (c *Clusters) read(ctx context.Context, cluster berth.ID, namespace string) (berth.Workloads, error) {
	conn, err := c.Connect(ctx, cluster)
	if err != nil {
		return berth.Workloads{}, err
	}
	defer conn.Close()
	r := &reading{Conn: conn}
	var nodes []kube.Node
	var wait sync.WaitGroup
	for part, read := range map[string]func() (whole bool, err error){
		"nodes":      func() (whole bool, err error) { nodes, err = conn.Nodes(ctx); return true, err },
		"namespaces": func() (whole bool, err error) { r.out.Namespaces, whole, err = conn.Namespaces(ctx); return whole, err },
		"pods":       func() (whole bool, err error) { r.out.Pods, whole, err = conn.Pods(ctx, namespace); return whole, err },
		"controllers": func() (whole bool, err error) {
			r.out.Controllers, whole, err = conn.Controllers(ctx, namespace)
			return whole, err
		},
		"events": func() (whole bool, err error) {
			r.out.Events, whole, err = conn.Events(ctx, namespace)
			return whole, err
		},
	} {
		r.asked++
		wait.Go(func() { r.note(part)(read()) })
	}
	wait.Go(func() { c.usages.look(ctx, c, cluster) })
	wait.Wait()
	if len(r.silence) == r.asked {
		return berth.Workloads{}, Unreachable(cluster, r.silence[0])
	}
	r.finish(nodes)
	return r.out, nil
}

// note keeps why a part is not seen, or not all of it.
func (r *reading) note(part string) func(whole bool, err error) {
	return func(whole bool, err error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		switch u := (berth.Unseen{Part: part}); {
		case err != nil:
			u.Denied = kube.Denied(err)
			u.Message = unseen(part, err)
			r.out.Unseen = append(r.out.Unseen, u)
			if kube.Unreachable(err) {
				r.silence = append(r.silence, err)
			}
		case !whole:
			u.Message = partly(part)
			r.out.Unseen = append(r.out.Unseen, u)
		}
	}
}

// unseen says why a part of a cluster is not shown.
func unseen(part string, err error) string {
	switch {
	case kube.Denied(err):
		return fmt.Sprintf("The cluster does not let Berth list its %s: %s.", part, berth.Sentence(err))
	case kube.NotServed(err):
		return fmt.Sprintf("The cluster does not serve its %s: %s.", part, berth.Sentence(err))
	case kube.Unreachable(err):
		return fmt.Sprintf("The cluster did not answer when Berth asked for its %s: %s.", part, berth.Sentence(err))
	}
	return fmt.Sprintf("The cluster's answer about its %s cannot be used: %s.", part, berth.Sentence(err))
}

func partly(part string) string {
	switch part {
	case "pods":
		return fmt.Sprintf("There are more pods than the %d that are shown. Choose a namespace to see its own.", kube.MostPods)
	case "events":
		return fmt.Sprintf("There are more events than the %d that are shown. Choose a namespace to see its own.", kube.MostEvents)
	}
	return fmt.Sprintf("There are more %s than are shown.", part)
}

// finish adds to the nodes what their pods request, and puts everything in order.
func (r *reading) finish(nodes []kube.Node) {
	loads, simulated := map[string]kube.Load{}, map[string]bool{}
	for _, n := range nodes {
		simulated[n.Name] = n.Simulated
	}
	for i := range r.out.Pods {
		p := &r.out.Pods[i]
		p.Simulated = simulated[p.Node]
		if p.Node != "" && !p.Ended {
			l := loads[p.Node]
			loads[p.Node] = kube.Load{Pods: l.Pods + 1, MilliCPUs: l.MilliCPUs + p.MilliCPUs, MemoryMiB: l.MemoryMiB + p.RequestedMiB}
		}
	}
	partial := slices.ContainsFunc(r.out.Unseen, func(u berth.Unseen) bool { return u.Part == "pods" })
	for _, n := range nodes {
		f := nodeFacts(n, loads[n.Name])
		f.Partly = partial
		r.out.Nodes = append(r.out.Nodes, f)
	}
	r.out.Namespaces, r.out.Controllers = append([]string{}, r.out.Namespaces...), append([]berth.Controller{}, r.out.Controllers...)
	slices.Sort(r.out.Namespaces)
	slices.SortFunc(r.out.Unseen, func(a, b berth.Unseen) int { return strings.Compare(a.Part, b.Part) })
	slices.SortStableFunc(r.out.Pods, func(a, b berth.PodFacts) int { // what is wrong first
		return 4*(rank(a)-rank(b)) + 2*strings.Compare(a.Namespace, b.Namespace) + strings.Compare(a.Name, b.Name)
	})
	slices.SortStableFunc(r.out.Controllers, func(a, b berth.Controller) int {
		return 2*strings.Compare(a.Namespace, b.Namespace) + strings.Compare(a.Name, b.Name)
	})
}

func rank(p berth.PodFacts) int {
	switch {
	case p.Trouble:
		return 0
	case p.Ended:
		return 2
	}
	return 1
}
