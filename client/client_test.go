package client_test

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"berth.dev/berth/client"
)

const (
	subscription = "11111111-1111-1111-1111-111111111111"
	secret       = "s3cret-s3cret"
	prefix       = "/subscriptions/" + subscription
)

// server is a scripted Berth: a handler per "METHOD path", and a count of logins.
type server struct {
	*httptest.Server
	caFile string

	mu       sync.Mutex
	logins   int
	refuse   int // so many requests are refused with 401
	seen     []string
	handlers map[string]http.HandlerFunc
}

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{handlers: map[string]http.HandlerFunc{}, caFile: filepath.Join(t.TempDir(), "ca.pem")}
	s.Server = httptest.NewTLSServer(s)
	t.Cleanup(s.Close)
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(s.caFile, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if strings.HasSuffix(r.URL.Path, "/oauth2/v2.0/token") {
		s.logins++
		forGraph := r.FormValue("scope") == s.URL+"/graph/.default"
		if r.FormValue("client_secret") != secret || !forGraph && r.FormValue("scope") != s.URL+"/.default" {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"error":"invalid_client","error_description":"The secret is wrong."}`)
			return
		}
		kind := map[bool]string{false: "token", true: "graph"}[forGraph]
		_, _ = fmt.Fprintf(w, `{"access_token":"%s-%d","expires_in":3600}`, kind, s.logins)
		return
	}
	kind := map[bool]string{false: "token", true: "graph"}[strings.HasPrefix(r.URL.Path, "/graph/")]
	s.seen = append(s.seen, r.Method+" "+r.URL.RequestURI())
	if s.refuse > 0 || !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer "+kind+"-") {
		s.refuse--
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"error":{"code":"InvalidAuthenticationToken","message":"The token is no good."}}`)
		return
	}
	h := s.handlers[r.Method+" "+r.URL.Path]
	if h == nil {
		w.WriteHeader(http.StatusNotFound)
		_, _ = fmt.Fprintf(w, `{"error":{"code":"ResourceNotFound","message":"There is no %s."}}`, r.URL.Path)
		return
	}
	h(w, r)
}

// on answers a request with the bodies in turn; the last one stays.
func (s *server) on(request string, bodies ...string) {
	i := 0
	s.handlers[request] = func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, bodies[min(i, len(bodies)-1)])
		i++
	}
}

func (s *server) options() client.Options {
	return client.Options{PollMax: time.Millisecond, Credentials: client.Credentials{
		Endpoint: s.URL, TenantID: "tenant", SubscriptionID: subscription, ClientID: "me", ClientSecret: secret, CAFile: s.caFile,
	}}
}

