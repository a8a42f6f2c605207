package main

import (
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"berth.dev/berth/client"
)

// size is an option that is a number of a service, or turns something on, and where the request has it.
type size struct {
	option, path, usage string
	whole, turns        bool
}

// sizes are what a service is given. Without an option the server has the defaults of the SDK v1.
var sizes = []size{
	{option: "cpu-cores", path: "/containerResourceRequirements/cpu",
		usage: "CPU cores of a replica (default 0.1)"},
	{option: "cpu-cores-limit", path: "/containerResourceRequirements/cpuLimit",
		usage: "CPU cores that a replica may use at most"},
	{option: "memory-gb", path: "/containerResourceRequirements/memoryInGB",
		usage: "GB of memory of a replica (default 0.5)"},
	{option: "memory-gb-limit", path: "/containerResourceRequirements/memoryInGBLimit",
		usage: "GB of memory that a replica may use at most"},
	{option: "num-replicas", path: "/numReplicas", whole: true,
		usage: "number of replicas, instead of scaling by load"},
	{option: "autoscale-min-replicas", path: "/autoScaler/minReplicas", whole: true,
		usage: "least number of replicas (default 1)"},
	{option: "autoscale-max-replicas", path: "/autoScaler/maxReplicas", whole: true,
		usage: "greatest number of replicas (default 10)"},
	{option: "autoscale-target-utilization", path: "/autoScaler/targetUtilization", whole: true,
		usage: "percent of its replicas that a service should use (default 70)"},
	{option: "autoscale-refresh-seconds", path: "/autoScaler/refreshPeriodInSeconds", whole: true,
		usage: "seconds between two changes of the number (default 1)"},
	{option: "replica-max-concurrent-requests", path: "/maxConcurrentRequestsPerContainer", whole: true,
		usage: "requests that a replica works on at a time (default 1)"},
	{option: "max-request-wait-time", path: "/maxQueueWaitMs", whole: true,
		usage: "milliseconds that a request may wait for a replica (default 500)"},
	{option: "scoring-timeout-ms", path: "/scoringTimeoutMs", whole: true,
		usage: "milliseconds that a request may take (default 60000)"},
	{option: "collect-model-data", path: "/dataCollection/storageEnabled", turns: true,
		usage: "keep requests and answers among the files of the workspace"},
	{option: "enable-app-insights", path: "/appInsightsEnabled", turns: true,
		usage: "keep a line about each request, shown with the logs"},
}

func sizeFlags(f *pflag.FlagSet) {
	for _, s := range sizes {
		switch {
		case s.turns:
			f.Bool(s.option, false, s.usage)
		case s.whole:
			f.Int(s.option, 0, s.usage)
		default:
			f.Float64(s.option, 0, s.usage)
		}
	}
}

// change is a field of a request that options set.
type change struct {
	path  string
	value any
}

// sizeChanges are the sizes among the options.
func sizeChanges(f *pflag.FlagSet) (out []change, err error) {
	fixed, scaled := false, false
	for _, s := range sizes {
		if !f.Changed(s.option) {
			continue
		}
		fixed = fixed || s.option == "num-replicas"
		scaled = scaled || strings.HasPrefix(s.option, "autoscale-")
		var value any
		switch {
		case s.turns:
			value, err = f.GetBool(s.option)
		case s.whole:
			value, err = f.GetInt(s.option)
		default:
			value, err = f.GetFloat64(s.option)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, change{s.path, value})
	}
	switch {
	case fixed && scaled:
		return nil, usage("use either --num-replicas or the --autoscale options, not both")
	case fixed:
		out = append(out, change{"/autoScaler", client.Object{"autoscaleEnabled": false}})
	case scaled:
		out = slices.Insert(out, 0, change{"/numReplicas", nil})
		out = append(out, change{"/autoScaler/autoscaleEnabled", true})
	}
	return out, nil
}

// set writes a field into a request.
func (h change) set(into client.Object) {
	words := strings.Split(strings.TrimPrefix(h.path, "/"), "/")
	for _, w := range words[:len(words)-1] {
		inner, is := into[w].(client.Object)
		if !is {
			inner = client.Object{}
			into[w] = inner
		}
		into = inner
	}
	into[words[len(words)-1]] = h.value
}
