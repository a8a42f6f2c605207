package arm_test

import (
	"net/http"
	"strings"
	"testing"

	"berth.dev/berth/app"
	"berth.dev/berth/app/apptest"
)

// TestUnservedServices: the services of Azure Machine Learning beside Resource Manager name themselves and what Berth serves, without
// an api-version and in the shape that the SDKs print. A caller without a token learns nothing.
func TestUnservedServices(t *testing.T) {
	f := newFront(t)
	bare := func(path string, header map[string]string) *apptest.Response {
		return f.Send(apptest.Request{Method: http.MethodGet, Path: path, Header: header, Raw: true})
	}
	for path, word := range map[string]string{
		"/modelmanagement/v1.0" + f.workspace + "/packages":     "does not serve GET",
		"/history/v1.0" + f.workspace + "/experiments":          "does not serve experiments",
		"//dataset/v1.0" + f.workspace + "/saveddatasets":       "does not serve datasets",
		"/environment/v2.0" + f.workspace + "/environments/e/x": "does not serve environments",
	} {
		r := bare(path, nil)
		f.Refused(r, http.StatusNotFound, "InvalidResourceType", word)
		f.equal(r.Body, "message", apptest.At(r.Body, "error.message"))
	}
	f.Want(http.StatusUnauthorized, bare("/modelmanagement/v1.0"+f.workspace+"/models", map[string]string{"Authorization": ""}))
	f.Refused(bare(f.workspace, nil), http.StatusBadRequest, "MissingApiVersionParameter")
}

// TestCloudName: a server that calls itself AzureCloud is listed under both names, because clients look for either.
func TestCloudName(t *testing.T) {
	t.Parallel()
	s := apptest.New(t, func(c *app.Config) { c.CloudName = "AzureCloud" })
	list := s.Want(http.StatusOK, s.Do(http.MethodGet, "/metadata/endpoints?api-version=2019-05-01", nil)).Text
	if !strings.Contains(list, `"name":"Berth"`) || !strings.Contains(list, `"name":"AzureCloud"`) {
		t.Errorf("the list of clouds is %s", list)
	}
	one := s.Want(http.StatusOK, s.Do(http.MethodGet, "/metadata/endpoints?api-version=2022-09-01", nil))
	if apptest.At(one.Body, "name") != "AzureCloud" || apptest.At(one.Body, "resourceManager") != s.Endpoint {
		t.Errorf("the cloud is %v", one.Body)
	}
}

// TestMetadataOfTerraform: azurerm takes every other tenant than common for Azure Stack, and refuses it. It reads the document without
// a token, and environment() in a template has the same.
func TestMetadataOfTerraform(t *testing.T) {
	f := newFront(t)
	for _, version := range []string{"2022-09-01", "2023-11-01"} {
		r := f.Want(http.StatusOK, f.Send(apptest.Request{Method: http.MethodGet, Path: "/metadata/endpoints?api-version=" + version, Raw: true,
			Header: map[string]string{"Authorization": ""}}))
		for path, want := range map[string]any{
			"authentication.tenant": "common", "authentication.loginEndpoint": f.Endpoint, "authentication.identityProvider": "AAD",
			"authentication.audiences.0": f.Endpoint, "resourceManager": f.Endpoint,
		} {
			f.equal(r.Body, path, want)
		}
		for _, suffix := range []string{"storage", "keyVaultDns", "acrLoginServer"} {
			if text, _ := apptest.At(r.Body, "suffixes."+suffix).(string); !strings.HasSuffix(text, "berth.internal") {
				t.Errorf("%s: the suffix of %s is %q; clients must not reach Azure", version, suffix, text)
			}
		}
	}
}

// TestVMSizes: `az vm list-sizes` lists the sizes that nodes can have; the rest of Microsoft.Compute stays refused.
func TestVMSizes(t *testing.T) {
	f := newFront(t)
	sizes := f.get(f.provider("Microsoft.Compute", "/locations/westeurope/vmSizes"))
	if !strings.Contains(names(sizes), "Standard_D3_v2") {
		t.Errorf("the sizes are %s", names(sizes))
	}
	nowhere := f.Do(http.MethodGet, f.provider("Microsoft.Compute", "/locations/nowhere/vmSizes"), nil)
	f.Refused(nowhere, http.StatusBadRequest, "LocationNotAvailableForResourceType", "nowhere")
}
