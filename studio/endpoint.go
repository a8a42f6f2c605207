package studio

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/client"
)

// endpointData is the page of an endpoint.
type endpointData struct {
	endpointView
	Operations         []operationView
	Log                servedLog
	Traffic            trafficView
	Do                 string // what is to be confirmed; empty for nothing
	Of                 string // the deployment about which is asked; empty for the endpoint
	Serve              string // the deployment that is to get all requests once it is ready
	Errors             []berth.Error
	Size               sizeForm
	Key                string // that is to be replaced: Primary or Secondary
	Primary, Secondary string // keys that were asked for
	Test               testView
	Code               []snippet
	JSON               string
}

func (s *Studio) endpoint(v *visit) error { return v.showEndpoint(endpointData{}) }

// service finds the web service of the address, with its models.
func (v *visit) service() (client.Object, error) {
	all, err := v.serviceObjects()
	if err != nil {
		return nil, err
	}
	for _, o := range all {
		if text(o, "name") == v.r.PathValue("name") {
			return o, nil
		}
	}
	return v.arm.GetService(v.r.Context(), v.space(), v.r.PathValue("name")) // says that there is none
}

// served finds what the address names, and all that Resource Manager says of it.
func (v *visit) served() (endpointView, client.Object, error) {
	if v.online() {
		o, err := v.arm.GetEndpoint(v.r.Context(), v.space(), v.r.PathValue("name"))
		if err != nil {
			return endpointView{}, nil, err
		}
		e, err := v.onlineOf(o)
		if err == nil {
			err = v.versions(&e)
		}
		return e, o, err
	}
	o, err := v.service()
	if err != nil {
		return endpointView{}, nil, err
	}
	e := v.endpointOf(o)
	delete(o, "models") // they have pages of their own
	return e, o, nil
}

func (v *visit) showEndpoint(d endpointData) error {
	e, o, err := v.served()
	if err != nil {
		return err
	}
	d.endpointView = e
	d.Serve = v.r.URL.Query().Get("serve")
	v.retype(&d.endpointView)
	if err := v.about(&d); err != nil {
		return err
	}
	if d.Operations, err = v.historyOf(e); err != nil {
		return err
	}
	if len(d.Operations) > 0 && d.Operations[0].Problem == d.Problem {
		d.Problem = "" // the timeline has it
	}
	if d.Size == (sizeForm{}) {
		d.Size = sizeOf(d.endpointView)
	}
	if d.Test.Input == "" {
		d.Test.Input = `{"data": [[1, 2, 3, 4]]}`
	}
	if err := v.look(&d); err != nil {
		return err
	}
	d.Code = v.callCode(d.endpointView)
	whole, err := json.MarshalIndent(o, "", "  ")
	d.JSON = string(whole)
	if err != nil {
		return err
	}
	return v.render("endpoint", d)
}

// about finds the deployment about which is asked.
func (v *visit) about(d *endpointData) error {
	if d.Of == "" {
		return nil
	}
	for _, one := range d.Deployments {
		if strings.EqualFold(one.Name, d.Of) {
			d.Of = one.Name
			if d.Size.Scaling == "" {
				d.Size = sizeOfDeployment(one)
			}
			return nil
		}
	}
	_, err := v.arm.GetDeployment(v.r.Context(), v.space(), d.Name, d.Of) // says that there is none
	return err
}

// historyOf are the operations on an endpoint and its deployments, the latest first.
func (v *visit) historyOf(e endpointView) (out []operationView, err error) {
	ids := []berth.ID{v.arm.ID(v.Group(), berth.TypeService, v.Workspace(), e.Name)}
	if e.Online {
		ids[0] = v.arm.ID(v.Group(), berth.TypeEndpoint, v.Workspace(), e.Name)
		for _, d := range e.Deployments {
			ids = append(ids, ids[0].Child("deployments", d.Name))
		}
	}
	for _, id := range ids {
		all, err := v.arm.Operations(v.r.Context(), id, false)
		if err != nil {
			return nil, err
		}
		for _, op := range all {
			view := operationOf(op, time.Now())
			if e.Online {
				view.Of = id.Name()
			}
			out = append(out, view)
		}
	}
	slices.SortStableFunc(out, func(a, b operationView) int { return b.Started.Compare(a.Started) })
	return out, nil
}

// Latest is the last operation, and Earlier are those before it.
func (d endpointData) Latest() []operationView { return d.Operations[:min(len(d.Operations), 1)] }

