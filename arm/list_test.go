package arm_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"berth.dev/berth/app/apptest"
)

func TestLists(t *testing.T) {
	f := newFront(t)
	for _, path := range []string{f.workspace + "/computes", f.group + "/providers/Microsoft.ContainerService/managedClusters", f.provider("Microsoft.ContainerService", "/managedClusters"), "/rp/workspaces" + f.workspace + "/computes"} {
		r := f.Want(http.StatusOK, f.Do(http.MethodGet, path, nil))
		if strings.TrimSpace(r.Text) != `{"value":[]}` {
			t.Errorf("%s: an empty list is %s", path, r.Text)
		}
	}
	for i := range 5 {
		f.Want(http.StatusOK, f.Do(http.MethodPut, f.Workspace(group, fmt.Sprintf("ws-%d", i)), object{"location": "westeurope"}))
	}
	all := f.get(f.group + "/providers/Microsoft.MachineLearningServices/workspaces")
	if _, there := all["nextLink"]; there || names(all) != "Vision ws-0 ws-1 ws-2 ws-3 ws-4" {
		t.Errorf("the list is %s with nextLink %v", names(all), all["nextLink"])
	}
	for _, path := range []string{
		f.group + "/providers/Microsoft.MachineLearningServices/workspaces", f.provider("microsoft.machinelearningservices", "/workspaces"), f.group + "/resources",
		"/subscriptions/" + f.SubscriptionID + "/resources",
	} {
		if got := f.pages(path); got != "Vision ws-0|ws-1 ws-2|ws-3 ws-4" {
			t.Errorf("%s: pages of two are %s", path, got)
		}
	}
}

// pages follows nextLink as it is given and tells the names on each page of two.
func (f *front) pages(path string) string {
	f.t.Helper()
	var out []string
	for next := path + "?$top=2&api-version=2021-04-01"; next != ""; {
		r := f.Want(http.StatusOK, f.Send(apptest.Request{Method: http.MethodGet, Path: next, Raw: true}))
		out = append(out, names(r.Body))
		next, _ = r.Body["nextLink"].(string)
		if next != "" && (!strings.HasPrefix(next, f.Endpoint+"/") || !strings.Contains(next, "api-version=2021-04-01")) {
			f.t.Fatalf("nextLink must be complete: %s", next)
		}
	}
	return strings.Join(out, "|")
}

func TestFilter(t *testing.T) {
	f := newFront(t)
	f.MakeWorkspace("other", "Hearing")
	f.Want(http.StatusOK, f.Do(http.MethodPatch, f.workspace, object{"tags": object{"Team": "rock and roll", "it's": "x"}}))
	sub := "/subscriptions/" + f.SubscriptionID + "/resources"
	for filter, want := range map[string]string{
		"":                         "Hearing Vision",
		"name eq 'vision'":         "Vision",
		"name eq 'nobody'":         "",
		"resourceGroup eq 'OTHER'": "Hearing",
		"resourceType eq 'microsoft.machinelearningservices/WORKSPACES'":                      "Hearing Vision",
		"resourceType eq 'Microsoft.ContainerService/managedClusters'":                        "",
		"resourceType eq 'Microsoft.MachineLearningServices/workspaces' and name eq 'Vision'": "Vision",
		"tagName eq 'team'": "Vision",
		"tagName eq 'team' and tagValue eq 'rock and roll'": "Vision",
		"tagName eq 'team' and tagValue eq 'jazz'":          "",
		"tagName eq 'it''s'":                                "Vision",
		"substringof('ear',name)":                           "Hearing",
		"location eq 'westeurope' AND name EQ 'hearing'":    "Hearing",
	} {
		if got := names(f.get(sub + "?$filter=" + url.QueryEscape(filter))); got != want {
			t.Errorf("%q finds %q, want %q", filter, got, want)
		}
	}
	f.Refused(f.Do(http.MethodGet, sub+"?$filter="+url.QueryEscape("name eq 'a' or name eq 'b'"), nil), http.StatusBadRequest, "InvalidFilterInQueryString")
	if got := names(f.get(f.group + "/resources")); got != "Vision" {
		t.Errorf("the group holds %s", got)
	}
	one := f.get(f.group + "/resources")["value"].([]any)[0]
	for _, key := range []string{"id", "name", "type", "location", "tags", "createdTime", "changedTime", "provisioningState"} {
		if apptest.At(one, key) == nil {
			t.Errorf("a listed resource is without %s: %v", key, one)
		}
	}
}

func TestSubscription(t *testing.T) {
	f := newFront(t)
	sub := "/subscriptions/" + f.SubscriptionID
	f.equal(f.get("/subscriptions"), "value.0.subscriptionId", f.SubscriptionID)
	f.equal(f.get("/subscriptions"), "value.0.tenantId", f.TenantID)
	f.equal(f.get("/subscriptions"), "value.0.state", "Enabled")
	f.equal(f.get(strings.ToUpper(sub)), "id", sub)
	f.equal(f.get("/tenants"), "value.0.tenantId", f.TenantID)
	if !strings.Contains(names(f.get(sub+"/locations")), "westeurope") {
		t.Error("westeurope is not listed")
	}
	f.equal(f.get(sub+"/locations"), "value.0.type", "Region")
	for _, method := range []string{"register", "unregister"} {
		r := f.Want(http.StatusOK, f.Do(http.MethodPost, sub+"/providers/microsoft.containerservice/"+method, nil))
		f.equal(r.Body, "registrationState", "Registered")
	}
	f.equal(f.get(sub+"/providers/Microsoft.MachineLearningServices"), "namespace", "Microsoft.MachineLearningServices")
	f.equal(f.get(sub+"/providers/Microsoft.MachineLearningServices"), "resourceTypes.0.resourceType", "workspaces")
	if n := len(f.get(sub + "/providers")["value"].([]any)); n != 3 {
		t.Errorf("%d providers", n)
	}
}

func TestVersions(t *testing.T) {
	f := newFront(t)
	where := f.provider("Microsoft.ContainerService", "/locations/westus/")
	old := f.get(where + "orchestrators?api-version=2019-04-01&resource-type=managedClusters")
	list, _ := apptest.At(old, "properties.orchestrators").([]any)
	defaults := 0
	for _, v := range list {
		if apptest.At(v, "default") == true {
			defaults++
		}
		f.equal(v, "orchestratorType", "Kubernetes")
	}
	if len(list) != 4 || defaults != 1 {
		t.Errorf("%d versions, %d of them default: %v", len(list), defaults, list)
	}
	f.equal(old, "properties.orchestrators.0.isPreview", true)
	f.equal(old, "properties.orchestrators.1.default", true)
	f.equal(old, "properties.orchestrators.1.upgrades.0.isPreview", true)
	values, _ := f.get(where + "kubernetesVersions")["values"].([]any)
	if len(values) != 4 {
		t.Fatalf("%d minors: %v", len(values), values)
	}
	f.equal(values[1], "version", "1.36")
	f.equal(values[1], "isDefault", true)
	f.equal(values[1], "capabilities.supportPlan.0", "KubernetesOfficial")
	for _, v := range values {
		for _, patch := range apptest.At(v, "patchVersions").(object) {
			if _, isList := patch.(object)["upgrades"].([]any); !isList && patch.(object)["upgrades"] != nil {
				t.Errorf("upgrades of %v", v)
			}
		}
	}
}
