package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/catalog"
	"berth.dev/berth/clusters"
	"berth.dev/berth/kube"
	"berth.dev/berth/rules"
	"berth.dev/berth/store"
)

const (
	tokenLife = time.Hour
)

func computeLifecycle(c *store.Claim, spec berth.ComputeSpec) lifecycle {
	present, gone := clusterMade, detached
	if spec.Attached {
		present = clusterPresent
	} else if c.Operation != nil && c.Operation.Verb == berth.VerbDelete {
		gone = ownClusterRemoved
	}
	return lifecycle{
		apply:  []phase{present, answers, bigEnough, staleRemoved, owned, entered, tokenKept, routesRenewed, conditionsSettled},
		remove: []phase{gone, computeGone},
		check:  []phase{stillThere},
	}
}

func (s *scope) compute() *berth.Compute { return s.claim.Resource.Body.(*berth.Compute) }

func (s *scope) attachment() kube.Attachment {
	ws := s.id().Parent()
	return kube.Attachment{Namespace: clusters.NamespaceOf(s.id(), s.compute()), ComputeID: s.id().String(), WorkspaceName: ws.Name(),
		ComputeName: s.id().Name(), Server: s.ServerID}
}

// clusterMade creates the managed cluster of a compute, by a change of its own, and waits for it.
func clusterMade(ctx context.Context, s *scope) (verdict, error) {
	c := s.compute()
	have, err := s.Store.Get(ctx, c.Spec.ClusterID)
	if errors.Is(err, store.ErrNotFound) {
		return s.requestCluster(ctx, nil)
	}
	if err != nil {
		return verdict{}, err
	}
	if have.Unreadable {
		return verdict{}, have.Fault
	}
	cluster := have.Body.(*berth.Cluster)
	stale := have.State == berth.StateFailed && have.ModifiedAt.Before(s.claim.Operation.StartedAt)
	switch {
	case !have.State.Terminal():
		return awaiting(have.ID), s.progressOf(ctx, have)
	case cluster.Spec.Pools[0].Count != c.Spec.AgentCount || stale:
		return s.requestCluster(ctx, have)
	case have.State == berth.StateFailed && have.Fault != nil:
		return verdict{}, have.Fault
	}
	return verdict{}, s.lastProgressOf(ctx, have)
}

// lastProgressOf ends the steps that progressOf has copied with the last one of the cluster's operation.
func (s *scope) lastProgressOf(ctx context.Context, cluster *berth.Resource) error {
	op, err := s.Store.Operation(ctx, cluster.OperationID)
	if err != nil || len(op.Steps) == 0 {
		return nil // only a message is missing
	}
	copied := slices.ContainsFunc(op.Steps, func(step berth.Step) bool { return step.Message == s.claim.Operation.Message })
	if !copied {
		return nil
	}
	return s.progress(ctx, "%s", op.Steps[len(op.Steps)-1].Message)
}

// progressOf reports the progress of the cluster's own operation.
func (s *scope) progressOf(ctx context.Context, cluster *berth.Resource) error {
	op, err := s.Store.Operation(ctx, cluster.OperationID)
	if err != nil || op.Message == "" {
		return nil // only a message is missing
	}
	return s.progress(ctx, "%s", op.Message)
}

// requestCluster accepts a change that gives the compute the cluster that it asks for.
func (s *scope) requestCluster(ctx context.Context, have *berth.Resource) (verdict, error) {
	c := s.compute()
	w := store.Change{Verb: berth.VerbCreate, Caller: caller, Hold: berth.ID{}}
	if have == nil {
		w.Resource = &berth.Resource{ID: c.Spec.ClusterID, Location: c.Spec.Location,
			Tags: map[string]string{"createdBy": "AzureMachineLearning"}, Body: &berth.Cluster{Spec: berth.ClusterSpec{
				Version: catalog.DefaultVersion(), DNSPrefix: c.Spec.ClusterID.Name(), Location: c.Spec.Location, OwnedBy: s.id(),
				Network: ranges(c.Spec.Network), Nodes: s.claim.Resource.Tags[berth.TagNodes],
				Pools: []berth.NodePool{{Name: "agentpool", Count: c.Spec.AgentCount, VMSize: c.Spec.VMSize, Mode: "System", OSType: "Linux",
					MaxPods: 110}},
			}}}
	} else {
		cluster := *have.Body.(*berth.Cluster)
		cluster.Spec.Pools[0].Count = c.Spec.AgentCount
		have.Body = &cluster
		w.Verb = berth.VerbUpdate
		w.Resource, w.Base = have, have.Generation
	}
	if _, _, err := s.Store.Accept(ctx, w); err != nil && !errors.Is(err, store.ErrMoved) && berth.ErrorCode(err) != berth.CodeBusy {
		return verdict{}, err
	}
	return awaiting(c.Spec.ClusterID), nil
}

