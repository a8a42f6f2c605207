package studio

import (
	"cmp"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"sigs.k8s.io/yaml"

	"berth.dev/berth"
	"berth.dev/berth/client"
)

// What the form of a deployment makes: a web service of version 1 of the SDK, or an online endpoint of version 2.
const (
	kindService = "service"
	kindOnline  = "online"
)

// onlineForm is what the form has for online endpoints alone.
type onlineForm struct {
	Kind         string
	Endpoint     string // to which the deployment is added; empty for a new one
	Deployment   string
	InstanceType string // empty for that of the compute
	Serve        bool   // give it all requests once it is served
}

// baseImage stands in an environment for the image to which packages are added, where Berth has its own.
const baseImage = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04"

// checkedEnvironment is the name of an environment, and the version of a model, that is judged before it is registered.
const checkedEnvironment = "berth-check"

// endpointName is the name of the endpoint of the form.
func (f deployForm) endpointName() string {
	if f.Kind == kindOnline {
		return cmp.Or(f.Endpoint, f.Name)
	}
	return f.Name
}

// page is where the deployment is followed.
func (f deployForm) page(v *visit) string {
	at := v.onlineLink(f.endpointName())
	if f.Serve {
		at += "?serve=" + escape(f.Deployment)
	}
	return at
}

// onlineRequest is what the form of an online endpoint stands for. Ids of what is not registered yet are left out.
type onlineRequest struct {
	Endpoint    client.Object // nil for one that is there
	Deployment  client.Object
	Environment client.Object // the properties of a version that is to be registered; nil for none
	Model       client.Object // those of an uploaded model whose kind matters; nil for none
}

// online makes the requests of the form, and says what of the form cannot be in a request.
func (f deployForm) online(v *visit) (out onlineRequest, wrong []berth.Error) {
	say := func(field, message string) { wrong = append(wrong, berth.Error{Target: field, Message: message}) }
	if f.Endpoint == "" {
		properties := client.Object{"authMode": cmp.Or(map[string]string{"key": berth.AuthKey, "token": berth.AuthMLToken}[f.Auth], f.Auth),
			"description": f.Description}
		if f.Compute != "" {
			properties["compute"] = v.arm.ID(v.Group(), berth.TypeCompute, v.Workspace(), f.Compute).String()
		}
		out.Endpoint = client.Object{"properties": properties}
	}
	sku, scale, counts := f.scale(v)
	wrong = append(wrong, counts...)
	p := client.Object{"endpointComputeType": string(berth.ComputeKubernetes), "description": f.Description, "scaleSettings": scale}
	out.Deployment = client.Object{"properties": p}
	if sku != nil {
		out.Deployment["sku"] = sku
	}
	if f.InstanceType != "" {
		p["instanceType"] = f.InstanceType
	}
	if ms, err := strconv.Atoi(f.Timeout); err == nil {
		p["requestSettings"] = client.Object{"requestTimeout": "PT" + strconv.FormatFloat(float64(ms)/1000, 'f', -1, 64) + "S"}
	} else {
		say("timeout", v.T("number.wrong", v.T("field.timeout"), f.Timeout))
	}
	switch {
	case f.Source == "upload":
		wrong = append(wrong, v.uploadable(f)...)
		out.Model = f.uploaded()
	case f.Model == "":
		say("model", v.T("deploy.model.none"))
	default:
		p["model"] = v.versionID(f.Model)
	}
	if name := f.scriptName(); name != "" {
		p["codeConfiguration"] = client.Object{"scoringScript": name}
	} else if f.ScriptFrom != "none" {
		say("script", v.T("deploy.script.none"))
	}
	switch f.PackagesFrom {
	case "typed":
		out.Environment = client.Object{"image": baseImage, "condaFile": f.conda()}
	case "registered":
		version, err := v.arm.LatestVersion(v.r.Context(), v.space(), client.Asset{Collection: "environments", Name: f.Environment})
		if err != nil {
			say("environment", v.Said(err.Error()))
		}
		p["environmentId"] = v.arm.AssetID(v.space(), client.Asset{Collection: "environments", Name: f.Environment, Version: version})
	}
	return out, wrong
}

// uploaded are the properties of an uploaded model whose kind matters; nil for files as they are.
func (f deployForm) uploaded() client.Object {
	if f.kind() == "" {
		return nil
	}
	return client.Object{"modelUri": f.ModelFiles.Address(), "modelType": f.kind()}
}

// versionID is the id of a version "name:version" of a model, as Resource Manager has it.
func (v *visit) versionID(model string) string {
	name, version, _ := strings.Cut(model, ":")
	return v.arm.AssetID(v.space(), client.Asset{Collection: "models", Name: name, Version: version})
}

