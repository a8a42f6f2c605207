package studio

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"berth.dev/berth"
	"berth.dev/berth/client"
)

// deploymentView is a deployment of an online endpoint.
type deploymentView struct {
	Name, State, Model string // Model is the id of the version, as the SDK v1 has it; empty for none
	Type               string // the instance type; empty for that of the compute
	Problem            string
	Ready, Wanted      int
	Scale              *berth.ServiceScale // nil when the number of replicas is fixed
	Percent, Mirror    int                 // of the requests
	Share, Copy        string              // Percent and Mirror, as typed; Share of a version is what it was given, without the rest
	CPU, MemoryGB      float64             // of a replica of a version; 0 where the instance type has the size
}

// Busy reports whether an operation on the deployment is under way.
func (d deploymentView) Busy() bool { return !berth.State(d.State).Terminal() }

// Count is how many replicas are asked for, such as "2" or "1–10".
func (d deploymentView) Count() string {
	return endpointView{Replicas: d.Wanted, Scale: d.Scale}.Wanted()
}

// online reports whether the address names an online endpoint.
func (v *visit) online() bool {
	return strings.HasPrefix(v.r.URL.EscapedPath(), workspaceLink(v.Group(), v.Workspace())+"/online/")
}

func (v *visit) onlineLink(name string) string {
	return workspaceLink(v.Group(), v.Workspace()) + "/online/" + escape(name)
}

// onlineID is an online endpoint of the workspace of the address.
func (v *visit) onlineID(name string) berth.ID {
	return v.arm.ID(v.Group(), berth.TypeEndpoint, v.Workspace(), name)
}

// onlineOf is an online endpoint with its deployments.
func (v *visit) onlineOf(o client.Object) (endpointView, error) {
	p := func(key string) string { return text(o, "properties", key) }
	e := endpointView{
		Online: true, Name: text(o, "name"), Address: p("scoringUri"), Description: p("description"), Auth: p("authMode"),
		Tags: tagsOf(o["tags"]), Created: moment(o, "systemData", "createdAt"), Changed: moment(o, "systemData", "lastModifiedAt"),
		By: text(o, "systemData", "createdBy"), Link: v.onlineLink(text(o, "name")), Warnings: warningsOf(o),
	}
	e.Aks = text(o, "kind") == aksKind
	e.Compute, e.Settled = computeNameOf(o), berth.State(p("provisioningState")).Terminal()
	for _, fault := range objects(at(o, "properties", "provisioningErrors")) {
		e.Problem = text(fault, "message")
	}
	all, err := v.arm.ListDeployments(v.r.Context(), v.space(), e.Name)
	for _, one := range all {
		d := deploymentOf(one)
		d.Percent, d.Mirror = number(o, "properties", "traffic", d.Name), number(o, "properties", "mirrorTraffic", d.Name)
		d.Share, d.Copy = strconv.Itoa(d.Percent), strconv.Itoa(d.Mirror)
		e.Ready, e.Replicas = e.Ready+d.Ready, e.Replicas+d.Wanted
		if d.Model != "" && !slices.Contains(e.Models, d.Model) {
			e.Models = append(e.Models, d.Model)
		}
		e.Deployments = append(e.Deployments, d)
	}
	e.State = onlineState(p("provisioningState"), e)
	return e, err
}

// computeNameOf is the compute of an online endpoint.
func computeNameOf(o client.Object) string {
	compute, err := berth.ParseID(text(o, "properties", "compute"))
	if err != nil {
		return ""
	}
	return compute.Name()
}

func deploymentOf(o client.Object) deploymentView {
	d := deploymentView{Name: text(o, "name"), State: text(o, "properties", "provisioningState"), Type: text(o, "properties", "instanceType"),
		Ready: number(o, "properties", "readyReplicas"), Wanted: number(o, "sku", "capacity"), Problem: text(o, "properties", "statusMessage")}
	if model, err := berth.ParseID(text(o, "properties", "model")); err == nil && model.Is(berth.TypeModelVersion) {
		d.Model = model.Parent().Name() + ":" + model.Name()
	}
	for _, fault := range objects(at(o, "properties", "provisioningErrors")) {
		d.Problem = text(fault, "message")
	}
	if scale := objectsOf(at(o, "properties", "scaleSettings")); text(scale, "scaleType") == "TargetUtilization" {
		d.Scale = &berth.ServiceScale{Min: number(scale, "minInstances"), Max: number(scale, "maxInstances"),
			Target: number(scale, "targetUtilizationPercentage")}
	}
	return d
}

// onlineState is the state of an online endpoint in the words of web services.
func onlineState(state string, e endpointView) string {
	switch {
	case !berth.State(state).Terminal():
		return "Transitioning"
	case state != string(berth.StateSucceeded):
		return "Failed"
	case len(e.Deployments) == 0:
		return "Empty"
	}
	for _, d := range e.Deployments {
		if !berth.State(d.State).Terminal() {
			return "Transitioning"
		}
	}
	if e.Ready == 0 {
		return "Unhealthy"
	}
	return "Healthy"
}

// keys are both keys of what the address names.
func (v *visit) keys(ctx context.Context, name string) (primary, secondary string, err error) {
	if v.online() {
		keys, err := v.arm.EndpointKeys(ctx, v.space(), name)
		return text(keys, "primaryKey"), text(keys, "secondaryKey"), err
	}
	keys, err := v.arm.ServiceKeys(ctx, v.space(), name)
	return keys.Primary, keys.Secondary, err
}

func (v *visit) regenerate(ctx context.Context, name, key string) (err error) {
	if v.online() {
		_, err = v.arm.RegenerateEndpointKey(ctx, v.space(), name, key)
		return err
	}
	_, err = v.arm.RegenerateKey(ctx, v.space(), name, client.Object{"keyType": key})
	return err
}

func (v *visit) deleteEndpoint(ctx context.Context, name string) (err error) {
	if v.online() {
		_, err = v.arm.DeleteResource(ctx, v.onlineID(name))
		return err
	}
	_, err = v.arm.DeleteService(ctx, v.space(), name)
	return err
}

// onlineCode calls an online endpoint with other tools.
func (v *visit) onlineCode(e endpointView) []snippet {
	where := " -g " + sh(v.Group()) + " -w " + sh(v.Workspace())
	curl := "curl"
	if strings.HasPrefix(e.Address, "https:") {
		curl += " --cacert \"$SSL_CERT_FILE\""
	}
	return []snippet{
		{"SDK v2", "from azure.ai.ml import MLClient\n\nml_client = MLClient(credential, " + py(v.SubscriptionID) + ", " + py(v.Group()) + ", " +
			py(v.Workspace()) + ")\nprint(ml_client.online_endpoints.invoke(endpoint_name=" + py(e.Name) + ", request_file=\"request.json\"))"},
		{"az ml", "az ml online-endpoint invoke -n " + sh(e.Name) + " -r request.json" + where},
		{"curl", "KEY=$(az ml online-endpoint get-credentials -n " + sh(e.Name) + where + " --query primaryKey -o tsv)\n" + curl +
			" -H \"Authorization: Bearer $KEY\" -H 'Content-Type: application/json' \\\n  -d @request.json " + sh(e.Address)},
	}
}
