package arm_test

import (
	"net/http"
	"strings"
	"testing"

	"berth.dev/berth/app/apptest"
)

func TestPathsAreForgiving(t *testing.T) {
	f := newFront(t)
	for _, path := range []string{
		"/" + f.workspace, strings.ReplaceAll(f.workspace, "/", "//"), f.workspace + "/",
		strings.ToLower(f.workspace), strings.ToUpper(f.workspace),
		strings.Replace(f.workspace, "resourceGroups", "resourcegroups", 1), "/rp/workspaces" + f.workspace,
	} {
		f.equal(f.get(path), "id", f.workspace)
	}
	id := f.Want(http.StatusOK, f.Do(http.MethodPut, "/"+f.Workspace("tEAM-rg", "MiXed"), object{"location": apptest.Location})).Body
	f.equal(id, "name", "MiXed")
	f.equal(f.get(f.Workspace(group, "mixed")), "name", "MiXed")
	f.equal(f.get(f.Workspace(group, "mixed")), "id", id["id"])
	if r := f.Do(http.MethodPut, "//"+f.Workspace(group, "slashes"), object{"location": apptest.Location}); r.Status != http.StatusOK {
		t.Errorf("PUT with doubled slashes answers %d", r.Status)
	}
	f.get(f.workspace + "/computes?api-version=2031-01-01-preview&unknown=x&$expand=createdTime")
}

func TestRequestIDs(t *testing.T) {
	f := newFront(t)
	send := func(header map[string]string) http.Header {
		return f.Send(apptest.Request{Method: http.MethodGet, Path: f.group, Header: header}).Header
	}
	h := send(map[string]string{"x-ms-client-request-id": "mine", "x-ms-return-client-request-id": "true",
		"x-ms-correlation-request-id": "whole"})
	if h.Get("x-ms-client-request-id") != "mine" || h.Get("x-ms-correlation-request-id") != "whole" || len(h.Get("x-ms-request-id")) != 36 {
		t.Errorf("ids: %v", h)
	}
	h = send(map[string]string{"x-ms-client-request-id": "mine"})
	if h.Get("x-ms-client-request-id") != "" || h.Get("x-ms-correlation-request-id") != h.Get("x-ms-request-id") {
		t.Errorf("ids unasked: %v", h)
	}
	h = send(map[string]string{"x-ms-client-request-id": strings.Repeat("x", 500), "x-ms-return-client-request-id": "true",
		"x-ms-correlation-request-id": "a b"})
	if h.Get("x-ms-client-request-id") != "" || h.Get("x-ms-correlation-request-id") == "a b" {
		t.Errorf("what can be no id is echoed: %v", h)
	}
	for key, want := range map[string]string{"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff",
		"Content-Type": "application/json; charset=utf-8"} {
		if h.Get(key) != want {
			t.Errorf("%s is %q", key, h.Get(key))
		}
	}
	if one, two := send(nil), send(nil); one.Get("x-ms-request-id") == two.Get("x-ms-request-id") {
		t.Error("two requests with one id")
	}
}
