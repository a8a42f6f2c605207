package studio

import (
	"cmp"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"path"
	"slices"
	"strings"

	"berth.dev/berth"
	"berth.dev/berth/client"
)

// environment is what the entry script runs in.
func (f deployForm) environment(ctx context.Context, v *visit) (client.Object, error) {
	var out client.Object
	if f.PackagesFrom == "registered" {
		var err error
		if out, err = v.arm.GetEnvironment(ctx, v.space(), f.Environment, ""); err != nil {
			return nil, err
		}
	} else {
		dependencies := []any{}
		if all := f.requirements(); len(all) > 0 {
			dependencies = append(dependencies, client.Object{"pip": all})
		}
		out = client.Object{"name": "berth", "docker": client.Object{}, "python": client.Object{"userManagedDependencies": false,
			"condaDependencies": client.Object{"name": "project_environment", "dependencies": dependencies}}}
	}
	variables := client.Object{}
	for name, value := range objectsOf(out["environmentVariables"]) {
		variables[name] = value
	}
	variables["AZUREML_ENTRY_SCRIPT"] = f.scriptName()
	out["environmentVariables"] = variables
	return out, nil
}

// body is the request that the form stands for, without its files, and what of the form cannot be in a request.
func (f deployForm) body(v *visit) (client.Object, []berth.Error) {
	values, wrong := f.read(v)
	body := client.Object{"name": f.Name, "computeType": string(berth.ComputeAKS), "computeName": f.Compute, "authEnabled": f.Auth == "key",
		"aadAuthEnabled": f.Auth == "token"}
	if f.Description != "" {
		body["description"] = f.Description
	}
	for at, value := range values {
		set(body, at, value)
	}
	set(body, "/autoScaler/autoscaleEnabled", f.Scaling == "auto")
	if limit := (figure{"timeout", f.Timeout, "", true}).value(); limit != nil {
		body["scoringTimeoutMs"] = limit
	} else {
		wrong = append(wrong, berth.Error{Target: "timeout", Message: v.T("number.wrong", v.T("field.timeout"), f.Timeout)})
	}
	ids := []string{}
	switch {
	case f.Source == "upload":
		wrong = append(wrong, v.uploadable(f)...)
	case f.Model == "":
		wrong = append(wrong, berth.Error{Target: "model", Message: v.T("deploy.model.none")})
	default:
		ids = append(ids, f.Model)
	}
	if f.scriptName() == "" {
		wrong = append(wrong, berth.Error{Target: "script", Message: v.T("deploy.script.none")})
	}
	environment, err := f.environment(v.r.Context(), v)
	if err != nil {
		wrong = append(wrong, berth.Error{Target: "environment", Message: v.Said(err.Error())})
	}
	assets := []any{}
	if f.ScriptFrom == "file" && len(f.ScriptFile.Paths) > 0 {
		assets = append(assets, scriptAsset(f.ScriptFile))
	}
	body["environmentImageRequest"] = client.Object{"modelIds": ids, "assets": assets, "environment": environment}
	return body, wrong
}

// uploadable says why the files of the form cannot be registered as a model.
func (v *visit) uploadable(f deployForm) (wrong []berth.Error) {
	files := f.modelFiles()
	if len(files) == 0 {
		return []berth.Error{{Target: "modelfile", Message: v.T("register.none")}}
	}
	if why := v.judgeKind(f.ModelKind, files); why != "" {
		wrong = append(wrong, berth.Error{Target: "modelfile", Message: why})
	}
	if name := cmp.Or(f.ModelName, f.endpointName()); f.kind() != "" && f.ModelName != "" && !assetName(name) {
		wrong = append(wrong, berth.Error{Target: "modelname", Message: v.T("register.name.wrong", name)})
	}
	return wrong
}

// scriptAsset is how a request names an entry script that was uploaded.
func scriptAsset(u client.Uploaded) client.Object {
	return client.Object{"id": path.Base(u.Paths[0]), "mimeType": "application/x-python", "unpack": false,
		"url": "aml://artifact/" + u.Prefix + u.Paths[0]}
}

// set writes a field at a path into an object.
func set(o client.Object, path string, value any) {
	words := strings.Split(strings.TrimPrefix(path, "/"), "/")
	for _, w := range words[:len(words)-1] {
		inner, is := o[w].(client.Object)
		if !is {
			inner = client.Object{}
			o[w] = inner
		}
		o = inner
	}
	o[words[len(words)-1]] = value
}

