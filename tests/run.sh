#!/bin/sh
# tests/run.sh: builds and runs every test; installs the Debian packages that are missing.
#
#   sh tests/run.sh                all stages, under an hour on two cores: clang, valgrind and the portable form on one
#                                  loop, sanitizers without adopted loops
#   sh tests/run.sh all            these on every loop in every mode, then coverage, soak, remote_soak, foreign, churn, explore,
#                                  packages and browser, of soak and explore a part: under 150 minutes
#   sh tests/run.sh STAGE...       these only; their names: see `stages` below
#   sh tests/run.sh soak [MIN]     all areas at once, with faults and without by turns, an hour (or MIN minutes) on every
#                                  backend, in lines and pictures; worker processes killed at random, a minute on each
#   sh tests/run.sh remote_soak    worker programs and job servers killed under 200,000 calls, on every backend
#   sh tests/run.sh foreign        calls from this machine to an emulated one of another byte order
#   sh tests/run.sh churn          1,000,000 connections on every backend: minutes
#   sh tests/run.sh explore [N]    1,000,000 (or N) seeds of each program on the simulated network: an hour or two
#   sh tests/run.sh cross          the core and virtual time on each other machine: minutes
#   sh tests/run.sh coverage       which lines and branches of the library the fast suites run; fails below 95 % and 85 %
#   sh tests/run.sh mutants [N]    60 (or N, or 20-40) small faults in the core, which the fast suites must find: hours
#   sh tests/run.sh conformance    every scenario on every backend, the matrix, build/conformance.tsv
#
# Prints each step as it ends, what a failing one said in full, the seconds of each stage, a table group x backend, and last
# the failures, each with the commands that repeat it. build/tests/ keeps the logs, and in `summary` "N passed, N failed", with ", N skipped"
# where the machine lacks what a test needs.
# Colours are for terminals, unless $NO_COLOR is set.

set -u
cd "$(dirname "$0")/.." || exit 1

machines="aarch64 armhf i386 riscv64 s390x" # under qemu-user
stages="gcc adopted matrix seeds clang asan tsan valgrind portable core house embed $machines musl abuse fuzz
  faults schedules races models format cppcheck headers abi install examples instructions docs"
groups="A B C D E F G H I J K L M N O P Q R S T U V" # whose scenarios must all have a test
backends="libuv libev libevent"
every_kind="core|virtual|own|real|adopted"

out=$PWD/build/tests
jobs=$(nproc)
export CMAKE_BUILD_PARALLEL_LEVEL="$jobs" CMAKE_COLOR_DIAGNOSTICS=OFF

# What takes turns over commits, loops and seeds, is the same for everybody who has this one.
turn=$((0x$(git rev-parse HEAD 2>/dev/null | cut -c1-6 | grep . || echo 0)))
# Of the loops each commit has the next one; where it is not known how many commits there are, one by chance.
commits=$turn
[ "$(git rev-parse --is-shallow-repository 2>/dev/null)" != false ] || commits=$(git rev-list --count --first-parent HEAD)
# shellcheck disable=SC2086
fault_backends=$(set -- $backends && shift $((commits % 3)) && echo "$1")
fault_passes="single worker chaos descriptors storm"
explored="starttls shutdown timeouts udp connects remote cancels" # the programs of tests/explore
mutants=60 minutes=60 explore=1000000
required= # the stage that may not be skipped

slow_backends="virtual $backends" slow_kinds=$every_kind # where each compiler or tool takes its time
case "${*:-}" in
"") slow_backends=libev slow_kinds="core|virtual|own|real" ;;
all)
  stages="$stages coverage soak remote_soak foreign churn explore packages browser"
  fault_backends=$backends fault_passes="$fault_passes forever"
  minutes=4 explore=100000 # alone these take hours
  required=foreign
  ;;
conformance) stages="gcc adopted matrix" ;;
cross) stages=$machines ;;
mutants\ [0-9]*) stages=mutants mutants=$2 ;;
soak\ [0-9]*) stages=soak minutes=$2 ;;
explore\ [0-9]*) stages=explore explore=$2 ;;
*) stages=$* ;;
esac

# ---- packages ----

