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

// form is the form of a new compute, as the user typed it.
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
	return form{
		Mode: f("mode"), Location: f("location"), Size: f("size"), Cluster: f("cluster"),
		Name: f("name"), Purpose: f("purpose"), Nodes: f("nodes"), Balancer: f("balancer"), BalancerSubnet: f("balancersubnet"),
		NetworkGroup: f("networkgroup"), Network: f("network"), Subnet: f("subnet"),
		ServiceCIDR: f("servicecidr"), DNS: f("dns"), BridgeCIDR: f("bridgecidr"),
		SSL: f("ssl"), CNAME: f("cname"), Cert: f("cert"), Key: f("key"), Leaf: f("leaf"), Overwrite: f("overwrite") != "",
	}
}

// body is the PUT that the form stands for. What was left empty is left to the server.
func (f form) body(subscription string) client.Object {
	r := client.ComputeRequest{
		Purpose: berth.Purpose(f.Purpose), LoadBalancer: f.Balancer, LoadBalancerSubnet: f.BalancerSubnet, TLS: f.tls(),
	}
	if f.Mode == "existing" {
		r.ClusterID = f.Cluster
		return r.Body(subscription)
	}
	r.Location = f.Location
	r.VMSize = f.Size
	r.Nodes = f.Nodes
	r.Network = client.NetworkRequest{
		Group: f.NetworkGroup, VNet: f.Network, Subnet: f.Subnet,
		ServiceCIDR: f.ServiceCIDR, DNSServiceIP: f.DNS, DockerBridgeCIDR: f.BridgeCIDR,
	}
	return r.Body(subscription)
}

func (f form) tls() *client.TLSRequest {
	switch f.SSL {
	case "own":
		return &client.TLSRequest{Status: "Enabled", CNAME: f.CNAME, Cert: f.Cert, Key: f.Key}
	case "leaf":
		return &client.TLSRequest{Status: "Auto", Label: f.Leaf, Overwrite: f.Overwrite}
	}
	return nil
}

// nameable matches the names that can stand in an address; the rules restrict names further.
var nameable = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)

