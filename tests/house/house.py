#!/usr/bin/env python3
"""house.py: holds the house against its plan: who may call whom, and who does.

    python3 tests/house/house.py BUILD      e.g. build/static, where the core was compiled
    python3 tests/house/house.py BUILD -v   also prints the files of each floor and every circle

Reads the includes of core/ and the symbols of the compiled objects, and says what breaks a rule:

- a folder uses folders above it in FLOORS only; folders in one line never see each other;
- files that call each other in a circle are those of CIRCLES, and no others;
- servers and children use the functions of a stream, never its fields: a stream may become a layer over another;
- a library beside the core (tls, remote) uses public headers only, and of the core the functions that these declare;
- memory of the core comes from base/memory.c, which knows the program's allocator;
- the environment is read by secure_getenv, so a set-uid program ignores it: in the libraries beside the core, too;
- a file includes a header of the core only if it uses something that this header declares;
- a header of the core has the guard IL_CORE_FOLDER_FILE_H, so that no two of them ever share one;
- docs/internals.md, the map, has every file of the core and of the backends, and no other.

Exits 0 if nothing does.
"""

import pathlib
import re
import subprocess
import sys

# From the ground up; folders in one line are siblings.
FLOORS = [
    ["base"],
    ["runtime"],
    ["sync"],
    ["executor"],
    ["portal", "process"],
    ["io"],
    ["child", "server", "network"],
]

# The one that is kept beside the backend whose loops it is for.
ELSEWHERE = {"network": "backends/virtual/network"}

# Libraries of their own: written as a user's code would be.
BESIDE = ["tls", "remote"]

# Files that may call each other in a circle: what they are together is said in docs/internals.md.
CIRCLES = [
    # The runtime's core: a loop runs tasks, whose scopes and waits make it run others.
    "runtime/loop runtime/loop_end runtime/loop_run runtime/scope runtime/task runtime/turn runtime/virtual_time",
    # The pumps of a process pool: a worker's end gives work to others, and a pump's end ends workers.
    "process/attendant process/dispatch process/pool process/pump process/watch",
    # A simulated connection: each of its halves, and its probes, may end it.
    "network/tcp network/tcp_receive network/tcp_rest network/tcp_send",
    # The operating system: wake-ups are descriptors, of which some are made to try whether there are any.
    "base/os base/os_fd",
]

# Who may ask the C library for memory: a probe that gives it back at once, and what runs before main.
ALLOCATING = {"base/memory", "base/os_fd", "process/program"}
# What the program's starter hands over, whoever runs it: sockets; and what a worker's environment must keep.
ENVIRONMENT = {"io/listener_fd", "process/preload"}
ALLOCATORS = {"malloc", "calloc", "realloc", "aligned_alloc", "strdup", "strndup", "free"}

root = pathlib.Path(__file__).resolve().parents[2]
core = root / "core"
floor_of = {folder: level for level, folders in enumerate(FLOORS) for folder in folders}
broken = []


def place_of(folder):
    return root / ELSEWHERE[folder] if folder in ELSEWHERE else core / folder


def title(path):
    """folder/file, as the plan names it."""
    return f"{path.parent.name}/{path.name}"


def fault(text):
    broken.append(text)
    print(text)


def may_use(user, used):
    """Whether a file of the folder `user` may use one of the folder `used`."""
    return user == used or floor_of[used] < floor_of[user]


def explain(user, used):
    if floor_of[used] == floor_of[user]:
        return f"{user} and {used} are siblings, which never see each other"
    return f"{used} lies above {user}"


# ---- includes ----

INCLUDE = re.compile(r'^#\s*include "([^"]+)"', re.M)
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)
STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"')
WORD = re.compile(r"[A-Za-z_]\w*")


def code_of(path):
    return COMMENT.sub(" ", path.read_text())


def included(path, code):
    for name in INCLUDE.findall(code):
        yield (path.parent / name).resolve()


