#!/usr/bin/env python3
"""mutants.py: plants small faults in the core, one at a time, and expects the fast suites to find each.

    python3 tests/mutants/mutants.py [SEED [COUNT]]         default: 1 60
    python3 tests/mutants/mutants.py SEED FIRST-LAST        a part of what the seed draws, e.g. 1 20-40
    python3 tests/mutants/mutants.py --file FILE            every fault of one file, e.g. core/runtime/timer.c
    ... --list                                              first: only prints them
    ... --progress FD                                       first: each verdict to this descriptor, too

A fault is of one of four kinds, as many of each: two statements in the wrong order, a wake-up that is lost, a bound that
is off by one, a release that is missing. The seed chooses among all that the sources allow, and chooses the same ones
when other lines have changed. One that does not compile, or compiles to the same code, is none; with COUNT another is
drawn for it.

Works in a copy of the tree, build/mutants, which the next run goes on with; ccache helps. What tests/mutants/found.tsv has
of a fault comes first, so that one that was found before takes seconds; build/mutants/found.tsv is that file with what
this run has added. One that no suite finds must be in equivalent.tsv, with the reason why it changes nothing. Exits 0 if all
others are found.
"""

import concurrent.futures
import hashlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import typing

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = ROOT / "tests/mutants"
WORK = ROOT / "build/mutants"
# Of code that the fast suites run: not the sanitizers' parts, nor other machines', nor what needs a job server.
LEFT_OUT = re.compile(r"core/(remote/|runtime/(context_sanitized|context_traced|switch_ucontext|gdb))")
# Of tests/core; but for those that ASan does not go with.
NOT_RUN = ("process_names_plugin", "trace_environment", "backtrace", "network", "switch")
CORE_PROGRAMS = ["core-" + p.stem for p in sorted((ROOT / "tests/core").glob("*.c")) if p.stem not in NOT_RUN]
PROGRAMS = ["schedules", "embed-allocator", *CORE_PROGRAMS]
CONFORMANCE = ["conformance-core", "conformance-virtual", "conformance-libev"]
# Those that need shared libraries, and the slowest, which runs on libev, too.
LEFT_OUT_SUITES = {"conformance-virtual own_C/*", "conformance-virtual own_V/*", "conformance-libev own_V/*"}
# Groups of rules that are likely to find a fault of a folder: they come first. (V: each folder's words in dumps.)
LIKELY = {"base": "JVB", "runtime": "AIJKEV", "sync": "HSAIV", "executor": "BDWAV", "portal": "FGEV", "process": "CV",
          "io": "LPRTOSV", "child": "NTV", "server": "MORPV", "tls": "Q"}
# Where sanitizers have reports of their own.
UNSANITIZED = re.compile(r"core/runtime/overflow")
OPTIONS = ["-DBUILD_SHARED_LIBS=OFF", "-DINTERLOOP_EXAMPLES=OFF", "-DINTERLOOP_LIBUV=OFF", "-DINTERLOOP_LIBEVENT=OFF"]
PATIENCE = 300  # seconds that one suite may take; it takes less than 30
os.environ.setdefault("IL_TEST_SECONDS", "30")  # after which a test hangs

STATEMENT = re.compile(r"^\t+[^\s/*#{}].*;$")
ENDS = re.compile(r"(^|[;{}:]|\*/)$")
DECLARES = re.compile(r"^\t+(const|static|struct|union|enum|unsigned|bool|int|char|void|long|siginfo_t|sigset_t|"
                      r"(il_|u?int|size|pid|ssize|off|socklen|pthread)\w*) [^=(]*[=;]")
JUMPS = re.compile(r"^\t+(return|break|continue|goto|case|default)\b")
CALL = re.compile(r"^\t+(?:\(void\))?[\w>.-]*?(\w+)\(.*\);$")
FUNCTION = re.compile(r"^[A-Za-z][\w *]*?(\w+)\([^;]*$")
WAKES = re.compile(r"wake|fire|kick|notify|post|signal|unpark|hand|resume|ready|tell|broadcast|start")
RELEASES = re.compile(r"unref|free|release|close|destroy|give|drop|remove|fini|disarm|forget|leave|back|paid|put|take_out")
BOUNDS = [(r"(?<=\w|\)) < (?=\w)", " <= "), (" <= ", " < "), (r"(?<=\w|\)) > (?=\w)", " >= "), (" >= ", " > "),
          (r" \+ 1\b(?!\d)", ""), (r" - 1\b(?!\d)", "")]


