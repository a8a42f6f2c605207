package main

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestNoWaitShowsTheOperation: a command that does not wait prints the operation, as `operation show` does.
func TestNoWaitShowsTheOperation(t *testing.T) {
	w := newWorld(t).fill()
	w.on("GET "+operationPath, `{"id":"`+operationPath+`","name":"op-1","status":"InProgress"}`)
	for _, line := range []string{
		"PUT " + clusterPath + " aks create -n k -g g", "DELETE " + clusterPath + " aks delete -n k -g g -y",
		"PUT " + computePath + " ml computetarget create aks -n c -g g -w w",
		"DELETE " + computePath + " ml computetarget detach -n c -g g -w w",
	} {
		words := strings.Fields(line)
		w.on(words[0]+" "+words[1], "202 {}")
		r := offTerminal(append(words[2:], "--no-wait", "--query", "name", "-o", "tsv")...)
		if r.code != 0 || r.out != "op-1\n" || !strings.Contains(r.err, "berth operation wait --id op-1") {
			t.Errorf("%s: %d %q %s", line, r.code, r.out, r.err)
		}
	}
}

func TestListsAsAzHasThem(t *testing.T) {
	w := newWorld(t)
	in := "/subscriptions/" + testSubscription
	w.on("GET "+in+"/operations", `{"value":[{"name":"op-1","status":"Succeeded","resourceId":"/a/b","properties":{"verb":"create"}}]}`)
	w.on("GET "+in+"/locations", `{"value":[{"name":"westus","displayName":"West US","regionalDisplayName":"(US) West US"}]}`)
	w.on("GET "+in+"/providers/Microsoft.Compute/locations/westus/vmSizes", `{"value":[{"name":"S1","numberOfCores":4,"memoryInMB":14336}]}`)
	golden(t, "lists.txt", w.ok("operation", "list", "--active", "-o", "table")+"\n"+w.ok("account", "list-locations", "-o", "table")+"\n"+
		w.ok("vm", "list-sizes", "-l", "westus", "-o", "table"))
	if seen := w.requests("GET"); !strings.Contains(seen, "operations?active=true") {
		t.Errorf("sent %s", seen)
	}
	if out := w.ok("--version"); out == "" || out != w.ok("version") {
		t.Errorf("--version says %q", out)
	}
}

// TestWarningsOfChanges: what the server remarks on a change is printed in yellow, once, and not again by each read.
func TestWarningsOfChanges(t *testing.T) {
	w := newWorld(t).fill()
	kept := `{"id":"` + clusterPath + `","name":"k","properties":{"warnings":[` +
		`{"code":"Warning","target":"properties.zones","message":"Kept only."}]}}`
	w.on("PUT "+clusterPath, kept)
	w.on("GET "+clusterPath, kept)
	r := atTerminal(t.Context(), "", "aks", "create", "-n", "k", "-g", "g")
	if r.code != 0 || strings.Count(r.err, "\x1b[33mWARNING: properties.zones: Kept only.\x1b[0m") != 1 {
		t.Errorf("%d %q", r.code, r.err)
	}
}

// TestMissingPlace: the error names the group or the workspace that does not exist, whatever was asked of it.
func TestMissingPlace(t *testing.T) {
	w := newWorld(t)
	group := "GET /subscriptions/" + testSubscription + "/resourceGroups/g"
	for _, line := range []string{"ml computetarget show -n c -g g -w w", "ml computetarget detach -n c -g g -w w"} {
		w.on(group, "{}")
		r := offTerminal(strings.Fields(line)...)
		if r.code != exitNotFound || !strings.Contains(r.err, "there is no workspace 'w' in the resource group 'g'") {
			t.Errorf("%s: %d %s", line, r.code, r.err)
		}
		w.on(group, `404 {"error":{"code":"ResourceGroupNotFound","message":"No."}}`)
		if r := offTerminal(strings.Fields(line)...); r.code != exitNotFound || !strings.Contains(r.err, "there is no resource group 'g'") {
			t.Errorf("%s: %d %s", line, r.code, r.err)
		}
	}
	w.on("PUT "+clusterPath, `400 {"error":{"code":"LocationRequired","message":"The location property is required."}}`)
	if r := offTerminal("aks", "create", "-n", "k", "-g", "g"); r.code != exitNotFound || !strings.Contains(r.err, "no resource group 'g'") {
		t.Errorf("%d %s", r.code, r.err)
	}
}

// TestMistakesSuggest: a mistyped command or option is answered with the one that was meant, also when options follow it.
func TestMistakesSuggest(t *testing.T) {
	newWorld(t)
	for line, want := range map[string]string{
		"aks get-credential -n x -g y":   "'get-credential' is no command of 'berth aks'. Did you mean get-credentials?",
		"computetarget list -g y":        "Did you mean 'berth ml computetarget'?",
		"aks show --nme x":               "unrecognized option: --nme. Did you mean --name?",
		"aks create -n a -g b -c many":   "must be a whole number",
		"aks list --only-show-errors=no": "must be true or false",
	} {
		if r := offTerminal(strings.Fields(line)...); r.code != exitUsage || !strings.Contains(r.err, want) {
			t.Errorf("berth %s: %d %s", line, r.code, r.err)
		}
	}
}

// TestNoWordsOfGo: whatever goes wrong, the error is a sentence about files and addresses, without the names of Go's calls and parsers.
func TestNoWordsOfGo(t *testing.T) {
	w := newWorld(t).fill()
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	bad, folder := filepath.Dir(write("bad/../credentials.json", "{")), dir
	yaml := write("bad.yaml", "a: [")
	kubeconfig := base64.StdEncoding.EncodeToString([]byte("clusters: [{name: k}]\nusers: [{name: k}]\ncontexts: [{name: k, context: {}}]"))
	w.on("POST "+clusterPath+"/listClusterUserCredential", `{"kubeconfigs":[{"value":"`+kubeconfig+`"}]}`)
	tls := "ml computetarget create aks -n c -g g -w w --ssl-cname n --ssl-key-file x --ssl-cert-file "
	for line, want := range map[string]string{
		tls + "/no/file":                                 "the certificate cannot be read: /no/file does not exist",
		tls + folder:                                     "is a folder, not a file",
		"--data-dir " + bad + " group list":              "it is not valid JSON",
		"serve --config " + yaml:                         "it is not valid YAML",
		"serve --config /no/file":                        "/no/file does not exist",
		"serve --data-dir " + yaml + "/x":                "is below a file",
		"aks get-credentials -n k -g g -f " + yaml:       "is not a kubeconfig",
		"aks get-credentials -n k -g g -f " + dir:        "is a folder, not a file",
		"cluster connect -n e -g g --kubeconfig " + dir:  "is a folder, not a file",
		"cluster connect -n e -g g --kubeconfig " + yaml: "is not a kubeconfig",
		"operation show --id https://[::1":               "cannot be read",
	} {
		r := offTerminal(strings.Fields(line)...)
		if r.code == 0 || !strings.Contains(r.err, want) {
			t.Errorf("berth %s: %d %s", line, r.code, r.err)
		}
		for _, raw := range []string{"open /", "mkdir ", "strconv.", "json:", "yaml:", "dial tcp", "unmarshal", "JSON input", "%!"} {
			if strings.Contains(r.err, raw) {
				t.Errorf("berth %s says %q: %s", line, raw, r.err)
			}
		}
	}
}
