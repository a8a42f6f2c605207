package arm_test

import (
	"maps"
	"net/http"
	"strings"
	"testing"

	"berth.dev/berth/app/apptest"
)

// refusal is a request that must be refused, and how.
type refusal struct {
	name, method, path string
	body               any
	header             map[string]string
	status             int
	code               string
	words              []string
}

func (f *front) refuseAll(all []refusal) {
	f.t.Helper()
	for _, c := range all {
		f.t.Run(c.name, func(t *testing.T) {
			g := f.as(t)
			r := g.Send(apptest.Request{Method: c.method, Path: c.path, Body: c.body, Header: c.header, Raw: strings.Contains(c.name, "version")})
			g.Refused(r, c.status, c.code, c.words...)
			g.plain(r)
			g.inKorean(c)
		})
	}
}

// plain checks every error: it has a message, an id and a code, and reveals nothing internal.
func (f *front) plain(r *apptest.Response) {
	f.t.Helper()
	message, _ := apptest.At(r.Body, "error.message").(string)
	if message == "" || r.Header.Get("x-ms-request-id") == "" || r.Header.Get("x-ms-error-code") != apptest.At(r.Body, "error.code") {
		f.t.Errorf("an error without message, id or code: %v %s", r.Header, r.Text)
	}
	if allow := r.Header.Get("Allow"); (allow != "") != (r.Status == http.StatusMethodNotAllowed) {
		f.t.Errorf("status %d with Allow %q", r.Status, allow)
	}
	for _, inside := range []string{".go:", "goroutine", "SQL", "sqlite", "panic", f.ClientSecret, f.Token} {
		if strings.Contains(r.Text, inside) {
			f.t.Errorf("an error shows the inside (%s): %s", inside, r.Text)
		}
	}
}

// inKorean checks that the same refusal comes in Korean when the caller asks for that, with the same code.
func (f *front) inKorean(c refusal) {
	f.t.Helper()
	header := maps.Clone(c.header)
	if header == nil {
		header = map[string]string{}
	}
	header["Accept-Language"] = "ko-KR,ko;q=0.9,en;q=0.8"
	r := f.Send(apptest.Request{Method: c.method, Path: c.path, Body: c.body, Header: header, Raw: strings.Contains(c.name, "version")})
	message, _ := apptest.At(r.Body, "error.message").(string)
	if r.Status != c.status || apptest.At(r.Body, "error.code") != c.code || apptest.EnglishIn(message) != "" {
		f.t.Errorf("in Korean: %d %s", r.Status, r.Text)
	}
	if r.Header.Get("Content-Language") != "ko" || r.Header.Get("Vary") != "Accept-Language" {
		f.t.Errorf("in Korean: %v", r.Header)
	}
}

