#!/bin/sh
# hang.sh PROGRAM LOOP [--record]: a program that hangs writes a dump when the signal comes that $INTERLOOP_DUMP_SIGNAL names, and
# that says why it hangs: as in dumps/, which docs/troubleshooting.md shows, but for numbers. --record writes these anew.
set -u
program=$1 record=${3:-}
dumps=$(cd "$(dirname "$0")" && pwd)/dumps
export INTERLOOP_BACKEND="$2" INTERLOOP_DUMP_SIGNAL=QUIT
folder=$(mktemp -d) || exit 1
hung=
trap 'rm -rf "$folder"; [ -z "$hung" ] || kill -KILL $hung' EXIT
status=0

fail()
{
  echo "$1"
  status=1
}

# The dump that came last, without what is another in each run.
last_dump()
{
  awk '/^loop 1 / { text = "" } { text = text $0 "\n" } END { printf "%s", text }' "$folder/said"
}

plain()
{
  sed -E -e 's/^(loop 1) \(.*, own\): [0-9]+ tasks.*/\1/' -e 's/^(loop 1) \(.*, own\)/\1/' \
    -e 's/0x[0-9a-f]+/0x/g' -e 's/[0-9]+\.[0-9]+ s/T s/g' -e 's/(descriptor|child|port) [0-9]+/\1 N/g' \
    -e 's/pipe:\[[0-9]+\]/pipe:[N]/g' -e 's/127\.0\.0\.1:[0-9]+/127.0.0.1:N/g'
}

# begin PROGRAM ARGUMENT...: it catches the signal when it has said that it hangs.
begin()
{
  end=$(($(date +%s) + 30))
  : >"$folder/out"
  "$@" >"$folder/out" 2>"$folder/said" </dev/null &
  hung=$!
  until grep -q hangs "$folder/out" || [ "$(date +%s)" -gt $end ]; do sleep 0.02; done
}

end()
{
  kill -KILL $hung
  wait $hung 2>/dev/null
  hung=
}

lives()
{
  grep -q '^State:.[^Z]' "/proc/$hung/status" 2>/dev/null
}

# Asks until the cause is in the dump.
ask()
{
  plain <"$dumps/$1.txt" >"$folder/expected"
  until last_dump | plain | cmp -s - "$folder/expected"; do
    if [ "$(date +%s)" -gt $end ]; then
      fail "$1: no dump is $dumps/$1.txt, but for numbers; the last one:"
      last_dump
      return
    fi
    kill -QUIT $hung
    sleep 0.1
  done
}

for way in lock channel child worker portal lookup semaphore event future client select loop; do
  begin "$program" $way
  if [ "$record" ]; then
    sleep 3
    kill -QUIT $hung
    sleep 2
    last_dump >"$dumps/$way.txt"
  fi
  ask $way
  end
done

# A number is as good as a name; what is neither is said.
INTERLOOP_DUMP_SIGNAL=3 begin "$program" event
ask event
end
INTERLOOP_DUMP_SIGNAL=NONE begin "$program" event
grep -q 'INTERLOOP_DUMP_SIGNAL: .*"NONE" is neither the name nor the number' "$folder/said" ||
  fail "a name that is none: $(cat "$folder/said")"
end

# A set-uid program is ended by the signal: whoever starts it may not steer it. Only root can make one that another user starts. Its
# own user is root, who may read the library wherever it was built. It is tried with id whether such programs can be started, and
# have an effect: not so in a container of one user, with no_new_privs, or on a file system that is mounted with nosuid.
if [ "$(id -u)" = 0 ]; then
  chmod 755 "$folder"
  for file in "$program" "$(command -v id)"; do
    cp "$file" "$folder" && chmod 4755 "$folder/${file##*/}" || exit 1
  done
  as_nobody="setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all"
  if [ "$($as_nobody "$folder/id" -u 2>&1)" != 0 ]; then
    echo "set-uid programs are without effect in $folder: one that gets the signal is not tested"
  else
    # shellcheck disable=SC2086
    INTERLOOP_DUMP_SIGNAL=USR1 begin $as_nobody "$folder/${program##*/}" event
    if ! grep -q hangs "$folder/out"; then
      fail "a set-uid program does not start: $(cat "$folder/said")"
    fi
    kill -USR1 $hung
    while lives && [ ! -s "$folder/said" ] && [ "$(date +%s)" -le $end ]; do sleep 0.02; done
    ! lives || kill -KILL $hung
    wait $hung 2>/dev/null
    code=$?
    [ $code = 138 ] || fail "a set-uid program is not ended by the signal: $code"
    [ ! -s "$folder/said" ] || fail "a set-uid program says: $(cat "$folder/said")"
    hung=
  fi
fi
exit $status
