#!/bin/sh
# Nothing is started or enabled: the configuration comes first. What runs, goes on with the
# new version; that it does not is no reason to leave the package half installed.
set -e
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload || true
	case "$1" in
	configure) [ -n "$2" ] || exit 0 ;; # of Debian, with the version before
	2) ;;                               # of RPM, an upgrade
	*) exit 0 ;;
	esac
	systemctl try-restart deflectd.service || echo "deflectd does not start with the new version, calls go on without it: see systemctl status deflectd" >&2
fi
