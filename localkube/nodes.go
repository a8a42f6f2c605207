package main

import (
	"context"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	nodefast "sigs.k8s.io/kwok/kustomize/stage/node/fast"
	nodeheartbeat "sigs.k8s.io/kwok/kustomize/stage/node/heartbeat-with-lease"
	podfast "sigs.k8s.io/kwok/kustomize/stage/pod/fast"
	"sigs.k8s.io/kwok/pkg/apis/internalversion"
	"sigs.k8s.io/kwok/pkg/config"
	kwok "sigs.k8s.io/kwok/pkg/kwok/controllers"
	"sigs.k8s.io/kwok/pkg/utils/client"
)

// simulatedNodes selects the nodes that kwok's controllers keep alive. Others are left to real kubelets.
const simulatedNodes = "berth.dev/simulated=true"

// unnamedNodeIP is the address of a simulated node whose creator names none: one that is reserved for documentation.
const unnamedNodeIP = "192.0.2.1"

// startNodes starts the controllers that stand in for kubelets: nodes get Ready and stay it, pods on them run.
func (c *cluster) startNodes(ctx context.Context) error {
	clients, err := client.NewClientset("", c.pki.kubeconfig("nodes"))
	if err != nil {
		return err
	}
	conf, err := nodeClients(clients)
	if err != nil {
		return err
	}
	if conf.LocalStages, err = stages(); err != nil {
		return err
	}
	conf.ManageNodesWithLabelSelector = simulatedNodes
	conf.ID = "berth-kube"
	conf.CIDR, conf.NodeIP = c.network.pods.String(), unnamedNodeIP
	conf.PodPlayStageParallelism, conf.NodePlayStageParallelism = 4, 4
	conf.NodeLeaseParallelism, conf.PodsOnNodeSyncParallelism = 4, 4
	conf.NodeLeaseDurationSeconds = 40
	conf.EnablePodsOnNodeSyncStreamWatch = true
	ctr, err := kwok.NewController(conf)
	if err != nil {
		return err
	}
	return ctr.Start(ctx)
}

func nodeClients(clients client.Clientset) (kwok.Config, error) {
	conf := kwok.Config{Clock: clock.RealClock{}, ImpersonatingDynamicClient: clients.ToImpersonatingDynamicClient(),
		ImpersonatingTypedClient: clients.ToImpersonatingTypedClient()}
	restConfig, err := clients.ToRESTConfig()
	if err != nil {
		return conf, err
	}
	if conf.DynamicClient, err = clients.ToDynamicClient(); err != nil {
		return conf, err
	}
	if conf.RESTMapper, err = clients.ToRESTMapper(); err != nil {
		return conf, err
	}
	if conf.RESTClient, err = rest.RESTClientFor(restConfig); err != nil {
		return conf, err
	}
	conf.TypedClient, err = kubernetes.NewForConfig(restConfig)
	return conf, err
}

// stages are kwok's own descriptions of what a kubelet would report, and when.
func stages() (map[internalversion.StageResourceRef][]*internalversion.Stage, error) {
	out := map[internalversion.StageResourceRef][]*internalversion.Stage{}
	for _, text := range []string{
		nodefast.DefaultNodeInit, nodeheartbeat.DefaultNodeHeartbeatWithLease,
		podfast.DefaultPodReady, podfast.DefaultPodComplete, podfast.DefaultPodDelete,
	} {
		stage, err := config.UnmarshalWithType[*internalversion.Stage](text)
		if err != nil {
			return nil, err
		}
		if text == nodefast.DefaultNodeInit {
			awaitCapacity(stage)
		}
		out[stage.Spec.ResourceRef] = append(out[stage.Spec.ResourceRef], stage)
	}
	return out, nil
}

// awaitCapacity keeps a node not ready until its creator has said how large it is: kwok would invent a thousand CPUs, and
// write them over what a creator that is a moment late says.
func awaitCapacity(stage *internalversion.Stage) {
	stage.Spec.Selector.MatchExpressions = append(stage.Spec.Selector.MatchExpressions, internalversion.MatchExpression{
		JQ: &internalversion.SelectorJQ{Key: ".status.capacity.cpu", Operator: internalversion.SelectorOpExists},
	})
}
