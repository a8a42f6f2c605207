package graph_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"berth.dev/berth/app/apptest"
)

// TestActivity: who changes callers, people and keys, and who gets a secret, is in the activity log; what they get is not.
func TestActivity(t *testing.T) {
	f := newFront(t)
	since := time.Now().Add(-time.Minute).UTC().Format(time.RFC3339)
	made := f.send(http.StatusCreated, "POST", "/graph/v1.0/applications", object{"displayName": "ci"})
	f.send(http.StatusCreated, "POST", "/graph/v1.0/servicePrincipals", object{"appId": made["appId"]})
	path := "/graph/v1.0/applications/" + made["id"].(string)
	secret := f.send(http.StatusOK, "POST", path+"/addPassword", object{})["secretText"].(string)
	f.send(http.StatusOK, "POST", "/graph/v1.0/berth/rotateSigningKey", object{})
	f.list("/graph/v1.0/applications")
	f.send(http.StatusBadRequest, "PATCH", path, object{"nonsense": 1})
	nobody := f.NewCaller("nobody")
	nobody.Token = nobody.NewToken(f.Endpoint + "/graph/.default")
	refused := nobody.Send(apptest.Request{Method: "DELETE", Path: path, Raw: true})
	if refused.Status != http.StatusForbidden {
		t.Errorf("nobody deletes a caller: %d %s", refused.Status, refused.Text)
	}
	f.send(http.StatusNoContent, "DELETE", path, nil)

	f.Token = f.NewToken(f.Endpoint + "/.default")
	log := f.Want(http.StatusOK, f.Send(apptest.Request{Method: "GET", Raw: true, Path: "/subscriptions/" + f.SubscriptionID +
		"/providers/Microsoft.Insights/eventtypes/management/values?api-version=2015-04-01&$filter=" +
		url.QueryEscape("eventTimestamp ge "+since+" and resourceProvider eq 'Microsoft.Graph'")}))
	var all []string
	for _, e := range log.Body["value"].([]any) {
		status, action := apptest.At(e, "status.value").(string), apptest.At(e, "operationName.value").(string)
		by := "nobody"
		if apptest.At(e, "caller") == f.ClientID {
			by = "owner"
		}
		all = append([]string{by + " " + status + " " + strings.TrimPrefix(action, "Microsoft.Graph/")}, all...)
	}
	want := []string{"owner Succeeded applications/write", "owner Succeeded servicePrincipals/write",
		"owner Succeeded applications/addPassword/action", "owner Succeeded berth/rotateSigningKey/action", "owner Failed applications/write",
		"owner Succeeded applications/write", "owner Succeeded servicePrincipals/write", // the caller without a role, with its secret
		"owner Succeeded servicePrincipals/addPassword/action", "nobody Failed applications/delete", "owner Succeeded applications/delete"}
	if strings.Join(all, "\n") != strings.Join(want, "\n") {
		t.Errorf("the activity log has\n%s\nwant\n%s", strings.Join(all, "\n"), strings.Join(want, "\n"))
	}
	if strings.Contains(log.Text, secret) || !strings.Contains(log.Text, `"clientIpAddress":"127.0.0.1"`) {
		t.Errorf("the activity log has a secret, or no address: %s", log.Text)
	}
}
