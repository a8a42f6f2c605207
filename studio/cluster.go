package studio

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/catalog"
	"berth.dev/berth/client"
)

// clusterForm is the form of a new managed cluster, as it was typed.
type clusterForm struct{ Name, Group, Location, Version, Nodes, Size, Runs string }

type clustersData struct {
	All       []clusterView
	Form      clusterForm
	Errors    []berth.Error
	Locations []catalog.Location
	Versions  []catalog.Version
}

func (s *Studio) clusters(v *visit) error {
	return v.showClusters(clustersData{Form: clusterForm{
		Group: "rg", Location: "westeurope", Version: catalog.DefaultVersion(), Nodes: "3", Size: "Standard_D3_v2",
	}})
}

func (v *visit) showClusters(d clustersData) (err error) {
	if d.All, err = v.allClusters(); err != nil {
		return err
	}
	d.Locations, d.Versions = catalog.Locations(), catalog.Versions()
	return v.render("clusters", d)
}

func (s *Studio) createCluster(v *visit) error {
	f := func(name string) string { return strings.TrimSpace(v.r.PostFormValue(name)) }
	d := clustersData{Form: clusterForm{
		Name: f("name"), Group: f("group"), Location: f("location"), Version: f("version"), Nodes: f("nodes"), Size: f("size"),
		Runs: f("runs"),
	}}
	if v.r.PostFormValue("resume") != "" {
		return v.showClusters(d)
	}
	for _, name := range []string{d.Form.Name, d.Form.Group} {
		if !nameable.MatchString(name) {
			d.Errors = append(d.Errors, berth.Error{Message: v.T("name.impossible", name)})
		}
	}
	count, err := strconv.Atoi(d.Form.Nodes)
	if err != nil {
		d.Errors = append(d.Errors, berth.Error{Message: v.T("scale.number", d.Form.Nodes)})
	}
	if len(d.Errors) > 0 {
		v.status = http.StatusBadRequest
		return v.showClusters(d)
	}
	if _, err = v.arm.GetGroup(v.r.Context(), d.Form.Group); client.IsNotFound(err) {
		_, err = v.arm.CreateGroup(v.r.Context(), d.Form.Group, d.Form.Location, nil)
	}
	if err == nil {
		_, _, err = v.arm.PutCluster(v.r.Context(), d.Form.Group, d.Form.Name, d.Form.request(count))
	}
	if client.Refused(err) {
		d.Errors, v.status = detailsOf(err), client.StatusOf(err)
		return v.showClusters(d)
	}
	if err != nil {
		return err
	}
	return v.redirect(clusterLink(v.arm.ID(d.Form.Group, berth.TypeCluster, d.Form.Name)))
}

// request is the resource that the form asks for.
func (f clusterForm) request(count int) client.Object {
	out := client.Object{"location": f.Location, "properties": client.Object{
		"kubernetesVersion": f.Version, "dnsPrefix": f.Name,
		"agentPoolProfiles": []client.Object{{"name": "nodepool1", "mode": "System", "count": count, "vmSize": f.Size}},
	}}
	if f.Runs != "" {
		out["tags"] = client.Object{berth.TagNodes: f.Runs}
	}
	return out
}

func clusterLink(id berth.ID) string {
	kind := "managed"
	if id.Is(berth.TypeConnected) {
		kind = "connected"
	}
	return Path + "/k/" + escape(id.Group) + "/" + kind + "/" + escape(id.Name())
}

// Link is the page of a cluster.
func (c clusterView) Link() string {
	id, err := berth.ParseID(c.ID)
	if err != nil {
		return Path + "/clusters"
	}
	return clusterLink(id)
}

// clusterID is the cluster that the address names.
func (v *visit) clusterID() berth.ID {
	typ := berth.TypeCluster
	if v.r.PathValue("kind") == "connected" {
		typ = berth.TypeConnected
	}
	return v.arm.ID(v.Group(), typ, v.r.PathValue("name"))
}

type clusterData struct {
	clusterView
	Facts      []berth.NodeFacts
	NodesError string
	Operations []operationView
	Rights     []any
	JSON       string
	Do, Count  string
	Errors     []berth.Error
	Problem    string
}

func (s *Studio) cluster(v *visit) error { return v.showCluster(clusterData{}) }

func (v *visit) showCluster(d clusterData) error {
	ctx, id := v.r.Context(), v.clusterID()
	o, err := v.arm.Resource(ctx, id)
	if err != nil {
		return err
	}
	d.clusterView = clusterOf(o)
	all, err := v.estate()
	if err != nil {
		return err
	}
	d.Holder = holdersOf(all.computes)[strings.ToLower(d.ID)]
	d.Rights, _ = at(o, "properties", "rights").([]any)
	d.Problem = text(o, "properties", "error", "message")
	operations, err := v.arm.Operations(ctx, id, false)
	if err != nil {
		return err
	}
	for _, op := range operations {
		d.Operations = append(d.Operations, operationOf(op, time.Now()))
	}
	if settled(d.State) {
		if d.Facts, err = v.arm.Nodes(ctx, id); err != nil {
			d.NodesError = v.Said(err.Error())
		}
	}
	if d.Count == "" {
		d.Count = strconv.Itoa(d.Nodes)
	}
	whole, err := json.MarshalIndent(o, "", "  ")
	if err != nil {
		return err
	}
	d.JSON = string(whole)
	return v.render("cluster", d)
}

// askCluster asks for a confirmation of scaling, deleting or disconnecting, or downloads the kubeconfig.
func (s *Studio) askCluster(v *visit) error {
	switch do := v.r.PathValue("do"); do {
	case "scale", "delete", "disconnect":
		return v.showCluster(clusterData{Do: do})
	case "kubeconfig":
		config, err := v.arm.ClusterCredentials(v.r.Context(), v.Group(), v.r.PathValue("name"), false)
		if err != nil {
			return err
		}
		return v.download(config)
	}
	return v.redirect(clusterLink(v.clusterID()))
}

func (s *Studio) changeCluster(v *visit) (err error) {
	ctx, id := v.r.Context(), v.clusterID()
	d := clusterData{Do: v.r.PathValue("do"), Count: strings.TrimSpace(v.r.PostFormValue("count"))}
	if v.r.PostFormValue("resume") != "" {
		return v.showCluster(d)
	}
	switch d.Do {
	case "check":
		_, err = v.arm.RequestCheck(ctx, id)
	case "scale":
		count, bad := strconv.Atoi(d.Count)
		if bad != nil {
			d.Errors = []berth.Error{{Message: v.T("scale.number", d.Count)}}
			return v.showCluster(d)
		}
		_, _, err = v.arm.ScaleCluster(ctx, id.Group, id.Name(), client.PoolScale{Count: count})
	case "delete":
		if d.Errors = v.unconfirmed(id.Name()); d.Errors != nil {
			return v.showCluster(d)
		}
		_, err = v.arm.DeleteResource(ctx, id)
	case "disconnect":
		_, err = v.arm.DeleteResource(ctx, id)
	default:
		return s.missing(v)
	}
	if client.Refused(err) && !client.IsNotFound(err) {
		d.Errors, v.status = detailsOf(err), client.StatusOf(err)
		return v.showCluster(d)
	}
	if err != nil {
		return err
	}
	if d.Do == "scale" || d.Do == "check" {
		return v.redirect(clusterLink(id))
	}
	return v.redirect(Path + "/clusters")
}
