package berth

import (
	"encoding/json"
	"maps"
	"slices"
)

// AksEndpoint makes an endpoint one of version 1 of the SDK (AksEndpoint): its versions are asked for with it, in one request, and the
// engine makes deployments of them. Only version 1 of the SDK changes it.
type AksEndpoint struct {
	// Request is the last accepted request, with that of each version and without keys: it is answered again, and JSON Patch applies to it.
	Request json.RawMessage `json:"request"`
	// Default is the version that gets the requests which no percentage leads elsewhere.
	Default string `json:"default"`
	// Versions says by their names what the pods of the versions are to be.
	Versions map[string]PodSpec `json:"versions"`
}

// Models are those of all versions.
func (a *AksEndpoint) Models() (ids []ID) {
	for _, name := range slices.Sorted(maps.Keys(a.Versions)) {
		ids = append(ids, a.Versions[name].Models...)
	}
	return ids
}

// EndpointRoute is how the router leads to an AksEndpoint: that of a request only when all of its versions have answered.
type EndpointRoute struct {
	Auth    string         `json:"auth"`
	Default string         `json:"default"`
	Traffic map[string]int `json:"traffic,omitempty"`
}

// AskedVersions are the operations that bring the versions of an AksEndpoint about, by the names of the versions.
type AskedVersions struct {
	Generation int64             `json:"generation"` // of the endpoint, whose request asked for them
	Operations map[string]string `json:"operations,omitempty"`
}

// IsAks reports whether the endpoint is one of version 1 of the SDK.
func (e *Endpoint) IsAks() bool { return e.Spec.Aks != nil }

// Leads notes that the router is to lead to the versions of an AksEndpoint as it was asked for.
func (e *Endpoint) Leads() {
	good := e.Spec
	e.Good = &good
	e.Status.Led = &EndpointRoute{Auth: e.Spec.Auth, Default: e.Spec.Aks.Default, Traffic: e.Spec.Traffic}
}

// GoBack makes the request that was led to last the present one. An online endpoint of version 2 has none to go back to.
func (e *Endpoint) GoBack() {
	if e.Good != nil {
		e.Spec = *e.Good
	}
}
