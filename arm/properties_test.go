package arm_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"berth.dev/berth/app/apptest"
)

// secretPaths are write-only in the service, and never answered.
var secretPaths = []string{"properties/servicePrincipalProfile/secret", "properties/windowsProfile/adminPassword"}

// TestProperties sends each property of testdata/properties/asked.json in a request of its own and reads it back: it must be answered
// as it was sent, or be refused. docs/properties.md is what was found; -update writes it.
func TestProperties(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "properties", "asked.json"))
	if err != nil {
		t.Fatal(err)
	}
	s := newStage(t)
	text = bytes.ReplaceAll(text, []byte("{group}"), []byte(s.group()))
	var kinds map[string]map[string]any
	s.must(json.Unmarshal(text, &kinds))
	identity := s.record("Microsoft.ManagedIdentity/userAssignedIdentities/one")
	s.must(s.send("PUT", identity, nil, `{"location":"westeurope"}`).is(http.StatusCreated))
	network := `{"location":"westeurope","properties":{"addressSpace":{"addressPrefixes":["10.224.0.0/12"]},
		"subnets":[{"name":"nodes","properties":{"addressPrefix":"10.224.0.0/16"}}]}}`
	s.must(s.send("PUT", s.record("Microsoft.Network/virtualNetworks/net"), nil, network).is(http.StatusCreated))
	doc := propertiesHead
	for _, k := range []propertyKind{
		{"cluster", "Managed clusters", s.clusterWith}, {"nodepool", "Agent pools", s.poolWith}, {"workspace", "Workspaces", s.workspaceWith},
		{"compute", "Computes of type AKS", s.computeWith}, {"kubernetes", "Computes of type Kubernetes", s.kubernetesWith},
		{"connected", "Connected clusters", s.connectedWith},
	} {
		doc += fmt.Sprintf("\n## %s\n\n| property | value | what Berth does |\n|---|---|---|\n", k.title)
		for i, path := range slices.Sorted(maps.Keys(kinds[k.name])) {
			asked := kinds[k.name][path]
			doc += fmt.Sprintf("| `%s` | `%s` | %s |\n", strings.ReplaceAll(path, "/", "."), s.short(asked), s.outcome(k, i, path, asked))
		}
	}
	path := filepath.Join("..", "docs", "properties.md")
	if *update {
		s.must(os.WriteFile(path, []byte(doc), 0o644)) // #nosec G306 -- a document
	}
	if have, err := os.ReadFile(path); err != nil || string(have) != doc {
		t.Errorf("docs/properties.md differs from what was found (%v); run go test ./arm -run TestProperties -update, and review it", err)
	}
}

// propertyKind sends a request with one property more, and returns the address to read it at.
type propertyKind struct {
	name, title string
	send        func(i int, path string, asked any) (*answer, string)
}

const propertiesHead = `# What happens to each property

Berth does one of three things with every property of a request: it acts on it, it keeps it and answers it as it was sent, or it
refuses the request with a reason. Where a kept property asks for an effect that Berth does not give, the answer has a warning: in
the header ` + "`Warning`, in `properties.warnings`" + `, in the CLI and in the studio. Properties that this version of Berth does not know
are kept as well, at any depth. Secrets that Berth does not need are never stored.

A test writes this page: it sends each property in a request of its own and reads it back.
`

// outcome describes what Berth does with a property. It is an error of the test when a property is lost.
func (s *stage) outcome(k propertyKind, i int, path string, asked any) string {
	s.t.Helper()
	sent, at := k.send(i, path, asked)
	if sent.status >= 400 {
		message, _ := apptest.At(sent.body(), "error.message").(string)
		if message == "" {
			s.t.Errorf("%s %s: %d without a reason", k.name, path, sent.status)
		}
		return "refused: " + s.plain(message)
	}
	read := s.send("GET", at, nil, "")
	s.must(read.is(http.StatusOK))
	words := strings.Split(path, "/")
	got, found := find(read.body(), words)
	if slices.Contains(secretPaths, path) {
		if found {
			s.t.Errorf("%s %s is answered", k.name, path)
		}
		return "not stored: a secret that Berth does not need"
	}
	if !found || !within(asked, got) {
		s.t.Errorf("%s %s: sent %v, answered %v", k.name, path, asked, got)
	}
	warnings, _ := json.Marshal(apptest.At(sent.body(), "properties.warnings"))
	for _, name := range words[:min(len(words), 4)] {
		if name != "properties" && strings.Contains(string(warnings)+sent.header.Get("Warning"), name) {
			return "kept; a warning says that it has no effect"
		}
	}
	return "done, or kept where it only describes"
}

// short is a value as the page shows it.
func (s *stage) short(v any) string {
	text, err := json.Marshal(v)
	s.must(err)
	out := []rune(s.plain(string(text)))
	if len(out) > 60 {
		out = append(out[:59], '…')
	}
	return string(out)
}

