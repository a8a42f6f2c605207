// Package catalog is data: VM sizes, Kubernetes versions, locations. It depends on nothing else.
package catalog

import (
	_ "embed"
	"fmt"
	"sort"
	"strconv"
	"strings"
	"sync"
)

//go:embed vm-sizes.csv
var sizesCSV string

// ProductionVCPUs is the minimum number of vCPUs of a cluster for production (FastProd, DenseProd), from the service's document.
const ProductionVCPUs = 12

// VMSize is the resources of a node of that size. GPUs and FPGAs are counted separately.
type VMSize struct {
	Name         string // canonical casing: "Standard_D3_v2"
	Family       string // quota family: "standardDv2Family"
	VCPUs        int
	MemoryMiB    int
	GPUs, FPGAs  int
	Architecture string // amd64 | arm64
}

// sizes is read once, at first use. It panics if a line cannot be read: the data is built in.
var sizes = sync.OnceValue(func() map[string]VMSize {
	out := map[string]VMSize{}
	for i, line := range strings.Split(strings.TrimSpace(sizesCSV), "\n") {
		f := strings.Split(strings.TrimSpace(line), ",")
		if i == 0 {
			continue // the names of the columns
		}
		if len(f) != 7 {
			panic(fmt.Sprintf("vm-sizes.csv line %d has %d fields", i+1, len(f)))
		}
		s := VMSize{Name: f[0], Family: f[1], VCPUs: number(f[2]), MemoryMiB: number(f[3]), GPUs: number(f[4]), FPGAs: number(f[5]),
			Architecture: f[6]}
		out[strings.ToLower(s.Name)] = s
	}
	return out
})

func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		panic("vm-sizes.csv: " + err.Error())
	}
	return n
}

// Size finds a VM size by its name in any casing.
func Size(name string) (VMSize, bool) {
	s, ok := sizes()[strings.ToLower(name)]
	return s, ok
}

// Sizes lists all sizes, sorted by name.
func Sizes() []VMSize {
	out := make([]VMSize, 0, len(sizes()))
	for _, s := range sizes() {
		out = append(out, s)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out
}

// Nearest suggests up to n sizes for a misspelled name: those with the fewest different characters first.
func Nearest(name string, n int) []string {
	type candidate struct {
		name     string
		distance int
	}
	name = strings.ToLower(name)
	var all []candidate
	for key, s := range sizes() {
		d := distance(name, key)
		if !strings.HasPrefix(name, "standard_") {
			d = min(d, distance("standard_"+name, key))
		}
		all = append(all, candidate{s.Name, d})
	}
	sort.Slice(all, func(i, j int) bool {
		if all[i].distance != all[j].distance {
			return all[i].distance < all[j].distance
		}
		return all[i].name < all[j].name
	})
	var out []string
	for _, c := range all[:min(n, len(all))] {
		out = append(out, c.name)
	}
	return out
}

// distance is the number of single-character changes from a to b (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			next := min(row[j]+1, row[j+1]+1, diagonal+cost)
			diagonal, row[j+1] = row[j+1], next
		}
	}
	return row[len(b)]
}
