package kube

import (
	"context"
	"net/http"
	"time"

	"berth.dev/berth"
)

// The bounds of the lists of measurements, which have no pages.
const (
	maxMeasured      = 20_000
	maxMeasuredBytes = 32 << 20
)

const metricsRoot = "/apis/metrics.k8s.io/v1beta1"

// Measured is what nodes and pods use, by name and by "namespace/name", measured by the cluster at about this time.
type Measured struct {
	Nodes, Pods map[string]berth.UsagePoint
}

type usage struct{ CPU, Memory amount }

// Measure reads what the cluster has measured (metrics.k8s.io). Of pods, it keeps as many as most; those for which keep reports true
// come first. A cluster without such an API answers with NotServed.
func (c *Conn) Measure(ctx context.Context, at time.Time, most int, keep func(pod string) bool) (Measured, error) {
	out := Measured{Nodes: map[string]berth.UsagePoint{}, Pods: map[string]berth.UsagePoint{}}
	l := listing{items: maxMeasured, pages: 1, bytes: maxMeasuredBytes}
	l.call = call{method: http.MethodGet, path: metricsRoot + "/nodes", what: "nodes.metrics.k8s.io"}
	_, err := list(ctx, c, l, func(n *struct {
		Metadata struct{ Name string }
		Usage    usage
	}) error {
		if len(out.Nodes) < most {
			out.Nodes[shown(n.Metadata.Name, maxName)] = point(at, n.Usage)
		}
		return nil
	})
	if err != nil {
		return out, err
	}
	l.call = call{method: http.MethodGet, path: metricsRoot + "/pods", what: "pods.metrics.k8s.io"}
	others := map[string]berth.UsagePoint{}
	_, err = list(ctx, c, l, func(p *struct {
		Metadata   struct{ Name, Namespace string }
		Containers few[struct{ Usage usage }]
	}) error {
		sum := berth.UsagePoint{At: at}
		for _, c := range p.Containers {
			one := point(at, c.Usage)
			sum.MilliCPUs, sum.MemoryMiB = sum.MilliCPUs+one.MilliCPUs, sum.MemoryMiB+one.MemoryMiB
		}
		name := shown(p.Metadata.Namespace, maxWord) + "/" + shown(p.Metadata.Name, maxName)
		switch {
		case keep(name) && len(out.Pods) < most:
			out.Pods[name] = sum
		case len(others) < most:
			others[name] = sum
		}
		return nil
	})
	for name, sum := range others {
		if len(out.Pods) == most {
			break
		}
		out.Pods[name] = sum
	}
	return out, err
}

func point(at time.Time, u usage) berth.UsagePoint {
	return berth.UsagePoint{At: at, MilliCPUs: u.CPU.milli(), MemoryMiB: u.Memory.mebi()}
}