def declared(code):
    """The names that a header is there for: functions, types, constants, macros, objects."""
    code = re.sub(r"\\\n", " ", code)
    names = set(re.findall(r"^\s*#\s*define\s+(\w+)", code, re.M))
    code = re.sub(r"^\s*#.*$", "", code, flags=re.M)
    names |= set(re.findall(r"\b(?:struct|enum|union)\s+(\w+)\s*\{", code))
    for body in re.findall(r"\benum\b[^{;]*\{([^}]*)\}", code):
        names |= set(re.findall(r"(\w+)\s*(?:=[^,}]*)?(?:,|$)", body.strip()))
    names |= set(re.findall(r"\b(il_\w+|il__\w+)\s*\(", outside_bodies(code)))
    names |= set(re.findall(r"\bextern\b[^;(]*?\b(\w+)\s*(?:\[[^\]]*\])?;", code))
    names |= set(re.findall(r"\btypedef\b[^;]*?\b(il_\w+|il__\w+)\s*(?:\([^;]*\))?;", code))
    names |= set(re.findall(r"\b_Thread_local\b[^;]*?\b(\w+);", code))
    return {name for name in names if not name.startswith("IL_CORE_")}


def members(code):
    """The names of what stands in the structures of a header."""
    bodies = re.findall(r"\b(?:struct|union)\s+\w+\s*\{([^}]*)\}", code)
    return {name for body in bodies for name in re.findall(r"(\w+)\s*(?:\[[^\]]*\]\s*)?[;,]", body)}


def outside_bodies(code):
    """Without what stands inside braces: the bodies of inline functions, the members of structures."""
    kept, depth = [], 0
    for c in code:
        depth -= c == "}"
        if depth == 0 and c not in "{}":
            kept.append(c)
        depth += c == "{"
    return "".join(kept)


def check_includes():
    files = sorted(path for folder in floor_of for path in place_of(folder).glob("*.[chS]"))
    code = {path: code_of(path) for path in files}
    headers = {path: declared(text) for path, text in code.items() if path.suffix == ".h"}
    inside = {path: members(code[path]) for path in headers}
    for path in headers:  # a member says where it comes from if no other structure has one of that name
        alone = inside[path].difference(*(inside[other] for other in headers if other != path))
        headers[path] |= alone
    for path in files:
        own = path.with_suffix(".h")
        words = set(WORD.findall(STRING.sub(" ", code[path])))
        for target in included(path, code[path]):
            name, used = title(path), title(target)
            if target not in code:
                fault(f"core/{name}: includes {used}, which is not there")
            elif not may_use(path.parent.name, target.parent.name):
                fault(f"core/{name}: includes {used}: {explain(path.parent.name, target.parent.name)}")
            elif path.suffix == ".c" and target != own and not headers[target] & words:
                fault(f"core/{name}: includes {used} and uses nothing of it")
        if path.parent.name in ("server", "child") and re.search(r"\bstream->", code[path]):
            fault(f"core/{name}: looks into a stream; use a function of io/stream.h")
    return files


def check_beside():
    """A library beside the core includes its own headers and public ones, and uses no private name but its own."""
    for folder in BESIDE:
        for path in sorted((core / folder).glob("*.[ch]")):
            code = code_of(path)
            for target in included(path, code):
                if target.parent != path.parent or not target.exists():
                    fault(f"core/{folder}/{path.name}: includes {target.name}, which is not its own or public")
            for name in sorted(set(re.findall(r"\bil__\w+", STRING.sub(" ", code)))):
                if not name.startswith(f"il__{folder}_"):
                    fault(f"core/{folder}/{path.name}: uses {name}, which is private to the core")


# ---- the map ----


def check_guards():
    for path in sorted(core.rglob("*.h")):
        guard = "IL_" + re.sub(r"[/.]", "_", str(path.relative_to(root))).upper()
        if f"#ifndef {guard}\n#define {guard}\n" not in path.read_text():
            fault(f"{title(path)}: its guard is to be {guard}")


def check_map():
    """Its tables, a folder's after its heading, name the .c files; `name_*` stands for several."""
    there = {path.name for part in ("core", "backends") for path in (root / part).rglob("*.c")}
    rows = re.findall(r"^\| ([^|]*\.c[^|]*|[^|]*_\*[^|]*) \|", (root / "docs/internals.md").read_text(), re.M)
    named = {name for row in rows for name in re.findall(r"[\w*]+(?:\.c)?", row)}
    for name in sorted(there):
        family = re.sub(r"_.*", "_*", name)
        if name not in named and family not in named:
            fault(f"docs/internals.md does not say what {name} is for")
    for name in sorted(n for n in named if n.endswith(".c") and n not in there):
        fault(f"docs/internals.md names {name}, which is not there")


# ---- symbols ----


def listed(objects):
    """The symbols of all objects at once: of each its object, its name and its kind."""
    if not objects:
        return
    found = subprocess.run(["nm", "-A", "-P", *map(str, objects)], capture_output=True, text=True, check=True)
    for line in found.stdout.splitlines():
        path, rest = line.split(": ", 1)
        yield pathlib.Path(path), *rest.split()[:2]


