#!/bin/sh
# After the files are there: the user, the data folder, and the unit. Nothing that exists is changed.
set -e
if ! getent passwd berth >/dev/null; then
	useradd --system --user-group --home-dir /var/lib/berth --no-create-home --shell "$(command -v nologin || echo /usr/sbin/nologin)" berth
fi
if [ ! -d /var/lib/berth ]; then
	install -d -m 0700 -o berth -g berth /var/lib/berth
fi
# The package cannot name a group that did not exist when it was unpacked.
chgrp berth /etc/berth /etc/berth/berth.env /etc/berth/berth.yaml
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
	# An update restarts a server that runs; a new one is started by the administrator.
	systemctl try-restart berth.service
fi
