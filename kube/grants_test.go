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
	const file = "../docs/berth-connection.yaml"
	const head = "# What Berth creates in a connected cluster, and what it may do there. To print it for your own cluster, with its\n" +
		"# labels filled in: berth cluster connect -n NAME -g GROUP --dry-run\n"
	got := head + kube.Manifest("RESOURCE-ID-OF-THE-CLUSTER", "ID-OF-THE-BERTH-SERVER")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || string(want) != got {
		t.Errorf("%s is not what is created (go test ./kube -run Manifest -update): %v", file, err)
	}
	for _, line := range strings.Split(got, "\n") {
		if strings.Contains(line, "'*'") {
			t.Errorf("a rule grants everything: %s", line)
		}
	}
}
