package router_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"berth.dev/berth/router/route"
)

const scoreX = "/api/v1/service/x/score"

func TestAnswers(t *testing.T) {
	custom := versionAt(replica(t, says("custom")))
	custom.ScorePath, custom.SwaggerPath = "/v1/models/half:predict", "/docs/openapi.json"
	open := serviceOf("open", versionAt(replica(t, says("open"))))
	open.Auth = route.Anonymous
	none := serviceOf("none", route.Version{Name: "v1", MaxQueueWaitMS: 1, Backend: route.Backend{Namespace: "n", Service: "s"}})
	empty := endpointOf("empty")
	other := versionAt(replica(t, says("other")))
	other.Name = "v2"
	versions := endpointOf("versions", custom, other)
	versions.Versions[0].Default, versions.VersionPaths = true, true
	versions.Versions[0].Traffic, versions.Versions[1].Traffic = 0, 0
	f := start(t, tableOf(versions, serviceOf("x", versionAt(replica(t, says("x")))), endpointOf("x", custom), open, none, empty), nil)
	for name, c := range map[string]struct {
		method, path string
		headers      []string
		code         int
		body, reason string // reason: a part of it
	}{
		"score":          {"POST", scoreX + "?a=b", nil, 200, "x /score?a=b", ""},
		"get":            {"GET", scoreX, nil, 200, "x /score", ""},
		"swagger":        {"GET", "/api/v1/service/x/swagger.json", nil, 200, "x /swagger.json", ""},
		"deeper":         {"POST", scoreX + "/a%2Fb/c", nil, 200, "x /score/a%2Fb/c", ""},
		"root":           {"GET", "/api/v1/service/x/", nil, 200, "x /", ""},
		"custom":         {"POST", "/api/v1/endpoint/x/score", nil, 200, "custom /v1/models/half:predict", ""},
		"custom swagger": {"GET", "/api/v1/endpoint/x/swagger.json", nil, 200, "custom /docs/openapi.json", ""},
		"custom path":    {"GET", "/api/v1/endpoint/x/v1/models", nil, 200, "custom /v1/models", ""},
		"named version": {"POST", "/api/v1/endpoint/x/score",
			[]string{"azureml-model-deployment: v1"}, 200, "custom /v1/models/half:predict", ""},
		"wrong version": {"POST", "/api/v1/endpoint/x/score",
			[]string{"azureml-model-deployment: v2"}, 404, "Not found", "x has no deployment"},
		"no version": {"POST", "/api/v1/endpoint/empty/score",
			nil, 404, "No valid deployments to route to.", "no deployment of empty has traffic"},
		"version's address":      {"POST", "/api/v1/endpoint/versions/versions/v2/score?a", nil, 200, "other /score?a", ""},
		"version's swagger":      {"GET", "/api/v1/endpoint/versions/versions/v1/swagger.json", nil, 200, "custom /docs/openapi.json", ""},
		"default version":        {"POST", "/api/v1/endpoint/versions/score", nil, 200, "custom /v1/models/half:predict", ""},
		"version without a path": {"GET", "/api/v1/endpoint/versions/versions/v2", nil, 200, "custom /versions/v2", ""},
		"unknown version":        {"POST", "/api/v1/endpoint/versions/versions/v3/score", nil, 404, "Not found", "has no version"},
		"a container's versions": {"GET", "/api/v1/endpoint/x/versions/v2/score", nil, 200, "custom /versions/v2/score", ""},
		"no auth needed":         {"POST", "/api/v1/service/open/score", []string{"Authorization: "}, 200, "open /score", ""},
		"no key":                 {"POST", scoreX, []string{"Authorization: "}, 401, "Unauthorized", "no header Authorization: Bearer"},
		"wrong key": {"POST", scoreX,
			[]string{"Authorization: Bearer nokey"}, 401, "Unauthorized", "neither the primary nor the secondary"},
		"basic":           {"POST", scoreX, []string{"Authorization: Basic " + goodKey}, 401, "Unauthorized", "no header Authorization: Bearer"},
		"other key":       {"POST", scoreX, []string{"Authorization: bearer another"}, 200, "x /score", ""},
		"long key":        {"POST", scoreX, []string{"Authorization: Bearer " + strings.Repeat("k", 9000)}, 401, "Unauthorized", "longer than"},
		"unknown service": {"POST", "/api/v1/service/y/score", nil, 404, "Not found", "this cluster has no service of this name"},
		"unknown address": {"POST", "/score", nil, 404, "Not found", "/api/v1/service/NAME/score"},
		"upwards":         {"POST", "/api/v1/service/x/%2e%2e/y/score", nil, 404, "Not found", "not one of a model"},
		"upwards, hidden": {"POST", "/api/v1/service/x/a%2f..%2fy", nil, 404, "Not found", "not one of a model"},
		"no replicas": {"POST", "/api/v1/service/none/score",
			nil, 503, "No ready replicas for service none", "no replica of the service none is ready"},
		"long id": {"POST", scoreX,
			[]string{"x-ms-client-request-id: " + strings.Repeat("i", 101)}, 431, "Request id too long", "at most 100"},
	} {
		t.Run(name, func(t *testing.T) {
			a := f.ask(t, c.method, c.path, `{"data":[1]}`, c.headers...)
			reason := a.header.Get("x-berth-reason")
			if a.code != c.code || !strings.HasPrefix(a.body, c.body) || !strings.Contains(reason, c.reason) || (c.reason == "") != (reason == "") {
				t.Errorf("%d %q %q; want %d %q %q", a.code, a.body, reason, c.code, c.body, c.reason)
			}
			if id := a.header.Get("x-request-id"); id == "" || id != a.header.Get("x-ms-request-id") {
				t.Errorf("ids %q, %q", id, a.header.Get("x-ms-request-id"))
			}
			if (c.code == 503) != (a.header.Get("Retry-After") == "1") || (c.code == 401) != (a.header.Get("WWW-Authenticate") == "Bearer") {
				t.Errorf("%v", a.header)
			}
		})
	}
}

