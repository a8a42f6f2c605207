package main

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"berth.dev/berth/client"
)

func TestDefaultsStandInForOptions(t *testing.T) {
	w := newWorld(t).fill()
	w.ok("configure", "--defaults", "group=g", "workspace_name=w", "location=westus")
	w.ok("configure", "-d", "compute=c")
	if out := w.ok("configure", "--list-defaults", "-o", "tsv"); out != "compute\tc\ngroup\tg\nlocation\twestus\nworkspace\tw\n" {
		t.Errorf("defaults: %q", out)
	}
	w.on("PUT "+computePath, "201 {}")
	w.ok("ml", "computetarget", "create", "aks", "-n", "c") // the line of the document
	if sent := w.requests("PUT"); !strings.HasPrefix(sent, "PUT "+computePath) || strings.Contains(sent, "westus") {
		t.Errorf("sent %s", sent)
	}
	if name := w.ok("ml", "computetarget", "show", "--query", "name", "-o", "tsv"); name != "c\n" {
		t.Errorf("showed %q", name)
	}
	w.ok("aks", "get-versions", "-o", "none")
	w.ok("configure", "--defaults", "group=")
	if r := offTerminal("aks", "show", "-n", "k"); r.code != exitUsage {
		t.Errorf("a removed default stays: exit %d", r.code)
	}
}

// TestEnvironmentOfAzureCloud: az replaces the login endpoint of a cloud with this name, so a file of its own puts that right; and
// what az remembers of the cloud under the other name goes away, in both directions.
func TestEnvironmentOfAzureCloud(t *testing.T) {
	w := newWorld(t)
	azure := filepath.Join(w.dataDir, "azure")
	clouds, remembered := filepath.Join(azure, "clouds.config"), filepath.Join(azure, "cloudEndpoints.json")
	rename := func(name string) client.Credentials {
		t.Helper()
		cr, err := client.CredentialsIn(w.dataDir)
		cr.CloudName = name
		if err := errors.Join(err, cr.Write(filepath.Join(w.dataDir, "credentials.json")), os.MkdirAll(azure, 0o700),
			os.WriteFile(remembered, []byte("{}"), 0o600)); err != nil {
			t.Fatal(err)
		}
		return cr
	}
	gone := func(file string) bool { _, err := os.Stat(file); return errors.Is(err, fs.ErrNotExist) }
	cr := rename("AzureCloud")
	out := w.ok("env")
	text, err := os.ReadFile(clouds)
	if !strings.Contains(out, "AZURE_CLOUD_NAME='AzureCloud'") || !strings.Contains(out, "AZUREML_CURRENT_CLOUD='Berth'") || err != nil ||
		string(text) != "[AzureCloud]\nendpoint_active_directory = "+cr.Endpoint+"\n" || !gone(remembered) {
		t.Errorf("%s\n%s, %v", out, text, err)
	}
	rename("Berth")
	if out := w.ok("env"); strings.Contains(out, "AZURE_CLOUD_NAME") || !gone(clouds) || !gone(remembered) {
		t.Errorf("after the change back: %s", out)
	}
}

func TestEnvironmentPerShell(t *testing.T) {
	w := newWorld(t)
	var s session
	text, err := os.ReadFile(filepath.Join(w.dataDir, "credentials.json"))
	if err == nil {
		err = json.Unmarshal(text, &s.Credentials)
	}
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, shell := range shells {
		out := w.ok("env", "--shell", shell)
		out = strings.NewReplacer(w.dataDir, "DATA", s.Endpoint, "https://HOST", strings.TrimPrefix(s.Endpoint, "https://"), "HOST").Replace(out)
		all.WriteString("# " + shell + "\n" + out + "\n")
	}
	golden(t, "env.txt", all.String())
	if info, err := os.Stat(filepath.Join(w.dataDir, "azure")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("az's folder: %v, %v", info, err)
	}
	if shell, err := exec.LookPath("sh"); err == nil {
		cmd := exec.CommandContext(t.Context(), shell, "-c", w.ok("env")+`printf %s "$AZURE_CLIENT_SECRET"`)
		if out, err := cmd.CombinedOutput(); err != nil || string(out) != testSecret {
			t.Errorf("the shell reads %q, %v", out, err)
		}
	}
}

func TestWhereCredentialsComeFrom(t *testing.T) {
	w := newWorld(t).fill()
	w.on("GET /subscriptions", `{"value":[{"subscriptionId":"`+testSubscription+`"}]}`)
	var cr map[string]string
	text, err := os.ReadFile(filepath.Join(w.dataDir, "credentials.json"))
	if err == nil {
		err = json.Unmarshal(text, &cr)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("BERTH_DATA_DIR", "")
	if r := offTerminal("group", "list"); r.code != exitFailed || !strings.Contains(r.err, "berth login") {
		t.Errorf("nothing is known: exit %d, %s", r.code, r.err)
	}
	w.ok("group", "list", "--data-dir", w.dataDir)
	login := []string{"login", "--endpoint", cr["endpoint"], "--tenant", "tenant", "--client-id", "me", "--ca-file", cr["caFile"]}
	if r := offTerminal(login...); r.code != exitUsage {
		t.Errorf("a login without a secret: exit %d, %s", r.code, r.err)
	}
	t.Setenv("BERTH_CLIENT_SECRET", testSecret)
	w.on("GET /metadata/endpoints", `{"name":"AzureCloud"}`)
	w.ok(login...)
	t.Setenv("BERTH_CLIENT_SECRET", "")
	w.ok("group", "list")
	file, err := loginFile()
	if err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(file); err != nil || !strings.Contains(string(text), `"cloudName": "AzureCloud"`) {
		t.Errorf("the login does not have the server's name of the cloud: %s, %v", text, err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the login: %v, %v", info, err)
	}
	for name, value := range map[string]string{
		"BERTH_ENDPOINT": "https://127.0.0.1:1", "BERTH_TENANT_ID": "t",
		"BERTH_CLIENT_ID": "c", "BERTH_CLIENT_SECRET": "s", "BERTH_SUBSCRIPTION_ID": "x",
	} {
		t.Setenv(name, value)
	}
	if r := offTerminal("group", "list"); !strings.Contains(r.err,
		"Berth does not answer at https://127.0.0.1:1; start it with `berth serve`.") {
		t.Errorf("the environment does not come first: %s", r.err)
	}
}
