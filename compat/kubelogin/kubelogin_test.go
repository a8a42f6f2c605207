// Package kubelogin is Azure's kubelogin with kubectl against clusters of Berth. It is a module of its own, so that the product does not
// depend on it.
package kubelogin

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const group, cluster = "myresourcegroup", "signed"

// operation is one test, and a row in docs/compatibility.md.
func operation(t *testing.T, name string, f func(t *testing.T)) {
	t.Helper()
	start := time.Now()
	ok := t.Run(name, f)
	line, err := json.Marshal(map[string]any{"operation": name, "ok": ok, "seconds": time.Since(start).Seconds()})
	must(t, err)
	file, err := os.OpenFile(os.Getenv("COMPAT_REPORT"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	must(t, err)
	_, err = file.Write(append(line, '\n'))
	must(t, errors.Join(err, file.Close()))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// run runs a program, with more variables, and returns what it prints.
func run(t *testing.T, more []string, line ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), line[0], line[1:]...)
	cmd.Env = append(os.Environ(), more...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// berth arranges something by the command line of Berth, and reads its JSON.
func berth(t *testing.T, into any, line ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "berth", append(line, "--only-show-errors")...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	must(t, err)
	if into != nil {
		must(t, json.Unmarshal(out, into))
	}
}

// credentials are the kubeconfig that az aks get-credentials gets, as it comes.
func credentials(t *testing.T, id string) []byte {
	t.Helper()
	ca, err := os.ReadFile(os.Getenv("SSL_CERT_FILE"))
	must(t, err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	at := strings.TrimRight(os.Getenv("BERTH_TEST_ENDPOINT"), "/")
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {os.Getenv("AZURE_CLIENT_ID")},
		"client_secret": {os.Getenv("AZURE_CLIENT_SECRET")}, "scope": {at + "/.default"}}
	resp, err := client.PostForm(at+"/"+os.Getenv("AZURE_TENANT_ID")+"/oauth2/v2.0/token", form)
	must(t, err)
	var token struct {
		Value string `json:"access_token"`
	}
	read(t, resp, &token)
	q, err := http.NewRequestWithContext(t.Context(), http.MethodPost, at+id+
		"/listClusterUserCredential?api-version=2024-09-01&format=exec", nil)
	must(t, err)
	q.Header.Set("Authorization", "Bearer "+token.Value)
	resp, err = client.Do(q)
	must(t, err)
	var all struct{ Kubeconfigs []struct{ Value string } }
	read(t, resp, &all)
	config, err := base64.StdEncoding.DecodeString(all.Kubeconfigs[0].Value)
	must(t, err)
	return config
}

func read(t *testing.T, resp *http.Response, into any) {
	t.Helper()
	text, err := io.ReadAll(resp.Body)
	must(t, errors.Join(err, resp.Body.Close()))
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", resp.Status, text)
	}
	must(t, json.Unmarshal(text, into))
}

// caller is an application with a role in the cluster, as variables that kubelogin reads.
func caller(t *testing.T, id string) []string {
	t.Helper()
	var made struct{ AppID, Password string }
	berth(t, &made, "ad", "sp", "create-for-rbac", "-n", "reader", "--role", "Azure Kubernetes Service RBAC Reader", "--scopes", id)
	return []string{"AAD_SERVICE_PRINCIPAL_CLIENT_ID=" + made.AppID, "AAD_SERVICE_PRINCIPAL_CLIENT_SECRET=" + made.Password,
		"AZURE_CLIENT_ID=" + made.AppID, "AZURE_CLIENT_SECRET=" + made.Password}
}

// reads wants the caller to list pods, and to be refused what its role does not permit.
func reads(t *testing.T, env []string, config string) {
	t.Helper()
	if out, err := run(t, env, "kubectl", "--kubeconfig", config, "get", "pods", "-A"); err != nil {
		t.Errorf("a reader does not read: %s", out)
	}
	out, err := run(t, env, "kubectl", "--kubeconfig", config, "get", "secrets")
	if err == nil || !strings.Contains(out, "managedClusters/secrets/read") {
		t.Errorf("a reader reads secrets, or the refusal does not say why: %s", out)
	}
}

// TestKubelogin runs kubectl with Azure's kubelogin, and with Berth's own.
func TestKubelogin(t *testing.T) {
	t.Setenv("PATH", os.Getenv("COMPAT_CLIENT")+string(os.PathListSeparator)+os.Getenv("PATH"))
	berth(t, nil, "group", "create", "-n", group, "-l", "westeurope")
	var made struct{ ID string }
	berth(t, &made, "aks", "create", "-n", cluster, "-g", group, "--node-count", "1", "--enable-aad", "--enable-azure-rbac")
	env := caller(t, made.ID)
	config := filepath.Join(t.TempDir(), "config")
	must(t, os.WriteFile(config, credentials(t, made.ID), 0o600))

	operation(t, "kubectl with the kubeconfig as it comes and AAD_LOGIN_METHOD=spn: what a role at Berth permits", func(t *testing.T) {
		reads(t, append(env, "AAD_LOGIN_METHOD=spn"), config)
	})
	operation(t, "berth aks get-credentials: kubectl works with it by berth kubelogin", func(t *testing.T) {
		own := filepath.Join(t.TempDir(), "own")
		berth(t, nil, "aks", "get-credentials", "-n", cluster, "-g", group, "--file", own)
		reads(t, append(env, "AAD_LOGIN_METHOD=spn"), own)
	})
}
