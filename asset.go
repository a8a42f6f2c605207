package berth

import "encoding/json"

// Types of what version 2 of the SDK registers in a workspace besides models and environments.
const (
	// TypeCode has the versions of one code, and TypeData those of one data asset; see Versions.
	TypeCode        = "Microsoft.MachineLearningServices/workspaces/codes"
	TypeCodeVersion = TypeCode + "/versions"
	TypeData        = "Microsoft.MachineLearningServices/workspaces/data"
	TypeDataVersion = TypeData + "/versions"
)

// CodeVersion is one version of a code: a folder with an entry script.
type CodeVersion struct {
	// Request is the "properties" as version 2 of the SDK sent them.
	Request json.RawMessage `json:"request"`
	Files   []AssetFiles    `json:"files"` // those below a prefix
}

// ResourceType implements Body.
func (*CodeVersion) ResourceType() string { return TypeCodeVersion }

// DataVersion is one version of a data asset: an address, at which Berth need not be.
type DataVersion struct {
	Request  json.RawMessage `json:"request"`         // the "properties", as version 2 of the SDK sent them
	Files    []AssetFiles    `json:"files,omitempty"` // when the address is in the workspace's own store
	Archived bool            `json:"archived,omitempty"`
}

// ResourceType implements Body.
func (*DataVersion) ResourceType() string { return TypeDataVersion }

// InferenceRoutes are the addresses that a container of a user's own serves: of the inferenceConfig of an environment.
type InferenceRoutes struct {
	Liveness  InferenceRoute `json:"liveness,omitzero"`
	Readiness InferenceRoute `json:"readiness,omitzero"`
	Scoring   InferenceRoute `json:"scoring,omitzero"`
}

// InferenceRoute is a port and a path, which begins with a slash.
type InferenceRoute struct {
	Port int    `json:"port"`
	Path string `json:"path"`
}
