#!/bin/sh
# Nothing is started or enabled: the configuration comes first. What runs, goes on with the
# new version.
set -e
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
	case "$1" in
	configure) [ -z "$2" ] || systemctl try-restart deflectd.service ;; # of Debian, with the version before
	2) systemctl try-restart deflectd.service ;;                        # of RPM
	esac
fi
