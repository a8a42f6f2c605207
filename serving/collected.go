package serving

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/kube"
	"berth.dev/berth/router/route"
)

const (
	maxCollectedList = 4 << 20
	collectedTime    = 20 * time.Second
	maxAnswer        = 4 << 20
)

// routers are the routers of a cluster that can be asked.
type routers struct {
	conn *kube.Conn
	key  string // which they show each other
	pods []string
}

// routersOf finds the routers of a cluster; none without an error in a cluster that has none. Those that end have something to tell too.
func routersOf(ctx context.Context, conn *kube.Conn) (r routers, err error) {
	r.conn = conn
	var have struct{ Data map[string]string }
	if found, err := conn.Read(ctx, routerRef("Secret", routerPeers), &have); err != nil || !found {
		return r, err
	}
	key, err := base64.StdEncoding.DecodeString(have.Data[tokenKey])
	if err != nil {
		return r, err
	}
	r.key = string(key)
	replicas, err := conn.Replicas(ctx, route.Namespace, labelPart+"=router")
	for _, p := range replicas[:min(len(replicas), mostPods)] {
		if p.Phase == "Running" {
			r.pods = append(r.pods, p.Name)
		}
	}
	return r, err
}

// RequestQuery selects lines about requests to what is served.
type RequestQuery struct {
	ID    berth.ID // of a service, or of a deployment of an endpoint
	Lines int
}

// Requests are the last lines that the routers of a cluster have kept about requests to what asks for them, the oldest first.
func (s *Serving) Requests(ctx context.Context, conn *kube.Conn, q RequestQuery) (string, error) {
	r, err := routersOf(ctx, conn)
	if err != nil {
		return "", err
	}
	query := url.Values{"kind": {string(route.Service)}, "name": {q.ID.Name()}, "version": {RoutedService},
		"tail": {strconv.Itoa(q.Lines)}}
	if q.ID.Is(berth.TypeDeployment) {
		query.Set("kind", string(route.Endpoint))
		query.Set("name", q.ID.Parent().Name())
		query.Set("version", q.ID.Name())
	}
	var lines []string
	for _, pod := range r.pods {
		text, unread := r.ask(ctx, call{pod, http.MethodGet, route.RequestsPath, query}, maxAnswer)
		if unread != nil { // it may be gone since
			err = unread
			continue
		}
		lines = append(lines, slices.Collect(strings.Lines(string(text)))...)
	}
	slices.Sort(lines) // they begin with the time
	if len(lines) > 0 {
		err = nil
	}
	return strings.Join(lines[max(0, len(lines)-q.Lines):], ""), err
}

// RoutedService is the name of the one version of a service of version 1 at the router.
const RoutedService = "default"

// call is what one router is asked.
type call struct {
	pod, method, path string
	query             url.Values
}

// ask asks one router at its internal port.
func (r *routers) ask(ctx context.Context, c call, most int64) ([]byte, error) {
	return r.conn.Proxy(ctx, kube.Proxied{Namespace: route.Namespace, Pod: c.pod, Port: strconv.Itoa(routerPort), Method: c.method,
		Path: c.path, Query: c.query, Header: http.Header{route.HeaderPeer: {r.key}}, Timeout: collectedTime, Most: most})
}

// Gathered is what Gather found.
type Gathered struct {
	Files   int   // that were taken
	Dropped int64 // events that the routers had no room for since the last time
}

// Gather takes what the routers of a cluster have collected. A file that take has accepted is removed from its router; when Berth ends in
// between, it comes again. What take refuses stays, and is offered again the next time.
func (s *Serving) Gather(ctx context.Context, conn *kube.Conn, take func(berth.Collected) error) (out Gathered, err error) {
	r, err := routersOf(ctx, conn)
	if err != nil {
		return out, err
	}
	var errs []error
	for _, pod := range r.pods {
		errs = append(errs, r.gather(ctx, pod, take, &out))
	}
	return out, errors.Join(errs...)
}

func (r *routers) gather(ctx context.Context, pod string, take func(berth.Collected) error, out *Gathered) error {
	text, err := r.ask(ctx, call{pod, http.MethodPost, route.CollectedPath, nil}, maxCollectedList)
	if err != nil {
		return err
	}
	var list route.Collected
	if err := json.Unmarshal(text, &list); err != nil {
		return err
	}
	out.Dropped += list.Dropped
	for _, g := range list.Segments {
		if g.ID == "" || strings.ContainsAny(g.ID, "/?#%\\") {
			continue // it is no id of a router
		}
		at := route.CollectedPath + "/" + g.ID
		events, err := r.ask(ctx, call{pod, http.MethodGet, at, nil}, route.MaxSegment)
		if err != nil {
			return err
		}
		if err := take(berth.Collected{Workspace: g.Workspace, Path: g.Path, Events: events}); err != nil {
			return err
		}
		if _, err := r.ask(ctx, call{pod, http.MethodDelete, at, nil}, maxAnswer); err != nil {
			return err
		}
		out.Files++
	}
	return nil
}

// tableTime is how long a router may take to say by which table it leads.
const tableTime = 5 * time.Second

// leads tells whether all routers that take requests lead by a table. What cannot be asked counts as if it did: it is asked through the API
// server, for which an account in a connected cluster has no right.
func (a *advance) leads(digest string) (bool, error) {
	replicas, err := a.conn.Replicas(a.ctx, route.Namespace, labelPart+"=router")
	if err != nil {
		return false, err
	}
	for _, p := range replicas {
		if !p.Ready || p.Deleting {
			continue
		}
		got, err := a.conn.Proxy(a.ctx, kube.Proxied{Namespace: route.Namespace, Pod: p.Name, Port: strconv.Itoa(routerPort),
			Method: http.MethodGet, Path: route.TablePath, Timeout: tableTime, Most: maxAnswer})
		switch {
		case kube.Denied(err):
			return true, nil
		case kube.NotServed(err): // it is gone, or does not know the question
		case err != nil || string(got) != digest:
			return false, nil // it hears of the table in a moment, or does not answer for a moment
		}
	}
	return true, nil
}
