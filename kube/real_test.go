package kube_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"

	"berth.dev/berth/kube"
	"berth.dev/berth/provider/local"
	"berth.dev/berth/provider/providertest"
)

// startReal creates the one real cluster that the tests of this package share; stopReal removes it.
var (
	startReal = sync.OnceValues(makeReal)
	stopReal  = func() {}
)

func TestMain(m *testing.M) {
	code := m.Run()
	stopReal()
	os.Exit(code)
}

// real is the kubeconfig of a real cluster with three nodes.
func real(t *testing.T) []byte {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a cluster")
	}
	config, err := startReal()
	if err != nil {
		t.Fatal(err)
	}
	return config
}

func makeReal() ([]byte, error) {
	binary, err := providertest.FindBinary()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "berth-kube-test-")
	if err != nil {
		return nil, err
	}
	p, err := local.New(local.Options{Dir: dir, Binary: binary, Nodes: "simulated",
		Logger: slog.New(slog.DiscardHandler), Clock: clockwork.NewRealClock()})
	if err != nil {
		return nil, err
	}
	stopReal = func() {
		_ = p.Stop(context.Background())
		_ = os.RemoveAll(dir)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		f, err := p.Ensure(ctx, clusterID, spec(3))
		if err == nil && f.Ready {
			return p.Kubeconfig(ctx, clusterID)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("no real cluster: %s", f.Message), err)
		}
	}
}

func dump(t *testing.T, c *kube.Conn) map[string]string {
	t.Helper()
	objects, err := c.Dump(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

// difference names the objects that are not the same in both.
func difference(before, after map[string]string) (out []string) {
	for key, object := range before {
		switch now, there := after[key]; {
		case !there:
			out = append(out, "- "+key)
		case now != object:
			out = append(out, "~ "+key)
		}
	}
	for key := range after {
		if _, there := before[key]; !there {
			out = append(out, "+ "+key)
		}
	}
	slices.Sort(out)
	return out
}

// TestDetachRemovesExactly compares everything that is in the cluster, whatever it is.
func TestDetachRemovesExactly(t *testing.T) {
	c := connect(t, real(t))
	without(t, c, inANewName)
	if err := c.PutMap(t.Context(), "default", "bystander"); err != nil {
		t.Fatal(err)
	}
	before := dump(t, c)
	if len(before) < 100 || !slices.Contains(slices.Collect(maps.Keys(before)), "configmaps default/bystander") {
		t.Fatalf("%d objects in a whole cluster", len(before))
	}
	attach(t, c, attachment)
	ours := 0
	for _, d := range difference(before, dump(t, c)) {
		switch {
		case strings.Contains(d, "kube-root-ca.crt") || strings.HasSuffix(d, "/default"): // Kubernetes puts these into each namespace
		case !strings.HasPrefix(d, "+ "):
			t.Errorf("attach: %s", d)
		default:
			ours++
		}
	}
	if ours != 9 { // a namespace, the record, and seven things
		t.Errorf("attach created %d objects: %v", ours, difference(before, dump(t, c)))
	}
	if left := detach(t, c, attachment); left != nil {
		t.Errorf("left: %v", left)
	}
	eventually(t, func() error {
		if d := difference(before, dump(t, c)); len(d) > 0 {
			return fmt.Errorf("detach: %v", d)
		}
		return nil
	})
	if err := c.DropMap(t.Context(), "default", "bystander"); err != nil {
		t.Fatal(err)
	}
}

func TestDetachKeepsAndTells(t *testing.T) {
	c, ctx := connect(t, real(t)), t.Context()
	without(t, c, inANewName)
	before := dump(t, c)
	attach(t, c, attachment)
	if err := c.PutMap(ctx, inANewName, "model"); err != nil {
		t.Fatal(err)
	}
	if left := detach(t, c, attachment); len(left) != 1 || !strings.Contains(left[0], "configmaps/model.") {
		t.Errorf("left: %q", left)
	}
	for _, d := range difference(before, dump(t, c)) { // what is left is the namespace and what lives in it
		if d != "+ namespaces /"+inANewName && !strings.Contains(d, " "+inANewName+"/") {
			t.Errorf("left behind: %s", d)
		}
	}
	without(t, c, inANewName)
}

// A real cluster's token, renewed by the account itself, and useless once the account is deleted.
func TestTokenOfARealCluster(t *testing.T) {
	admin := real(t)
	c, ctx := connect(t, admin), t.Context()
	attach(t, c, attachment)
	own := connect(t, tokenConfig(t, c, admin))
	var renewed string
	eventually(t, func() (err error) { // a role is known a moment after it was written
		renewed, _, err = own.Token(ctx, inANewName, 30*time.Minute)
		return err
	})
	config, err := tokenKubeconfig(admin, renewed, inANewName)
	if err != nil {
		t.Fatal(err)
	}
	next := connect(t, config)
	eventually(t, func() error {
		f, err := next.Facts(ctx)
		if err == nil && len(f.Nodes) != 3 {
			err = fmt.Errorf("%+v", f)
		}
		return err
	})
	if err := next.DeleteNode(ctx, kube.NodePrefix(clusterID, "agentpool")+"000000"); err == nil || kube.Unreachable(err) {
		t.Errorf("a forbidden thing: %v", err)
	}
	if left := detach(t, c, attachment); left != nil {
		t.Errorf("left: %v", left)
	}
	eventually(t, func() error {
		if err := next.Healthy(ctx); err == nil || kube.Unreachable(err) {
			return fmt.Errorf("the token outlives its account: %w", err)
		}
		return nil
	})
}

// A cluster whose process has ended is unreachable, and neither wrong nor deleted.
func TestStoppedRealCluster(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a cluster")
	}
	p, err := local.New(local.Options{Dir: t.TempDir(), Binary: providertest.Binary(t), Nodes: "simulated",
		Logger: slog.New(slog.DiscardHandler),
		Clock:  clockwork.NewRealClock()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Stop(context.Background()) })
	eventually(t, func() error {
		f, err := p.Ensure(t.Context(), clusterID, spec(1))
		if err == nil && !f.Ready {
			err = errors.New(f.Message)
		}
		return err
	})
	config, err := p.Kubeconfig(t.Context(), clusterID)
	if err != nil {
		t.Fatal(err)
	}
	c := connect(t, config)
	if err := p.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Nodes(t.Context()); !kube.Unreachable(err) {
		t.Errorf("%v", err)
	}
	if f, err := p.Observe(t.Context(), clusterID); err != nil || f.Reachable || f.Ready || !f.Exists || f.Message == "" {
		t.Errorf("%+v, %v", f, err)
	}
}
