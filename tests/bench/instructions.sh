#!/bin/sh
# tests/bench/instructions.sh: counts the instructions of yield, event round trip, start and join, stream round trip and others with
# callgrind and compares them with instructions.tsv; 5 % more is a failure. Unlike times they do not drift.
# They are those of x86-64 and Debian 12's gcc in a release build.
#
#   sh tests/bench/instructions.sh [--record]   --record: writes the file anew, which takes a commit of its
#                                               own that says why
# Works in $BENCH_BUILD (build/release).

set -u
cd "$(dirname "$0")/../.." || exit 1

mkdir -p build
build=${BENCH_BUILD:-build/release}
table=tests/bench/instructions.tsv

if ! { cmake --preset release -B "$build" -DINTERLOOP_EXAMPLES=OFF &&
  cmake --build "$build" --target bench-instructions; } >"$build.log" 2>&1; then
  cat "$build.log"
  exit 1
fi

# count WORK N
count()
{
  valgrind --tool=callgrind --callgrind-out-file=/dev/null \
    "$build/tests/bench/bench-instructions" "$1" "$2" 2>&1 | sed -n 's/.*Collected : //p'
}

# What 20,000 more of them take: start and end of the program cancel out.
per_operation()
{
  few=$(count "$1" 10000) many=$(count "$1" 30000)
  echo "${few:-0} ${many:-0}" | awk '{ printf "%.1f", ($2 - $1) / 20000 }'
}

failed=0
new=
while read -r work recorded; do
  now=$(per_operation "$work")
  new="$new$work	$now
"
  verdict=$(awk -v now="$now" -v old="$recorded" 'BEGIN {
    print (now <= 0 ? "not counted" : (now > old * 1.05 ? "TOO MANY" : "ok")) }')
  printf '%-28s %8s instructions, recorded %8s: %s\n' "$work" "$now" "$recorded" "$verdict"
  [ "$verdict" = ok ] || failed=1
done <$table
if [ "${1:-}" = --record ]; then
  printf '%s' "$new" >$table
  exit 0
fi
exit $failed
