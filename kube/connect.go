// Package kube talks to one Kubernetes cluster. It is the only user of client-go.
package kube

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// maxKubeconfig is how large a kubeconfig may be.
const maxKubeconfig = 256 << 10

// Options of a connection. The zero value is good.
type Options struct {
	Timeout time.Duration // of one request; 5 s when zero
}

// Conn is a connection to one cluster. It opens no more than a few sockets; Close gives them back.
type Conn struct {
	client *kubernetes.Clientset
	http   *http.Client
	host   string
}

// Connect reads a kubeconfig, judges it, and makes a client. It asks the cluster nothing yet.
//
// A kubeconfig is untrusted: client-go would run any command and read any file that it names. What could make it do so is
// refused with the name of the field before client-go sees it.
func Connect(kubeconfig []byte, o Options) (*Conn, error) {
	config, err := judge(kubeconfig)
	if err != nil {
		return nil, err
	}
	c, err := clientcmd.NewDefaultClientConfig(*config, &clientcmd.ConfigOverrides{}).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("the kubeconfig cannot be used: %w", err)
	}
	c.Timeout = o.Timeout
	if c.Timeout == 0 {
		c.Timeout = 5 * time.Second
	}
	c.QPS, c.UserAgent = -1, "berth"
	client, err := rest.HTTPClientFor(c)
	if err != nil {
		return nil, err
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error {
		return errors.New("the cluster answered with a redirect, which is not followed")
	}
	set, err := kubernetes.NewForConfigAndClient(c, client)
	if err != nil {
		return nil, err
	}
	return &Conn{client: set, http: client, host: c.Host}, nil
}

// Close gives idle sockets back.
func (c *Conn) Close() { c.http.CloseIdleConnections() }

// Healthy asks /readyz.
func (c *Conn) Healthy(ctx context.Context) error {
	_, err := c.client.RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
	return err
}

// judge parses a kubeconfig and refuses what would make client-go run, read or trust something.
func judge(text []byte) (*clientcmdapi.Config, error) {
	if len(text) > maxKubeconfig {
		return nil, fmt.Errorf("the kubeconfig has %d bytes; at most %d are accepted", len(text), maxKubeconfig)
	}
	config, err := clientcmd.Load(text)
	if err != nil {
		return nil, errors.New("the kubeconfig is not valid YAML of kind Config") // the parser's words may quote secrets
	}
	current, ok := config.Contexts[config.CurrentContext]
	if !ok {
		return nil, fmt.Errorf("the kubeconfig's current-context %q is not among its contexts", config.CurrentContext)
	}
	cluster, user := config.Clusters[current.Cluster], config.AuthInfos[current.AuthInfo]
	if cluster == nil || user == nil {
		return nil, fmt.Errorf("the kubeconfig's context %q names a cluster or user that it does not have", config.CurrentContext)
	}
	if u, err := url.Parse(cluster.Server); err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		return nil, errors.New("the kubeconfig's server must be an https address without a user in it")
	}
	for name, set := range map[string]bool{
		"exec": user.Exec != nil, "auth-provider": user.AuthProvider != nil, "tokenFile": user.TokenFile != "",
		"client-certificate": user.ClientCertificate != "", "client-key": user.ClientKey != "", "as": user.Impersonate != "" || len(user.ImpersonateGroups) > 0 || user.ImpersonateUID != "" || len(user.ImpersonateUserExtra) > 0,
		"certificate-authority": cluster.CertificateAuthority != "", "proxy-url": cluster.ProxyURL != "", "insecure-skip-tls-verify": cluster.InsecureSkipTLSVerify,
	} {
		if set {
			return nil, fmt.Errorf("the kubeconfig has '%s', which is refused: it would make Berth run a command, read a file, act as someone else or trust anybody. Embed the certificates and keys (kubectl config view --raw --flatten), or use a token", name)
		}
	}
	only := clientcmdapi.NewConfig() // other contexts are none of our business
	only.Clusters["cluster"], only.AuthInfos["user"] = cluster, user
	only.Contexts["context"] = &clientcmdapi.Context{Cluster: "cluster", AuthInfo: "user"}
	only.CurrentContext = "context"
	return only, nil
}

// Unreachable says that a cluster gave no answer of its own: the network, TLS or a timeout, not a refusal.
func Unreachable(err error) bool {
	if err == nil {
		return false
	}
	if _, answered := errors.AsType[*apierrors.StatusError](err); answered {
		return apierrors.IsServiceUnavailable(err) || apierrors.IsTimeout(err) || apierrors.IsServerTimeout(err) || apierrors.IsTooManyRequests(err) || apierrors.IsInternalError(err)
	}
	if _, isURL := errors.AsType[*url.Error](err); isURL {
		return true
	}
	_, isNet := errors.AsType[net.Error](err)
	return isNet || errors.Is(err, context.DeadlineExceeded)
}
