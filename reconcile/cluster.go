package reconcile

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"berth.dev/berth"
	"berth.dev/berth/kube"
	"berth.dev/berth/store"
)

func clusterPhases(removes, check bool) []phase {
	switch {
	case removes:
		return []phase{clusterRemoved}
	case check:
		return []phase{clusterObserved, residuesCleaned}
	}
	return []phase{clusterEnsured}
}

func (s *scope) cluster() *berth.Cluster { return s.claim.Resource.Body.(*berth.Cluster) }

// clusterEnsured brings the cluster and its nodes about.
func clusterEnsured(ctx context.Context, s *scope) (verdict, error) {
	c := s.cluster()
	facts, err := s.Provider.Ensure(ctx, s.id(), c.Spec)
	if err != nil {
		return verdict{}, fmt.Errorf("cluster %s: %w", s.id().Name(), err)
	}
	record(c, facts)
	if facts.Ready {
		c.Status.Message = ""
		return verdict{}, s.keepCredential(ctx)
	}
	if over := s.overdue(s.claim); over != nil {
		over.Message += " It was last seen so: " + facts.Message + "."
		return verdict{}, over
	}
	return again(s.soon()), s.say(ctx, "%s", facts.Message)
}

func record(c *berth.Cluster, f berth.ClusterFacts) {
	c.Status.FQDN, c.Status.Endpoint, c.Status.Simulated = f.FQDN, f.Endpoint, f.Simulated
	c.Status.ReadyNodes, c.Status.Message = f.ReadyNodes, f.Message
	if f.Version != "" {
		c.Status.Version = f.Version
	}
}

func clusterRemoved(ctx context.Context, s *scope) (verdict, error) {
	gone, err := s.Provider.Remove(ctx, s.id())
	if err != nil {
		return verdict{}, fmt.Errorf("remove cluster %s: %w", s.id().Name(), err)
	}
	if !gone {
		return again(s.soon()), s.say(ctx, "stopping and removing the cluster")
	}
	if err := s.Store.DropResidue(ctx, s.id(), berth.ID{}); err != nil {
		return verdict{}, err
	}
	return ended(store.Outcome{State: berth.StateSucceeded, Gone: true}), nil
}

// clusterObserved looks at a settled cluster and keeps what it finds. What a provider lost is told, never made anew:
// a cluster that comes back empty would look like one that lost its data.
func clusterObserved(ctx context.Context, s *scope) (verdict, error) {
	c, state := s.cluster(), s.claim.Resource.State
	facts, err := s.Provider.Observe(ctx, s.id())
	if err != nil {
		return verdict{}, err
	}
	if !facts.Exists && state == berth.StateSucceeded {
		return verdict{}, berth.Errorf(berth.CodeNotFound, "The cluster '%s' is no longer there: its provider has nothing under that name. Delete it and create it again.", s.id().Name())
	}
	record(c, facts)
	if state != berth.StateSucceeded || !facts.Reachable {
		return s.unchanged(), nil
	}
	return verdict{}, s.keepCredential(ctx)
}

// keepCredential lays the kubeconfigs where the credential actions find them. They change when a restart moved the
// cluster to another port. Their entries are named as AKS names them: many are merged into one file.
func (s *scope) keepCredential(ctx context.Context) error {
	config, err := s.Provider.Kubeconfig(ctx, s.id())
	if err != nil {
		return err
	}
	name, owner := s.id().Name(), s.id().Group+"_"+s.id().Name()
	for secret, names := range map[string]kube.Names{
		berth.SecretUser:  {Cluster: name, User: "clusterUser_" + owner, Context: name},
		berth.SecretAdmin: {Cluster: name, User: "clusterAdmin_" + owner, Context: name + "-admin"},
	} {
		if err := s.keepChanged(ctx, secret, config, names); err != nil {
			return err
		}
	}
	return nil
}

func (s *scope) keepChanged(ctx context.Context, secret string, config []byte, names kube.Names) error {
	named, err := kube.Rename(config, names)
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

// unchanged ends a look at a settled resource without changing its state.
func (s *scope) unchanged() verdict {
	r := s.claim.Resource
	return ended(store.Outcome{State: r.State, Fault: r.Fault, CheckAt: s.nextCheck()})
}

// residuesCleaned takes away what detaches could not clean while the cluster did not answer.
func residuesCleaned(ctx context.Context, s *scope) (verdict, error) {
	left, err := s.Store.Residues(ctx, s.id())
	if err != nil || len(left) == 0 {
		return verdict{}, err
	}
	conn, err := s.adminConn(ctx, s.id())
	if err != nil {
		return verdict{}, err
	}
	defer conn.Close()
	for _, r := range left {
		var put kube.Attachment
		if err := json.Unmarshal(r.Detail, &put); err != nil {
			return verdict{}, fmt.Errorf("a residue of %s: %w", r.Holder, err)
		}
		if _, err := conn.Detach(ctx, put); err != nil {
			return verdict{}, err
		}
		if err := s.Store.DropResidue(ctx, s.id(), r.Holder); err != nil {
			return verdict{}, err
		}
		s.Log.Info("cleaned what an earlier detach had to leave", "cluster", s.id(), "compute", r.Holder)
	}
	return verdict{}, nil
}

// adminConn connects to a managed cluster as its administrator.
func (e *Engine) adminConn(ctx context.Context, cluster berth.ID) (*kube.Conn, error) {
	config, err := e.Provider.Kubeconfig(ctx, cluster)
	if err != nil {
		return nil, err
	}
	return e.connect(config)
}
