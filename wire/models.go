package wire

import (
	"encoding/json"
	"maps"

	"berth.dev/berth"
)

// Asset encodes what version 2 of the SDK registers, with its "properties".
func Asset(r *berth.Resource, properties Object) Object {
	properties["provisioningState"] = r.State
	return envelope(r, properties)
}

// SystemData says who made a resource and when.
func SystemData(r *berth.Resource) Object { return systemData(r) }

// Models encodes a model, an environment, a version of one, an asset or a service, as Resource Manager shows resources: with the request
// as it was sent in "properties".
func Models(r *berth.Resource) Object {
	var request json.RawMessage
	more := map[string]any{}
	switch b := r.Body.(type) {
	case *berth.Versions:
		more["latestVersion"] = b.Newest
	case *berth.ModelVersion:
		request = b.Request
	case *berth.EnvironmentVersion:
		request = b.Request
	case *berth.Asset:
		request = b.Request
	case *berth.Service:
		request = b.Request
		more["scoringUri"], more["readyReplicas"] = b.Status.ScoringURI, b.Status.Ready
		if len(b.Warnings) > 0 {
			more["warnings"] = b.Warnings
		}
	}
	properties := Object{}
	if len(request) > 0 {
		_ = json.Unmarshal(request, &properties) // Berth encoded it
	}
	if properties == nil { // "null"
		properties = Object{}
	}
	maps.Copy(properties, more)
	properties["provisioningState"] = r.State
	if r.Fault != nil {
		properties["provisioningErrors"] = []*berth.Error{r.Fault}
	}
	return envelope(r, properties)
}
