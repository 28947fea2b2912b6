#!/usr/bin/env python3
"""coverage.py: which lines and branches of the library were run, from what gcov counted.

    python3 tests/coverage/coverage.py [--missing FILE] BUILD...

Prints a table of the folders and of all; exits with 1 below 95 % of the lines or 85 % of the branches, or if a source has no line
that was counted and is not in LEFT_OUT: what no build compiles would be no line that was not run. With --missing it
writes there what was not run: `file:line`, the number of branches that were not taken (or "line"), and the source.

Only sources below core/ and backends/ count. A line or branch is run if it was in any of the builds; what a header's
function has is counted once, not once per source.
"""

import collections
import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
LINES, BRANCHES = 95.0, 85.0
OURS = ("core/", "backends/")
# Sources without a line that gcov counts, or that these builds do not have.
LEFT_OUT = {
    "core/runtime/switch_aarch64.S": "assembly",
    "core/runtime/switch_x86_64.S": "assembly",
    "core/runtime/switch_ucontext.c": "of the portable form",
    "core/runtime/gdb.c": "no function: what gdb loads",
}


def counted(files):
    """What gcov says of some objects: one JSON document a line."""
    out = subprocess.run(["gcov", "--json-format", "--stdout", "--branch-probabilities", *map(str, files)],
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT, check=True).stdout
    return [json.loads(line) for line in out.splitlines() if line]


def name_of(file, folder):
    path = pathlib.Path(os.path.normpath(pathlib.Path(folder) / file))
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else ""


class Coverage:
    def __init__(self):
        self.lines = collections.Counter()  # (file, line): how often
        self.branches = collections.Counter()  # (file, line, function, number): how often

    def add(self, document):
        for file in document["files"]:
            name = name_of(file["file"], document["current_working_directory"])
            for line in file["lines"] if name.startswith(OURS) else []:
                at = (name, line["line_number"])
                self.lines[at] += line["count"]
                for number, branch in enumerate(line["branches"]):
                    self.branches[(*at, line.get("function_name", ""), number)] += branch["count"]

    def table(self):
        """folder: [lines run, lines, branches taken, branches]"""
        rows = collections.defaultdict(lambda: [0, 0, 0, 0])
        for counts, column in ((self.lines, 0), (self.branches, 2)):
            for key, count in counts.items():
                for row in (os.path.dirname(key[0]), "all"):
                    rows[row][column] += count > 0
                    rows[row][column + 1] += 1
        return rows

    def missing(self):
        """(file, line): "line", or how many branches were not taken."""
        found = collections.Counter(key[:2] for key, count in self.branches.items() if not count)
        return {**found, **{key: "line" for key, count in self.lines.items() if not count}}


def percent(part, whole):
    return 100.0 * part / whole if whole else 0.0


def uncounted(coverage):
    """The sources without a line that was counted, as they should not be, and those that should be."""
    sources = {str(path.relative_to(ROOT)) for folder in OURS for path in (ROOT / folder).rglob("*.[cS]")}
    return sorted((sources - {name for name, _ in coverage.lines}) ^ LEFT_OUT.keys())


def read(builds):
    coverage = Coverage()
    # Without a .gcda beside it nothing of it was run.
    files = sorted(file for build in builds for file in pathlib.Path(build).resolve().rglob("*.gcno"))
    pieces = [files[i:i + 20] for i in range(0, len(files), 20)]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as workers:
        for documents in workers.map(counted, pieces):
            for document in documents:
                coverage.add(document)
    return coverage


def write_missing(coverage, path):
    sources = {}
    with open(path, "w") as out:
        for (file, line), what in sorted(coverage.missing().items()):
            source = sources.setdefault(file, (ROOT / file).read_text().split("\n"))
            print(f"{file}:{line}\t{what}\t{source[line - 1].strip()}", file=out)


def main():
    arguments = sys.argv[1:]
    missing = None
    if arguments[:1] == ["--missing"]:
        missing, arguments = arguments[1], arguments[2:]
    coverage = read(arguments)
    if not coverage.lines:
        print("nothing was counted")
        return 1
    if missing:
        write_missing(coverage, missing)
    rows = coverage.table()
    everything = rows.pop("all")
    print(f"{'folder':28}{'lines':>16}{'branches':>18}")
    for name, (run, lines, taken, branches) in [*sorted(rows.items()), ("all", everything)]:
        print(f"{name:28}{percent(run, lines):6.1f} % of {lines:5}{percent(taken, branches):8.1f} % of {branches:5}")
    lines, branches = percent(*everything[:2]), percent(*everything[2:])
    wrong = uncounted(coverage)
    for name in wrong:
        print(f"{name}: {'is in LEFT_OUT, and is counted or gone' if name in LEFT_OUT else 'no line of it was counted'}")
    if wrong:
        return 1
    if lines < LINES or branches < BRANCHES:
        print(f"less than {LINES} % of the lines or {BRANCHES} % of the branches")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
