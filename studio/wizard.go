package studio

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"berth.dev/berth"
	"berth.dev/berth/catalog"
	"berth.dev/berth/client"
)

// wish is the form of a new compute, as it was typed.
type form struct {
	Mode                                                        string // create | existing
	Location, Size, Cluster                                     string
	Name, Purpose, Nodes                                        string
	Balancer, BalancerSubnet                                    string
	NetworkGroup, Network, Subnet, ServiceCIDR, DNS, BridgeCIDR string
	SSL, CNAME, Cert, Key, Leaf                                 string // SSL: "" | own | leaf
	Overwrite                                                   bool
}

func formOf(v *visit) form {
	f := func(name string) string { return strings.TrimSpace(v.r.PostFormValue(name)) }
	return form{Mode: f("mode"), Location: f("location"), Size: f("size"), Cluster: f("cluster"), Name: f("name"), Purpose: f("purpose"), Nodes: f("nodes"),
		Balancer: f("balancer"), BalancerSubnet: f("balancersubnet"), NetworkGroup: f("networkgroup"), Network: f("network"), Subnet: f("subnet"), ServiceCIDR: f("servicecidr"),
		DNS: f("dns"), BridgeCIDR: f("bridgecidr"), SSL: f("ssl"), CNAME: f("cname"), Cert: f("cert"), Key: f("key"), Leaf: f("leaf"), Overwrite: f("overwrite") != ""}
}

// body is the request that the form makes. Fields of the other mode may be filled in; they do not count.
func (w form) body(subscription string) client.Object {
	r := client.ComputeRequest{Purpose: w.Purpose, Balancer: w.Balancer, BalancerSubnet: w.BalancerSubnet}
	if w.Mode == "existing" {
		r.Attach, r.Cluster = true, w.Cluster
	} else {
		r.Location, r.VMSize = w.Location, w.Size
		r.NodeCount, r.Network = w.Nodes, w.network()
	}
	switch w.SSL {
	case "own":
		r.TLS = &client.TLSRequest{Status: client.TLSEnabled, CNAME: w.CNAME, Cert: w.Cert, Key: w.Key}
	case "leaf":
		r.TLS = &client.TLSRequest{Status: client.TLSAuto, Label: w.Leaf, Overwrite: w.Overwrite}
	}
	return r.Body(subscription)
}

// network is nil unless a field of the network is filled in.
func (w form) network() *client.NetworkRequest {
	n := client.NetworkRequest{
		Group: w.NetworkGroup, Network: w.Network, Subnet: w.Subnet,
		ServiceCIDR: w.ServiceCIDR, DNS: w.DNS, BridgeCIDR: w.BridgeCIDR,
	}
	if n == (client.NetworkRequest{}) {
		return nil
	}
	return &n
}

// nameable is what the name of a resource can have in an address; the rules say more.
var nameable = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)

// fields say at which field of the form a violation stands, by the end of its target.
var fields = []struct{ target, field string }{
	{"agentCount", "nodes"}, {"agentVmSize", "size"}, {"clusterPurpose", "purpose"}, {"loadBalancerType", "balancer"}, {"loadBalancerSubnet", "balancersubnet"},
	{"sslConfiguration.cert", "cert"}, {"sslConfiguration.key", "key"}, {"sslConfiguration.cname", "cname"}, {"leafDomainLabel", "leaf"}, {"sslConfiguration", "ssl"},
	{"subnetId", "subnet"}, {"serviceCidr", "servicecidr"}, {"dnsServiceIP", "dns"}, {"dockerBridgeCidr", "bridgecidr"}, {"aksNetworkingConfiguration", "subnet"},
	{"resourceId", "cluster"}, {"computeLocation", "location"}, {"location", "location"}, {"name", "name"},
}

func fieldOf(target string) string {
	for _, f := range fields {
		if strings.HasSuffix(strings.ToLower(target), strings.ToLower(f.target)) {
			return f.field
		}
	}
	return ""
}

// said is one thing that the rules have to say, at a field.
type said struct {
	Field   string `json:"field"`
	Message string `json:"message"`
	Warning bool   `json:"warning,omitempty"`
}

// verdict is the rules' answer to a form.
type verdict struct {
	Valid bool      `json:"valid"`
	Said  []said    `json:"said"`
	Sum   string    `json:"sum"`
	Short bool      `json:"short"` // the sum is too small
	Code  []snippet `json:"code"`
}

func saidOf(violations, warnings []berth.Error) []said {
	out := []said{}
	for _, e := range violations {
		out = append(out, said{Field: fieldOf(e.Target), Message: e.Message})
	}
	for _, e := range warnings {
		out = append(out, said{Field: fieldOf(e.Target), Message: e.Message, Warning: true})
	}
	return out
}

// sum is the running account of vCPUs: "3 nodes × 4 vCPU = 12 of 12 needed".
func (v *visit) sum(w form) (text string, short bool) {
	nodes, err := strconv.Atoi(w.Nodes)
	size, known := catalog.Size(w.Size)
	if err != nil || !known || w.Mode == "existing" {
		return "", false
	}
	total := nodes * size.VCPUs
	if w.Purpose == string(berth.DevTest) {
		return v.T("wizard.sum.devtest", nodes, size.VCPUs, total), false
	}
	return v.T("wizard.sum", nodes, size.VCPUs, total, catalog.ProductionVCPUs), total < catalog.ProductionVCPUs
}

