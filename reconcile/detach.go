package reconcile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/kube"
	"berth.dev/berth/store"
)

// detachPatience is how long a detach asks a cluster that does not answer. The user has decided: a dead cluster must not prevent
// it.
const detachPatience = 10 * time.Second

// detached removes exactly what attach created; the cluster goes on running.
func detached(ctx context.Context, s *scope) (verdict, error) {
	c := s.compute()
	have, err := s.Store.Get(ctx, c.Spec.ClusterID)
	if errors.Is(err, store.ErrNotFound) {
		return verdict{}, nil // nothing to remove
	}
	if err != nil {
		return verdict{}, err
	}
	err = s.cleanCluster(ctx)
	switch {
	case err == nil || have.State == berth.StateDeleting:
		return verdict{}, nil
	case errors.Is(err, kube.ErrCounting):
		return again(s.soon()), s.progress(ctx, "waiting for the cluster to count what is in the namespace %s", s.attachment().Namespace)
	}
	if s.elapsed() < detachPatience {
		return again(s.soon()), s.progress(ctx, "the cluster does not answer; trying again")
	}
	return verdict{}, s.deferCleanup(err)
}

// countPatience is how long a detach waits for the cluster to count the objects of kinds that Berth may not list. Kubernetes
// learns of a new kind every 30 s.
const countPatience = 75 * time.Second

func (s *scope) cleanCluster(ctx context.Context) error {
	c := s.compute()
	conn, err := s.Clusters.Connect(ctx, c.Spec.ClusterID)
	if err != nil {
		return err
	}
	defer conn.Close()
	out := s.attachment()
	out.Hurried = s.elapsed() >= countPatience
	left, err := conn.Detach(ctx, out)
	if err != nil {
		return err
	}
	s.notes = append(s.notes, left...)
	s.offerCleaning(ctx, conn)
	return nil
}

// deferCleanup records what could not be removed; it is removed when the cluster answers again.
func (s *scope) deferCleanup(cause error) error {
	c := s.compute()
	detail, err := json.Marshal(s.attachment())
	if err != nil {
		return err
	}
	s.cleanup = &store.Cleanup{Cluster: c.Spec.ClusterID, Holder: s.id(), Detail: detail}
	s.notes = append(s.notes, fmt.Sprintf("The cluster '%s' did not answer (%s). Its namespace '%s', service account, roles and ownership "+
		"record are still there; Berth removes them when the cluster answers again.", c.Spec.ClusterID.Name(), berth.Sentence(cause),
		s.attachment().Namespace))
	return nil
}
