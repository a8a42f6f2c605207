package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// TestKubeconfigToConnect: one context is sent to the server, with the content of the files that it names.
func TestKubeconfigToConnect(t *testing.T) {
	dir, reader := t.TempDir(), newCLI(nil, nil, io.Discard)
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("ca.crt", "CA")
	key := write("client.key", "KEY")
	file := write("config", `
apiVersion: v1
kind: Config
current-context: other
contexts: [{name: edge, context: {cluster: e, user: admin}}, {name: other, context: {cluster: o, user: them}}]
clusters: [{name: e, cluster: {server: "https://203.0.113.1", certificate-authority: ca.crt}}, {name: o,`+
		` cluster: {server: "https://203.0.113.2"}}]
users: [{name: admin, user: {client-certificate-data: Q0VSVA==, client-key: `+key+`}}, {name: them, user: {token: theirs}}]
`)
	text, err := reader.read(t.Context(), &connectOptions{file: file, context: "edge"})
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := yaml.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"certificate-authority-data: Q0E=", "client-key-data: S0VZ",
		"client-certificate-data: Q0VSVA==", "203.0.113.1",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	for _, none := range []string{"theirs", "203.0.113.2", dir} {
		if strings.Contains(string(text), none) {
			t.Errorf("%s goes to the server:\n%s", none, text)
		}
	}
	if text, err = reader.read(t.Context(), &connectOptions{file: file}); err != nil || !strings.Contains(string(text), "theirs") {
		t.Errorf("the current context: %v\n%s", err, text)
	}
	for name, o := range map[string]connectOptions{
		"no context 'nope'":      {file: file, context: "nope"},
		"there is no kubeconfig": {file: filepath.Join(dir, "nothing")}, "is not a kubeconfig": {file: write("bad", "{")},
	} {
		if _, err := reader.read(t.Context(), &o); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	if _, err := reader.read(t.Context(), &connectOptions{file: file, context: "edge"}); err == nil ||
		!strings.Contains(err.Error(), "client-key cannot be read") {
		t.Errorf("%v", err)
	}
}

// TestConnectExecOnce: a kubeconfig that runs a command is refused with the recipe. With --exec-once the command runs here, with the
// environment of the kubeconfig, and the server sees its token and no command. What the command prints is never in an error.
func TestConnectExecOnce(t *testing.T) {
	w := newWorld(t)
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("aws", "#!/bin/sh\ncase \"$KUBERNETES_EXEC_INFO\" in *203.0.113.1*) ;; *) exit 3;; esac\n"+
		`printf '{"kind":"ExecCredential","status":{"token":"%s-%s"}}' "$1" "$REGION"`+"\n")
	write("silent", "#!/bin/sh\necho s3cr3t\n")
	config := func(command string) string {
		return write("config", `{current-context: c, contexts: [{name: c, context: {cluster: c, user: c}}],
clusters: [{name: c, cluster: {server: "https://203.0.113.1"}}], users: [{name: c, user: {exec: {command: `+command+`,
apiVersion: client.authentication.k8s.io/v1, args: [short], provideClusterInfo: true, env: [{name: REGION, value: north}]}}}]}`)
	}
	edge := inGroup + "Microsoft.Kubernetes/connectedClusters/edge"
	connect := func(command string, more ...string) result {
		return offTerminal(append([]string{"cluster", "connect", "-n", "edge", "-g", "g", "--kubeconfig", config(command)}, more...)...)
	}
	if r := connect("./aws"); r.code != exitUsage || !strings.Contains(r.err, "(EKS)") || !strings.Contains(r.err, "--exec-once") {
		t.Errorf("without the option: %d %s", r.code, r.err)
	}
	w.on("PUT "+edge, "{}")
	w.on("GET "+edge, `{"id":"`+edge+`","name":"edge","properties":{}}`)
	if r := connect("./aws", "--exec-once"); r.code != 0 {
		t.Fatalf("%d %s", r.code, r.err)
	}
	if sent := w.requests("PUT"); !strings.Contains(sent, "token: short-north") || strings.Contains(sent, "exec") {
		t.Errorf("the server got %s", sent)
	}
	for command, word := range map[string]string{"./silent": "no ExecCredential", "no-such-plugin": "not installed"} {
		if r := connect(command, "--exec-once"); r.code != exitFailed || !strings.Contains(r.err, word) || strings.Contains(r.err, "s3cr3t") {
			t.Errorf("%s: %d %s", command, r.code, r.err)
		}
	}
	if r := connect("./aws", "--exec-once", "--keep-credential"); r.code != exitUsage || !strings.Contains(r.err, "exclude") {
		t.Errorf("with --keep-credential: %d %s", r.code, r.err)
	}
}
