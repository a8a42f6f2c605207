package reconcile_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/kube"
	"berth.dev/berth/provider/fake"
	"berth.dev/berth/reconcile"
)

// attachedFake is a world with a compute that is attached to a cluster.
func attachedFake(t *testing.T) (w *world, p *fake.Provider, id, to berth.ID) {
	t.Helper()
	w, p = withFake(t)
	to, id = clusterID("own"), workspace.Child("computes", "taken")
	w.ends(w.create(to, cluster(3)), berth.StateSucceeded)
	w.ends(w.create(id, attached(to, berth.FastProd)), berth.StateSucceeded)
	w.until("the first check", time.Second, func() bool { return len(w.compute(id).Status.Health.Conditions) > 0 })
	return w, p, id, to
}

func (w *world) condition(id berth.ID, t berth.ConditionType) berth.Condition {
	w.Helper()
	for _, c := range w.compute(id).Status.Health.Conditions {
		if c.Type == t {
			return c
		}
	}
	return berth.Condition{}
}

func (w *world) becomes(id berth.ID, t berth.ConditionType, met bool) berth.Condition {
	w.Helper()
	want := berth.Met(t, met, "", "").Status
	w.until(string(t)+" to change", time.Second, func() bool { return w.condition(id, t).Status == want })
	return w.condition(id, t)
}

func TestHealthOfTheGood(t *testing.T) {
	w, _, id, _ := attachedFake(t)
	for _, c := range []berth.ConditionType{berth.Reachable, berth.HasRights, berth.VersionSupported, berth.NodesReady,
		berth.CapacityEnough, berth.Owned} {
		if got := w.condition(id, c); got.Status != berth.ConditionTrue || got.ObservedAt.IsZero() || got.Message == "" || got.Reason == "" ||
			got.Since.IsZero() {
			t.Errorf("%s: %+v", c, got)
		}
	}
	if n := len(w.compute(id).Status.Health.Changes); n != 0 {
		t.Errorf("%d changes of what was always well", n)
	}
}

// TestHealthOfTheSilent: a cluster counts as silent after two checks without an answer. From then on nothing else about it is known.
// However long the silence lasted, two answers end it.
func TestHealthOfTheSilent(t *testing.T) {
	w, p, id, to := attachedFake(t)
	p.Unreachable(to, true)
	start := w.clock.Now()
	silent := w.becomes(id, berth.Reachable, false)
	if took := silent.Since.Sub(start); took > 2*time.Minute || !strings.Contains(silent.Message, "does not answer") {
		t.Errorf("after %v: %+v", took, silent)
	}
	if r := w.get(id); r.State != berth.StateSucceeded {
		t.Errorf("a compute whose cluster is silent is %s", r.State)
	}
	for _, c := range []berth.ConditionType{berth.HasRights, berth.VersionSupported, berth.NodesReady, berth.CapacityEnough, berth.Owned} {
		if got := w.condition(id, c); got.Status != berth.ConditionUnknown || got.Reason != berth.ReasonSilent ||
			!got.ObservedAt.Before(got.Since) {
			t.Errorf("%s of a silent cluster: %+v", c, got)
		}
	}
	if nodes := w.condition(id, berth.NodesReady); !strings.Contains(nodes.Message, "3 of 3 nodes are ready") ||
		!strings.Contains(nodes.Message, "UTC") {
		t.Errorf("it does not say what was seen last, and when: %+v", nodes)
	}
	w.until("the cluster's own health", time.Second, func() bool {
		return w.get(to).Body.(*berth.Cluster).Status.Health.Summary().State == berth.Unreachable
	})
	for range 3600 {
		w.clock.Advance(time.Second)
	}
	p.Unreachable(to, false)
	back := w.clock.Now()
	w.becomes(id, berth.Reachable, true)
	w.becomes(id, berth.NodesReady, true)
	if took := w.clock.Now().Sub(back); took > 90*time.Second {
		t.Errorf("it took %v to see that the cluster is back", took)
	}
	changes := w.compute(id).Status.Health.Changes
	if len(changes) != 2 || changes[0].Status != berth.ConditionFalse || changes[1].Status != berth.ConditionTrue {
		t.Errorf("the history is %+v", changes)
	}
}

// TestCheckNow: a check on demand comes at once, and so does its confirmation, without the periodic one.
func TestCheckNow(t *testing.T) {
	w, p, id, to := attachedFake(t)
	p.Unreachable(to, true)
	_, err := w.store.CheckNow(w.ctx, id)
	w.must(err)
	w.until("the first check", 0, func() bool { h := w.compute(id).Status.Health; return h.Summary().Confirming })
	w.clock.Advance(10 * time.Second)
	w.until("the second check", 0, func() bool { return w.condition(id, berth.Reachable).Status == berth.ConditionFalse })
}

