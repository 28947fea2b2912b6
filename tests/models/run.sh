#!/bin/sh
# run.sh [MODEL...]: has spin go through all orders of each model, which must hold; then through those with
# the planted fault (PLANTED), which must not. Prints the states that there are.
set -u
cd "$(dirname "$0")" || exit 1
[ $# -gt 0 ] || set -- *.pml
failed=0

# verify MODEL [OPTION]: prints what pan says of errors and states
verify()
{
  folder=$(mktemp -d) || return 1
  (
    cp "$1" "$folder/model.pml" && cd "$folder" || exit 1
    # shellcheck disable=SC2086
    spin ${2:-} -a model.pml >spin.log 2>&1 && cc -O1 -w -DSAFETY -o pan pan.c || { cat spin.log; exit 1; }
    ./pan -m100000 | grep -E "errors:|states, stored|error:|max search depth|not completed"
  )
  rm -rf "$folder"
}

for model in "$@"; do
  good=$(verify "$model")
  bad=$(verify "$model" -DPLANTED)
  states=$(echo "$good" | sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p')
  # Without memory pan stops, and says that there are no errors so far.
  if ! echo "$good" | grep -q "errors: 0" || echo "$good" | grep -q "error:\|not completed"; then
    echo "$model: does not hold"
    echo "$good"
    failed=1
  elif ! echo "$bad" | grep -q "errors: [1-9]"; then
    echo "$model: the planted fault is not found"
    echo "$bad"
    failed=1
  else
    echo "$model: holds in all of $states states; the planted fault is found"
  fi
done
exit $failed