class Fault:
    def __init__(self, path, line, kind, old, new):
        self.path, self.line, self.kind, self.old, self.new = path, line, kind, old, new
        self.place = 0
        self.function = ""  # with "#2" and so on behind it, if this is not its first such fault

    def __str__(self):
        old, new = (" ".join(text.split()) for text in (self.old, self.new))
        return f"{self.place or ''}".rjust(3) + f" {self.path}:{self.line} {self.kind}: {old} -> {new or '(nothing)'}"

    def text(self):
        """What the seed chooses by: it stays the same where functions are moved."""
        return f"{self.path}\t{self.kind}\t{' '.join(self.old.split())}"

    def key(self):
        """What is known of a fault is known of this one alone."""
        old, new = (" ".join(text.split()) for text in (self.old, self.new))
        return f"{self.path}\t{self.kind}\t{self.function}\t{old}" + (f" -> {new}" if self.kind == "bound" else "")


def plain(line):
    return bool(STATEMENT.match(line)) and "/*" not in line and not DECLARES.match(line)


def dependent(line, after):
    """Whether the order of two statements is likely to matter: one is a call, and both name the same thing."""
    words = [set(re.findall(r"[a-z_]\w*", text)) for text in (line, after)]
    return bool((CALL.match(line) or CALL.match(after)) and words[0] & words[1])


def faults_of(path):
    lines, same = (ROOT / path).read_text().split("\n"), {}
    functions = functions_of(lines)
    for fault in faults_in(path, lines):
        fault.function = functions[fault.line - 1]
        same[fault.key()] = nth = same.get(fault.key(), 0) + 1
        fault.function += f"#{nth}" if nth > 1 else ""
        yield fault


def functions_of(lines):
    """By line: the function that it is in."""
    name, names = "", []
    for line in lines:
        begins = FUNCTION.match(line)
        name = begins.group(1) if begins else name
        names.append(name)
    return names


def faults_in(path, lines):
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
    """All of them, the kinds in turn. Each has a number of its own by chance: what is drawn does not depend on the others."""
    kinds, same = {kind: [] for kind in ("order", "wake", "bound", "release")}, {}
    for fault in all_faults():
        same[fault.text()] = same.get(fault.text(), 0) + 1
        text = f"{seed}\t{fault.text()}\t{same[fault.text()]}"
        kinds[fault.kind].append((hashlib.sha256(text.encode()).digest(), fault))
    drawn = [fault for some in zip(*(sorted(k, key=lambda f: f[0]) for k in kinds.values())) for _, fault in some]
    for n, fault in enumerate(drawn):
        fault.place = n + 1
    return drawn


# ---- what finds a fault ----


class Suite(typing.NamedTuple):
    program: str
    tests: str = ""  # of a conformance program
    preset: str = "asan"  # which finds what a missing release leaves behind

    def __str__(self):
        return f"{self.program} {self.tests}".strip() + ("" if self.preset == "asan" else f" ({self.preset})")

    @staticmethod
    def of(text):
        words = text.split()
        preset = words.pop().strip("()") if words[-1].startswith("(") else "asan"
        return Suite(words[0], " ".join(words[1:]), preset)

    def command(self, builds):
        program = builds / self.preset / "tests" / self.program.split("-")[0] / self.program
        arguments = ["1", "30000"] if self.program == "schedules" else ["--in-process", self.tests] if self.tests else []
        return [str(program), *arguments]


def run(command, cwd, seconds, stop=None):
    """The exit status, 1 if it took too long, None if it was stopped; and what it wrote. What it started goes with it."""
    with open(WORK / f"output-{threading.get_ident()}", "w+", errors="replace") as output:
        process = subprocess.Popen(command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                                   start_new_session=True)
        end, stopped = time.monotonic() + seconds, False
        while process.poll() is None and time.monotonic() < end and not stopped:
            time.sleep(0.02)
            stopped = stop is not None and stop.is_set()
        status = process.poll()
        if status is None and not stopped:
            status = 1
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()
        output.seek(0)
        return status, output.read()


