#!/bin/sh
# planted.sh BUILD: plants a fault of each kind in a copy of the core and its objects, and expects house.py to find
# it. BUILD is where the core was compiled.
set -u
cd "$(dirname "$0")/../.." || exit 1
build=$1
copy=$(mktemp -d) || exit 1
trap 'rm -rf "$copy"' EXIT
failed=0

# fresh: the copy as it was
fresh()
{
  rm -rf "$copy/tree"
  mkdir -p "$copy/tree/tests" "$copy/tree/build/core"
  cp -R core "$copy/tree/core"
  cp -R backends "$copy/tree/backends"
  cp -R tests/house "$copy/tree/tests/house"
  cp -R docs "$copy/tree/docs"
  cp -R "$build/core/." "$copy/tree/build/core"
}

# expect WHAT TEXT: house.py fails, and says TEXT
expect()
{
  output=$(python3 "$copy/tree/tests/house/house.py" "$copy/tree/build")
  status=$?
  if [ $status = 1 ] && echo "$output" | grep -q "$2"; then
    echo "found: $1"
  else
    echo "not found: $1 (status $status)"
    echo "$output"
    failed=1
  fi
}

# object FLOOR/FILE FUNCTION CALLS: one more object, whose function calls another
object()
{
  mkdir -p "$copy/tree/build/core/$(dirname "$1")"
  echo "int $3(void); int $2(void); int $2(void) { return $3(); }" |
    cc -w -xc -c - -o "$copy/tree/build/core/$1.c.o"
}

fresh
object base/planted il__planted il_portal_stop
expect "an upward call" "base/planted: uses il_portal_stop"

fresh
object process/planted il__planted il_portal_stop
expect "a call between siblings" "portal are siblings"

fresh
object sync/planted il__planted malloc
expect "memory past the allocator" "core/sync/planted: uses malloc"

fresh
object sync/planted il__planted getenv
expect "the environment of whoever starts a set-uid program" "core/sync/planted: uses getenv"

fresh
object remote/planted il__planted getenv
expect "the same in a library beside the core" "core/remote/planted: uses getenv"

fresh
rm -r "$copy/tree/build/core/tls"
expect "a library that is not there" "no objects of tls"

fresh
echo '#include "../io/stream.h"' >>"$copy/tree/core/runtime/task.c"
expect "an upward include" "core/runtime/task.c: includes io/stream.h"

fresh
echo '#include "../../../core/server/client.h"' >>"$copy/tree/backends/virtual/network/hosts.c"
expect "an include between siblings, elsewhere" "core/network/hosts.c: includes server/client.h"

fresh
echo '#include "../sync/borrowers.h"' >>"$copy/tree/core/io/address.c"
expect "an include without a use" "core/io/address.c: includes sync/borrowers.h and uses nothing"

fresh
echo 'int planted(il_stream *stream) { return stream->number; }' >>"$copy/tree/core/server/client.c"
expect "a look into a stream" "core/server/client.c: looks into a stream"

fresh
sed 's/IL_CORE_SYNC_HOME_H/IL_CORE_HOME_H/' core/sync/home.h >"$copy/tree/core/sync/home.h"
expect "a guard of another form" "sync/home.h: its guard is to be IL_CORE_SYNC_HOME_H"

fresh
object sync/planted_a il__planted_a il__planted_b
object sync/planted_b il__planted_b il__planted_a
expect "a circle" "circle that is not on the list: sync/planted_a sync/planted_b"

fresh
echo '#include "../io/stream.h"' >>"$copy/tree/core/tls/tls.c"
expect "a private header in a library of its own" "core/tls/tls.c: includes stream.h, which is not its own"

fresh
echo 'int planted(void) { return il__stream_is_closed(0); }' >>"$copy/tree/core/tls/tls.c"
expect "a private function there" "core/tls/tls.c: uses il__stream_is_closed, which is private"

fresh
echo >"$copy/tree/core/io/planted.c"
expect "a file that is not on the map" "does not say what planted.c is for"

fresh
echo >"$copy/tree/backends/libev/planted.c"
expect "a driver that is not on the map" "does not say what planted.c is for"

exit $failed
