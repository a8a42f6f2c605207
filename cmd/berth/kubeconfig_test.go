package main

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func kubeconfig(server string) string {
	return "apiVersion: v1\nkind: Config\nclusters: [{name: berth, cluster: {server: '" + server + "', certificate-authority-data: Q0E=}}]\n" +
		"users: [{name: admin, user: {token: T}}]\ncontexts: [{name: berth, context: {cluster: berth, user: admin}}]\ncurrent-context: berth\n"
}

func (w *world) credentials(server string) {
	reply := `{"kubeconfigs":[{"name":"clusterUser","value":"` + base64.StdEncoding.EncodeToString([]byte(kubeconfig(server))) + `"}]}`
	w.on("POST "+clusterPath+"/listClusterUserCredential", reply)
	w.on("POST "+clusterPath+"/listClusterAdminCredential", reply)
}

const othersConfig = `apiVersion: v1
kind: Config
extensions: [kept]
clusters: [{name: other, cluster: {server: https://other}}]
users: [{name: other, user: {token: O}}]
contexts: [{name: other, context: {cluster: other, user: other, namespace: n}}]
current-context: other
`

func TestGetCredentialsMerges(t *testing.T) {
	w := newWorld(t)
	w.credentials("https://one")
	dir := t.TempDir()
	file, link := filepath.Join(dir, "config"), filepath.Join(dir, "link")
	if err := os.WriteFile(file, []byte(othersConfig), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	t.Setenv("KUBECONFIG", link+string(os.PathListSeparator)+"/nowhere")
	args := []string{"aks", "get-credentials", "-n", "k", "-g", "g"}
	w.ok(args...)
	w.ok(append(args, "--admin")...)
	w.ok(args...) // the same again changes nothing but the current context
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "kubeconfig.yaml", string(text))
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("it holds a key now, and is %v, %v", info.Mode(), err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is no link any more: %v, %v", info, err)
	}

	w.credentials("https://two")
	if r := offTerminal(args...); r.code != exitFailed || !strings.Contains(r.err, "--overwrite-existing") {
		t.Errorf("a different entry was replaced: exit %d, %s", r.code, r.err)
	}
	if now, err := os.ReadFile(file); err != nil || string(now) != string(text) {
		t.Errorf("a refused merge changed the file: %v", err)
	}
	w.ok(append(args, "--overwrite-existing")...)
	if now, err := os.ReadFile(file); err != nil || !strings.Contains(string(now), "https://two") ||
		!strings.Contains(string(now), "https://other") {
		t.Errorf("after overwriting: %s, %v", now, err)
	}
}

func TestGetCredentialsIntoAnotherFile(t *testing.T) {
	w := newWorld(t)
	w.credentials("https://one")
	args := []string{"aks", "get-credentials", "-n", "k", "-g", "g"}
	if out := w.ok(append(args, "--file", "-", "--context", "mine")...); !strings.Contains(out, "current-context: mine\n") ||
		!strings.Contains(out, "clusterUser_g_k") {
		t.Errorf("printed %s", out)
	}
	w.ok(args...)
	if info, err := os.Stat(filepath.Join(os.Getenv("HOME"), ".kube", "config")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("~/.kube/config: %v, %v", info, err)
	}
	broken := filepath.Join(t.TempDir(), "broken")
	if err := os.WriteFile(broken, []byte("a: b: c"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := offTerminal(append(args, "-f", broken)...); r.code != exitFailed || !strings.Contains(r.err, "nothing was changed") {
		t.Errorf("a broken file: exit %d, %s", r.code, r.err)
	}
	w.on("POST "+computePath+"/listKeys",
		`{"computeType":"AKS","userKubeConfig":"`+strings.ReplaceAll(kubeconfig("https://c"), "\n", `\n`)+`"}`)
	target := []string{"ml", "computetarget", "get-credentials", "-n", "c", "-g", "g", "-w", "w"}
	if out := w.ok(append(target, "--query", "computeType", "-o", "tsv")...); out != "AKS\n" {
		t.Errorf("printed %q", out)
	}
	if out := w.ok(append(target, "--file", "-")...); !strings.Contains(out, "server: https://c\n") {
		t.Errorf("printed %s", out)
	}
}

func TestReadNodes(t *testing.T) {
	list, err := decodeNodes([]byte(`{"items":[{"metadata":{"name":"n","labels":{"node.kubernetes.io/instance-type":"S"}},
		"status":{"capacity":{"cpu":"4","memory":"14Gi"},"conditions":[{"type":"Ready","status":"True"}],` +
		`"nodeInfo":{"kubeletVersion":"v1.36.0"}}}]}`))
	if err != nil || len(list) != 1 || list[0] != (node{name: "n", size: "S", cpu: "4", memory: "14Gi", version: "v1.36.0", ready: true}) {
		t.Errorf("got %+v, %v", list, err)
	}
}
