#!/usr/bin/env bash
# Write the run database's files and its passwords to standard output, as tar.gz. The server must not be at work.
set -euo pipefail

if (exec 3<>/dev/tcp/mongo/27017) 2>/dev/null; then
  echo "error: the run database is at work, and its files change; stop it first: docker compose stop" >&2
  exit 2
fi
if [ -t 1 ]; then
  echo "error: nobody reads an archive from a terminal; type: docker compose run --rm -T backup > backup.tar.gz" >&2
  exit 2
fi
if [ -z "$(ls --almost-all /data/db)" ]; then
  echo "error: there is no run database yet; docker compose up makes one" >&2
  exit 2
fi
tar --create --gzip --directory / data/db run/passwords
echo "the database and its passwords are in it: keep it like a password" >&2
