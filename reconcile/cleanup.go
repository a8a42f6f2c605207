package reconcile

import (
	"context"
	"encoding/json"
	"fmt"

	"berth.dev/berth"
	"berth.dev/berth/clusters"
	"berth.dev/berth/kube"
)

// cleanupsDone takes away what detaches could not clean while the cluster did not answer.
func cleanupsDone(ctx context.Context, s *scope) (verdict, error) {
	return verdict{}, s.doCleanups(ctx, s.id())
}

// madeRoom does the same before a compute takes the cluster up: an old record would refuse it, and to clean up later,
// when a compute of the same name is attached again, would take the new attachment away.
func madeRoom(ctx context.Context, s *scope) (verdict, error) {
	id := s.compute().Spec.ClusterID
	if err := s.doCleanups(ctx, id); err != nil {
		return verdict{}, clusters.Unreachable(id, err)
	}
	return verdict{}, nil
}

// doCleanups is done by one at a time for each cluster: of two, the slower might act on what the other has cleaned
// and a new attachment has put in again since.
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
		if err := json.Unmarshal(r.Detail, &put); err != nil {
			return fmt.Errorf("a residue of %s: %w", r.Holder, err)
		}
		if _, err := conn.Detach(ctx, put); err != nil {
			return err
		}
		if err := e.Store.DropCleanup(ctx, cluster, r.Holder); err != nil {
			return err
		}
		e.Log.Info("cleaned what an earlier detach had to leave", "cluster", cluster, "compute", r.Holder)
	}
	return nil
}
