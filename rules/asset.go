package rules

import (
	"regexp"
	"slices"
	"strings"

	"berth.dev/berth"
	"berth.dev/berth/catalog"
)

// Asset is a version of what version 2 of the SDK registers, with what the rules need to know of it.
type Asset struct {
	What          string // "model", "environment", "code" or "data"
	Name, Version string
	Size          int // of the properties, in bytes
	Tags          map[string]string
	Properties    map[string]any
	// Changed are the properties in the request that differ from those of the registered version, and that a version does not change.
	Changed []string
	Unmet   []string // properties that Berth keeps and does not act on
	Found   []Violation
}

// assetName is the rule for names and versions of assets (the REST API's pattern).
var assetName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9\-_.]{0,254}$`)

// Limits of an asset.
const (
	maxAsset           = 512 << 10 // bytes of properties
	maxAssetProperties = 200
)

// reservedVersions are labels: a version of this name could not be asked for.
var reservedVersions = []string{"latest", "default"}

// AssetName judges the name of what has versions.
func AssetName(what, name string) []Violation {
	if assetName.MatchString(name) {
		return nil
	}
	return violation(berth.CodeInvalidName, "name", "The name '%.300s' of the %s is not possible. It begins with a letter or a number, has "+
		"only letters, numbers, '-', '.' and '_', and at most 255 characters.", name, what)
}

// Registered judges a version of an asset.
func Registered(a Asset) (vs []Violation) {
	add := func(v []Violation) { vs = append(vs, v...) }
	add(AssetName(a.What, a.Name))
	switch {
	case !assetName.MatchString(a.Version):
		add(violation(berth.CodeInvalidName, "version", "The version '%.300s' of the %s is not possible. It begins with a letter or a number, "+
			"has only letters, numbers, '-', '.' and '_', and at most 255 characters.", a.Version, a.What))
	case slices.Contains(reservedVersions, strings.ToLower(a.Version)):
		add(violation(berth.CodeInvalidName, "version", "'%s' is a label and cannot be a version. Choose a number.", a.Version))
	}
	if a.Size > maxAsset {
		add(invalid("properties", "The properties of the %s have %d bytes; at most %d are possible.", a.What, a.Size, maxAsset))
	}
	if len(a.Properties) > maxAssetProperties {
		add(invalid("properties.properties", "There are %d properties; at most %d are possible.", len(a.Properties), maxAssetProperties))
	}
	for name, value := range a.Properties {
		switch value.(type) {
		case string, float64, bool, nil:
		default:
			add(invalid("properties.properties", "The property '%.60s' is an object or a list; it must be a text, a number, true or false.", name))
		}
	}
	add(Tags(a.Tags))
	if len(a.Changed) > 0 {
		add(violation(berth.CodeVersionExists, "properties", "The %s '%s' has a version '%s' already, and a version does not "+
			"change: %s. Register another version.", a.What, a.Name, a.Version, strings.Join(a.Changed, ", ")))
	}
	add(a.Found)
	add(NotActedOn(a.Unmet))
	return vs
}

// modelTypes are those that version 2 of the SDK registers.
var modelTypes = []string{"custom_model", "mlflow_model", "triton_model"}

// ModelType judges the type of a model.
func ModelType(typ string) []Violation {
	if typ == "" || slices.Contains(modelTypes, strings.ToLower(typ)) {
		return nil
	}
	return invalid("properties.modelType", "The type '%.60s' of the model is not known; it is %s.", typ, strings.Join(modelTypes, ", "))
}

// dataTypes are those of data assets.
var dataTypes = []string{"uri_file", "uri_folder", "mltable"}

// DataType judges the type of a data asset.
func DataType(typ string) []Violation {
	if slices.Contains(dataTypes, strings.ToLower(typ)) {
		return nil
	}
	return invalid("properties.dataType", "The type '%.60s' of the data is not known; it is %s.", typ, strings.Join(dataTypes, ", "))
}

// EnvironmentName judges the name of an environment that is registered.
func EnvironmentName(name string) []Violation {
	if !catalog.ReservedEnvironment(name) {
		return nil
	}
	return violation(berth.CodeInvalidName, "name", "The names of environments that begin with AzureML or Microsoft are those of Azure ML's "+
		"own environments. Choose another name than '%s'.", name)
}

// EnvironmentFacts are what the rules of an environment of version 2 of the SDK need to know.
type EnvironmentFacts struct {
	Image, OS string
	Build     bool     // the environment is a folder with a Dockerfile
	Conda     bool     // the environment has a conda file
	Unread    []string // dependencies of the conda file that cannot be read
	Routes    *berth.InferenceRoutes
}

// Environment judges an environment.
func Environment(f EnvironmentFacts) (vs []Violation) {
	add := func(v []Violation) { vs = append(vs, v...) }
	switch {
	case f.Build && (f.Image != "" || f.Conda):
		add(invalid("properties.build", "The environment has a folder with a Dockerfile (build), and an image or a conda file besides. Leave "+
			"all but one of them out; packages are installed in the Dockerfile."))
	case f.Build:
	case f.Image == "":
		add(invalid("properties.image", "The environment names no image."))
	case len(f.Image) > 500 || strings.ContainsFunc(f.Image, func(r rune) bool { return r <= ' ' || r > '~' }):
		add(invalid("properties.image", "The name '%.100s' of the image is not possible.", f.Image))
	}
	if f.OS != "" && !strings.EqualFold(f.OS, "Linux") {
		add(invalid("properties.osType", "The system '%.40s' is not possible: the nodes run Linux.", f.OS))
	}
	for _, d := range f.Unread {
		add(invalid("properties.condaFile", "The dependency %s of the environment is neither a name nor a list of pip.", d))
	}
	if f.Routes == nil {
		return vs
	}
	if f.Conda {
		add(warning("properties.inferenceConfig", "The environment has packages (condaFile), which Berth serves with the scoring server of "+
			"Azure ML; the ports and paths of inferenceConfig have no effect. They are those of a ready image without a condaFile."))
	}
	for name, r := range map[string]berth.InferenceRoute{"livenessRoute": f.Routes.Liveness, "readinessRoute": f.Routes.Readiness,
		"scoringRoute": f.Routes.Scoring} {
		if r != (berth.InferenceRoute{}) && (r.Port < 1 || r.Port > 65535 || !strings.HasPrefix(r.Path, "/") || len(r.Path) > 1000 ||
			strings.ContainsFunc(r.Path, func(c rune) bool { return c <= ' ' || c > '~' })) {
			add(invalid("properties.inferenceConfig."+name, "The route has the port %d and the path '%.60s'. A port is between 1 and 65535, and a "+
				"path begins with a slash.", r.Port, r.Path))
		}
	}
	return vs
}
