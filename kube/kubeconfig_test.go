package kube_test

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"k8s.io/client-go/tools/clientcmd"

	"berth.dev/berth/kube"
)

const secret = "t0p-s3cret"

// written is a kubeconfig with fields of the test's choice in its cluster and its user.
func written(cluster, user string) string {
	return "apiVersion: v1\nkind: Config\ncurrent-context: x\ncontexts: [{name: x, context: {cluster: c, user: u}}]\n" +
		"clusters: [{name: c, cluster: {" + cluster + "}}]\nusers: [{name: u, user: {" + user + "}}]\n"
}

const server, token = "server: 'https://127.0.0.1:6443'", "token: " + secret

func TestConnectRefuses(t *testing.T) {
	for _, c := range []struct{ name, config, want string }{
		{"exec", written(server, token+", exec: {apiVersion: client.authentication.k8s.io/v1, command: /bin/touch, args: ["+secret+"], "+
			"interactiveMode: Never}"), "'exec'"},
		{"auth-provider", written(server, token+", auth-provider: {name: gcp, config: {k: "+secret+"}}"), "'auth-provider'"},
		{"tokenFile", written(server, "tokenFile: /etc/"+secret), "'tokenFile'"},
		{"client-certificate", written(server, token+", client-certificate: /etc/"+secret), "'client-certificate'"},
		{"client-key", written(server, token+", client-key: /etc/"+secret), "'client-key'"},
		{"certificate-authority", written(server+", certificate-authority: /etc/"+secret, token), "'certificate-authority'"},
		{"proxy-url", written(server+", proxy-url: 'http://"+secret+"'", token), "'proxy-url'"},
		{"insecure", written(server+", insecure-skip-tls-verify: true", token), "'insecure-skip-tls-verify'"},
		{"as", written(server, token+", as: root"), "'as'"},
		{"as-uid", written(server, token+", as-uid: '0'"), "'as-uid'"},
		{"as-groups", written(server, token+", as-groups: ['system:masters']"), "'as-groups'"},
		{"as-user-extra", written(server, token+", as-user-extra: {a: [b]}"), "'as-user-extra'"},
		{"too large", written(server, token) + "#" + strings.Repeat("x", 256<<10), "at most 262144"},
		{"plain http", written("server: 'http://127.0.0.1'", token), "https"},
		{"no server", written("", token), "https"},
		{"a password in the server", written("server: 'https://u:"+secret+"@127.0.0.1'", token), "https"},
		{"a query in the server", written("server: 'https://127.0.0.1/?a="+secret+"'", token), "https"},
		{"no credential", written(server, ""), "no credential"},
		{"half a certificate", written(server, "client-certificate-data: "+secret64), "client-key-data"},
		{"half a certificate beside a token", written(server, token+", client-key-data: "+secret64), "client-key-data"},
		{"a broken certificate", written(server, "client-certificate-data: "+secret64+", client-key-data: "+secret64), "certificates"},
		{"a broken authority", written(server+", certificate-authority-data: "+secret64, token), "certificates"},
		{"no context", "apiVersion: v1\nkind: Config\n", "current-context"},
		{"no such user", strings.Replace(written(server, token), "user: u}", "user: v}", 1), "does not have"},
		{"not YAML", "{" + secret, "not valid YAML"},
		{"another kind", "apiVersion: v1\nkind: " + secret, "not valid YAML"},
		{"nothing", "", "current-context"},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn, err := kube.Connect([]byte(c.config), kube.Options{})
			if err == nil || conn != nil {
				t.Fatal("accepted")
			}
			if !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), secret) {
				t.Errorf("%v; want %s, and no secret", err, c.want)
			}
		})
	}
}

const secret64 = "dDBwLXMzY3JldA=="

func TestConnectLooksAtTheCurrentContextOnly(t *testing.T) {
	_, _, config := simulated(t, 1)
	more := strings.Replace(string(config), "users:\n", "users:\n- name: other\n  user: {exec: {command: /bin/false, apiVersion: "+
		"client.authentication.k8s.io/v1, interactiveMode: Never}}\n", 1)
	if more == string(config) {
		t.Fatal("the kubeconfig of the simulated cluster has changed")
	}
	if err := connect(t, []byte(more)).Healthy(t.Context()); err != nil {
		t.Error(err)
	}
	out, err := tokenKubeconfig([]byte(more), "tok", "ns")
	if err != nil || bytes.Contains(out, []byte("exec")) {
		t.Errorf("%s, %v", out, err)
	}
}

