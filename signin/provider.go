package signin

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"sigs.k8s.io/yaml"

	"berth.dev/berth"
	"berth.dev/berth/identity"
)

const (
	patience  = 10 * time.Second // with a provider
	freshness = time.Hour        // of what a provider says about itself; its keys are read again when one is unknown
	maxAnswer = 2 << 20          // bytes
)

// Provider is an outside OpenID Connect provider at which people sign in, as the file of `berth serve --oidc` describes it.
type Provider struct {
	Name             string   `json:"name"`             // in addresses and names: lower case
	Title            string   `json:"title"`            // on its button; the name when empty
	Issuer           string   `json:"issuer"`           // https address
	ClientID         string   `json:"clientId"`         // of Berth, at the provider
	ClientSecretFile string   `json:"clientSecretFile"` // file with the secret; empty for a public client
	CAFile           string   `json:"caFile"`           // PEM of the authority of the provider's certificate; the system's when empty
	Scopes           []string `json:"scopes"`           // beside openid, profile and email
	Groups           string   `json:"groups"`           // claim with the names of groups; "groups" when empty
	GroupPrefix      string   `json:"groupPrefix"`      // only groups whose names begin with it

	secret string
	client *http.Client

	mu    sync.Mutex
	found *oidc.Provider
	until time.Time
}

var providerName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)

// LoadProviders reads the file of providers: a YAML list.
func LoadProviders(file string) ([]*Provider, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("the file of --oidc cannot be read: %w", err)
	}
	var all []*Provider
	if err := yaml.UnmarshalStrict(text, &all); err != nil {
		return nil, fmt.Errorf("the file of --oidc, %s, is not a list of providers: %w", file, err)
	}
	seen := map[string]bool{}
	for i, p := range all {
		if p == nil {
			return nil, fmt.Errorf("the file of --oidc, %s, has an empty entry at place %d", file, i+1)
		}
		if err := p.check(); err != nil {
			return nil, fmt.Errorf("the file of --oidc, %s: provider %q: %w", file, p.Name, err)
		}
		if seen[p.Name] || seen[p.Issuer] {
			return nil, fmt.Errorf("the file of --oidc, %s, has two providers with the name %q or its issuer", file, p.Name)
		}
		seen[p.Name], seen[p.Issuer] = true, true
	}
	return all, nil
}

