package kube_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/kube"
)

const (
	computeID  = "/subscriptions/S/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w/computes/one"
	otherID    = "/subscriptions/S/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w/computes/two"
	inANewName = "azureml-kube-test"
)

var attachment = kube.Attachment{Namespace: inANewName, ComputeID: computeID, WorkspaceName: "kube test", ComputeName: "one", Server: "A"}

func attach(t *testing.T, c *kube.Conn, a kube.Attachment) {
	t.Helper()
	if err := c.TakeOwnership(t.Context(), kube.Owner{ComputeID: a.ComputeID, Server: a.Server, Since: "2026-01-02T03:04:05Z",
		By: "me"}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error { return c.Attach(t.Context(), a) }) // a namespace may still be going
}

func detach(t *testing.T, c *kube.Conn, a kube.Attachment) (left []string) {
	t.Helper()
	left, err := c.Detach(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	return left
}

func present(t *testing.T, c *kube.Conn, a kube.Attachment) []string {
	t.Helper()
	found, err := c.Present(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestClaim(t *testing.T) {
	onClusters(t, func(t *testing.T, admin []byte) {
		c, ctx := connect(t, admin), t.Context()
		if o, err := c.Owner(ctx); o != nil || err != nil {
			t.Fatalf("%+v, %v", o, err)
		}
		mine := kube.Owner{ComputeID: computeID, Server: "A", Since: "2026-01-02T03:04:05Z", By: "me"}
		again := mine
		again.ComputeID, again.Since = strings.ToUpper(computeID), "later"
		for _, o := range []kube.Owner{mine, mine, again} {
			if err := c.TakeOwnership(ctx, o); err != nil {
				t.Fatal(err)
			}
		}
		if o, err := c.Owner(ctx); err != nil || *o != mine {
			t.Errorf("%+v, %v", o, err)
		}
		for _, o := range []kube.Owner{{ComputeID: otherID, Server: "A"}, {ComputeID: computeID, Server: "B"}} {
			conflict, ok := errors.AsType[*kube.ConflictError](c.TakeOwnership(ctx, o))
			if !ok || conflict.Owner != mine || !strings.Contains(conflict.Error(), computeID) {
				t.Errorf("%+v: %v", o, conflict)
			}
		}
		if err := c.DropOwnership(ctx, otherID); err != nil {
			t.Error(err)
		}
		if o, _ := c.Owner(ctx); o == nil {
			t.Fatal("released by someone else")
		}
		for range 2 {
			if err := c.DropOwnership(ctx, computeID); err != nil {
				t.Error(err)
			}
		}
		if o, _ := c.Owner(ctx); o != nil {
			t.Errorf("still %+v", o)
		}
	})
}

func TestClaimOfMany(t *testing.T) {
	_, _, admin := simulated(t, 1)
	results := make(chan error)
	for _, id := range []string{"/1", "/2", "/3", "/4", "/5"} {
		go func() {
			c, err := kube.Connect(admin, unhurried)
			if err == nil {
				err = c.TakeOwnership(context.Background(), kube.Owner{ComputeID: id, Server: "A"})
				c.Close()
			}
			results <- err
		}()
	}
	won := 0
	for range 5 {
		if err := <-results; err == nil {
			won++
		} else if _, ok := errors.AsType[*kube.ConflictError](err); !ok {
			t.Error(err)
		}
	}
	if won != 1 {
		t.Errorf("%d have the cluster", won)
	}
}

func TestAttachAndDetach(t *testing.T) {
	onClusters(t, func(t *testing.T, admin []byte) {
		c, ctx := connect(t, admin), t.Context()
		attach(t, c, attachment)
		ns, err := c.Namespace(ctx, inANewName)
		if err != nil || ns == nil || ns.Labels["app.kubernetes.io/managed-by"] != "berth" || ns.Annotations["berth.dev/compute"] != computeID {
			t.Fatalf("%+v, %v", ns, err)
		}
		if found := present(t, c, attachment); len(found) != 7 {
			t.Errorf("in the cluster: %v", found)
		}
		attach(t, c, attachment) // again changes nothing
		if again, err := c.Namespace(ctx, inANewName); err != nil || again.UID != ns.UID || again.ResourceVersion != ns.ResourceVersion {
			t.Errorf("%+v became %+v, %v", ns, again, err)
		}
		for range 2 {
			if left := detach(t, c, attachment); left != nil {
				t.Errorf("left: %v", left)
			}
		}
		if found := present(t, c, attachment); len(found) != 0 {
			t.Errorf("still in the cluster: %v", found)
		}
		if o, err := c.Owner(ctx); o != nil || err != nil {
			t.Errorf("%+v, %v", o, err)
		}
		eventually(t, func() error {
			if ns, err := c.Namespace(ctx, inANewName); ns != nil || err != nil {
				return errors.Join(err, errors.New("the namespace is still there"))
			}
			return nil
		})
	})
}

func TestDetachLeavesWhatIsTheUsers(t *testing.T) {
	onClusters(t, func(t *testing.T, admin []byte) {
		c, ctx := connect(t, admin), t.Context()
		attach(t, c, attachment)
		if err := c.PutMap(ctx, inANewName, "model"); err != nil {
			t.Fatal(err)
		}
		left := detach(t, c, attachment)
		if len(left) != 1 || !strings.Contains(left[0], inANewName) || !strings.Contains(left[0], "configmaps/model.") {
			t.Errorf("left: %q", left)
		}
		if found := present(t, c, attachment); len(found) != 0 {
			t.Errorf("still in the cluster: %v", found)
		}
		// Another compute of the workspace takes the namespace over, and deletes it once the user's objects are deleted.
		second := attachment
		second.ComputeID, second.ComputeName = otherID, "two"
		attach(t, c, second)
		if err := c.DropMap(ctx, inANewName, "model"); err != nil {
			t.Fatal(err)
		}
		if left := detach(t, c, attachment); left != nil { // the first one is not asked any more
			t.Errorf("left: %q", left)
		}
		if found := present(t, c, second); len(found) != 7 {
			t.Errorf("detaching the first left of the second: %v", found)
		}
		if o, err := c.Owner(ctx); err != nil || o == nil || o.ComputeID != otherID {
			t.Errorf("%+v, %v", o, err)
		}
		if left := detach(t, c, second); left != nil {
			t.Errorf("left: %q", left)
		}
		if ns, err := c.Namespace(ctx, inANewName); err != nil || ns != nil && ns.DeletionTimestamp == nil {
			t.Errorf("%+v, %v", ns, err)
		}
	})
}

func TestAttachToTheUsersNamespace(t *testing.T) {
	onClusters(t, func(t *testing.T, admin []byte) {
		c, ctx := connect(t, admin), t.Context()
		a := attachment
		a.Namespace = "default"
		attach(t, c, a)
		if left := detach(t, c, a); left != nil {
			t.Errorf("left: %q", left)
		}
		ns, err := c.Namespace(ctx, "default")
		if err != nil || ns == nil || ns.DeletionTimestamp != nil || ns.Labels["app.kubernetes.io/managed-by"] != "" {
			t.Errorf("%+v, %v", ns, err)
		}
		if found := present(t, c, a); len(found) != 0 {
			t.Errorf("still in the cluster: %v", found)
		}
	})
}

func TestAttachRespectsOthers(t *testing.T) {
	_, _, admin := simulated(t, 1)
	c, ctx := connect(t, admin), t.Context()
	if err := c.PutClusterRole(ctx); err != nil {
		t.Fatal(err)
	}
	if err := c.Attach(ctx, attachment); berth.ErrorCode(err) != berth.CodeConflict ||
		!strings.Contains(err.Error(), "cluster role 'berth-compute'") {
		t.Errorf("%v", err)
	}
	if left := detach(t, c, attachment); len(left) != 1 || !strings.Contains(left[0], "cluster role") {
		t.Errorf("left: %q", left)
	}
	if err := c.DropClusterRole(ctx); err != nil {
		t.Fatal(err)
	}
	attach(t, c, attachment)
	second := attachment
	second.ComputeID = otherID
	if _, ok := errors.AsType[*kube.ConflictError](c.Attach(ctx, second)); !ok {
		t.Error("attached to a cluster that is taken")
	}
	elsewhere := attachment
	elsewhere.Server = "B"
	detach(t, c, elsewhere) // same ids, another server
	if found := present(t, c, attachment); len(found) != 7 {
		t.Errorf("another server removed all but %v", found)
	}
	if o, _ := c.Owner(ctx); o == nil {
		t.Error("another server removed the record")
	}
}

func TestAttachWaitsForANamespaceThatGoes(t *testing.T) {
	_, _, admin := simulated(t, 1)
	c, ctx := connect(t, admin), t.Context()
	if err := errors.Join(c.PutNamespace(ctx, inANewName, "example.com/held"), c.DropNamespace(ctx, inANewName)); err != nil {
		t.Fatal(err)
	}
	err := c.Attach(ctx, attachment)
	if err == nil || !strings.Contains(err.Error(), "still being deleted") || berth.ErrorCode(err) != berth.CodeInternal ||
		kube.Unreachable(err) {
		t.Errorf("%v", err)
	}
}

// What the service account may do, and some of what it may not: verb, resource, namespace.
var rights = [][3]string{
	{"get", "nodes", ""}, {"list", "nodes", ""}, {"get", "namespaces:kube-system", "kube-system"},
	{"get", "configmaps:berth-attachment", "kube-system"},
	{"create", "serviceaccounts/token:berth", inANewName}, {"get", "serviceaccounts:berth", inANewName},
	{"get", "namespaces:" + inANewName, inANewName},
}

var noRights = [][3]string{
	{"create", "nodes", ""}, {"delete", "nodes", ""}, {"list", "namespaces", ""}, {"get", "namespaces:default", "default"},
	{"list", "secrets", ""}, {"list", "secrets", inANewName},
	{"create", "pods", inANewName}, {"update", "configmaps:berth-attachment", "kube-system"}, {"get", "configmaps:other", "kube-system"},
	{"create", "serviceaccounts/token:default", inANewName},
	{"create", "serviceaccounts/token", inANewName}, {"delete", "serviceaccounts:berth", inANewName},
	{"update", "roles.rbac.authorization.k8s.io:berth-compute", inANewName}, {"list", "deployments.apps", ""},
}

func TestRights(t *testing.T) {
	onClusters(t, func(t *testing.T, admin []byte) {
		c, ctx := connect(t, admin), t.Context()
		attach(t, c, attachment)
		t.Cleanup(func() { _, _ = c.Detach(context.Background(), attachment) })
		if err := c.Widen(ctx); err != nil {
			t.Fatal(err)
		}
		attach(t, c, attachment) // takes back what was added
		own := connect(t, tokenConfig(t, c, admin))
		can := func(verb, resource, namespace string) bool {
			yes, err := own.Can(ctx, verb, resource, namespace)
			if err != nil {
				t.Fatal(err)
			}
			return yes
		}
		for _, may := range rights {
			eventually(t, func() error { // a role is known a moment after it was written
				if !can(may[0], may[1], may[2]) {
					return errors.New("may not " + strings.Join(may[:], " "))
				}
				return nil
			})
		}
		for _, not := range noRights {
			eventually(t, func() error {
				if can(not[0], not[1], not[2]) {
					return errors.New("may " + strings.Join(not[:], " "))
				}
				return nil
			})
		}
		if f, err := own.Facts(ctx); err != nil || f.UID == "" {
			t.Errorf("facts with its own token: %+v, %v", f, err)
		}
		if o, err := own.Owner(ctx); err != nil || o == nil {
			t.Errorf("the record with its own token: %+v, %v", o, err)
		}
		if err := own.DeleteNode(ctx, "no"); err == nil || kube.Unreachable(err) {
			t.Errorf("deleting a node: %v", err)
		}
		if yes, err := c.Can(ctx, "delete", "nodes", ""); !yes || err != nil {
			t.Errorf("the administrator: %v, %v", yes, err)
		}
	})
}

func tokenConfig(t *testing.T, c *kube.Conn, admin []byte) []byte {
	t.Helper()
	token, _, err := c.Token(t.Context(), inANewName, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	config, err := tokenKubeconfig(admin, token, inANewName)
	if err != nil {
		t.Fatal(err)
	}
	return config
}

func TestToken(t *testing.T) {
	_, clock, admin := simulated(t, 1)
	c, ctx := connect(t, admin), t.Context()
	attach(t, c, attachment)
	_, expires, err := c.Token(ctx, inANewName, time.Hour)
	if want := clock.Now().Add(time.Hour); err != nil || expires.Sub(want).Abs() > time.Second {
		t.Errorf("expires %v, %v; want %v", expires, err, want)
	}
	config := tokenConfig(t, c, admin)
	own := connect(t, config)
	renewed, later, err := own.Token(ctx, inANewName, 2*time.Hour)
	if err != nil || renewed == "" || !later.After(expires) {
		t.Errorf("with its own token: %v, %v", later, err)
	}
	if _, _, err := c.Token(ctx, inANewName, time.Minute); err == nil {
		t.Error("a token for a minute")
	}
	if _, _, err := c.Token(ctx, "no-such", time.Hour); err == nil || kube.Unreachable(err) {
		t.Errorf("a token in no namespace: %v", err)
	}
	clock.Advance(time.Hour)
	if _, err := own.Nodes(ctx); err == nil || kube.Unreachable(err) {
		t.Errorf("with an old token: %v", err)
	}
	last := connect(t, tokenConfig(t, c, admin))
	if _, err := last.Nodes(ctx); err != nil {
		t.Error(err)
	}
	detach(t, c, attachment)
	if _, err := last.Nodes(ctx); err == nil {
		t.Error("the token outlives its account")
	}
}

func TestNamespaceName(t *testing.T) {
	for in, want := range map[string]string{"azureml-Vision": "azureml-vision", "azureml-a_b.c": "azureml-a-b-c", "-x-": "x",
		strings.Repeat("a", 62) + "--b": strings.Repeat("a", 62)} {
		if got := kube.NamespaceName(in); got != want {
			t.Errorf("%s: %s; want %s", in, got, want)
		}
	}
}
