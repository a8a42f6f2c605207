package clusters

import (
	"context"

	"berth.dev/berth"
	"berth.dev/berth/kube"
)

// RouterObjects lists what Azure ML's own router has left in a cluster: "deployments/azureml-fe". CodeForbidden when the
// cluster does not let Berth list them, CodeClusterUnreachable when it does not answer.
func (c *Clusters) RouterObjects(ctx context.Context, cluster berth.ID) ([]string, error) {
	conn, err := c.Connect(ctx, cluster)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	found, err := conn.RouterObjects(ctx)
	return found, RouterError(cluster, err)
}

// RouterError is an error of listing or removing router objects as the user sees it.
func RouterError(cluster berth.ID, err error) error {
	if kube.Denied(err) {
		return berth.Errorf(berth.CodeForbidden, "The cluster does not let Berth do that: %s.", berth.Sentence(err))
	}
	return Unreachable(cluster, err)
}