func TestTokenKubeconfig(t *testing.T) {
	_, _, admin := simulated(t, 1)
	was, err := clientcmd.Load(admin)
	if err != nil {
		t.Fatal(err)
	}
	text, err := tokenKubeconfig(admin, "tok", "azureml-w")
	if err != nil {
		t.Fatal(err)
	}
	is, err := clientcmd.Load(text)
	if err != nil {
		t.Fatal(err)
	}
	now := is.Contexts[is.CurrentContext]
	before := was.Clusters[was.Contexts[was.CurrentContext].Cluster]
	if c := is.Clusters[now.Cluster]; c.Server != before.Server || !bytes.Equal(c.CertificateAuthorityData, before.CertificateAuthorityData) {
		t.Errorf("another cluster: %s", text)
	}
	if u := is.AuthInfos[now.AuthInfo]; u.Token != "tok" || len(u.ClientKeyData) > 0 || now.Namespace != "azureml-w" ||
		len(is.AuthInfos) != 1 {
		t.Errorf("%s", text)
	}
	if bytes.Contains(text, []byte(was.AuthInfos["admin"].Token)) {
		t.Error("the administrator's token is in it")
	}
	k, err := kube.ParseKubeconfig(text)
	if err != nil {
		t.Fatal(err)
	}
	if shown := fmt.Sprintf("%v %+v %#v %s", k, k, k, k); strings.Contains(shown, "tok") {
		t.Errorf("it prints its token: %s", shown)
	}
	if _, err := tokenKubeconfig([]byte("no"), "tok", "ns"); err == nil {
		t.Error("a kubeconfig from nothing")
	}
}

func TestOptions(t *testing.T) {
	var agent string
	c := served(t, func(w http.ResponseWriter, r *http.Request) {
		agent = r.UserAgent() + " " + r.Header.Get("Authorization")
	}, kube.Options{UserAgent: "berth/1 (test)"})
	if err := c.Healthy(t.Context()); err != nil || agent != "berth/1 (test) Bearer "+secret {
		t.Errorf("%v, %q", err, agent)
	}
}

func FuzzConnect(f *testing.F) {
	f.Add([]byte(written(server, token)))
	f.Add([]byte(written(server+", tls-server-name: a, certificate-authority-data: "+secret64, token)))
	f.Add([]byte(written(server, "exec: {command: a, apiVersion: v1, env: [{name: a, value: b}]}")))
	f.Add([]byte(written(server, "username: a, password: b, auth-provider: {name: oidc}, as: x")))
	f.Add(kubeconfigOf("https://[::1]:6443/prefix/", nil))
	f.Add([]byte("a: &a [*a, *a]"))
	f.Add([]byte("kind: Config\napiVersion: v1\ncurrent-context: x\ncontexts: [{name: x}]"))
	f.Add([]byte("apiVersion: v1\nkind: Config\nclusters: null\nusers: [null]\ncurrent-context: ''\ncontexts: [{name: '', context: null}]"))
	f.Add([]byte{0xff, 0xfe, 0})
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := kube.Connect(text, kube.Options{})
		if err != nil {
			if c != nil || len(err.Error()) > 600 {
				t.Fatalf("%v, %d characters of error", c, len(err.Error()))
			}
			return
		}
		c.Close()
		config, err := clientcmd.Load(text)
		if err != nil {
			t.Fatalf("accepted what cannot be parsed: %v", err)
		}
		if u := config.AuthInfos[config.Contexts[config.CurrentContext].AuthInfo]; u.Exec != nil || u.AuthProvider != nil ||
			u.TokenFile+u.ClientCertificate+u.ClientKey+u.Impersonate != "" {
			t.Fatal("accepted a user that runs, reads or acts as someone else")
		}
		out, err := tokenKubeconfig(text, "tok", "ns")
		if err != nil {
			t.Fatalf("accepted, and not written: %v", err)
		}
		again, err := kube.Connect(out, kube.Options{})
		if err != nil {
			t.Fatalf("not read again: %v\n%s", err, out)
		}
		again.Close()
	})
}
