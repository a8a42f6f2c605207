package arm

import (
	"net/http"
	"strings"

	"berth.dev/berth/catalog"
	"berth.dev/berth/wire"
)

// vmSizesRow is the row of `az vm list-sizes`: the only address of Microsoft.Compute that Berth serves, because users choose the size
// of nodes with it.
var vmSizesRow = service{
	path: "subscriptions/{}/providers/Microsoft.Compute/locations/{}/vmSizes", name: "locations/vmsizes", method: http.MethodGet,
	right: "Microsoft.Compute/locations/vmSizes/read", serve: (*Server).vmSizes,
}

// diskSizeMB is the largest system disk of a node.
const diskSizeMB = 1047552

func (s *Server) vmSizes(_ *request, t target) (*response, error) {
	if _, err := location(&t.words[0], nil, ""); err != nil {
		return nil, err
	}
	value := []any{}
	for _, size := range catalog.Sizes() {
		value = append(value, wire.Object{
			"name": size.Name, "numberOfCores": size.VCPUs, "memoryInMB": size.MemoryMiB, "osDiskSizeInMB": diskSizeMB,
			"resourceDiskSizeInMB": 0, "maxDataDiskCount": min(2*size.VCPUs, 64),
		})
	}
	return ok(wire.Object{"value": value}), nil
}

// namesNamespace reports whether the first word in the path of a service is a namespace that the caller chose.
func (v *service) namesNamespace() bool { return strings.Contains(v.path, "/providers/{}") }
