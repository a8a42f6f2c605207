package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/clusters"
	"berth.dev/berth/kube"
	"berth.dev/berth/rules"
	"berth.dev/berth/store"
)

// doubtFor is when to check again what seems to have changed: a condition changes only after two consecutive checks agree.
const doubtFor = 5 * time.Second

// observable are the conditions of a compute that need an answer of its cluster.
var observable = []berth.ConditionType{berth.HasRights, berth.VersionSupported, berth.NodesReady, berth.CapacityEnough, berth.Owned,
	berth.CertificateValid}

// stillThere checks a settled compute: its cluster must exist, answer, and be as the compute needs it. What does not hold is
// reported in conditions. The compute itself fails only when nothing can heal it: its cluster was deleted, replaced, or taken over.
func stillThere(ctx context.Context, s *scope) (verdict, error) {
	c, r := s.compute(), s.claim.Resource
	have, err := s.Store.Get(ctx, c.Spec.ClusterID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return verdict{}, clusterDeleted(c.Spec.ClusterID)
	case err != nil:
		return verdict{}, err
	case r.State != berth.StateSucceeded || !have.State.Terminal():
		return s.unchanged(), nil
	}
	found, err := s.inspect(ctx)
	if err != nil {
		return verdict{}, err
	}
	if c.Spec.SSL == nil || c.Spec.SSL.Certificate == "" {
		c.Status.Health.Drop(berth.SSLValid)
	}
	if s.noteHealth(&c.Status.Health, found) {
		return s.checkAgain(min(doubtFor, s.CheckEvery)), nil
	}
	if c.Status.Health.Is(berth.Reachable, berth.ConditionTrue) {
		if _, err := tokenKept(ctx, s); err != nil { // the conditions report it, and the next check tries again
			s.Log.Warn("the token of a compute could not be renewed", "compute", s.id(), "expires", c.Status.TokenExpires, "error", err)
		}
	}
	return s.checkAgain(s.CheckEvery), nil
}

// noteHealth records what a check found; doubt is true when another check must confirm it soon. The finding on Reachable comes first.
// While the cluster counts as silent, nothing else is known: neither after its last answer, nor before two answers agree.
func (s *scope) noteHealth(h *berth.Health, found []berth.Finding) (doubt bool) {
	now := s.Clock.Now().UTC()
	h.CheckedAt = now
	doubt = h.Note(now, found[0])
	known := h.Is(berth.Reachable, berth.ConditionTrue)
	for _, t := range observable {
		if i := slices.IndexFunc(found, func(f berth.Finding) bool { return f.Type == t }); !known &&
			(i < 0 || found[0].Status == berth.ConditionTrue) {
			h.Lose(now, t)
		}
	}
	for _, f := range found[1:] {
		if known || found[0].Status == berth.ConditionFalse || !slices.Contains(observable, f.Type) {
			doubt = h.Note(now, f) || doubt
		}
	}
	return doubt
}

// settleHealth records what the end of an operation found in a health that was observed before. It needs no second check: an operation
// ends after the cluster has reached what was requested.
func (s *scope) settleHealth(h *berth.Health, found []berth.Finding) {
	if len(h.Conditions) == 0 {
		return // the first check follows
	}
	for range 2 { // a condition changes after two findings agree
		s.noteHealth(h, found)
	}
}

func (s *scope) checkAgain(in time.Duration) verdict {
	return ended(store.Outcome{State: s.claim.Resource.State, Fault: s.claim.Resource.Fault, CheckAt: s.checkIn(in)})
}

// inspect asks the cluster with the compute's own account, which proves that account's rights. Only when that fails it asks with
// Berth's other credential, to distinguish a lost right from a silent cluster. The first finding is on Reachable. An error is final.
func (s *scope) inspect(ctx context.Context) ([]berth.Finding, error) {
	c := s.compute()
	rights := berth.Met(berth.HasRights, true, "Granted", "Berth's account in the cluster has the rights that it needs.")
	seen, err := s.observeAsCompute(ctx)
	if kube.Unauthorized(err) { // perhaps only the token is too old
		c.Status.TokenExpires = time.Time{}
		if _, failed := tokenKept(ctx, s); failed == nil {
			seen, err = s.observeAsCompute(ctx)
		}
	}
	if err != nil && (!kube.Unreachable(err) || kube.Untrusted(err)) {
		conn, failed := s.Clusters.Connect(ctx, c.Spec.ClusterID)
		if failed != nil {
			return silence(failed), nil
		}
		if kube.Denied(err) {
			rights = denied(c.Status.Namespace+"/berth", err, "Detach and attach it again to put its rights back.")
		}
		seen, err = clusters.Observe(ctx, conn)
	}
	switch {
	case kube.Denied(err):
		return []berth.Finding{answering, denied(kube.ConnectionNamespace+"/berth-connection", err, "Connect the cluster again.")}, nil
	case err != nil:
		return silence(err), nil
	case c.Status.ClusterUID != "" && seen.Facts.UID != c.Status.ClusterUID:
		return nil, berth.Errorf(berth.CodeConflict, "The cluster '%s' was replaced by another (its kube-system has another UID). "+
			"Detach this compute, then attach the new one.", c.Spec.ClusterID.Name())
	}
	owned, err := s.ownership(ctx, seen.Owner)
	if err != nil {
		return nil, err
	}
	return append([]berth.Finding{answering, rights, owned}, s.findings(seen)...), nil
}

