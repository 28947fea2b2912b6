#!/bin/sh
# probes.sh LIBRARY: has a note for each static probe, with its arguments, which is what perf, bpftrace and SystemTap
# go by.
set -u
status=0
notes=$(readelf --wide --notes "$1")
for probe in task_start task_run task_park task_end call_submit call_run call_answer portal_post portal_run turn; do
  echo "$notes" | grep -A 2 "Name: $probe\$" | grep -q "Arguments: .*@.* .*@" ||
    { echo "$1 has no probe $probe, or it lacks arguments"; status=1; }
done
echo "$notes" | grep "Provider:" | grep -qv "Provider: interloop" && { echo "another provider"; status=1; }
exit $status
