package arm_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"berth.dev/berth/app/apptest"
)

func TestGroups(t *testing.T) {
	f := newFront(t)
	head := func(path string) *apptest.Response { return f.Do(http.MethodHead, path, nil) }
	f.Want(http.StatusNoContent, head(f.group))
	f.Want(http.StatusNotFound, head(f.Group("nope")))
	if text := head(f.Group("nope")).Text; text != "" {
		t.Errorf("HEAD answers a body: %s", text)
	}
	made := f.Want(http.StatusCreated, f.Do(http.MethodPut, f.Group("second"), object{"location": "East US", "tags": object{"Env": "test"}}))
	f.equal(made.Body, "location", "eastus")
	f.equal(made.Body, "properties.provisioningState", "Succeeded")
	f.equal(made.Body, "type", "Microsoft.Resources/resourceGroups")
	again := f.Want(http.StatusOK, f.Do(http.MethodPut, f.Group("SECOND"), object{"location": "eastus"}))
	f.equal(again.Body, "name", "second")
	f.equal(again.Body, "tags.Env", "test")
	f.Refused(f.Do(http.MethodPut, f.Group("second"), object{"location": "westus"}), http.StatusConflict, "InvalidResourceGroupLocation", "eastus", "westus")
	f.Refused(f.Do(http.MethodPut, f.Group("third"), object{"location": "atlantis"}), http.StatusBadRequest, "LocationNotAvailableForResourceType", "atlantis", "/locations")
	f.Refused(f.Do(http.MethodPut, f.Group("third"), object{}), http.StatusBadRequest, "LocationRequired")
	f.Refused(f.Do(http.MethodPut, f.Group("ends."), object{"location": "eastus"}), http.StatusBadRequest, "InvalidResourceName", "period")
	f.Refused(f.Do(http.MethodPut, f.Group(strings.Repeat("x", 91)), object{"location": "eastus"}), http.StatusBadRequest, "InvalidResourceName", "90")

	gone := f.Want(http.StatusAccepted, f.Do(http.MethodDelete, f.Group("second"), nil))
	f.Succeed(gone)
	f.Want(http.StatusNotFound, head(f.Group("second")))
	f.Want(http.StatusNoContent, f.Do(http.MethodGet, gone.Header.Get("Location"), nil))
	op := f.Succeed(gone) // still to be read, now that the group is gone
	f.equal(op, "properties.verb", "delete")
	if op["id"] == nil || op["startTime"] == nil || op["endTime"] == nil || op["name"] == nil {
		t.Errorf("an operation without its parts: %v", op)
	}
}

func TestPatch(t *testing.T) {
	f := newFront(t)
	f.Want(http.StatusOK, f.Do(http.MethodPatch, f.group, object{"tags": object{"a": "1", "b": "2"}}))
	r := f.Want(http.StatusOK, f.Do(http.MethodPatch, f.group, object{"tags": object{"c": "3"}}))
	if tags, _ := json.Marshal(r.Body["tags"]); string(tags) != `{"c":"3"}` {
		t.Errorf("PATCH must take the place of all tags; they are %s", tags)
	}
	f.equal(f.Want(http.StatusOK, f.Do(http.MethodPatch, f.group, object{})).Body, "tags.c", "3")
	f.Want(http.StatusOK, f.Do(http.MethodPatch, f.workspace, object{"tags": object{"x": "y"}, "properties": object{"friendlyName": "Eyes"}}))
	f.equal(f.get(f.workspace), "tags.x", "y")
	f.equal(f.get(f.workspace), "properties.friendlyName", "Eyes")
	f.Refused(f.Do(http.MethodPatch, f.group, object{"tags": object{"a?": "1"}}), http.StatusBadRequest, "BadRequest", "tag name")
	f.Refused(f.Do(http.MethodPatch, f.Workspace(group, "nope"), object{}), http.StatusNotFound, "ResourceNotFound")
}

func TestConditions(t *testing.T) {
	f := newFront(t)
	with := func(method, path, header, value string, body any) *apptest.Response {
		return f.Send(apptest.Request{Method: method, Path: path, Body: body, Header: map[string]string{header: value}})
	}
	first := f.Want(http.StatusOK, f.Do(http.MethodGet, f.workspace, nil))
	etag := first.Header.Get("ETag")
	f.equal(first.Body, "etag", etag)
	f.Want(http.StatusNotModified, with(http.MethodGet, f.workspace, "If-None-Match", etag, nil))
	f.Want(http.StatusOK, with(http.MethodPatch, f.workspace, "If-Match", etag, object{"tags": object{"n": "1"}}))
	for _, method := range []string{http.MethodPut, http.MethodPatch, http.MethodDelete} {
		f.Refused(with(method, f.workspace, "If-Match", etag, object{"location": apptest.Location}), http.StatusPreconditionFailed, "PreconditionFailed", "Read it again")
	}
	f.Refused(with(http.MethodPut, f.workspace, "If-None-Match", "*", object{"location": apptest.Location}), http.StatusPreconditionFailed, "PreconditionFailed", "already there")
	f.Refused(with(http.MethodPut, f.Workspace(group, "new-one"), "If-Match", "*", object{"location": apptest.Location}), http.StatusPreconditionFailed, "PreconditionFailed")
	f.Want(http.StatusOK, with(http.MethodPut, f.Workspace(group, "new-one"), "If-None-Match", "*", object{"location": apptest.Location}))
	f.Want(http.StatusOK, with(http.MethodPut, f.workspace, "If-Match", "*", object{"location": apptest.Location}))
	now := f.Do(http.MethodGet, f.workspace, nil).Header.Get("ETag")
	f.Want(http.StatusOK, with(http.MethodPatch, f.workspace, "If-Match", `"ffff", W/`+now, object{"tags": object{"n": "2"}}))
	f.Want(http.StatusNotModified, with(http.MethodGet, f.workspace, "If-None-Match", "*", nil))
}

func TestPathsAreForgiving(t *testing.T) {
	f := newFront(t)
	for _, path := range []string{
		"/" + f.workspace, strings.ReplaceAll(f.workspace, "/", "//"), f.workspace + "/", strings.ToLower(f.workspace), strings.ToUpper(f.workspace),
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
	h := send(map[string]string{"x-ms-client-request-id": "mine", "x-ms-return-client-request-id": "true", "x-ms-correlation-request-id": "whole"})
	if h.Get("x-ms-client-request-id") != "mine" || h.Get("x-ms-correlation-request-id") != "whole" || len(h.Get("x-ms-request-id")) != 36 {
		t.Errorf("ids: %v", h)
	}
	h = send(map[string]string{"x-ms-client-request-id": "mine"})
	if h.Get("x-ms-client-request-id") != "" || h.Get("x-ms-correlation-request-id") != h.Get("x-ms-request-id") {
		t.Errorf("ids unasked: %v", h)
	}
	h = send(map[string]string{"x-ms-client-request-id": strings.Repeat("x", 500), "x-ms-return-client-request-id": "true", "x-ms-correlation-request-id": "a b"})
	if h.Get("x-ms-client-request-id") != "" || h.Get("x-ms-correlation-request-id") == "a b" {
		t.Errorf("what can be no id is echoed: %v", h)
	}
	for key, want := range map[string]string{"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff", "Content-Type": "application/json; charset=utf-8"} {
		if h.Get(key) != want {
			t.Errorf("%s is %q", key, h.Get(key))
		}
	}
	if one, two := send(nil), send(nil); one.Get("x-ms-request-id") == two.Get("x-ms-request-id") {
		t.Error("two requests with one id")
	}
}
