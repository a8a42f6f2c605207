package clusters

import (
	"context"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/store"
)

const (
	openIDLife    = 5 * time.Minute // after this a cluster is asked again
	openIDRetry   = 5 * time.Second // after a cluster did not answer
	openIDRebuild = time.Second     // the shortest time between two reads of all clusters
)

// OpenID is what a cluster says of the issuer of its service accounts' tokens, as JSON.
type OpenID struct{ Configuration, Keys []byte }

// openIDs are the issuers of all clusters. Its callers are anonymous: an issuer that does not exist costs a look into a map, and all of
// them together at most one read of the clusters in a second.
type openIDs struct {
	mu       sync.Mutex
	issuers  map[string]*openID // by the path of the issuer's URL
	revision uint64             // of the store, of which issuers are
	built    time.Time
}

// openID is one cluster's documents, as they were read last.
type openID struct {
	cluster berth.ID
	created time.Time // of the cluster's resource: another of the same name has other keys

	last atomic.Pointer[OpenID] // kept while the cluster does not answer

	mu    sync.Mutex // held while the cluster is asked; callers wait for the answer only when there was none before
	fault error
	due   time.Time
}

// OpenID returns the documents of the issuer whose URL has this path, such as /oidc/<tenant>/<guid>/. Nil when no cluster has it, or its
// oidcIssuerProfile is not enabled. CodeClusterUnreachable when the cluster does not answer and has not answered before.
func (c *Clusters) OpenID(ctx context.Context, path string) (*OpenID, error) {
	issuer, err := c.openIDs.find(ctx, c, path)
	if err != nil || issuer == nil {
		return nil, err
	}
	if last := issuer.last.Load(); !issuer.mu.TryLock() {
		if last != nil {
			return last, nil
		}
		issuer.mu.Lock()
	}
	defer issuer.mu.Unlock()
	if now := c.Clock.Now(); !now.Before(issuer.due) {
		fresh, err := c.readOpenID(ctx, issuer.cluster)
		issuer.fault, issuer.due = err, now.Add(openIDRetry)
		if err == nil {
			issuer.last.Store(fresh)
			issuer.due = now.Add(openIDLife)
		}
	}
	if last := issuer.last.Load(); last != nil {
		return last, nil
	}
	return nil, issuer.fault
}

func (c *Clusters) readOpenID(ctx context.Context, cluster berth.ID) (*OpenID, error) {
	// A caller that goes away must not make the cluster count as silent for all others.
	conn, err := c.Connect(context.WithoutCancel(ctx), cluster)
	if err != nil {
		return nil, Unreachable(cluster, err)
	}
	defer conn.Close()
	configuration, keys, err := conn.OpenID(context.WithoutCancel(ctx))
	if err != nil {
		return nil, Unreachable(cluster, err)
	}
	return &OpenID{configuration, keys}, nil
}

// find looks an issuer up. What it knows is as old as the last change in the store, or at most openIDRebuild older.
func (o *openIDs) find(ctx context.Context, c *Clusters, path string) (*openID, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	revision, _ := c.Store.Revision()
	now := c.Clock.Now()
	if o.issuers == nil || revision != o.revision && !now.Before(o.built.Add(openIDRebuild)) {
		issuers, err := o.read(ctx, c.Store)
		if err != nil {
			return nil, err
		}
		o.issuers, o.revision = issuers, revision
		o.built = now
	}
	return o.issuers[path], nil
}

// read lists the issuers of all clusters; those that were known keep their documents.
func (o *openIDs) read(ctx context.Context, s *store.Store) (map[string]*openID, error) {
	out := map[string]*openID{}
	q := store.Query{Type: berth.TypeCluster}
	for {
		page, next, err := s.List(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, r := range page {
			path, enabled := issuerOf(r)
			if !enabled {
				continue
			}
			if known := o.issuers[path]; known != nil && known.cluster.Key() == r.ID.Key() && known.created.Equal(r.CreatedAt) {
				out[path] = known
			} else {
				out[path] = &openID{cluster: r.ID, created: r.CreatedAt}
			}
		}
		if next == "" {
			return out, nil
		}
		q.After = next
	}
}

// issuerOf is the path of the issuer of a cluster, if it is to be served.
func issuerOf(r *berth.Resource) (path string, enabled bool) {
	body, ok := r.Body.(*berth.Cluster)
	if !ok || r.Unreadable || body.Spec.IssuerURL == "" {
		return "", false
	}
	profile, _ := body.Spec.Profile["oidcIssuerProfile"].(map[string]any)
	enabled, _ = profile["enabled"].(bool)
	u, err := url.Parse(body.Spec.IssuerURL)
	if err != nil || !enabled {
		return "", false
	}
	return strings.TrimSuffix(u.Path, "/") + "/", true
}
