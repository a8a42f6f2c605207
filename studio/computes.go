package studio

import (
	"cmp"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/client"
)

type computesData struct {
	All       []computeView
	Sort      string
	Down      bool
	Search    string
	Workspace client.Object
	Total     int
	Warnings  []warningView // of the workspace
}

// Order is the address of this list sorted by a column: in descending order when it is sorted by that column already.
func (d computesData) Order(by string) string {
	q := url.Values{"sort": {by}}
	if d.Search != "" {
		q.Set("q", d.Search)
	}
	if d.Sort == by && !d.Down {
		q.Set("down", "1")
	}
	return "?" + q.Encode()
}

// columns compare two rows of the list by a column.
var columns = map[string]func(a, b computeView) int{
	"name":     func(a, b computeView) int { return cmp.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)) },
	"state":    func(a, b computeView) int { return cmp.Compare(a.State, b.State) },
	"purpose":  func(a, b computeView) int { return cmp.Compare(a.Purpose, b.Purpose) },
	"nodes":    func(a, b computeView) int { return cmp.Compare(a.Nodes, b.Nodes) },
	"size":     func(a, b computeView) int { return cmp.Compare(a.Size, b.Size) },
	"version":  func(a, b computeView) int { return cmp.Compare(a.Version, b.Version) },
	"location": func(a, b computeView) int { return cmp.Compare(a.Location, b.Location) },
}

func (s *Studio) computes(v *visit) error {
	ws, err := v.arm.GetWorkspace(v.r.Context(), v.Group(), v.Workspace())
	if err != nil {
		return err
	}
	list, err := v.arm.ListComputes(v.r.Context(), v.Group(), v.Workspace())
	if err != nil {
		return err
	}
	q := v.r.URL.Query()
	d := computesData{
		Sort: q.Get("sort"), Down: q.Get("down") != "", Search: strings.TrimSpace(q.Get("q")), Workspace: ws, Total: len(list),
		Warnings: warningsOf(ws),
	}
	for _, o := range list {
		c := computeOf(o)
		words := strings.Join([]string{c.Name, c.State, c.Purpose, c.Size, c.Location, c.ClusterName}, " ")
		if d.Search == "" || strings.Contains(strings.ToLower(words), strings.ToLower(d.Search)) {
			d.All = append(d.All, c)
		}
	}
	by, known := columns[d.Sort]
	if !known {
		d.Sort, by = "name", columns["name"]
	}
	slices.SortStableFunc(d.All, by)
	if d.Down {
		slices.Reverse(d.All)
	}
	return v.render("computes", d)
}

func (v *visit) computeName() client.ComputeName {
	return client.ComputeName{Group: v.Group(), Workspace: v.Workspace(), Name: v.r.PathValue("name")}
}

type computeData struct {
	computeView
	Link       string
	Nodes      []berth.NodeFacts
	NodesError string
	Operations []operationView
	JSON       string
	Do         string // the action to confirm; empty for none
	Count      string // of nodes, as typed
	Errors     []berth.Error
	Cluster    *clusterView
	Ready      int
}

func (s *Studio) compute(v *visit) error { return v.showCompute(computeData{}) }

func (v *visit) showCompute(d computeData) error {
	ctx := v.r.Context()
	o, err := v.arm.GetCompute(ctx, v.computeName())
	if err != nil {
		return err
	}
	d.computeView = computeOf(o)
	d.Link = workspaceLink(v.Group(), v.Workspace()) + "/c/" + escape(d.Name)
	id, err := berth.ParseID(d.ID)
	if err != nil {
		return err
	}
	operations, err := v.arm.Operations(ctx, id, false)
	if err != nil {
		return err
	}
	for _, op := range operations {
		d.Operations = append(d.Operations, operationOf(op, time.Now()))
	}
	if cluster, err := berth.ParseID(d.ClusterID); err == nil {
		if c, err := v.arm.Resource(ctx, cluster); err == nil {
			view := clusterOf(c)
			d.Cluster = &view
		}
	}
	if settled(d.State) {
		if d.Nodes, err = v.arm.Nodes(ctx, id); err != nil {
			d.NodesError = v.Said(err.Error())
		}
	}
	for _, n := range d.Nodes {
		if n.Ready {
			d.Ready++
		}
	}
	if d.Count == "" {
		d.Count = strconv.Itoa(d.computeView.Nodes)
	}
	whole, err := json.MarshalIndent(o, "", "  ")
	d.JSON = string(whole)
	if err != nil {
		return err
	}
	return v.render("compute", d)
}

// askCompute asks for a confirmation of scaling, detaching or deleting, or downloads the kubeconfig.
func (s *Studio) askCompute(v *visit) error {
	do := v.r.PathValue("do")
	switch do {
	case "scale", "detach", "delete":
		return v.showCompute(computeData{Do: do})
	case "kubeconfig":
		return v.kubeconfig()
	}
	return v.redirect(strings.TrimSuffix(v.r.URL.Path, "/"+escape(do)))
}

func (v *visit) kubeconfig() error {
	keys, err := v.arm.ComputeKeys(v.r.Context(), v.computeName())
	if err != nil {
		return err
	}
	return v.download([]byte(text(keys, "userKubeConfig")))
}

// download answers a kubeconfig as a file.
func (v *visit) download(config []byte) error {
	h := v.w.Header()
	h.Set("Content-Type", "application/yaml")
	h.Set("Content-Disposition", `attachment; filename="kubeconfig"`)
	_, err := v.w.Write(config)
	return ignoreGone(err)
}

func (s *Studio) changeCompute(v *visit) (err error) {
	ctx, do := v.r.Context(), v.r.PathValue("do")
	d := computeData{Do: do, Count: strings.TrimSpace(v.r.PostFormValue("count"))}
	if v.r.PostFormValue("resume") != "" {
		return v.showCompute(d)
	}
	switch do {
	case "check":
		_, err = v.arm.RequestCheck(ctx, v.arm.ID(v.Group(), berth.TypeCompute, v.Workspace(), v.r.PathValue("name")))
	case "scale":
		count, bad := strconv.Atoi(d.Count)
		if bad != nil {
			d.Errors = []berth.Error{{Target: "count", Message: v.T("scale.number", d.Count)}}
			return v.showCompute(d)
		}
		_, _, err = v.arm.ScaleCompute(ctx, v.computeName(), count)
	case "detach":
		_, err = v.arm.DeleteCompute(ctx, v.computeName(), client.ActionDetach)
	case "delete":
		if d.Errors = v.unconfirmed(v.r.PathValue("name")); d.Errors != nil {
			return v.showCompute(d)
		}
		_, err = v.arm.DeleteCompute(ctx, v.computeName(), client.ActionDelete)
	}
	if client.Refused(err) && !client.IsNotFound(err) {
		d.Errors = detailsOf(err)
		v.status = client.StatusOf(err)
		return v.showCompute(d)
	}
	if err != nil {
		return err
	}
	if do == "scale" || do == "check" {
		return v.redirect(workspaceLink(v.Group(), v.Workspace()) + "/c/" + escape(v.r.PathValue("name")))
	}
	return v.redirect(workspaceLink(v.Group(), v.Workspace()))
}