packages()
{
  echo gcc g++ cmake ninja-build pkg-config libuv1-dev libev-dev libevent-dev libcriterion-dev
  echo netbase # /etc/services
  echo libsqlite3-dev node-llhttp # for two of the examples
  echo systemtap-sdt-dev # the static probes
  echo libssl-dev openssl curl nginx-light # interloop-tls, and whom its tests speak with
  echo gearman-job-server # for interloop-remote, and whom its tests speak with
  echo gearman-tools libgearman-dev
  echo libhiredis-dev libpq-dev libcurl4-openssl-dev # whom the adapters of examples/adapters are for
  for stage in $stages; do
    case $stage in
    clang | asan | tsan | races | abuse | fuzz) echo clang libclang-rt-dev llvm ;;
    valgrind | instructions) echo valgrind ;;
    aarch64) echo gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static gdb-multiarch ;;
    embed) echo gdb ;;
    house) echo python3-minimal ;;
    coverage) echo python3 ;;
    mutants) echo python3 clang libclang-rt-dev llvm ;;
    models) echo spin ;;
    armhf) echo gcc-arm-linux-gnueabihf libc6-dev-armhf-cross qemu-user-static ;;
    i386) echo gcc-i686-linux-gnu libc6-dev-i386-cross qemu-user-static ;;
    riscv64) echo gcc-riscv64-linux-gnu libc6-dev-riscv64-cross qemu-user-static ;;
    s390x | foreign) echo gcc-s390x-linux-gnu libc6-dev-s390x-cross qemu-user-static ;;
    musl) echo musl-tools linux-libc-dev ;;
    format) echo clang-format ;;
    cppcheck) echo cppcheck ;;
    abi) echo abigail-tools xz-utils ;;
    install) echo make clang libclang-rt-dev libc++-dev libc++abi-dev doxygen python3 groff-base meson ;;
    browser) echo chromium python3-websockets libssl-dev ;;
    docs) echo make netcat-openbsd doxygen python3-sphinx python3-myst-parser python3-breathe furo ;;
    esac
  done
}

install_packages()
{
  missing=
  for p in $(packages); do
    dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'install ok installed' ||
      missing="$missing $p"
  done
  [ -z "$missing" ] && return 0
  if [ "$(id -u)" != 0 ]; then
    echo "These packages are missing; as root: apt-get install$missing" >&2
    return 1
  fi
  echo "Installing$missing"
  export DEBIAN_FRONTEND=noninteractive
  # shellcheck disable=SC2086
  apt-get -q update && apt-get -q install -y --no-install-recommends $missing
}

# ---- steps and stages ----

passed=0 failed=0 skipped=0 stage=none times= failures= skips=
green= red= plain=
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
  green=$(printf '\033[32m') red=$(printf '\033[1;31m') plain=$(printf '\033[m')
fi

# Words that a shell takes for these arguments.
quoted()
{
  for word; do
    case $word in
    "" | *[!A-Za-z0-9_./:=,@%+-]*) printf " '%s'" "$(printf '%s' "$word" | sed "s/'/'\\\\''/g")" ;;
    *) printf ' %s' "$word" ;;
    esac
  done
}

# repeat COMMAND...: how to do again what failed: the stage, and the command itself unless it is one of this script.
repeat()
{
  echo "  the stage again: sh tests/run.sh $stage"
  case $(command -v "$1") in
  */*) echo "  that alone:     $(quoted "$@")" ;;
  esac
}

# What the sanitizers and valgrind found, whatever the exit status was.
findings()
{
  find "$out/findings" -type f -size +0c
}

# What CTest did not run, for the machine lacks what it needs.
count_skipped()
{
  names=$(sed -n 's/^ *[0-9]*\/[0-9]* Test *#[0-9]*: \([^ ]*\) .*\*\*\*Skipped.*/\1/p' "$out/step.log")
  for name in $names; do
    skipped=$((skipped + 1)) skips="$skips$stage: $name
"
  done
}

# step TEXT COMMAND...: a status of 77 is a skip, except in the stage that is required.
step()
{
  text=$1
  shift
  begin=$(date +%s)
  printf '  %-56s' "$text"
  rm -rf "$out/findings"
  mkdir -p "$out/findings"
  "$@" >"$out/step.log" 2>&1
  status=$?
  found=$(findings)
  [ -n "$found" ] && status=1
  cat "$out/step.log" >>"$out/$stage.log"
  count_skipped
  if [ $status = 0 ]; then
    printf ' %sok%s %5s s\n' "$green" "$plain" $(($(date +%s) - begin))
    return 0
  fi
  if [ $status = 77 ] && [ "$stage" != "$required" ]; then
    printf ' skipped: %s\n' "$(tail -n 1 "$out/step.log")"
    skipped=$((skipped + 1)) skips="$skips$stage: $text
"
    return 77
  fi
  printf ' %sFAILED%s %s s\n' "$red" "$plain" $(($(date +%s) - begin))
  cat "$out/step.log"
  for file in $found; do
    echo "--- $file"
    cat "$file"
  done
  repeat "$@"
  failures="$failures$stage: $text
$(repeat "$@")
"
  return 1
}

