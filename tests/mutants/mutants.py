#!/usr/bin/env python3
"""mutants.py: plants small faults in the core, one at a time, and expects the fast suites to find each.

    python3 tests/mutants/mutants.py [SEED [COUNT]]     default: 1 60
    python3 tests/mutants/mutants.py --file FILE        every fault of one file, e.g. core/runtime/timer.c
    ... --progress FD                                   first: each verdict to this descriptor, too

A fault is of one of four kinds, as many of each: two statements in the wrong order, a wake-up that is lost, a bound that
is off by one, a release that is missing. The seed chooses among all that the sources allow. One that does not compile,
or compiles to the same code, is none; another is drawn in its place.

Works in copies of the tree below build/mutants, as many at once as there are processors. A fault that no suite finds
must be in equivalent.tsv, with the reason why it changes nothing. Exits 0 if all others are found.
"""

import concurrent.futures
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
WORK = ROOT / "build" / "mutants"
# Of code that the fast suites run: not the sanitizers' parts, nor other machines', nor what needs a job server.
LEFT_OUT = re.compile(r"core/(remote/|runtime/(context_sanitized|context_traced|switch_ucontext|gdb))")
# But for those that ASan does not go with.
CORE_PROGRAMS = ["core-" + p.stem for p in sorted((ROOT / "tests/core").glob("*.c"))
                 if p.stem not in ("process_names_plugin", "trace_environment", "backtrace", "network", "switch")]
TARGETS = ["schedules", "conformance-core", "conformance-virtual", "conformance-libev", *CORE_PROGRAMS]
# Those that need shared libraries, and the slowest, which runs on libev, too.
LEFT_OUT_SUITES = {("virtual", "own_C"), ("virtual", "own_V"), ("libev", "own_V")}
# Groups of rules that are likely to find a fault of a folder: they come first.
LIKELY = {"base": "JVB", "runtime": "AIJKEV", "sync": "HSAI", "executor": "BDWA", "portal": "FGE", "process": "C",
          "io": "LPRTO", "child": "NT", "server": "MORP", "tls": "Q"}
OPTIONS = ["-DBUILD_SHARED_LIBS=OFF", "-DINTERLOOP_EXAMPLES=OFF", "-DINTERLOOP_LIBUV=OFF", "-DINTERLOOP_LIBEVENT=OFF"]
PATIENCE = 120  # seconds that one suite may take; it takes less than 30

STATEMENT = re.compile(r"^\t+[^\s/*#{}].*;$")
ENDS = re.compile(r"(^|[;{}:]|\*/)$")
DECLARES = re.compile(r"^\t+(const|static|struct|union|enum|unsigned|bool|int|char|void|long|siginfo_t|sigset_t|"
                      r"(il_|u?int|size|pid|ssize|off|socklen|pthread)\w*) [^=(]*[=;]")
JUMPS = re.compile(r"^\t+(return|break|continue|goto|case|default)\b")
CALL = re.compile(r"^\t+(?:\(void\))?[\w>.-]*?(\w+)\(.*\);$")
WAKES = re.compile(r"wake|fire|kick|notify|post|signal|unpark|hand|resume|ready|tell|broadcast|start")
RELEASES = re.compile(r"unref|free|release|close|destroy|give|drop|remove|fini|disarm|forget|leave|back|paid|put|take_out")
BOUNDS = [(r"(?<=\w|\)) < (?=\w)", " <= "), (" <= ", " < "), (r"(?<=\w|\)) > (?=\w)", " >= "), (" >= ", " > "),
          (r" \+ 1\b(?!\d)", ""), (r" - 1\b(?!\d)", "")]


class Fault:
    def __init__(self, path, line, kind, old, new):
        self.path, self.line, self.kind, self.old, self.new = path, line, kind, old, new

    def __str__(self):
        old, new = (" ".join(text.split()) for text in (self.old, self.new))
        return f"{self.path}:{self.line} {self.kind}: {old} -> {new or '(nothing)'}"

    def key(self):
        return f"{self.path}\t{self.kind}\t{' '.join(self.old.split())}"


def plain(line):
    return bool(STATEMENT.match(line)) and "/*" not in line and not DECLARES.match(line)


def dependent(line, after):
    """Whether the order of two statements is likely to matter: one is a call, and both name the same thing."""
    words = [set(re.findall(r"[a-z_]\w*", text)) for text in (line, after)]
    return bool((CALL.match(line) or CALL.match(after)) and words[0] & words[1])


