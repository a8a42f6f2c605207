package reconcile

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/store"
)

// detachPatience is how long a detach asks a cluster that does not answer. The user has decided to let go: a dead
// cluster must not hold him back.
const detachPatience = 10 * time.Second

// letGo takes away exactly what attach put in; the cluster goes on running.
func letGo(ctx context.Context, s *scope) (verdict, error) {
	c := s.compute()
	have, err := s.Store.Get(ctx, c.Spec.ClusterID)
	if errors.Is(err, store.ErrNotFound) {
		return verdict{}, nil // nothing is left to clean
	}
	if err != nil {
		return verdict{}, err
	}
	err = s.cleanCluster(ctx)
	if err == nil || have.State == berth.StateDeleting {
		return verdict{}, nil
	}
	if s.elapsed() < detachPatience {
		return again(s.soon()), s.say(ctx, "the cluster does not answer; asking once more")
	}
	return verdict{}, s.deferCleanup(err)
}

func (s *scope) cleanCluster(ctx context.Context) error {
	c := s.compute()
	conn, err := s.Clusters.Connect(ctx, c.Spec.ClusterID)
	if err != nil {
		return err
	}
	defer conn.Close()
	left, err := conn.Detach(ctx, s.attachment())
	if err != nil {
		return err
	}
	s.notes = append(s.notes, left...)
	s.offerCleaning(ctx, conn)
	return nil
}

// deferCleanup notes what could not be cleaned, to be cleaned when the cluster is next seen.
func (s *scope) deferCleanup(cause error) error {
	c := s.compute()
	detail, err := json.Marshal(s.attachment())
	if err != nil {
		return err
	}
	s.residue = &store.Cleanup{Cluster: c.Spec.ClusterID, Holder: s.id(), Detail: detail}
	s.notes = append(s.notes, "The cluster '"+c.Spec.ClusterID.Name()+"' did not answer ("+berth.Sentence(cause)+"), so the service account, roles and ownership record in it (namespace "+
		s.attachment().Namespace+") are still there. They are removed when the cluster is next seen.")
	return nil
}
