#!/bin/sh
# Builds bin/berth-kube. The first time Kubernetes itself is compiled, which takes minutes: this shows how it goes on.
set -eu
cd "$(dirname "$0")"
go="${GO:-go}"
x="k8s.io/component-base/version"
# Without the version stamp some components misjudge their own version.
# The commit of that Kubernetes release is not known to the module proxy, so it is left at zeros.
flags="-s -w -X main.version=${VERSION:-dev} -X $x.gitVersion=v1.37.2 -X $x.gitMajor=1 -X $x.gitMinor=37 -X $x.gitCommit=0000000000000000000000000000000000000000"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
CGO_ENABLED=0 "$go" build -v -trimpath -ldflags "$flags" -o ../bin/berth-kube . 2>"$log" &
pid=$!
trap 'kill "$pid" 2>/dev/null || true; rm -f "$log"' INT TERM
start=$(date +%s)
said=0
while kill -0 "$pid" 2>/dev/null; do
	sleep 1
	now=$(($(date +%s) - start))
	[ "$now" -lt 5 ] && continue
	done=$(grep -cvE 'downloading|^#' "$log" || true)
	text="compiling Kubernetes (about 1,500 packages; some minutes the first time, seconds later): ${now} s, ${done} done"
	if [ -t 1 ]; then
		printf '\r\033[K%s' "$text"
	elif [ $((now - said)) -ge 30 ] || [ "$said" -eq 0 ]; then
		echo "$text"
		said=$now
	fi
done
[ -t 1 ] && printf '\r\033[K'
if ! wait "$pid"; then
	cat "$log" >&2
	exit 1
fi
