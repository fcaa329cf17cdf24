#!/usr/bin/env bash
# Write what a worker needs to standard output, as tar: the run database's address, and the certificate to know it by.
set -euo pipefail

folder="${1:-}"
if [[ "$folder" != /* ]]; then
  echo "error: name the folder of a worker that it will be unpacked to, as in: run --rm -T invite /etc/repro > invite.tar" >&2
  exit 2
fi
if [ -z "${CLUSTER_HOST:-}" ] || ! [ -s /run/certificate/certificate.pem ]; then
  echo "error: set CLUSTER_HOST, and start the gate first, which makes the certificate: up -d gate" >&2
  exit 2
fi
if [ -t 1 ]; then
  echo "error: it holds a password, so it goes to a file: run --rm -T invite $folder > invite.tar" >&2
  exit 2
fi
host="$CLUSTER_HOST"
if [[ "$host" = *:* ]]; then host="[$host]"; fi

umask 077
mkdir /tmp/invitation
cp /run/certificate/certificate.pem /tmp/invitation/certificate.pem
address="$(</run/passwords/kit/uri)"
echo "${address/@*\//@$host:${CLUSTER_PORT:-27018}/}?tls=true&tlsCAFile=$folder/certificate.pem" >/tmp/invitation/uri
tar --create --owner=0 --group=0 --directory /tmp/invitation uri certificate.pem
