package reconcile

import (
	"context"
	"errors"
	"fmt"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/clusters"
	"berth.dev/berth/kube"
	"berth.dev/berth/rules"
	"berth.dev/berth/store"
)

const (
	// doubtFor is when to look again at what seems to have changed; see berth.Condition.
	doubtFor = 5 * time.Second
	// rarest is how seldom a cluster that has not answered for long is asked.
	rarest = 5 * time.Minute
)

// stillThere looks at a settled compute: is its cluster there, and is it as it should be? What is not is told in conditions.
// The compute itself fails only when nothing can heal it: its cluster was deleted, replaced, or taken over.
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
	doubt, now := false, s.Clock.Now().UTC()
	for _, f := range found {
		doubt = c.Status.Health.Note(now, f) || doubt
	}
	if c.Spec.SSL == nil || c.Spec.SSL.Certificate == "" {
		c.Status.Health.Drop(berth.SSLValid)
	}
	if since, silent := c.Status.Health.FailingSince(berth.Reachable); silent {
		return s.checkAgain(min(max(now.Sub(since)/4, s.CheckEvery), rarest)), nil
	}
	if doubt {
		return s.checkAgain(min(doubtFor, s.CheckEvery)), nil
	}
	if _, err := tokenKept(ctx, s); err != nil { // told by the conditions, and tried again at the next look
		s.Log.Warn("the token of a compute could not be renewed", "compute", s.id(), "expires", c.Status.TokenExpires, "error", err)
	}
	return s.checkAgain(s.CheckEvery), nil
}

func (s *scope) checkAgain(in time.Duration) verdict {
	return ended(store.Outcome{State: s.claim.Resource.State, Fault: s.claim.Resource.Fault, CheckAt: s.checkIn(in)})
}

// inspect asks the cluster with the compute's own account, whose rights are shown by that to be there. Only when that does not
// get through it asks with what Berth has besides, to tell a lost right from a lost cluster. An error is final.
func (s *scope) inspect(ctx context.Context) ([]berth.Finding, error) {
	c := s.compute()
	rights := berth.Finding{Type: berth.HasRights, OK: true, Reason: "Granted", Message: "Berth's account there may do what it has to."}
	seen, err := s.observeAsCompute(ctx)
	if kube.Unauthorized(err) { // it may only be the token
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
		return nil, berth.Errorf(berth.CodeConflict, "The cluster '%s' was replaced by another (its kube-system has another UID). Detach this compute, then attach the new one.", c.Spec.ClusterID.Name())
	}
	owned, err := s.ownership(ctx, seen.Owner)
	if err != nil {
		return nil, err
	}
	return append([]berth.Finding{answering, rights, owned}, s.findings(seen)...), nil
}

func denied(account string, why error, then string) berth.Finding {
	return berth.Finding{Type: berth.HasRights, Reason: "Denied", Message: "The cluster refuses Berth's account " + account + ": " + berth.Sentence(why) + ". " + then}
}

var answering = berth.Finding{Type: berth.Reachable, OK: true, Reason: "Answers", Message: "The cluster answers."}

func silence(err error) []berth.Finding {
	out := []berth.Finding{{Type: berth.Reachable, Reason: "Silent", Message: "The cluster does not answer: " + berth.Sentence(err) + "."}}
	if kube.Expired(err) {
		out = append(out, berth.Finding{Type: berth.CertificateValid, Reason: "Expired", Message: "The certificate of the cluster's API has ended: " + berth.Sentence(err) + "."})
	}
	return out
}

// observeAsCompute uses the compute's own short-lived token.
func (s *scope) observeAsCompute(ctx context.Context) (clusters.Observation, error) {
	config, guard, err := s.Clusters.Credential(ctx, s.compute().Spec.ClusterID)
	if err != nil {
		return clusters.Observation{}, err
	}
	token, err := s.Store.Secret(ctx, s.id(), berth.SecretToken)
	switch {
	case s.secrets[berth.SecretToken] != nil:
		config = s.secrets[berth.SecretToken]
	case err == nil:
		config = token
	case !errors.Is(err, store.ErrNotFound): // that one is made at the end of this look
		return clusters.Observation{}, err
	}
	conn, err := s.Clusters.Open(config, guard)
	if err != nil {
		return clusters.Observation{}, err
	}
	return clusters.Observe(ctx, conn)
}

