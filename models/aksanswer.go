package models

import (
	"strings"

	"berth.dev/berth"
	"berth.dev/berth/router/route"
	"berth.dev/berth/store"
)

// aksRequest is the last accepted request for an AksEndpoint with the defaults of what it left out: the SDK replaces what it has read.
func aksRequest(e *berth.Endpoint) object {
	out := fields(e.Spec.Aks.Request)
	own := defaults(berth.ServiceSpec{Compute: e.Spec.Compute, Auth: e.Spec.Auth})
	for _, field := range []string{"computeName", "authEnabled", "aadAuthEnabled", "appInsightsEnabled"} {
		out[field] = own[field]
	}
	fill(out)
	versions, _ := out["versions"].(object)
	for name, pods := range e.Spec.Aks.Versions {
		v, _ := versions[name].(object)
		for field, value := range defaults(berth.ServiceSpec{Compute: e.Spec.Compute, Auth: e.Spec.Auth, PodSpec: pods}) {
			v[field] = value
		}
		v["tags"] = nil // update_version replaces it
		if _, has := v["trafficPercentile"]; !has {
			v["trafficPercentile"] = nil
		}
		fill(v)
	}
	return out
}

// fill sets what the SDK demands and a request may have left out.
func fill(o object) {
	for field, none := range map[string]any{"description": "", "properties": object{}, "kvTags": object{}} {
		if o[field] == nil {
			o[field] = none
		}
	}
}

// aksAnswer is an AksEndpoint as the SDK reads it: the request with all defaults, and what became of it.
func (s *Server) aksAnswer(q *Request, r *berth.Resource) (object, error) {
	e := r.Body.(*berth.Endpoint)
	out := aksRequest(e)
	out["id"], out["name"] = r.ID.Name(), r.ID.Name()
	out["computeType"] = aksEndpointType
	out["createdTime"], out["updatedTime"] = clockTime(r.CreatedAt), clockTime(r.ModifiedAt)
	out["createdBy"] = object{"userObjectId": r.CreatedBy, "userName": r.CreatedBy}
	out["scoringUri"] = e.Status.ScoringURI
	if r.Fault != nil {
		out["error"] = fault(r.Fault)
	}
	if len(e.Warnings) > 0 {
		out["warnings"] = e.Warnings
	}
	all, err := s.Store.All(q.Context, store.Query{Type: berth.TypeDeployment, Parent: r.ID})
	if err != nil {
		return nil, err
	}
	ready, replicas := 0, 0
	healthy := true
	versions, _ := out["versions"].(object)
	for name, pods := range e.Spec.Aks.Versions {
		v, _ := versions[name].(object)
		deployed := deploymentOf(r, all, name)
		versionAnswer(v, name, deployed)
		v["scoringUri"] = versionURI(e, r.ID, name)
		if strings.EqualFold(q.Query.Get("expand"), "true") {
			v["models"] = s.expanded(q, pods.Models)
		}
		now := deployed.Body.(*berth.Deployment).Now().Ready
		ready, replicas = ready+now, replicas+pods.Replicas
		healthy = healthy && now > 0
	}
	out["deploymentStatus"] = object{"availableReplicas": ready, "replicas": replicas}
	out["state"] = aksState(r, healthy)
	return out, nil
}

// deploymentOf is the deployment of a version among those of the endpoint, or what stands for one that is not there.
func deploymentOf(endpoint *berth.Resource, all []*berth.Resource, name string) *berth.Resource {
	for _, d := range all {
		if strings.EqualFold(d.ID.Name(), name) && !d.Unreadable {
			return d
		}
	}
	out := &berth.Resource{CreatedAt: endpoint.CreatedAt, ModifiedAt: endpoint.ModifiedAt, CreatedBy: endpoint.CreatedBy,
		State: berth.StateAccepted, Body: &berth.Deployment{}}
	if endpoint.State.Terminal() { // somebody has deleted it
		out.State = berth.StateFailed
	}
	return out
}

// versionAnswer adds to a version what became of it.
func versionAnswer(v object, name string, r *berth.Resource) {
	d := r.Body.(*berth.Deployment)
	delete(v, "tags") // as kvTags
	v["id"], v["name"] = name, name
	v["computeType"] = string(berth.ComputeAKS)
	v["createdTime"], v["updatedTime"] = clockTime(r.CreatedAt), clockTime(r.ModifiedAt)
	v["createdBy"] = object{"userObjectId": r.CreatedBy, "userName": r.CreatedBy}
	v["state"] = servedState(r, &d.Status)
	v["deploymentStatus"] = object{"availableReplicas": d.Status.Ready, "replicas": d.Spec.Replicas}
	switch {
	case r.Fault != nil:
		v["error"] = fault(r.Fault)
	case d.Status.Trouble != "":
		v["error"] = fault(berth.Errorf(berth.CodeServiceUnavailable, "%s", d.Status.Trouble))
	}
}

// versionURI is the address of one version; empty as long as the endpoint has none.
func versionURI(e *berth.Endpoint, id berth.ID, version string) string {
	name := route.Name{Kind: route.Endpoint, Name: id.Name()}
	base, has := strings.CutSuffix(e.Status.ScoringURI, name.ScorePath())
	if !has {
		return ""
	}
	return base + name.VersionPath(version) + "score"
}

// aksState is the state of an AksEndpoint for the SDK: as that of a service, and Healthy when each version is.
func aksState(r *berth.Resource, healthy bool) string {
	switch {
	case !r.State.Terminal():
		return "Transitioning"
	case r.State == berth.StateSucceeded && healthy:
		return "Healthy"
	case r.State == berth.StateSucceeded || r.Body.(*berth.Endpoint).Status.Led != nil:
		return "Unhealthy"
	}
	return "Failed"
}