// plain is a text without what differs from run to run.
func (s *stage) plain(text string) string {
	return strings.ReplaceAll(strings.ReplaceAll(text, s.group(), "…"), "|", "\\|")
}

func (s *stage) record(path string) string { return s.group() + "/providers/" + path }

// with is a body with one property more.
func (s *stage) with(body, path string, asked any) string {
	var doc any
	s.must(json.Unmarshal([]byte(body), &doc))
	words := strings.Split(path, "/")
	at := doc
	for i, word := range words {
		last := i+1 == len(words)
		if list, isList := at.([]any); isList {
			n, err := strconv.Atoi(word)
			s.must(err)
			at = list[n]
			continue
		}
		o := at.(map[string]any)
		if last {
			o[word] = asked
		} else if o[word] == nil {
			o[word] = map[string]any{}
		}
		at = o[word]
	}
	out, err := json.Marshal(doc)
	s.must(err)
	return string(out)
}

const plainCluster = `{"location":"westeurope","properties":{"dnsPrefix":"d","agentPoolProfiles":[
	{"name":"nodepool1","count":3,"vmSize":"Standard_D4s_v3","mode":"System"}]}}`

func (s *stage) clusterWith(i int, path string, asked any) (*answer, string) {
	at := s.record(fmt.Sprintf("Microsoft.ContainerService/managedClusters/c%d", i))
	return s.send("PUT", at, nil, s.with(plainCluster, path, asked)), at
}

// poolWith creates a cluster with such a pool: a pool is a part of its cluster.
func (s *stage) poolWith(i int, path string, asked any) (*answer, string) {
	at := s.record(fmt.Sprintf("Microsoft.ContainerService/managedClusters/p%d", i))
	inCluster := "properties/agentPoolProfiles/0/" + strings.TrimPrefix(path, "properties/")
	return s.send("PUT", at, nil, s.with(plainCluster, inCluster, asked)), at + "/agentPools/nodepool1"
}

func (s *stage) workspaceWith(i int, path string, asked any) (*answer, string) {
	at := s.record(fmt.Sprintf("Microsoft.MachineLearningServices/workspaces/space%d", i))
	return s.send("PUT", at, nil, s.with(`{"location":"westeurope","properties":{}}`, path, asked)), at
}

func (s *stage) computeWith(i int, path string, asked any) (*answer, string) {
	at := s.workspace() + fmt.Sprintf("/computes/one%d", i)
	return s.send("PUT", at, nil, s.with(`{"properties":{"computeType":"AKS","properties":{}}}`, path, asked)), at
}

func (s *stage) kubernetesWith(i int, path string, asked any) (*answer, string) {
	cluster := s.record(fmt.Sprintf("Microsoft.ContainerService/managedClusters/k%d", i))
	s.must(s.send("PUT", cluster, nil, plainCluster).is(http.StatusCreated))
	at := s.workspace() + fmt.Sprintf("/computes/kube%d", i)
	body := fmt.Sprintf(`{"properties":{"computeType":"Kubernetes","resourceId":%q,"properties":{}}}`, cluster)
	return s.send("PUT", at, nil, s.with(body, path, asked)), at
}

const plainKubeconfig = `{\"apiVersion\":\"v1\",\"kind\":\"Config\",\"current-context\":\"a\",` +
	`\"contexts\":[{\"name\":\"a\",\"context\":{\"cluster\":\"a\",\"user\":\"a\"}}],` +
	`\"clusters\":[{\"name\":\"a\",\"cluster\":{\"server\":\"https://198.51.100.7\"}}],` +
	`\"users\":[{\"name\":\"a\",\"user\":{\"token\":\"t\"}}]}`

func (s *stage) connectedWith(i int, path string, asked any) (*answer, string) {
	at := s.record(fmt.Sprintf("Microsoft.Kubernetes/connectedClusters/far%d", i))
	return s.send("PUT", at, nil, s.with(`{"location":"westeurope","properties":{"kubeconfig":"`+plainKubeconfig+`"}}`, path, asked)), at
}

// find follows a path into an answer.
func find(v any, words []string) (any, bool) {
	for _, word := range words {
		switch at := v.(type) {
		case []any:
			n, err := strconv.Atoi(word)
			if err != nil || n >= len(at) {
				return nil, false
			}
			v = at[n]
		case map[string]any:
			inner, has := at[word]
			if !has {
				return nil, false
			}
			v = inner
		default:
			return nil, false
		}
	}
	return v, true
}

// within reports whether an answer has what was sent, in any casing, and perhaps more.
func within(asked, got any) bool {
	if want, isObject := asked.(map[string]any); isObject {
		have, _ := got.(map[string]any)
		for key, v := range want {
			if v != nil && !within(v, have[key]) {
				return false
			}
		}
		return have != nil
	}
	return strings.EqualFold(fmt.Sprint(asked), fmt.Sprint(got))
}