// ranges are the address ranges that a compute asks for its cluster.
func ranges(n *berth.NetworkSpec) berth.ClusterNetwork {
	if n == nil {
		return berth.ClusterNetwork{}
	}
	return berth.ClusterNetwork{ServiceCIDR: n.ServiceCIDR, DNSServiceIP: n.DNSServiceIP}
}

// clusterPresent waits until the cluster that the user named is settled.
func clusterPresent(ctx context.Context, s *scope) (verdict, error) {
	have, err := s.Store.Get(ctx, s.compute().Spec.ClusterID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return verdict{}, clusterDeleted(s.compute().Spec.ClusterID)
	case err != nil:
		return verdict{}, err
	case have.State == berth.StateDeleting:
		return verdict{}, clusterDeleted(have.ID)
	case !have.State.Terminal():
		return awaiting(have.ID), s.progress(ctx, "waiting for the cluster, which is %s", have.State)
	}
	return verdict{}, nil
}

func clusterDeleted(id berth.ID) *berth.Error {
	return berth.Errorf(berth.CodeNotFound, "The cluster '%s' was deleted. Detach this compute, then create or attach another cluster.",
		id.Name())
}

// answers asks the cluster for its identity, version and nodes.
func answers(ctx context.Context, s *scope) (verdict, error) {
	c := s.compute()
	conn, err := s.Clusters.Connect(ctx, c.Spec.ClusterID)
	if err != nil {
		return verdict{}, err
	}
	defer conn.Close()
	facts, err := conn.Facts(ctx)
	if err != nil {
		return verdict{}, clusters.Unreachable(c.Spec.ClusterID, err)
	}
	cluster, err := s.Store.Get(ctx, c.Spec.ClusterID)
	if err != nil {
		return verdict{}, err
	}
	c.Status.ClusterUID, c.Status.ClusterFQDN = facts.UID, cluster.Body.(*berth.Cluster).Status.FQDN
	keepFacts(c, facts)
	return verdict{}, nil
}

// keepFacts notes in a compute what its cluster reports of itself.
func keepFacts(c *berth.Compute, facts kube.Facts) {
	total := facts.Totals()
	c.Status.Version, c.Status.Nodes = facts.Version, total.Nodes
	c.Status.VCPUs, c.Status.VMSize = total.VCPUs, total.VMSize
}

// bigEnough applies the rules on version and size to what the cluster reported.
func bigEnough(_ context.Context, s *scope) (verdict, error) {
	c := s.compute()
	if c.Spec.Attached && c.Spec.Type == berth.ComputeAKS {
		return verdict{}, judge(c)
	}
	return verdict{}, nil
}

// owned writes the ownership record into the cluster, which refuses every other Berth. A forced attach first removes what the
// present owner has created there, which ends its tokens, and then writes its own record.
func owned(ctx context.Context, s *scope) (verdict, error) {
	c := s.compute()
	conn, err := s.Clusters.Connect(ctx, c.Spec.ClusterID)
	if err != nil {
		return verdict{}, err
	}
	defer conn.Close()
	mine := kube.Owner{ComputeID: s.id().String(), Server: s.ServerID, Since: s.claim.Operation.StartedAt.Format(time.RFC3339),
		By: s.claim.Operation.Caller}
	err = conn.TakeOwnership(ctx, mine)
	conflict, isTaken := errors.AsType[*kube.ConflictError](err)
	switch {
	case isTaken && c.Spec.TakeOver:
		left, err := conn.Evict(ctx, conflict.Owner, s.elapsed() >= countPatience)
		if errors.Is(err, kube.ErrCounting) {
			return again(s.soon()), s.progress(ctx, "waiting for the cluster to count what %s has in it", conflict.Owner.ComputeID)
		}
		if err != nil {
			return verdict{}, clusters.Unreachable(c.Spec.ClusterID, err)
		}
		s.notes = append(s.notes, left...)
		return again(s.soon()), s.progress(ctx, "taking the cluster over from %s", conflict.Owner.ComputeID)
	case isTaken:
		return verdict{}, s.taken(ctx, conflict.Owner)
	case err != nil:
		return verdict{}, clusters.Unreachable(c.Spec.ClusterID, err)
	}
	return verdict{}, nil
}