class Tree:
    def __init__(self):
        self.tree, self.lock = WORK / "tree", threading.Lock()
        self.builds = self.tree / "build"
        self.copy()
        self.configure("asan")
        if not self.make("asan", *CONFORMANCE, *PROGRAMS):
            raise SystemExit("the tree does not build")
        self.objects = {path: path.read_bytes() for path in self.builds.glob("asan/core/**/*.o")}
        self.suites = [Suite(name) for name in PROGRAMS]
        for program in CONFORMANCE:
            command = [*Suite(program).command(self.builds), "--suites"]
            names = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
            self.suites += [Suite(program, name + "/*") for name in names]

    def copy(self):
        """Only what has changed, and so needs to be compiled."""
        listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
        for name in listed:
            to = self.tree / name
            if not to.exists() or to.read_bytes() != (ROOT / name).read_bytes():
                to.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, to)
                os.utime(to)
        for path in self.tree.rglob("*"):
            if path.is_file() and self.builds not in path.parents and str(path.relative_to(self.tree)) not in listed:
                path.unlink()

    def configure(self, preset):
        if not (self.builds / preset / "build.ninja").exists():
            subprocess.run(["cmake", "--preset", preset, *OPTIONS], cwd=self.tree, check=True, stdout=subprocess.DEVNULL)

    def make(self, preset, *targets):
        with self.lock:
            return run(["cmake", "--build", str(self.builds / preset), "-t", *targets], self.tree, 7200)[0] == 0

    def put(self, fault, old, new):
        path = self.tree / fault.path
        lines, at = path.read_text().split("\n"), fault.line - 1
        size = len(old.split("\n"))
        assert lines[at:at + size] == old.split("\n")
        lines[at:at + size] = new.split("\n")
        path.write_text("\n".join(lines))

    def changes_code(self, fault):
        name = "/" + fault.path.removeprefix("core/").removeprefix("tls/") + ".o"
        path = next(path for path in self.objects if str(path).endswith(name))
        return self.make("asan", str(path.relative_to(self.builds / "asan"))) and path.read_bytes() != self.objects[path]

    def ordered(self, likely):
        """The likely groups, in adopted loops, too; and all others, from the fastest to the slowest."""
        def fits(suite):
            kind, group = (suite.tests.split("/")[0].split("_") + [""])[:2]
            return not suite.tests or kind in ("core", "virtual", "own", "real") or kind == "adopted" and group in likely
        suites = [s for s in self.suites if fits(s) and str(s) not in LEFT_OUT_SUITES]
        first = [s for s in suites if s.tests and s.tests[-3] in likely]
        return sorted(first, key=lambda s: likely.index(s.tests[-3])), [s for s in suites if s not in first]

    def fails(self, suite, stop=None):
        """The suite, or the one test of it that fails; None if it passes."""
        self.configure(suite.preset)
        if not self.make(suite.preset, suite.program):
            raise SystemExit(f"{suite.program} does not build")
        # Twice: on a busy machine a test may take too long, which is no fault found.
        for _ in range(2):
            status, output = run(suite.command(self.builds), self.tree, PATIENCE, stop)
            if status in (None, 0, 2):  # 2: there is no such test any more
                return None
        tests = [line for line in output.split("\n") if re.fullmatch(r"[a-z]+_[A-Z]/\w+", line)]
        return suite._replace(tests=tests[-1]) if suite.tests and tests else suite

    def found_by(self, suites):
        """As many suites at once as there are processors, until one fails."""
        stop, found = threading.Event(), []

        def attempt(suite):
            failing = None if stop.is_set() else self.fails(suite, stop)
            if failing and not stop.is_set():
                found.append(failing)
                stop.set()
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(attempt, suites))
        return found[0] if found else None

    def try_fault(self, fault, hint, argued):
        """"none": there is no such fault; "survived"; or the suite that found it. One that is argued to change nothing is
        tried with the likely groups alone."""
        self.put(fault, fault.old, fault.new)
        try:
            if not self.changes_code(fault):
                return "none"
            likely, others = self.ordered(LIKELY.get(fault.path.split("/")[1], ""))
            if UNSANITIZED.match(fault.path):
                likely, others = [s._replace(preset="dev") for s in likely], []
            found = (hint and self.fails(hint)) or self.found_by(likely if argued else likely + others)
            # What a lock guards and stands outside of it is seen by TSan, and hardly by anything else.
            if not found and not argued and "mutex" in fault.old:
                found = self.found_by([s._replace(preset="tsan") for s in likely if s.program != "conformance-virtual"])
            return found or "survived"
        finally:
            self.put(fault, fault.new, fault.old)


