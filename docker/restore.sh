#!/usr/bin/env bash
# Take back what backup.sh wrote, from standard input, into volumes that hold no run database yet: whole, or not at all.
set -euo pipefail

MARK=/data/db/.initialising # until all is there: whoever finds it, serve.sh or we, begins anew

if [ -n "$(ls --almost-all /data/db)" ] && ! [ -e "$MARK" ]; then
  echo "error: there is a run database, which is not overwritten; to give it up:" \
    "docker compose --profile dashboard down --volumes --remove-orphans" >&2
  exit 2
fi
find /data/db -mindepth 1 -delete
touch "$MARK"
arrived=/data/db/.arrived
mkdir "$arrived"
if ! tar --extract --gzip --directory "$arrived" data/db run/passwords 2>/dev/null; then
  find /data/db -mindepth 1 -delete
  echo "error: that is not a whole archive of docker compose run --rm -T backup; nothing was restored" >&2
  exit 2
fi
cp --recursive --force "$arrived/run/passwords/." /run/passwords/
find "$arrived/data/db" -mindepth 1 -maxdepth 1 -exec mv --target-directory /data/db {} +
rm --recursive "$arrived"
sync
rm "$MARK"
echo "restored; docker compose up goes on from there" >&2
