package serving

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net"
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
	maxCounts        = 8 << 20
	countTime        = 5 * time.Second
)

// routers are the routers of a cluster that can be asked.
type routers struct {
	conn *kube.Conn
	key  string // which they show each other
	pods []kube.Replica
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
		if p.Phase == "Running" && p.Address != "" {
			r.pods = append(r.pods, p)
		}
	}
	return r, err
}

// ready are those that take requests.
func (r *routers) ready() (out []kube.Replica) {
	for _, p := range r.pods {
		if p.Ready && !p.Deleting {
			out = append(out, p)
		}
	}
	return out
}

// Counts are what each router of a cluster that takes requests has counted since it started, in the text format of Prometheus, by the name
// of its pod.
func (s *Serving) Counts(ctx context.Context, conn *kube.Conn) (map[string][]byte, error) {
	r, err := routersOf(ctx, conn)
	if err != nil {
		return nil, err
	}
	out := map[string][]byte{}
	for _, pod := range r.ready() {
		if out[pod.Name], err = r.ask(ctx, call{pod: pod, path: "/metrics", time: countTime, most: maxCounts}); err != nil {
			return nil, err
		}
	}
	return out, nil
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
		text, unread := r.ask(ctx, call{pod: pod, path: route.RequestsPath, query: query})
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
	pod    kube.Replica
	method string // GET when empty
	path   string
	query  url.Values
	time   time.Duration // that it may take; collectedTime when 0
	most   int64         // bytes of the answer; maxAnswer when 0
}

// ask asks one router at its internal port, by way of the Service that leads to any of them: the right to ask one Service by its name is
// much less than that to ask pods, which Kubernetes cannot limit to those of routers.
func (r *routers) ask(ctx context.Context, c call) ([]byte, error) {
	at := route.AtPath + net.JoinHostPort(c.pod.Address, strconv.Itoa(routerPort)) + c.path
	return r.conn.Proxy(ctx, kube.Proxied{Namespace: route.Namespace, Service: routerData, Port: dataPortName,
		Method: cmp.Or(c.method, http.MethodGet), Path: at, Query: c.query, Header: http.Header{route.HeaderPeer: {r.key}},
		Timeout: cmp.Or(c.time, collectedTime), Most: cmp.Or(c.most, maxAnswer)})
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

func (r *routers) gather(ctx context.Context, pod kube.Replica, take func(berth.Collected) error, out *Gathered) error {
	text, err := r.ask(ctx, call{pod: pod, method: http.MethodPost, path: route.CollectedPath, most: maxCollectedList})
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
		events, err := r.ask(ctx, call{pod: pod, path: at, most: route.MaxSegment})
		if err != nil {
			return err
		}
		if err := take(berth.Collected{Workspace: g.Workspace, Path: g.Path, Events: events}); err != nil {
			return err
		}
		if _, err := r.ask(ctx, call{pod: pod, method: http.MethodDelete, path: at}); err != nil {
			return err
		}
		out.Files++
	}
	return nil
}

// tableTime is how long a router may take to say by which table it leads.
const tableTime = 5 * time.Second

// leads tells whether all routers that take requests lead by a table. What cannot be asked counts as if it did: the account in a cluster
// that was connected by an earlier version has no right to ask.
func (a *advance) leads(digest string) (bool, error) {
	r, err := routersOf(a.ctx, a.conn)
	if err != nil {
		return false, err
	}
	for _, p := range r.ready() {
		got, err := r.ask(a.ctx, call{pod: p, path: route.TablePath, time: tableTime})
		switch {
		case kube.Denied(err):
			return true, nil
		case kube.NotServed(err): // it does not know the question
		case err != nil || string(got) != digest:
			return false, nil // it hears of the table in a moment, or does not answer for a moment
		}
	}
	return true, nil
}
