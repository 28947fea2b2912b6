"""plot.py RESULTS FOLDER: the pictures of docs/benchmarks.md, from the benchmarks' lines. P1.svg and its like: the ratio to the baseline
and the target, a row each, a dot each loop. P10-growth.svg and its like: the cost against how many there are."""

import math
import pathlib
import sys
from html import escape

import results

LOOPS = {"libuv": "#1b6ca8", "libev": "#c8641b", "libevent": "#2e8b57"}
TITLES = {
    "P1": "P1: a call into a worker thread and back", "P2": "P2: many calls into worker threads at once",
    "P3": "P3: a plain thread calls into the loop and waits", "P4": "P4: four threads post calls",
    "P5": "P5: a task yields; two tasks wake each other", "P6": "P6: a task is started and joined",
    "P7": "P7: parked tasks", "P8": "P8: very many sleeps within a second", "P9": "P9: how late a short sleep ends",
    "P10": "P10: an echo server", "P12": "P12: what one operation costs when there are very many",
    "P13": "P13: an HTTP server with a pool", "P14": "P14: echo over TLS and UDP", "P15": "P15: il_select, and other libraries",
    "P16": "P16: calls in a worker program by a job server", "P17": "P17: an event of a trace",
    "P18": "P18: a run of a simulated network", "P19": "P19: 100,000 sleeps with a slack of 1 ms",
    "process": "Processes: calls in a process pool", "percore": "Two loops that share a port",
}
LETTER = 6.9  # the width of one, about
RIGHT = 150   # for ours : baseline


class Svg:
    def __init__(self, width, height, title):
        self.width, self.height, self.title, self.parts = width, height, title, []
        self.text(12, 24, title, size=16, weight="bold")

    def text(self, x, y, string, anchor="start", size=13, weight="normal", colour="#222"):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" font-weight="{weight}" '
                          f'fill="{colour}">{escape(string)}</text>')

    def line(self, x1, y1, x2, y2, colour, width=1, more=""):
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
                          f'stroke-width="{width}"{more}/>')

    def dot(self, x, y, colour):
        self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>')

    def box(self, x, y, width, height, colour):
        self.parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{colour}"/>')

    def path(self, points, colour, more=""):
        where = " L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        self.parts.append(f'<path d="M{where}" fill="none" stroke="{colour}" stroke-width="1.5"{more}/>')

    def write(self, path):
        path.write_text(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width:.0f} {self.height:.0f}" '
                        f'width="{self.width:.0f}" height="{self.height:.0f}" font-family="sans-serif">\n'
                        f"<title>{escape(self.title)}</title>\n"
                        f'<rect width="100%" height="100%" fill="#fff"/>\n' + "\n".join(self.parts) + "\n</svg>\n",
                        encoding="utf-8")


def legend(svg, x, y, extra):
    for loop, colour in LOOPS.items():
        svg.dot(x, y - 4, colour)
        svg.text(x + 8, y, loop)
        x += 26 + LETTER * len(loop)
    if extra == "target":
        svg.line(x, y - 10, x, y + 2, "#222", 3)
        svg.text(x + 8, y, "target: at most")
    elif extra:
        svg.line(x - 4, y - 4, x + 14, y - 4, "#888", 1.5, ' stroke-dasharray="4 3"')
        svg.text(x + 20, y, extra)


def common(groups):
    """The words that every group's label has, in their order."""
    first = groups[0][0].words()
    return [word for word in first if all(word in rows[0].words() for rows in groups)] if len(groups) > 1 else first


def label(row, shared, one_base):
    words = [word for word in row.words() if word not in shared]
    stat = results.STATS.get(row.stat, row.stat.replace("_", " "))
    text = ", ".join(words) + (": " if words and stat else "") + stat
    return text if one_base else text + " / " + results.base(row)


class Scale:
    """Logarithmic, from low to high."""

    def __init__(self, low, high, left, width):
        self.low, self.high, self.left, self.width = math.log10(low), math.log10(high), left, width

    def at(self, value):
        place = math.log10(value) if value > 0 else self.low
        return self.left + self.width * (min(max(place, self.low), self.high) - self.low) / (self.high - self.low)

    def ticks(self):
        """Powers of ten and, where there is room, twice and five times them."""
        steps = (1, 2, 5) if self.high - self.low <= 2.1 else (1,)
        every = [step * 10.0 ** n for n in range(math.floor(self.low), math.ceil(self.high) + 1) for step in steps]
        return [x for x in every if self.low - 1e-9 <= math.log10(x) <= self.high + 1e-9]


def bounds(values):
    """Ends of a scale for them: 1, 2 or 5 times a power of ten."""
    ends = [step * 10.0 ** n for n in range(-6, 7) for step in (1, 2, 5)]
    low, high = max(min(values), 1e-3), max(values)
    return max(x for x in ends if x < low * 0.999), min(x for x in ends if x > high * 1.001)


def groups_of(rows):
    """The loops' rows of one condition, figure and baseline, in the order of the first loop's."""
    groups = {}
    for row in rows:
        groups.setdefault((row.part, tuple(row.conditions.items()), row.stat, row.base), []).append(row)
    return list(groups.values())


