package kube

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"berth.dev/berth"
)

// maxKubeconfig bounds a kubeconfig, in bytes.
const maxKubeconfig = 256 << 10

// Kubeconfig is a parsed and harmless kubeconfig of one cluster and one user. It holds a credential, and never prints it.
type Kubeconfig struct {
	cluster   *clientcmdapi.Cluster
	user      *clientcmdapi.AuthInfo
	namespace string
}

// ParseKubeconfig parses a kubeconfig, which is untrusted: client-go would run any command and read any file that it names. Fields
// that cause this are refused by name. Only the current context is kept. The error is a sentence for the user, without a period,
// and never contains a secret.
func ParseKubeconfig(text []byte) (*Kubeconfig, error) {
	var none *Kubeconfig
	if len(text) > maxKubeconfig {
		return none, fmt.Errorf("the kubeconfig has %d bytes; at most %d are accepted", len(text), maxKubeconfig)
	}
	if strings.Contains(strings.TrimPrefix(strings.TrimSpace(string(text)), "---"), "\n---") {
		return none, errors.New("the kubeconfig has several YAML documents; give one")
	}
	config, err := clientcmd.Load(text)
	if err != nil {
		return none, errors.New("the kubeconfig is not valid YAML of kind Config") // the parser's own words may quote secrets
	}
	current := config.Contexts[config.CurrentContext]
	if current == nil {
		return none, errors.New("the kubeconfig's current-context is not among its contexts")
	}
	a := &Kubeconfig{cluster: config.Clusters[current.Cluster], user: config.AuthInfos[current.AuthInfo], namespace: current.Namespace}
	if a.cluster == nil || a.user == nil {
		return none, errors.New("the kubeconfig's current context names a cluster or a user that it does not have")
	}
	if a.user.Exec != nil {
		return none, errors.New("the kubeconfig has 'exec', which is refused: it would make Berth run a command. EKS, GKE and AKS write such " +
			"kubeconfigs. Run `berth cluster connect --exec-once`: it runs the command once on your own machine and sends the short-lived " +
			"token. Or use a token (kubectl create token) or an embedded client certificate")
	}
	if field := a.forbidden(); field != "" {
		return none, fmt.Errorf("the kubeconfig has '%s', which is refused: it would make Berth run a command, read a file, "+
			"act as someone else or trust any server. "+
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
func (a *Kubeconfig) forbidden() string {
	c, u := a.cluster, a.user
	for _, f := range []struct {
		name string
		set  bool
	}{
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

// restConfig copies the fields that are known to be data, one by one: a field that a later client-go reads is not among
// them.
func (a *Kubeconfig) restConfig() *rest.Config {
	return &rest.Config{
		Host: a.cluster.Server, BearerToken: a.user.Token, Username: a.user.Username, Password: a.user.Password,
		TLSClientConfig: rest.TLSClientConfig{
			CAData: a.cluster.CertificateAuthorityData, ServerName: a.cluster.TLSServerName,
			CertData: a.user.ClientCertificateData, KeyData: a.user.ClientKeyData,
		},
	}
}

// Server is the https address of the cluster's API.
func (a *Kubeconfig) Server() string { return a.cluster.Server }

// String names the cluster's address, and no secret.
func (a *Kubeconfig) String() string { return "kubeconfig for " + a.cluster.Server }

// GoString is String, for %#v.
func (a *Kubeconfig) GoString() string { return a.String() }

// IsOwnAccount reports whether it signs in as Berth's own account, which an administrator has created by the manifest. The token
// is not verified: the cluster does that at the first request.
func (a *Kubeconfig) IsOwnAccount() bool {
	parts := strings.Split(a.user.Token, ".")
	if len(parts) != 3 {
		return false
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	var claims struct {
		Subject string `json:"sub"`
	}
	return err == nil && json.Unmarshal(text, &claims) == nil &&
		claims.Subject == "system:serviceaccount:"+ConnectionNamespace+":"+connectionName
}

// WithToken is a kubeconfig for the same cluster that signs in with a token, in a namespace.
func (a *Kubeconfig) WithToken(token, namespace string) *Kubeconfig {
	return &Kubeconfig{cluster: a.cluster, user: &clientcmdapi.AuthInfo{Token: token}, namespace: namespace}
}

// clientApplication is the application of kubelogin in every tenant of Microsoft Entra ID.
const clientApplication = "80faf920-1908-4b52-b5ef-a8e7bedfc67a"

// SignIn is a kubeconfig for the same cluster without any credential, as AKS writes it for users who sign in with Microsoft Entra ID:
// kubectl runs kubelogin, which takes the sign-in of az. For other ways (AAD_LOGIN_METHOD) it is told the authority, an https
// address without a slash at its end: it is none that Microsoft knows.
func (a *Kubeconfig) SignIn(authority, tenant string) *Kubeconfig {
	return &Kubeconfig{cluster: a.cluster, namespace: a.namespace, user: &clientcmdapi.AuthInfo{Exec: &clientcmdapi.ExecConfig{
		APIVersion: "client.authentication.k8s.io/v1beta1", Command: "kubelogin", InteractiveMode: clientcmdapi.IfAvailableExecInteractiveMode,
		Args: []string{"get-token", "--login", "azurecli", "--server-id", berth.KubernetesApplication, "--client-id", clientApplication,
			"--tenant-id", tenant, "--authority-host", authority + "/", "--disable-instance-discovery"},
		InstallHint: "https://aka.ms/aks/kubelogin",
	}}}
}

// Names are the names of the entries of a kubeconfig.
type Names struct{ Cluster, User, Context string }

// YAML is the kubeconfig as a file, with its entries under these names: users merge the kubeconfigs of many clusters into one file.
func (a *Kubeconfig) YAML(n Names) ([]byte, error) {
	config := clientcmdapi.NewConfig()
	config.Clusters[n.Cluster] = &clientcmdapi.Cluster{
		Server: a.cluster.Server, CertificateAuthorityData: a.cluster.CertificateAuthorityData, TLSServerName: a.cluster.TLSServerName,
	}
	config.AuthInfos[n.User] = a.user
	config.Contexts[n.Context] = &clientcmdapi.Context{Cluster: n.Cluster, AuthInfo: n.User, Namespace: a.namespace}
	config.CurrentContext = n.Context
	return clientcmd.Write(*config)
}

// Through is a kubeconfig of a cluster on this machine for clients elsewhere: they come to server, an https address, and say by the name
// of the TLS server which cluster they want. A kubeconfig of a cluster that is elsewhere stays as it is.
func Through(kubeconfig []byte, server, name string) ([]byte, error) {
	config, err := clientcmd.Load(kubeconfig)
	if err != nil {
		return nil, errors.New("the cluster's kubeconfig cannot be read") // the parser's own words may quote secrets
	}
	for _, c := range config.Clusters {
		u, err := url.Parse(c.Server)
		if err != nil {
			return nil, err
		}
		if ip, err := netip.ParseAddr(u.Hostname()); err == nil && ip.IsLoopback() {
			c.Server, c.TLSServerName = server, name
		}
	}
	return clientcmd.Write(*config)
}

// Bytes is the kubeconfig as a file for Berth's own use.
func (a *Kubeconfig) Bytes() ([]byte, error) { return a.YAML(Names{"berth", "berth", "berth"}) }
