#!/bin/sh
# Before the files go. dpkg says "remove" and rpm says 0 when the package goes; an update keeps the server running.
set -e
if [ "$1" = remove ] || [ "$1" = 0 ]; then
	if [ -d /run/systemd/system ]; then
		systemctl disable --now berth.service
	fi
fi
