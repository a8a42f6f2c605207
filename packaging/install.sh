#!/bin/sh
# Installs Berth from a folder or a web address that holds its packages (what 'make dist' writes). Nothing is written before the checksum of
# the archive agrees with SHA256SUMS.
#   sh install.sh --from https://downloads.example.com/berth/v1.2.3 [--prefix FOLDER] [--sums-sha256 HEX]
set -eu

usage() {
	cat <<'END'
usage: install.sh --from FOLDER-OR-URL [--prefix FOLDER] [--sums-sha256 HEX]
  --from         where SHA256SUMS and the archives are: a folder, or an https address
  --prefix       where to install: /usr/local for root, else ~/.local. Programs go to lib/berth, a link to bin/berth
  --sums-sha256  the checksum of SHA256SUMS itself, from a source that you trust. Without it, the checksums protect against damage, but not
                 against somebody who can change both files
END
}
fail() {
	echo "install.sh: $1" >&2
	exit 1
}
from='' prefix='' pinned=''
while [ $# -gt 0 ]; do
	case $1 in
	-h | --help) usage && exit 0 ;;
	--from | --prefix | --sums-sha256) [ $# -ge 2 ] || fail "$1 needs a value" ;;
	*) fail "'$1' is no option; see install.sh --help" ;;
	esac
	case $1 in
	--from) from=${2%/} ;;
	--prefix) prefix=${2%/} ;;
	--sums-sha256) pinned=$2 ;;
	esac
	shift 2
done
[ -n "$from" ] || { usage >&2 && exit 2; }
if [ -z "$prefix" ]; then
	prefix=$HOME/.local
	[ "$(id -u)" != 0 ] || prefix=/usr/local
fi

case $(uname -s) in
Linux) os=linux ;;
Darwin) os=darwin ;;
*) fail "no archive for $(uname -s); for Windows, unpack the zip file" ;;
esac
case $(uname -m) in
x86_64 | amd64) arch=amd64 ;;
aarch64 | arm64) arch=arm64 ;;
*) fail "no archive for the processor $(uname -m)" ;;
esac

work=$(mktemp -d)
new=$prefix/lib/berth.new
trap 'rm -rf "$work" "$new"' EXIT
trap 'exit 1' INT TERM HUP

# get NAME FILE fetches a file of the release.
get() {
	case $from in
	https://* | http://127.0.0.1:* | http://localhost:*)
		if command -v curl >/dev/null; then
			curl -fsSL --retry 3 -o "$2" "$from/$1"
		elif command -v wget >/dev/null; then
			wget -q -O "$2" "$from/$1"
		else
			fail "curl or wget is needed"
		fi
		;;
	http://*) fail "http is not safe: use https, or a folder" ;;
	*) cp "$from/$1" "$2" ;;
	esac || fail "$from/$1 cannot be fetched"
}
sha256() {
	if command -v sha256sum >/dev/null; then
		sha256sum "$1"
	else
		shasum -a 256 "$1"
	fi | cut -d' ' -f1
}

get SHA256SUMS "$work/SHA256SUMS"
if [ -n "$pinned" ] && [ "$(sha256 "$work/SHA256SUMS")" != "$pinned" ]; then
	fail "SHA256SUMS has another checksum than --sums-sha256; nothing was installed"
fi
# Lines are "HEX  NAME"; there is one archive for each platform.
line=$(grep -E "^[0-9a-f]{64}  berth_[A-Za-z0-9._+~-]+_${os}_${arch}\.tar\.gz\$" "$work/SHA256SUMS" || true)
[ "$(printf '%s\n' "$line" | grep -c .)" = 1 ] || fail "SHA256SUMS does not name one archive for $os/$arch"
want=${line%% *}
name=${line##* }
get "$name" "$work/$name"
[ "$(sha256 "$work/$name")" = "$want" ] || fail "$name is not what SHA256SUMS says; nothing was installed"

tar -xzf "$work/$name" -C "$work"
top=$work/${name%.tar.gz}
mkdir -p "$prefix/lib" "$prefix/bin" "$prefix/share/man/man1" "$prefix/share/berth"
# The programs are exchanged as a whole: a server that runs keeps those that it has open.
rm -rf "$new"
cp -R "$top/bin" "$new"
rm -rf "$prefix/lib/berth.old"
[ ! -d "$prefix/lib/berth" ] || mv "$prefix/lib/berth" "$prefix/lib/berth.old"
mv "$new" "$prefix/lib/berth"
rm -rf "$prefix/lib/berth.old"
ln -sf ../lib/berth/berth "$prefix/bin/berth"
cp "$top"/share/man/man1/* "$prefix/share/man/man1/"
cp -R "$top/share/completions" "$top/docs" "$top"/*.md "$top/LICENSE" "$top/THIRD-PARTY.txt" "$prefix/share/berth/"
echo "Installed $("$prefix/bin/berth" version) in $prefix."
case ":$PATH:" in
*":$prefix/bin:"*) ;;
*) echo "Add $prefix/bin to PATH." ;;
esac