// conda is the specification of the packages of the form.
func (f deployForm) conda() string {
	text, _ := yaml.Marshal(f.condaObject()) // it is made of texts
	return string(text)
}

func (f deployForm) condaObject() client.Object {
	dependencies := []any{"pip"}
	if all := f.requirements(); len(all) > 0 {
		dependencies = append(dependencies, client.Object{"pip": all})
	}
	return client.Object{"channels": []string{"conda-forge"}, "dependencies": dependencies}
}

// onlineFields are the fields of the form at which findings about an online endpoint are shown, by the beginning of their targets.
var onlineFields = []struct{ target, field string }{
	{"given[0].properties.compute", "compute"}, {"given[0].properties.authMode", "auth"}, {"given[0].name", "name"},
	{"given[0].properties.image", "environment"}, {"given[0].properties.condaFile", "environment"},
	{"given[1]", "environment"}, {"name", "deployment"}, {"properties.model", "model"}, {"properties.codeConfiguration", "script"},
	{"properties.environmentId", "environment"}, {"properties.instanceType", "instancetype"},
	{"properties.containerResourceRequirements", "instancetype"}, {"sku", "replicas"}, {"properties.scaleSettings.min", "least"},
	{"properties.scaleSettings.max", "most"}, {"properties.scaleSettings.target", "occupied"}, {"properties.scaleSettings", "least"},
	{"properties.requestSettings.requestTimeout", "timeout"}, {"properties.compute", "compute"}, {"properties.authMode", "auth"},
	{"properties.image", "environment"}, {"properties.condaFile", "environment"},
}

func onlineField(target string) string {
	for _, f := range onlineFields {
		if strings.HasPrefix(target, f.target) {
			return f.field
		}
	}
	return ""
}

// judgeOnline asks the rules about the form of an online endpoint. It changes nothing.
func (v *visit) judgeOnline(f deployForm) (verdict, error) {
	out := verdict{Findings: []finding{}}
	asked, wrong := f.online(v)
	for _, e := range wrong {
		out.Findings = append(out.Findings, finding{Field: e.Target, Message: e.Message})
	}
	taken, err := v.taken(f)
	if err != nil {
		return out, err
	}
	out.Findings = append(out.Findings, taken...)
	fine := out.Findings
	id, before := f.before(v, asked)
	add := func(all []berth.Error, warning bool) {
		for _, e := range all {
			field, later := f.placeOf(e.Target, before)
			if later {
				continue
			}
			if e.Code == berth.CodeParentNotFound { // it was deleted meanwhile
				field, e.Message = "endpoint", v.T("deploy.endpoint.gone", f.Endpoint)
			}
			if !slices.ContainsFunc(fine, func(said finding) bool { return said.Field == field && field != "" }) { // said in the words of the form
				out.Findings = append(out.Findings, finding{Field: field, Message: e.Message, Warning: warning})
			}
		}
	}
	found, err := v.arm.CheckDeployment(v.r.Context(), id, asked.Deployment, before...)
	if err != nil && !client.Refused(err) {
		return out, err
	}
	add(detailsOf(err), false)
	add(found.Violations, false)
	out.Valid = len(out.Findings) == 0
	add(found.Warnings, true)
	out.Code = f.onlineCode(v, asked)
	return out, nil
}

// before are the requests that are to be sent before that of the deployment, whose id is answered. The deployment then names the
// environment.
func (f deployForm) before(v *visit, asked onlineRequest) (id berth.ID, out []client.Given) {
	word := func(name string) string {
		if nameable.MatchString(name) {
			return name
		}
		return "-" // refused by the rule on names, with all the others
	}
	id = v.onlineID(word(f.endpointName())).Child("deployments", word(f.Deployment))
	if asked.Endpoint != nil {
		out = append(out, client.Given{ID: id.Parent().String(), Body: asked.Endpoint})
	}
	if asked.Environment != nil {
		env := v.arm.AssetID(v.space(), client.Asset{Collection: "environments", Name: checkedEnvironment, Version: "1"})
		out = append(out, client.Given{ID: env, Body: client.Object{"properties": asked.Environment}})
		objectsOf(asked.Deployment["properties"])["environmentId"] = env
	}
	if asked.Model != nil {
		model := v.arm.AssetID(v.space(), client.Asset{Collection: "models", Name: word(cmp.Or(f.ModelName, f.endpointName())),
			Version: checkedEnvironment})
		out = append(out, client.Given{ID: model, Body: client.Object{"properties": asked.Model}})
		objectsOf(asked.Deployment["properties"])["model"] = model
	}
	return id, out
}

