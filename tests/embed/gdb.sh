#!/bin/sh
# gdb.sh PROGRAM LIBRARY SCRIPT: interloop-gdb.py shows the tasks of a process, of a core of gcore's and of one of the kernel's,
# with a library that has neither debug information nor symbols but those that it exports.
set -u
program=$1 library=$2 script=$3
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
status=0

strip -o "${library##*/}" "$library" && strip -g -o gdb_tasks "$program" || exit 1
for other in "${library%/*}"/libinterloop-virtual.so*; do cp -P "$other" .; done
export LD_LIBRARY_PATH="$folder" INTERLOOP_GUARDS=mprotect
soname=$(readelf -d "${library##*/}" | sed -n 's/.*SONAME.*\[\(.*\)\].*/\1/p')
[ -e "$soname" ] || ln -s "${library##*/}" "$soname"

# look WHAT STATE GDB-ARGUMENT...: what it says of the tasks; the state of the first one.
look()
{
  what=$1 state=$2
  shift 2
  gdb -nx -batch -iex 'set confirm off' "$@" -ex "source $script" -ex 'info il-tasks' -ex 'il-task 1 bt' \
    -ex 'il-task 2 bt' -ex 'il-task 3 bt' -ex 'echo its own:\n' -ex bt -ex 'il-task 9 bt' >said 2>&1
  for line in "1 +1 virtual +who aborts +$state" '2 +1 virtual +a sleeper +parked +il_sleep_forever' \
    '3 +1 virtual +waits_for_event +parked +il_event_wait' '4 +1 virtual +has_future +parked +il_event_wait' '^#[0-9]+ .* aborts' 'deep_inside \(\)' \
    '^#[0-9]+ .* waits_for_event \(\)' 'il_sleep_forever \(\)' 'no task 9'; do
    grep -Eq "$line" said || { echo "$what: gdb does not show: $line"; status=1; }
  done
  [ "$(grep -c 'deep_inside ()' said)" = 3 ] || { echo "$what: not three frames of deep_inside"; status=1; }
  sed -n '/^its own:/,$p' said | grep -Eq 'abort' || { echo "$what: gdb is left in a task"; status=1; }
  [ $status = 0 ] || cat said
}

look "a process" running -ex run -ex 'gcore made-by-gcore' ./gdb_tasks
look "a process on the loop's stack" 'parked +il_sleep' -ex 'run plainly' ./gdb_tasks
look "a core of gcore's" running ./gdb_tasks made-by-gcore
# Where the kernel's cores are files of this folder, and the limits allow them.
if [ "$(cat /proc/sys/kernel/core_pattern)" = core ] && (ulimit -c unlimited) 2>/dev/null; then
  unset INTERLOOP_GUARDS
  (ulimit -c unlimited && exec ./gdb_tasks) 2>/dev/null
  core=$(ls core core.* 2>/dev/null | head -n 1)
  if [ -n "$core" ]; then
    look "a core of the kernel's" running ./gdb_tasks "$core"
  else
    echo "the kernel has written no core"
    status=1
  fi
fi

# Where it is installed gdb loads it by itself.
cp "$script" "$(basename "$(readlink -f "$soname")")-gdb.py"
gdb -nx -batch -iex "add-auto-load-safe-path $folder" -ex run -ex 'info il-tasks' ./gdb_tasks 2>&1 |
  grep -q 'a sleeper' || { echo "gdb does not load the script with the library"; status=1; }
exit $status
