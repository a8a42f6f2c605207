package reconcile

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jonboulle/clockwork"

	"berth.dev/berth"
	"berth.dev/berth/blob"
	"berth.dev/berth/clusters"
	"berth.dev/berth/models"
	"berth.dev/berth/router/route"
	"berth.dev/berth/serving"
	"berth.dev/berth/store"
)

// The folders among the files of a workspace in which collected data is: those of the original.
const (
	collectedV2 = berth.CollectFolder // how-to-collect-production-data
	collectedV1 = "modeldata"         // v1/how-to-enable-data-collection
)

// collecting is what the router is to keep of requests to what is served; nil for nothing.
func collecting(r *berth.Resource, routed *berth.ServiceRoute) *route.Collect {
	c := routed.Collect
	if c == nil {
		return nil
	}
	workspace := r.ID.Top()
	out := &route.Collect{Workspace: workspace.String(), Source: r.ID.String(), Headers: slices.Clone(c.Headers),
		Rolling: route.Rolling(strings.ToLower(c.Rolling))}
	for _, one := range []struct {
		name, designation string
		into              **route.Collection
	}{{berth.CollectRequest, "inputs", &out.Request}, {berth.CollectResponse, "predictions", &out.Response}} {
		rate, is := c.Collections[one.name]
		if !is {
			continue
		}
		words := []string{collectedV2, r.ID.Parent().Name(), r.ID.Name(), one.name}
		if !r.ID.Is(berth.TypeDeployment) {
			model, version := "none", "0"
			if id := routed.Model; !id.IsZero() {
				model, version = id.Parent().Name(), id.Name()
			}
			words = []string{collectedV1, workspace.Subscription, workspace.Group, workspace.Name(), r.ID.Name(), model, version, one.designation}
		}
		*one.into = &route.Collection{Folder: strings.Join(words, "/"), Rate: rate}
	}
	for _, name := range c.Custom() {
		if out.Custom == nil {
			out.Custom = map[string]*route.Collection{}
		}
		folder := strings.Join([]string{collectedV2, r.ID.Parent().Name(), r.ID.Name(), name}, "/")
		out.Custom[name] = &route.Collection{Folder: folder, Rate: c.Collections[name]}
	}
	return out
}

const (
	gatherEvery = 30 * time.Second
	gatherTime  = 2 * time.Minute // for one cluster
	gatherSlots = 4               // clusters at once
)

// Gatherer brings what the routers of clusters have collected into the files of workspaces. Routers are asked, because a cluster has no way
// in to Berth.
type Gatherer struct {
	Store    *store.Store
	Clusters *clusters.Clusters
	Serving  *serving.Serving
	Files    *blob.Store
	Clock    clockwork.Clock
	Log      *slog.Logger

	mu sync.Mutex
	// had are the clusters whose routers collect, or did when they were asked last: there may be something left.
	had map[string]berth.ID
}

// Run gathers until ctx is done.
func (g *Gatherer) Run(ctx context.Context) {
	tick := g.Clock.NewTicker(gatherEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.Chan():
			g.Gather(ctx)
		}
	}
}

// Gather asks the routers of all clusters once.
func (g *Gatherer) Gather(ctx context.Context) {
	if err := g.find(ctx); err != nil {
		if ctx.Err() == nil {
			g.Log.Warn("the services that collect data cannot be found", "error", err)
		}
		return
	}
	slots := make(chan struct{}, gatherSlots)
	var all sync.WaitGroup
	for _, cluster := range g.collecting() {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			one, cancel := context.WithTimeout(ctx, gatherTime)
			defer cancel()
			if err := g.gather(one, cluster); err != nil && ctx.Err() == nil {
				g.Log.Warn("collected data cannot be fetched; it stays at the router", "cluster", cluster, "error", err)
			}
		})
	}
	all.Wait()
}

func (g *Gatherer) collecting() []berth.ID {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Collect(maps.Values(g.had))
}

// find adds the clusters on which something collects.
func (g *Gatherer) find(ctx context.Context) error {
	found := map[string]berth.ID{}
	for _, typ := range []string{berth.TypeService, berth.TypeDeployment} {
		all, err := g.Store.All(ctx, store.Query{Type: typ})
		if err != nil {
			return err
		}
		for _, r := range all {
			if r.Unreadable {
				continue
			}
			if routed := r.Body.(berth.Served).Now().Routed; routed == nil || routed.Collect == nil {
				continue
			}
			compute, err := g.Clusters.ComputeOf(ctx, r)
			if lasting(err) {
				continue // it is gone
			}
			if err != nil {
				return err
			}
			id := compute.Body.(*berth.Compute).Spec.ClusterID
			found[id.Key()] = id
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.had == nil {
		g.had = map[string]berth.ID{}
	}
	maps.Copy(g.had, found)
	return nil
}

// gather asks the routers of one cluster.
func (g *Gatherer) gather(ctx context.Context, cluster berth.ID) error {
	holder, err := g.Store.Holder(ctx, cluster)
	if err != nil {
		return err
	}
	asks, err := g.Clusters.AsksRouter(ctx, cluster)
	if err != nil {
		return err
	}
	if holder.IsZero() || !asks { // a deployment there was warned of it
		g.forget(cluster)
		return nil
	}
	conn, err := g.Clusters.Connect(ctx, cluster)
	if err != nil {
		return err
	}
	defer conn.Close()
	got, err := g.Serving.Gather(ctx, conn, func(c berth.Collected) error { return g.keep(ctx, holder.Top(), c) })
	if got.Dropped > 0 {
		g.Log.Warn("the routers of a cluster had no room for collected data", "cluster", cluster, "events", got.Dropped)
	}
	if err == nil && got.Files == 0 {
		g.forget(cluster) // until it collects again
	}
	return err
}

func (g *Gatherer) forget(cluster berth.ID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.had, cluster.Key())
}

// keep writes a file of events. A cluster is not trusted: it writes to the folders of collected data, and to the workspace that holds it.
// What is not so is dropped, because it would come again and again; a file that is there is never written anew.
func (g *Gatherer) keep(ctx context.Context, workspace berth.ID, c berth.Collected) error {
	folder, _, below := strings.Cut(c.Path, "/")
	if !below || !strings.EqualFold(c.Workspace, workspace.String()) || folder != collectedV1 && folder != collectedV2 {
		g.Log.Warn("collected data is dropped: its workspace does not have the cluster any more", "workspace", workspace)
		return nil
	}
	r, err := g.Store.Get(ctx, workspace)
	if err != nil {
		return err
	}
	if r.Unreadable {
		return r.Fault
	}
	container := models.Container(r.Body.(*berth.Workspace))
	if _, _, err := g.Files.CreateContainer(ctx, container, nil); err != nil {
		return err
	}
	_, err = g.Files.Put(ctx, blob.At{Container: container, Name: c.Path}, bytes.NewReader(c.Events),
		blob.Change{Properties: blob.Properties{ContentType: "application/x-ndjson"}, Allow: func(now *blob.Info) error {
			if now != nil {
				return fs.ErrExist // it came before, and Berth ended before its router was told
			}
			return nil
		}})
	switch {
	case errors.Is(err, fs.ErrExist):
		return nil
	case errors.Is(err, blob.ErrName):
		g.Log.Warn("collected data is dropped: its name cannot be that of a file", "workspace", workspace)
		return nil
	}
	return err
}
