package arm_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"berth.dev/berth"
	"berth.dev/berth/app/apptest"
)

// TestAksEndpoint: Resource Manager shows an AksEndpoint of version 1 of the SDK and deletes it, and changes neither it nor its versions.
func TestAksEndpoint(t *testing.T) {
	s := newEndpointStage(t)
	id, err := berth.ParseID(s.endpoint("ep1"))
	s.must(err)
	pods := berth.PodSpec{Replicas: 1, Concurrent: 1}
	e := &berth.Endpoint{Spec: berth.EndpointSpec{Compute: "aks", Auth: berth.AuthToken, Traffic: map[string]int{"one": 100},
		Aks: &berth.AksEndpoint{Request: json.RawMessage(`{}`), Default: "one", Versions: map[string]berth.PodSpec{"one": pods}}}}
	e.Leads()
	s.keep(id, e)
	s.keep(id.Child("deployments", "one"), &berth.Deployment{Spec: berth.DeploymentSpec{PodSpec: pods}})
	read := s.send("GET", s.endpoint("ep1"), nil, "").body()
	if apptest.At(read, "properties.traffic.one") != 100.0 || apptest.At(read, "kind") != "AksEndpoint" {
		t.Errorf("%v", read)
	}
	for method, at := range map[string]string{"PUT": s.endpoint("ep1"), "PATCH": s.endpoint("ep1"), "DELETE": s.deployment("one")} {
		s.refused(s.send(method, at, nil, s.asked("aks", "")), http.StatusConflict, "is an AksEndpoint")
	}
	s.refused(s.send("PUT", s.deployment("two"), nil, s.deployed("")), http.StatusConflict, "is an AksEndpoint")
	s.must(s.send("DELETE", s.endpoint("ep1"), nil, "").is(http.StatusAccepted))
}