// deployFields are the fields of the form at which findings are shown, by the beginning of their targets.
var deployFields = []struct{ target, field string }{
	{"name", "name"}, {"compute", "compute"}, {"containerResourceRequirements.cpu", "cpu"},
	{"containerResourceRequirements.memory", "memory"}, {"numReplicas", "replicas"}, {"autoScaler.min", "least"},
	{"autoScaler.max", "most"}, {"autoScaler.target", "occupied"}, {"autoScaler", "least"}, {"scoringTimeoutMs", "timeout"},
	{"environmentImageRequest.modelIds", "model"}, {"environmentImageRequest.assets", "script"},
	{"environmentImageRequest", "environment"}, {"aadAuthEnabled", "auth"},
}

func deployField(target string) string {
	for _, f := range deployFields {
		if strings.HasPrefix(target, f.target) {
			return f.field
		}
	}
	return ""
}

// judge asks the rules about the form. It changes nothing. The request is that of a web service, and nil for an online endpoint.
func (v *visit) judge(f deployForm) (verdict, client.Object, error) {
	if f.Kind == kindOnline {
		out, err := v.judgeOnline(f)
		return out, nil, err
	}
	out := verdict{Findings: []finding{}}
	body, wrong := f.body(v)
	for _, e := range wrong {
		out.Findings = append(out.Findings, finding{Field: e.Target, Message: e.Message})
	}
	fine := slices.ContainsFunc(wrong, func(e berth.Error) bool { return e.Target == "environment" || e.Target == "script" })
	asked := body
	if !nameable.MatchString(f.Name) {
		asked = client.Object{}
		for key, value := range body {
			asked[key] = value
		}
		asked["name"] = "-" // refused by the rule on names, with all the others
	}
	err := v.arm.ValidateService(v.r.Context(), v.space(), asked)
	if err != nil && !client.Refused(err) {
		return out, body, err
	}
	for _, e := range detailsOf(err) {
		if field := deployField(e.Target); field != "environment" || !fine { // what is missing was said in the words of the form
			out.Findings = append(out.Findings, finding{Field: field, Message: e.Message})
		}
	}
	out.Valid = len(out.Findings) == 0
	out.Code = f.code(v, body)
	return out, body, nil
}

type deployData struct {
	deployForm
	Verdict      verdict
	Models       []modelView
	Environments []string
	Computes     []computeView
	Endpoints    []endpointView // online ones, to which a deployment can be added
	Types        []instanceTypeView
	Dirty        bool // the user has typed: show the findings
}

// At are the findings at a field; none before the user has typed.
func (d deployData) At(field string) (out []finding) {
	for _, f := range d.Verdict.Findings {
		if d.Dirty && f.Field == field {
			out = append(out, f)
		}
	}
	return out
}

func (s *Studio) newEndpoint(v *visit) error {
	f, q := startForm(), v.r.URL.Query()
	if f.Model = q.Get("model"); f.Model == "" {
		f.Source = ""
	}
	if f.Endpoint = q.Get("endpoint"); f.Endpoint != "" || q.Get("kind") == kindOnline {
		f.Kind = kindOnline
	}
	var err error
	if f.Endpoint != "" {
		f.Deployment, err = v.freeName(f.Endpoint)
	}
	if err != nil {
		return err
	}
	return v.showDeploy(deployData{deployForm: f})
}

// showDeploy shows the form with the findings of the rules.
func (v *visit) showDeploy(d deployData) error {
	ctx := v.r.Context()
	models, err := v.arm.ListModels(ctx, v.space(), client.ModelQuery{})
	if err != nil {
		return err
	}
	for _, o := range models {
		d.Models = append(d.Models, v.modelOf(o))
	}
	environments, err := v.arm.ListEnvironments(ctx, v.space())
	if err != nil {
		return err
	}
	for _, o := range environments {
		d.Environments = append(d.Environments, text(o, "name"))
	}
	computes, err := v.arm.ListComputes(ctx, v.Group(), v.Workspace())
	if err != nil {
		return err
	}
	for _, o := range computes {
		d.Computes = append(d.Computes, computeOf(o))
		d.Types = append(d.Types, instanceTypesOf(o)...)
	}
	if err := v.offerEndpoints(&d); err != nil {
		return err
	}
	if d.Source == "" {
		if d.Source = "upload"; len(d.Models) > 0 {
			d.Source, d.Model = "registered", d.Models[0].ID()
		}
	}
	for _, c := range d.Computes {
		if d.Compute == "" && !d.Dirty && c.Settled() {
			d.Compute = c.Name
		}
	}
	if d.Verdict.Findings == nil {
		if d.Verdict, _, err = v.judge(d.deployForm); err != nil {
			return err
		}
	}
	return v.render("deploy", d)
}