# ---- what is known ----


FOUND_HEAD = ("# What found a fault: file, kind, function (#2: its second such fault), the line as it was (two lines: joined; of a "
              "bound: and as it is with the fault), suite and test. Separated by tabs.\n")


def read_known(path):
    """The last column by the first four."""
    lines = path.read_text().splitlines() if path.exists() else []
    rows = [line.split("\t") for line in lines if line and not line.startswith("#")]
    return {"\t".join(row[:4]): row[4] for row in rows}


class Teller:
    """Each verdict as it is found, for who waits hours."""

    def __init__(self, fd):
        self.progress, self.begin = fd and open(fd, "w"), time.monotonic()

    def tell(self, text):
        print(text, flush=True)
        if self.progress:
            minutes = (time.monotonic() - self.begin) / 60
            print(f"\n    {minutes:5.1f} min: {text}", end="", file=self.progress, flush=True)


def try_all(faults, count, equivalent, teller):
    """The verdict on each, "none" left out."""
    tree, hints, verdicts = Tree(), read_known(HERE / "found.tsv"), []
    teller.tell("the tree is built")
    for fault in faults:
        hint = hints.get(fault.key())
        verdict = tree.try_fault(fault, hint and Suite.of(hint), fault.key() in equivalent)
        if verdict == "none":
            teller.tell(f"none: {fault}")
            continue
        teller.tell(f"SURVIVED: {fault}" if verdict == "survived" else f"found: {fault} [{verdict}]")
        verdicts.append((fault, verdict))
        if len(verdicts) == count:
            break
    for suite in {verdict for _, verdict in verdicts if verdict != "survived"}:
        if tree.fails(suite):
            raise SystemExit(f"without a fault {suite} fails")
    return verdicts


def chosen(arguments):
    """The faults, and how many of them; None: all."""
    if arguments[:1] == ["--file"]:
        return [fault for fault in all_faults() if fault.path == arguments[1]], None
    seed, part = (arguments + ["1", "60"][len(arguments):])[:2]
    first, to, last = part.partition("-")
    drawn = draw(int(seed))
    print(f"seed {seed}: {part} faults of {len(all_faults())}")
    return (drawn[int(first) - 1:int(last)], None) if to else (drawn, int(first))


def main():
    arguments, options = sys.argv[1:], {}
    while arguments[:1] and arguments[0] in ("--list", "--progress"):
        option = arguments.pop(0)
        options[option] = int(arguments.pop(0)) if option == "--progress" else True
    equivalent = read_known(HERE / "equivalent.tsv")
    faults, count = chosen(arguments)
    if "--list" in options:
        for fault in faults[:count]:
            print(f"{fault}{' [equivalent]' if fault.key() in equivalent else ''}")
        return 0
    WORK.mkdir(parents=True, exist_ok=True)
    verdicts = try_all(faults, count, equivalent, Teller(options.get("--progress")))
    found = read_known(HERE / "found.tsv") | {f.key(): str(verdict) for f, verdict in verdicts if verdict != "survived"}
    (WORK / "found.tsv").write_text(FOUND_HEAD + "".join(f"{key}\t{suite}\n" for key, suite in sorted(found.items())))
    survivors = [fault for fault, verdict in verdicts if verdict == "survived"]
    argued = [fault for fault in survivors if fault.key() in equivalent]
    wrong = [fault for fault, verdict in verdicts if verdict != "survived" and fault.key() in equivalent]
    for fault in argued:
        print(f"equivalent: {fault}: {equivalent[fault.key()]}")
    for fault in wrong:
        print(f"argued to change nothing, and found: {fault}")
    print(f"{len(verdicts)} faults: {len(verdicts) - len(survivors)} found, {len(argued)} change nothing, "
          f"{len(survivors) - len(argued)} not found")
    return len(survivors) > len(argued) or len(wrong) > 0


if __name__ == "__main__":
    sys.exit(main())