func (v *visit) judge(w form) (verdict, error) {
	name := w.Name
	if !nameable.MatchString(name) {
		name = "-" // refused by the rule on names, with all the others
	}
	var out verdict
	r, err := v.arm.CheckRules(v.r.Context(), client.ComputeName{Group: v.Group(), Workspace: v.Workspace(), Name: name}, w.body(v.SubscriptionID))
	if client.Refused(err) && !client.IsNotFound(err) {
		r.Violations = detailsOf(err) // what cannot be read at all
	} else if err != nil {
		return out, err
	}
	out.Valid, out.Said = r.Valid, saidOf(r.Violations, r.Warnings)
	for i := range out.Said {
		switch {
		case out.Said[i].Field != "name" || name == w.Name:
		case w.Name == "":
			out.Said[i].Message = v.T("wizard.name.missing")
		default:
			out.Said[i].Message = v.T("name.impossible", w.Name)
		}
	}
	out.Sum, out.Short = v.sum(w)
	out.Code = w.code(v)
	return out, nil
}

// checkCompute answers what the rules say while somebody types.
func (s *Studio) checkCompute(v *visit) error {
	out, err := v.judge(formOf(v))
	if err != nil {
		return err
	}
	v.w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(v.w).Encode(out)
}

type wizardData struct {
	form
	Step      int
	Verdict   verdict
	Locations []catalog.Location
	Clusters  []clusterView
	Subnets   []subnetView
	Sizes     []catalog.VMSize
	Dirty     bool // somebody has typed: show what the rules say
}

type subnetView struct{ Group, Network, Name string }

// At is what the rules say at a field.
func (d wizardData) At(field string) (out []said) {
	for _, s := range d.Verdict.Said {
		if d.Dirty && s.Field == field {
			out = append(out, s)
		}
	}
	return out
}

func (s *Studio) newCompute(v *visit) error {
	mode := "create"
	cluster := v.r.URL.Query().Get("cluster")
	if cluster != "" {
		mode = "existing"
	}
	return v.showWizard(wizardData{form: form{Mode: mode, Cluster: cluster, Size: "Standard_D3_v2", Purpose: string(berth.FastProd), Nodes: "3"}, Step: 1})
}

// showWizard shows the form with what the rules say to it as it stands.
func (v *visit) showWizard(d wizardData) (err error) {
	ws, err := v.arm.GetWorkspace(v.r.Context(), v.Group(), v.Workspace())
	if err != nil {
		return err
	}
	if d.Location == "" {
		d.Location = text(ws, "location")
	}
	if d.Verdict, err = v.judge(d.form); err != nil {
		return err
	}
	d.Locations = catalog.Locations()
	if d.Clusters, err = v.allClusters(); err != nil {
		return err
	}
	for _, name := range []string{"Standard_D3_v2", "Standard_D4_v2", "Standard_DS3_v2", "Standard_F8s_v2", "Standard_NC6s_v3"} {
		if z, ok := catalog.Size(name); ok {
			d.Sizes = append(d.Sizes, z)
		}
	}
	networks, err := v.arm.List(v.r.Context(), "/subscriptions/"+v.SubscriptionID+"/providers/Microsoft.Network/virtualNetworks")
	if err != nil {
		return err
	}
	for _, n := range networks {
		id, err := berth.ParseID(text(n, "id"))
		for _, sub := range objects(at(n, "properties", "subnets")) {
			if err == nil {
				d.Subnets = append(d.Subnets, subnetView{id.Group, id.Name(), text(sub, "name")})
			}
		}
	}
	return v.render("wizard", d)
}

// createCompute goes on to the next step, or makes what was asked for. What is refused stays in the form.
func (s *Studio) createCompute(v *visit) error {
	d := wizardData{form: formOf(v), Step: 2, Dirty: true}
	switch {
	case v.r.PostFormValue("resume") != "":
		return v.showWizard(d)
	case v.r.PostFormValue("go") == "back":
		d.Step, d.Dirty = 1, false
		return v.showWizard(d)
	case v.r.PostFormValue("go") == "next":
		d.Dirty = d.Name != ""
		return v.showWizard(d)
	case v.r.PostFormValue("go") == "check":
		return v.showWizard(d)
	case d.Name == "":
		v.status = http.StatusBadRequest
		return v.showWizard(d)
	}
	n := client.ComputeName{Group: v.Group(), Workspace: v.Workspace(), Name: d.Name}
	if _, err := v.arm.GetCompute(v.r.Context(), n); err == nil { // a PUT would change that one
		d.Name = ""
		v.status = http.StatusConflict
		return v.showWizard(d)
	}
	_, _, err := v.arm.PutCompute(v.r.Context(), n, d.body(v.SubscriptionID))
	if client.Refused(err) {
		v.status = client.StatusOf(err)
		return v.showWizard(d)
	}
	if err != nil {
		return err
	}
	return v.redirect(workspaceLink(v.Group(), v.Workspace()) + "/c/" + escape(d.Name))
}
