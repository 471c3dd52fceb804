#!/usr/bin/env bash
# Installs what the tests use beside npm packages and is not there: a browser. On systems with apt, as
# root or through sudo; elsewhere it says what is missing, and the tests that need it fail.
set -euo pipefail

chromium="${CHROMIUM_PATH:-}"
for name in chromium chromium-browser google-chrome; do
  if [ -z "$chromium" ]; then chromium="$(command -v "$name" || true)"; fi
done
if [ -n "$chromium" ]; then exit 0; fi

if ! command -v apt-get > /dev/null; then
  echo "missing: Chromium; install it, or set CHROMIUM_PATH" >&2
  exit 1
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then as_root=(sudo); fi
"${as_root[@]}" apt-get update -qq
DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends chromium > /dev/null
