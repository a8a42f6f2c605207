package wire

import (
	"maps"
	"math"
	"strconv"
	"strings"
	"time"

	"berth.dev/berth"
)

// EndpointPut is the body of PUT of an online endpoint.
type EndpointPut struct {
	Location   *string           `json:"location"`
	Tags       map[string]string `json:"tags"`
	Identity   *IdentityFields   `json:"identity"`
	Properties struct {
		AuthMode    *string           `json:"authMode"`
		Compute     *string           `json:"compute"` // the id
		Description *string           `json:"description"`
		Properties  map[string]string `json:"properties"`
		Traffic     map[string]int    `json:"traffic"`
		Mirror      map[string]int    `json:"mirrorTraffic"`
		Access      string            `json:"publicNetworkAccess"`
		Keys        *struct {
			Primary   string `json:"primaryKey"`
			Secondary string `json:"secondaryKey"`
		} `json:"keys"` // write-only
	} `json:"properties"`
}

// Merge writes the fields that the request names over spec. Without the compute, which is an id.
func (p *EndpointPut) Merge(spec *berth.EndpointSpec) {
	in := p.Properties
	if in.AuthMode != nil && *in.AuthMode != "" {
		spec.Auth = authMode(*in.AuthMode)
	}
	if in.Description != nil {
		spec.Description = *in.Description
	}
	if in.Properties != nil {
		spec.Properties = withoutBerths(in.Properties)
	}
	if in.Traffic != nil {
		spec.Traffic = flowing(in.Traffic)
	}
	if in.Mirror != nil {
		spec.Mirror = flowing(in.Mirror)
	}
}

// authMode is a known mode in its canonical casing; the rules refuse others.
func authMode(s string) string {
	for _, m := range []string{berth.AuthKey, berth.AuthMLToken, berth.AuthToken} {
		if strings.EqualFold(m, s) {
			return m
		}
	}
	return s
}

// flowing are percentages without those of 0: clients send them for deployments that are gone.
func flowing(traffic map[string]int) map[string]int {
	out := maps.Clone(traffic)
	maps.DeleteFunc(out, func(_ string, percent int) bool { return percent == 0 })
	if len(out) == 0 {
		return nil
	}
	return out
}

// withoutBerths are properties of the user without those that the SDK mixes into them when it reads an endpoint, and sends back.
func withoutBerths(properties map[string]string) map[string]string {
	out := maps.Clone(properties)
	for _, own := range []string{"createdBy", "createdAt", "lastModifiedAt"} {
		delete(out, own)
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

var endpointLaw = law{own: []string{
	"authMode", "compute", "description", "properties", "traffic", "mirrorTraffic", "publicNetworkAccess", "keys", "scoringUri", "swaggerUri",
	"endpoint", "provisioningErrors",
}}

// KeepEndpoint sets what an endpoint keeps of the body of a PUT, and returns the names of the properties that Berth keeps and does not act
// on. The fields of the spec must have been merged.
func KeepEndpoint(body []byte, r *berth.Resource) ([]string, error) {
	return endpointLaw.keep(body, &r.Body.(*berth.Endpoint).Spec.Kept, func() Object { return Endpoint(r, 0, "") })
}

// KindAksEndpoint is the kind of an endpoint that version 1 of the SDK has made. Only that, or its commands, can change it.
const KindAksEndpoint = "AksEndpoint"

// Endpoint answers an online endpoint. faultStatus is the status that its fault would have had as a direct answer.
func Endpoint(r *berth.Resource, faultStatus int, tenant string) Object {
	e := r.Body.(*berth.Endpoint)
	compute := any(nil)
	if e.Spec.Compute != "" {
		compute = r.ID.Parent().Child("computes", e.Spec.Compute).String()
	}
	properties := Object{
		"authMode": e.Spec.Auth, "compute": compute, "description": orNull(e.Spec.Description), "properties": tags(e.Spec.Properties),
		"traffic": percents(e.Spec.Traffic), "mirrorTraffic": percents(e.Spec.Mirror), "publicNetworkAccess": "Enabled",
		"scoringUri": orNull(e.Status.ScoringURI), "swaggerUri": orNull(e.Status.SwaggerURI), "provisioningState": r.State,
		"provisioningErrors": provisioningErrors(r.Fault, faultStatus),
	}
	warnings(properties, e.Warnings)
	o := envelope(r, properties)
	o["kind"] = nil
	if e.IsAks() {
		o["kind"] = KindAksEndpoint
	}
	Lay(o, e.Spec.Kept)
	o["identity"] = identityOf(e.Spec.Identity, guid(r, "principal"), tenant)
	return o
}

func percents(traffic map[string]int) map[string]int {
	if traffic == nil {
		return map[string]int{}
	}
	return traffic
}

// EndpointKeys answers listKeys of an endpoint.
func EndpointKeys(primary, secondary []byte) Object {
	return Object{"primaryKey": string(primary), "secondaryKey": string(secondary)}
}

// EndpointToken answers the action token.
func EndpointToken(token string, refresh, expires time.Time) Object {
	return Object{"accessToken": token, "tokenType": "Bearer", "refreshAfterTimeUtc": refresh.Unix(), "expiryTimeUtc": expires.Unix()}
}

// isoDuration writes a duration as ISO 8601 has it.
func isoDuration(d time.Duration) string {
	return "PT" + strconv.FormatFloat(math.Round(d.Seconds()*1e6)/1e6, 'f', -1, 64) + "S"
}
