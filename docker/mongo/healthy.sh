#!/usr/bin/env bash
# Does the run database answer on the network? Asked often, so that nobody waits for it longer than need be; mongosh,
# which takes a core for a second, is asked to ask once a minute, and the port in between.
set -euo pipefail

if [ -e /data/db/.initialising ]; then exit 1; fi # the first start, which answers itself alone
# One at a time: on a busy machine a mongosh may outlive the check that began it, and several would starve each other.
exec 9>/tmp/asking
flock 9
if [ -n "$(find /tmp/answered -mmin -1 2>/dev/null)" ]; then
  exec 3<>"/dev/tcp/$HOSTNAME/27017"
else
  mongosh --quiet "mongodb://$HOSTNAME/" --eval 'db.adminCommand("ping").ok || quit(1)'
  touch /tmp/answered
fi
