//go:build tools

// Package tools pins gVisor's runtime, which ../build.sh builds where neither runc nor crun is installed. It is a module of its own: the
// containerd of localnodes needs a newer version of the format of containers than runsc can be built with.
package tools

import (
	_ "gvisor.dev/gvisor/runsc"
	_ "gvisor.dev/gvisor/shim"
)