def symbols(build):
    """By object: what it defines, and what it needs."""
    objects = [path for path in sorted((build / "core").rglob("*.o")) if path.parts[-2] in floor_of]
    name_of = {path: "/".join(path.parts[-2:]).split(".")[0] for path in objects}
    defines, needs = {}, {name: set() for name in name_of.values()}
    for path, symbol, kind in listed(objects):
        if kind in "Uw":
            needs[name_of[path]].add(symbol)
        elif kind.isupper():
            defines[symbol] = name_of[path]
    return defines, needs


def needs_beside(build):
    """What the objects of the libraries beside the core need. Their memory may be the C library's: no public function has the core's."""
    needs = {}
    for folder in BESIDE:
        objects = sorted((build / "core" / folder).rglob("*.o"))
        if not objects:
            fault(f"no objects of {folder} below {build}: build it first")
        for path, symbol, kind in listed(objects):
            if kind in "Uw":
                needs.setdefault(f"{folder}/{path.name.split('.')[0]}", set()).add(symbol)
    return needs


def edges(defines, needs):
    """By object: the objects that it calls, each with a symbol that says so."""
    return {
        name: {defines[s]: s for s in sorted(wanted, reverse=True) if defines.get(s, name) != name}
        for name, wanted in needs.items()
    }


def check_memory(needs):
    for name, wanted in sorted(needs.items()):
        for symbol in sorted(wanted & ALLOCATORS if name not in ALLOCATING else ()):
            fault(f"core/{name}: uses {symbol}: the program's allocator is asked by il__{symbol} (base/memory.h)")


def check_environment(needs):
    for name, wanted in sorted(needs.items()):
        if "getenv" in wanted and name not in ENVIRONMENT:
            fault(f"core/{name}: uses getenv: who starts a set-uid program must not steer it; use secure_getenv")


def check_floors(graph):
    for user, calls in sorted(graph.items()):
        for used, symbol in sorted(calls.items()):
            a, b = user.split("/")[0], used.split("/")[0]
            if not may_use(a, b):
                fault(f"core/{user}: uses {symbol} of {used}: {explain(a, b)}")


def reached(graph, start):
    seen, todo = set(), [start]
    while todo:
        for used in graph[todo.pop()]:
            if used not in seen:
                seen.add(used)
                todo.append(used)
    return seen


def circles(graph):
    """The sets of files, more than one, each of which reaches all others of its set."""
    reach = {name: reached(graph, name) for name in graph}
    found = {frozenset(m for m in reach[n] if n in reach[m]) for n in graph if n in reach[n]}
    return sorted((sorted(c) for c in found if len(c) > 1), key=lambda c: (-len(c), c))


def check_circles(graph, verbose):
    allowed = [set(circle.split()) for circle in CIRCLES]
    found = circles(graph)
    for circle in found:
        if verbose:
            print(f"circle of {len(circle)}: {' '.join(circle)}")
        if not any(set(circle) <= known for known in allowed):
            fault(f"these files call each other in a circle that is not on the list: {' '.join(circle)}")
            near = max(allowed, key=lambda known: len(known & set(circle)), default=set())
            for name in sorted(set(circle) - near):
                back = [f"{n} ({graph[n][name]})" for n in circle if name in graph[n]]
                print(f"  {name} is called by {', '.join(back)}")
    return found


def main(arguments):
    if not arguments or not pathlib.Path(arguments[0], "core").is_dir():
        print(__doc__)
        return 2
    verbose = "-v" in arguments
    files = check_includes()
    check_beside()
    check_guards()
    check_map()
    defines, needs = symbols(pathlib.Path(arguments[0]))
    graph = edges(defines, needs)
    if not graph:
        fault(f"no objects of the core below {arguments[0]}: build it first")
    check_memory(needs)
    check_environment({**needs, **needs_beside(pathlib.Path(arguments[0]))})
    check_floors(graph)
    found = check_circles(graph, verbose)
    if verbose:
        for folders in FLOORS:
            for folder in folders:
                print(f"{folder}: {sum(1 for f in files if f.parent.name == folder)} files")
    references = sum(len(calls) for calls in graph.values())
    print(f"{len(graph)} objects, {references} references, {len(found)} circles, {len(broken)} faults")
    return 1 if broken else 0


sys.exit(main(sys.argv[1:]))
