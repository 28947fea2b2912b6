#!/bin/sh
# tests/bench/run.sh: builds in release mode and runs the benchmarks on every loop.
#
#   sh tests/bench/run.sh                  all works, under 40 minutes; writes docs/benchmarks.md
#   sh tests/bench/run.sh [--quick] NAME...  these only (floors, P1 to P19, process, scale, percore); prints
#   sh tests/bench/run.sh --quick          all, with fewer passes; prints
#   sh tests/bench/run.sh --slow-wake ...  likewise, where a thread that slept runs 50 us later (P1, P3)
#   sh tests/bench/run.sh peers            beside others of its kind that Debian packages; prints
#   sh tests/bench/run.sh macro [--quick]  whole servers beside nginx, Go, tokio, raw libuv and redis-server, 4 minutes; prints,
#                                          and writes docs/benchmarks/macro.svg and .tsv (--quick: into the build folder)
#   sh tests/bench/run.sh page             writes docs/benchmarks.md and its pictures from the last results of macro and
#                                          of the works, which are in $BENCH_BUILD/benchmarks.txt; measures nothing
#
# Prints a line for each figure, then a table against the targets. Figures of one line come from one run
# in which the sides took turns; only their ratio means anything on another day. Works in $BENCH_BUILD
# (build/release), on $BENCH_LOOPS ("libuv libev libevent").

set -u
cd "$(dirname "$0")/../.." || exit 1

build=${BENCH_BUILD:-build/release}
loops=${BENCH_LOOPS:-libuv libev libevent}
results=$build/benchmarks.txt
works="floors P1 P2 P3 P4 P5 P6 P7 P8 P9 P10 P12 P13 P14 P15 P16 P17 P18 P19 process scale percore" # and P11
here=tests/bench
docs=docs/benchmarks.md

slow_wake=
if [ "${1:-}" = --slow-wake ]; then
  slow_wake=$build/lib/libbench-slow-wake.so
  shift
fi

target=bench
[ "${1:-}" != peers ] || target=bench-peer
[ "${1:-}" != macro ] || target=bench-macro

machine()
{
  echo "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1)," \
    "$(getconf _NPROCESSORS_ONLN) cores," \
    "$(sed -n 's/^PRETTY_NAME=//p' /etc/os-release | tr -d '"')," \
    "Linux $(uname -r | cut -d. -f1,2)"
}

# docs/benchmarks.md and its pictures, from $results.
page()
{
  mkdir -p docs/benchmarks
  find docs/benchmarks -name '*.svg' ! -name macro.svg -exec rm -f {} +
  python3 $here/plot.py "$results" docs/benchmarks &&
    awk -f $here/table.awk "$results" |
    python3 $here/page.py $here/benchmarks.md.in "$results" "$(machine)" docs/benchmarks >$docs &&
    echo "Written: $docs"
}

if [ "${1:-}" = page ]; then
  page
  exit
fi

for p in gcc g++ cmake ninja-build pkg-config libuv1-dev libev-dev libevent-dev libssl-dev libcriterion-dev python3 \
  gearman-job-server libhiredis-dev redis-server libpq-dev postgresql libcurl4-openssl-dev nginx-light libc-ares-dev dnsmasq-base; do
  dpkg-query -W -f='${Status}' $p 2>/dev/null | grep -q 'install ok installed' || missing="${missing:-} $p"
done
if [ -n "${missing:-}" ]; then
  echo "Installing$missing"
  # shellcheck disable=SC2086
  { export DEBIAN_FRONTEND=noninteractive; apt-get -q update && apt-get -q install -y --no-install-recommends $missing; } >&2 || exit 1
fi

mkdir -p "$(dirname "$build")"
if ! { cmake --preset release -B "$build" -DINTERLOOP_EXAMPLES=OFF &&
  cmake --build "$build" --target $target; } >"$build.log" 2>&1; then
  cat "$build.log"
  exit 1
fi

if [ $target = bench-peer ]; then
  machine
  echo
  exec sh $here/peers/run.sh "$(cd "$build" && pwd)"
fi

if [ $target = bench-macro ]; then
  machine
  exec sh $here/macro/run.sh "$(cd "$build" && pwd)" "$(machine)" "${2:-}"
fi

: >"$results"
bench()
{
  program=$build/tests/bench/bench-$1
  shift
  LD_PRELOAD=$slow_wake "$program" "$@" </dev/null | tee -a "$results"
}

# nginx and dnsmasq are there. P13 has wrk as its load, and a server in Go beside it, where they are installed.
PATH=$PATH:/usr/sbin
if command -v go >/dev/null && GO111MODULE=off GOCACHE=$PWD/$build/go-cache \
  go build -o "$build/http-go" $here/peers/http.go >&2; then
  BENCH_GO_SERVER=$PWD/$build/http-go
  export BENCH_GO_SERVER
fi

for loop in $loops; do
  # shellcheck disable=SC2086
  if [ $# = 0 ]; then bench "$loop" $works; else bench "$loop" "$@"; fi
done
# Those that only wait do not disturb one another.
if [ $# = 0 ]; then
  for loop in $loops; do bench "$loop" P11 & done
  wait
fi
echo
machine
awk -f $here/table.awk "$results"

[ $# = 0 ] || exit 0
page
