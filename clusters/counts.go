package clusters

import (
	"bytes"
	"math"
	"strconv"
	"strings"
)

// maxRoutes bounds the routes whose counts are kept.
const maxRoutes = 2 * maxSeries

// maxBuckets bounds the buckets of one histogram; the router has fewer.
const maxBuckets = 64

// readCounts reads the counts of routes from the text format of Prometheus, as router/metrics.go writes them. Other lines are passed over.
func readCounts(text []byte) counts {
	out := counts{}
	for line := range bytes.Lines(text) {
		metric, labels, value, ok := readCount(string(bytes.TrimSpace(line)))
		if !ok || labels["kind"] == "" || labels["name"] == "" {
			continue
		}
		name := labels["kind"] + "/" + labels["name"]
		if out[name] == nil && len(out) >= maxRoutes {
			continue
		}
		switch metric {
		case "berth_fe_requests_total":
			r := out.of(name)
			if r.requests += value; isError(labels["code"]) {
				r.errors += value
			}
		case "berth_fe_request_seconds_bucket":
			le, err := strconv.ParseFloat(labels["le"], 64)
			if err != nil || math.IsNaN(le) {
				continue
			}
			if one := out.of(name).buckets; len(one) < maxBuckets || one[le] > 0 {
				one[le] += value
			}
		case "berth_fe_replicas_ready":
			out.of(name).ready += value // of all versions
		}
	}
	return out
}

// readCount reads `name{label="value",…} 12`.
func readCount(line string) (metric string, labels map[string]string, value float64, ok bool) {
	metric, rest, has := strings.Cut(line, "{")
	if !has || strings.HasPrefix(metric, "#") {
		return "", nil, 0, false
	}
	labels = map[string]string{}
	for rest != "" && rest[0] != '}' {
		name, after, has := strings.Cut(strings.TrimPrefix(rest, ","), `="`)
		if !has {
			return "", nil, 0, false
		}
		end := closing(after)
		if end < 0 {
			return "", nil, 0, false
		}
		labels[name] = strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\n`, "\n").Replace(after[:end])
		rest = after[end+1:]
	}
	number, _, _ := strings.Cut(strings.TrimSpace(strings.TrimPrefix(rest, "}")), " ") // a time may follow
	value, err := strconv.ParseFloat(number, 64)
	return metric, labels, value, err == nil && !math.IsNaN(value) && value >= 0
}

// closing is the place of the quotation mark that ends a value.
func closing(s string) int {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return -1
}
