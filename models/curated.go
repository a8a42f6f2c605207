package models

import (
	"strings"

	"berth.dev/berth"
	"berth.dev/berth/catalog"
)

// curatedEnvironment is one of Azure ML's own environments as version 1 of the SDK reads it; nil when it is none that Berth knows.
func curatedEnvironment(name, version string) object {
	e, found := catalog.Curated(name)
	if !found || version != "" && version != catalog.CuratedVersion {
		return nil
	}
	return curatedAnswer(e)
}

// CuratedVersion is one of Azure ML's own environments by the id of a version in a workspace; nil when it is none that Berth knows. It is
// not stored. What has such versions is CuratedVersions.
func CuratedVersion(id berth.ID) *berth.Resource {
	own := curatedEnvironment(id.Parent().Name(), id.Name())
	if own == nil {
		return nil
	}
	request, err := encode(own)
	if err != nil { // it is made of texts
		return nil
	}
	return &berth.Resource{ID: id, State: berth.StateSucceeded, Body: &berth.EnvironmentVersion{Request: request}}
}

// CuratedVersions is the environment of CuratedVersion.
func CuratedVersions(id berth.ID) *berth.Resource {
	if CuratedVersion(id.Child("versions", catalog.CuratedVersion)) == nil {
		return nil
	}
	return &berth.Resource{ID: id, State: berth.StateSucceeded, Body: &berth.Versions{Type: berth.TypeEnvironment}}
}

func curatedAnswer(e catalog.CuratedEnvironment) object {
	pip := append([]string{"azureml-defaults"}, e.Packages...)
	return object{"name": e.Name, "version": catalog.CuratedVersion, "environmentVariables": object{},
		"docker": object{"baseImage": nil, "baseDockerfile": nil},
		"python": object{"userManagedDependencies": false, "interpreterPath": "python", "condaDependencies": object{
			"channels": []string{"conda-forge"}, "dependencies": []any{"python=" + e.Python, object{"pip": pip}}}}}
}

// noEnvironment says that there is none with that name, and which of Azure ML's own there are.
func noEnvironment(name string) error {
	if !catalog.ReservedEnvironment(name) {
		return berth.Errorf(berth.CodeNotFound, "There is no environment with the name '%s' in the workspace. Register one "+
			"(Environment.register).", name)
	}
	var names []string
	for _, e := range catalog.CuratedEnvironments() {
		names = append(names, e.Name)
	}
	return berth.Errorf(berth.CodeNotFound, "Berth does not know the environment '%s' of Azure ML. It knows these: %s. Register an "+
		"environment with the packages that you need instead.", name, strings.Join(names, ", "))
}