# The same, counted as one test.
check()
{
  step "$@"
  case $? in
  0) passed=$((passed + 1)) ;;
  77) ;;
  *) failed=$((failed + 1)) ;;
  esac
}

# The same, and what it said where it did not fail, too.
told()
{
  told=$failed
  check "$@"
  [ "$failed" != "$told" ] || cat "$out/step.log"
}

# build PRESET [TARGET...]
build()
{
  preset=$1
  shift
  check "configure $preset" cmake --preset "$preset"
  check "build $preset" cmake --build "build/$preset" --target "${@:-all}"
}

# conformance PRESET REGULAR-EXPRESSION: CTest's conformance tests with such a name. Their own rows are
# counted, and a step that failed without one.
conformance()
{
  tests=$(cd "build/$1" && ctest -N -R "$2" | sed -n 's/.*: \(conformance-.*\)/\1/p')
  [ -n "$tests" ] || check "no test matches $2 in $1" false
  for test in $tests; do
    before=$(grep -c '	fail	' "$IL_TEST_RESULTS")
    step "$test" ctest --test-dir "build/$1" --no-tests=error -R "^$test\$" --output-on-failure ||
      [ "$(grep -c '	fail	' "$IL_TEST_RESULTS")" -gt "$before" ] ||
      failed=$((failed + 1))
  done
}

# in_suites KINDS DIRECTORY BACKENDS [COMMAND...]: the suites of these kinds, each in one process under COMMAND, as many
# at once as there are processors: what is slow to start (sanitizers, valgrind) starts once a suite. The longest begin first.
in_suites()
{
  kinds=$1 directory=$2 of=$3
  shift 3
  for backend in $of; do
    program=$directory/tests/conformance/conformance-$backend
    names=$(${emulator:-} "$program" --suites) || { echo "$program --suites failed" >&2 && return 1; }
    # Without a pattern the program would run whatever there is.
    names=$(echo "$names" | grep -E "^($kinds)_") || { echo "$program has no suite of $kinds" >&2 && return 1; }
    echo "$names" | sed "s|.*|$program --in-process &/*|"
  done >"$out/suites"
  { grep '_[CQ]/' "$out/suites"; grep -v '_[CQ]/' "$out/suites"; } | xargs -P "$jobs" -L 1 env "$@"
}

# suites PRESET BACKENDS KINDS [COMMAND...]: counted as `conformance` counts.
suites()
{
  preset=$1 of=$2 kinds=$3
  shift 3
  build "$preset" conformance
  before=$(wc -l <"$IL_TEST_RESULTS")
  step "conformance, $preset" in_suites "$kinds" "build/$preset" "$of" "$@" && return
  rows=$(tail -n "+$((before + 1))" "$IL_TEST_RESULTS" | grep '	fail	')
  if [ -n "$rows" ]; then
    failures="$failures$rows
"
  else # it ended before it could write one
    failed=$((failed + 1))
  fi
}

# all_there PRESET KIND: whether CTest has every test that tests/expected.txt lists, and that lists all of a kind, such as core.
all_there()
{
  ctest --test-dir "build/$1" -N | sed -n 's/^ *Test *#[0-9]*: //p' >"$out/names"
  for backend in $backends; do
    sed -n "s/^$1 \(.*\)LOOP/\1$backend/p; t; s/^$1 //p" tests/expected.txt
  done | sort -u >"$out/expected"
  lacking=$(grep -vxF -f "$out/names" "$out/expected")
  unlisted=$(grep -E "^($2)-" "$out/names" | grep -vxF -f "$out/expected")
  [ -z "$lacking" ] || echo "These tests were left out; the output of cmake --preset $1 may say why:
$lacking"
  [ -z "$unlisted" ] || echo "tests/expected.txt lacks these:
$unlisted"
  [ -z "$lacking$unlisted" ]
}

# What a stage took when it was last run here.
took=build/tests-took

