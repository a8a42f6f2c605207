package kube_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"berth.dev/berth/kube"
)

const connectionID = "/subscriptions/S/resourceGroups/g/providers/Microsoft.Kubernetes/connectedClusters/edge"

// entered is a connection with the rights of Berth's own account, which an administrator has created.
func entered(t *testing.T, c *kube.Conn, admin []byte) *kube.Conn {
	t.Helper()
	eventually(t, func() error { return c.Enter(t.Context(), kube.Connection{Of: connectionID, Server: "A"}) })
	token, _, err := c.ConnectionToken(t.Context(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	config, err := tokenKubeconfig(admin, token, kube.ConnectionNamespace)
	if err != nil {
		t.Fatal(err)
	}
	own := connect(t, config)
	eventually(t, func() error { // a role is known a moment after it was written
		_, err := own.Nodes(t.Context())
		return err
	})
	t.Cleanup(func() { without(t, c, kube.ConnectionNamespace) })
	return own
}

// without waits until nothing of an earlier test's namespace is there.
func without(t *testing.T, c *kube.Conn, namespace string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context()) // it cleans up too
	if err := c.DropNamespace(ctx, namespace); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		if ns, err := c.Namespace(ctx, namespace); ns != nil || err != nil {
			return errors.Join(err, errors.New("the namespace is still there"))
		}
		return nil
	})
}

// detachCounted detaches as the engine does: as long as the cluster counts, it asks again.
func detachCounted(t *testing.T, c *kube.Conn, a kube.Attachment) (left []string) {
	t.Helper()
	eventually(t, func() (err error) {
		left, err = c.Detach(t.Context(), a)
		if err != nil && !errors.Is(err, kube.ErrCounting) {
			t.Fatal(err)
		}
		return err
	})
	return left
}

func gone(t *testing.T, c *kube.Conn, namespace string) {
	t.Helper()
	eventually(t, func() error {
		if ns, err := c.Namespace(t.Context(), namespace); ns != nil || err != nil {
			return errors.Join(err, errors.New("the namespace is still there"))
		}
		return nil
	})
}

// TestDetachWithAConnectionsRights: kinds that the account may not list, custom resources among them, neither keep an empty
// namespace nor let one go in which there is something.
func TestDetachWithAConnectionsRights(t *testing.T) {
	onClusters(t, func(t *testing.T, admin []byte) {
		c, ctx := connect(t, admin), t.Context()
		without(t, c, inANewName)
		limited := attachment
		limited.Limited = true
		if strings.HasSuffix(t.Name(), "/real") {
			if err := c.DefineWidgets(ctx); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = c.DropWidgets(context.WithoutCancel(ctx)) })
		}
		own := entered(t, c, admin)
		if may, err := own.Can(ctx, "list", "widgets.example.com", inANewName); may || err != nil {
			t.Fatalf("the account may list widgets: %v", err)
		}

		attach(t, own, limited)
		if left := detachCounted(t, own, limited); left != nil {
			t.Errorf("left of an empty namespace: %q", left)
		}
		gone(t, c, inANewName)

		attach(t, own, limited)
		eventually(t, func() error { return c.PutWidget(ctx, inANewName) })
		left := detachCounted(t, own, limited)
		if len(left) != 1 || !strings.Contains(left[0], inANewName) || !strings.Contains(left[0], "widgets.example.com (1)") {
			t.Errorf("left: %q", left)
		}
		if ns, err := c.Namespace(ctx, inANewName); err != nil || ns == nil || ns.DeletionTimestamp != nil {
			t.Fatalf("the namespace with a widget in it: %+v, %v", ns, err)
		}

		left, err := own.Leave(ctx, connectionID, "A")
		if err != nil || len(left) != 1 || !strings.Contains(left[0], "namespaces/"+inANewName) {
			t.Errorf("a disconnect reports %q, %v", left, err)
		}
		gone(t, c, kube.ConnectionNamespace)
		without(t, c, inANewName)
	})
}

// TestLeaveSaysNothingOfNothing: where all was detached before, a disconnect has nothing to say.
func TestLeaveSaysNothingOfNothing(t *testing.T) {
	_, _, admin := simulated(t, 1)
	c := connect(t, admin)
	own := entered(t, c, admin)
	limited := attachment
	limited.Limited = true
	attach(t, own, limited)
	if left, err := own.Leave(t.Context(), connectionID, "A"); err != nil || len(left) != 1 ||
		!strings.Contains(left[0], "namespaces/"+inANewName) ||
		!strings.Contains(left[0], "configmaps/berth-attachment") || !strings.Contains(left[0], "clusterroles/berth-compute") {
		t.Errorf("before the detach: %q, %v", left, err)
	}
	gone(t, c, kube.ConnectionNamespace)
	detach(t, c, attachment)
	own = entered(t, c, admin)
	if left, err := own.Leave(t.Context(), connectionID, "A"); err != nil || left != nil {
		t.Errorf("after the detach: %q, %v", left, err)
	}
}

// TestCountOfAnEarlierBerth: an attachment whose quota counts secrets alone is detached all the same.
func TestCountOfAnEarlierBerth(t *testing.T) {
	_, _, admin := simulated(t, 1)
	c := connect(t, admin)
	own := entered(t, c, admin)
	limited := attachment
	limited.Limited = true
	attach(t, own, limited)
	if err := c.CountSecretsOnly(t.Context(), limited); err != nil {
		t.Fatal(err)
	}
	if _, err := own.Detach(t.Context(), limited); !errors.Is(err, kube.ErrCounting) || kube.Nonsense(err) {
		t.Errorf("a quota that was created again is believed at once: %v", err)
	}
	if left := detachCounted(t, own, limited); left != nil {
		t.Errorf("left: %q", left)
	}
	gone(t, c, inANewName)
}
