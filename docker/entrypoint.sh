#!/usr/bin/env bash
# Before any command: may we write where results and checkpoints go, and is the run database kept for us?
set -euo pipefail

# Folders that were handed in belong to somebody.
for folder in results runs; do
  if [ -w "$folder" ] || ! mountpoint --quiet "$folder"; then continue; fi
  owner="$(stat --format=%u "$folder")" group="$(stat --format=%g "$folder")"
  if [ "$owner" = 0 ]; then
    remedy="give it to that user: chown $(id -u):$(id -g) on the folder (where Docker itself runs without root: chmod a+rwx)"
  else
    remedy="put the lines REPRO_UID=$owner and REPRO_GID=$group into .env and type the command again"
  fi
  echo "error: $folder belongs to user $owner, and the container runs as user $(id -u), who may not write to it; $remedy" >&2
  exit 2
done

if ! [ -r data ] || ! [ -x data ]; then
  echo "error: data cannot be read by user $(id -u), whom the container runs as; let that user in: chmod a+rX on the folder" >&2
  exit 2
fi

# Checkpoints and records of another user, from before REPRO_UID was changed, could neither be read on nor delivered.
other="$(find runs -mindepth 1 -maxdepth 1 ! -user "$(id -u)" -printf '%U\n' -quit)"
if [ -n "$other" ]; then
  echo "error: runs holds checkpoints and records of user $other, and the container runs as user $(id -u); put" \
    "REPRO_UID=$other back into .env, or remove all runs: docker compose --profile dashboard down --volumes" >&2
  exit 2
fi

# The run database stops when nobody is connected. We are, as long as we live, whatever the command does meanwhile.
if [ -r "${REPRO_MONGO_URI_FILE:-}" ]; then
  place="$(<"$REPRO_MONGO_URI_FILE")" place="${place#*@}" place="${place%%/*}"
  # Whether it answers at all, the command itself will say.
  { exec 9<>"/dev/tcp/${place%:*}/${place##*:}"; } 2>/dev/null || true
fi

exec "$@"