func TestHealthOfVersionAndNodes(t *testing.T) {
	w, p, id, to := attachedFake(t)
	p.SetVersion(to, "1.12.4")
	if c := w.becomes(id, berth.VersionSupported, false); !strings.Contains(c.Message, "1.12.4") {
		t.Errorf("%+v", c)
	}
	p.SetVersion(to, "")
	w.becomes(id, berth.VersionSupported, true)
	w.ends(w.change(to, func(b berth.Body) { b.(*berth.Cluster).Spec.Pools[0].Count = 1 }), berth.StateSucceeded)
	if c := w.becomes(id, berth.CapacityEnough, false); !strings.Contains(c.Message, "12") {
		t.Errorf("%+v", c)
	}
}

// TestHealthOfTheRobbed: a user removes Berth's account, its rights and its record by hand.
func TestHealthOfTheRobbed(t *testing.T) {
	w, _, id, to := attachedFake(t)
	_, err := w.inside(to).Detach(w.ctx, kube.Attachment{Namespace: "azureml-vision", ComputeID: id.String(), WorkspaceName: "Vision",
		ComputeName: "taken", Server: "one"})
	w.must(err)
	if c := w.becomes(id, berth.HasRights, false); !strings.Contains(c.Message, "azureml-vision/berth") || c.Reason != "Denied" {
		t.Errorf("%+v", c)
	}
	w.until("the record to be written again", time.Second, func() bool { return w.owner(to) == id.String() })
	if r := w.get(id); r.State != berth.StateSucceeded {
		t.Errorf("it is %s", r.State)
	}
}

// TestHealthOfTheReplaced: another cluster answers under the same name and address.
func TestHealthOfTheReplaced(t *testing.T) {
	w, p, id, to := attachedFake(t)
	_, err := p.Remove(w.ctx, to)
	w.must(err)
	w.until("another cluster", time.Second, func() bool {
		f, err := p.Ensure(w.ctx, to, cluster(3).Spec)
		return err == nil && f.Ready
	})
	w.until("the change to be seen", time.Second, func() bool { return w.get(id).State == berth.StateFailed })
	if f := w.get(id).Fault; !strings.Contains(f.Message, "replaced by another") || !strings.Contains(f.Message, "Detach") {
		t.Errorf("%v", f)
	}
}

func TestHealthOfTheTakenOver(t *testing.T) {
	w, _, id, to := attachedFake(t)
	conn := w.inside(to)
	w.must(conn.DropOwnership(w.ctx, id.String()))
	w.must(conn.TakeOwnership(w.ctx, kube.Owner{ComputeID: "/theirs", Server: "far away", Since: "2026-01-02T03:04:05Z"}))
	w.until("it to be seen", time.Second, func() bool { return w.get(id).State == berth.StateFailed })
	if f := w.get(id).Fault; !strings.Contains(f.Message, "taken over, as /theirs (server far away)") {
		t.Errorf("%v", f)
	}
}

// TestHealthOfACertificate: its end is reported 30, 7 and 1 days before, each once.
func TestHealthOfACertificate(t *testing.T) {
	w, _, id, _ := attachedFake(t)
	ends := w.clock.Now().Add(31 * 24 * time.Hour)
	w.ends(w.change(id, func(b berth.Body) {
		b.(*berth.Compute).Spec.SSL = &berth.SSLSpec{Status: "Enabled", CNAME: "x.example", Certificate: certificate(t, ends)}
	}), berth.StateSucceeded)
	if c := w.becomes(id, berth.SSLValid, true); c.Reason != "Valid" {
		t.Errorf("%+v", c)
	}
	for _, step := range []struct {
		left   time.Duration
		reason string
	}{{29, "EndsIn30Days"}, {6, "EndsIn7Days"}, {0, "EndsIn1Days"}, {-1, "Expired"}} {
		w.clock.Advance(ends.Add(-step.left*24*time.Hour - time.Hour).Sub(w.clock.Now()))
		w.until(step.reason, time.Second, func() bool { return w.condition(id, berth.SSLValid).Reason == step.reason })
	}
	if n := len(w.compute(id).Status.Health.Changes); n != 4 {
		t.Errorf("%d changes: %+v", n, w.compute(id).Status.Health.Changes)
	}
}

func certificate(t *testing.T, ends time.Time) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "x.example"}, DNSNames: []string{"x.example"},
		NotBefore: ends.Add(-1e15), NotAfter: ends}
	der, err := x509.CreateCertificate(rand.Reader, leaf, leaf, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// TestManySilentDelayNothing: more checks of silent clusters than there are workers wait for ever, and a create is done all the
// same.
func TestManySilentDelayNothing(t *testing.T) {
	w, p := idleFake(t)
	w.engine("one", reconcile.Patient(time.Hour))
	ids := make([]berth.ID, 80)
	var ops []*berth.Operation
	for i := range ids {
		ids[i] = workspace.Child("computes", fmt.Sprint("c", i))
		ops = append(ops, w.create(ids[i], newCompute(ids[i], 3)))
	}
	for _, op := range ops {
		w.ends(op, berth.StateSucceeded)
	}
	for _, id := range ids {
		p.Delay(w.compute(id).Spec.ClusterID, 1e15)
	}
	for range 40 { // all of them are due
		w.clock.Advance(time.Second)
	}
	id := workspace.Child("computes", "late")
	w.ends(w.create(id, newCompute(id, 3)), berth.StateSucceeded)
}
