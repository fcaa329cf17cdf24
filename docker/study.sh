#!/usr/bin/env bash
# The study at $SCALE: its images, the runs that are missing, and every table and figure. Begun again, it goes on where
# it stopped. Arguments, and the words of $STUDY_OPTIONS, are options of `python -m repro.reproduce run`.
set -uo pipefail

stopped=
trap 'stopped=yes' TERM INT # a stop reaches the program below us too, which saves its work; wait for it

SCALE="${SCALE:-medmnist}"
read -r -a options <<<"${STUDY_OPTIONS:-}"
echo "the study at SCALE=$SCALE${STUDY_OPTIONS:+ with $STUDY_OPTIONS}"
python -m repro.reproduce run --scale "$SCALE" --fetch "${options[@]}" "$@"
ran=$?
# Whoever is stopped, or was told wrong things, has nothing new to draw. A failed cell leaves all the others.
if [ -n "$stopped" ]; then exit 130; fi
if [ "$ran" -gt 1 ]; then exit "$ran"; fi

python -m figures
drawn=$?
if [ "$drawn" -eq 0 ]; then exit "$ran"; fi
exit "$drawn"
