#!/usr/bin/env bash
# Installs what the tests use beside npm packages and is not there: a browser, Python, the shells that
# commands are completed in, and what the servers of brokers are built with. On systems with apt, as root
# or through sudo; elsewhere it says what is missing.
set -euo pipefail

missing=()
if [ -z "${CHROMIUM_PATH:-}" ] && ! command -v chromium chromium-browser google-chrome > /dev/null; then
  missing+=(chromium)
fi
for name in python3 zsh fish; do
  if ! command -v "$name" > /dev/null; then missing+=("$name"); fi
done
for name in cc make dpkg-source; do
  if ! command -v "$name" > /dev/null; then
    missing+=(build-essential)
    break
  fi
done
if [ ${#missing[@]} -eq 0 ]; then exit 0; fi

if ! command -v apt-get > /dev/null; then
  echo "missing: ${missing[*]}" >&2
  exit 1
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then as_root=(sudo); fi
"${as_root[@]}" apt-get update -qq
DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" > /dev/null
