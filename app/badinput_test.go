package app_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"berth.dev/berth/client"
)

// raw talks to the server as a stranger would: with whatever one likes.
type raw struct {
	*world
	http        *http.Client
	credentials client.Credentials
	token       string
	base        string // …/subscriptions/{id}
}

func newRaw(t *testing.T) *raw {
	t.Helper()
	w := start(t, t.TempDir())
	credentials, err := client.CredentialsIn(w.dir)
	w.must(err)
	text, err := os.ReadFile(credentials.CAFile)
	w.must(err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	r := &raw{world: w, credentials: credentials, http: &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}}
	r.base = credentials.Endpoint + "/subscriptions/" + credentials.SubscriptionID
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {credentials.ClientID}, "client_secret": {credentials.ClientSecret}, "scope": {credentials.Endpoint + "/.default"}}
	resp, err := r.http.PostForm(credentials.Endpoint+"/"+credentials.TenantID+"/oauth2/v2.0/token", form)
	w.must(err)
	var body struct {
		Token string `json:"access_token"`
	}
	w.must(errors.Join(json.NewDecoder(resp.Body).Decode(&body), resp.Body.Close()))
	r.token = body.Token
	return r
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   map[string]any
	text   string
}

func (r *raw) do(method, path, body string, header ...string) answer {
	r.Helper()
	if !strings.HasPrefix(path, "https://") {
		path = r.base + path
	}
	req, err := http.NewRequestWithContext(r.ctx, method, path, strings.NewReader(body))
	r.must(err)
	req.Header.Set("Authorization", "Bearer "+r.token)
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := r.http.Do(req)
	r.must(err)
	text, err := io.ReadAll(resp.Body)
	r.must(errors.Join(err, resp.Body.Close()))
	a := answer{status: resp.StatusCode, header: resp.Header, text: string(text)}
	if len(bytes.TrimSpace(text)) > 0 {
		r.must(json.Unmarshal(text, &a.body))
	}
	return a
}

func (a answer) code() string {
	e, _ := a.body["error"].(map[string]any)
	code, _ := e["code"].(string)
	return code
}

const (
	apiVersion = "?api-version=2024-04-01"
	groupPath  = "/resourceGroups/rg"
	ws         = groupPath + "/providers/Microsoft.MachineLearningServices/workspaces/wspace"
	aks        = groupPath + "/providers/Microsoft.ContainerService/managedClusters"
)

