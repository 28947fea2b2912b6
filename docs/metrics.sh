#!/bin/sh
# docs/metrics.sh [BUILD]: makes docs/metrics.png, the page that examples/service.c shows to Prometheus: runs it from BUILD
# (build/dev), has it count for two clients, and photographs the page in headless Chromium (Debian: chromium, netcat-openbsd).
set -eu
cd "$(dirname "$0")/.." || exit 1
build=${1:-build/dev}
folder=$(mktemp -d)
service=
trap 'kill $service 2>/dev/null || true; rm -rf "$folder"' EXIT

"$build/examples/service" 0 0 >"$folder/said" &
service=$!
until grep -q 'metrics on port' "$folder/said" && grep -q '^listening on port' "$folder/said"; do sleep 0.1; done
port=$(sed -n 's/^listening on port \([0-9]*\).*/\1/p' "$folder/said")
metrics=$(sed -n 's/^metrics on port \([0-9]*\).*/\1/p' "$folder/said")

for questions in 10 40; do
  { seq 1000 1000 $((questions * 1000)); sleep 4; } | nc 127.0.0.1 "$port" >/dev/null &
done
sleep 1
chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --user-data-dir="$folder/profile" \
  --window-size=380,170 --screenshot="$PWD/docs/metrics.png" "http://127.0.0.1:$metrics/metrics" 2>/dev/null
