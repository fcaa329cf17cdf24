#!/usr/bin/env bash
# The run database, for as long as somebody uses it: it stops when nobody has been connected for $IDLE_SECONDS, so that
# `docker compose up` ends when the study does. With IDLE_SECONDS=never it stays.
set -euo pipefail

POLL_SECONDS=5
GRACE_SECONDS=180 # more at the start: whoever needs the database is only being started, maybe on a busy machine
MARK=/data/db/.initialising

limit="${IDLE_SECONDS:-120}"
if ! [[ "$limit" =~ ^([1-9][0-9]*|never)$ ]]; then
  echo "error: IDLE_SECONDS=$limit: it should be a whole number of seconds, or never" >&2
  exit 2
fi

# A first start that was cut off left files without users; the image would take them for a database and never make any.
if [ -e "$MARK" ]; then find /data/db -mindepth 1 -delete; fi
if [ -z "$(ls --almost-all /data/db)" ]; then touch "$MARK"; fi

# Sockets of port 27017 (6989 in hexadecimal), as OWN:PORT THEIRS:PORT STATE. 0A listens, 01 is connected.
sockets() {
  local ours theirs state
  while read -r _ ours theirs state _; do
    if [ "${ours##*:}" = 6989 ]; then echo "$ours $theirs $state"; fi
  done < <(cat /proc/net/tcp /proc/net/tcp6 2>/dev/null)
}

# Whether it answers on the network: a first start answers itself alone, at 127.0.0.1, until the users are made.
listens() { sockets | grep --quiet --extended-regexp '^0+:6989 .* 0A$'; }

# Whether somebody else is connected; what comes from our own address is a health check.
used() {
  local ours theirs state
  while read -r ours theirs state; do
    if [ "$state" = 01 ] && [ "${ours%:*}" != "${theirs%:*}" ]; then return 0; fi
  done < <(sockets)
  return 1
}

docker-entrypoint.sh mongod --bind_ip_all --quiet --wiredTigerCacheSizeGB 1 &
server=$!
trap 'kill -TERM "$server" 2>/dev/null || true' TERM INT

idle=$((-GRACE_SECONDS))
while kill -0 "$server" 2>/dev/null; do
  sleep "$POLL_SECONDS" &
  wait $! || true # a signal ends the wait, so that it is passed on at once
  if ! listens; then continue; fi
  rm --force "$MARK"
  if used; then idle=0; else idle=$((idle + POLL_SECONDS)); fi
  if [ "$limit" != never ] && [ "$idle" -ge "$limit" ]; then
    echo "no connection to the run database for $limit s: it stops; docker compose starts it again when needed"
    kill -TERM "$server"
    while kill -0 "$server" 2>/dev/null; do wait "$server" || true; done
    exit 0
  fi
done
wait "$server"
