package arm_test

import (
	"net/http"
	"strings"
	"testing"

	"berth.dev/berth"
	"berth.dev/berth/catalog"
)

// TestAssetsInUse: what a deployment or a service needs is not deleted, neither by its version nor with all versions.
func TestAssetsInUse(t *testing.T) {
	s := newEndpointStage(t)
	s.put(s.endpoint("ep1"), s.asked("aks", ""), http.StatusCreated)
	s.finish(berth.StateSucceeded)
	s.put(s.deployment("blue"), s.deployed(""), http.StatusCreated)
	s.finish(berth.StateSucceeded)
	id, err := berth.ParseID(s.workspace())
	s.must(err)
	s.keep(id.Child("models", "m").Child("versions", "2"), &berth.ModelVersion{Request: []byte(`{}`), Asset: "files"})
	s.keep(id.Child("assets", "files"), &berth.Asset{Request: []byte(`{}`)})
	s.keep(id.Child("services", "svc"), &berth.Service{Request: []byte(`{}`), Spec: berth.ServiceSpec{Compute: "aks",
		PodSpec: berth.PodSpec{Models: []berth.ID{id.Child("models", "m").Child("versions", "2")}}}})
	for path, words := range map[string]string{
		"models/m/versions/1": "'blue' uses 'm:1'", "models/M": "uses 'm:", "codes/c/versions/1": "uses 'c:1'", "codes/c": "uses 'c:1'",
		"environments/E/versions/1": "uses 'e:1'", "models/m/versions/2": "'svc' uses 'm:2'", "assets/files": "The model 'm:2' has the files",
	} {
		s.refused(s.send("DELETE", s.workspace()+"/"+path, nil, ""), http.StatusConflict, words)
	}
	own := "/environments/" + catalog.CuratedEnvironments()[0].Name + "/versions/" + catalog.CuratedVersion
	s.put(s.deployment("green"), strings.Replace(s.deployed(""), "/environments/e/versions/1", own, 1), http.StatusCreated)
	s.keep(id.Child("codes", "c").Child("versions", "11"), &berth.CodeVersion{Request: []byte(`{}`)})
	if a := s.send("DELETE", s.workspace()+"/codes/c/versions/11", nil, ""); a.status != http.StatusOK {
		t.Errorf("what nothing uses: %d %s", a.status, a.text)
	}
}
