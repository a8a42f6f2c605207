package main

import (
	"maps"
	"strings"

	"berth.dev/berth/client"
)

// collectorFile is the data_collector of a deployment, as az ml takes it.
type collectorFile struct {
	Collections map[string]struct {
		Enabled  any      `json:"enabled"` // true, or the text 'True'
		Rate     *float64 `json:"sampling_rate"`
		ClientID string   `json:"client_id"`
		Data     any      `json:"data"` // the id of a data asset; the server says that Berth has its own folders
	} `json:"collections"`
	Rate    *float64 `json:"sampling_rate"` // of all collections
	Rolling string   `json:"rolling_rate"`
	Logging *struct {
		Headers []string `json:"capture_headers"`
	} `json:"request_logging"`
}

func (f *collectorFile) body() client.Object {
	collections := client.Object{}
	for name, c := range f.Collections {
		mode := "Enabled"
		if c.Enabled != nil && !strings.EqualFold(plainText(c.Enabled), "true") {
			mode = "Disabled"
		}
		one := client.Object{"dataCollectionMode": mode}
		for _, rate := range []*float64{c.Rate, f.Rate} { // the latter is for all, as the SDK has it
			if rate != nil {
				one["samplingRate"] = *rate
			}
		}
		if c.ClientID != "" {
			one["clientId"] = c.ClientID
		}
		if c.Data != nil {
			one["dataId"] = plainText(c.Data)
		}
		collections[name] = one
	}
	out := client.Object{"collections": collections}
	if f.Rolling != "" {
		out["rollingRate"] = f.Rolling
	}
	if f.Logging != nil {
		out["requestLogging"] = client.Object{"captureHeaders": f.Logging.Headers}
	}
	return out
}

// collectorYAML is a data collector in the words of the file.
func collectorYAML(p client.Object) client.Object {
	collections := client.Object{}
	all, _ := p["collections"].(client.Object)
	for name, one := range all {
		c, _ := one.(client.Object)
		collections[name] = present(client.Object{"enabled": !strings.EqualFold(str(c, "dataCollectionMode"), "Disabled"),
			"sampling_rate": c["samplingRate"], "client_id": c["clientId"], "data": c["dataId"]})
	}
	out := client.Object{"collections": collections, "rolling_rate": p["rollingRate"]}
	if logging, is := p["requestLogging"].(client.Object); is {
		out["request_logging"] = present(client.Object{"capture_headers": logging["captureHeaders"]})
	}
	return present(out)
}

// present leaves out what is null.
func present(o client.Object) client.Object {
	maps.DeleteFunc(o, func(_ string, value any) bool { return value == nil })
	return o
}
