package studio

import (
	"strings"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/client"
)

type operationsData struct {
	All    []operationView
	Filter string
}

func (s *Studio) operations(v *visit) error {
	d := operationsData{Filter: v.r.URL.Query().Get("show")}
	all, err := v.arm.Operations(v.r.Context(), berth.ID{}, d.Filter == "active")
	if err != nil {
		return err
	}
	exists, err := v.existing()
	if err != nil {
		return err
	}
	for _, o := range all {
		op := operationOf(o, time.Now())
		op.Gone = !exists[pageOf(op.Resource).Key()]
		if d.Filter != "failed" || op.State == string(berth.StateFailed) {
			d.All = append(d.All, op)
		}
	}
	return v.render("operations", d)
}

// operation is the page of one operation.
func (s *Studio) operation(v *visit) error {
	ctx := v.r.Context()
	op, err := v.arm.OperationByID(v.r.PathValue("id"))
	if err != nil {
		return err
	}
	if err := v.arm.Operation(ctx, op); err != nil {
		return err
	}
	view := operationOf(op.Raw, time.Now())
	of, err := v.arm.Operations(ctx, view.Resource, false) // the list has the steps and the caller
	if err != nil {
		return err
	}
	for _, o := range of {
		if strings.EqualFold(text(o, "name"), view.ID) {
			view = operationOf(o, time.Now())
		}
	}
	_, err = v.arm.Resource(ctx, view.Resource)
	if view.Gone = client.IsNotFound(err); err != nil && !view.Gone {
		return err
	}
	return v.render("operation", view)
}

// pageOf is the resource whose page shows a resource: that of a deployment is its endpoint's.
func pageOf(id berth.ID) berth.ID {
	if id.Is(berth.TypeDeployment) {
		return id.Parent()
	}
	return id
}

// existing are the keys of the resources that have a page.
func (v *visit) existing() (map[string]bool, error) {
	all, err := v.estate()
	if err != nil {
		return nil, err
	}
	out := map[string]bool{}
	for _, list := range [][]client.Object{all.workspaces, all.computes, all.clusters} {
		for _, o := range list {
			if id, err := berth.ParseID(text(o, "id")); err == nil {
				out[id.Key()] = true
			}
		}
	}
	for _, o := range all.workspaces {
		ws, err := berth.ParseID(text(o, "id"))
		if err != nil {
			continue
		}
		services, err := v.arm.ListServices(v.r.Context(), client.WorkspaceName{Group: ws.Group, Name: ws.Name()}, nil)
		if err != nil && !client.IsNotFound(err) {
			return nil, err
		}
		for _, service := range services {
			out[ws.Child("services", text(service, "name")).Key()] = true
		}
		online, err := v.arm.ListEndpoints(v.r.Context(), client.WorkspaceName{Group: ws.Group, Name: ws.Name()})
		if err != nil && !client.IsNotFound(err) {
			return nil, err
		}
		for _, endpoint := range online {
			out[ws.Child("onlineEndpoints", text(endpoint, "name")).Key()] = true
		}
	}
	return out, nil
}

// estate is every resource of the subscription that has a page.
type estate struct{ workspaces, computes, clusters []client.Object }

func (v *visit) estate() (all estate, err error) {
	ctx := v.r.Context()
	if all.workspaces, err = v.arm.ListWorkspaces(ctx, ""); err != nil {
		return all, err
	}
	for _, w := range all.workspaces {
		id, err := berth.ParseID(text(w, "id"))
		if err != nil {
			continue
		}
		computes, err := v.arm.ListComputes(ctx, id.Group, id.Name())
		if err != nil && !client.IsNotFound(err) { // it was deleted meanwhile
			return all, err
		}
		all.computes = append(all.computes, computes...)
	}
	managed, err := v.arm.ListClusters(ctx, "")
	if err != nil {
		return all, err
	}
	connected, err := v.arm.ListConnected(ctx, "")
	all.clusters = append(managed, connected...)
	return all, err
}
