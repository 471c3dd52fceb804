#!/usr/bin/env bash
# Makes the certificates that tests use, in test/support/certificates: an authority, and a hub and a
# client signed by it. They guard nothing, and end in a hundred years.
set -euo pipefail
cd "$(dirname "$0")/../test/support/certificates"
days=36500
make_key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"; }
make_key authority
openssl req -x509 -new -key authority.key -days "$days" -subj "/CN=colloquy test authority" -out authority.crt
for name in hub client; do
  make_key "$name"
  openssl req -new -key "$name.key" -subj "/CN=$name" -out "$name.csr"
  openssl x509 -req -in "$name.csr" -CA authority.crt -CAkey authority.key -CAcreateserial -days "$days" \
    -extfile <(echo "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1") -out "$name.crt"
done
rm -f ./*.csr ./*.srl authority.key
