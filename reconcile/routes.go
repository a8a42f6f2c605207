package reconcile

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"

	"berth.dev/berth"
	"berth.dev/berth/clusters"
	"berth.dev/berth/kube"
	"berth.dev/berth/router/route"
	"berth.dev/berth/serving"
	"berth.dev/berth/store"
)

// routed lets the router of the cluster lead to a service or a deployment, and waits until the router takes requests.
func routed(ctx context.Context, s *scope) (verdict, error) {
	s.served().Serves(s.claim.Resource.Generation)
	return led(ctx, s)
}

// led gives the router its routes, and waits until it takes requests.
func led(ctx context.Context, s *scope) (verdict, error) {
	// What was served is stored before the router is told: another service's table must not leave this one out.
	if err := s.progress(ctx, "leading requests to '%s'", s.id().Name()); err != nil {
		return verdict{}, err
	}
	if err := s.trafficLeads(ctx); err != nil {
		return verdict{}, err
	}
	conn, compute, err := s.atCompute(ctx)
	if err != nil {
		return verdict{}, err
	}
	defer conn.Close()
	ready, err := s.giveRoutes(ctx, conn, compute)
	if err != nil {
		return verdict{}, err
	}
	address, err := s.Serving.Address(ctx, conn)
	if err != nil {
		return verdict{}, clusters.Unreachable(compute.Body.(*berth.Compute).Spec.ClusterID, err)
	}
	if !ready || address.Host == "" {
		if over := s.overdue(s.claim); over != nil {
			return verdict{}, over
		}
		return aside(s.soon()), nil
	}
	s.addressed(address, compute)
	return verdict{}, nil
}

// trafficLeads reports traffic of an endpoint to a deployment that was removed while the request came in: the rules have seen it.
func (s *scope) trafficLeads(ctx context.Context) error {
	e, is := s.claim.Resource.Body.(*berth.Endpoint)
	if !is {
		return nil
	}
	for name, share := range e.Spec.Traffic {
		d, err := s.Store.Get(ctx, s.id().Child("deployments", name))
		if share > 0 && (errors.Is(err, store.ErrNotFound) || err == nil && d.State == berth.StateDeleting) {
			return berth.Errorf(berth.CodeConflict, "The deployment '%s' was deleted in the meantime. Give its traffic to another one.", name)
		}
	}
	return nil
}

// addressed sets the addresses of a service or an endpoint. A deployment has those of its endpoint.
func (s *scope) addressed(a serving.Address, compute *berth.Resource) {
	at := s.baseURL(a, compute.Body.(*berth.Compute))
	name := routeName(s.id())
	switch body := s.claim.Resource.Body.(type) {
	case *berth.Service:
		body.Status.ScoringURI = at + name.ScorePath()
	case *berth.Endpoint:
		body.Status.ScoringURI, body.Status.SwaggerURI = at+name.ScorePath(), at+name.SwaggerPath()
	}
}

// routeName is the name of a service or an endpoint for the router.
func routeName(id berth.ID) route.Name {
	if id.Is(berth.TypeEndpoint) {
		return route.Name{Kind: route.Endpoint, Name: id.Name()}
	}
	return route.Name{Kind: route.Service, Name: id.Name()}
}

// baseURL is where clients call the router: by the name of the certificate when there is one, else through the server when they may be
// elsewhere, else by its address.
func (s *scope) baseURL(a serving.Address, c *berth.Compute) string {
	at := url.URL{Scheme: "http", Host: a.Host}
	port, usual := a.HTTP, 80
	if front := s.Clusters.RouterURL(c.Status.ClusterFQDN, a.Host); front != "" && a.HTTPS == 0 {
		return front
	}
	if ssl := c.Spec.SSL; a.HTTPS != 0 && ssl != nil {
		at.Scheme, at.Host = "https", cmp.Or(ssl.CNAME, a.Host)
		port, usual = a.HTTPS, 443
	}
	if port != usual {
		at.Host = net.JoinHostPort(at.Host, strconv.Itoa(port))
	}
	return at.String()
}

// routesRenewed tells the router of a compute what has changed, such as the certificate. A compute without services has no router.
func routesRenewed(ctx context.Context, s *scope) (verdict, error) {
	t, err := s.table(ctx, s.compute().Spec.ClusterID)
	if err != nil || len(t.Routes) == 0 {
		return verdict{}, err
	}
	conn, err := s.Clusters.Connect(ctx, s.compute().Spec.ClusterID)
	if err != nil {
		return verdict{}, err
	}
	defer conn.Close()
	_, err = s.giveRoutes(ctx, conn, s.claim.Resource)
	return verdict{}, err
}

