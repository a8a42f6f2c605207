package reconcile

import (
	"cmp"
	"context"
	"errors"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/clusters"
	"berth.dev/berth/kube"
	"berth.dev/berth/router/route"
	"berth.dev/berth/store"
)

// connectionLife is how long Berth's token in a connected cluster is valid; it is renewed when half of that is over. After a server
// has been stopped for longer than that, the cluster must be connected again.
const connectionLife = 7 * 24 * time.Hour

// connectedLifecycle is that of a connected cluster, which Berth never creates, scales or deletes.
func connectedLifecycle() lifecycle {
	return lifecycle{
		apply: []phase{connectionEntered}, remove: []phase{connectionLeft}, clean: []phase{routerRemoved},
		check: []phase{connectedObserved, cleanupsDone},
	}
}

// connectionEntered uses the submitted credential once: to create an account for Berth in the cluster.
func connectionEntered(ctx context.Context, s *scope) (verdict, error) {
	text, err := s.Store.Secret(ctx, s.id(), berth.SecretSubmitted)
	if errors.Is(err, store.ErrNotFound) { // only tags were changed
		return verdict{}, nil
	}
	if err != nil {
		return verdict{}, err
	}
	submitted, err := kube.ParseKubeconfig(text)
	var conn *kube.Conn
	if err == nil {
		conn, err = s.Clusters.ConnectBy(ctx, s.id(), submitted)
	}
	if err != nil {
		return verdict{}, berth.Errorf(berth.CodeBadRequest, "The kubeconfig cannot be used: %s.", berth.Sentence(err))
	}
	defer conn.Close()
	if err := s.observe(ctx, conn); err != nil {
		return verdict{}, s.refused(err)
	}
	switch {
	case s.cluster().Spec.KeepCredential:
		s.cluster().Status.Endpoint, s.cluster().Status.TokenExpires = submitted.Server(), time.Time{}
		s.keep(berth.SecretOwn, text)
		s.noteRouter(ctx, conn)
		return verdict{}, nil
	case submitted.IsOwnAccount(): // an administrator has applied the manifest and submitted the account's own token
		if err := conn.Adopt(ctx, s.connection()); err != nil {
			return verdict{}, s.refused(err)
		}
		s.noteRouter(ctx, conn)
		return verdict{}, s.renew(ctx, conn, submitted)
	}
	if err := conn.Enter(ctx, s.connection()); err != nil {
		if errors.Is(err, kube.ErrNamespaceEnding) {
			return again(250 * time.Millisecond), s.progress(ctx, "waiting until the namespace %s of an earlier connection is deleted",
				kube.ConnectionNamespace)
		}
		if berth.ErrorCode(err) == berth.CodeConflict && s.cluster().Spec.TakeOver {
			return again(s.soon()), errors.Join(conn.EvictConnection(ctx), s.progress(ctx, "taking the cluster over"))
		}
		return verdict{}, s.refused(err)
	}
	s.cluster().Status.MayAskRouter = s.cluster().Spec.Inference // it is among the rights that the account has now
	return verdict{}, s.renew(ctx, conn, submitted)
}

// noteRouter notes whether a credential of Berth suffices to ask the router, when that is not known yet: an administrator may have granted
// it meanwhile. What the cluster does not answer is asked again at the next check.
func (s *scope) noteRouter(ctx context.Context, conn *kube.Conn) {
	c := s.cluster()
	if c.Status.MayAskRouter || !c.Spec.Inference && !c.Spec.KeepCredential {
		return
	}
	may, err := conn.MayAskRouter(ctx, route.Namespace)
	if err != nil {
		s.Log.Info("the rights in a connected cluster could not be read", "cluster", s.id(), "error", err)
	}
	c.Status.MayAskRouter = err == nil && may
}

// connection is the account that Berth has, or is to have, in the cluster.
func (s *scope) connection() kube.Connection {
	return kube.Connection{Of: s.id().String(), Server: s.ServerID, Inference: s.cluster().Spec.Inference}
}

// refused explains an error of connecting, with what the user can do about it.
func (s *scope) refused(err error) error {
	if why, is := kube.RefusedAddress(err); is {
		return berth.Errorf(berth.CodeBadRequest, "The cluster's address is refused: %s.", why)
	}
	if kube.Denied(err) {
		return berth.Errorf(berth.CodeForbidden, "The cluster refused the credential: %s. To connect a cluster, "+
			"use the credential of an administrator; Berth needs it once.", berth.Sentence(err))
	}
	if kube.Untrusted(err) || kube.Expired(err) {
		return berth.Errorf(berth.CodeBadRequest, "The server at the cluster's address cannot be trusted: %s.", berth.Sentence(err))
	}
	if kube.Nonsense(err) {
		return berth.Errorf(berth.CodeBadRequest, "The server at the cluster's address is not Kubernetes: %s.", berth.Sentence(err))
	}
	return clusters.Unreachable(s.id(), err)
}

