package arm_test

import (
	"net/http"
	"net/url"
	"path"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"berth.dev/berth/app/apptest"
	"berth.dev/berth/store"
)

// activityLog is the address of events since a time.
func activityLog(subscription, since, more string) string {
	return "/subscriptions/" + subscription + "/providers/Microsoft.Insights/eventtypes/management/values?api-version=2015-04-01&$filter=" +
		url.QueryEscape("eventTimestamp ge "+since+more)
}

// eventsIn are events, the oldest first, as "status, last word of the action, name of the resource".
func eventsIn(list object) (out []string) {
	value, _ := list["value"].([]any)
	for _, v := range slices.Backward(value) {
		word := func(at string) string { text, _ := apptest.At(v, at).(string); return path.Base(text) }
		action, _ := apptest.At(v, "operationName.value").(string)
		if before, is := strings.CutSuffix(action, "/action"); is {
			action = before
		}
		out = append(out, strings.Join([]string{word("status.value"), path.Base(action), word("resourceId")}, " "))
	}
	return out
}

// TestActivityOfDeployment: what a template deployment creates is in the activity log with its correlation id and its caller, each change
// once, and the ends of the operations too.
func TestActivityOfDeployment(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	header := map[string]string{"x-ms-correlation-request-id": "3F2504E0-4F89-41D3-9A0C-0305E82C3301", "x-ms-client-request-id": "mine"}
	deployment := s.group() + "/providers/Microsoft.Resources/deployments/d"
	s.must(s.send("PUT", deployment, header, `{"properties": {"mode": "Incremental", "template": {
		"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#", "contentVersion": "1.0.0.0",
		"resources": [{"type": "Microsoft.Storage/storageAccounts", "apiVersion": "2023-01-01", "name": "stuff", "location": "westeurope",
			"sku": {"name": "Standard_LRS"}, "kind": "StorageV2"},
			{"type": "Microsoft.ContainerService/managedClusters", "apiVersion": "2024-01-01", "name": "aks", "location": "westeurope",
			"properties": {"dnsPrefix": "a", "agentPoolProfiles": [{"name": "a", "count": 1, "vmSize": "Standard_D2s_v3", "mode": "System"}]}}]
		}}}`).is(http.StatusCreated))
	s.settle()
	got := s.send("GET", activityLog(subscriptionID, "2026-03-01", " and correlationId eq '3f2504e0-4f89-41d3-9a0c-0305e82c3301'"), nil, "")
	s.must(got.is(http.StatusOK))
	want := []string{"Accepted write d", "Succeeded write stuff", "Accepted write aks", "Succeeded write aks", "Succeeded write d"}
	if all := eventsIn(got.body().(object)); !reflect.DeepEqual(all, want) {
		t.Errorf("the activity log has %q, want %q", all, want)
	}
	value, _ := got.body().(object)["value"].([]any)
	for _, e := range value {
		if apptest.At(e, "caller") != clientID || apptest.At(e, "httpRequest.clientIpAddress") != "127.0.0.1" {
			t.Errorf("an event has another caller: %v", e)
		}
	}
}

// TestRefusedActivity: refused requests are in the activity log, and a caller that repeats them does not fill it.
func TestRefusedActivity(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	refused := func(n int) {
		t.Helper()
		for range n {
			s.must(s.send("PATCH", s.group()+"/providers/Microsoft.Storage/storageAccounts/none", nil, `{"tags": {}}`).is(http.StatusNotFound))
		}
	}
	read := func() []any {
		t.Helper()
		got := s.send("GET", activityLog(subscriptionID, "2026-03-01", " and status eq 'failed'"), nil, "")
		s.must(got.is(http.StatusOK))
		value, _ := got.body().(object)["value"].([]any)
		return value
	}
	refused(store.MaxRefused + 3)
	if n := len(read()); n != store.MaxRefused {
		t.Errorf("%d events of refused requests, want %d", n, store.MaxRefused)
	}
	s.clock.Advance(time.Minute)
	refused(2)
	last := read()[:2]
	if apptest.At(last[0], "properties.refusedAndNotLogged") != nil || apptest.At(last[1], "properties.refusedAndNotLogged") != "3" ||
		apptest.At(last[0], "subStatus.value") != "NotFound" {
		t.Errorf("the last events are %v", last)
	}
}

// TestActivityIsForReaders: a caller sees the events of what it may read, whatever the page size, and no event has a secret.
func TestActivityIsForReaders(t *testing.T) {
	m := newTeam(t)
	since := time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)
	keys := m.Want(http.StatusOK, m.Do("POST", m.account+"/listKeys", nil))
	secret, _ := apptest.At(keys.Body, "keys.0.value").(string)
	one := m.with(reader, m.group)
	refuses(t, one, "POST", m.account+"/listKeys", "Microsoft.Storage/storageAccounts/listKeys/action", nil)
	nobody := m.NewCaller("nobody")
	read := func(as *apptest.Server, more string) (all []string) {
		t.Helper()
		for next := activityLog(m.SubscriptionID, since, more) + "&$top=1"; next != ""; {
			page := as.Want(http.StatusOK, as.Send(apptest.Request{Method: "GET", Path: next, Raw: true}))
			if secret == "" || strings.Contains(page.Text, secret) {
				t.Fatalf("the activity log has the secret %q", secret)
			}
			all = append(eventsIn(page.Body), all...)
			next, _ = page.Body["nextLink"].(string)
		}
		return all
	}
	ofGroup := read(one.Server, "")
	for _, want := range []string{"Succeeded write " + group, "Succeeded listKeys stuff", "Failed listKeys stuff"} {
		if !slices.Contains(ofGroup, want) || slices.Contains(ofGroup, "Succeeded write Other-RG") {
			t.Errorf("a reader of the group sees %q", ofGroup)
		}
	}
	if all := read(m.Server, ""); !slices.Contains(all, "Succeeded write Other-RG") || len(all) <= len(ofGroup) {
		t.Errorf("the owner sees %q", all)
	}
	if all := read(m.Server, " and caller eq '"+one.ClientID+"'"); !reflect.DeepEqual(all, []string{"Failed listKeys stuff"}) {
		t.Errorf("of the reader there is %q", all)
	}
	refused := nobody.Send(apptest.Request{Method: "GET", Path: activityLog(m.SubscriptionID, since, ""), Raw: true})
	if refused.Status != http.StatusForbidden {
		t.Errorf("who has no role reads the activity log: %d %s", refused.Status, refused.Text)
	}
}
