#!/usr/bin/env bash
# Take back what backup.sh wrote, from standard input, into volumes that hold no run database yet: whole, or not at all.
set -euo pipefail

if [ -n "$(ls --almost-all /data/db)" ]; then
  echo "error: there is a run database, which is not overwritten; to give it up: docker compose down --volumes" >&2
  exit 2
fi
arrived=/data/db/.arriving
mkdir "$arrived"
trap 'rm -rf "$arrived"' EXIT
if ! tar --extract --gzip --directory "$arrived" data/db run/passwords; then
  echo "error: that is not a whole archive of docker compose run --rm -T backup; nothing was restored" >&2
  exit 2
fi
cp --recursive --force "$arrived/run/passwords/." /run/passwords/
find "$arrived/data/db" -mindepth 1 -maxdepth 1 -exec mv --target-directory /data/db {} +
echo "restored; docker compose up goes on from there" >&2
