package arm_test

import (
	"net/http"
	"strings"
	"testing"

	"berth.dev/berth"
)

// TestValidateOnline: the rules judge an endpoint and a deployment, also a deployment of an endpoint and in an environment that are to be
// made first, and nothing is made.
func TestValidateOnline(t *testing.T) {
	s := newEndpointStage(t)
	ask := func(at, body string, status int, words ...string) {
		t.Helper()
		s.refused(s.send("POST", at+"/validate", nil, body), status, words...) // it compares the status and the words
	}
	// with is the body of a deployment with what is given before it.
	with := func(deployment string, before ...string) string {
		return strings.Replace(deployment, `{"location"`, `{"given":[`+strings.Join(before, ",")+`],"location"`, 1)
	}
	given := func(id, body string) string { return `{"id":"` + id + `","body":` + body + `}` }
	endpoint := given(s.endpoint("ep1"), s.asked("aks", ""))
	env := s.workspace() + "/environments/new/versions/1"
	inNew := strings.Replace(s.deployed(""), s.workspace()+"/environments/e/versions/1", env, 1)

	ask(s.endpoint("ep1"), s.asked("aks", ""), http.StatusOK, `"valid":true`)
	ask(s.endpoint("e"), s.asked("none", `,"traffic":{"blue":100}`), http.StatusOK, `"valid":false`, "3 to 32 letters",
		"no deployment 'blue'", "none")
	ask(s.deployment("blue"), s.deployed(""), http.StatusOK, `"valid":false`, "the parent resource")
	ask(s.deployment("blue"), with(s.deployed(""), endpoint), http.StatusOK, `"valid":true`)
	ask(s.deployment("blue"), with(inNew, endpoint), http.StatusOK, `"valid":false`, "has no version '1'")
	pip := given(env, `{"properties":{"image":"mcr.microsoft.com/azureml/x","condaFile":"dependencies: [pip]"}}`)
	ask(s.deployment("blue"), with(inNew, endpoint, pip), http.StatusOK, `"valid":true`)
	ask(s.deployment("b"), with(inNew, given(s.endpoint("ep1"), s.asked("aks", `,"publicNetworkAccess":"Disabled"`)),
		given(env, `{"properties":{"image":"example.com/own:1","condaFile":"dependencies: [pip]"}}`)), http.StatusOK, `"valid":false`,
		`"target":"given[0].properties.publicNetworkAccess"`, `"target":"name"`, "adds packages to the image 'example.com/own:1'")
	ask(s.deployment("blue"), with(s.deployed(""), given("no id", "{}")), http.StatusBadRequest, "is not the id of a resource")
	ask(s.deployment("blue"), with(s.deployed(""), given(s.workspace()+"/datastores/x", "{}")), http.StatusBadRequest, "cannot be given")
	ask(s.deployment("blue"), with(s.deployed(""), strings.Split(strings.Repeat(endpoint+"\n", 9), "\n")[:9]...), http.StatusBadRequest,
		"at most 8")
	if all := names(s.send("GET", s.workspace()+"/onlineEndpoints", nil, "").body().(object)); all != "" {
		t.Errorf("a check has made %s", all)
	}
	s.put(s.endpoint("ep1"), s.asked("aks", ""), http.StatusCreated)
	s.finish(berth.StateSucceeded)
	ask(s.deployment("blue"), s.deployed(""), http.StatusOK, `"valid":true`)
	ask(s.deployment("blue"), s.deployed(`,"dataCollector":{"collections":{"other":{"clientId":"c"}}}`), http.StatusOK, `"valid":true`,
		`"warnings":[{`, "other")
}
