package rules

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// TestCollector: what a dataCollector asks for is read; what Berth does not collect is warned of, and what cannot be meant is refused.
func TestCollector(t *testing.T) {
	for name, c := range map[string]struct{ in, want, says string }{
		"both": {`{"collections":{"request":{"dataCollectionMode":"Enabled","samplingRate":0.5},"Response":{}},"rollingRate":"minute"}`,
			`{"collections":{"request":0.5,"response":1},"rolling":"Minute"}`, ""},
		"headers": {`{"collections":{"request":{}},"requestLogging":{"captureHeaders":["X-Team","x-team"," "]}}`,
			`{"collections":{"request":1},"rolling":"Hour","headers":["x-team"]}`, ""},
		"a secret": {`{"collections":{"request":{}},"requestLogging":{"captureHeaders":["Authorization"]}}`,
			`{"collections":{"request":1},"rolling":"Hour"}`, "is never kept"},
		"disabled":    {`{"collections":{"request":{"dataCollectionMode":"Disabled"}}}`, `null`, ""},
		"none":        {`{}`, `null`, ""},
		"of a script": {`{"collections":{"Model_inputs":{"samplingRate":0.25}}}`, `{"collections":{"model_inputs":0.25},"rolling":"Hour"}`, ""},
		"a bad name":  {`{"collections":{"../x":{}}}`, "refused", "'../x' is not possible"},
		"a long name": {`{"collections":{"` + strings.Repeat("x", 65) + `":{}}}`, "refused", "is not possible"},
		"a data asset": {`{"collections":{"request":{"dataId":"azureml:d:1"}}}`, `{"collections":{"request":1},"rolling":"Hour"}`,
			"at another place"},
		"another mode":  {`{"collections":{"request":{"dataCollectionMode":"Perhaps"}}}`, "refused", "Perhaps"},
		"a rate":        {`{"collections":{"request":{"samplingRate":1.5}}}`, "refused", "between 0 and 1"},
		"a rolling":     {`{"collections":{"request":{}},"rollingRate":"Week"}`, "refused", "Year, Month, Day, Hour, Minute"},
		"a long header": {`{"requestLogging":{"captureHeaders":["` + strings.Repeat("x", 101) + `"]}}`, "refused", "100"},
	} {
		var in Collector
		if err := json.Unmarshal([]byte(c.in), &in); err != nil {
			t.Fatal(err)
		}
		out, vs := in.Judge("properties.dataCollector")
		text, err := json.Marshal(out)
		if c.want == "refused" {
			if AsError(vs) == nil || !strings.Contains(vs[0].Message, c.says) {
				t.Errorf("%s: %v", name, vs)
			}
			continue
		}
		said := slices.ContainsFunc(vs, func(v Violation) bool { return c.says != "" && strings.Contains(v.Message, c.says) })
		if err != nil || string(text) != c.want || AsError(vs) != nil || said != (c.says != "") || c.says == "" && len(vs) > 0 {
			t.Errorf("%s: %s, %v", name, text, vs)
		}
	}
}
