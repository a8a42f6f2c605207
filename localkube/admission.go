package main

import (
	"context"
	"io"
	"slices"

	"k8s.io/apiserver/pkg/admission"
	apioptions "k8s.io/kubernetes/cmd/kube-apiserver/app/options"
	"k8s.io/kubernetes/pkg/apis/core"
)

// simulatedTaint is the key of the taint of simulated nodes in a cluster of real ones. A pod that tolerates it may be simulated.
const simulatedTaint = "berth.dev/simulated"

// taintPlugin is the name of what gives it to them.
const taintPlugin = "SimulatedNodes"

// registerTaint adds that to what the API server does; for a cluster without real nodes it must not be called, because what is registered
// takes part. It does so before a node is stored: the scheduler never sees one without.
func registerTaint(o *apioptions.ServerRunOptions) {
	of := o.Admission.GenericAdmission
	of.Plugins.Register(taintPlugin, func(io.Reader) (admission.Interface, error) {
		return taintSimulated{admission.NewHandler(admission.Create, admission.Update)}, nil
	})
	of.RecommendedPluginOrder = append([]string{taintPlugin}, of.RecommendedPluginOrder...)
}

// taintSimulated is an admission plugin.
type taintSimulated struct{ *admission.Handler }

// Admit implements admission.MutationInterface.
func (taintSimulated) Admit(_ context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	n, is := a.GetObject().(*core.Node)
	if !is || a.GetSubresource() != "" || n.Labels["berth.dev/simulated"] != "true" ||
		slices.ContainsFunc(n.Spec.Taints, func(t core.Taint) bool { return t.Key == simulatedTaint }) {
		return nil
	}
	n.Spec.Taints = append(n.Spec.Taints, core.Taint{Key: simulatedTaint, Value: "true", Effect: core.TaintEffectNoSchedule})
	return nil
}
