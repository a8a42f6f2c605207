package studio

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/client"
)

// endpointView is what serves models, as the pages show it: a web service of version 1 of the SDK, or an online endpoint of version 2.
type endpointView struct {
	Online                                     bool // an online endpoint
	Aks                                        bool // an AksEndpoint, whose deployments are versions: another API changes them
	Settled                                    bool // no operation on the online endpoint itself is under way
	Deployments                                []deploymentView
	Name, State, Compute, Address, Description string
	Auth                                       string // berth.AuthKey and others
	Problem                                    string // why it does not serve, or not all of it
	Models                                     []string
	Tags                                       map[string]string
	Ready, Replicas                            int
	Scale                                      *berth.ServiceScale // nil when the number of replicas is fixed
	CPU, MemoryGB                              float64
	Created, Changed                           time.Time
	By, Link                                   string
	Warnings                                   []warningView
	// Of an AksEndpoint: the default version and the control version, as they are and as the form has them. Empty for none.
	Default, Control, DefaultTyped, ControlTyped string
}

// aksEndpointType is the type of an AksEndpoint among web services.
const aksEndpointType = "AKSENDPOINT"

func (v *visit) endpointOf(o client.Object) endpointView {
	e := endpointView{
		Name: text(o, "name"), State: text(o, "state"), Compute: text(o, "computeName"), Address: text(o, "scoringUri"),
		Description: text(o, "description"), Auth: berth.AuthNone, Problem: text(o, "error", "message"), Tags: tagsOf(at(o, "kvTags")),
		Ready: number(o, "deploymentStatus", "availableReplicas"), Replicas: number(o, "deploymentStatus", "replicas"),
		Created: moment(o, "createdTime"), Changed: moment(o, "updatedTime"), By: text(o, "createdBy", "userObjectId"),
	}
	e.CPU, _ = at(o, "containerResourceRequirements", "cpu").(float64)
	e.MemoryGB, _ = at(o, "containerResourceRequirements", "memoryInGB").(float64)
	e.Link = v.endpointLink(e.Name)
	switch {
	case at(o, "authEnabled") == true:
		e.Auth = berth.AuthKey
	case at(o, "aadAuthEnabled") == true:
		e.Auth = berth.AuthToken
	}
	if at(o, "autoScaler", "autoscaleEnabled") == true {
		e.Scale = &berth.ServiceScale{Min: number(o, "autoScaler", "minReplicas"), Max: number(o, "autoScaler", "maxReplicas"),
			Target: number(o, "autoScaler", "targetUtilization")}
	}
	for _, m := range objects(at(o, "models")) {
		e.Models = append(e.Models, text(m, "id"))
	}
	for _, w := range objects(at(o, "warnings")) {
		e.Warnings = append(e.Warnings, warningView{text(w, "code"), text(w, "target"), text(w, "message")})
	}
	return e
}

// Kind is the key of the text that says what it is.
func (e endpointView) Kind() string {
	switch {
	case e.Aks:
		return "endpoint.kind.aks"
	case e.Online:
		return "endpoint.kind.online"
	}
	return "endpoint.kind.service"
}

// Wanted is how many replicas are asked for, such as "2" or "1–10".
func (e endpointView) Wanted() string {
	if e.Scale != nil {
		return fmt.Sprintf("%d–%d", e.Scale.Min, e.Scale.Max)
	}
	return fmt.Sprint(e.Replicas)
}

// Serving shows the state of an endpoint.
func (v *visit) Serving(state string) stateView {
	out := stateView{"busy", "busy", v.Word("service", state)}
	switch state {
	case "Healthy":
		out.Class, out.Icon = "good", "good"
	case "Unhealthy", "Failed":
		out.Class, out.Icon = "bad", "bad"
	}
	return out
}

// ModelLink is the page of a model by its id.
func (v *visit) ModelLink(id string) string {
	name, version, _ := strings.Cut(id, ":")
	if version == "" {
		return v.modelLink(name)
	}
	return v.modelLink(name) + "/" + escape(version)
}

// ComputeLink is the page of a compute of the workspace.
func (v *visit) ComputeLink(name string) string {
	return workspaceLink(v.Group(), v.Workspace()) + "/c/" + escape(name)
}

func (v *visit) endpointLink(name string) string {
	return workspaceLink(v.Group(), v.Workspace()) + "/endpoints/" + escape(name)
}

// serviceObjects are the web services of the workspace with their models.
func (v *visit) serviceObjects() ([]client.Object, error) {
	return v.arm.ListServices(v.r.Context(), v.space(), url.Values{"expand": {"true"}})
}

// endpointViews are all endpoints of the workspace, by their names.
func (v *visit) endpointViews() (out []endpointView, err error) {
	services, err := v.serviceObjects()
	if err != nil {
		return nil, err
	}
	for _, o := range services {
		if text(o, "computeType") != aksEndpointType { // it is among the online endpoints too, with its versions
			out = append(out, v.endpointOf(o))
		}
	}
	online, err := v.arm.ListEndpoints(v.r.Context(), v.space())
	if err != nil {
		return nil, err
	}
	for _, o := range online {
		e, err := v.onlineOf(o)
		if client.IsNotFound(err) { // it was deleted meanwhile
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	slices.SortStableFunc(out, func(a, b endpointView) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

type endpointsData struct {
	All      []endpointView
	Search   string
	Total    int
	Computes int
}

// endpoints is the list of what serves models in a workspace.
func (s *Studio) endpoints(v *visit) error {
	all, err := v.endpointViews()
	if err != nil {
		return err
	}
	d := endpointsData{Total: len(all), Search: strings.TrimSpace(v.r.URL.Query().Get("q"))}
	for _, e := range all {
		words := strings.ToLower(strings.Join(append([]string{e.Name, v.T(e.Kind()), e.State, e.Compute, e.Description}, e.Models...), " "))
		if d.Search == "" || strings.Contains(words, strings.ToLower(d.Search)) {
			d.All = append(d.All, e)
		}
	}
	if d.Total == 0 {
		computes, err := v.arm.ListComputes(v.r.Context(), v.Group(), v.Workspace())
		if err != nil {
			return err
		}
		d.Computes = len(computes)
	}
	return v.render("endpoints", d)
}
