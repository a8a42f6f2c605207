package reconcile

import (
	"context"
	"encoding/json"

	"berth.dev/berth"
	"berth.dev/berth/clusters"
	"berth.dev/berth/kube"
)

// cleanupsDone removes what detaches could not remove while the cluster did not answer.
func cleanupsDone(ctx context.Context, s *scope) (verdict, error) {
	return verdict{}, s.doCleanups(ctx, s.id())
}

// staleRemoved does the same before an attach. An old ownership record would refuse the attach; and a cleanup that came later, when a
// compute of the same name is attached again, would remove the new attachment.
func staleRemoved(ctx context.Context, s *scope) (verdict, error) {
	id := s.compute().Spec.ClusterID
	if err := s.doCleanups(ctx, id); err != nil {
		return verdict{}, clusters.Unreachable(id, err)
	}
	return verdict{}, nil
}

// doCleanups runs once at a time for each cluster. Of two at once, the slower might remove what a new attachment has created after
// the faster one was done.
func (e *Engine) doCleanups(ctx context.Context, cluster berth.ID) error {
	done, err := e.cleaning.take(ctx, cluster.Key())
	if err != nil {
		return err
	}
	defer done()
	left, err := e.Store.Cleanups(ctx, cluster)
	if err != nil || len(left) == 0 {
		return err
	}
	conn, err := e.Clusters.Connect(ctx, cluster)
	if err != nil {
		return err
	}
	defer conn.Close()
	for _, r := range left {
		var put kube.Attachment
		if r.Unreadable || json.Unmarshal(r.Detail, &put) != nil { // the store has named it in the log
			continue
		}
		if _, err := conn.Detach(ctx, put); err != nil {
			return err
		}
		if err := e.Store.DropCleanup(ctx, cluster, r.Holder); err != nil {
			return err
		}
		e.Log.Info("removed what an earlier detach could not", "cluster", cluster, "compute", r.Holder)
	}
	return nil
}
