package rules

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"berth.dev/berth"
	"berth.dev/berth/router/route"
)

// Collector is the dataCollector of a deployment.
type Collector struct {
	Collections map[string]struct {
		Mode     string   `json:"dataCollectionMode"` // Enabled | Disabled
		Rate     *float64 `json:"samplingRate"`
		ClientID string   `json:"clientId"`
		DataID   string   `json:"dataId"`
	} `json:"collections"`
	Rolling string `json:"rollingRate"`
	Logging *struct {
		Headers []string `json:"captureHeaders"`
	} `json:"requestLogging"`
}

var rollings = []string{"Year", "Month", "Day", "Hour", "Minute"}

const (
	maxCollections = 32
	maxCaptured    = 32
	maxName        = 100
)

// collectionName is a name that a folder can have. Those of a scoring script are in lower case, as its package compares them.
var collectionName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,63}$`)

// Judge is what a dataCollector asks for, with what is wrong with it; nil when it asks for nothing that Berth collects.
func (c *Collector) Judge(at string) (out *berth.DataCollection, vs []Violation) {
	add := func(v []Violation) { vs = append(vs, v...) }
	out = &berth.DataCollection{Collections: map[string]float64{}, Rolling: "Hour"}
	if len(c.Collections) > maxCollections {
		return nil, invalid(at+".collections", "There are more than %d collections.", maxCollections)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Collections)) {
		one, target := c.Collections[name], at+".collections."+name
		switch {
		case strings.EqualFold(one.Mode, "Disabled"):
			continue
		case one.Mode != "" && !strings.EqualFold(one.Mode, "Enabled"):
			add(invalid(target+".dataCollectionMode", "The dataCollectionMode is '%.40s'; Enabled and Disabled are possible.", one.Mode))
		}
		rate := 1.0
		if one.Rate != nil {
			rate = *one.Rate
		}
		if rate < 0 || rate > 1 {
			add(invalid(target+".samplingRate", "The samplingRate is %s; it is between 0 and 1.", number(rate)))
		}
		if one.DataID != "" || one.ClientID != "" {
			add(warning(target+".dataId", "Berth collects data in the folder modelDataCollector/ENDPOINT/DEPLOYMENT/COLLECTION of the workspace's "+
				"files; a data asset at another place and clientId have no effect."))
		}
		known := strings.ToLower(name)
		if !collectionName.MatchString(known) {
			add(invalid(target, "The name of the collection '%.70s' is not possible. It has at most 64 letters, digits, dashes and underscores, "+
				"and begins with a letter or a digit.", name))
		}
		out.Collections[known] = rate
	}
	add(c.roll(at, out))
	add(c.capture(at, out))
	if len(out.Collections) == 0 {
		return nil, vs
	}
	return out, vs
}

func (c *Collector) roll(at string, out *berth.DataCollection) []Violation {
	if c.Rolling == "" {
		return nil
	}
	i := slices.IndexFunc(rollings, func(r string) bool { return strings.EqualFold(r, c.Rolling) })
	if i < 0 {
		return invalid(at+".rollingRate", "The rollingRate is '%.40s'; these are possible: %s.", c.Rolling, strings.Join(rollings, ", "))
	}
	out.Rolling = rollings[i]
	return nil
}

// capture sets which headers are kept.
func (c *Collector) capture(at string, out *berth.DataCollection) (vs []Violation) {
	if c.Logging == nil {
		return nil
	}
	target := at + ".requestLogging.captureHeaders"
	if len(c.Logging.Headers) > maxCaptured {
		return invalid(target, "More than %d headers are to be kept.", maxCaptured)
	}
	for _, name := range c.Logging.Headers {
		name = strings.ToLower(strings.TrimSpace(name))
		switch {
		case name == "":
		case len(name) > maxName:
			vs = append(vs, invalid(target, "The name of a header is longer than %d characters.", maxName)...)
		case slices.Contains(route.SecretHeaders, name):
			vs = append(vs, warning(target, "The header '%s' holds a secret and is never kept.", name)...)
		case !slices.Contains(out.Headers, name):
			out.Headers = append(out.Headers, name)
		}
	}
	return vs
}

// kept warns of what is kept at a router that Berth may not ask.
func (f ComputeToServe) kept(target string, s *berth.PodSpec) []Violation {
	if !f.Unasked || s.Collect == nil && !s.LogRequests {
		return nil
	}
	return warning(target, "%s Until then no data is collected, and lines about requests are in the log of the router's pods only "+
		"(azureml-fe in the namespace azureml). Deploy once more afterwards.", berth.RouterUnasked)
}