// rekeyed gives the router new keys before anything else that an update asks for: a key that was replaced must not work on because the rest
// fails.
func rekeyed(ctx context.Context, s *scope) (verdict, error) {
	if op := s.claim.Operation; s.served().Now().Served == 0 || op == nil || op.Message != "" {
		return verdict{}, nil
	}
	if err := s.tellRouter(ctx); err != nil {
		return verdict{}, err
	}
	return verdict{}, s.progress(ctx, "the router has the keys of the service")
}

// tellRouter writes the routes of the cluster on which the service runs.
func (s *scope) tellRouter(ctx context.Context) error {
	conn, compute, err := s.atCompute(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = s.giveRoutes(ctx, conn, compute)
	return err
}

// unrouted takes the service out of the router's table, before its pods end.
func unrouted(ctx context.Context, s *scope) (verdict, error) {
	err := s.tellRouter(ctx)
	if berth.ErrorCode(err) == berth.CodeNotFound {
		return verdict{}, nil // it went with the compute
	}
	return verdict{}, err
}

// giveRoutes writes the routes of all services on a cluster. One at a time does it for each cluster: of two at once, the slower might write
// a table that is older.
func (s *scope) giveRoutes(ctx context.Context, conn *kube.Conn, compute *berth.Resource) (ready bool, err error) {
	body := compute.Body.(*berth.Compute)
	done, err := s.routing.take(ctx, body.Spec.ClusterID.Key())
	if err != nil {
		return false, err
	}
	defer done()
	table, err := s.table(ctx, body.Spec.ClusterID)
	if err != nil {
		return false, err
	}
	r := serving.Router{Replicas: 1, Internal: body.Spec.LoadBalancerType == "InternalLoadBalancer", Table: table}
	if body.Spec.Purpose == berth.FastProd && body.Spec.AgentCount >= routerReplicas {
		r.Replicas = routerReplicas
	}
	if ssl := body.Spec.SSL; ssl != nil && ssl.Certificate != "" {
		r.Certificate = []byte(ssl.Certificate)
		if r.Key, err = s.Store.Secret(ctx, compute.ID, berth.SecretSSLKey); err != nil {
			return false, fmt.Errorf("the private key of the compute's certificate: %w", err)
		}
	}
	r.Images, err = s.images(ctx, body.Spec.ClusterID, false)
	if op := s.claim.Operation; err != nil && (op == nil || !op.Verb.Removes()) { // a removal needs no registry: it starts nothing
		return false, err
	}
	ready, err = s.Serving.EnsureRouter(ctx, conn, r)
	if err != nil {
		return false, clusters.Unreachable(body.Spec.ClusterID, err)
	}
	return ready, nil
}

// routerReplicas is how many routers a cluster for production has (how-to-kubernetes-inference-routing-azureml-fe).
const routerReplicas = 3

// table has the services of a cluster that were served once, and its endpoints with such deployments.
func (s *scope) table(ctx context.Context, cluster berth.ID) (*route.Table, error) {
	holder, err := s.Store.Holder(ctx, cluster)
	if err != nil {
		return nil, err
	}
	asks, err := s.Clusters.AsksRouter(ctx, cluster)
	if err != nil {
		return nil, err
	}
	t := &route.Table{Cluster: cluster.Key(), TokenKeys: s.TokenKeys}
	for _, typ := range []string{berth.TypeService, berth.TypeEndpoint} {
		all, err := s.known(ctx, store.Query{Type: typ})
		if err != nil {
			return nil, err
		}
		for _, r := range all {
			compute, err := s.Clusters.ComputeOf(ctx, r)
			if lasting(err) || err == nil && compute.ID.Key() != holder.Key() {
				continue // its compute is gone, cannot be read, or is of another cluster
			}
			if err != nil {
				return nil, err
			}
			one, err := s.route(ctx, r, clusters.NamespaceOf(compute.ID, compute.Body.(*berth.Compute)))
			if err == nil && one != nil {
				err = checked(*one)
			}
			switch {
			case err != nil && !lasting(err):
				return nil, err
			case err != nil: // one service must not keep the others from their router
				s.Log.Error("the router does not learn of a service or an endpoint", "resource", r.ID, "error", err)
			case one != nil:
				for i := range one.Versions {
					if !asks {
						one.Versions[i].Collect = nil // nobody would fetch it
					}
				}
				t.Routes = append(t.Routes, *one)
			}
		}
	}
	return t, nil
}

// known are the resources of a query that can be routed to. What this claim knows of its own resource is newer than the store.
func (s *scope) known(ctx context.Context, q store.Query) (out []*berth.Resource, err error) {
	all, err := s.Store.All(ctx, q)
	if err != nil {
		return nil, err
	}
	for _, r := range all {
		if r.ID.Key() == s.id().Key() {
			r = s.claim.Resource
		}
		if !r.Unreadable && r.State != berth.StateDeleting {
			out = append(out, r)
		}
	}
	return out, nil
}

// lasting reports whether an error will be the same the next time: it is one of the resource, and not of the store.
func lasting(err error) bool {
	e, isOurs := errors.AsType[*berth.Error](err)
	return isOurs && !retryable(e.Code)
}

// checked is what a router would refuse of a route.
func checked(r route.Route) error {
	if err := (&route.Table{Routes: []route.Route{r}}).Check(); err != nil {
		return berth.Errorf(berth.CodeBadRequest, "The router would refuse the service: %s.", err)
	}
	return nil
}

// modes are how callers of the router sign in.
var modes = map[string]route.Mode{
	berth.AuthKey: route.ByKey, berth.AuthToken: route.ByToken, berth.AuthMLToken: route.ByToken, berth.AuthNone: route.Anonymous,
}

// route is how the router leads to a service or an endpoint; nil for a service that was never served.
func (s *scope) route(ctx context.Context, r *berth.Resource, namespace string) (*route.Route, error) {
	out := &route.Route{Name: routeName(r.ID)}
	switch body := r.Body.(type) {
	case *berth.Service:
		if body.Status.Routed == nil {
			return nil, nil
		}
		v := version(r, namespace)
		v.Name, v.Default = serving.RoutedService, true
		out.Auth, out.Versions = modes[body.Status.Routed.Auth], []route.Version{v}
	case *berth.Endpoint:
		if body.IsAks() && body.Status.Led == nil {
			return nil, nil
		}
		if err := s.divided(ctx, r, namespace, out); err != nil {
			return nil, err
		}
	}
	if out.Auth != route.ByKey {
		return out, nil
	}
	for _, name := range []string{berth.SecretPrimaryKey, berth.SecretSecondaryKey} {
		key, err := s.Store.Secret(ctx, r.ID, name)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out.Keys = append(out.Keys, hashKey(r.ID, name, key))
	}
	return out, nil
}

// divided sets how the requests of an endpoint are divided among its deployments.
func (s *scope) divided(ctx context.Context, r *berth.Resource, namespace string, out *route.Route) error {
	body := r.Body.(*berth.Endpoint)
	leads := berth.EndpointRoute{Auth: body.Spec.Auth, Traffic: body.Spec.Traffic}
	if body.IsAks() { // a change of it takes effect when its versions have answered
		leads, out.VersionPaths = *body.Status.Led, true
	}
	out.Auth = modes[leads.Auth]
	deployments, err := s.known(ctx, store.Query{Type: berth.TypeDeployment, Parent: r.ID})
	if err != nil {
		return err
	}
	for _, d := range deployments {
		if d.Body.(*berth.Deployment).Status.Routed == nil {
			continue // it has not answered yet
		}
		v := version(d, namespace)
		v.Name = d.ID.Name()
		v.Traffic, v.Mirror = leads.Traffic[v.Name], body.Spec.Mirror[v.Name]
		v.Default = v.Name == leads.Default
		out.Versions = append(out.Versions, v)
	}
	return nil
}

// version is how the router leads to the pods of what has been served.
func version(r *berth.Resource, namespace string) route.Version {
	routed := r.Body.(berth.Served).Now().Routed
	object := serving.ObjectName(clusters.ServedName(r.ID))
	v := route.Version{Backend: route.Backend{Namespace: namespace, Service: object}, Concurrency: routed.Concurrent,
		MaxQueueWaitMS: int(routed.QueueWait.Milliseconds()), TimeoutMS: int(routed.Timeout.Milliseconds()), ScorePath: routed.ScorePath,
		Collect: collecting(r, routed), Log: routed.LogRequests}
	if routed.Scale != nil {
		v.Autoscale = &route.Autoscale{Deployment: object, Min: routed.Scale.Min, Max: routed.Scale.Max,
			TargetUtilization: routed.Scale.Target, RefreshSeconds: int(routed.Scale.Refresh.Seconds())}
	}
	return v
}

// hashKey hashes a key with a salt of its own that is the same each time, so that the same routes are the same text.
func hashKey(id berth.ID, name string, key []byte) route.KeyHash {
	salt := sha256.Sum256([]byte(id.Key() + "#" + name))
	sum := sha256.Sum256(append(salt[:16:16], key...))
	return route.KeyHash{Salt: base64.StdEncoding.EncodeToString(salt[:16]), Hash: base64.StdEncoding.EncodeToString(sum[:])}
}
