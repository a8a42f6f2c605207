package providertest

import (
	"context"
	"slices"
	"sync"

	"berth.dev/berth"
)

func (c *contract) nothing() {
	if f, err := c.provider.Observe(c.Context(), ID); err != nil || f != (berth.ClusterFacts{}) {
		c.Errorf("observe of nothing: %+v, %v", f, err)
	}
	if config, err := c.provider.Kubeconfig(c.Context(), ID); err == nil {
		c.Errorf("a kubeconfig of nothing: %d bytes", len(config))
	}
	if config, err := c.provider.AdminKubeconfig(c.Context(), ID); err == nil {
		c.Errorf("an administrator of nothing: %d bytes", len(config))
	}
	if gone, err := c.provider.Remove(c.Context(), ID); !gone || err != nil {
		c.Errorf("remove of nothing: %v, %v", gone, err)
	}
}

// hopeless calls Ensure with a cancelled context, as a server that shuts down does. It may have begun; that must do no harm.
func (c *contract) hopeless() {
	ctx, cancel := context.WithCancel(c.Context())
	cancel()
	if f, err := c.provider.Ensure(ctx, ID, Spec(3)); err == nil && f.Ready {
		c.Errorf("ready in no time: %+v", f)
	}
}

func (c *contract) created() {
	c.ready(Spec(3))
	f := c.facts(Spec(3))
	c.uid, c.names = f.UID, names(f)
}

func (c *contract) again() {
	before := c.ready(Spec(3))
	after, err := c.provider.Ensure(c.Context(), ID, Spec(3))
	if err != nil || after != before {
		c.Errorf("%+v, %v; before it was %+v", after, err, before)
	}
	f := c.facts(Spec(3))
	if f.UID != c.uid || !slices.Equal(names(f), c.names) {
		c.Errorf("cluster %s with %v became %s with %v", c.uid, c.names, f.UID, names(f))
	}
}

// scaled asks for another number of nodes: those that stay are the same ones.
func (c *contract) scaled(count int) {
	c.ready(Spec(count))
	f := c.facts(Spec(count))
	kept := 0
	for _, name := range names(f) {
		if slices.Contains(c.names, name) {
			kept++
		}
	}
	if f.UID != c.uid || kept != min(count, len(c.names)) {
		c.Errorf("from %v to %v, cluster %s to %s", c.names, names(f), c.uid, f.UID)
	}
	c.names = names(f)
}

// healed deletes a node without the provider. Observe reports it, Ensure replaces it.
func (c *contract) healed() {
	if err := c.connect().DeleteNode(c.Context(), c.names[0]); err != nil {
		c.Fatal(err)
	}
	if f, err := c.provider.Observe(c.Context(), ID); err != nil || !f.Exists || f.Ready || f.Nodes != 1 {
		c.Errorf("observe with a node lost: %+v, %v", f, err)
	}
	c.ready(Spec(2))
	c.names = names(c.facts(Spec(2)))
}

// twice asks for the same by two calls at once.
func (c *contract) twice() {
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			_, _ = c.provider.Ensure(c.Context(), ID, Spec(3)) // one may lose; both are asked again below
		})
	}
	wg.Wait()
	c.ready(Spec(3))
	if f := c.facts(Spec(3)); f.UID != c.uid {
		c.Errorf("cluster %s became %s", c.uid, f.UID)
	}
}

func (c *contract) remove() {
	c.until("remove", func(ctx context.Context) (bool, string) {
		gone, err := c.provider.Remove(ctx, ID)
		if err != nil {
			return false, err.Error()
		}
		return gone, "still there"
	})
}

func (c *contract) removed() {
	conn := c.connect()
	c.remove()
	if _, err := conn.Facts(c.Context()); err == nil {
		c.Error("the cluster answers after it was removed")
	}
	c.nothing()
}

func (c *contract) createdAgain() {
	c.ready(Spec(1))
	if f := c.facts(Spec(1)); f.UID == c.uid {
		c.Errorf("cluster %s came back with what it had", f.UID)
	}
	c.remove()
	c.nothing()
}
