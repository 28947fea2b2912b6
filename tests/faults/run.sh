#!/bin/sh
# run.sh BUILD BACKEND PASS [WORKLOAD [KIND [N]]]: runs a pass (see main.c) under libfault.so, in a folder of its own.
# run.sh BUILD BACKEND soak [MINUTES [SEED]]: see soak.c.
# With FAULT_TRACE=1 each injected call is printed, the log, and where what was left behind was allocated.
set -u
build=$(cd "$1" && pwd) || exit 2
backend=$2
shift 2
program=faults
if [ "$1" = soak ]; then
  program=soak
  shift
fi
folder=$(mktemp -d) || exit 2
trap 'rm -rf "$folder"' EXIT
cd "$folder" && LD_PRELOAD=$build/lib/libfault.so "$build/tests/faults/$program-$backend" "$@"
