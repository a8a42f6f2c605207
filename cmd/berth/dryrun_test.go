package main

import (
	"strings"
	"testing"

	"berth.dev/berth/app/apptest"
)

// TestDryRun asks a true server what it would say, and sees that nothing was made.
func TestDryRun(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a server")
	}
	server := apptest.New(t)
	server.MakeWorkspace("g", "work")
	emptyEnvironment(t)
	t.Setenv("BERTH_DATA_DIR", server.Dir)
	ask := func(line string) result {
		return offTerminal(strings.Fields("ml computetarget " + line + " -g g -w work --dry-run -o table")...)
	}
	good := ask("create aks -n myaks")
	if good.code != 0 || !strings.Contains(good.out, "No rule is violated.") ||
		!strings.Contains(good.err, "Berth would accept this request. Nothing was changed.") {
		t.Errorf("%+v", good)
	}
	warned := ask("create aks -n myaks-9 -a 2 -s Standard_D13_v2")
	if warned.code != 0 || !strings.Contains(warned.err, "WARNING: name: ") || !strings.Contains(warned.out, "warning") {
		t.Errorf("%+v", warned)
	}
	bad := ask("create aks -n 1x -a 2 -s Standard_D3_v2 -l moon")
	for _, field := range []string{"name", "agentCount", "computeLocation"} {
		if bad.code != exitFailed || !strings.Contains(bad.out, field) || !strings.Contains(bad.err, "Nothing was changed") {
			t.Errorf("%s: %+v", field, bad)
		}
	}
	none := ask("attach aks -n taken -i " + server.Cluster("g", "nothing"))
	if none.code != exitFailed || !strings.Contains(none.out, "There is no cluster 'nothing'") {
		t.Errorf("%+v", none)
	}
	if list := offTerminal(strings.Fields("ml computetarget list -g g -w work -o tsv")...); list.out != "" {
		t.Errorf("made: %s", list.out)
	}
}
