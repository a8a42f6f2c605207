package arm_test

import (
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"

	"berth.dev/berth"
	"berth.dev/berth/app/apptest"
	"berth.dev/berth/arm"
	"berth.dev/berth/identity"
)

// issuer creates tokens like the server, with the keys in a folder and at a time that the test sets.
func (f *front) issuer(keysIn string, at time.Time, tenant string) string {
	f.t.Helper()
	c, _, err := identity.LoadOrMakeCredentials(f.Dir, identity.Place{Endpoint: f.Endpoint, CAFile: f.Info.CAFile})
	if err != nil {
		f.t.Fatal(err)
	}
	client, clock := c.Application(), clockwork.NewFakeClockAt(at)
	keys, err := identity.LoadOrMakeKeys(keysIn, clock)
	if err != nil {
		f.t.Fatal(err)
	}
	a, err := identity.New(identity.Options{Issuer: f.Endpoint, TenantID: tenant, Keys: keys, Clock: clock,
		Applications: func(string) (berth.Application, bool) { return client, true }})
	if err != nil {
		f.t.Fatal(err)
	}
	token, err := a.Issue(client, f.Endpoint)
	if err != nil {
		f.t.Fatal(err)
	}
	return token
}

func TestCallers(t *testing.T) {
	f := newFront(t)
	own, foreign := f.Dir, t.TempDir()
	now := time.Now()
	part := strings.SplitN(f.Token, ".", 3)
	for name, c := range map[string]struct{ authorization, code, word string }{
		"no token":          {"", "AuthenticationFailed", "Authorization"},
		"another scheme":    {"Basic YTpi", "AuthenticationFailed", "Bearer"},
		"nonsense":          {"Bearer nonsense", "InvalidAuthenticationToken", "Sign in"},
		"forged":            {"Bearer " + f.issuer(foreign, now, f.TenantID), "InvalidAuthenticationToken", "signature"},
		"changed":           {"Bearer " + part[0] + "." + part[1] + "x." + part[2], "InvalidAuthenticationToken", ""},
		"expired":           {"Bearer " + f.issuer(own, now.Add(-2*time.Hour), f.TenantID), "ExpiredAuthenticationToken", "expired at"},
		"not yet valid":     {"Bearer " + f.issuer(own, now.Add(2*time.Hour), f.TenantID), "InvalidAuthenticationToken", "not valid before"},
		"of another tenant": {"Bearer " + f.issuer(own, now, "11111111-2222-3333-4444-555555555555"), "InvalidAuthenticationToken", "tenant"},
		"for somebody else": {"Bearer " + f.NewToken("https://vault.example/.default"), "InvalidAuthenticationToken", "audience"},
		"without a name":    {"Bearer " + part[0] + "." + part[1] + ".", "InvalidAuthenticationToken", ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := f.as(t)
			for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete} {
				r := g.Send(apptest.Request{Method: method, Path: g.group, Header: map[string]string{"Authorization": c.authorization}})
				g.Refused(r, http.StatusUnauthorized, c.code, c.word)
				g.plain(r)
				challenge := r.Header.Get("WWW-Authenticate")
				if !strings.HasPrefix(challenge, "Bearer ") || !strings.Contains(challenge, `authorization_uri="`+g.Endpoint+"/"+g.TenantID) {
					t.Errorf("the challenge is %q", challenge)
				}
			}
		})
	}
	f.equal(f.get(f.group), "name", group)
	for _, scope := range []string{f.Endpoint + "//.default", "https://management.azure.com/.default",
		"https://management.core.windows.net//.default"} {
		other := *f.Server
		other.Token = f.NewToken(scope)
		other.Want(http.StatusOK, other.Do(http.MethodGet, f.group, nil))
	}
}

// TestAuthorizationHeader: a token is accepted in the form of RFC 6750 only, and from a single header only.
func TestAuthorizationHeader(t *testing.T) {
	f := newFront(t)
	for name, c := range map[string]struct {
		headers []string
		status  int
	}{
		"the form":         {[]string{"Bearer " + f.Token}, http.StatusOK},
		"another casing":   {[]string{"bEARER " + f.Token}, http.StatusOK},
		"sent twice":       {[]string{"Bearer " + f.Token, "Bearer " + f.Token}, http.StatusUnauthorized},
		"and another":      {[]string{"Bearer " + f.Token, "Basic YTpi"}, http.StatusUnauthorized},
		"a tab between":    {[]string{"Bearer \t" + f.Token}, http.StatusUnauthorized},
		"no token":         {[]string{"Bearer"}, http.StatusUnauthorized},
		"a token of Graph": {[]string{"Bearer " + f.NewToken(f.Endpoint+"/graph/.default")}, http.StatusUnauthorized},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, f.Endpoint+f.group+"?api-version="+apptest.Version, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header["Authorization"] = c.headers
		res, err := f.Plain().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != c.status {
			t.Errorf("%s: %s, want %d", name, res.Status, c.status)
		}
	}
}

// TestCallsFromInside: a call of a template deployment is authorized too, also before an answer from memory.
func TestCallsFromInside(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	for range 2 { // the second could come from memory
		call := arm.Call{Caller: clientID, Method: http.MethodGet, Path: s.workspace(), Version: apptest.Version}
		if a, err := s.arm.Do(t.Context(), call); err != nil || a.Body["name"] != workspace {
			t.Fatalf("%v %v", a, err)
		}
		call.Caller = ""
		if a, err := s.arm.Do(t.Context(), call); berth.ErrorCode(err) != berth.CodeAuthenticationFailed ||
			!strings.Contains(err.Error(), "Microsoft.MachineLearningServices/workspaces/read") {
			t.Errorf("without a caller: %v %v", a, err)
		}
	}
}

// TestWithoutToken: the addresses that need no token, and no others.
func TestWithoutToken(t *testing.T) {
	f := newFront(t)
	id := f.get(f.workspace)
	discovery, _ := apptest.At(id, "properties.discoveryUrl").(string)
	for _, path := range []string{"/healthz", "/readyz", "/" + f.TenantID + "/v2.0/.well-known/openid-configuration",
		strings.TrimPrefix(discovery, f.Endpoint)} {
		r := f.Send(apptest.Request{Method: http.MethodGet, Path: path, Raw: true, Header: map[string]string{"Authorization": ""}})
		f.Want(http.StatusOK, r)
		if secret, err := os.ReadFile(f.Info.CredentialsFile); err != nil || strings.Contains(r.Text, f.ClientSecret) || len(secret) == 0 {
			t.Errorf("%s shows a secret (%v)", path, err)
		}
	}
	services := f.Send(apptest.Request{Method: http.MethodGet, Path: discovery, Raw: true,
		Header: map[string]string{"Authorization": ""}}).Body
	for _, key := range []string{"api", "experimentation", "history", "hyperdrive", "modelmanagement", "studio"} {
		f.equal(services, key, f.Endpoint)
	}
}

// TestOwnAddress: answers carry the address that the client used, but never one that an attacker sent.
func TestOwnAddress(t *testing.T) {
	f := newFront(t)
	port := f.Endpoint[strings.LastIndex(f.Endpoint, ":"):]
	for host, want := range map[string]string{"localhost" + port: "https://localhost" + port, "attacker.example": f.Endpoint, "": f.Endpoint} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, f.Endpoint+f.workspace+"?api-version="+apptest.Version, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		r := f.Want(http.StatusOK, f.SendRaw(req))
		if got, _ := apptest.At(r.Body, "properties.discoveryUrl").(string); !strings.HasPrefix(got, want+"/") {
			t.Errorf("called as %q it answers with %s", host, got)
		}
	}
}
