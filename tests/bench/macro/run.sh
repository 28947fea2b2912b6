#!/bin/sh
# tests/bench/macro/run.sh BUILD MACHINE [QUICK]: whole servers beside those of other makes, about 4 minutes. `sh tests/bench/run.sh macro`
# calls it when BUILD is built; writes docs/benchmarks/macro.svg and macro.tsv, with QUICK into BUILD.
set -u
cd "$(dirname "$0")" || exit 1
build=$1 machine=$2
top=$(cd ../../.. && pwd)
updated=
for p in wrk redis-tools redis-server nginx-light golang-go cargo librust-tokio-dev; do
  dpkg-query -W -f='${Status}' $p 2>/dev/null | grep -q 'install ok installed' && continue
  [ -n "$updated" ] || apt-get -q update >/dev/null 2>&1
  updated=yes
  DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends $p >/dev/null 2>&1 || echo "Left out: no $p"
done
PATH=/usr/sbin:/usr/bin:/sbin:/bin
[ ! -x /usr/bin/go ] || GO111MODULE=off GOCACHE=$build/go-cache go build -o "$build/http-go" ../peers/http.go
if [ -x /usr/bin/cargo ]; then
  rm -rf "$build/tokio-http"
  cp -r tokio "$build/tokio-http"
  (cd "$build/tokio-http" && RUSTC=/usr/bin/rustc CARGO_HOME=$build/cargo cargo build --offline --release --target-dir target \
    --config 'source.crates-io.replace-with="debian"' \
    --config 'source.debian.directory="/usr/share/cargo/registry"') >"$build/tokio.log" 2>&1 &&
    cp "$build/tokio-http/target/release/http" "$build/macro-tokio" || echo "Left out: tokio: $(grep -m 1 error "$build/tokio.log")"
fi
if [ -n "${3:-}" ]; then
  exec python3 macro.py "$build" "$build" 1 1 "$machine"
fi
mkdir -p "$top/docs/benchmarks"
exec python3 macro.py "$build" "$top/docs/benchmarks" 3 5 "$machine"
