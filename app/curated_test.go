package app_test

import (
	"net/http"
	"strings"
	"testing"

	"berth.dev/berth/app/apptest"
	"berth.dev/berth/catalog"
)

// TestCurated: Azure ML's own environments are answered by their names, and nobody else's can have such a name.
func TestCurated(t *testing.T) {
	m := newModelWorld(t)
	v1 := func(method, rest string, body any) *apptest.Response {
		return m.call(method, strings.Replace(m.v1("one", rest), "/modelmanagement/", "/environment/", 1), body)
	}
	const name = "AzureML-sklearn-1.0-ubuntu20.04-py38-cpu"
	for _, rest := range []string{name, strings.ToLower(name), name + "/versions/1"} {
		got := m.Want(http.StatusOK, v1(http.MethodGet, "/environments/"+rest, nil))
		if apptest.At(got.Body, "name") != name || !strings.Contains(got.Text, "scikit-learn==1.0.2") ||
			!strings.Contains(got.Text, "python=3.8") || !strings.Contains(got.Text, "azureml-defaults") {
			t.Errorf("%s: %s", rest, got.Text)
		}
	}
	list := m.Want(http.StatusOK, v1(http.MethodGet, "/environments", nil))
	if all := apptest.At(list.Body, "value").([]any); len(all) != len(catalog.CuratedEnvironments()) {
		t.Errorf("the list has %d environments", len(all))
	}
	m.Refused(v1(http.MethodGet, "/environments/"+name+"/versions/9", nil), http.StatusNotFound, "ResourceNotFound", "no version '9'")
	m.Refused(v1(http.MethodGet, "/environments/AzureML-none", nil), http.StatusNotFound, "ResourceNotFound", "It knows these", name)
	m.Refused(v1(http.MethodGet, "/environments/none", nil), http.StatusNotFound, "ResourceNotFound", "Register one")
	m.Refused(v1(http.MethodPut, "/environments/azureml-mine", map[string]any{}), http.StatusBadRequest, "InvalidResourceName",
		"Choose another name")
}
