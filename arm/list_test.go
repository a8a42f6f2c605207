package arm_test

import (
	"net/http"
	"net/url"
	"testing"
)

// TestFilter: what can stand in a $filter, and what it finds.
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
}
