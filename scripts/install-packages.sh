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
# Mirrors have bad moments, and a machine that has just started installs things by itself.
patient=(-qq -o Acquire::Retries=5 -o DPkg::Lock::Timeout=300)
apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get "${patient[@]}")

# A list that cannot be fetched, say of a source that these packages are not from, keeps nobody from trying.
"${apt[@]}" update || echo "some package lists are as old as they were" >&2
install() { "${apt[@]}" install -y --no-install-recommends "$@" > /dev/null; }
if install "${missing[@]}"; then exit 0; fi
# One that is not to be had does not take the others along.
failed=0
for name in "${missing[@]}"; do install "$name" || failed=1; done
exit "$failed"
