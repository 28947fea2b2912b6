#!/bin/sh
# trace_environment.sh PROGRAM: $INTERLOOP_TRACE traces a program that knows nothing of traces, into a new file that nobody
# else may read, and nowhere else.
set -u
program=$1
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
status=0

fail()
{
  echo "$1" >&2
  status=1
}

umask 0
INTERLOOP_TRACE=$folder/new "$program" || fail "the traced program failed"
grep -q '"name":"il_sleep"' "$folder/new" && grep -q '"name":"sleeper"' "$folder/new" ||
  fail "the trace lacks the task, or its wait"
tail -n 1 "$folder/new" | grep -qx "]" || fail "the trace has no end"
[ "$(stat -c %a "$folder/new")" = 600 ] || fail "the file's mode is $(stat -c %a "$folder/new")"

cp "$folder/new" "$folder/before"
INTERLOOP_TRACE=$folder/new "$program" 2>"$folder/said" || fail "a file that exists stopped the program"
cmp -s "$folder/new" "$folder/before" || fail "a file that existed was written"
grep -q "INTERLOOP_TRACE: nothing is traced: .*File exists" "$folder/said" || fail "nothing said why there is no trace"

ln -s "$folder/elsewhere" "$folder/link"
INTERLOOP_TRACE=$folder/link "$program" 2>/dev/null || fail "a link stopped the program"
[ ! -e "$folder/elsewhere" ] || fail "a symbolic link was followed"

INTERLOOP_TRACE=$folder/forked "$program" "$folder/childs" || fail "a forked child failed"
grep -qx written "$folder/childs" || fail "a file of a forked child was closed, for it had the number of the trace's"

INTERLOOP_TRACE='' "$program" || fail "an empty name stopped the program"

# A set-uid program, if we may make one.
if [ "$(id -u)" = 0 ] && cp "$program" "$folder/setuid" && chown 65534 "$folder/setuid" &&
  chmod 4755 "$folder/setuid" "$folder"; then
  chmod 777 "$folder"
  INTERLOOP_TRACE=$folder/taken "$folder/setuid" || fail "the set-uid program failed"
  [ ! -e "$folder/taken" ] || fail "a set-uid program obeyed"
fi
exit $status
