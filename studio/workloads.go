package studio

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"berth.dev/berth"
)

// workloadsData is the page of what runs in a cluster.
type workloadsData struct {
	clusterView
	berth.Workloads
	Query        berth.WorkloadsQuery
	CPU, Memory  chart
	Running, Bad int // of the pods
	Total        berth.NodeFacts
	Problem      string // why nothing is shown
	Grant        bool   // something is denied to Berth's own account in a connected cluster
}

// workloads is the page of what runs in a cluster.
func (s *Studio) workloads(v *visit) error {
	ctx, id := v.r.Context(), v.clusterID()
	o, err := v.arm.Resource(ctx, id)
	if err != nil {
		return err
	}
	query := v.r.URL.Query()
	d := workloadsData{clusterView: clusterOf(o), Query: berth.WorkloadsQuery{Namespace: query.Get("namespace"), Node: query.Get("node")}}
	if !settled(d.State) {
		d.Problem = v.T("nodes.none")
		return v.render("workloads", d)
	}
	if d.Workloads, err = v.arm.Workloads(ctx, id, d.Query); err != nil {
		d.Problem = v.Said(err.Error())
		return v.render("workloads", d)
	}
	for _, n := range d.Workloads.Nodes {
		if d.Query.Node != "" && d.Query.Node != n.Name {
			continue
		}
		d.Total.VCPUs, d.Total.MemoryMiB = d.Total.VCPUs+n.VCPUs, d.Total.MemoryMiB+n.MemoryMiB
		d.Total.MilliCPUs, d.Total.RequestedMiB = d.Total.MilliCPUs+n.MilliCPUs, d.Total.RequestedMiB+n.RequestedMiB
	}
	for _, p := range d.Pods {
		switch {
		case p.Trouble:
			d.Bad++
		case p.State == "Running":
			d.Running++
		}
	}
	d.Grant = d.grants(d.Workloads)
	d.CPU, d.Memory = v.charts(d.Usage.Series)
	return v.render("workloads", d)
}

// grants reports whether an administrator of a connected cluster could let Berth see more of it.
func (c clusterView) grants(w berth.Workloads) bool {
	return c.Kind == "connected" && (w.Usage.Denied || slices.ContainsFunc(w.Unseen, func(u berth.Unseen) bool { return u.Denied }))
}

// Here is the address of the page for another question.
func (d workloadsData) Here(namespace, node string) string {
	q := url.Values{}
	if namespace != "" {
		q.Set("namespace", namespace)
	}
	if node != "" {
		q.Set("node", node)
	}
	if len(q) == 0 {
		return d.Link() + "/workloads"
	}
	return d.Link() + "/workloads?" + q.Encode()
}

// PodLink is the page of a pod of the cluster.
func (c clusterView) PodLink(namespace, name string) string {
	return c.Link() + "/pods/" + escape(namespace) + "/" + escape(name)
}

// Pod shows the state of a pod, in Kubernetes' own word.
func (v *visit) Pod(p berth.PodFacts) stateView {
	return podState(p.State, p.Trouble, p.Ended, p.State == "Running" && p.Ready == p.Containers)
}

// Container shows the state of a container.
func (v *visit) Container(c berth.ContainerFacts) stateView {
	return podState(c.State, c.Trouble, c.Ended, c.State == "Running" && (c.Ready || c.Init))
}

func podState(word string, trouble, ended, good bool) stateView {
	switch {
	case trouble:
		return stateView{"bad", "bad", word}
	case ended:
		return stateView{"off", "good", word}
	case good:
		return stateView{"good", "good", word}
	}
	return stateView{"busy", "busy", word}
}

// Controller shows whether a controller has the pods that it wants.
func (v *visit) Controller(c berth.Controller) stateView {
	return podState(fmt.Sprintf("%d / %d", c.Ready, c.Wanted), c.Trouble, false, c.Ready >= c.Wanted)
}

// CPUs is an amount of vCPUs, given in thousandths.
func (*visit) CPUs(milli int) string {
	decimals := 3
	switch {
	case milli >= 100_000:
		decimals = 0
	case milli >= 10_000:
		decimals = 1
	case milli >= 100:
		decimals = 2
	}
	text := strconv.FormatFloat(float64(milli)/1000, 'f', decimals, 64)
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}

// Bytes is an amount of memory, given in MiB.
func (*visit) Bytes(mebi int) string {
	const gibi = 1 << 10
	if mebi < gibi {
		return fmt.Sprintf("%d MiB", mebi)
	}
	return fmt.Sprintf("%.1f GiB", float64(mebi)/gibi)
}

// unseenView is what the page does not show, and why.
type unseenView struct {
	*visit
	Unseen []berth.Unseen
	Grant  bool
}

// Hidden shows what is not seen.
func (v *visit) Hidden(unseen []berth.Unseen, grant bool) unseenView {
	return unseenView{v, unseen, grant}
}

// happenedView is events, with the objects that they are about or of one object.
type happenedView struct {
	*visit
	Events  []berth.Event
	Objects bool
}

// Happened shows events.
func (v *visit) Happened(events []berth.Event, objects bool) happenedView {
	return happenedView{v, events, objects}
}

// Warned shows the reason of an event that is a warning.
func (v *visit) Warned(reason string) stateView { return stateView{"bad", "bad", reason} }