// TestBadInput: what strangers send gets a clear error and changes nothing.
func TestBadInput(t *testing.T) {
	r := newRaw(t)
	r.makeWorkspace()
	valid := `{"properties":{"computeType":"AKS"}}`
	for name, c := range map[string]struct {
		method, path, body string
		header             []string
		status             int
		code               string
		says               string
	}{
		"malformed JSON":       {"PUT", ws + "/computes/abc" + apiVersion, `{"a":`, nil, 400, "InvalidRequestContent", "not valid JSON"},
		"more after the JSON":  {"PUT", ws + "/computes/abc" + apiVersion, valid + "{}", nil, 400, "InvalidRequestContent", "goes on"},
		"no body":              {"PUT", ws + "/computes/abc" + apiVersion, "", nil, 400, "InvalidRequestContent", "no body"},
		"a list":               {"PUT", ws + "/computes/abc" + apiVersion, "[]", nil, 400, "InvalidRequestContent", "object"},
		"wrong type":           {"PUT", ws + "/computes/abc" + apiVersion, `{"properties":{"computeType":"AKS","properties":{"agentCount":"three"}}}`, nil, 400, "InvalidRequestContent", "properties.properties.agentCount"},
		"too large":            {"PUT", ws + "/computes/abc" + apiVersion, `{"x":"` + strings.Repeat("a", 5<<20) + `"}`, nil, 413, "RequestEntityTooLarge", "4 MB"},
		"content type":         {"PUT", ws + "/computes/abc" + apiVersion, valid, []string{"Content-Type", "text/xml"}, 415, "UnsupportedMediaType", "application/json"},
		"no api-version":       {"GET", ws, "", nil, 400, "MissingApiVersionParameter", "api-version"},
		"bad api-version":      {"GET", ws + "?api-version=1.0", "", nil, 400, "InvalidApiVersionParameter", "date"},
		"unknown namespace":    {"GET", groupPath + "/providers/Microsoft.Nothing/things/x" + apiVersion, "", nil, 404, "InvalidResourceNamespace", "Microsoft.ContainerService"},
		"unknown kind":         {"GET", groupPath + "/providers/Microsoft.ContainerService/things/x" + apiVersion, "", nil, 404, "InvalidResourceType", "things"},
		"bad id":               {"GET", groupPath + "/providers/Microsoft.ContainerService/managedClusters/a%25b" + apiVersion, "", nil, 400, "InvalidResourceId", "character"},
		"no such group":        {"PUT", "/resourceGroups/none/providers/Microsoft.MachineLearningServices/workspaces/wspace" + apiVersion, `{"location":"westeurope"}`, nil, 404, "ResourceGroupNotFound", "none"},
		"no such workspace":    {"PUT", groupPath + "/providers/Microsoft.MachineLearningServices/workspaces/none/computes/abc" + apiVersion, valid, nil, 404, "ParentResourceNotFound", "none"},
		"not there":            {"GET", ws + "/computes/none" + apiVersion, "", nil, 404, "ResourceNotFound", "none"},
		"unknown compute type": {"PUT", ws + "/computes/abc" + apiVersion, `{"properties":{"computeType":"AmlCompute"}}`, nil, 400, "InvalidRequestContent", "AKS and Kubernetes"},
		"unknown size":         {"PUT", ws + "/computes/abc" + apiVersion, `{"properties":{"computeType":"AKS","properties":{"agentVmSize":"Standard_D3_v9"}}}`, nil, 400, "BadRequest", "Standard_D3_v2"},
		"several at once":      {"PUT", ws + "/computes/1" + apiVersion, `{"properties":{"computeType":"AKS","properties":{"agentVmSize":"X","agentCount":-1}}}`, nil, 400, "BadRequest", "3 rules"},
		"unknown location":     {"PUT", "/resourceGroups/new" + apiVersion, `{"location":"mars"}`, nil, 400, "LocationNotAvailableForResourceType", "mars"},
		"no location":          {"PUT", "/resourceGroups/new" + apiVersion, `{}`, nil, 400, "LocationRequired", "location"},
		"other location":       {"PUT", ws + apiVersion, `{"location":"eastus"}`, nil, 409, "InvalidResourceLocation", "westeurope"},
		"group name":           {"PUT", "/resourceGroups/new." + apiVersion, `{"location":"westeurope"}`, nil, 400, "InvalidResourceName", "period"},
		"stale ETag":           {"PUT", ws + apiVersion, `{"location":"westeurope"}`, []string{"If-Match", `"99"`}, 412, "PreconditionFailed", "Read it again"},
		"must be new":          {"PUT", ws + apiVersion, `{"location":"westeurope"}`, []string{"If-None-Match", "*"}, 412, "PreconditionFailed", "already there"},
		"bad attach id":        {"PUT", ws + "/computes/abc" + apiVersion, `{"properties":{"computeType":"AKS","resourceId":"nonsense"}}`, nil, 400, "InvalidResourceId", "nonsense"},
		"attach of nothing":    {"PUT", ws + "/computes/abc" + apiVersion, `{"properties":{"computeType":"AKS","resourceId":"` + r.id(aks+"/none") + `"}}`, nil, 404, "ResourceNotFound", "none"},
		"foreign subscription": {"GET", r.credentials.Endpoint + "/subscriptions/00000000-0000-0000-0000-000000000000/resourcegroups" + apiVersion, "", nil, 404, "SubscriptionNotFound", "could not be found"},
		"unknown action":       {"POST", ws + "/explode" + apiVersion, "", nil, 404, "InvalidResourceType", "explode"},
		"wrong method":         {"DELETE", "/locations" + apiVersion, "", nil, 405, "MethodNotAllowed", "GET"},
		"bad filter":           {"GET", "/resources" + apiVersion + "&$filter=" + url.QueryEscape("a gt 3"), "", nil, 400, "InvalidFilterInQueryString", "eq"},
		"bad page":             {"GET", "/resources" + apiVersion + "&$top=many", "", nil, 400, "InvalidRequestContent", "$top"},
		"second pool":          {"PUT", aks + "/c" + apiVersion, `{"location":"westeurope","properties":{"agentPoolProfiles":[{"name":"a"},{"name":"b"}]}}`, nil, 400, "BadRequest", "second node pool"},
		"no token":             {"GET", ws + apiVersion, "", []string{"Authorization", ""}, 401, "AuthenticationFailed", ""},
		"forged token":         {"GET", ws + apiVersion, "", []string{"Authorization", "Bearer " + forged(r.token)}, 401, "InvalidAuthenticationToken", ""},
	} {
		a := r.do(c.method, c.path, c.body, c.header...)
		if a.status != c.status || a.code() != c.code || !strings.Contains(a.text, c.says) {
			t.Errorf("%s: %d %s\n  want %d %s that says %q", name, a.status, a.text, c.status, c.code, c.says)
		}
		if strings.Contains(a.text, "goroutine") || strings.Contains(a.text, ".go:") || strings.Contains(a.text, r.token) {
			t.Errorf("%s: the answer shows the inside: %s", name, a.text)
		}
		if c.status == 401 && !strings.Contains(a.header.Get("WWW-Authenticate"), r.credentials.TenantID) {
			t.Errorf("%s: WWW-Authenticate is %q", name, a.header.Get("WWW-Authenticate"))
		}
	}
	if a := r.do("GET", ws+"/computes"+apiVersion, ""); len(a.body["value"].([]any)) != 0 {
		t.Errorf("something was made after all: %s", a.text)
	}
}

