package berth_test

import (
	"encoding/json"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "berth.dev/berth"

// floors says which of our packages each may import. Arrows point downwards only; the nouns (the root package) and the
// catalogue may be imported by all.
var floors = map[string][]string{
	"":                      {},
	"catalog":               {},                                                                                                                                              // data
	"rules":                 {"catalog"},                                                                                                                                     // pure: no store, no clock, no network
	"wire":                  {"catalog"},                                                                                                                                     // JSON only
	"store":                 {},                                                                                                                                              // SQL only
	"disk":                  {},                                                                                                                                              // files beside the database
	"seal":                  {"disk"},                                                                                                                                        // secrets at rest
	"template":              {},                                                                                                                                              // pure: no store, no clock, no network
	"identity":              {"disk"},                                                                                                                                        // tokens and certificates only
	"kube":                  {},                                                                                                                                              // client-go only
	"provider/local":        {"kube", "catalog"},                                                                                                                             // providers never meet
	"provider/fake":         {"kube", "catalog"},                                                                                                                             //
	"provider/providertest": {"kube", "catalog"},                                                                                                                             //
	"azext":                 {},                                                                                                                                              // packs files
	"clusters":              {"kube", "store", "rules", "catalog"},                                                                                                           // one cluster, on behalf of a resource
	"client":                {"wire"},                                                                                                                                        //
	"graph":                 {"identity"},                                                                                                                                    // callers, as Microsoft Graph shows them
	"arm":                   {"clusters", "wire", "store", "rules", "catalog", "identity", "template"},                                                                       // never reconcile: they meet in the store
	"reconcile":             {"clusters", "store", "rules", "catalog", "kube", "template"},                                                                                   // never arm, never a provider by name
	"app":                   {"rules", "disk", "catalog", "clusters", "kube", "arm", "graph", "seal", "reconcile", "store", "identity", "provider/local", "azext", "studio"}, // the only place that wires
	"app/apptest":           {"app"},                                                                                                                                         // a true server for tests
	"studio":                {"client", "catalog"},                                                                                                                           // pages
	"cmd/berth":             {"app", "client"},                                                                                                                               // flags, then app or client
	"compat":                {},                                                                                                                                              // starts programs and nothing else
	"bench":                 {"client", "kube", "catalog", "store", "provider/fake"},                                                                                         // measures from outside; store for its driver
}

// homes are the only places for heavy dependencies.
var homes = map[string][]string{
	"k8s.io/":                         {"kube", "provider/fake"}, // the fake answers in Kubernetes' own types
	"modernc.org/sqlite":              {"store"},
	"database/sql":                    {"store", "bench"},
	"github.com/go-jose":              {"identity"},
	"github.com/spf13/cobra":          {"cmd/berth"},
	"github.com/prometheus":           {"app"},
	"golang.org/x/crypto":             {"identity"},
	"filippo.io/age":                  {"seal"},
	"github.com/jmespath/go-jmespath": {"cmd/berth"},
}

type goPackage struct {
	ImportPath string
	Imports    []string
}

func packages(t *testing.T) []goPackage {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []goPackage
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := d.Decode(&p); err == io.EOF {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func TestFloors(t *testing.T) {
	for _, p := range packages(t) {
		name := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
		may, known := floors[name]
		if !known {
			t.Errorf("package %q is on no floor: give it a line in this table, with a reason", name)
			continue
		}
		for _, i := range p.Imports {
			own, isOurs := strings.CutPrefix(i, module)
			own = strings.TrimPrefix(own, "/")
			if isOurs && own != "" && !slices.Contains(may, own) {
				t.Errorf("%s imports %s, which is not below it", name, own)
			}
			if name == "" && strings.Contains(i, ".") {
				t.Errorf("the nouns import %s; they may import the standard library only", i)
			}
			for heavy, home := range homes {
				if strings.HasPrefix(i, heavy) && !slices.Contains(home, name) {
					t.Errorf("%s imports %s, whose home is %v", name, i, home)
				}
			}
		}
	}
}
