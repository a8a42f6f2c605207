package studio

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/catalog"
)

// allClusters are the clusters of the subscription, each with the compute that holds it.
func (v *visit) allClusters() ([]clusterView, error) {
	ctx := v.r.Context()
	managed, err := v.arm.ListClusters(ctx, "")
	if err != nil {
		return nil, err
	}
	connected, err := v.arm.ListConnected(ctx, "")
	if err != nil {
		return nil, err
	}
	holders, err := v.holders()
	if err != nil {
		return nil, err
	}
	var out []clusterView
	for _, o := range append(managed, connected...) {
		c := clusterOf(o)
		c.Holder = holders[strings.ToLower(c.ID)]
		out = append(out, c)
	}
	return out, nil
}

// holders are the computes of the subscription by the cluster that each holds.
func (v *visit) holders() (map[string]berth.ID, error) {
	out := map[string]berth.ID{}
	workspaces, err := v.arm.ListWorkspaces(v.r.Context(), "")
	if err != nil {
		return nil, err
	}
	for _, w := range workspaces {
		id, err := berth.ParseID(text(w, "id"))
		if err != nil {
			continue
		}
		computes, err := v.arm.ListComputes(v.r.Context(), id.Group, id.Name())
		if err != nil {
			return nil, err
		}
		for _, c := range computes {
			if holder, err := berth.ParseID(text(c, "id")); err == nil {
				out[strings.ToLower(text(c, "properties", "resourceId"))] = holder
			}
		}
	}
	return out, nil
}

// Why is the reason why a cluster cannot be attached, in the visitor's language; empty when it can be.
func (v *visit) Why(c clusterView) string {
	switch ok, _ := catalog.Supported(c.Version); {
	case !c.Holder.IsZero():
		return v.T("cluster.taken", c.Holder.Name(), c.Holder.Parent().Name())
	case c.State != string(berth.StateSucceeded):
		return v.T("cluster.unsettled", v.Word("state", c.State))
	case c.Version != "" && !ok:
		return v.T("cluster.version", c.Version)
	}
	return ""
}

// HolderLink is the address of the page of the compute that holds the cluster; empty when there is none.
func (c clusterView) HolderLink() string { return linkOf(c.Holder) }

func (s *Studio) versions(v *visit) error { return v.render("versions", catalog.Versions()) }

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
	for _, o := range all {
		op := operationOf(o, time.Now())
		if d.Filter != "failed" || op.State == string(berth.StateFailed) {
			d.All = append(d.All, op)
		}
	}
	return v.render("operations", d)
}

// sizes answers the catalogue for the picker: name, vCPUs, memory in GiB, GPUs, FPGAs.
func (s *Studio) sizes(v *visit) error {
	all := catalog.Sizes()
	slices.SortFunc(all, func(a, b catalog.VMSize) int { return strings.Compare(a.Name, b.Name) })
	out := make([][]any, 0, len(all))
	for _, z := range all {
		out = append(out, []any{z.Name, z.VCPUs, float64(z.MemoryMiB*10/1024) / 10, z.GPUs, z.FPGAs})
	}
	v.w.Header().Set("Content-Type", "application/json")
	v.w.Header().Set("Cache-Control", "private, max-age=3600")
	return json.NewEncoder(v.w).Encode(out)
}
