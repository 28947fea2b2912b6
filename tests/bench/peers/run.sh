#!/bin/sh
# tests/bench/peers/run.sh BUILD: interloop beside what Debian packages of its kind, under 5 minutes with
# the installing. `sh tests/bench/run.sh peers` calls it when BUILD is built.
#
# Every program prints four lines, `WORK NANOSECONDS`:
#   run_in_thread  a loop's task has a trivial function run in a worker thread and waits: p50
#   call_in        a foreign thread has one run in the loop and waits: p50
#   yield          of two tasks by turns
#   spawn_join     a task is started and waited for, one after the other
# They run by turns, once pinned to the first core and once free; the figures are medians of the passes.

set -u
cd "$(dirname "$0")" || exit 1

build=$1
out=$build/peers
passes=5
mkdir -p "$out"
: >"$out/results"
: >"$out/programs"

updated=
install()
{
  [ -n "$updated" ] || apt-get -q update
  updated=yes
  apt-get -q install -y --no-install-recommends "$@"
}

# peer NAME 'PACKAGE...' 'COMMAND THAT BUILDS' 'COMMAND THAT RUNS': one that cannot be had is left out.
peer()
{
  missing=
  for package in $2; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' ||
      missing="$missing $package"
  done
  # shellcheck disable=SC2086
  if [ -n "$missing" ] && ! install $missing >"$out/log" 2>&1; then
    echo "Left out: $1, as$missing cannot be installed: $(grep -m 1 '^E:' "$out/log")"
  elif ! sh -c "$3" >"$out/log" 2>&1; then
    echo "Left out: $1, as its program cannot be built: $(grep -m 1 error "$out/log")"
  else
    printf '%s\t%s\n' "$1" "$4" >>"$out/programs"
  fi
}

# The system's own tools, whatever else is in the path; nothing comes from the network but packages.
PATH=/usr/sbin:/usr/bin:/sbin:/bin
GOCACHE=$out/go-cache GO111MODULE=off
RUSTC=/usr/bin/rustc CARGO_HOME=$out/cargo
DEBIAN_FRONTEND=noninteractive
export PATH GOCACHE GO111MODULE RUSTC CARGO_HOME DEBIAN_FRONTEND out
unset GOROOT GOFLAGS RUSTFLAGS

for loop in ${BENCH_LOOPS:-libuv libev libevent}; do
  peer "interloop, $loop" '' true \
    "INTERLOOP_BACKEND=$loop exec \"$build/tests/bench/bench-peer\""
done
# The commands find $out in their environment.
# shellcheck disable=SC2016
{
  peer Boost.Asio 'g++ libboost-dev' 'g++ -O2 -std=c++20 -pthread asio.cpp -o "$out/asio"' '"$out/asio"'
  peer Boost.Fiber 'g++ libboost-fiber-dev' 'g++ -O2 -std=c++17 -pthread fiber.cpp -o "$out/fiber" \
    -lboost_fiber -lboost_context' '"$out/fiber"'
  peer Go golang-go 'go build -o "$out/go" threads.go' '"$out/go"'
  peer tokio 'cargo librust-tokio-dev' 'cp -r tokio "$out" && cd "$out/tokio" &&
    cargo build --release --offline --target-dir target \
      --config "source.crates-io.replace-with=\"debian\"" \
      --config "source.debian.directory=\"/usr/share/cargo/registry\""' '"$out/tokio/target/release/peer"'
  peer AnyIO python3-anyio true 'python3 -B threads.py'
}

for pass in $(seq "$passes"); do
  while IFS='	' read -r name command; do
    for cores in 1 2; do
      [ $cores = 1 ] && pin='taskset -c 0' || pin=
      # shellcheck disable=SC2086
      if ! timeout 60 $pin sh -c "$command" </dev/null >"$out/lines" 2>"$out/log"; then
        [ "$pass" -gt 1 ] || echo "Failed: $name: $(tail -n 1 "$out/log")"
        continue
      fi
      awk -v name="$name" -v cores=$cores '{ print name "\t" $1 "\t" cores "\t" $2 }' "$out/lines" \
        >>"$out/results"
    done
  done <"$out/programs"
done

awk -f table.awk "$out/results"