def faults_of(path):
    lines = (ROOT / path).read_text().split("\n")
    for i in range(1, len(lines) - 1):
        line, after = lines[i], lines[i + 1]
        begins = bool(ENDS.search(lines[i - 1].rstrip()))
        indent = len(line) - len(line.lstrip("\t"))
        both = begins and plain(line) and plain(after) and len(after) - len(after.lstrip("\t")) == indent
        if both and not JUMPS.match(line) and not JUMPS.match(after) and dependent(line, after):
            yield Fault(path, i + 1, "order", f"{line}\n{after}", f"{after}\n{line}")
        call = CALL.match(line) if plain(line) and not JUMPS.match(line) and "=" not in line else None
        for kind, names in (("wake", WAKES), ("release", RELEASES)):
            if call and names.search(call.group(1)):
                yield Fault(path, i + 1, kind, line, "\t" * indent + ";")
        if not re.match(r"^(\t|static|il_|int|bool)", line) or re.match(r"^\s*(/?\*|#|_Static_assert)", line):
            continue
        for pattern, put in BOUNDS:
            if re.search(pattern, line) and "/*" not in line:
                yield Fault(path, i + 1, "bound", line, re.sub(pattern, put, line, count=1))


def all_faults():
    tracked = subprocess.run(["git", "ls-files", "core"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    return [f for p in tracked if p.endswith(".c") and not LEFT_OUT.match(p) for f in faults_of(p)]


def draw(seed):
    """All of them, the kinds in turn; each fault once. A list, for several threads take from it."""
    chance = random.Random(seed)
    kinds = {kind: [] for kind in ("order", "wake", "bound", "release")}
    for fault in all_faults():
        kinds[fault.kind].append(fault)
    for faults in kinds.values():
        chance.shuffle(faults)
    return [fault for some in zip(*kinds.values()) for fault in some]


# ---- a tree for each worker ----


def run(command, cwd, seconds):
    """The exit status; None: it took too long. What it started goes with it."""
    process = subprocess.Popen(command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               start_new_session=True)
    try:
        process.communicate(timeout=seconds)
        return process.returncode
    except subprocess.TimeoutExpired:
        return None
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()


class Tree:
    def __init__(self, number):
        self.tree, self.build = WORK / str(number) / "tree", WORK / str(number) / "build"
        shutil.rmtree(self.tree, ignore_errors=True)
        for name in subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split():
            to = self.tree / name
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to)
        # With ASan, which finds what a missing release leaves behind.
        subprocess.run(["cmake", "--preset", "asan", "-B", self.build, *OPTIONS], cwd=self.tree, check=True,
                       stdout=subprocess.DEVNULL)
        if self.make() != 0:
            raise SystemExit("the tree does not build")
        failing = self.found_by()
        if failing:
            raise SystemExit(f"without a fault {failing} fails")

    def make(self):
        return run(["cmake", "--build", str(self.build), "-j", "1", "-t", *TARGETS], self.tree, 600)

    def suites(self, likely=""):
        """The likely groups, in adopted loops, too; then all others, from the fastest to the slowest."""
        first, rest = [], [[self.build / "tests/schedules/schedules", "1", "30000"]]
        rest += ([self.build / "tests/core" / name] for name in CORE_PROGRAMS)
        for backend in ("core", "virtual", "libev"):
            program = self.build / f"tests/conformance/conformance-{backend}"
            names = subprocess.run([program, "--suites"], capture_output=True, text=True, check=True).stdout.split()
            for name in names:
                fits = re.match("(core|virtual|own|real)_", name) or (name.startswith("adopted_") and name[-1] in likely)
                if fits and (backend, name) not in LEFT_OUT_SUITES:
                    (first if name[-1] in likely else rest).append([program, "--in-process", name + "/*"])
        return sorted(first, key=lambda suite: likely.index(suite[2][-3])) + rest

    def object_of(self, fault):
        return next(self.build.glob("core/**/" + fault.path.removeprefix("core/").removeprefix("tls/") + ".o")).read_bytes()

    def found_by(self, likely=""):
        for suite in self.suites(likely):
            words = [str(word) for word in suite]
            # Twice: on a busy machine a test may take too long, which is no fault found.
            if run(words, self.tree, PATIENCE) != 0 and run(words, self.tree, PATIENCE) != 0:
                return " ".join(str(word) for word in suite[:3]).replace(str(self.build) + "/tests/", "")
        return None

    def found_by_tsan(self, likely):
        """What a lock guards and stands outside of it is seen by TSan, and hardly by anything else."""
        build = self.build.with_name("tsan")
        if not build.exists():
            subprocess.run(["cmake", "--preset", "tsan", "-B", build, *OPTIONS], cwd=self.tree, check=True,
                           stdout=subprocess.DEVNULL)
        run(["cmake", "--build", str(build), "-j", "1", "-t", "conformance-core", "conformance-libev"], self.tree, 3600)
        for suite in self.suites(likely):
            program = build / suite[0].relative_to(self.build)
            if "conformance" in program.name and suite[2][-3] in likely and program.exists():
                if run([str(program), *suite[1:]], self.tree, 3 * PATIENCE) != 0:
                    return f"{program.name} {suite[2]} with TSan"
        return None

    def put(self, fault, text):
        lines = (ROOT / fault.path).read_text().split("\n")
        at = fault.line - 1
        lines[at:at + len(fault.old.split("\n"))] = text.split("\n")
        (self.tree / fault.path).write_text("\n".join(lines))

    def try_fault(self, fault):
        """"none": there is no such fault; "survived"; or the suite that found it."""
        before = self.object_of(fault)
        self.put(fault, fault.new)
        try:
            if self.make() != 0 or self.object_of(fault) == before:
                return "none"
            likely = LIKELY.get(fault.path.split("/")[1], "")
            return self.found_by(likely) or "mutex" in fault.old and self.found_by_tsan(likely) or "survived"
        finally:
            self.put(fault, fault.old)
            self.make()


def read_equivalent():
    lines = (ROOT / "tests/mutants/equivalent.tsv").read_text().splitlines()
    return {"\t".join(line.split("\t")[:3]): line.split("\t")[3] for line in lines if line and not line.startswith("#")}


class Teller:
    """Each verdict as it is found, for who waits hours."""

    def __init__(self, fd):
        self.progress, self.begin, self.told = fd and open(fd, "w"), time.monotonic(), 0

    def tell(self, text):
        print(text, flush=True)
        if self.progress:
            minutes = (time.monotonic() - self.begin) / 60
            print(f"\n    {minutes:5.1f} min: {text}", end="", file=self.progress, flush=True)

    def verdict(self, fault, verdict):
        self.told += 1
        self.tell(f"{self.told} {'SURVIVED' if verdict == 'survived' else 'found'}: {fault}"
                  + ("" if verdict == "survived" else f" [{verdict}]"))


def worker(number, faults, left, verdicts, teller):
    tree = Tree(number)
    teller.tell(f"tree {number} is built, and passes without a fault")
    while left[0] > 0:
        left[0] -= 1
        fault = next(faults, None)
        if not fault:
            return
        verdict = tree.try_fault(fault)
        if verdict == "none":
            left[0] += 1
            continue
        verdicts.append((fault, verdict))
        teller.verdict(fault, verdict)


def main():
    arguments = sys.argv[1:]
    teller = Teller(int(arguments[1]) if arguments[:1] == ["--progress"] else None)
    if teller.progress:
        arguments = arguments[2:]
    if arguments[:1] == ["--file"]:
        faults = iter([f for f in all_faults() if f.path == arguments[1]])
        left = [1 << 30]
    else:
        seed, count = (int(a) for a in (arguments + ["1", "60"][len(arguments):])[:2])
        print(f"seed {seed}: {count} faults of {len(all_faults())}")
        faults, left = iter(draw(seed)), [count]
    verdicts, equivalent = [], read_equivalent()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as workers:
        for done in [workers.submit(worker, n, faults, left, verdicts, teller) for n in range(os.cpu_count())]:
            done.result()
    survivors = [fault for fault, verdict in verdicts if verdict == "survived"]
    argued = [fault for fault in survivors if fault.key() in equivalent]
    for fault in argued:
        print(f"equivalent: {fault}: {equivalent[fault.key()]}")
    print(f"{len(verdicts)} faults: {len(verdicts) - len(survivors)} found, {len(argued)} change nothing, "
          f"{len(survivors) - len(argued)} not found")
    return len(survivors) > len(argued)


if __name__ == "__main__":
    sys.exit(main())