// observe asks a connected cluster for its identity, version and nodes. CodeConflict when another cluster answers at the address.
func (s *scope) observe(ctx context.Context, conn *kube.Conn) error {
	facts, err := conn.Facts(ctx)
	if err != nil {
		return err
	}
	st := &s.cluster().Status
	if st.UID != "" && st.UID != facts.UID {
		return berth.Errorf(berth.CodeConflict, "Another cluster answers at %s than the one that was connected (the UID of its kube-system "+
			"differs). Disconnect the old one, then connect the new one.", st.Endpoint)
	}
	total := facts.Totals()
	st.UID, st.Version = facts.UID, facts.Version
	st.Nodes, st.ReadyNodes = total.Nodes, total.Ready
	st.VCPUs, st.VMSize = total.VCPUs, total.VMSize
	st.SeenAt, st.Message = s.Clock.Now().UTC(), ""
	return nil
}

// renew gets a token for Berth's own account, and keeps it with the cluster's address and authority.
func (s *scope) renew(ctx context.Context, conn *kube.Conn, config *kube.Kubeconfig) error {
	token, expires, err := conn.ConnectionToken(ctx, connectionLife)
	if err != nil {
		return s.refused(err)
	}
	own, err := config.WithToken(token, kube.ConnectionNamespace).Bytes()
	if err != nil {
		return err
	}
	s.cluster().Status.TokenExpires, s.cluster().Status.Endpoint = expires, config.Server()
	s.keep(berth.SecretOwn, own)
	return nil
}

// connectedObserved checks a connected cluster and renews the token in time. A cluster that does not answer stays connected.
func connectedObserved(ctx context.Context, s *scope) (verdict, error) {
	if s.claim.Resource.State != berth.StateSucceeded {
		return s.unchanged(), nil
	}
	config, err := s.Clusters.Credential(ctx, s.id())
	if err != nil {
		return verdict{}, err
	}
	conn, err := s.Clusters.ConnectBy(ctx, s.id(), config)
	if err != nil {
		return verdict{}, err
	}
	defer conn.Close()
	st := &s.cluster().Status
	found := []berth.Finding{answering}
	if err := s.observe(ctx, conn); berth.ErrorCode(err) == berth.CodeConflict {
		return verdict{}, err
	} else if err != nil {
		st.Message = berth.Sentence(err)
		found = silence(err)
	} else {
		found = append(found, nodesReady(kube.Totals{Nodes: st.Nodes, Ready: st.ReadyNodes}))
	}
	doubt := s.noteHealth(&st.Health, found)
	if holder, err := s.Store.Holder(ctx, s.id()); err == nil && !holder.IsZero() {
		s.rest = 4 * s.CheckEvery // the compute that holds it asks the same cluster already
	}
	if doubt {
		s.rest = min(doubtFor, s.CheckEvery)
	}
	if found[0].Status == berth.ConditionFalse {
		return s.checkAgain(cmp.Or(s.rest, s.CheckEvery)), nil
	}
	s.noteRouter(ctx, conn)
	if s.cluster().Spec.KeepCredential || s.Clock.Now().Add(connectionLife/2).Before(st.TokenExpires) {
		return verdict{}, nil
	}
	return verdict{}, s.renew(ctx, conn, config)
}

// connectionLeft removes Berth's account from the cluster. A cluster that does not answer delays this by detachPatience at most.
func connectionLeft(ctx context.Context, s *scope) (verdict, error) {
	gone := ended(store.Outcome{State: berth.StateSucceeded, Gone: true})
	conn, err := s.Clusters.Connect(ctx, s.id())
	if err == nil {
		defer conn.Close()
		var left []string
		left, err = conn.Leave(ctx, s.id().String(), s.ServerID)
		s.notes = append(s.notes, left...)
	}
	if err != nil && berth.ErrorCode(err) != berth.CodeConflict {
		if s.elapsed() < detachPatience {
			return again(s.soon()), s.progress(ctx, "the cluster does not answer; trying again")
		}
		s.notes = append(s.notes, "The cluster '"+s.id().Name()+"' did not answer ("+berth.Sentence(err)+"), "+
			"so Berth's account is still in it. Remove it there: kubectl delete namespace "+kube.ConnectionNamespace)
	}
	if err := s.Store.DropCleanup(ctx, s.id(), berth.ID{}); err != nil {
		return verdict{}, err
	}
	return gone, nil
}
