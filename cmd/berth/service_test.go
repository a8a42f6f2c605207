package main

import (
	"strings"
	"testing"
)

const (
	servicesPath = "/modelmanagement/v1.0" + inGroup + "Microsoft.MachineLearningServices/workspaces/w/services"
	servicePath  = servicesPath + "/svc"
)

// withService is a scripted server that has the service svc, and is its scoring address too.
func withService(t *testing.T) *world {
	t.Helper()
	w := newWorld(t).fill()
	w.ok("configure", "--defaults", "group=g", "workspace=w")
	uri := "https://" + w.host() + "/score"
	service := `{"name":"svc","state":"Healthy","computeName":"myaks","deploymentStatus":{"availableReplicas":1,"replicas":2},` +
		`"authEnabled":true,"scoringUri":"` + uri + `","updatedTime":"2026-11-26T10:00:00Z"}`
	w.on("GET "+servicePath, service)
	w.on("GET "+servicesPath, `{"value":[`+service+`]}`)
	w.on("PATCH "+servicePath, "202 "+service)
	w.on("POST "+servicePath+"/listkeys", `{"primaryKey":"first-key","secondaryKey":"second-key"}`)
	w.on("POST "+servicePath+"/regenerateKeys", "202 {}")
	w.on("GET "+servicePath+"/logs", `{"content":"one\ntwo\n"}`)
	w.on("POST /score", `[1,2]`)
	return w
}

func TestServices(t *testing.T) {
	w := withService(t)
	for line, want := range map[string]string{
		"show -n svc --query state":          "\"Healthy\"\n",
		"get-keys -n svc --query primaryKey": "\"first-key\"\n",
		"get-logs -n svc --init --pod svc-1": "one\ntwo\n",
		"run -n svc -d {} --query [1]":       "2\n",
		"list --model-name m -o table":       "Name    State    Compute    Ready    ScoringUri",
	} {
		if out := w.ok(strings.Fields("ml service " + line)...); !strings.HasPrefix(out, want) {
			t.Errorf("%s: %q", line, out)
		}
	}
	w.ok("ml", "service", "regen-key", "-n", "svc", "-k", "Primary")
	if out := w.ok("ml", "service", "update", "-n", "svc", "--nr", "3", "--tag", "a=b", "-d", ""); !strings.HasPrefix(out, "Name    State") {
		t.Errorf("after an update: %q", out)
	}
	if out := w.ok("ml", "service", "update", "-n", "svc", "--nr", "3", "-o", "json"); !strings.HasPrefix(out, "{") {
		t.Errorf("after an update, as JSON: %q", out)
	}
	w.ok("ml", "service", "update", "-n", "svc", "--autoscale-max-replicas", "5", "--cc", "0.5")
	w.ok("ml", "service", "update", "-n", "svc", "--collect-model-data", "--enable-app-insights=false")
	seen := strings.ReplaceAll(w.requests("PATCH")+w.requests("POST")+w.requests("GET"), servicesPath, "…")
	for _, want := range []string{
		`PATCH …/svc [{"op":"add","path":"/numReplicas","value":3},{"op":"add","path":"/autoScaler","value":{"autoscaleEnabled":false}},` +
			`{"op":"add","path":"/kvTags","value":{"a":"b"}},{"op":"add","path":"/description","value":""}]`,
		`PATCH …/svc [{"op":"add","path":"/numReplicas","value":null},{"op":"add","path":"/containerResourceRequirements/cpu","value":0.5},` +
			`{"op":"add","path":"/autoScaler/maxReplicas","value":5},{"op":"add","path":"/autoScaler/autoscaleEnabled","value":true}]`,
		`PATCH …/svc [{"op":"add","path":"/dataCollection/storageEnabled","value":true},` +
			`{"op":"add","path":"/appInsightsEnabled","value":false}]`,
		`POST …/svc/regenerateKeys {"keyType":"Primary"}`, "GET …/svc/logs?init=true&pod=svc-1", "GET …?modelName=m", "POST /score {}",
	} {
		if !strings.Contains(seen, want+"\n") {
			t.Errorf("%s was not sent, but:\n%s", want, seen)
		}
	}
	for line, want := range map[string]string{
		"update -n svc": "2 nothing to change", "regen-key -n svc -k Third": "2 --key must be Primary or Secondary, not 'Third'",
		"run -n svc": "2 --input-data/-d", "run -n svc -d @/no/file": "1 /no/file does not exist", "delete -n other": "3 There is no",
	} {
		if r := offTerminal(strings.Fields("ml service " + line)...); r.code != int(want[0]-'0') || !strings.Contains(r.err, want[2:]) {
			t.Errorf("%s: %d %s", line, r.code, r.err)
		}
	}
}

// TestTokenService: a service that takes tokens is called with one.
func TestTokenService(t *testing.T) {
	w := withService(t)
	w.on("GET "+servicePath, `{"name":"svc","aadAuthEnabled":true,"scoringUri":"https://`+w.host()+`/score"}`)
	w.on("POST "+servicePath+"/token", `{"accessToken":"a-token","tokenType":"Bearer","expiryOn":1}`)
	r := offTerminal("ml", "service", "run", "-n", "svc", "-d", "{}", "-o", "tsv", "--debug")
	if r.code != 0 || r.out != "1\n2\n" || strings.Contains(r.err, "a-token") || !strings.Contains(w.requests("POST"), servicePath+"/token") {
		t.Errorf("%+v", r)
	}
	if out := w.ok("ml", "service", "get-access-token", "-n", "svc", "--query", "accessToken"); out != "\"a-token\"\n" {
		t.Errorf("%q", out)
	}
}

// TestFailedScore: whether the router or the model refused is told, with the reason and without the key.
func TestFailedScore(t *testing.T) {
	w := withService(t)
	w.on("POST /score", `502 {"no":1}`)
	run := []string{"ml", "service", "run", "-n", "svc", "-d", "{}", "--debug"}
	if r := offTerminal(run...); r.code != exitFailed || !strings.Contains(r.err, "the model answered 502 Bad Gateway after") ||
		!strings.Contains(r.err, `{"no":1}`) || strings.Contains(r.err, "first-key") {
		t.Errorf("%+v", r)
	}
	w.header = map[string]string{"X-Berth-Reason": "no replica is ready"}
	if r := offTerminal(run...); r.code != exitFailed || !strings.Contains(r.err, "the service answered 502 Bad Gateway after") ||
		!strings.Contains(r.err, "s: no replica is ready\n") {
		t.Errorf("%+v", r)
	}
}

// TestFailureWithLog: an operation that failed shows the end of the log that belongs to it, and only that.
func TestFailureWithLog(t *testing.T) {
	w := withService(t)
	w.on("GET "+operationPath, `{"status":"Failed","error":{"code":"UserScriptInitFailed","message":"It failed.","details":[`+
		`{"code":"UserScriptInitFailed","target":"log","message":"`+strings.Repeat(`old\n`, 50)+strings.Repeat(`new\n`, 20)+`"}]}}`)
	w.on("DELETE "+clusterPath, "202 {}")
	r := offTerminal("aks", "delete", "-n", "k", "-g", "g", "--yes")
	want := "ERROR: (UserScriptInitFailed) It failed.\n  The log ends with:\n" + strings.Repeat("    new\n", 20)
	if r.code != exitFailed || !strings.HasSuffix(r.err, want) {
		t.Errorf("%+v", r)
	}
}