func denied(account string, why error, then string) berth.Finding {
	return berth.Met(berth.HasRights, false, "Denied", fmt.Sprintf("The cluster refuses Berth's account %s: %s. %s", account,
		berth.Sentence(why), then))
}

var answering = berth.Met(berth.Reachable, true, "Answers", "The cluster answers.")

func silence(err error) []berth.Finding {
	out := []berth.Finding{berth.Met(berth.Reachable, false, "Silent", "The cluster does not answer: "+berth.Sentence(err)+".")}
	if kube.Expired(err) {
		out = append(out, berth.Met(berth.CertificateValid, false, "Expired",
			"The certificate of the cluster's API has expired: "+berth.Sentence(err)+"."))
	}
	return out
}

// observeAsCompute uses the compute's own short-lived token. Before there is one it uses Berth's credential.
func (s *scope) observeAsCompute(ctx context.Context) (clusters.Observation, error) {
	var conn *kube.Conn
	cluster := s.compute().Spec.ClusterID
	token, err := s.Store.Secret(ctx, s.id(), berth.SecretToken)
	if renewed := s.secrets[berth.SecretToken]; renewed != nil {
		token, err = renewed, nil
	}
	if errors.Is(err, store.ErrNotFound) {
		conn, err = s.Clusters.Connect(ctx, cluster)
	} else if err == nil {
		var config *kube.Kubeconfig
		if config, err = kube.ParseKubeconfig(token); err == nil {
			conn, err = s.Clusters.ConnectBy(ctx, cluster, config)
		}
	}
	if err != nil {
		return clusters.Observation{}, err
	}
	return clusters.Observe(ctx, conn)
}

// findings keeps what was observed, and judges it by the rules.
func (s *scope) findings(l clusters.Observation) []berth.Finding {
	c := s.compute()
	keepFacts(c, l.Facts)
	total := l.Facts.Totals()
	version, capacity := clusters.VersionCheck(l.Facts.Version), clusters.CapacityCheck(c.Spec, total)
	out := []berth.Finding{
		berth.Met(berth.VersionSupported, version.OK, either(version.OK, "Supported", "Unsupported"), version.Detail),
		nodesReady(total),
		berth.Met(berth.CapacityEnough, capacity.OK, either(capacity.OK, "Enough", "TooSmall"), capacity.Detail),
	}
	if !l.CertificateEnds.IsZero() {
		out = append(out, s.ending(berth.CertificateValid, "The certificate of the cluster's API", l.CertificateEnds))
	}
	if c.Spec.SSL != nil {
		if ends, ok := rules.CertificateEnds(c.Spec.SSL.Certificate); ok {
			out = append(out, s.ending(berth.SSLValid, "The certificate for scoring", ends))
		}
	}
	return out
}

func nodesReady(total kube.Totals) berth.Finding {
	return berth.Met(berth.NodesReady, total.AllReady(), either(total.AllReady(), "AllReady", "SomeNotReady"),
		fmt.Sprintf("%d of %d nodes are ready.", total.Ready, total.Nodes))
}

func either(is bool, yes, no string) string {
	if is {
		return yes
	}
	return no
}

// ending warns of the end of a certificate 30, 7 and 1 days before, and afterwards.
func (s *scope) ending(t berth.ConditionType, what string, ends time.Time) berth.Finding {
	left, day := ends.Sub(s.Clock.Now()), ends.Format("2006-01-02")
	if left <= 0 {
		return berth.Met(t, false, "Expired", what+" expired on "+day+".")
	}
	for _, days := range []int{1, 7, 30} {
		if left <= time.Duration(days)*24*time.Hour {
			return berth.Met(t, false, fmt.Sprintf("EndsIn%dDays", days), fmt.Sprintf("%s expires on %s, in %d hours. Renew it.", what, day,
				int(left.Hours())))
		}
	}
	return berth.Met(t, true, "Valid", what+" is valid until "+day+".")
}

// ownership writes the ownership record again when it was removed by hand. A record that names another holder is an error: the
// compute fails.
func (s *scope) ownership(ctx context.Context, owner *kube.Owner) (berth.Finding, error) {
	intact := berth.Met(berth.Owned, true, "Intact", "The ownership record in the cluster names this compute.")
	if owner == nil {
		conn, err := s.Clusters.Connect(ctx, s.compute().Spec.ClusterID)
		if err != nil {
			return intact, err
		}
		defer conn.Close()
		mine := kube.Owner{ComputeID: s.id().String(), Server: s.ServerID, Since: s.claim.Resource.CreatedAt.Format(time.RFC3339),
			By: s.claim.Resource.CreatedBy}
		err = conn.TakeOwnership(ctx, mine)
		if conflict, ok := errors.AsType[*kube.ConflictError](err); ok {
			owner = &conflict.Owner
		} else if err != nil {
			return berth.Met(berth.Owned, false, "Missing",
				"The ownership record was removed from the cluster, and Berth cannot write it again: "+berth.Sentence(err)+"."), nil
		} else {
			s.Log.Warn("the ownership record of a cluster was removed by hand; it is written again", "compute", s.id())
			return intact, nil
		}
	}
	if !owner.Is(s.id().String(), s.ServerID) {
		return intact, takenOver(s.compute().Spec.ClusterID, *owner)
	}
	return intact, nil
}

func takenOver(cluster berth.ID, by kube.Owner) *berth.Error {
	return berth.Errorf(berth.CodeConflict, "The cluster '%s' was taken over, as %s (server %s), on %s. Detach this compute.",
		cluster.Name(), by.ComputeID, by.Server, by.Since)
}