def ratios(work, rows, folder):
    groups = groups_of(row for row in rows if row.target or row.stat == "server_cpu" and row.base != "none")
    groups = [group for group in groups if any(row.ratio for row in group)]  # what is never anything but 0 needs no picture
    if not groups:
        return
    shared, bases = common(groups), {group[0].base for group in groups}
    labels = [label(group[0], shared, len(bases) == 1) for group in groups]
    left = max(150, 24 + LETTER * max(map(len, labels)))
    width = max(260, 760 - RIGHT - left)
    values = [x for group in groups for row in group for x in (row.ratio, row.low, row.high) if x > 0]
    scale = Scale(*bounds(values + [1] + [g[0].target for g in groups if g[0].target]), left, width)
    svg = Svg(left + width + RIGHT, 112 + 26 * len(groups), TITLES.get(work, work))
    base = results.base(groups[0][0]) if len(bases) == 1 else "the baseline, named after the /"
    svg.text(12, 44, "; ".join(filter(None, [", ".join(shared), f"in times {base}: less is better"])), colour="#555")
    legend(svg, 16, 66, "target")
    svg.text(left + width + 16, 66, "interloop : baseline", colour="#555")
    bottom = 76 + 26 * len(groups)
    for i, group in enumerate(groups):
        if i % 2 == 0:
            svg.box(0, 76 + 26 * i, left + width + RIGHT, 26, "#f4f5f7")
    for x in scale.ticks():
        svg.line(scale.at(x), 76, scale.at(x), bottom, "#222" if x == 1 else "#d5d8dd", 1.2 if x == 1 else 1)
        svg.text(scale.at(x), bottom + 18, f"{x:g}", "middle")
    for i, group in enumerate(groups):
        y = 89 + 26 * i
        svg.text(left - 10, y + 4, labels[i], "end")
        if group[0].target:
            svg.line(scale.at(group[0].target), y - 11, scale.at(group[0].target), y + 11, "#222", 3)
        for row in group:
            at = y + 7 * (list(LOOPS).index(row.loop) - 1)
            svg.line(scale.at(row.low), at, scale.at(row.high), at, LOOPS[row.loop], 1.2)
            svg.dot(scale.at(row.ratio), at, LOOPS[row.loop])
        ours, theirs = (results.amount(results.median(group, name), group[0].unit) for name in ("ours", "baseline"))
        svg.text(left + width + 16, y + 4, f"{ours} : {theirs}")
    svg.write(folder / f"{work}.svg")


def panels_of(rows):
    """Of each way: {loop: {how many: row}}, where there are three counts or more."""
    panels = {}
    for row in rows:
        if row.many and row.stat in ("cost", "server_cpu") and row.conditions["cores"] == "2":
            panels.setdefault(row.conditions.get("via", ""), {}).setdefault(row.loop, {}).setdefault(row.many, row)
    return {via: loops for via, loops in panels.items() if all(len(points) >= 3 for points in loops.values())}


def short(count):
    return f"{count // 1000000} M" if count >= 1000000 else f"{count // 1000} k" if count >= 1000 else str(count)


def nice_above(value):
    return min(step * 10.0 ** n for n in range(0, 12) for step in (1, 1.2, 1.6, 2, 3, 4, 6, 8) if step * 10.0 ** n >= value)


def panel(svg, left, top, title, loops, base):
    width, height = 270, 150
    counts = sorted({many for points in loops.values() for many in points})
    rows = [row for points in loops.values() for row in points.values()]
    most = nice_above(max(max(row.ours, row.baseline if base else 0) for row in rows))
    scale = Scale(counts[0], counts[-1], left, width)

    def at(value):
        return top + height * (1 - value / most)

    svg.text(left, top - 12, title, weight="bold")
    for i in range(5):
        svg.line(left, at(most * i / 4), left + width, at(most * i / 4), "#d5d8dd")
        svg.text(left - 8, at(most * i / 4) + 4, results.amount(most * i / 4, rows[0].unit) if i else "0", "end")
    for many in counts:
        svg.line(scale.at(many), top + height, scale.at(many), top + height + 5, "#222")
        svg.text(scale.at(many), top + height + 20, short(many), "middle")
    if base:
        svg.path([(scale.at(many), at(results.median([p[many] for p in loops.values() if many in p], "baseline")))
                  for many in counts], "#888", ' stroke-dasharray="4 3"')
    for loop, points in loops.items():
        svg.path([(scale.at(many), at(points[many].ours)) for many in sorted(points)], LOOPS[loop])
        for many in sorted(points):
            svg.dot(scale.at(many), at(points[many].ours), LOOPS[loop])


def growth(work, rows, folder):
    panels = panels_of(rows)
    if not panels:
        return
    bases = {row.base for loops in panels.values() for points in loops.values() for row in points.values()}
    base = results.plain(bases.pop()) if len(bases) == 1 else ""
    what = "connections" if work in ("P10", "P13") else "tasks, timers, futures or threads"
    lines = (len(panels) + 1) // 2
    svg = Svg(760, 80 + 224 * lines, f"{work}: the cost of one {'request' if what == 'connections' else 'operation'} "
                                     f"against the number of {what}")
    legend(svg, 16, 50, base)
    for i, (via, loops) in enumerate(panels.items()):
        panel(svg, 80 + 380 * (i % 2), 96 + 224 * (i // 2), results.plain(via), loops, base)
    svg.write(folder / f"{work}-growth.svg")


def main(path, folder):
    works = {}
    for row in results.read(path):
        if row.work not in ("floor", "scale"):
            works.setdefault(row.work, []).append(row)
    for work, rows in works.items():
        ratios(work, rows, folder)
        growth(work, rows, folder)


main(sys.argv[1], pathlib.Path(sys.argv[2]))
