package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// withRealtime is a scripted server that has the AksEndpoint svc with two versions.
func withRealtime(t *testing.T) *world {
	t.Helper()
	w := withService(t)
	w.on("GET "+servicePath, `{"name":"svc","computeType":"AKSENDPOINT","versions":{"blue":{"isDefault":true,"type":"Control",
		"state":"Healthy","deploymentStatus":{"availableReplicas":1,"replicas":1},"environmentImageRequest":{"modelIds":["m:1"]}},
		"green":{"isDefault":false,
		"type":"Treatment","trafficPercentile":10}}}`)
	w.on("POST "+servicesPath+"/validate", "{}")
	w.on("POST "+servicesPath+"/validate/resource", "{}")
	w.on("POST "+servicesPath+"/validate/name/svc", "{}")
	w.on("POST "+servicesPath, "202 {}")
	return w
}

// TestRealtime: endpoints of the CLI v1 and their versions are changed by the patches that the SDK v1 sends.
func TestRealtime(t *testing.T) {
	w := withRealtime(t)
	for line, want := range map[string]string{
		"update -n svc -d both --tag a=b":                                           "Version    State    Default    Type       Percentile",
		"update-version -n svc --vn green --tp 40 --is-default --cvt --nr 2 -m m:2": "Version    State",
		"delete-version -n svc --version-name green --no-wait":                      "",
		"list --query [0].name":                                                     "\"svc\"\n",
		"get-keys -n svc --query primaryKey":                                        "\"first-key\"\n",
		"get-logs -n svc":                                                           "one\ntwo\n",
		"show -n svc --query versions.green.trafficPercentile":                      "10\n",
	} {
		if out := w.ok(strings.Fields("ml endpoint realtime " + line)...); !strings.HasPrefix(out, want) {
			t.Errorf("%s: %q", line, out)
		}
	}
	seen := strings.ReplaceAll(w.requests("PATCH")+w.requests("GET"), servicesPath, "…")
	for _, want := range []string{
		`PATCH …/svc [{"op":"add","path":"/description","value":"both"},{"op":"add","path":"/kvTags","value":{"a":"b"}}]`,
		`PATCH …/svc [{"op":"add","path":"/versions/green/numReplicas","value":2},` +
			`{"op":"add","path":"/versions/green/autoScaler","value":{"autoscaleEnabled":false}},` +
			`{"op":"add","path":"/versions/green/trafficPercentile","value":40},{"op":"add","path":"/versions/green/isDefault","value":true},` +
			`{"op":"add","path":"/versions/green/type","value":"Control"},{"op":"add","path":"/versions/blue/isDefault","value":false},` +
			`{"op":"add","path":"/versions/blue/type","value":"Treatment"},` +
			`{"op":"add","path":"/versions/green/environmentImageRequest/modelIds","value":["m:2"]}]`,
		`PATCH …/svc [{"op":"remove","path":"/versions/green"}]`, "GET …?computeType=AKSENDPOINT",
	} {
		if !strings.Contains(seen, want+"\n") {
			t.Errorf("%s was not sent, but:\n%s", want, seen)
		}
	}
	for line, want := range map[string]string{
		"update -n svc": "2 nothing to change", "update-version -n svc --vn green": "2 nothing to change",
		"update-version -n svc": "2 --version-name/--vn", "delete-version -n svc": "2 --version-name/--vn",
		"create-version -n svc --vn new": "2 --entry-script/--es",
	} {
		if r := offTerminal(strings.Fields("ml endpoint realtime " + line)...); r.code != int(want[0]-'0') || !strings.Contains(r.err, want[2:]) {
			t.Errorf("%s: %d %s", line, r.code, r.err)
		}
	}
}

// TestCreateVersion: a version is judged before anything is uploaded, and so is an endpoint with its first one.
func TestCreateVersion(t *testing.T) {
	w := withRealtime(t)
	script := filepath.Join(t.TempDir(), "score.py")
	if err := os.WriteFile(script, []byte("def init(): pass\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.on("POST "+servicesPath+"/validate", `{"error":{"code":"BadRequest","message":"There is too much traffic."}}`)
	r := offTerminal("ml", "endpoint", "realtime", "create-version", "-n", "svc", "--vn", "new", "--es", script, "--tp", "10", "--is-default")
	if r.code == 0 || !strings.Contains(r.err, "too much traffic") || w.requests("PATCH") != "" {
		t.Errorf("%+v", r)
	}
	seen := w.requests("POST")
	for _, want := range []string{`"type":"Update"`, `{"op":"add","path":"/versions/blue/isDefault","value":false}`,
		`"path":"/versions/new"`, `"trafficPercentile":10`, `"isDefault":true`} {
		if !strings.Contains(seen, want) {
			t.Errorf("%s was not sent, but:\n%s", want, seen)
		}
	}
	w.on("POST "+servicesPath+"/validate/resource", `{"error":{"code":"BadRequest","message":"There is no such compute."}}`)
	deploy := []string{"ml", "model", "deploy", "-n", "svc", "--ct", "c", "--es", script}
	r = offTerminal(append(deploy, "--cp", "AksEndpoint", "--vn", "one", "--tp", "20")...)
	if seen := w.requests("POST"); r.code == 0 || !strings.Contains(r.err, "no such compute") ||
		!strings.Contains(seen, `"versions":{"one":{`) || !strings.Contains(seen, `"computeType":"AKSENDPOINT"`) {
		t.Errorf("%+v\n%s", r, seen)
	}
	for option, want := range map[string]string{"--cp ACI": "must be AKS or AksEndpoint", "--vn one": "add --compute-type AksEndpoint"} {
		if r := offTerminal(append(deploy, strings.Fields(option)...)...); r.code != 2 || !strings.Contains(r.err, want) {
			t.Errorf("%s: %+v", option, r)
		}
	}
}
