package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// TestKubeconfigToConnect: one context is sent to the server, with the content of the files that it names.
func TestKubeconfigToConnect(t *testing.T) {
	dir := t.TempDir()
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
	text, err := (&connectOptions{file: file, context: "edge"}).read()
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
	if text, err = (&connectOptions{file: file}).read(); err != nil || !strings.Contains(string(text), "theirs") {
		t.Errorf("the current context: %v\n%s", err, text)
	}
	for name, o := range map[string]connectOptions{
		"no context 'nope'":      {file: file, context: "nope"},
		"there is no kubeconfig": {file: filepath.Join(dir, "nothing")}, "is not a kubeconfig": {file: write("bad", "{")},
	} {
		if _, err := o.read(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	if _, err := (&connectOptions{file: file, context: "edge"}).read(); err == nil ||
		!strings.Contains(err.Error(), "client-key cannot be read") {
		t.Errorf("%v", err)
	}
}
