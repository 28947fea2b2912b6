"""results.py: the benchmarks' lines (bench=P1 loop=libuv cores=2 ... ours=881 baseline=35984 base=uv_queue_work ratio=0.027
min=0.020 max=0.087 target=0.15 unit=ns) as rows, and their conditions in words."""

import statistics

STATS = {
    "p50": "median", "mean": "mean", "cpu": "processor time", "server_cpu": "processor time", "wall": "wall time",
    "p99": "99th percentile", "per_call": "time per call", "per_post": "time per post", "late_p50": "median lateness",
    "early_max": "too early by", "all_done": "until all are done", "start_beyond_floor": "starting one", "wake": "waking one",
    "each": "time per call", "ns": "", "cost": "cost", "event": "one event", "run": "one run",
}
BASES = {"least": "with 10", "least_and_walk": "with 10, and a pointer walk", "target": "the target",
         "own_adapter": "its own adapter", "processes": "a process pool", "raw": "raw sockets"}


def plain(name):
    return name if name.startswith(("uv_", "il_")) or name == "run_in_thread" else name.replace("_", " ")


def base(row):
    if row.base == "better":
        return "the better raw pool" if row.work == "P2" else "the better of both"
    return BASES.get(row.base, plain(row.base))


def conditions(pairs):
    """The words of a row's conditions: {"cores": "2", "gap_us": "1000", ...}."""
    counted = pairs.get("via") if pairs.get("via") in ("tasks", "timers", "futures", "posting_threads") else None
    for name, value in pairs.items():
        if counted and name in ("via", "tasks"):
            if name == "tasks":
                yield f"{int(value):,} {plain(counted)}"
            continue
        if name == "cores":
            if value != "0":
                yield "1 core" if value == "1" else value + " cores"
        elif name == "gap_us":
            if value != "0":
                yield f"{int(value) // 1000} ms apart"
        elif name == "hogs":
            if value != "0":
                yield f"beside {value} busy processes"
        elif name == "via":
            yield plain(value)
        elif name == "inflight":
            yield f"{int(value):,} at once"
        elif name == "sleep_us":
            yield f"{int(value) / 1000:g} ms" if int(value) >= 1000 else f"{value} µs"
        else:
            yield f"{int(value):,} {name[:-1] if value == '1' else name}"


class Row:
    """One line; `work` unites process-64KiB and its like."""

    def __init__(self, line):
        pairs = dict(field.split("=", 1) for field in line.split())
        self.loop, self.stat, self.base = pairs["loop"], pairs["stat"], pairs["base"]
        self.work, _, self.part = pairs["bench"].partition("-")
        self.part = self.part.replace("KiB", " KiB").replace("MiB", " MiB").replace("roundtrip", "round trip")
        self.ours, self.baseline = float(pairs["ours"]), float(pairs["baseline"])
        self.ratio, self.low, self.high = (float(pairs[name]) for name in ("ratio", "min", "max"))
        self.target, self.unit = float(pairs.get("target", 0)), pairs.get("unit", "ns")
        names = list(pairs)
        self.conditions = {name: pairs[name] for name in names[2:names.index("stat")]}
        self.many = int(pairs.get("tasks") or pairs.get("connections") or 0)

    def words(self):
        return [self.part] * bool(self.part) + list(conditions(self.conditions))


def read(path):
    with open(path, encoding="utf-8") as lines:
        return [Row(line) for line in lines if line.startswith("bench=") and "stat=failed" not in line]


def amount(value, unit):
    """1.8 µs, 4.3 KiB, 3 calls."""
    if unit == "bytes":
        return f"{value:.0f} B" if value < 1024 else f"{value / 1024:.3g} KiB" if value < 1024 ** 2 else f"{value / 1024 ** 2:.3g} MiB"
    scale = {"ns": 1, "us": 1e3, "s": 1e9}.get(unit)
    if scale is None:
        return f"{value:.3g}"
    value *= scale
    for name, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if value >= size:
            return f"{value / size:.3g} {name}" if value < size * 999.5 else f"{value / size:.0f} {name}"
    return f"{value:.3g} ns"


def median(rows, name):
    return statistics.median(getattr(row, name) for row in rows)
