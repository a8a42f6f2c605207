#!/bin/sh
# After the files are gone. The data and the user stay; only dpkg's purge removes them (and the settings). rpm has no purge.
set -e
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
fi
if [ "$1" = purge ]; then
	rm -rf /var/lib/berth
	if getent passwd berth >/dev/null; then
		userdel berth
	fi
fi
