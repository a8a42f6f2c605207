package reconcile

import (
	"context"
	"errors"

	"berth.dev/berth"
	"berth.dev/berth/kube"
	"berth.dev/berth/store"
)

// unreadableLifecycle removes a resource whose stored record cannot be read. All that is known is its id, its type and its
// secrets. A cluster is deleted only when the user deletes the cluster itself: a record that cannot be read is no reason to
// delete what it may have named.
func unreadableLifecycle(r *berth.Resource) lifecycle {
	switch r.Body.(type) {
	case *berth.Cluster:
		return lifecycle{remove: []phase{unreadableConnectionLeft, clusterRemoved}}
	case *berth.Compute:
		return lifecycle{remove: []phase{unreadableComputeNoted, computeGone}}
	case *berth.TemplateDeployment:
		return lifecycle{remove: []phase{containerGone}}
	}
	return containerLifecycle()
}

// unreadableConnectionLeft removes Berth's account from a cluster for which a credential is kept: it was a connected one.
func unreadableConnectionLeft(ctx context.Context, s *scope) (verdict, error) {
	config, err := s.Store.Secret(ctx, s.id(), berth.SecretOwn)
	if errors.Is(err, store.ErrNotFound) {
		return verdict{}, nil
	}
	if err == nil {
		err = s.leave(ctx, config)
	}
	if err == nil {
		return verdict{}, nil
	}
	if s.elapsed() < detachPatience && berth.ErrorCode(err) != berth.CodeUnreadable {
		return again(s.soon()), s.progress(ctx, "the cluster does not answer; trying again")
	}
	s.notes = append(s.notes, "Berth could not remove its account from the cluster ("+berth.Sentence(err)+
		"). Remove it there: kubectl delete namespace "+kube.ConnectionNamespace)
	return verdict{}, nil
}

func (s *scope) leave(ctx context.Context, kubeconfig []byte) error {
	conn, err := kube.Connect(kubeconfig, kube.Options{Guard: s.Clusters.Guard, Timeout: s.Clusters.Timeout})
	if err != nil {
		return err
	}
	defer conn.Close()
	left, err := conn.Leave(ctx, s.id().String(), s.ServerID)
	s.notes = append(s.notes, left...)
	return err
}

// unreadableComputeNoted reports what stays in the cluster: the record that names the cluster cannot be read.
func unreadableComputeNoted(_ context.Context, s *scope) (verdict, error) {
	s.notes = append(s.notes, "The stored record of '"+s.id().Name()+"' could not be read, so its cluster was left as it is: "+
		"the cluster was not deleted, and Berth's account, roles and ownership record in it are still there. "+
		"To use the cluster again, attach it with --force.")
	return verdict{}, nil
}
