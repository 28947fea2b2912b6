#!/bin/sh
# tests/bench/run.sh: builds in release mode and runs the benchmarks on every loop.
#
#   sh tests/bench/run.sh                  all works, under 20 minutes; writes docs/benchmarks.md
#   sh tests/bench/run.sh [--quick] NAME...  these only (floors, P1 to P12, process, scale, percore); prints
#   sh tests/bench/run.sh --quick          all, with fewer passes; prints
#   sh tests/bench/run.sh peers            beside others of its kind that Debian packages; prints
#
# Prints a line for each figure, then a table against the targets. Figures of one line come from one run
# in which the sides took turns; only their ratio means anything on another day. Works in $BENCH_BUILD
# (build/release), on $BENCH_LOOPS ("libuv libev libevent").

set -u
cd "$(dirname "$0")/../.." || exit 1

build=${BENCH_BUILD:-build/release}
loops=${BENCH_LOOPS:-libuv libev libevent}
results=$build/benchmarks.txt
works="floors P1 P2 P3 P4 P5 P6 P7 P8 P9 P10 P12 process scale percore" # and P11
here=tests/bench
docs=docs/benchmarks.md

target=bench
[ "${1:-}" != peers ] || target=bench-peer

for p in gcc cmake ninja-build pkg-config libuv1-dev libev-dev libevent-dev libcriterion-dev python3; do
  dpkg-query -W -f='${Status}' $p 2>/dev/null | grep -q 'install ok installed' || missing="${missing:-} $p"
done
if [ -n "${missing:-}" ]; then
  echo "Installing$missing"
  # shellcheck disable=SC2086
  { apt-get -q update && apt-get -q install -y --no-install-recommends $missing; } >&2 || exit 1
fi

if ! { cmake --preset release -B "$build" -DINTERLOOP_EXAMPLES=OFF &&
  cmake --build "$build" --target $target; } >"$build.log" 2>&1; then
  cat "$build.log"
  exit 1
fi

machine()
{
  echo "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1)," \
    "$(getconf _NPROCESSORS_ONLN) cores," \
    "$(sed -n 's/^PRETTY_NAME=//p' /etc/os-release | tr -d '"')," \
    "Linux $(uname -r | cut -d. -f1,2)"
}

if [ $target = bench-peer ]; then
  machine
  echo
  exec sh $here/peers/run.sh "$(cd "$build" && pwd)"
fi

: >"$results"
bench()
{
  program=$build/tests/bench/bench-$1
  shift
  "$program" "$@" </dev/null | tee -a "$results"
}

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
mkdir -p docs/benchmarks
rm -f docs/benchmarks/*.svg
awk -v directory=docs/benchmarks -f $here/plot.awk "$results"
{
  sed "s/@machine@/$(machine | sed 's/[&/]/\\&/g')/" $here/benchmarks.md.in
  awk -f $here/table.awk "$results"
  for plot in docs/benchmarks/*.svg; do
    name=$(basename "$plot" .svg)
    printf '\n![%s](benchmarks/%s.svg)\n' "$name" "$name"
  done
} >$docs
echo "Written: $docs"
