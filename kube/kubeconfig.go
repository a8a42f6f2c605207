package kube

import (
	"errors"
	"fmt"
	"net/url"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// maxKubeconfig is how large a kubeconfig may be.
const maxKubeconfig = 256 << 10

// access is what is left of a kubeconfig when it was judged: one cluster and one user.
type access struct {
	cluster *clientcmdapi.Cluster
	user    *clientcmdapi.AuthInfo
}

// judge parses a kubeconfig and refuses what would make client-go run, read or trust something. It looks at the current
// context only; the other ones are dropped here and reach nobody.
func judge(text []byte) (access, error) {
	var none access
	if len(text) > maxKubeconfig {
		return none, fmt.Errorf("the kubeconfig has %d bytes; at most %d are accepted", len(text), maxKubeconfig)
	}
	config, err := clientcmd.Load(text)
	if err != nil {
		return none, errors.New("the kubeconfig is not valid YAML of kind Config") // the parser's own words may quote secrets
	}
	current := config.Contexts[config.CurrentContext]
	if current == nil {
		return none, errors.New("the kubeconfig's current-context is not among its contexts")
	}
	a := access{config.Clusters[current.Cluster], config.AuthInfos[current.AuthInfo]}
	if a.cluster == nil || a.user == nil {
		return none, errors.New("the kubeconfig's current context names a cluster or a user that it does not have")
	}
	if field := a.forbidden(); field != "" {
		return none, fmt.Errorf("the kubeconfig has '%s', which is refused: it would make Berth run a command, read a file, act as someone else or trust anybody. "+
			"Embed the certificates and keys (kubectl config view --raw --flatten --minify), or use a token", field)
	}
	u, err := url.Parse(a.cluster.Server)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return none, errors.New("the kubeconfig's server must be a plain https address, such as https://10.0.0.1:6443")
	}
	if a.user.Token == "" && len(a.user.ClientCertificateData) == 0 && a.user.Username == "" {
		return none, errors.New("the kubeconfig's user has no credential: it needs a token or an embedded client certificate")
	}
	if len(a.user.ClientCertificateData) > 0 != (len(a.user.ClientKeyData) > 0) {
		return none, errors.New("the kubeconfig has one of client-certificate-data and client-key-data; a client certificate is both")
	}
	return a, nil
}

// forbidden names the first field that is refused.
func (a access) forbidden() string {
	c, u := a.cluster, a.user
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"exec", u.Exec != nil},
		{"auth-provider", u.AuthProvider != nil},
		{"tokenFile", u.TokenFile != ""},
		{"client-certificate", u.ClientCertificate != ""},
		{"client-key", u.ClientKey != ""},
		{"certificate-authority", c.CertificateAuthority != ""},
		{"as", u.Impersonate != ""},
		{"as-uid", u.ImpersonateUID != ""},
		{"as-groups", len(u.ImpersonateGroups) > 0},
		{"as-user-extra", len(u.ImpersonateUserExtra) > 0},
		{"proxy-url", c.ProxyURL != ""},
		{"insecure-skip-tls-verify", c.InsecureSkipTLSVerify},
	} {
		if f.set {
			return f.name
		}
	}
	return ""
}

// restConfig takes over the fields that are known to be data, one by one: a field that client-go learns to read some day
// is not among them.
func restConfig(a access) *rest.Config {
	return &rest.Config{
		Host: a.cluster.Server, BearerToken: a.user.Token, Username: a.user.Username, Password: a.user.Password,
		TLSClientConfig: rest.TLSClientConfig{
			CAData: a.cluster.CertificateAuthorityData, ServerName: a.cluster.TLSServerName,
			CertData: a.user.ClientCertificateData, KeyData: a.user.ClientKeyData,
		},
	}
}

// TokenKubeconfig is a kubeconfig for the same cluster with a token instead of the administrator's certificate.
func TokenKubeconfig(admin []byte, token, namespace string) ([]byte, error) {
	a, err := judge(admin)
	if err != nil {
		return nil, err
	}
	if token == "" {
		return nil, errors.New("there is no token to write into the kubeconfig")
	}
	a.user = &clientcmdapi.AuthInfo{Token: token}
	return a.write(Names{Cluster: "berth", User: "berth", Context: "berth", Namespace: namespace})
}

// Names are what the entries of a kubeconfig are called.
type Names struct{ Cluster, User, Context, Namespace string }

// Rename is the same access under other names: kubeconfigs of many clusters are merged into one file.
func Rename(kubeconfig []byte, to Names) ([]byte, error) {
	a, err := judge(kubeconfig)
	if err != nil {
		return nil, err
	}
	return a.write(to)
}

func (a access) write(n Names) ([]byte, error) {
	config := clientcmdapi.NewConfig()
	config.Clusters[n.Cluster] = &clientcmdapi.Cluster{
		Server: a.cluster.Server, CertificateAuthorityData: a.cluster.CertificateAuthorityData, TLSServerName: a.cluster.TLSServerName,
	}
	config.AuthInfos[n.User] = a.user
	config.Contexts[n.Context] = &clientcmdapi.Context{Cluster: n.Cluster, AuthInfo: n.User, Namespace: n.Namespace}
	config.CurrentContext = n.Context
	return clientcmd.Write(*config)
}
