#!/bin/sh
# Builds bin/berth-nodes and, in bin/nodes/, the programs that it starts. All of them come from the Go module proxy and need no C compiler.
set -eu
cd "$(dirname "$0")"
go="${GO:-go}"
out="${1:-../bin}"
mkdir -p "$out/nodes"
export CGO_ENABLED=0
"$go" build -trimpath -ldflags "-s -w" -o "$out/nodes/" \
	github.com/containerd/containerd/v2/cmd/containerd github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2 \
	github.com/containernetworking/plugins/plugins/main/ptp github.com/containernetworking/plugins/plugins/ipam/host-local \
	./pause ./hello ./unlimited ./reap
"$go" build -trimpath -ldflags "-s -w" -o "$out/berth-nodes" .
# The program of the image berth.dev/fe. The folder is that of the main module.
out="$(cd "$out" && pwd)"
(cd .. && "$go" build -trimpath -ldflags "-s -w -X main.version=${VERSION:-dev}" -o "$out/nodes/berth-fe" ./cmd/berth-fe)
# The program that builds images of Dockerfiles in a pod: BuildKit, in a module of its own.
(cd buildkit && "$go" build -trimpath -ldflags "-s -w" -o "$out/nodes/berth-build" .)
# Where the system has no runtime of containers: gVisor's, 108 MB, some minutes the first time.
PATH="$PATH:/usr/sbin:/sbin"
if ! command -v runc >/dev/null && ! command -v crun >/dev/null; then
	echo "neither runc nor crun is installed: building gVisor's runsc"
	cd runsc
	"$go" build -trimpath -ldflags "-s -w -X gvisor.dev/gvisor/runsc/version.version=berth" -o "$out/nodes/runsc" gvisor.dev/gvisor/runsc
	"$go" build -trimpath -ldflags "-s -w" -o "$out/nodes/containerd-shim-runsc-v1" gvisor.dev/gvisor/shim
fi
