package studio

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"

	"golang.org/x/text/language"

	"berth.dev/berth"
	"berth.dev/berth/catalog"
	"berth.dev/berth/client"
)

// sizeRow is a size for the picker. Refused is the reason why the rules refuse it; empty when they do not.
type sizeRow struct {
	catalog.VMSize
	Refused string
}

// MarshalJSON writes a row as the script reads it: name, vCPUs, memory in GiB, GPUs, FPGAs, reason.
func (r sizeRow) MarshalJSON() ([]byte, error) {
	return json.Marshal([]any{r.Name, r.VCPUs, float64(r.MemoryMiB*10/1024) / 10, r.GPUs, r.FPGAs, r.Refused})
}

// sizeLists are the sizes in each language. The rules on a size depend on nothing else, so each list is made once.
type sizeLists struct {
	mu  sync.Mutex
	all map[language.Tag][]sizeRow
}

// sizes answers the catalogue for the picker. Sizes that the rules refuse come last.
func (s *Studio) sizes(v *visit) error {
	rows, err := v.judgedSizes()
	if err != nil {
		return err
	}
	v.w.Header().Set("Content-Type", "application/json")
	v.w.Header().Set("Cache-Control", "private, max-age=3600")
	v.w.Header().Set("Vary", "Accept-Language, Cookie")
	return json.NewEncoder(v.w).Encode(rows)
}

func (v *visit) judgedSizes() ([]sizeRow, error) {
	v.sizeLists.mu.Lock()
	defer v.sizeLists.mu.Unlock()
	if rows := v.sizeLists.all[v.lang]; rows != nil {
		return rows, nil
	}
	var rows []sizeRow
	for _, z := range catalog.Sizes() {
		why, err := v.refusedSize(z.Name)
		if err != nil {
			return nil, err
		}
		rows = append(rows, sizeRow{z, why})
	}
	slices.SortFunc(rows, func(a, b sizeRow) int {
		if (a.Refused == "") != (b.Refused == "") {
			return strings.Compare(a.Refused, b.Refused)
		}
		return strings.Compare(a.Name, b.Name)
	})
	if v.sizeLists.all == nil {
		v.sizeLists.all = map[language.Tag][]sizeRow{}
	}
	v.sizeLists.all[v.lang] = rows
	return rows, nil
}

// refusedSize is why the rules refuse a size for any number of nodes and any purpose; empty when they do not.
func (v *visit) refusedSize(size string) (string, error) {
	f := form{Mode: "create", Name: "any", Size: size, Nodes: "1000", Purpose: string(berth.DevTest)}
	compute := client.ComputeName{Group: v.Group(), Workspace: v.Workspace(), Name: f.Name}
	r, err := v.arm.CheckRules(v.r.Context(), compute, f.body(v.SubscriptionID))
	if err != nil {
		return "", err
	}
	for _, e := range r.Violations {
		if fieldOf(e.Target) == "size" {
			return e.Message, nil
		}
	}
	return "", nil
}