// fields are the fields of the form at which violations are shown, by the end of a violation's target. The first match counts.
var fields = []struct{ target, field string }{
	{"agentCount", "nodes"}, {"agentVmSize", "size"}, {"clusterPurpose", "purpose"},
	{"loadBalancerType", "balancer"}, {"loadBalancerSubnet", "balancersubnet"},
	{"sslConfiguration.cert", "cert"}, {"sslConfiguration.key", "key"}, {"sslConfiguration.cname", "cname"},
	{"leafDomainLabel", "leaf"}, {"sslConfiguration", "ssl"},
	{"subnetId", "subnet"}, {"serviceCidr", "servicecidr"}, {"dnsServiceIP", "dns"}, {"dockerBridgeCidr", "bridgecidr"},
	{"aksNetworkingConfiguration", "subnet"},
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

// finding is a violation or a warning of the rules, with the field of the form that it concerns.
type finding struct {
	Field   string `json:"field"`
	Message string `json:"message"`
	Warning bool   `json:"warning,omitempty"`
}

// verdict is the rules' answer to a form.
type verdict struct {
	Valid    bool      `json:"valid"`
	Findings []finding `json:"findings"`
	Sum      string    `json:"sum"`
	Short    bool      `json:"short"` // the sum is too small
	Code     []snippet `json:"code"`
}

func findingsOf(violations, warnings []berth.Error) []finding {
	out := []finding{}
	for _, e := range violations {
		out = append(out, finding{Field: fieldOf(e.Target), Message: e.Message})
	}
	for _, e := range warnings {
		out = append(out, finding{Field: fieldOf(e.Target), Message: e.Message, Warning: true})
	}
	return out
}

// sum is the number of vCPUs for the user: "3 nodes × 4 vCPU = 12 of 12 needed". short is true when they are too few.
func (v *visit) sum(f form) (text string, short bool) {
	nodes, err := strconv.Atoi(f.Nodes)
	size, known := catalog.Size(f.Size)
	if err != nil || !known || f.Mode == "existing" {
		return "", false
	}
	total := nodes * size.VCPUs
	if f.Purpose == string(berth.DevTest) {
		return v.T("wizard.sum.devtest", nodes, size.VCPUs, total), false
	}
	return v.T("wizard.sum", nodes, size.VCPUs, total, catalog.ProductionVCPUs), total < catalog.ProductionVCPUs
}

func (v *visit) check(f form) (verdict, error) {
	name := f.Name
	if !nameable.MatchString(name) {
		name = "-" // refused by the rule on names, with all the others
	}
	var out verdict
	compute := client.ComputeName{Group: v.Group(), Workspace: v.Workspace(), Name: name}
	r, err := v.arm.CheckRules(v.r.Context(), compute, f.body(v.SubscriptionID))
	if client.Refused(err) && !client.IsNotFound(err) {
		r.Violations = detailsOf(err) // the body cannot be decoded
	} else if err != nil {
		return out, err
	}
	out.Valid, out.Findings = r.Valid, findingsOf(r.Violations, r.Warnings)
	for i := range out.Findings {
		switch {
		case out.Findings[i].Field != "name" || name == f.Name:
		case f.Name == "":
			out.Findings[i].Message = v.T("wizard.name.missing")
		default:
			out.Findings[i].Message = v.T("name.impossible", f.Name)
		}
	}
	out.Sum, out.Short = v.sum(f)
	out.Code = f.code(v)
	return out, nil
}

// checkCompute answers the findings of the rules while the user types.
func (s *Studio) checkCompute(v *visit) error {
	out, err := v.check(formOf(v))
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
	Dirty     bool // the user has typed: show the findings
}

type subnetView struct{ Group, Network, Name string }

// At are the findings at a field; none before the user has typed.
func (d wizardData) At(field string) (out []finding) {
	for _, f := range d.Verdict.Findings {
		if d.Dirty && f.Field == field {
			out = append(out, f)
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
	return v.showWizard(wizardData{Step: 1, form: form{
		Mode: mode, Cluster: cluster, Size: "Standard_D3_v2", Purpose: string(berth.FastProd), Nodes: "3",
	}})
}

// showWizard shows the form with the findings of the rules.
func (v *visit) showWizard(d wizardData) (err error) {
	ws, err := v.arm.GetWorkspace(v.r.Context(), v.Group(), v.Workspace())
	if err != nil {
		return err
	}
	if d.Location == "" {
		d.Location = text(ws, "location")
	}
	if d.Verdict, err = v.check(d.form); err != nil {
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

// toSettings shows the second step, unless the rules refuse the size or the location, which are chosen on the first.
func (v *visit) toSettings(d wizardData) error {
	found, err := v.check(d.form)
	if err != nil {
		return err
	}
	d.Dirty = d.Name != ""
	for _, f := range found.Findings {
		if !f.Warning && (f.Field == "size" || f.Field == "location") {
			d.Step, d.Dirty = 1, true
			v.status = http.StatusBadRequest
		}
	}
	return v.showWizard(d)
}

// createCompute goes to another step of the wizard, or creates the compute. A refused form is shown again with the findings.
func (s *Studio) createCompute(v *visit) error {
	d := wizardData{form: formOf(v), Step: 2, Dirty: true}
	switch {
	case v.r.PostFormValue("resume") != "":
		return v.showWizard(d)
	case v.r.PostFormValue("go") == "back":
		d.Step, d.Dirty = 1, false
		return v.showWizard(d)
	case d.Mode == "existing" && d.Cluster == "": // without a cluster to attach, the PUT would create one
		d.Step, d.Dirty = 1, false
		v.status = http.StatusBadRequest
		return v.showWizard(d)
	case v.r.PostFormValue("go") == "next":
		return v.toSettings(d)
	case v.r.PostFormValue("go") == "check":
		return v.showWizard(d)
	case d.Name == "":
		v.status = http.StatusBadRequest
		return v.showWizard(d)
	}
	n := client.ComputeName{Group: v.Group(), Workspace: v.Workspace(), Name: d.Name}
	if _, err := v.arm.GetCompute(v.r.Context(), n); err == nil { // a PUT would change the existing compute
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