func (s *server) client(t *testing.T, change ...func(*client.Options)) *client.Client {
	t.Helper()
	o := s.options()
	for _, f := range change {
		f(&o)
	}
	c, err := client.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestTokenIsAskedForOnceAndKeptInAFile(t *testing.T) {
	s := newServer(t)
	s.on("GET "+prefix+"/resourceGroups/g", `{"name":"g"}`)
	file := filepath.Join(t.TempDir(), "deep", "token.json")
	withFile := func(o *client.Options) { o.TokenFile = file }
	for range 2 { // two commands
		c := s.client(t, withFile)
		for range 3 {
			if g, err := c.GetGroup(t.Context(), "g"); err != nil || g["name"] != "g" {
				t.Fatalf("got %v, %v", g, err)
			}
		}
	}
	if s.logins != 1 {
		t.Errorf("%d logins; one was enough", s.logins)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the token file: %v, %v", info, err)
	}
	text, err := os.ReadFile(file)
	if err != nil || strings.Contains(string(text), secret) {
		t.Errorf("the token file holds the secret: %s, %v", text, err)
	}
	other := s.client(t, withFile, func(o *client.Options) { o.Credentials.ClientSecret = "another" })
	if _, err := other.GetGroup(t.Context(), "g"); err == nil || !strings.Contains(err.Error(), "The secret is wrong.") {
		t.Errorf("another secret used the first one's token: %v", err)
	}
}

// Each API has a token of its own; the file keeps both, and one that was refused alone is forgotten.
func TestTokensAreKeptByAudience(t *testing.T) {
	s := newServer(t)
	s.on("GET "+prefix+"/resourceGroups/g", `{"name":"g"}`)
	s.on("GET /graph/v1.0/servicePrincipals", `{"value":[]}`)
	file := filepath.Join(t.TempDir(), "token.json")
	both := func(logins int) {
		t.Helper()
		c := s.client(t, func(o *client.Options) { o.TokenFile = file })
		for range 2 {
			_, err1 := c.GetGroup(t.Context(), "g")
			_, err2 := c.Applications(t.Context(), "")
			if err1 != nil || err2 != nil {
				t.Fatal(err1, err2)
			}
		}
		if s.logins != logins {
			t.Errorf("%d logins, want %d", s.logins, logins)
		}
	}
	both(2)
	both(2)
	s.refuse = 1
	both(3)
	both(3)
	older := []byte(`{"for":"x","accessToken":"of an older version","expires":"2026-01-01T00:00:00Z"}`)
	if err := os.WriteFile(file, older, 0o600); err != nil {
		t.Fatal(err)
	}
	both(5)
	both(5)
}

// A client that keeps no file asks once too.
func TestTokenIsKeptInMemory(t *testing.T) {
	s := newServer(t)
	s.on("GET "+prefix+"/resourceGroups/g", `{"name":"g"}`)
	c := s.client(t)
	for range 3 {
		if _, err := c.GetGroup(t.Context(), "g"); err != nil {
			t.Fatal(err)
		}
	}
	if s.logins != 1 {
		t.Errorf("%d logins; one was enough", s.logins)
	}
}

func TestRefusedTokenIsReplacedOnce(t *testing.T) {
	s := newServer(t)
	s.on("GET "+prefix+"/resourceGroups/g", `{"name":"g"}`)
	s.refuse = 1
	if _, err := s.client(t).GetGroup(t.Context(), "g"); err != nil || s.logins != 2 {
		t.Errorf("%v after %d logins", err, s.logins)
	}
	s.refuse = 100
	if _, err := s.client(t).GetGroup(t.Context(), "g"); client.StatusOf(err) != http.StatusUnauthorized || s.refuse != 98 {
		t.Errorf("%v, %d refusals left", err, s.refuse)
	}
}

func TestListFollowsNextLinkButNeverToAnotherHost(t *testing.T) {
	s := newServer(t)
	path := "GET " + prefix + "/resourceGroups"
	s.on(path, `{"value":[{"name":"a"}],`+
		`"nextLink":"https://elsewhere.example`+prefix+`/resourceGroups?api-version=2021-04-01&$skiptoken=x"}`, `{"value":[{"name":"b"}]}`)
	list, err := s.client(t).ListGroups(t.Context())
	if err != nil || len(list) != 2 || list[1]["name"] != "b" {
		t.Fatalf("got %v, %v", list, err)
	}
	if want := path + "?api-version=2021-04-01&$skiptoken=x"; s.seen[1] != want {
		t.Errorf("asked %s, want %s", s.seen[1], want)
	}
}

func TestAPIVersionsAndEscaping(t *testing.T) {
	s := newServer(t)
	c := s.client(t)
	_, _ = c.GetGroup(t.Context(), "a/b?c") // what counts is what was asked
	_, _ = c.GetCompute(t.Context(), client.ComputeName{Group: "g", Workspace: "w", Name: "c"})
	_, _ = c.GetCluster(t.Context(), "g", "k")
	_, _ = c.Orchestrators(t.Context(), "westus")
	_, _ = c.DeleteCompute(t.Context(), client.ComputeName{Group: "g", Workspace: "w", Name: "c"}, client.ActionDetach)
	_, _ = c.ListClusters(t.Context(), "")
	ml := prefix + "/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w/computes/c"
	want := []string{
		"GET " + prefix + "/resourceGroups/a%2Fb%3Fc?api-version=2021-04-01",
		"GET " + ml + "?api-version=2024-04-01",
		"GET " + prefix + "/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/k?api-version=2025-02-01",
		"GET " + prefix + "/providers/Microsoft.ContainerService/locations/westus/orchestrators" +
			"?resource-type=managedClusters&api-version=2019-04-01",
		"DELETE " + ml + "?underlyingResourceAction=Detach&api-version=2024-04-01",
		"GET " + prefix + "/providers/Microsoft.ContainerService/managedClusters?api-version=2025-02-01",
	}
	if got := strings.Join(s.seen, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("asked\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}

func TestScaleClusterChangesOnlyTheCount(t *testing.T) {
	s := newServer(t)
	path := prefix + "/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/k"
	s.on("GET "+path, `{"location":"westeurope","tags":{"a":"b"},"properties":{"kubernetesVersion":"1.36.0",`+
		`"agentPoolProfiles":[{"name":"p","count":1,"vmSize":"S"}]}}`)
	var sent string
	s.handlers["PUT "+path] = func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		sent = string(body)
		_, _ = io.WriteString(w, "{}")
	}
	if _, _, err := s.client(t).ScaleCluster(t.Context(), "g", "k", client.PoolScale{Count: 5}); err != nil {
		t.Fatal(err)
	}
	want := `{"location":"westeurope","properties":{"agentPoolProfiles":[{"count":5,"name":"p","vmSize":"S"}],` +
		`"kubernetesVersion":"1.36.0"},"tags":{"a":"b"}}`
	if sent != want {
		t.Errorf("sent %s, want %s", sent, want)
	}
	if _, _, err := s.client(t).ScaleCluster(t.Context(), "g", "k", client.PoolScale{Pool: "q", Count: 5}); err == nil {
		t.Error("a pool that is not there was scaled")
	}
}

func TestTraceShowsNoSecret(t *testing.T) {
	s := newServer(t)
	path := prefix + "/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w/computes/c"
	s.handlers["POST "+path+"/listKeys"] = func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"userKubeConfig":"KUBE-SECRET","adminKubeConfig":"KUBE-SECRET","computeType":"AKS"}`)
	}
	s.on("PUT "+path, `{"kubeconfigs":[{"name":"clusterUser","value":"KUBE-SECRET"}],"kubeconfig":"plain"}`)
	var trace strings.Builder
	c := s.client(t, func(o *client.Options) { o.Trace = &trace })
	name := client.ComputeName{Group: "g", Workspace: "w", Name: "c"}
	if keys, err := c.ComputeKeys(t.Context(), name); err != nil || keys["userKubeConfig"] != "KUBE-SECRET" {
		t.Fatalf("got %v, %v", keys, err)
	}
	body := client.Object{"properties": client.Object{"sslConfiguration": client.Object{"cname": "shown", "key": "PRIVATE-KEY"}}}
	if _, _, err := c.PutCompute(t.Context(), name, body); err != nil {
		t.Fatal(err)
	}
	for _, hidden := range []string{secret, "token-1", "KUBE-SECRET", "PRIVATE-KEY"} {
		if strings.Contains(trace.String(), hidden) {
			t.Errorf("the trace shows %q:\n%s", hidden, trace.String())
		}
	}
	if !strings.Contains(trace.String(), "shown") || !strings.Contains(trace.String(), "POST "+s.URL+path) {
		t.Errorf("the trace shows too little:\n%s", trace.String())
	}
}

func TestCredentialsPrintWithoutTheirSecret(t *testing.T) {
	c := newServer(t).options().Credentials
	if text := fmt.Sprintf("%v %+v %#v %s", c, c, c, c); strings.Contains(text, secret) {
		t.Error(text)
	}
	file := filepath.Join(t.TempDir(), "new", "login.json")
	if err := c.Write(file); err != nil {
		t.Fatal(err)
	}
	back, err := client.ReadCredentials(file)
	if err != nil || back != c {
		t.Errorf("got %v, %v", back, err)
	}
	text, err := os.ReadFile(file)
	if err != nil || !json.Valid(text) || !strings.Contains(string(text), `"clientSecret"`) {
		t.Errorf("got %s, %v", text, err)
	}
}