// check checks a provider, fills in what is left out, and reads its files.
func (p *Provider) check() error {
	u, err := url.Parse(p.Issuer)
	secure := err == nil && (u.Scheme == "https" || u.Scheme == "http" && isLoopback(u.Hostname()))
	switch {
	case !providerName.MatchString(p.Name):
		return errors.New("its name must have 1 to 32 lower case letters, digits and '-'")
	case !secure || u.Host == "" || u.RawQuery != "" || u.Fragment != "":
		return errors.New("its issuer must be an https address (http only on this machine)")
	case p.ClientID == "":
		return errors.New("it needs a clientId: register Berth at the provider first")
	}
	if p.Title == "" {
		p.Title = p.Name
	}
	if p.Groups == "" {
		p.Groups = "groups"
	}
	if p.ClientSecretFile != "" {
		secret, err := os.ReadFile(p.ClientSecretFile)
		if err != nil {
			return fmt.Errorf("its clientSecretFile cannot be read: %w", err)
		}
		if p.secret = strings.TrimSpace(string(secret)); p.secret == "" {
			return errors.New("its clientSecretFile is empty")
		}
	}
	return p.makeClient()
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// makeClient makes the client with which Berth asks the provider: patient for a while, and for answers of a bounded size.
func (p *Provider) makeClient() error {
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, TLSHandshakeTimeout: patience, IdleConnTimeout: time.Minute}
	if p.CAFile != "" {
		text, err := os.ReadFile(p.CAFile)
		if err != nil {
			return fmt.Errorf("its caFile cannot be read: %w", err)
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(text) {
			return errors.New("its caFile has no certificate in PEM")
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	p.client = &http.Client{Transport: bounded{transport}, Timeout: patience, CheckRedirect: sameHost}
	return nil
}

// sameHost follows no redirect to another host: a request may carry the client secret.
func sameHost(r *http.Request, via []*http.Request) error {
	if len(via) > 3 || r.URL.Host != via[0].URL.Host || r.URL.Scheme != via[0].URL.Scheme {
		return http.ErrUseLastResponse
	}
	return nil
}

// bounded bounds the answers of a transport.
type bounded struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.RoundTripper.RoundTrip(r)
	if err == nil {
		resp.Body = http.MaxBytesReader(nil, resp.Body, maxAnswer)
	}
	return resp, err
}

// discovered is what the provider says about itself.
func (p *Provider) discovered(ctx context.Context, now time.Time) (*oidc.Provider, error) {
	p.mu.Lock()
	found, until := p.found, p.until
	p.mu.Unlock()
	if found != nil && now.Before(until) {
		return found, nil
	}
	found, err := oidc.NewProvider(oidc.ClientContext(ctx, p.client), p.Issuer)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.found, p.until = found, now.Add(freshness)
	return found, nil
}

func (p *Provider) config(at *oidc.Provider, redirect string) *oauth2.Config {
	return &oauth2.Config{ClientID: p.ClientID, ClientSecret: p.secret, Endpoint: at.Endpoint(), RedirectURL: redirect,
		Scopes: append([]string{oidc.ScopeOpenID, "profile", "email"}, p.Scopes...)}
}

// silent is the refusal when a provider does not answer, or answers nonsense.
func (p *Provider) silent() error {
	return berth.Errorf(berth.CodeServiceUnavailable, "The provider '%s' does not answer as it should. Try again; the server's log has the "+
		"reason.", p.Title)
}

// claims are what Berth reads of an id token, or of the answer about a user.
type claims struct {
	Name     string `json:"name"`
	Login    string `json:"preferred_username"`
	Mail     string `json:"email"`
	Verified any    `json:"email_verified"` // some providers write it as a string
	Nonce    string `json:"nonce"`
}

// finish exchanges the code of a sign-in at the provider, and verifies who signed in.
func (p *Provider) finish(ctx context.Context, way way, code string, now func() time.Time) (identity.Claims, error) {
	ctx = oidc.ClientContext(ctx, p.client)
	at, err := p.discovered(ctx, now())
	if err != nil {
		return identity.Claims{}, err
	}
	token, err := p.config(at, way.Redirect).Exchange(ctx, code, oauth2.VerifierOption(way.Verifier))
	if err != nil {
		return identity.Claims{}, err
	}
	raw, has := token.Extra("id_token").(string)
	if !has {
		return identity.Claims{}, errors.New("the answer has no id_token")
	}
	id, err := at.VerifierContext(ctx, &oidc.Config{ClientID: p.ClientID, Now: now}).Verify(ctx, raw)
	if err != nil {
		return identity.Claims{}, err
	}
	var c claims
	var all map[string]json.RawMessage
	if err := errors.Join(id.Claims(&c), id.Claims(&all)); err != nil {
		return identity.Claims{}, err
	}
	if c.Nonce != way.Nonce {
		return identity.Claims{}, errors.New("the id token is of another sign-in: its nonce differs")
	}
	out := identity.Claims{Provider: p.Name, Issuer: id.Issuer, Subject: id.Subject, Name: c.Name, Login: c.Login}
	if c.Verified == true || c.Verified == "true" {
		out.Mail = c.Mail
	}
	if _, has := all[p.Groups]; !has && !p.elsewhere(all) && at.UserInfoEndpoint() != "" {
		if all, err = p.userInfo(ctx, at, token, id.Subject); err != nil {
			return identity.Claims{}, err
		}
	}
	out.Groups, err = p.groups(all)
	return out, err
}

// userInfo are the claims that a provider keeps out of the id token.
func (p *Provider) userInfo(ctx context.Context, at *oidc.Provider, token *oauth2.Token, subject string) (
	all map[string]json.RawMessage, err error,
) {
	info, err := at.UserInfo(ctx, oauth2.StaticTokenSource(token))
	if err != nil {
		return nil, fmt.Errorf("what the provider says about the user cannot be read: %w", err)
	}
	if info.Subject != subject { // OpenID Connect Core, 5.3.2
		return nil, errors.New("the provider answers about another user")
	}
	err = info.Claims(&all)
	return all, err
}

// elsewhere reports whether the provider refers to another place for the groups. Entra ID does so when there are more than 200.
func (p *Provider) elsewhere(all map[string]json.RawMessage) bool {
	return strings.Contains(string(all["_claim_names"]), `"`+p.Groups+`"`)
}

// groups reads the names of groups: a list of texts, or one text. None when the claim is not there.
func (p *Provider) groups(all map[string]json.RawMessage) ([]string, error) {
	raw, has := all[p.Groups]
	if p.elsewhere(all) {
		return nil, berth.Errorf(berth.CodeForbidden, "The provider '%s' does not send your groups, because you are in too many. Ask who "+
			"administers it to send only those that are assigned to Berth.", p.Title)
	}
	if !has || string(raw) == "null" {
		return nil, nil
	}
	var names []string
	var one string
	if err := json.Unmarshal(raw, &names); err != nil {
		if err := json.Unmarshal(raw, &one); err != nil {
			return nil, berth.Errorf(berth.CodeForbidden, "The provider '%s' sends your groups in a form that Berth cannot read: the claim '%s' is "+
				"not a list of texts.", p.Title, p.Groups)
		}
		names = []string{one}
	}
	var out []string
	for _, name := range names {
		if strings.HasPrefix(name, p.GroupPrefix) {
			out = append(out, name)
		}
	}
	return out, nil
}