run_stage()
{
  stage=$1
  stage_begin=$(date +%s)
  last=$(sed -n "s/^$stage //p" $took 2>/dev/null)
  printf '%s%s\n' "$stage" "${last:+ (the last time: $last s)}"
  : >"$out/$stage.log"
  IL_TEST_RESULTS=$out/$stage.results
  export IL_TEST_RESULTS
  : >"$IL_TEST_RESULTS"
  log=log_path=$out/findings
  export ASAN_OPTIONS="$log/asan:halt_on_error=1:detect_stack_use_after_return=1:strict_string_checks=1"
  export UBSAN_OPTIONS="$log/ubsan:halt_on_error=1:print_stacktrace=1"
  export TSAN_OPTIONS="$log/tsan:halt_on_error=1:second_deadlock_stack=1"
  "stage_$stage"
  seconds=$(($(date +%s) - stage_begin))
  times="$times$(printf '%-10s %5d s' "$stage" $seconds)
"
  { grep -v "^$stage " $took 2>/dev/null; echo "$stage $seconds"; } >$took.new
  mv $took.new $took
}

stage_gcc()
{
  build dev
  conformance dev 'conformance-.*-(plain|own)'
}

stage_adopted()
{
  build dev
  conformance dev 'conformance-.*-adopted'
}

stage_matrix()
{
  told "a row for every scenario" matrix
}

stage_clang()
{
  build clang
  suites clang "core $slow_backends" "$every_kind"
}

stage_asan()
{
  suites asan "core virtual $backends" "$slow_kinds"
}

stage_tsan()
{
  suites tsan "core virtual $backends" "$slow_kinds"
}

# It runs one thread at a time.
stage_valgrind()
{
  suites valgrind "core $slow_backends" "core|virtual|own|real" \
    valgrind -q --fair-sched=yes --error-exitcode=9 --num-callers=30 \
    --suppressions="$PWD/tests/conformance/valgrind.supp" \
    --log-file="$out/findings/valgrind.%p"
}

stage_portable()
{
  build portable conformance
  conformance portable "conformance-(core|$(echo "$slow_backends" | tr ' ' '|'))-"
}

# has_mark PRESET FEATURES: a library of our objects alone, for the C runtime's may have no mark.
has_mark()
{
  so=build/$1-marked/lib/marked.so
  $(cached "$1-marked" CMAKE_C_COMPILER) -shared -nostdlib -o "$so" -Wl,--whole-archive \
    "build/$1-marked/lib/libinterloop.a" &&
    readelf -n "$so" && readelf -n "$so" | grep -q "feature: $2\$"
}

# marked PRESET FLAG FEATURES: what the compiler marks as protected the switch leaves so, and works.
marked()
{
  check "configure $1, $2" cmake --preset "$1" -B "build/$1-marked" -DCMAKE_C_FLAGS="$2"
  check "build $1, $2" cmake --build "build/$1-marked" --target core-switch core-backtrace
  check "switch and backtrace, $2" ctest --test-dir "build/$1-marked" --no-tests=error --output-on-failure \
    -R '^core-(switch|backtrace)$'
  check "marked: $3" has_mark "$1" "$3"
}

stage_core()
{
  build static
  check "no test is left out" all_there static core
  check "programs of tests/core" ctest --test-dir build/static --no-tests=error -R '^core-' --output-on-failure
  check "worker processes of a static program" \
    ctest --test-dir build/static --no-tests=error -R '^embed-process' --output-on-failure
  check "a plugin with the library inside" ctest --test-dir build/static --no-tests=error -R '^embed-plugin$' \
    --output-on-failure
  case $(uname -m) in
  x86_64) marked static -fcf-protection=full "IBT, SHSTK" ;;
  esac
}

# Who calls whom, and a planted fault of each kind, which must be found.
stage_house()
{
  check "configure static" cmake --preset static
  check "build the core, and what is beside it" cmake --build build/static --target interloop interloop-tls interloop-remote
  check "the house and its plan" python3 tests/house/house.py build/static
  check "planted faults are found" sh tests/house/planted.sh build/static
}

# A server and its worst clients: numbers in build/tests/abuse.log.
stage_abuse()
{
  for preset in dev asan; do
    build $preset abuse
    for backend in $backends; do
      check "abuse $backend, $preset" "build/$preset/tests/abuse/abuse" "$backend"
    done
  done
}