// Earlier are the operations before the last one.
func (d endpointData) Earlier() []operationView { return d.Operations[min(len(d.Operations), 1):] }

// look reads what the cluster says: pods with their log, and the figures of the router.
func (v *visit) look(d *endpointData) error {
	o, err := v.arm.GetCompute(v.r.Context(), client.ComputeName{Group: v.Group(), Workspace: v.Workspace(), Name: d.Compute})
	if client.IsNotFound(err) {
		return nil // the endpoint says so
	}
	if err != nil {
		return err
	}
	id, err := berth.ParseID(computeOf(o).ClusterID)
	if err != nil {
		return nil // the compute has no cluster yet
	}
	d.Log = v.servedLog(id, d.endpointView)
	compute, err := berth.ParseID(text(o, "id"))
	if err == nil {
		d.Traffic = v.traffic(compute, d.endpointView)
	}
	return err
}

// Replaces reports that a key is to be replaced.
func (d endpointData) Replaces() bool { return d.Do == "regenerate" }

// askEndpoint asks what is to be confirmed or typed.
func (s *Studio) askEndpoint(v *visit) error {
	d := endpointData{Do: v.r.PathValue("do"), Key: "Primary"}
	if v.r.URL.Query().Get("key") == "Secondary" {
		d.Key = "Secondary"
	}
	switch {
	case d.Do == "delete", d.Do == "regenerate", d.Do == "size" && !v.online():
		return v.showEndpoint(d)
	case d.Do == "keys", d.Do == "test", d.Do == "traffic", d.Do == "versions": // shown again, or renewed, without what was asked for
		return v.showEndpoint(endpointData{})
	}
	return s.missing(v)
}

// sizeTyped is the size that a form has.
func (v *visit) sizeTyped() sizeForm {
	f := func(name string) string { return strings.TrimSpace(v.r.PostFormValue(name)) }
	return sizeForm{CPU: f("cpu"), Memory: f("memory"), Scaling: f("scaling"), Replicas: f("replicas"), Least: f("least"), Most: f("most"),
		Occupied: f("occupied")}
}

// changeEndpoint does what a form of the page asks for.
func (s *Studio) changeEndpoint(v *visit) error {
	f := func(name string) string { return strings.TrimSpace(v.r.PostFormValue(name)) }
	d := endpointData{Do: v.r.PathValue("do"), Key: f("key"), Test: testView{Input: f("input"), Deployment: f("deployment")},
		Size: v.sizeTyped()}
	if v.r.PostFormValue("resume") != "" {
		return v.showEndpoint(d)
	}
	switch d.Do {
	case "keys":
		primary, secondary, err := v.keys(v.r.Context(), v.r.PathValue("name"))
		if err != nil {
			return err
		}
		return v.showEndpoint(endpointData{Primary: primary, Secondary: secondary})
	case "test":
		return v.test(d)
	}
	known, wrong, err := v.carryOut(d)
	if !known {
		return s.missing(v)
	}
	if d.Errors = wrong; wrong != nil {
		v.status = cmp.Or(v.status, http.StatusBadRequest)
		return v.showEndpoint(d)
	}
	if client.Refused(err) && !client.IsNotFound(err) {
		d.Errors, v.status = detailsOf(err), client.StatusOf(err)
		return v.showEndpoint(d)
	}
	if err != nil {
		return err
	}
	if d.Do == "delete" {
		return v.redirect(workspaceLink(v.Group(), v.Workspace()) + "/endpoints")
	}
	return v.redirect(strings.TrimSuffix(v.r.URL.EscapedPath(), "/"+d.Do))
}

// carryOut sends the request of a form, unless the page has no such form or what was typed cannot be in a request.
func (v *visit) carryOut(d endpointData) (known bool, wrong []berth.Error, err error) {
	ctx, name := v.r.Context(), v.r.PathValue("name")
	switch {
	case d.Do == "size" && !v.online():
		patch, wrong := d.Size.patch(v)
		if wrong != nil {
			return true, wrong, nil
		}
		_, err = v.arm.PatchService(ctx, v.space(), name, patch)
	case d.Do == "traffic" && v.online():
		wrong, err = v.moveTraffic(name)
	case d.Do == "versions" && v.online():
		wrong, err = v.moveVersions(name)
	case d.Do == "regenerate":
		err = v.regenerate(ctx, name, d.Key)
	case d.Do == "delete":
		if wrong = v.unconfirmed(name); wrong == nil {
			err = v.deleteEndpoint(ctx, name)
		}
	default:
		return false, nil, nil
	}
	return true, wrong, err
}
