#!/bin/sh
# run.sh BUILD [--record]: whether the shared libraries in BUILD (x86-64, gcc, with debug information) still serve programs
# that were linked with the recorded version. New functions are welcome; whatever else differs is shown by abidiff, and
# an error. --record writes the descriptions anew: when the minor version has been raised (before 1.0: IL_VERSION_MINOR,
# which changes the soname), or for a change that was looked at and serves old programs, such as a reserved field with a name.
set -u
here=$(cd "$(dirname "$0")" && pwd)
build=$1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
[ "$(uname -m)" = x86_64 ] || { echo "the recorded descriptions are of x86-64: nothing was compared"; exit 77; }

# describe NAME: the public functions of one library and the types that they use
describe() {
  abidw --no-corpus-path --no-comp-dir-path --no-show-locs --drop-private-types --exported-interfaces-only \
    --headers-dir "$here/../../include" --suppressions "$here/public.abignore" "$build/lib/lib$1.so"
}

# compare OLD NEW: added functions are no difference
compare() {
  abidiff --no-added-syms --no-show-locs "$1" "$2"
}

# planted NAME SCRIPT: the recorded description, changed by sed, must be told from the library.
planted() {
  sed "$2" "$work/$1.old" >"$work/planted.abi"
  ! cmp -s "$work/$1.old" "$work/planted.abi" || { echo "nothing planted in $1 by $2"; return 1; }
  compare "$work/planted.abi" "$work/$1.abi" >"$work/log" 2>&1
  # 4: there is a difference; 1 and 2: abidiff itself fails.
  [ $(($? & 7)) = 4 ] || { echo "not seen in $1: $2"; cat "$work/log"; return 1; }
}

status=0
for name in interloop interloop-libuv interloop-libev interloop-libevent interloop-virtual interloop-tls interloop-remote; do
  describe $name >"$work/$name.abi" || { status=1; continue; }
  recorded=$here/$name.abi.xz
  if [ "${2:-}" = --record ]; then
    xz -9 <"$work/$name.abi" >"$recorded"
    continue
  fi
  xz -d <"$recorded" >"$work/$name.old" || { status=1; continue; }
  if ! compare "$work/$name.old" "$work/$name.abi"; then
    echo "$name no longer serves programs that were linked with the recorded version: see the top of tests/abi/run.sh"
    status=1
  fi
done
[ "${2:-}" != --record ] || exit $status

planted interloop "s/elf-symbol name='il_yield'/elf-symbol name='il_was_there'/" || status=1
planted interloop "/class-decl name='il_task_options'/s/size-in-bits='[0-9]*'/size-in-bits='8192'/" || status=1
exit $status
