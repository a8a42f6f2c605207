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
	./pause ./hello ./unlimited
"$go" build -trimpath -ldflags "-s -w" -o "$out/berth-nodes" .