func TestBadBodies(t *testing.T) {
	f := newFront(t)
	const bad, content = http.StatusBadRequest, "InvalidRequestContent"
	put := func(name, path string, body any, status int, code string, words ...string) refusal {
		return refusal{name: name, method: http.MethodPut, path: path, body: body, status: status, code: code, words: words}
	}
	c, cluster := f.compute("gpu"), f.Cluster(group, "aks")
	f.refuseAll([]refusal{
		put("not JSON", f.group, `{"location":`, bad, content, "not valid JSON"),
		put("wrong JSON", f.group, `{"location" "x"}`, bad, content, "at byte"),
		put("two objects", f.group, `{"location":"westeurope"} {}`, bad, content, "continues after"),
		put("an array", f.group, `[]`, bad, content, "a JSON array", "object is expected"),
		put("no body", f.group, "", bad, content, "no body"),
		put("a number for a string", f.group, object{"location": 5}, bad, content, `"target":"location"`, "a JSON number",
			"a string is expected"),
		put("a string for an object", c, object{"properties": "x"}, bad, content, `"target":"properties"`, "an object"),
		put("a string for a number", c, apptest.AKS(object{"agentCount": "three"}), bad, content,
			`"target":"properties.properties.agentCount"`, "a whole number"),
		put("a broken number", c, apptest.AKS(object{"agentCount": 2.5}), bad, content, `"target":"properties.properties.agentCount"`),
		put("an object for an array", cluster, object{"location": "westeurope", "properties": object{"agentPoolProfiles": object{}}}, bad,
			content, `"target":"properties.agentPoolProfiles"`, "an array"),
		put("a count of text in a pool", cluster, object{"location": "westeurope",
			"properties": object{"agentPoolProfiles": []object{{"count": "x"}}}}, bad, content, `agentPoolProfiles`, `count"`),
		put("tags that are no map", f.group, object{"location": "westeurope", "tags": "x"}, bad, content, `"target":"tags"`, "an object"),
		put("a tag that is no string", f.group, object{"location": "westeurope", "tags": object{"a": 1}}, bad, content, `"target":"tags`,
			"a string"),
		put("too large", f.group, `{"location":"westeurope","x":"`+strings.Repeat("x", 4<<20)+`"}`, http.StatusRequestEntityTooLarge,
			"RequestEntityTooLarge", "4 MB"),
		{name: "wrong content type", method: http.MethodPut, path: f.group, body: "location=westeurope",
			header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"},
			status: http.StatusUnsupportedMediaType, code: "UnsupportedMediaType", words: []string{"application/json"}},
		{name: "no content type at all", method: http.MethodPut, path: f.group, body: "{]", header: map[string]string{"Content-Type": ""},
			status: bad, code: content},
		{name: "PATCH of nonsense", method: http.MethodPatch, path: f.workspace, body: `{"tags":[1]}`, status: bad, code: content,
			words: []string{`"target":"tags"`}},
		{name: "PUT null", method: http.MethodPut, path: f.Group("other"), body: `null`, status: bad, code: "LocationRequired"},
	})
	f.equal(f.get(f.group), "location", apptest.Location)
}

