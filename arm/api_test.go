package arm

import (
	"flag"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"berth.dev/berth"
	"berth.dev/berth/models"
)

const apiHead = `# API reference

Every address that Berth answers at its one port, with the right that a caller needs ([roles](015-roles.md)). A test writes this page from
the routing tables in the code (arm/kinds.go, arm/services.go, models/models.go), so nothing is left out.

- Requests are those of Azure Resource Manager: HTTPS, ` + "`Authorization: Bearer …`, `?api-version=…`" + ` (any from 2019-04-01 on; the
  answer is the same), JSON. Bodies are those of Azure's own reference for the type; [properties](properties.md) says what
  Berth does with each property, [rules](rules.md) what it refuses.
- A PUT, PATCH or DELETE that takes time answers with ` + "`Azure-AsyncOperation` and `Location`" + `; poll one of them. Errors are
  ` + "`{\"error\": {\"code\", \"message\", \"details\"}}`" + `, in Korean when ` + "`Accept-Language`" + ` prefers it.
- Names in braces stand for one word. GET of a type without a last name lists it. "subscription" is
  ` + "`/subscriptions/{subscription}`" + `, "group" is ` + "`subscription/resourceGroups/{group}`" + `.
- Also served, without a right of Resource Manager: Microsoft Graph for callers and people ([005](005-callers.md), [016](016-people.md)),
  the token endpoint and OpenID Connect discovery ([003](003-tokens.md)), blobs ([009](009-files.md)), the registry below ` + "`/v2/`" + `
  ([008](008-real-nodes.md)), the studio, ` + "`/metadata/endpoints`, `/healthz` and `/readyz`" + `.
  ` + "`/metrics`" + ` needs a token ([operations](operations.md#monitoring)).
`

// TestAPIPage compares docs/api.md with the routing tables; -update writes it.
func TestAPIPage(t *testing.T) {
	page := apiHead + kindsPage() + servicesPage() + modelsPage()
	path := filepath.Join("..", "docs", "api.md")
	if flag.Lookup("update").Value.String() == "true" {
		if err := os.WriteFile(path, []byte(page), 0o644); err != nil { // #nosec G306 -- a document
			t.Fatal(err)
		}
	}
	if have, err := os.ReadFile(path); err != nil || string(have) != page {
		t.Errorf("docs/api.md differs from the routing tables (%v); run go test ./arm -run TestAPIPage -update, and review it", err)
	}
	for _, want := range []string{"`POST …/listKeys`", berth.TypeCluster + "/listClusterAdminCredential/action", "agentPools/{name}"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
}

// typeAddress is the address of a resource of a type.
func typeAddress(k *kind) string {
	switch {
	case k.typ == berth.TypeResourceGroup:
		return "subscription/resourcegroups/{group}"
	case k.record != nil && k.record.extends:
		return "{any resource, group or subscription}/providers/" + k.typ + "/{name}"
	}
	words := strings.Split(k.typ, "/")
	address := "group/providers/" + words[0]
	for i, w := range words[1:] {
		name := "name"
		if i < len(words)-2 {
			name = strings.TrimSuffix(w, "s")
		}
		address += "/" + w + "/{" + name + "}"
	}
	return address
}

func kindsPage() string {
	var b strings.Builder
	b.WriteString("\n## Resources\n")
	all := slices.Collect(maps.Values(kinds))
	slices.SortFunc(all, func(a, b *kind) int { return strings.Compare(a.typ, b.typ) })
	for _, k := range all {
		fmt.Fprintf(&b, "\n### %s\n\n", k.typ)
		if k.record != nil && !strings.HasPrefix(k.typ, "Microsoft.Authorization/role") {
			b.WriteString("A record: stored and answered, without a service behind it.\n\n")
		}
		fmt.Fprintf(&b, "`%s`\n\n| request | right |\n|---|---|\n", typeAddress(k))
		of := target{kind: k}
		verbs := []string{http.MethodGet}
		if k.put != nil {
			verbs = append(verbs, http.MethodPut)
		}
		if k.patch != nil {
			verbs = append(verbs, http.MethodPatch)
		}
		if k.remove != nil {
			verbs = append(verbs, http.MethodDelete)
		}
		for _, method := range verbs {
			fmt.Fprintf(&b, "| `%s` | %s |\n", method, of.right(method))
		}
		for i := range k.parts {
			partRows(&b, k, &k.parts[i])
		}
		for i := range k.actions {
			fmt.Fprintf(&b, "| `POST …/%s` | %s |\n", k.actions[i].name, target{kind: k, action: &k.actions[i]}.right(http.MethodPost))
		}
	}
	return b.String()
}

func partRows(b *strings.Builder, k *kind, p *part) {
	of := target{kind: k, part: p}
	if p.list != nil {
		fmt.Fprintf(b, "| `GET …/%s` | %s |\n", p.name, of.right(http.MethodGet))
	}
	for _, method := range slices.Sorted(maps.Keys(p.methods)) {
		fmt.Fprintf(b, "| `%s …/%s/{name}` | %s |\n", method, p.name, of.right(method))
	}
	for _, method := range slices.Sorted(maps.Keys(p.single)) {
		fmt.Fprintf(b, "| `%s …/%s` | %s |\n", method, p.name, of.right(method))
	}
}

func servicesPage() string {
	var b strings.Builder
	b.WriteString("\n## Other addresses\n\n| request | right |\n|---|---|\n")
	rows := slices.Clone(services)
	slices.SortFunc(rows, func(a, b service) int { return strings.Compare(a.path+a.method, b.path+b.method) })
	for _, s := range rows {
		fmt.Fprintf(&b, "| `%s /%s` | %s |\n", s.method, s.path, s.right)
	}
	return b.String()
}

func modelsPage() string {
	prefixes, routes := models.Routes()
	var b strings.Builder
	fmt.Fprintf(&b, "\n## Addresses of azureml-core (SDK v1)\n\nBelow one of `%s`, each followed by the id of a workspace "+
		"([012](012-models.md)). The right is that for the asset or the service in the workspace.\n\n", strings.Join(prefixes, "`, `"))
	for _, r := range routes {
		fmt.Fprintf(&b, "- `%s`\n", r)
	}
	return b.String()
}
