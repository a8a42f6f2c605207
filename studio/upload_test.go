package studio

import (
	"strings"
	"testing"

	"berth.dev/berth/client"
)

// TestModelKind: files that MLflow has saved are a model of MLflow, unless something else was chosen, and lie below one address.
func TestModelKind(t *testing.T) {
	for files, want := range map[string]struct{ kind, address string }{
		"MLmodel model.pkl": {client.KindMLflow, "up"}, "m/MLmodel m/data/model.pkl": {client.KindMLflow, "up/m"},
		"MLmodel":        {client.KindMLflow, "up"},
		"m/deep/MLmodel": {"", "up/m"}, "m/MLmodel other.txt": {"", "up"}, "m/MLmodel n/x": {"", "up"}, "model.pkl": {"", "up"},
		"mlmodel": {"", "up"}, "m/notMLmodel m/x": {"", "up/m"},
	} {
		paths := strings.Fields(files)
		if got := modelKind("", paths); got != want.kind {
			t.Errorf("%s is of the kind %q", files, got)
		}
		if got := modelKind("custom_model", paths); got != "" {
			t.Errorf("%s is of the kind %q, and was to be files", files, got)
		}
		const root = "azureml://datastores/workspaceblobstore/paths/"
		if got := (client.Uploaded{Prefix: "up/", Paths: paths}).Address(); got != root+want.address {
			t.Errorf("%s is at %s", files, got)
		}
	}
	for name, want := range map[string]bool{"a": true, "a.b-c_1": true, "..": false, ".": false, "a/b": false, "": false} {
		if assetName(name) != want {
			t.Errorf("%q is a name: %v", name, !want)
		}
	}
}