// checkEndpoint answers the findings of the rules while the user types.
func (s *Studio) checkEndpoint(v *visit) error {
	if err := v.r.ParseForm(); err != nil {
		return err
	}
	out, _, err := v.judge(deployFormOf(&received{Values: v.r.PostForm}))
	if err != nil {
		return err
	}
	v.w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(v.w).Encode(out)
}

// deploy registers the model of a form and deploys it. A refused form is shown again with all that is wrong; files that have come stay.
func (s *Studio) deploy(v *visit) error {
	form, wrong, err := v.receive()
	if err != nil {
		return err
	}
	if form == nil {
		d := deployData{deployForm: startForm(), Dirty: true}
		d.Verdict.Findings, v.status = []finding{{Message: wrong[0].Message}}, http.StatusBadRequest
		return v.showDeploy(d)
	}
	d := deployData{deployForm: deployFormOf(form), Dirty: true}
	if form.Get("resume") != "" || form.Get("go") == "check" {
		return v.showDeploy(d)
	}
	var body client.Object
	if d.Verdict, body, err = v.judge(d.deployForm); err != nil {
		return err
	}
	if !d.Verdict.Valid {
		v.status = http.StatusBadRequest
		return v.showDeploy(d)
	}
	way := v.way(&d, body)
	if err = way.send(); client.Refused(err) {
		field := ""
		if d.Source == "upload" { // the registration was refused
			field = "modelname"
		}
		for _, e := range detailsOf(err) {
			d.Verdict.Findings = append(d.Verdict.Findings, finding{Field: cmp.Or(field, way.field(e.Target)), Message: e.Message})
		}
		v.status = client.StatusOf(err)
		return v.showDeploy(d)
	}
	if err != nil {
		return err
	}
	return v.redirect(way.page)
}

// way is how a form is sent: where what it makes is shown, and at which field of the form a refusal is.
type way struct {
	page  string
	send  func() error
	field func(target string) string
}

func (v *visit) way(d *deployData, body client.Object) way {
	if d.Kind == kindOnline {
		return way{d.page(v), func() error { return v.sendOnline(d) }, onlineField}
	}
	return way{v.endpointLink(d.Name), func() error { return v.send(d, body) }, deployField}
}

// send registers the model, uploads the entry script and sends the request.
func (v *visit) send(d *deployData, body client.Object) error {
	image := body["environmentImageRequest"].(client.Object) // deployForm.body made it
	if err := v.registerModel(d); err != nil {
		return err
	}
	image["modelIds"] = []string{d.Model}
	if d.ScriptFrom != "file" {
		script, err := v.uploadScript(d)
		if err != nil {
			return err
		}
		image["assets"] = []any{scriptAsset(script)}
	}
	_, err := v.arm.DeployService(v.r.Context(), v.space(), body)
	return err
}

// registerModel registers a model that has come with the form. It is the registered model of the form from then on.
func (v *visit) registerModel(d *deployData) error {
	if d.Source != "upload" {
		return nil
	}
	asked := client.ModelRequest{Name: cmp.Or(d.ModelName, d.endpointName()), Kind: d.kind()}
	made, err := v.arm.RegisterUploaded(v.r.Context(), v.space(), asked, d.ModelFiles)
	if err == nil {
		d.Source, d.Model = "registered", v.modelOf(made).ID()
	}
	return err
}

// uploadScript uploads an entry script that was typed.
func (v *visit) uploadScript(d *deployData) (client.Uploaded, error) {
	text, name := d.Script, d.scriptName()
	to := v.arm.NewUpload(v.space())
	open := func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }
	return client.Uploaded{Prefix: to.Prefix(), Paths: []string{name}}, to.Add(v.r.Context(), client.File{Path: name, Open: open})
}
