#!/usr/bin/env bash
# The run database, for as long as somebody uses it: it stops when nobody has been connected for $IDLE_SECONDS, so that
# `docker compose up` ends when the study does. With IDLE_SECONDS=never it stays.
set -euo pipefail

POLL_SECONDS=5
GRACE_SECONDS=180  # more at the start: whoever needs the database is only being started, maybe on a busy machine

# Whether a client of another machine or container is connected to port 27017 (6989 in hexadecimal), in state
# established (01). What comes from our own address is a health check.
used() {
  local ours theirs state
  while read -r _ ours theirs state _; do
    if [ "${ours##*:}" = 6989 ] && [ "$state" = 01 ] && [ "${ours%:*}" != "${theirs%:*}" ]; then return 0; fi
  done < <(cat /proc/net/tcp /proc/net/tcp6 2>/dev/null)
  return 1
}

docker-entrypoint.sh mongod --bind_ip_all --wiredTigerCacheSizeGB "${CACHE_GB:-1}" &
server=$!
trap 'kill -TERM "$server" 2>/dev/null || true' TERM INT

idle=$((-GRACE_SECONDS))
while kill -0 "$server" 2>/dev/null; do
  sleep "$POLL_SECONDS" &
  wait $! || true  # a signal ends the wait, so that it is passed on at once
  if used; then idle=0; else idle=$((idle + POLL_SECONDS)); fi
  if [ "${IDLE_SECONDS:-120}" != never ] && [ "$idle" -ge "${IDLE_SECONDS:-120}" ]; then
    echo "nobody has used the run database for ${IDLE_SECONDS:-120} s: it stops, and starts again with whoever needs it"
    kill -TERM "$server"
    wait "$server" || true
    exit 0
  fi
done
wait "$server"
