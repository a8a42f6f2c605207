package kube_test

import (
	"flag"
	"os"
	"strings"
	"testing"

	"berth.dev/berth/kube"
)

var update = flag.Bool("update", false, "write the manifest again")

// TestManifest: the manifest that is kept for review is the one that is created. A new right appears in its diff.
func TestManifest(t *testing.T) {
	const named = "# labels filled in: berth cluster connect -n NAME -g GROUP --dry-run"
	for _, c := range []struct {
		file, head string
		inference  bool
	}{
		{"../docs/berth-connection.yaml", "# What Berth creates in a connected cluster, and what it may do there. To print it for your own " +
			"cluster, with its\n" + named + "\n", false},
		{"../docs/berth-connection-inference.yaml", "# The same for a cluster in which models are served. To print it for your own " +
			"cluster, with its\n" + named + " --enable-inference\n", true},
	} {
		got := c.head + kube.Manifest(kube.Connection{Of: "RESOURCE-ID-OF-THE-CLUSTER", Server: "ID-OF-THE-BERTH-SERVER",
			Inference: c.inference})
		if *update {
			if err := os.WriteFile(c.file, []byte(got), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(c.file)
		if err != nil || string(want) != got {
			t.Errorf("%s is not what is created (go test ./kube -run Manifest -update): %v", c.file, err)
		}
		for _, line := range strings.Split(got, "\n") {
			if strings.Contains(line, "'*'") {
				t.Errorf("a rule grants everything: %s", line)
			}
		}
	}
}