func (r *raw) id(path string) string {
	return "/subscriptions/" + r.credentials.SubscriptionID + path
}

// forged is a token with another body under the same signature.
func forged(token string) string {
	parts := strings.Split(token, ".")
	parts[1] = strings.Repeat("A", len(parts[1]))
	return strings.Join(parts, ".")
}

// TestProtocol: what clients demand of ARM, beyond the happy path.
func TestProtocol(t *testing.T) {
	r := newRaw(t)
	r.makeWorkspace()
	want := func(what string, a answer, status int) {
		t.Helper()
		if a.status != status {
			t.Errorf("%s: got %d %s, want %d", what, a.status, a.text, status)
		}
	}
	want("HEAD of a group", r.do("HEAD", groupPath+apiVersion, ""), 204)
	want("HEAD of no group", r.do("HEAD", "/resourceGroups/none"+apiVersion, ""), 404)
	want("a workspace again", r.do("PUT", ws+apiVersion, `{"location":"West Europe"}`), 200)
	want("doubled slashes", r.do("GET", r.credentials.Endpoint+"//subscriptions//"+r.credentials.SubscriptionID+groupPath+apiVersion, ""), 200)
	want("other casing", r.do("GET", "/resourcegroups/RG/providers/microsoft.machinelearningservices/WORKSPACES/wspace"+apiVersion, ""), 200)
	want("a later api-version", r.do("GET", ws+"?api-version=2031-01-01-preview", ""), 200)
	want("health without a token", r.do("GET", r.credentials.Endpoint+"/readyz", "", "Authorization", ""), 200)
	want("register", r.do("POST", "/providers/Microsoft.ContainerService/register"+apiVersion, ""), 200)
	want("delete of nothing", r.do("DELETE", ws+"/computes/none"+apiVersion+"&underlyingResourceAction=delete", ""), 204)

	a := r.do("GET", ws+apiVersion, "", "x-ms-client-request-id", "mine", "x-ms-return-client-request-id", "true")
	if a.header.Get("x-ms-client-request-id") != "mine" || a.header.Get("x-ms-request-id") == "" || a.header.Get("ETag") == "" {
		t.Errorf("the headers are %v", a.header)
	}
	discovery := r.do("GET", a.body["properties"].(map[string]any)["discoveryUrl"].(string), "", "Authorization", "")
	for _, key := range []string{"api", "experimentation", "history", "hyperdrive", "modelmanagement", "studio"} {
		if discovery.body[key] != r.credentials.Endpoint {
			t.Errorf("discovery has %q for %s", discovery.body[key], key)
		}
	}
	r.do("PATCH", groupPath+apiVersion, `{"tags":{"team":"ml"}}`)
	if a := r.do("GET", groupPath+apiVersion, ""); a.body["tags"].(map[string]any)["team"] != "ml" {
		t.Errorf("after PATCH the group is %s", a.text)
	}
	r.lists(t)
}

// lists: filters, and a nextLink only where there is a next page.
func (r *raw) lists(t *testing.T) {
	for _, name := range []string{"wsp1", "wsp2", "wsp3"} {
		r.do("PUT", groupPath+"/providers/Microsoft.MachineLearningServices/workspaces/"+name+apiVersion, `{"location":"westeurope","tags":{"n":"`+name+`"}}`)
	}
	all := groupPath + "/providers/Microsoft.MachineLearningServices/workspaces" + apiVersion
	if a := r.do("GET", all, ""); len(a.body["value"].([]any)) != 4 || a.body["nextLink"] != nil || strings.Contains(a.text, "nextLink") {
		t.Errorf("the whole list is %s", a.text)
	}
	seen, next := 0, r.base+all+"&$top=3"
	for pages := 0; next != "" && pages < 5; pages++ {
		a := r.do("GET", next, "")
		seen += len(a.body["value"].([]any))
		next, _ = a.body["nextLink"].(string)
	}
	if seen != 4 {
		t.Errorf("page by page there are %d workspaces", seen)
	}
	for filter, n := range map[string]int{
		"resourceType eq 'microsoft.machinelearningservices/workspaces'": 4, "name eq 'wsp2'": 1, "tagName eq 'n' and tagValue eq 'wsp3'": 1,
		"resourceGroup eq 'RG'": 4, "resourceGroup eq 'none'": 0, "substringof('sp1',name)": 1,
	} {
		if a := r.do("GET", "/resources"+apiVersion+"&$filter="+url.QueryEscape(filter), ""); len(a.body["value"].([]any)) != n {
			t.Errorf("%s finds %s, want %d", filter, a.text, n)
		}
	}
}
