package client

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"berth.dev/berth"
)

// tokenMargin is how long before its expiry a token is no longer used: the request it goes with takes time, and clocks differ.
const tokenMargin = 2 * time.Minute

// token is a bearer token and whose it is. For keeps apart the tokens of other credentials in the same file.
type token struct {
	For     string    `json:"for"`
	Value   string    `json:"accessToken"`
	Expires time.Time `json:"expires"`
}

func (t token) good(owner string) bool {
	return t.Value != "" && t.For == owner && time.Until(t.Expires) > tokenMargin
}

// owner is a fingerprint of the credentials: a new secret or another server makes old tokens worthless.
func (c Credentials) owner() string {
	sum := sha256.Sum256([]byte(strings.Join([]string{c.Endpoint, c.TenantID, c.ClientID, c.ClientSecret}, "\n")))
	return hex.EncodeToString(sum[:12])
}

// tokens are kept by audience: each API of the server takes its own.
type tokens map[string]token

// audienceOf is for which API a path wants a token, as what stands behind the endpoint: empty for Resource Manager.
func audienceOf(path string) string {
	if strings.HasPrefix(path, graphPath+"/") {
		return graphAudience
	}
	return ""
}

// bearer is a token that is good for a while: from memory, else from the file, else newly asked for.
func (c *Client) bearer(ctx context.Context, audience string) (string, error) {
	if c.options.Token != "" {
		return c.options.Token, nil
	}
	c.tokenLock.Lock()
	defer c.tokenLock.Unlock()
	owner := c.options.Credentials.owner()
	if t := c.tokens[audience]; t.good(owner) {
		return t.Value, nil
	}
	kept := c.readTokens()
	if t := kept[audience]; t.good(owner) {
		c.tokens[audience] = t
		return t.Value, nil
	}
	t, err := c.askToken(ctx, audience)
	if err != nil {
		return "", err
	}
	t.For = owner
	c.tokens[audience], kept[audience] = t, t
	c.keepTokens(kept)
	return t.Value, nil
}

// scopeOf is the scope of an audience, which is a path of the server or, of Azure, an id of its own.
func (c *Client) scopeOf(audience string) string {
	if audience == "" || strings.HasPrefix(audience, "/") {
		audience = c.base + audience
	}
	return audience + "/.default"
}

// TokenFor is a token for an application of Azure, by its client id, and when the token expires.
func (c *Client) TokenFor(ctx context.Context, application string) (value string, expires time.Time, err error) {
	if value, err = c.bearer(ctx, application); err != nil {
		return "", time.Time{}, err
	}
	c.tokenLock.Lock()
	defer c.tokenLock.Unlock()
	return value, c.tokens[application].Expires, nil
}

// SignIn asks for a token for Resource Manager, and answers it.
func (c *Client) SignIn(ctx context.Context) (string, error) { return c.bearer(ctx, "") }

// refused forgets a token that the server did not take, in memory and in the file.
func (c *Client) refused(value string) {
	c.tokenLock.Lock()
	defer c.tokenLock.Unlock()
	isIt := func(_ string, t token) bool { return t.Value == value }
	maps.DeleteFunc(c.tokens, isIt)
	kept := c.readTokens()
	before := len(kept)
	if maps.DeleteFunc(kept, isIt); len(kept) < before {
		c.keepTokens(kept)
	}
}

// readTokens reads the file. What cannot be read counts as nothing: it is only a cache.
func (c *Client) readTokens() tokens {
	var kept tokens
	if c.options.TokenFile != "" {
		if data, err := os.ReadFile(c.options.TokenFile); err != nil || json.Unmarshal(data, &kept) != nil {
			kept = nil
		}
	}
	if kept == nil {
		kept = tokens{}
	}
	return kept
}

// keepTokens never fails: without the file the next run asks for a token again.
func (c *Client) keepTokens(kept tokens) {
	if c.options.TokenFile == "" {
		return
	}
	if data, err := json.Marshal(kept); err == nil {
		_ = writeSecret(c.options.TokenFile, data)
	}
}

// askToken logs in with the client's secret.
func (c *Client) askToken(ctx context.Context, audience string) (token, error) {
	cr := c.options.Credentials
	form := url.Values{
		"grant_type": {"client_credentials"}, "client_id": {cr.ClientID}, "client_secret": {cr.ClientSecret},
		"scope": {c.scopeOf(audience)},
	}
	res, err := c.postForm(ctx, "/"+url.PathEscape(cr.TenantID)+"/oauth2/v2.0/token", form)
	if err != nil {
		return token{}, err
	}
	if res.Status != http.StatusOK {
		return token{}, tokenError(res)
	}
	var out struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int    `json:"expires_in"`
	}
	if err := json.Unmarshal(res.body, &out); err != nil || out.AccessToken == "" {
		return token{}, berth.Errorf(berth.CodeAuthenticationFailed, "%s gave no token that can be read. Is it really a Berth?", c.base)
	}
	return token{Value: out.AccessToken, Expires: time.Now().Add(time.Duration(out.ExpiresIn) * time.Second)}, nil
}

// postForm sends a form, without a token.
func (c *Client) postForm(ctx context.Context, path string, form url.Values) (*Response, error) {
	text := form.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+path, strings.NewReader(text))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return c.send(req, []byte(text))
}

// tokenError makes an error of what OAuth answers ({"error", "error_description"}).
func tokenError(res *Response) error {
	var out struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	if err := json.Unmarshal(res.body, &out); err != nil || out.Error == "" {
		return decodeError(res)
	}
	message := out.Description
	if message == "" {
		message = "The login was refused."
	}
	return &StatusError{Status: res.Status, Err: berth.Errorf(berth.Code(out.Error), "%s", message)}
}
