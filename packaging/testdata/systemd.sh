#!/bin/sh
# Runs as a unit in a fresh Debian that systemd has started: installs /berth.deb, does the main job with what the unit runs, kills it, updates,
# removes, installs again and purges. The last line of /result is "passed" if all went well.
set -eu
exec >/result 2>&1
trap 'code=$?; [ $code = 0 ] || { journalctl -u berth --no-pager | tail -60; echo "failed ($code) in: $step"; }; systemctl poweroff --no-block 2>/dev/null' EXIT
step() { step=$1; echo "== $1 ($(cut -d. -f1 /proc/uptime))"; }
is() { [ "$1" = "$2" ] || { echo "'$1' is not '$2'"; exit 1; }; }
b() { setpriv --reuid berth --regid berth --init-groups env -i PATH="$PATH" HOME=/var/lib/berth BERTH_DATA_DIR=/var/lib/berth berth "$@"; }
main_pid() { systemctl show -p MainPID --value berth; }

step "install"
dpkg -i /berth.deb
is "$(systemctl is-active berth || true)" inactive
is "$(stat -c '%U %a' /var/lib/berth)" "berth 700"
is "$(stat -c '%U %G %a' /etc/berth/berth.env)" "root berth 640"
is "$(readlink -f /usr/bin/berth)" /usr/lib/berth/berth
test -s /usr/share/bash-completion/completions/berth
test -s /usr/share/doc/berth/copyright
systemd-analyze verify --man=no /usr/lib/systemd/system/berth.service
systemd-analyze security --no-pager berth | tail -1 || true

step "start"
systemctl enable --now berth
is "$(stat -c %U "/proc/$(main_pid)")" berth
is "$(grep -h NoNewPrivs "/proc/$(main_pid)/status" | tr -d '\t ')" NoNewPrivs:1
is "$(grep -h CapBnd "/proc/$(main_pid)/status" | tr -d '\t ')" CapBnd:0000000000000000
b version

step "main job"
b group create -n rg -l westeurope -o none
b ml workspace create -w wspace -g rg -o none
b configure --defaults group=rg workspace=wspace -o none
b ml computetarget create aks -n myaks -o none
b aks create -n existing -g rg -c 1 -o none
b ml computetarget attach aks -n attached --cluster-purpose DevTest -i "$(b aks show -n existing -g rg --query id -o tsv)" -o none
b ml computetarget scale -n myaks -a 4 -o none
b ml computetarget list -o table
is "$(b ml computetarget show -n myaks --query 'properties.provisioningState || provisioningState' -o tsv)" Succeeded
b ml computetarget detach -n attached -o none

step "killed"
before=$(main_pid)
systemctl kill -s KILL berth
until [ "$(main_pid)" != "$before" ] && systemctl is-active berth; do sleep 0.2; done
is "$(b aks show -n existing -g rg --query 'properties.provisioningState || provisioningState' -o tsv)" Succeeded

step "update"
echo "# mine" >>/etc/berth/berth.yaml
before=$(main_pid)
dpkg --force-confold -i /berth.deb
is "$(systemctl is-active berth)" active
[ "$(main_pid)" != "$before" ]
is "$(tail -1 /etc/berth/berth.yaml)" "# mine"

step "real nodes within the limits of the unit"
# The container around this system hides parts of proc and sysfs, and its cgroups are read-only; an ordinary machine does neither.
mkdir /run/proc /run/sys
mount -t proc proc /run/proc
mount -t sysfs sysfs /run/sys
for d in /sys/fs/cgroup /sys/fs/cgroup/*/; do mount -o remount,rw,bind "$d" 2>/dev/null || true; done
if [ -e /usr/bin/runc ]; then
	sed -e 's/^Type=.*/Type=oneshot/' -e 's/^ExecStart=.*/ExecStart=\/usr\/lib\/berth\/berth doctor/' -e /^Restart/d /usr/lib/systemd/system/berth.service \
		>/etc/systemd/system/doctor.service
	systemctl start doctor || { journalctl -u doctor --no-pager; exit 1; }
	journalctl -u doctor --no-pager -o cat
fi

step "remove"
dpkg -r berth
is "$(systemctl is-active berth || true)" inactive
test -s /var/lib/berth/berth.db
is "$(tail -1 /etc/berth/berth.yaml)" "# mine"
getent passwd berth

step "install again"
dpkg -i /berth.deb
systemctl start berth
is "$(b group show -n rg --query name -o tsv)" rg

step "purge"
dpkg -P berth
test ! -e /var/lib/berth
test ! -e /etc/berth
test ! -e /usr/lib/berth
getent passwd berth && exit 1
step=none
echo passed
