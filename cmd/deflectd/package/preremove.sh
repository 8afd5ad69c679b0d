#!/bin/sh
set -e
case "$1" in
remove | 0) ;;
*) exit 0 ;; # an upgrade
esac
if [ -d /run/systemd/system ]; then
	systemctl disable --now deflectd.socket deflectd-http.socket deflectd.service || echo "deflectd may still run: see systemctl status deflectd" >&2
fi
