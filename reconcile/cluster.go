package reconcile

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"

	"berth.dev/berth"
	"berth.dev/berth/kube"
	"berth.dev/berth/store"
)

func clusterLifecycle() lifecycle {
	return lifecycle{
		apply: []phase{clusterEnsured}, remove: []phase{clusterRemoved}, clean: []phase{routerRemoved},
		check: []phase{clusterObserved, cleanupsDone},
	}
}

func (s *scope) cluster() *berth.Cluster { return s.claim.Resource.Body.(*berth.Cluster) }

// clusterEnsured creates the cluster and its nodes, or changes them to what was requested.
func clusterEnsured(ctx context.Context, s *scope) (verdict, error) {
	if err := s.Store.Belong(ctx, s.claim); err != nil { // before there is anything of it on this machine
		return verdict{}, err
	}
	c := s.cluster()
	facts, err := s.Provider.Ensure(ctx, s.id(), c.Spec)
	if err != nil {
		return verdict{}, fmt.Errorf("cluster %s: %w", s.id().Name(), err)
	}
	record(c, facts)
	if facts.Ready {
		c.Status.Message = ""
		if err := s.lastProgress(ctx, facts); err != nil {
			return verdict{}, err
		}
		s.settleHealth(&c.Status.Health, observed(facts))
		return verdict{}, errors.Join(s.updateOwner(ctx), s.keepCredential(ctx))
	}
	if over := s.overdue(s.claim); over != nil {
		over.Message += " Its last state: " + facts.Message + "."
		return verdict{}, over
	}
	return again(s.soon()), s.progress(ctx, "%s", facts.Message)
}

// lastProgress ends the steps of an operation that reported some with the number of nodes that it ends with.
func (s *scope) lastProgress(ctx context.Context, f berth.ClusterFacts) error {
	if op := s.claim.Operation; op == nil || op.Message == "" {
		return nil
	}
	return s.progress(ctx, "%d of %d nodes ready", f.ReadyNodes, f.Nodes)
}

// observed is what a provider's facts say of the conditions.
func observed(f berth.ClusterFacts) []berth.Finding {
	if f.Reachable {
		return []berth.Finding{answering, nodesReady(kube.Totals{Nodes: f.Nodes, Ready: f.ReadyNodes})}
	}
	return []berth.Finding{berth.Met(berth.Reachable, false, "Silent", "The cluster does not answer: "+cmp.Or(f.Message,
		"its API server is not ready")+".")}
}

func record(c *berth.Cluster, f berth.ClusterFacts) {
	c.Status.FQDN, c.Status.Endpoint = f.FQDN, f.Endpoint
	c.Status.Simulated, c.Status.SimulatedBecause = f.Simulated, f.SimulatedBecause
	c.Status.Unlimited, c.Status.Overcommitted = f.Unlimited, f.Overcommitted
	c.Status.ReadyNodes, c.Status.Message = f.ReadyNodes, f.Message
	if f.Version != "" {
		c.Status.Version = f.Version
	}
}

// updateOwner writes the number of nodes into the compute that created the cluster. A user may have scaled the cluster itself; the
// compute would report the old number, and its next change would scale the cluster back.
func (s *scope) updateOwner(ctx context.Context) error {
	spec := s.cluster().Spec
	if spec.OwnedBy.IsZero() {
		return nil
	}
	r, err := s.Store.Get(ctx, spec.OwnedBy)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	c := r.Body.(*berth.Compute)
	if c.Spec.ClusterID.Key() != s.id().Key() || !r.State.Terminal() || c.Spec.AgentCount == spec.Pools[0].Count {
		return nil // another compute of the same name, or one whose own change decides
	}
	c.Spec.AgentCount = spec.Pools[0].Count
	_, _, err = s.Store.Accept(ctx, store.Change{Verb: berth.VerbUpdate, Base: r.Generation, Settled: true, Resource: r, Caller: caller})
	if berth.ErrorCode(err) == berth.CodeBusy {
		return nil
	}
	return err
}

func clusterRemoved(ctx context.Context, s *scope) (verdict, error) {
	gone, err := s.Provider.Remove(ctx, s.id())
	if err != nil {
		return verdict{}, fmt.Errorf("remove cluster %s: %w", s.id().Name(), err)
	}
	if !gone {
		return again(s.soon()), s.progress(ctx, "stopping and removing the cluster")
	}
	if err := s.Store.DropCleanup(ctx, s.id(), berth.ID{}); err != nil {
		return verdict{}, err
	}
	return ended(store.Outcome{State: berth.StateSucceeded, Gone: true}), nil
}

// clusterObserved checks a settled cluster and keeps what it finds. A cluster that its provider has lost is reported and not
// created again: an empty cluster in its place would hide that the data is lost.
func clusterObserved(ctx context.Context, s *scope) (verdict, error) {
	c, state := s.cluster(), s.claim.Resource.State
	facts, err := s.Provider.Observe(ctx, s.id())
	if err != nil {
		return verdict{}, err
	}
	if !facts.Exists && state == berth.StateSucceeded {
		return verdict{}, berth.Errorf(berth.CodeNotFound, "The cluster '%s' no longer exists: its provider has none of that name. Delete it, "+
			"then create it again.", s.id().Name())
	}
	record(c, facts)
	if state != berth.StateSucceeded {
		return s.unchanged(), nil
	}
	if s.noteHealth(&c.Status.Health, observed(facts)) {
		s.rest = min(doubtFor, s.CheckEvery)
	}
	if !facts.Reachable {
		return s.checkAgain(cmp.Or(s.rest, s.CheckEvery)), nil
	}
	return verdict{}, s.keepCredential(ctx)
}

// keepCredential keeps the kubeconfigs for the credential actions, and the one with which other servers on this host work. They change
// when a restart moves the cluster to another port. Their entries have the names that AKS gives them, because users merge many into one
// file. The context of the administrator has the cluster's name, too: az adds "-admin" to it, because its user's name begins with
// clusterAdmin.
func (s *scope) keepCredential(ctx context.Context) error {
	config, err := s.Clusters.Administrator(ctx, s.id())
	if err != nil {
		return err
	}
	own, err := s.Clusters.Credential(ctx, s.id())
	if err != nil {
		return err
	}
	if err := s.keepChanged(ctx, berth.SecretServer, own, kube.Names{Cluster: "berth", User: "berth", Context: "berth"}); err != nil {
		return err
	}
	name, owner := s.id().Name(), s.id().Group+"_"+s.id().Name()
	for secret, names := range map[string]kube.Names{
		berth.SecretUser:  {Cluster: name, User: "clusterUser_" + owner, Context: name},
		berth.SecretAdmin: {Cluster: name, User: "clusterAdmin_" + owner, Context: name},
	} {
		if err := s.keepChanged(ctx, secret, config, names); err != nil {
			return err
		}
	}
	return nil
}

func (s *scope) keepChanged(ctx context.Context, secret string, config *kube.Kubeconfig, names kube.Names) error {
	named, err := config.YAML(names)
	if err != nil {
		return err
	}
	kept, err := s.Store.Secret(ctx, s.id(), secret)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if !bytes.Equal(kept, named) {
		s.keep(secret, named)
	}
	return nil
}

// unchanged ends the check of a settled resource and leaves its state as it is.
func (s *scope) unchanged() verdict {
	r := s.claim.Resource
	return ended(store.Outcome{State: r.State, Fault: r.Fault, CheckAt: s.nextCheck()})
}
