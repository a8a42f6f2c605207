package kube_test

import (
	"testing"

	"berth.dev/berth/kube"
)

func TestTotals(t *testing.T) {
	ready := kube.Node{Ready: true, VCPUs: 4, InstanceType: "Standard_D4s_v3"}
	unready := kube.Node{VCPUs: 2}
	for name, c := range map[string]struct {
		nodes []kube.Node
		want  kube.Totals
		all   bool
	}{
		"no nodes":       {nil, kube.Totals{}, false},
		"all ready":      {[]kube.Node{ready, ready}, kube.Totals{Nodes: 2, Ready: 2, VCPUs: 8, VMSize: "Standard_D4s_v3"}, true},
		"one not ready":  {[]kube.Node{ready, unready}, kube.Totals{Nodes: 2, Ready: 1, VCPUs: 6, VMSize: "Standard_D4s_v3"}, false},
		"none is ready":  {[]kube.Node{unready}, kube.Totals{Nodes: 1, VCPUs: 2}, false},
		"no size at all": {[]kube.Node{{Ready: true}}, kube.Totals{Nodes: 1, Ready: 1}, true},
	} {
		got := kube.Facts{Nodes: c.nodes}.Totals()
		if got != c.want || got.AllReady() != c.all {
			t.Errorf("%s: %+v, all ready %v; want %+v, %v", name, got, got.AllReady(), c.want, c.all)
		}
	}
}