func TestBadAddresses(t *testing.T) {
	f := newFront(t)
	get := func(name, path string, status int, code string, words ...string) refusal {
		return refusal{name: name, method: http.MethodGet, path: path, status: status, code: code, words: words}
	}
	sub := "/subscriptions/" + f.SubscriptionID
	f.refuseAll([]refusal{
		get("no version", f.group, 400, "MissingApiVersionParameter", "?api-version="),
		get("a malformed version", f.group+"?api-version=latest", 400, "InvalidApiVersionParameter", "'latest'", "2024-04-01"),
		get("a version of the wrong form", f.group+"?api-version=2024-4-1", 400, "InvalidApiVersionParameter"),
		get("a version from before there was one", f.group+"?api-version=1999-01-01", 400, "InvalidApiVersionParameter"),
		get("foreign subscription", "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups", 404, "SubscriptionNotFound",
			"11111111"),
		get("subscription that is none", "/subscriptions/x", 404, "SubscriptionNotFound"),
		get("nothing", "/nothing", 404, "InvalidResourceType"),
		get("the root", "/", 404, "InvalidResourceType"),
		get("nothing in the subscription", sub+"/nothing", 404, "InvalidResourceType"),
		get("a missing group", f.Group("nope"), 404, "ResourceGroupNotFound", "'nope'"),
		get("a workspace in no group", f.Workspace("nope", "w"), 404, "ResourceGroupNotFound", "'nope'"),
		get("a missing workspace", f.Workspace(group, "nope"), 404, "ResourceNotFound",
			"Microsoft.MachineLearningServices/workspaces/nope", group),
		get("computes of no workspace", f.Workspace(group, "nope")+"/computes", 404, "ResourceNotFound"),
		get("an unknown kind", f.group+"/providers/Microsoft.ContainerService/fleets/x", 404, "InvalidResourceType", "fleets"),
		get("an unknown child", f.workspace+"/schedules/x", 404, "InvalidResourceType", "schedules"),
		get("an unknown collection", f.workspace+"/schedules", 404, "InvalidResourceType"),
		get("an unknown namespace", f.group+"/providers/Microsoft.Sql/servers/x", 404, "InvalidResourceNamespace",
			"Microsoft.Sql", "Microsoft.ContainerService"),
		get("an unknown provider", f.provider("Microsoft.Sql", ""), 404, "InvalidResourceNamespace"),
		get("a provider's unknown type", f.provider("Microsoft.ContainerService", "/fleets"), 404, "InvalidResourceType"),
		get("versions of a foreign namespace", f.provider("Microsoft.Sql", "/locations/westeurope/orchestrators?api-version=2024-04-01"),
			404, "InvalidResourceNamespace"),
		get("an id with a bad letter", f.group+"/providers/Microsoft.ContainerService/managedClusters/a%3Cb", 400, "InvalidResourceId",
			"character"),
		get("an id with a percent sign", f.group+"/providers/Microsoft.ContainerService/managedClusters/a%25b", 400, "InvalidResourceId",
			"character"),
		get("an id with a control character", f.group+"/providers/Microsoft.ContainerService/managedClusters/a%07b", 400, "InvalidResourceId"),
		get("an id that is too long", f.group+"/providers/Microsoft.ContainerService/managedClusters/"+strings.Repeat("x", 3000), 400,
			"InvalidResourceId", "2048"),
		get("a group with a bad letter", f.Group("a%3Cb"), 400, "InvalidResourceId"),
		get("an operation that is none", f.provider("Microsoft.ContainerService", "/locations/westeurope/operationsStatuses/x"), 404,
			"OperationNotFound", "7 days"),
		get("a place that is none", f.provider("Microsoft.ContainerService", "/locations/atlantis/orchestrators"), 400,
			"LocationNotAvailableForResourceType", "atlantis"),
		get("a page size that is none", f.group+"/resources?$top=many", 400, "InvalidRequestContent", "$top"),
		get("a token for pages that is none", sub+"/resourceGroups?$skiptoken=%25%25", 400, "InvalidRequestContent", "$skiptoken"),
		get("a filter that is none", sub+"/resources?$filter=size%20gt%205", 400, "InvalidFilterInQueryString", "resourceType"),
		get("an upgrade profile of another name", f.Cluster(group, "nope")+"/upgradeProfiles/other", 404, "ResourceNotFound"),
	})
}

func TestBadMethods(t *testing.T) {
	f := newFront(t)
	no := func(method, path string) refusal {
		return refusal{name: method + path[len(path)-8:], method: method, path: path, status: http.StatusMethodNotAllowed,
			code: "MethodNotAllowed", words: []string{method}}
	}
	f.refuseAll([]refusal{
		no(http.MethodPost, f.group), no(http.MethodPut, f.workspace+"/computes"), no(http.MethodDelete, "/subscriptions"),
		no(http.MethodPut, f.provider("Microsoft.ContainerService", "/register")),
		no(http.MethodGet, f.provider("Microsoft.ContainerService", "/register")),
		no(http.MethodPost, f.workspace), no("OPTIONS", f.workspace), no(http.MethodPost, "/tenants"),
		{name: "an unknown action", method: http.MethodPost, path: f.workspace + "/dance", status: 404, code: "InvalidResourceType",
			words: []string{"'dance'"}},
		{name: "an action on a missing compute", method: http.MethodPost, path: f.compute("nope") + "/listKeys", status: 404,
			code: "ResourceNotFound"},
		{name: "a delete of a missing group", method: http.MethodDelete, path: f.Group("nope"), status: 404,
			code: "ResourceGroupNotFound"},
	})
	f.Want(http.StatusNoContent, f.Do(http.MethodDelete, f.compute("nope"), nil))
	f.Want(http.StatusNoContent, f.Do(http.MethodDelete, f.Cluster(group, "nope"), nil))
}
