#!/bin/sh
# Code in the documentation cannot rot (and pictures show something): every fenced block in README.md and docs/ is, letter for
# letter, the marked region of a file that is built and run. `--update` brings the blocks up to date.
#
#   in the document     <!-- examples/hello.c [handler] -->     on the line before the fence
#   in the file         /* [handler] */  or  # [handler]        on a line before and one after the region
#
# Lines of the region lose the indentation of its marker, and other markers. Without a region it is
# the whole file. Blocks of `text` (output) need no source.
set -u
cd "$(dirname "$0")/../.." || exit 1
status=0

# Prints the document with each block replaced by its region; complains on stderr.
renew() {
  awk -v document="$1" '
    function complain(text) {
      print document ":" NR ": " text >"/dev/stderr"
      bad = 1
    }
    function is_marker(line) {
      return line ~ /^[ \t]*(\/\* \[[^]]*\] \*\/|# \[[^]]*\])$/
    }
    function print_region(file, section, line, bare, indent, inside, found, got) {
      inside = found = section == ""
      while ((got = (getline line <file)) > 0) {
        bare = line
        sub(/^[ \t]+/, "", bare)
        if (section != "" && (bare == "/* [" section "] */" || bare == "# [" section "]")) {
          inside = !inside
          found = 1
          indent = substr(line, 1, length(line) - length(bare))
        } else if (inside && !is_marker(line)) {
          if (indent != "" && index(line, indent) == 1)
            line = substr(line, length(indent) + 1)
          print line
        }
      }
      close(file)
      if (got < 0)
        complain("cannot read " file)
      else if (!found)
        complain("no region [" section "] in " file)
      else if (inside && section != "")
        complain("region [" section "] of " file " has no end")
    }
    /^```/ {
      if (!block) {
        block = 1
        language = substr($0, 4)
        print
        if (source != "")
          print_region(source, section)
        else if (language != "text")
          complain("a block of \"" language "\" with no source above it")
        skip = source != ""
        next
      }
      block = skip = 0
    }
    skip { next }
    {
      print
      source = ""
      if ($0 ~ /^<!-- [^ ]+( \[[^]]*\])? -->$/) {
        source = $2
        section = $0
        if (!sub(/^[^[]*\[/, "", section))
          section = ""
        sub(/\] -->$/, "", section)
      }
    }
    END { exit bad }' "$1"
}

new=$(mktemp) || exit 1
trap 'rm -f "$new"' EXIT
for document in README.md docs/*.md; do
  [ -f "$document" ] || continue
  if ! renew "$document" >"$new"; then
    status=1
  elif [ "${1:-}" = --update ]; then
    cmp -s "$document" "$new" || { cat "$new" >"$document"; echo "updated $document"; }
  elif ! diff -u "$document" "$new"; then
    echo "$document: a block differs from its source; tests/docs/check.sh --update mends that"
    status=1
  fi
done

# Whatever a document calls by name exists. (README.md says how names are made: il_noun_verb.)
names=$(mktemp) || exit 1
trap 'rm -f "$new" "$names"' EXIT
grep -rhow 'il_[a-z0-9_]*' include core backends examples | sort -u >"$names"
grep -ow 'il_[a-z0-9_]*[a-z0-9]' README.md docs/*.md | sort -u | grep -v ':il_\(_\)\{0,1\}noun_verb$' |
  while IFS=: read -r document name; do
    grep -qx "$name" "$names" || echo "$document: there is no $name"
  done >"$new"
[ ! -s "$new" ] || { cat "$new"; status=1; }

# Whoever asks what is tested finds every stage.
grep -o '^stage_[a-z0-9_]*' tests/run.sh | sed 's/stage_//' | while read -r stage; do
  grep -q "\`$stage\`" docs/testing.md || echo "docs/testing.md: says nothing of the stage $stage"
done >"$new"
[ ! -s "$new" ] || { cat "$new"; status=1; }

# The page and the pictures of the benchmarks show something: from counts that as texts are ordered otherwise, of points that are all
# alike, of figures that are 0, and where works and whole servers are missing.
plots=$(mktemp -d) || exit 1
trap 'rm -rf "$new" "$names" "$plots"' EXIT
for loop in libuv libev; do
  for many in 9 80 1000; do
    echo "bench=P12 loop=$loop cores=2 hogs=0 gap_us=0 via=tasks tasks=$many stat=cost n=1 ours=$((many + 5)) baseline=9 base=least" \
      "ratio=0.9 min=0.8 max=1.5 target=2 unit=ns"
    echo "bench=P10 loop=$loop cores=2 hogs=0 gap_us=0 via=stream connections=$many stat=server_cpu n=1 ours=950 baseline=950" \
      "base=raw_loop ratio=12.5 min=9.5 max=100 target=1.05 unit=ns"
  done
  echo "bench=P9 loop=$loop cores=2 hogs=0 gap_us=0 sleep_us=100 stat=early_max n=1 ours=0 baseline=0 base=target" \
    "ratio=0 min=0 max=0 target=1 unit=ns"
  echo "bench=P1 loop=$loop cores=2 stat=failed"
done >"$plots/results"
python3 tests/bench/plot.py "$plots/results" "$plots" || status=1
for svg in P10-growth P12-growth P10 P12; do
  [ -s "$plots/$svg.svg" ] || { echo "plot.py made no $svg.svg"; status=1; }
done
echo tables | python3 tests/bench/page.py tests/bench/benchmarks.md.in "$plots/results" "a machine" "$plots" >"$plots/page" || status=1
grep -q '(benchmarks/P10.svg)' "$plots/page" && ! grep -q 'P9.svg' "$plots/page" && ! grep -q '@' "$plots/page" &&
  [ "$(grep -c '^!' "$plots/page")" = 4 ] || { echo "page.py: wrong pictures or words"; status=1; }
awk -f tests/docs/svg.awk "$plots"/*.svg || status=1
awk -f tests/docs/svg.awk docs/benchmarks/*.svg || status=1
exit $status