// findings holds what was seen against the rules, and keeps it.
func (s *scope) findings(l clusters.Observation) []berth.Finding {
	c := s.compute()
	keepFacts(c, l.Facts)
	total := l.Facts.Totals()
	version := clusters.VersionCheck(l.Facts.Version)
	out := []berth.Finding{
		{Type: berth.VersionSupported, OK: version.OK, Reason: either(version.OK, "Supported", "Unsupported"), Message: version.Detail},
		{Type: berth.NodesReady, OK: total.AllReady(), Reason: either(total.AllReady(), "AllReady", "SomeNotReady"),
			Message: fmt.Sprintf("%d of %d nodes are ready.", total.Ready, total.Nodes)},
	}
	capacity := clusters.CapacityCheck(c.Spec, total)
	out = append(out, berth.Finding{Type: berth.CapacityEnough, OK: capacity.OK, Reason: either(capacity.OK, "Enough", "TooSmall"), Message: capacity.Detail})
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

func either(is bool, yes, no string) string {
	if is {
		return yes
	}
	return no
}

// ending tells the end of a certificate 30, 7 and 1 days before, and afterwards.
func (s *scope) ending(t berth.ConditionType, what string, ends time.Time) berth.Finding {
	left := ends.Sub(s.Clock.Now())
	f := berth.Finding{Type: t, OK: true, Reason: "Valid", Message: what + " is good until " + ends.Format("2006-01-02") + "."}
	if left <= 0 {
		f.OK, f.Reason, f.Message = false, "Expired", what+" ended on "+ends.Format("2006-01-02")+"."
		return f
	}
	const day = 24 * time.Hour
	for _, days := range []time.Duration{1, 7, 30} {
		if left <= days*day {
			f.OK, f.Reason, f.Message = false, fmt.Sprintf("EndsIn%dDays", days), fmt.Sprintf("%s ends on %s, in %d hours. Renew it.", what, ends.Format("2006-01-02"), int(left.Hours()))
			return f
		}
	}
	return f
}

// ownership: a record that someone removed is written again; one that someone replaced ends the compute.
func (s *scope) ownership(ctx context.Context, owner *kube.Owner) (berth.Finding, error) {
	intact := berth.Finding{Type: berth.Owned, OK: true, Reason: "Intact", Message: "The cluster's record says that it is this compute's."}
	if owner == nil {
		conn, err := s.Clusters.Connect(ctx, s.compute().Spec.ClusterID)
		if err != nil {
			return intact, err
		}
		defer conn.Close()
		mine := kube.Owner{ComputeID: s.id().String(), Server: s.ServerID, Since: s.claim.Resource.CreatedAt.Format(time.RFC3339), By: s.claim.Resource.CreatedBy}
		err = conn.TakeOwnership(ctx, mine)
		if conflict, ok := errors.AsType[*kube.ConflictError](err); ok {
			owner = &conflict.Owner
		} else if err != nil {
			return berth.Finding{Type: berth.Owned, Reason: "Missing", Message: "Somebody removed the record that says whose the cluster is, and it cannot be written again: " + berth.Sentence(err) + "."}, nil
		} else {
			s.Log.Warn("somebody removed the ownership record of a cluster; it is written again", "compute", s.id())
			return intact, nil
		}
	}
	if !owner.Is(s.id().String(), s.ServerID) {
		return intact, takenOver(s.compute().Spec.ClusterID, *owner)
	}
	return intact, nil
}

func takenOver(cluster berth.ID, by kube.Owner) *berth.Error {
	return berth.Errorf(berth.CodeConflict, "The cluster '%s' was taken over, as %s (server %s), on %s. Detach this compute.", cluster.Name(), by.ComputeID, by.Server, by.Since)
}
