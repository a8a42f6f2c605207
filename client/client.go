// Package client is a typed client of Berth's Azure Resource Manager API: the command line, the web
// pages and the tests use it.
//
// Resources travel as Object, the JSON as it was answered: the server's shapes are wide and change with the api-version,
// and most callers only pass them on. What callers act on (operations, errors, credentials) is typed.
package client

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"berth.dev/berth"
)

// Object is a JSON object as it travelled.
type Object = map[string]any

// Options select the server to talk to, and how.
type Options struct {
	Credentials Credentials
	HTTPClient  *http.Client // nil: one that trusts Credentials.CAFile
	UserAgent   string       // "berth" when empty
	Language    string       // of the server's sentences, as for Accept-Language; English when empty
	Trace       io.Writer    // requests and answers are written here, without their secrets; nil for none
	Warn        func(string) // called with each warning about a request that the server accepted; may be nil
	Token       string       // sent as it is, instead of signing in; empty: Credentials sign in
	TokenFile   string       // keeps the tokens between runs, mode 0600; empty: in memory only
	// PollMax caps how long Wait sleeps between two polls; zero follows the server's Retry-After.
	PollMax time.Duration
}

// Client talks to one Berth. It may be used by many goroutines at once.
type Client struct {
	options Options
	base    string // https://host:port
	http    *http.Client

	tokenLock sync.Mutex
	tokens    tokens
}

// New makes a client. It sends no request yet.
func New(o Options) (*Client, error) {
	if o.Token == "" {
		if err := o.Credentials.check(); err != nil {
			return nil, err
		}
	}
	u, err := url.Parse(o.Credentials.Endpoint)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("the endpoint %q is not an https address such as https://127.0.0.1:8443", o.Credentials.Endpoint)
	}
	if o.UserAgent == "" {
		o.UserAgent = "berth"
	}
	c := &Client{options: o, base: "https://" + u.Host, http: o.HTTPClient, tokens: tokens{}}
	if c.http == nil {
		if c.http, err = HTTPClient(o.Credentials.CAFile); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// HTTPClient trusts the one CA in the file; without a file, those of the system.
func HTTPClient(caFile string) (*http.Client, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if caFile != "" {
		pem, err := os.ReadFile(caFile)
		if err != nil {
			return nil, fmt.Errorf("the certificate of Berth's CA cannot be read: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("the file %s holds no PEM certificate; it should be the ca.pem of Berth's data folder", caFile)
		}
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = config
	transport.MaxIdleConnsPerHost = 64
	return &http.Client{Transport: transport, Timeout: time.Minute, CheckRedirect: noRedirect}, nil
}

// noRedirect: Berth never redirects, and a token must not reach another server.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// Endpoint is the address of the Berth that this client talks to.
func (c *Client) Endpoint() string { return c.base }

// CloudName asks the server for the name of its cloud.
func (c *Client) CloudName(ctx context.Context) (string, error) {
	var cloud struct {
		Name string `json:"name"`
	}
	err := c.Get(ctx, "/metadata/endpoints?api-version=2022-09-01", &cloud)
	return cmp.Or(cloud.Name, CloudName), err
}

// Subscription is the id of the subscription that the typed methods work in.
func (c *Client) Subscription() string { return c.options.Credentials.SubscriptionID }

// ID is the id of a resource of type typ in a group of this client's subscription.
func (c *Client) ID(group, typ string, names ...string) berth.ID {
	return berth.NewID(c.Subscription(), group, typ, names...)
}

// Path is where a resource is found: its id, with each part escaped, so that a slash in a name cannot change the path.
func Path(id berth.ID) string {
	var b strings.Builder
	b.WriteString("/subscriptions/" + url.PathEscape(id.Subscription))
	if id.Group != "" {
		b.WriteString("/resourceGroups/" + url.PathEscape(id.Group))
	}
	if id.Scope != "" { // what the resource extends
		b.WriteString("/providers")
		for word := range strings.SplitSeq(id.Scope, "/") {
			b.WriteString("/" + url.PathEscape(word))
		}
	}
	if id.Namespace != "" {
		b.WriteString("/providers/" + url.PathEscape(id.Namespace))
	}
	for i, typ := range id.Types {
		b.WriteString("/" + typ)
		if i < len(id.Names) { // a collection has one type more than it has names
			b.WriteString("/" + url.PathEscape(id.Names[i]))
		}
	}
	return b.String()
}

// The api-versions that this client speaks.
const (
	versionResources     = "2021-04-01"
	versionML            = "2024-04-01"
	versionContainers    = "2025-02-01"
	versionConnected     = "2024-01-01"
	versionOrchestrators = "2019-04-01"
)

// withVersion adds the api-version that belongs to the path, unless it has one.
func withVersion(path string) string {
	before, query, _ := strings.Cut(path, "?")
	if strings.Contains(query, "api-version=") || strings.HasPrefix(before, graphPath+"/") {
		return path
	}
	version := versionResources
	switch lower := strings.ToLower(before); {
	case strings.HasSuffix(lower, "/orchestrators"):
		version = versionOrchestrators
	case strings.Contains(lower, "/providers/microsoft.machinelearningservices"):
		version = versionML
	case strings.Contains(lower, "/providers/microsoft.kubernetes/"):
		version = versionConnected
	case strings.Contains(lower, "/providers/microsoft.containerservice"):
		version = versionContainers
	}
	sep := "?"
	if query != "" {
		sep = "&"
	}
	return path + sep + "api-version=" + version
}

// local makes a path of an address that the server sent. Only the path counts: whatever host an answer names, the token
// goes to the endpoint and nowhere else.
func local(address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil || !strings.HasPrefix(u.Path, "/") {
		return "", errors.New("the server named an address that cannot be read: " + address)
	}
	path := u.EscapedPath()
	if u.RawQuery != "" {
		path += "?" + u.RawQuery
	}
	return path, nil
}