// What a container is sent, and what it is not.
func TestHeaders(t *testing.T) {
	got := make(chan http.Header, 1)
	s := replica(t, func(w http.ResponseWriter, r *http.Request) {
		got <- r.Header
		w.Header().Set("X-Request-Id", "the container's own")
		w.Header().Set("X-Berth-Reason", "forged")
		w.Header().Set("X-Ms-Run-Fn-Exec-Ms", "1.5")
	})
	f := start(t, tableOf(serviceOf("x", versionAt(s))), nil)
	a := f.ask(t, "POST", scoreX, "{}", "x-request-id: mine", "x-ms-client-request-id: client's", "Connection: X-Hop",
		"X-Hop: 1", "X-Other: 2",
		"X-Forwarded-For: 6.6.6.6", "X-Berth-Peer: guess", "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	h := want(t, got)
	for name, value := range map[string]string{"Authorization": "", "X-Hop": "", "X-Berth-Peer": "", "X-Other": "2", "X-Request-Id": "mine",
		"X-Ms-Request-Id": "mine", "X-Ms-Client-Request-Id": "client's", "X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "http",
		"Traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"} {
		if h.Get(name) != value {
			t.Errorf("%s is %q; want %q", name, h.Get(name), value)
		}
	}
	for name, value := range map[string]string{"X-Request-Id": "mine", "X-Ms-Client-Request-Id": "client's", "X-Berth-Reason": "",
		"X-Ms-Run-Fn-Exec-Ms": "1.5"} {
		if a.header.Get(name) != value {
			t.Errorf("the answer's %s is %q; want %q", name, a.header.Get(name), value)
		}
	}
}

func TestPreflight(t *testing.T) {
	some := serviceOf("x", versionAt(replica(t, says("x"))))
	some.CORS = []string{"https://page.example"}
	all := serviceOf("all", versionAt(replica(t, says("all"))))
	all.CORS = []string{"*"}
	f := start(t, tableOf(some, all, serviceOf("none", versionAt(replica(t, says("none"))))), nil)
	const asks = "Access-Control-Request-Method: POST"
	for _, c := range []struct {
		name, origin string
		code         int
		allowed      bool
	}{
		{"x", "https://page.example", 204, true}, {"x", "https://other.example", 401, false}, {"all", "https://other.example", 204, true},
		{"none", "https://page.example", 401, false},
	} {
		path := "/api/v1/service/" + c.name + "/score"
		a := f.ask(t, "OPTIONS", path, "", "Authorization: ", "Origin: "+c.origin, asks, "Access-Control-Request-Headers: authorization")
		if a.code != c.code || c.allowed && a.header.Get("Access-Control-Allow-Headers") != "authorization" {
			t.Errorf("%+v: %d %v", c, a.code, a.header)
		}
		for _, key := range []string{"Authorization: ", "Origin: " + c.origin} { // without a key, and with
			a = f.ask(t, "POST", path, "{}", key, "Origin: "+c.origin)
			if (a.header.Get("Access-Control-Allow-Origin") == c.origin) != c.allowed {
				t.Errorf("%+v: %d %v", c, a.code, a.header)
			}
		}
	}
}

// Traffic goes by percentages, the rest to the default version; a version can be named.
func TestTraffic(t *testing.T) {
	var versions []route.Version
	for _, name := range []string{"blue", "green", "red"} {
		v := versionAt(replica(t, says(name)))
		v.Name, v.Traffic = name, 0
		versions = append(versions, v)
	}
	share := func(blue, green int, rest bool) map[string]int {
		versions[0].Traffic, versions[1].Traffic = blue, green
		versions[2].Default = rest
		f := start(t, tableOf(endpointOf("x", versions...)), nil)
		count := map[string]int{}
		for range 400 {
			a := f.ask(t, "POST", "/api/v1/endpoint/x/score", "{}")
			word, _, _ := strings.Cut(a.body, " ")
			if a.code == 200 && a.header.Get("azureml-model-deployment") != word {
				t.Fatalf("the answer of %s says %s", word, a.header.Get("azureml-model-deployment"))
			}
			count[fmt.Sprint(a.code, " ", word)]++
		}
		return count
	}
	if c := share(100, 0, false); c["200 blue"] != 400 {
		t.Errorf("all to blue: %v", c)
	}
	if c := share(10, 30, true); c["200 blue"] < 10 || c["200 green"] < 70 || c["200 red"] < 170 { // 40, 120, 240 expected
		t.Errorf("10 and 30 percent, the rest to red: %v", c)
	}
	if c := share(25, 25, false); c["200 blue"] < 140 || c["200 green"] < 140 || c["200 red"] != 0 {
		t.Errorf("25 and 25 percent, no default: %v", c)
	}
	if c := share(0, 0, false); c["404 No"] != 400 {
		t.Errorf("no traffic: %v", c)
	}
}

func TestBeforeTheFirstTable(t *testing.T) {
	f := startEmpty(t)
	if a := f.ask(t, "POST", scoreX, "{}"); a.code != 503 || a.body != "No ready replicas for service x" {
		t.Errorf("%d %s", a.code, a.body)
	}
}
