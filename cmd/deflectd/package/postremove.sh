#!/bin/sh
# Configuration, secrets, state and logs outlive the package. Only Debian can purge it.
set -e
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload || true
fi
if [ "$1" = purge ]; then
	rm -rf /etc/deflectd /var/lib/deflectd /var/lib/private/deflectd /var/log/deflectd /etc/default/deflectd
fi
