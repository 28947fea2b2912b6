#!/bin/sh
# gdb_stub.sh PROGRAM SCRIPT EMULATOR...: interloop-gdb.py shows the tasks of a program of another machine, which runs under
# qemu-user and is looked at through its stub.
set -u
program=$1 script=$2
shift 2
folder=$(mktemp -d) || exit 1
status=0

"$@" -g "$folder/stub" "$program" 2>/dev/null &
emulator=$!
trap 'kill $emulator 2>/dev/null; rm -rf "$folder"' EXIT
for try in 1 2 3 4 5 6 7 8 9 10; do
  [ -S "$folder/stub" ] && break
  sleep 0.5
done

gdb-multiarch -nx -batch -ex "file $program" -ex "target remote $folder/stub" -ex 'break abort' -ex continue \
  -ex "source $script" -ex 'info il-tasks' -ex 'il-task 1 bt' -ex 'il-task 2 bt' -ex 'il-task 3 bt' -ex kill \
  >"$folder/said" 2>&1
for line in '1 +1 virtual +who aborts +running' '2 +1 virtual +a sleeper +parked +il_sleep_forever' \
  '3 +1 virtual +waits_for_event +parked +il_event_wait' '4 +1 virtual +has_future +parked +il_event_wait' '^#[0-9]+ .* aborts \(' 'deep_inside \(' \
  '^#[0-9]+ .* waits_for_event \(' 'il_sleep_forever \('; do
  grep -Eq "$line" "$folder/said" || { echo "gdb does not show: $line"; status=1; }
done
[ "$(grep -c 'deep_inside (' "$folder/said")" = 3 ] || { echo "not three frames of deep_inside"; status=1; }
[ $status = 0 ] || cat "$folder/said"
exit $status
