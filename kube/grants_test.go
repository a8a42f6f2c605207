package kube_test

import (
	"flag"
	"os"
	"strings"
	"testing"

	"berth.dev/berth/kube"
)

var update = flag.Bool("update", false, "write the manifest anew")

// TestManifest: the manifest that is kept for review is the one that is made. A new right shows up in its diff.
func TestManifest(t *testing.T) {
	const file = "../docs/berth-connection.yaml"
	const head = "# What Berth makes in a cluster that is connected to it, and may do there. For your own cluster, with its marks filled in, print\n" +
		"# it with: berth cluster connect -n NAME -g GROUP --dry-run\n"
	got := head + kube.Manifest("RESOURCE-ID-OF-THE-CLUSTER", "ID-OF-THE-BERTH-SERVER")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || string(want) != got {
		t.Errorf("%s is not what is made (go test ./kube -run Manifest -update): %v", file, err)
	}
	for _, line := range strings.Split(got, "\n") {
		if strings.Contains(line, "'*'") {
			t.Errorf("it grants everything of something: %s", line)
		}
	}
}
