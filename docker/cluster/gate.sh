#!/usr/bin/env bash
# Make a certificate for $CLUSTER_HOST, unless there is one, and open the gate.
set -euo pipefail

host="${CLUSTER_HOST:-}"
if [ -z "$host" ]; then
  echo "error: CLUSTER_HOST is not set: it should be the name or address by which the workers know this machine" >&2
  exit 2
fi
case "$host" in
  *:* | *[!0-9.]*) kind=$([[ "$host" = *:* ]] && echo IP || echo DNS) ;;
  *) kind=IP ;;
esac
check=$([ "$kind" = IP ] && echo -checkip || echo -checkhost)

cd /run/certificate
if ! [ -s certificate.pem ] \
  || openssl x509 -in certificate.pem -noout "$check" "$host" | grep --quiet 'NOT match' \
  || ! openssl x509 -in certificate.pem -noout -checkend $((30 * 24 * 3600)) >/dev/null; then
  umask 077
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -days 825 -subj "/CN=additional-positive" \
    -addext "subjectAltName=$kind:$host" -keyout key.partial -out certificate.partial 2>/dev/null
  chmod 444 certificate.partial
  mv key.partial key.pem
  mv certificate.partial certificate.pem
  echo "a new certificate for $host: workers need a new invitation"
fi
exec stunnel /gate/stunnel.conf
