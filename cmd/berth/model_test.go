package main

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"berth.dev/berth/app/apptest"
)

// atServer makes a true server with the workspace g/work the one that commands speak to.
func atServer(t *testing.T) *apptest.Server {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a server")
	}
	server := apptest.New(t)
	server.MakeWorkspace("g", "work")
	emptyEnvironment(t)
	t.Setenv("BERTH_DATA_DIR", server.Dir)
	if r := offTerminal("configure", "--defaults", "group=g", "workspace=work"); r.code != 0 {
		t.Fatal(r.err)
	}
	return server
}

// write makes a file, with its folder.
func write(t *testing.T, text []byte, words ...string) string {
	t.Helper()
	file := filepath.Join(words...)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestModels: files come back as they were, whatever their size: one that is empty, and one of several blocks.
func TestModels(t *testing.T) {
	atServer(t)
	dir := t.TempDir()
	large := make([]byte, 9<<20)
	_, _ = rand.NewChaCha8([32]byte{}).Read(large)
	files := map[string][]byte{"net/weights.bin": large, "net/deep down/empty": {}, "net/a+b%25.txt": []byte("text")}
	for name, text := range files {
		write(t, text, dir, name)
	}
	write(t, []byte("x"), dir, "net", "__pycache__", "x.pyc")
	single := write(t, []byte(`{"slope": 2}`), dir, "line.json")
	w := &world{t: t}
	w.ok("ml", "model", "register", "-n", "line", "-p", single, "--tag", "area=retail", "--property", "p=1", "-d", "A line.")
	w.ok("ml", "model", "register", "-n", "line", "-p", single)
	w.ok("ml", "model", "register", "-n", "net", "--model-path", filepath.Join(dir, "net"))
	for line, want := range map[string]string{
		"list --query [].id -o tsv":                              "net:1\nline:2\nline:1\n",
		"list -l --query [].id -o tsv":                           "net:1\nline:2\n",
		"list -n line --tag area=retail --query [].id -o tsv":    "line:1\n",
		"show -n line --query version":                           "2\n",
		"show -n line -v 1 --query description":                  "\"A line.\"\n",
		"show -i line:1 --query [kvTags.area,properties.p]":      "[\n  \"retail\",\n  \"1\"\n]\n",
		"download -i line:1 -t " + dir + "/one --query files[0]": "\"" + dir + "/one/line.json\"\n",
		"download -n net -t " + dir + "/two -o none":             "",
	} {
		if out := w.ok(strings.Fields("ml model " + line)...); out != want {
			t.Errorf("%s: %q", line, out)
		}
	}
	for name, want := range files {
		if got, err := os.ReadFile(filepath.Join(dir, "two", name)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, %v; want %d bytes", name, len(got), err, len(want))
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "two", "net", "__pycache__")); err == nil {
		t.Error("__pycache__ was uploaded")
	}
	for line, want := range map[string]string{
		"download -i line:1 -t " + dir + "/one":      "2 in the folder " + dir + "/one there is a file of the model already",
		"download -i line:3 -t " + dir:               "3 There is no model with the id 'line:3'",
		"delete -n line":                             "2 a deletion needs the version",
		"show -i line:1 -n line":                     "2 name the model with --model-id NAME:VERSION, or with --name",
		"register -n line -p " + dir + "/none":       "1 does not exist",
		"register -n l/ne -p " + single:              "1 The name 'l/ne' of the model is not possible",
		"show -i line:1 -w nowhere":                  "3 there is no workspace 'nowhere'",
		"register -n line --tag x -p " + dir + "/no": "2 --tag takes key=value, not 'x'",
	} {
		r := offTerminal(strings.Fields("ml model " + line)...)
		if r.code != int(want[0]-'0') || !strings.Contains(r.err, want[2:]) {
			t.Errorf("%s: %d %s", line, r.code, r.err)
		}
	}
	w.ok("ml", "model", "download", "-i", "line:1", "-t", filepath.Join(dir, "one"), "--overwrite")
	w.ok("ml", "model", "delete", "-i", "line:1")
	if out := w.ok("ml", "model", "list", "-n", "line", "--query", "[].id", "-o", "tsv"); out != "line:2\n" {
		t.Errorf("after the deletion: %q", out)
	}
}

// TestSecretsOfFiles: the addresses by which everybody may read a file are not in the trace.
func TestSecretsOfFiles(t *testing.T) {
	atServer(t)
	file := write(t, []byte("x"), t.TempDir(), "m.bin")
	for _, args := range [][]string{{"register", "-n", "m", "-p", file}, {"download", "-n", "m", "-t", t.TempDir()}} {
		r := offTerminal(append([]string{"ml", "model", "--debug"}, args...)...)
		if r.code != 0 || !strings.Contains(r.err, "sig=REDACTED") || strings.Count(r.err, "sig=") != strings.Count(r.err, "sig=REDACTED") {
			t.Errorf("%v: %d %s", args, r.code, r.err)
		}
	}
}

// TestDeployRefusals: everything that is wrong is told at once, before anything is uploaded.
func TestDeployRefusals(t *testing.T) {
	server := atServer(t)
	dir := t.TempDir()
	write(t, []byte("def init(): pass\n"), dir, "src", "score.py")
	src := " --source-directory " + dir + "/src --entry-script score.py"
	r := offTerminal(strings.Fields("ml model deploy -n S -m no:1 -m never --ct nothing --cc 0 --gb -1 --nr 0" + src)...)
	for _, want := range []string{"name: ", "computeName: There is no compute with the name 'nothing'", "cpu_cores must be greater than zero",
		"memory_gb must be", "num_replicas must be", "model with the id 'no:1'", "model with the id 'never'"} {
		if r.code != exitFailed || !strings.Contains(r.err, want) || strings.Contains(r.err, "Uploading") {
			t.Errorf("no %q: %d %s", want, r.code, r.err)
		}
	}
	server.Succeed(server.Do("PUT", server.Workspace("g", "work")+"/computes/mock", apptest.AKS(apptest.Object{"agentCount": 3})))
	bad := write(t, []byte("{"), dir, "bad.json")
	for line, want := range map[string]string{
		"--ct mock" + src: "1 On the nodes of the compute 'mock' no model can run",
		"--ct mock --entry-script none.py --source-directory " + dir + "/src": "1 the entry script cannot be read",
		"--ct mock --entry-script " + dir + "/src":                            "2 is a folder",
		"--ct mock --ic " + bad:                                               "2 it is not valid JSON",
		"--ct mock --dc " + bad + src:                                         "2 it is not valid JSON",
		"--ct mock -e unknown" + src:                                          "3 There is no environment with the name 'unknown'",
		"--ct mock --conda-file x --pip-package y" + src:                      "2 use one of --conda-file",
		"--ct mock --nr 2 --autoscale-max-replicas 3" + src:                   "2 use either --num-replicas or the --autoscale options",
		"--ct mock":      "2 --entry-script/--es",
		src:              "2 --compute-target/--ct",
		"--ct mock -x y": "2 unrecognized option",
	} {
		r := offTerminal(strings.Fields("ml model deploy -n service " + line)...)
		if r.code != int(want[0]-'0') || !strings.Contains(r.err, want[2:]) {
			t.Errorf("%s: %d %s", line, r.code, r.err)
		}
	}
}

// TestEnvironments: an environment that azureml-core saved is registered, and keeps its version as long as it is the same.
func TestEnvironments(t *testing.T) {
	atServer(t)
	dir := t.TempDir()
	w := &world{t: t}
	for version, packages := range map[string][]string{"1": {"numpy"}, "2": {"numpy", "scipy"}} {
		text, _ := json.Marshal(map[string]any{"name": "mine", "python": map[string]any{
			"condaDependencies": map[string]any{"dependencies": packages}}, "version": version})
		write(t, text, dir, version, environmentFile)
	}
	for _, version := range []string{"1", "2"} {
		w.ok("ml", "environment", "register", "-d", filepath.Join(dir, version))
	}
	for line, want := range map[string]string{
		"list --query [?name=='mine'].[name,version] -o tsv": "mine\t2\n", "show -n mine --query version": "\"2\"\n",
		"show -n mine -v 1 --query python.condaDependencies.dependencies[0]": "\"numpy\"\n",
	} {
		if out := w.ok(strings.Fields("ml environment " + line)...); out != want {
			t.Errorf("%s: %q", line, out)
		}
	}
	if r := offTerminal("ml", "environment", "register", "-d", dir); r.code != exitFailed || !strings.Contains(r.err, "does not exist") {
		t.Errorf("%+v", r)
	}
}
