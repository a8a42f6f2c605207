#!/bin/sh
# Builds the programs of each platform (arguments such as linux/amd64) and packs them below dist/. VERSION and GO come from the Makefile.
# Kubernetes compiles once for each Linux platform; that of this machine is taken from bin/. Other systems get the program berth alone:
# it serves with connected clusters, and is the command line.
set -eu
cd "$(dirname "$0")/.."
go="${GO:-go}"
root=$PWD
host=$("$go" env GOHOSTOS)/$("$go" env GOHOSTARCH)
# The same sources make the same packages: every time in them is that of the commit.
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH CGO_ENABLED=0

make -s bin/berth
rm -rf dist/packages dist/share
mkdir -p dist/packages
# "~" stands for the home folder in the default values that the manual names.
HOME='~' XDG_DATA_HOME='' bin/berth man dist/share
(cd packaging && GOBIN="$root/dist/tools" "$go" install -trimpath .)

for platform in "$@"; do
	os=${platform%/*}
	arch=${platform#*/}
	if [ "$platform" = "$host" ] && [ "$os" = linux ]; then
		make -s build
		programs=bin
	else
		programs=dist/build/$os-$arch/bin
		mkdir -p "$programs"
		suffix=$([ "$os" = windows ] && echo .exe || true)
		GOOS=$os GOARCH=$arch "$go" build -trimpath -ldflags "-s -w -X main.version=$VERSION" -o "$programs/berth$suffix" ./cmd/berth
		if [ "$os" = linux ]; then
			# localkube's script writes beside its own folder.
			rm -rf "dist/build/$os-$arch/localkube"
			cp -R localkube "dist/build/$os-$arch/localkube"
			GOOS=$os GOARCH=$arch GO="$go" sh "dist/build/$os-$arch/localkube/build.sh"
			GOOS=$os GOARCH=$arch GO="$go" sh localnodes/build.sh "$root/$programs"
		fi
	fi
	dist/tools/packaging -platform "$platform" -version "$VERSION" -programs "$programs" -to dist/packages
done
cp packaging/install.sh dist/packages/
dist/tools/packaging -last -version "$VERSION" -to dist/packages
ls -l dist/packages
