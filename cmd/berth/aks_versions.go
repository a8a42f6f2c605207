package main

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"berth.dev/berth/client"
)

func (c *cli) aksVersions() *cobra.Command {
	w := &where{}
	cmd := command("get-versions", "List the Kubernetes versions of a location", func(ctx context.Context) error {
		cl, err := c.connect()
		if err != nil {
			return err
		}
		versions, err := cl.Orchestrators(ctx, w.location)
		if err != nil {
			return err
		}
		return c.emit(flat(versions), versionTable)
	})
	cmd.Example = "  berth aks get-versions -l westus -o table\n" +
		"  berth aks get-versions -l westus --query \"orchestrators[?default == \\`true\\`].orchestratorVersion\" -o table"
	w.locationFlag(cmd, true)
	return w.on(c, cmd)
}

// versionTable lists versions, newest first, and where each can go, oldest first; previews are marked.
func versionTable(v any) []row {
	whole, _ := v.(client.Object)
	list, _ := whole["orchestrators"].([]any)
	preview := map[string]bool{}
	for _, o := range objects(list) {
		preview[str(o, "orchestratorVersion")] = o["isPreview"] == true
	}
	mark := func(version string) string {
		if preview[version] {
			return version + "(preview)"
		}
		return version
	}
	sorted := objects(list)
	slices.SortStableFunc(sorted, func(a, b client.Object) int {
		return compareVersions(str(b, "orchestratorVersion"), str(a, "orchestratorVersion"))
	})
	rows := []row{}
	for _, o := range sorted {
		rows = append(rows, row{
			{"KubernetesVersion", mark(str(o, "orchestratorVersion"))},
			{"Upgrades", upgradeText(o["upgrades"], "orchestratorVersion", mark)},
		})
	}
	return rows
}

// upgradeText lists versions, oldest first.
func upgradeText(v any, key string, mark func(string) string) string {
	list, _ := v.([]any)
	versions := []string{}
	for _, o := range objects(list) {
		versions = append(versions, str(o, key))
	}
	if len(versions) == 0 {
		return "None available"
	}
	slices.SortFunc(versions, compareVersions)
	for i := range versions {
		versions[i] = mark(versions[i])
	}
	return strings.Join(versions, ", ")
}

func objects(list []any) []client.Object {
	out := []client.Object{}
	for _, item := range list {
		if o, ok := item.(client.Object); ok {
			out = append(out, o)
		}
	}
	return out
}

// compareVersions compares the numbers: 1.9 is older than 1.10.
func compareVersions(a, b string) int {
	x, y := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(x), len(y)) {
		m, _ := strconv.Atoi(x[i]) // a part that is not a number counts as 0
		n, _ := strconv.Atoi(y[i])
		if m != n {
			return cmp.Compare(m, n)
		}
	}
	return cmp.Compare(len(x), len(y))
}
