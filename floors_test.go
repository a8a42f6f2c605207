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

// floors lists which of our packages each may import. Imports go downwards only; the nouns (the root package) and the
// catalogue may be imported by all.
var floors = map[string][]string{
	"": {},
	// Data.
	"catalog": {},
	// Texts.
	"korean": {},
	// Pure: no store, no clock, no network.
	"rules": {"catalog", "router/route"},
	// JSON only.
	"wire": {"catalog", "korean"},
	// SQL only.
	"store": {},
	// A private PostgreSQL for tests.
	"store/postgrestest": {},
	// Files beside the database.
	"disk": {},
	// Models, code and logs.
	"blob": {"disk"},
	// The protocol that storage libraries speak.
	"blob/azure": {"blob"},
	// Spans to a collector: OpenTelemetry only.
	"spans": {},
	// Secrets at rest.
	"seal": {"disk"},
	// Pure: no store, no clock, no network.
	"template": {},
	// Who may do what, by what is in the store.
	"access": {"catalog", "store"},
	// Tokens and certificates only.
	"identity": {"disk"},
	// Client-go only.
	"kube": {},
	// Providers never meet.
	"provider/local":        {"kube", "catalog"},
	"provider/fake":         {"kube", "catalog"},
	"provider/providertest": {"kube", "catalog"},
	// The routes as Berth writes them and the router reads them: JSON only.
	"router/route": {},
	// Requests and replicas: no Kubernetes.
	"router": {"router/route"},
	// What the router's cluster knows: client-go only.
	"router/watch": {"router", "router/route"},
	// Packages of a distribution into a base image.
	"baseimage": {},
	// Images of real nodes, and their registry.
	"images": {"disk"},
	// Files of models, by their digest: no Kubernetes.
	"bundle": {},
	// Packs files.
	"azext": {},
	// One cluster, on behalf of a resource.
	"clusters": {"kube", "store", "rules", "catalog"},
	// Version 1 of the SDK.
	"models": {"blob", "store", "rules", "catalog", "router/route"},
	// One cluster, on behalf of a model.
	"serving": {"kube", "bundle", "router/route"},
	"client":  {"wire"},
	// People in a browser, and the way to outside providers.
	"signin": {"identity", "korean"},
	// Callers, as Microsoft Graph shows them.
	"graph": {"access", "identity", "korean", "store"},
	// Never reconcile: they meet in the store.
	"arm": {"access", "clusters", "models", "wire", "store", "rules", "catalog", "identity", "template", "korean"},
	// Never arm, never a provider by name.
	"reconcile": {"blob", "models", "serving", "router/route", "clusters", "store", "rules", "catalog", "kube", "template"},
	// The only place that wires.
	"app": {"access", "models", "serving", "blob", "blob/azure", "rules", "disk", "catalog", "clusters", "kube", "arm", "graph", "seal",
		"reconcile", "store", "identity", "provider/local", "azext", "studio", "baseimage", "images", "signin", "spans"},
	// A true server for tests.
	"app/apptest": {"app", "korean"},
	// Pages.
	"studio": {"client", "catalog", "korean"},
	// Flags, then the router.
	"cmd/berth-fe": {"router", "router/route", "router/watch", "bundle", "spans"},
	// Flags, then app or client.
	"cmd/berth": {"app", "client", "korean"},
	// Starts programs and nothing else.
	"compat": {},
	// Measures from outside; store for its driver.
	"bench": {"client", "kube", "catalog", "store", "provider/fake", "router/route"},
}

// homes are the only places for heavy dependencies.
var homes = map[string][]string{
	"k8s.io/":                         {"kube", "router/watch", "provider/fake"}, // the fake answers in Kubernetes' own types
	"modernc.org/sqlite":              {"store"},
	"database/sql":                    {"store", "bench"},
	"github.com/jackc/pgx":            {"store"},
	"github.com/go-jose":              {"identity", "router", "app/apptest"}, // the latter is a provider for tests
	"github.com/spf13/cobra":          {"cmd/berth"},
	"github.com/prometheus":           {"app", "router"},
	"golang.org/x/crypto":             {"identity"},
	"github.com/coreos/go-oidc":       {"signin"},
	"golang.org/x/oauth2":             {"signin"},
	"filippo.io/age":                  {"seal"},
	"github.com/jmespath/go-jmespath": {"cmd/berth"},
	"golang.org/x/text":               {"korean", "studio"},
	"gocloud.dev":                     {"blob"},
	"github.com/google/go-container":  {"baseimage", "images"},
	"cuelabs.dev/go/oci":              {"images"},
	"github.com/opencontainers/":      {"images"},
	"github.com/ProtonMail/go-crypto": {"baseimage"},
	"github.com/klauspost/compress":   {"baseimage"},
	"github.com/ulikunitz/xz":         {"baseimage"},
	"pault.ag/go/debian":              {"baseimage"},
	"go.opentelemetry.io/otel":        {"router", "spans"},
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