// placeOf is the field of a finding. That the files of the model are not there is no finding before they have come.
func (f deployForm) placeOf(target string, before []client.Given) (field string, later bool) {
	for i, g := range before {
		about := "given[" + strconv.Itoa(i) + "]."
		if id, err := berth.ParseID(g.ID); err != nil || !id.Is(berth.TypeModelVersion) || !strings.HasPrefix(target, about) {
			continue
		}
		if target == about+"properties.modelUri" {
			return "modelfile", len(f.ModelFiles.Paths) == 0
		}
		return "modelname", false
	}
	return onlineField(target), false
}

// taken reports names that the form would give a second time: a PUT would change what is there.
func (v *visit) taken(f deployForm) (out []finding, err error) {
	ctx := v.r.Context()
	if f.Endpoint == "" && nameable.MatchString(f.Name) {
		_, err = v.arm.GetEndpoint(ctx, v.space(), f.Name)
		if err == nil {
			out = append(out, finding{Field: "name", Message: v.T("deploy.endpoint.taken", f.Name)})
		}
	}
	if f.Endpoint != "" && nameable.MatchString(f.Deployment) {
		_, err = v.arm.GetDeployment(ctx, v.space(), f.Endpoint, f.Deployment)
		if err == nil {
			out = append(out, finding{Field: "deployment", Message: v.T("deploy.deployment.taken", f.Endpoint, f.Deployment)})
		}
	}
	if client.IsNotFound(err) {
		err = nil
	}
	return out, err
}

// freeName is a name for a deployment that the endpoint does not have yet.
func (v *visit) freeName(endpoint string) (string, error) {
	all, err := v.arm.ListDeployments(v.r.Context(), v.space(), endpoint)
	if err != nil && !client.IsNotFound(err) { // the form says that the endpoint is gone
		return "", err
	}
	for _, name := range []string{"blue", "green", "red", "yellow"} {
		if !slices.ContainsFunc(all, func(o client.Object) bool { return strings.EqualFold(text(o, "name"), name) }) {
			return name, nil
		}
	}
	return "", nil
}

// sendOnline registers what the deployment needs, and sends the requests for the endpoint and the deployment. What was made is there when
// the form is sent again.
func (v *visit) sendOnline(d *deployData) error {
	ctx := v.r.Context()
	if err := v.registerModel(d); err != nil {
		return err
	}
	asked, _ := d.online(v) // it was judged
	p := objectsOf(asked.Deployment["properties"])
	if asked.Environment != nil {
		id, err := v.arm.PutAsset(ctx, v.space(), client.Asset{Collection: "environments"}, asked.Environment)
		if err != nil {
			return err
		}
		p["environmentId"] = id
	}
	if code := objectsOf(p["codeConfiguration"]); len(code) > 0 {
		script := d.ScriptFile
		if d.ScriptFrom != "file" {
			var err error
			if script, err = v.uploadScript(d); err != nil {
				return err
			}
		}
		id, err := v.arm.PutAsset(ctx, v.space(), client.Asset{Collection: "codes"}, client.Object{
			"codeUri": "azureml://datastores/workspaceblobstore/paths/" + path.Join(script.Prefix, path.Dir(script.Paths[0]))})
		if err != nil {
			return err
		}
		p["codeConfiguration"] = client.Object{"codeId": id, "scoringScript": path.Base(script.Paths[0])}
	}
	name := d.endpointName()
	if asked.Endpoint != nil {
		if _, err := v.arm.PutEndpoint(ctx, v.space(), name, asked.Endpoint); err != nil {
			return err
		}
		d.Endpoint = name // a second try adds the deployment to it
	}
	_, err := v.arm.PutDeployment(ctx, v.space(), name, d.Deployment, asked.Deployment)
	return err
}

// offerEndpoints lists the online endpoints to which the form can add a deployment.
func (v *visit) offerEndpoints(d *deployData) error {
	all, err := v.arm.ListEndpoints(v.r.Context(), v.space())
	for _, o := range all {
		if text(o, "kind") == aksKind { // another API adds its versions
			continue
		}
		d.Endpoints = append(d.Endpoints, endpointView{Name: text(o, "name"), Compute: computeNameOf(o)})
	}
	return err
}

// instanceTypeView is an instance type of a compute.
type instanceTypeView struct{ Name, Compute, Size string }

func instanceTypesOf(o client.Object) (out []instanceTypeView) {
	all := objectsOf(at(o, "properties", "properties", "instanceTypes"))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		asked := objectsOf(at(objectsOf(all[name]), "resources", "requests"))
		size := []string{}
		if cpu := plain(asked["cpu"]); cpu != "" {
			size = append(size, cpu+" vCPU")
		}
		if memory := plain(asked["memory"]); memory != "" {
			size = append(size, memory)
		}
		out = append(out, instanceTypeView{Name: name, Compute: text(o, "name"), Size: strings.Join(size, " · ")})
	}
	return out
}

// plain is a quantity, which may have been sent as a number.
func plain(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case float64:
		return decimal(v)
	}
	return ""
}