// taken is the refusal of an attach by the ownership record in the cluster. The record may name a compute of this Berth that no
// longer exists.
func (s *scope) taken(ctx context.Context, by kube.Owner) error {
	since, _ := time.Parse(time.RFC3339, by.Since) // a record without a date counts too
	taken := &berth.TakenError{Cluster: s.compute().Spec.ClusterID, Holder: by.ComputeID, Since: since}
	if by.Server != s.ServerID {
		taken.Server = by.Server
	}
	refusal := rules.AlreadyAttached(taken)
	id, err := berth.ParseID(by.ComputeID)
	if err != nil || by.Server != s.ServerID {
		return refusal
	}
	if _, err := s.Store.Get(ctx, id); errors.Is(err, store.ErrNotFound) {
		refusal.Message += " That compute no longer exists, so --force harms no other compute."
	}
	return refusal
}

// entered creates the namespace and the service account with the rights that Berth needs there.
func entered(ctx context.Context, s *scope) (verdict, error) {
	c := s.compute()
	conn, err := s.Clusters.Connect(ctx, c.Spec.ClusterID)
	if err != nil {
		return verdict{}, err
	}
	defer conn.Close()
	put := s.attachment()
	if put.Limited, err = s.Clusters.IsConnected(ctx, c.Spec.ClusterID); err != nil {
		return verdict{}, err
	}
	err = conn.Attach(ctx, put)
	if errors.Is(err, kube.ErrNamespaceEnding) {
		return again(250 * time.Millisecond), s.progress(ctx, "waiting until the namespace %s of an earlier attachment is deleted",
			s.attachment().Namespace)
	}
	if err != nil {
		return verdict{}, clusters.Unreachable(c.Spec.ClusterID, err)
	}
	c.Status.Namespace = s.attachment().Namespace
	return verdict{}, nil
}

// tokenKept gets a new short-lived token when there is none or half of its life is over.
func tokenKept(ctx context.Context, s *scope) (verdict, error) {
	c := s.compute()
	if s.Clock.Now().Add(tokenLife / 2).Before(c.Status.TokenExpires) {
		return verdict{}, nil
	}
	admin, err := s.Clusters.Credential(ctx, c.Spec.ClusterID)
	if err != nil {
		return verdict{}, err
	}
	conn, err := s.Clusters.ConnectBy(ctx, c.Spec.ClusterID, admin)
	if err != nil {
		return verdict{}, err
	}
	defer conn.Close()
	token, expires, err := conn.Token(ctx, c.Status.Namespace, tokenLife)
	if err != nil {
		return verdict{}, clusters.Unreachable(c.Spec.ClusterID, err)
	}
	config, err := admin.WithToken(token, c.Status.Namespace).Bytes()
	if err != nil {
		return verdict{}, err
	}
	c.Status.TokenExpires = expires
	s.keep(berth.SecretToken, config)
	return verdict{}, nil
}

// conditionsSettled checks, at the end of a change, the conditions that were observed before it.
func conditionsSettled(ctx context.Context, s *scope) (verdict, error) {
	h := &s.compute().Status.Health
	if len(h.Conditions) == 0 {
		return verdict{}, nil
	}
	found, err := s.inspect(ctx)
	if err == nil {
		s.settleHealth(h, found)
	}
	return verdict{}, err
}

// ownClusterRemoved deletes the cluster that the compute created.
func ownClusterRemoved(ctx context.Context, s *scope) (verdict, error) {
	have, err := s.Store.Get(ctx, s.compute().Spec.ClusterID)
	if errors.Is(err, store.ErrNotFound) {
		return verdict{}, nil
	}
	if err != nil {
		return verdict{}, err
	}
	if have.State == berth.StateFailed && have.Fault != nil && have.ModifiedAt.After(s.claim.Operation.StartedAt) {
		return verdict{}, have.Fault
	}
	if err := s.requestRemoval(ctx, have); err != nil {
		return verdict{}, err
	}
	return awaiting(have.ID), s.progress(ctx, "deleting the cluster %s", have.ID.Name())
}

func computeGone(context.Context, *scope) (verdict, error) {
	return ended(store.Outcome{State: berth.StateSucceeded, Gone: true}), nil
}

// judge applies the rules of the original service to what the cluster reported.
func judge(c *berth.Compute) error {
	if e := rules.VersionError(c.Status.Version); e != nil {
		return e
	}
	rest := fmt.Sprintf("; '%s' has %d. Add nodes, use a larger VM size, or attach it with the purpose DevTest.", c.Spec.ClusterID.Name(),
		c.Status.VCPUs)
	if e := rules.CapacityError(c.Spec.Purpose, c.Status.VCPUs, c.Status.VMSize, rest); e != nil {
		return e
	}
	return nil
}
