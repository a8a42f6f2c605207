package main

import (
	"strings"
	"testing"
)

func TestErrorsOnStandardError(t *testing.T) {
	w := newWorld(t).fill()
	var all strings.Builder
	try := func(what string, code int, args ...string) {
		t.Helper()
		r := offTerminal(args...)
		if r.code != code || r.out != "" {
			t.Errorf("%s: exit %d, want %d; output %q", what, r.code, code, r.out)
		}
		all.WriteString("# " + what + "\n" + r.err + "\n")
	}
	create := []string{"ml", "computetarget", "create", "aks", "-n", "c", "-g", "g", "-w", "w"}
	w.on("PUT "+computePath, `400 {"error":{"code":"BadRequest","message":"The request breaks 2 rules.","details":[
		{"code":"BadRequest","message":"Too few vCPUs.","target":"properties.properties.agentCount"},`+
		`{"code":"InvalidResourceName","message":"Too short."}]}}`)
	try("several violations", exitFailed, create...)
	w.on("PUT "+computePath, `400 {"error":{"code":"BadRequest","message":"Too few vCPUs.","details":[{"code":"BadRequest",`+
		`"message":"Too few vCPUs.","target":"agentCount"}]}}`)
	try("one violation", exitFailed, create...)
	w.on("PUT "+computePath, "201 {}")
	w.on("GET "+operationPath, `{"status":"Failed","error":{"code":"OperationTimedOut","message":"It took too long."}}`)
	try("a failed operation", exitFailed, create...)
	try("not found", exitNotFound, "aks", "show", "-n", "other", "-g", "g")
	try("detach of what is not there", exitNotFound, "ml", "computetarget", "detach", "-n", "other", "-g", "g", "-w", "w")
	try("usage", exitUsage, "aks", "show", "-n", "k")
	try("a typing mistake", exitUsage, "aks", "shw")
	t.Setenv("BERTH_DATA_DIR", "/nowhere/at/all")
	try("no credentials", exitFailed, "group", "list")
	golden(t, "errors.txt", all.String())
	if r := atTerminal(t.Context(), "", "aks", "shw"); !strings.Contains(r.err, "\x1b[31mERROR:\x1b[0m") {
		t.Errorf("not red at a terminal: %q", r.err)
	}
}

func TestDebugShowsNoSecret(t *testing.T) {
	w := newWorld(t).fill()
	w.on("POST "+computePath+"/listKeys", `{"userKubeConfig":"KUBE","adminKubeConfig":"KUBE"}`)
	r := offTerminal("ml", "computetarget", "get-credentials", "-n", "c", "-g", "g", "-w", "w", "--debug")
	if r.code != 0 || !strings.Contains(r.out, "KUBE") || !strings.Contains(r.err, "POST ") {
		t.Errorf("exit %d, %s", r.code, r.err)
	}
	for _, hidden := range []string{"KUBE", "s3cret", "Bearer"} {
		if strings.Contains(r.err, hidden) {
			t.Errorf("--debug shows %q:\n%s", hidden, r.err)
		}
	}
}
