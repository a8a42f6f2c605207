package app_test

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"berth.dev/berth/app/apptest"
	"berth.dev/berth/kube"
)

// imagePassword is that with which the image of the service is pulled.
const imagePassword = "s3cr3t-of-the-image" // #nosec G101 -- of tests

// signsIn: what a user gave for the registry of an image is in the cluster as long as the service is, and in no answer and no log.
func (m modelWorld) signsIn(t *testing.T, ws string) {
	t.Helper()
	shown := m.Want(http.StatusOK, m.Do(http.MethodGet, ws+"/computes/aks", nil))
	conn, err := kube.Connect(m.ClusterKeys(apptest.At(shown.Body, "properties.resourceId").(string)), unhurried)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ref := kube.Ref{Kind: "Secret", Namespace: "azureml-one", Name: "image-pull-users"}
	var have struct{ Data map[string][]byte }
	if found, err := conn.Read(t.Context(), ref, &have); err != nil || !found || !strings.Contains(string(have.Data[".dockerconfigjson"]),
		`"berth.dev/hello":{"auth":"`+base64.StdEncoding.EncodeToString([]byte("puller:"+imagePassword))+`"}`) {
		t.Errorf("the nodes sign in with %q, %v, %v", have.Data, found, err)
	}
	for _, path := range []string{"/services/svc", "/services"} {
		if r := m.Want(http.StatusOK, m.call(http.MethodGet, m.v1("one", path), nil)); strings.Contains(r.Text, imagePassword) {
			t.Errorf("%s answers the password: %s", path, r.Text)
		}
	}
	if strings.Contains(m.Log.String(), imagePassword) {
		t.Error("the log has the password")
	}
	m.Want(http.StatusAccepted, m.call(http.MethodDelete, m.v1("one", "/services/svc"), nil))
	m.Until("what the nodes signed in with to be gone", func() bool {
		found, err := conn.Read(t.Context(), ref, nil)
		return err == nil && !found
	})
}