stage_embed()
{
  build dev
  check "no test is left out" all_there dev 'embed|remote'
  check "programs of tests/embed" ctest --test-dir build/dev --no-tests=error -j "$jobs" -R '^embed-' --output-on-failure
  check "calls on other machines" ctest --test-dir build/dev --no-tests=error -j "$jobs" -R '^remote-' --output-on-failure
}

# soak_on BACKEND: its lines as they come are in build/tests/soak-BACKEND
soak_on()
{
  sh tests/faults/run.sh build/release "$1" soak "$minutes" "$turn" >"$out/soak-$1"
  soaked=$?
  cat "$out/soak-$1"
  return $soaked
}

# All areas at once, with faults and without by turns: nothing grows. And no call is lost, whichever worker dies.
stage_soak()
{
  build release soak embed-process_soak
  for backend in $backends; do
    told "soak $backend, $minutes minutes" soak_on "$backend"
    told "worker processes killed, $backend" build/release/tests/embed/embed-process_soak 60 "$backend"
  done
}

# Calls on other machines, whichever worker program and job server die: every answer right, and counted.
stage_remote_soak()
{
  build release remote-tests
  for backend in $backends; do
    told "remote soak $backend" env INTERLOOP_BACKEND="$backend" build/release/tests/remote/remote-soak 100000
  done
}

# A worker program on a big-endian machine, where it can be had.
stage_foreign()
{
  build dev remote-tests
  for backend in $backends; do
    check "a worker program for s390x, a caller on $backend" env INTERLOOP_BACKEND="$backend" \
      sh tests/remote/foreign.sh "$PWD/build/dev/tests/remote/remote-foreign"
    tail -n 2 "$out/step.log"
  done
}

stage_churn()
{
  build release abuse
  for backend in $backends; do
    told "churn $backend" build/release/tests/abuse/abuse "$backend" churn 1000000
  done
}

# seeds COUNT: each program of tests/explore under so many seeds, in pieces, as many at once as there are processors.
seeds()
{
  piece=$((($1 + 9) / 10))
  for program in $explored; do
    for n in 0 1 2 3 4 5 6 7 8 9; do
      echo "$program" $((1 + n * piece)) $piece
    done
  done | xargs -P "$jobs" -L 1 timeout 7200 build/release/tests/explore/explore
}

explore()
{
  build release explore
  check "$1 seeds of each program on the simulated network" seeds "$1"
}

# Whatever fails, the programs keep their promises; a failing seed is printed.
stage_seeds() { explore 10000; }
stage_explore() { explore "$explore"; }

