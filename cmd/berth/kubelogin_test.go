package main

import (
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"berth.dev/berth"
	"berth.dev/berth/client"
)

// execCredential is what kubectl reads.
type execCredential struct {
	APIVersion, Kind string
	Status           struct{ Token, ExpirationTimestamp string }
}

func execToken(t *testing.T, r result) execCredential {
	t.Helper()
	var out execCredential
	if err := json.Unmarshal([]byte(r.out), &out); err != nil || r.code != 0 || out.Kind != "ExecCredential" ||
		out.Status.ExpirationTimestamp == "" {
		t.Fatalf("exit %d, %v: %s%s", r.code, err, r.out, r.err)
	}
	return out
}

// TestCredentialsOfCallers: a kubeconfig that runs kubelogin runs this program, with the data folder that was named.
func TestCredentialsOfCallers(t *testing.T) {
	w := newWorld(t)
	config := strings.Replace(kubeconfig("https://one"), "{token: T}", "{exec: {apiVersion: client.authentication.k8s.io/v1beta1, "+
		"command: kubelogin, installHint: x, args: [get-token, --login, azurecli, --server-id, "+berth.KubernetesApplication+
		", --client-id, c, --tenant-id, tenant, --authority-host, 'https://x/', --disable-instance-discovery]}}", 1)
	w.answerCredentials(config)
	var merged struct {
		Users []struct {
			User struct {
				Exec struct {
					Command, InstallHint string
					Args                 []string
				}
			}
		}
	}
	out := w.ok("aks", "get-credentials", "-n", "k", "-g", "g", "--file", "-", "--data-dir", w.dataDir)
	must(t, yaml.Unmarshal([]byte(out), &merged))
	self, err := os.Executable()
	must(t, err)
	exec := merged.Users[0].User.Exec
	if exec.Command != self || strings.Join(exec.Args[:4], " ") != "kubelogin --data-dir "+w.dataDir+" get-token" || exec.InstallHint != "" {
		t.Fatalf("%+v", exec)
	}
	t.Setenv("KUBERNETES_EXEC_INFO", `{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential"}`)
	if got := execToken(t, offTerminal(exec.Args...)); got.Status.Token != "token" || got.APIVersion != "client.authentication.k8s.io/v1" {
		t.Errorf("%+v", got)
	}
}

// TestKubeloginSignsIn: the ways to sign in, and the refusal of others.
func TestKubeloginSignsIn(t *testing.T) {
	newWorld(t)
	seen := []url.Values{}
	pending := true
	authority := httptest.NewTLSServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm() // what is missing is seen below
		seen = append(seen, r.PostForm)
		switch {
		case strings.HasSuffix(r.URL.Path, "/devicecode"):
			_, _ = out.Write([]byte(`{"device_code":"d","message":"Enter ABC","interval":0,"expires_in":60}`))
		case r.PostForm.Get("grant_type") == "refresh_token", r.PostForm.Get("grant_type") == "client_credentials":
			_, _ = out.Write([]byte(`{"access_token":"second","refresh_token":"r2","expires_in":3600}`))
		case pending:
			pending = false
			out.WriteHeader(http.StatusBadRequest)
			_, _ = out.Write([]byte(`{"error":"authorization_pending","error_description":"Wait."}`))
		default:
			_, _ = out.Write([]byte(`{"access_token":"first","refresh_token":"r1","expires_in":1}`))
		}
	}))
	t.Cleanup(authority.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	must(t, os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: authority.Certificate().Raw}), 0o600))
	t.Setenv("BERTH_CA_FILE", ca)
	line := []string{"kubelogin", "get-token", "--login", "devicecode", "--server-id", berth.KubernetesApplication, "--tenant-id", "t",
		"--authority-host", authority.URL + "/", "--environment", "AzurePublicCloud", "--disable-instance-discovery"}
	r := offTerminal(line...)
	if got := execToken(t, r); got.Status.Token != "first" || !strings.Contains(r.err, "Enter ABC") {
		t.Errorf("%+v %s", got, r.err)
	}
	if got := execToken(t, offTerminal(line...)); got.Status.Token != "second" || seen[len(seen)-1].Get("refresh_token") != "r1" {
		t.Errorf("%+v, sent %v", got, seen)
	}
	before := len(seen)
	if got := execToken(t, offTerminal(line...)); got.Status.Token != "second" || len(seen) != before {
		t.Errorf("a token that is valid is not used: %+v", got)
	}
	files, err := filepath.Glob(filepath.Join(os.Getenv("BERTH_CONFIG_DIR"), "person-*.json"))
	must(t, err)
	if info, err := os.Stat(files[0]); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}

	t.Setenv("AAD_LOGIN_METHOD", "spn")
	t.Setenv("AAD_SERVICE_PRINCIPAL_CLIENT_ID", "ci")
	t.Setenv("AAD_SERVICE_PRINCIPAL_CLIENT_SECRET", "hidden")
	if got := execToken(t, offTerminal(line...)); got.Status.Token != "second" || seen[len(seen)-1].Get("client_id") != "ci" ||
		seen[len(seen)-1].Get("scope") != berth.KubernetesApplication+"/.default" {
		t.Errorf("%+v, sent %v", got, seen[len(seen)-1])
	}
	t.Setenv("AAD_LOGIN_METHOD", "msi")
	if r := offTerminal(line...); r.code != exitUsage || !strings.Contains(r.err, "not by 'msi'") {
		t.Errorf("%d %s", r.code, r.err)
	}
}

// TestRoleBindings: the roles of groups in a connected cluster become bindings there.
func TestRoleBindings(t *testing.T) {
	w := newWorld(t)
	cluster := inGroup + berth.TypeConnected + "/edge"
	w.on("GET "+cluster, `{"id":"`+cluster+`","name":"edge"}`)
	given := func(principal, role, scope string) string {
		return `{"properties":{"principalId":"` + principal + `","roleDefinitionId":"/x/` + role + `","scope":"` + scope + `"}}`
	}
	w.on("GET "+cluster+"/providers/"+berth.TypeRoleAssignment, `{"value":[`+strings.Join([]string{
		given("g1", "7F6C6A51-bcf8-42ba-9220-52d62157d7db", "/subscriptions/"+testSubscription),
		given("g2", "5b999177-9696-4545-85c7-50de3797e5a1", cluster+"/namespaces/Team"),
		given("g1", "8e3af657-a8ff-443c-a75c-2fe8c4bcb635", cluster), // Owner: not of clusters
		given("ann", "b1ff04bb-8a4e-4dc4-8eb5-8693973ce19b", cluster)}, ",")+`]}`)
	w.on("GET /graph/v1.0/groups", `{"value":[{"id":"g1","displayName":"ops"},{"id":"g2","displayName":"ml"}]}`)
	r := offTerminal("cluster", "role-bindings", "-n", "edge", "-g", "g", "--group-prefix", "oidc:")
	if r.code != 0 || !strings.Contains(r.err, "1 role assignments of people") {
		t.Fatalf("%d %s", r.code, r.err)
	}
	golden(t, "role-bindings.yaml", r.out)
	if out := w.ok("cluster", "role-bindings", "-n", "edge", "-g", "g", "--group-ids"); !strings.Contains(out, "name: g2\n") {
		t.Error(out)
	}
}

func (w *world) answerCredentials(config string) {
	value, err := json.Marshal(client.Object{"kubeconfigs": []client.Object{{"name": "clusterUser", "value": []byte(config)}}})
	must(w.t, err)
	w.on("POST "+clusterPath+"/listClusterUserCredential", string(value))
}
