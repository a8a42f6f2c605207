package models

import (
	"cmp"
	"fmt"
	"path"
	"strings"

	"sigs.k8s.io/yaml"

	"berth.dev/berth"
)

// Properties are the "properties" of a version or of what has versions, as version 2 of the SDK reads them, whichever version registered
// it.
func (a Assets) Properties(r *berth.Resource) map[string]any {
	var out object
	archived := false
	switch b := r.Body.(type) {
	case *berth.Versions:
		out, archived = fields(b.Request), b.Archived
	case *berth.ModelVersion:
		out, archived = fields(b.Request), b.Archived
		if !b.V2 {
			out = a.modelOfV1(r.ID, out, b)
		}
	case *berth.EnvironmentVersion:
		out, archived = fields(b.Request), b.Archived
		if !b.V2 {
			out = environmentOfV1(out, b)
		}
		if build, is := out["build"].(object); is && build["dockerfilePath"] == nil {
			build["dockerfilePath"] = "Dockerfile" // as Azure ML fills it in
		}
	case *berth.CodeVersion:
		out = fields(b.Request)
	case *berth.DataVersion:
		out, archived = fields(b.Request), b.Archived
	}
	for name, value := range assetKinds[r.Body.ResourceType()].always {
		if out[name] == nil {
			out[name] = value
		}
	}
	for _, name := range []string{"description", "properties", "isAnonymous"} {
		if out[name] == nil {
			out[name] = map[string]any{"description": nil, "properties": object{}, "isAnonymous": false}[name]
		}
	}
	out["tags"], out["isArchived"] = r.Tags, archived
	if r.Tags == nil {
		out["tags"] = object{}
	}
	return out
}

// modelOfV1 is a model of version 1 of the SDK for version 2.
func (a Assets) modelOfV1(id berth.ID, request object, m *berth.ModelVersion) object {
	out := object{"description": request["description"], "properties": request["properties"], "stage": request["stage"]}
	if framework, _ := request["framework"].(string); framework != "" && framework != "Custom" {
		out["flavors"] = object{framework: object{"data": object{"version": fmt.Sprint(cmp.Or(request["frameworkVersion"], any("")))}}}
	}
	files, err := Sources{a.Store, a.Files}.assetFiles(a.Context, id, m.Asset)
	if err != nil || len(files) == 0 {
		return out // the deployment tells it
	}
	name := strings.TrimSuffix(files[0].ID+files[0].Prefix, "/")
	if len(files) > 1 {
		name = path.Dir(name)
	}
	out["modelUri"] = a.address(name)
	return out
}

// address is how version 2 of the SDK names a file.
func (a Assets) address(name string) string {
	ws := a.Workspace.ID
	return fmt.Sprintf("azureml://subscriptions/%s/resourcegroups/%s/workspaces/%s/datastores/%s/paths/%s", ws.Subscription, ws.Group,
		ws.Name(), Datastore, name)
}

// environmentOfV1 is an environment of version 1 of the SDK for version 2.
func environmentOfV1(request object, v *berth.EnvironmentVersion) object {
	out := object{"description": request["description"], "properties": request["properties"]}
	e, err := v1Environment(v)
	if err != nil {
		return out
	}
	out["image"], _ = e.ready()
	if conda, isObject := at(request, "python", "condaDependencies").(object); isObject && !e.Python.UserManaged {
		if text, err := yaml.Marshal(conda); err == nil {
			out["condaFile"] = string(text)
		}
	}
	return out
}

// at is a value inside of an object.
func at(o object, names ...string) (value any) {
	value = o
	for _, name := range names {
		inside, _ := value.(object)
		value = inside[name]
	}
	return value
}