# Every target, with the bytes to begin with that it may have in tests/fuzz/seeds.
fuzz_all()
{
  basename -a -s .c tests/fuzz/*.c | xargs -P "$jobs" -I {} sh -ec "
    mkdir -p '$out/corpus/{}'
    build/fuzz/tests/fuzz/fuzz-{} -seed=1 -max_len=200 -timeout=20 -max_total_time=25 \
      -artifact_prefix='$out/fuzz-{}-' '$out/corpus/{}' \$(ls -d tests/fuzz/seeds/{} 2>/dev/null)"
}

# A stranger's bytes, half a minute each.
stage_fuzz()
{
  check "configure fuzz" cmake --preset fuzz
  check "build fuzz" cmake --build build/fuzz --target fuzz
  check "fuzz targets, $jobs at a time" fuzz_all
}

# Every call of the library fails once: on one loop a commit, in `all` on each.
stage_faults()
{
  build dev faults
  for backend in $fault_backends; do
    for pass in $fault_passes; do
      check "faults $pass, $backend" sh tests/faults/run.sh build/dev "$backend" "$pass"
    done
  done
}

# Random programs in virtual time, other ones for each commit.
stage_schedules()
{
  check "configure release" cmake --preset release -DINTERLOOP_EXAMPLES=OFF
  check "build schedules" cmake --build build/release --target schedules
  check "100,000 programs, from seed $((turn * 100000 + 1))" \
    build/release/tests/schedules/schedules $((turn * 100000 + 1)) 100000
}

# Threads that use what others end, preempted at random edges of the library's code, under TSan: a minute.
stage_races()
{
  check "configure races" cmake --preset races
  check "build races" cmake --build build/races --target races
  for backend in $fault_backends; do
    check "races $backend, seed $turn" build/races/tests/races/races "$backend" 60 "$turn"
  done
}

# All orders of the hand-overs between threads, and a planted fault of each, which must be found.
stage_models()
{
  told "models, and their planted faults" sh tests/models/run.sh
}

# What gcov counts while the fast suites run, the rules on one loop. What was not run: build/tests/not_run.
stage_coverage()
{
  build coverage
  check "configure coverage, static" cmake --preset coverage -B build/coverage-static -DBUILD_SHARED_LIBS=OFF \
    -DINTERLOOP_LIBUV=OFF -DINTERLOOP_LIBEVENT=OFF
  check "build coverage, static" cmake --build build/coverage-static --target core-tests
  check "nothing counted" find build/coverage build/coverage-static -name '*.gcda' -delete
  export GCOV_ERROR_FILE=/dev/null # tests take its files away, and read what their children say
  check "programs of tests/core" ctest --test-dir build/coverage-static --no-tests=error -R '^core-' --output-on-failure
  suites coverage "core virtual" "core|own|virtual"
  suites coverage libev "own|real|adopted"
  check "programs of tests/embed" ctest --test-dir build/coverage --no-tests=error -R '^embed-' --output-on-failure
  check "calls on other machines" ctest --test-dir build/coverage --no-tests=error -R '^remote-' --output-on-failure
  for program in $explored; do
    check "300 seeds of $program" build/coverage/tests/explore/explore "$program" 1 300
  done
  check "each call fails once" sh tests/faults/run.sh build/coverage libev single
  unset GCOV_ERROR_FILE
  told "95 % of the lines, 85 % of the branches" \
    python3 tests/coverage/coverage.py --missing "$out/not_run" build/coverage build/coverage-static
}

# Small faults in the core, each of which a suite finds.
stage_mutants()
{
  told "$mutants mutants, seed 1" python3 tests/mutants/mutants.py --progress 3 1 "$mutants" 3>&1
}

# cached PRESET VARIABLE
cached()
{
  sed -n "s/^$2:[^=]*=//p" "build/$1/CMakeCache.txt" | tr ';' ' '
}

# linked PRESET: a program that an installed static library is all for.
linked()
{
  prefix=$out/prefix-$1
  rm -rf "$prefix"
  cmake --install "build/$1" --prefix "$prefix" || return 1
  pc=$(dirname "$(find "$prefix" -name interloop.pc)")
  # shellcheck disable=SC2046
  $(cached "$1" CMAKE_C_COMPILER) $(cached "$1" CMAKE_C_FLAGS) -std=c11 -DCONSUMER_STATIC \
    -DCONSUMER_ACCESSOR=il_virtual -DCONSUMER_HEADER="<interloop/virtual.h>" \
    tests/install/consumer.c -o "$prefix/consumer" \
    $(PKG_CONFIG_PATH=$pc pkg-config --cflags --libs interloop-virtual) &&
    $(cached "$1" CMAKE_CROSSCOMPILING_EMULATOR) "$prefix/consumer" virtual
}

# other PRESET: the core and virtual time where there are no loops and no Criterion.
other()
{
  check "configure $1" cmake --preset "$1" -DBUILD_TESTING=ON
  check "build $1" cmake --build "build/$1"
  emulator=$(cached "$1" CMAKE_CROSSCOMPILING_EMULATOR)
  check "programs of tests/core and tests/embed" ctest --test-dir "build/$1" --no-tests=error -j "$jobs" \
    -R '^(core|embed)-' --output-on-failure
  # shellcheck disable=SC2086
  check "conformance, core and virtual time" in_suites "$every_kind" "build/$1" "core virtual" $emulator
  emulator=
  check "a program linked by pkg-config" linked "$1"
}

stage_aarch64()
{
  other aarch64
  marked aarch64 -mbranch-protection=standard "BTI, PAC"
}

stage_armhf() { other armhf; }
stage_i386() { other i386; }
stage_riscv64() { other riscv64; }
stage_s390x() { other s390x; }
stage_musl() { other musl; }

stage_format()
{
  check "clang-format" find include core backends tests examples -name '*.[ch]' \
    -exec clang-format --dry-run -Werror {} +
}

# A waiter lies on the waiting task's own stack, and cppcheck does not see that il__fatal never returns.
stage_cppcheck()
{
  check "cppcheck core backends" cppcheck -q -j "$jobs" --std=c11 --error-exitcode=1 \
    --enable=warning,performance,portability --inline-suppr --suppress=autoVariables \
    --suppress=nullPointerRedundantCheck --suppress=preprocessorErrorDirective \
    -I include core backends
}

# Each public header alone is enough for the compiler, in both languages.
header_alone()
{
  for header in include/interloop.h include/interloop/*.h; do
    name=${header#include/}
    echo "$name"
    echo "#include <$name>" | "$@" -Iinclude -Wall -Wextra -Wpedantic -Werror \
      -fsyntax-only - || return 1
  done
}

# A result that must be looked at is, unless the program says otherwise.
must_check()
{
  ignoring='#include <interloop.h>
void enter(il_scope *scope);
void enter(il_scope *scope) { il_scope_enter(scope, IL_FOREVER, 0); }'
  for compiler in "gcc -std=c11 -xc" "g++ -std=c++11 -xc++" "g++ -std=c++17 -xc++"; do
    # shellcheck disable=SC2086
    if echo "$ignoring" | $compiler -Iinclude -Werror -S -o /dev/null - 2>/dev/null; then
      echo "$compiler does not warn"
      return 1
    fi
    # shellcheck disable=SC2086
    echo "$ignoring" | $compiler -DIL_MUST_CHECK= -Iinclude -Wall -Wextra -Werror -S -o /dev/null - || return 1
  done
}

stage_headers()
{
  check "each header as C11" header_alone gcc -std=c11 -xc
  check "each header as C++11" header_alone g++ -std=c++11 -xc++
  check "ignored results are warned of, or not" must_check
}

# Programs that were linked with the recorded version still run.
stage_abi()
{
  build dev
  check "tests/abi/run.sh" sh tests/abi/run.sh build/dev
}

stage_install()
{
  check "tests/install/run.sh" sh tests/install/run.sh .
  check "tests/install/run.sh, clang" sh tests/install/run.sh . clang clang++ -stdlib=libc++
}

# Debian packages: built twice alike, without a word of lintian, and used.
stage_packages()
{
  check "docs/packaging/build.sh --check" sh docs/packaging/build.sh --check
}

# The pages of the examples in a browser.
stage_browser()
{
  build dev
  check "examples/browser.py" /usr/bin/python3 examples/browser.py build/dev/examples
}

stage_examples()
{
  check "examples/run.sh --quick" env IL_WERROR=ON sh examples/run.sh --quick --complete # optimised, gcc warns of more
}

stage_instructions()
{
  check "configure release" cmake --preset release -DINTERLOOP_EXAMPLES=OFF
  check "the benchmarks are built" cmake --build build/release --target bench
  check "tests/bench/instructions.sh" sh tests/bench/instructions.sh
}

# The tutorial's servers are stopped by SIGINT, which whatever runs in the background ignores.
stage_docs()
{
  check "tests/docs/check.sh" sh tests/docs/check.sh
  check "tests/docs/tutorial.sh" env --default-signal=INT bash tests/docs/tutorial.sh
  check "docs/build.sh" sh docs/build.sh
}

# ---- results ----

# build/conformance.tsv from the rows of gcc and adopted; fails when a scenario of `groups` lacks one.
matrix()
{
  cat "$out/gcc.results" "$out/adopted.results" | grep -v '^-' | sort -n >build/conformance.tsv
  awk -F '\t' '$3 == "n/a" { print $1 "\tcore\t-\tn/a\t-" }' tests/conformance/scenarios.tsv \
    >>build/conformance.tsv
  sort -n -o build/conformance.tsv build/conformance.tsv
  awk -F '\t' -v required="$groups" -f tests/conformance/matrix.awk build/conformance.tsv \
    tests/conformance/scenarios.tsv
}

summary()
{
  printf '\n%s\n' "$times"
  awk -F '\t' -v counts="$out/counts" -f tests/conformance/table.awk "$out"/*.results
  read -r p f s <"$out/counts"
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
  [ "$s" = 0 ] || skips="${skips}tests that say why in build/tests/*.results: $s
"
  [ -z "$skips" ] || printf 'skipped, for this machine lacks what they need:\n%s\n' "$skips"
  [ -z "$failures" ] || printf '%sfailed:%s\n%s\n' "$red" "$plain" "$failures"
  counts="$passed passed, $failed failed"
  [ "$skipped" = 0 ] || counts="$counts, $skipped skipped"
  echo "$counts" | tee "$out/summary"
}

rm -rf "$out"
mkdir -p "$out"
install_packages || exit 1
for s in $stages; do
  run_stage "$s"
done
summary
[ "$failed" = 0 ]
