"""page.py TEMPLATE RESULTS MACHINE FOLDER: docs/benchmarks.md on standard output. Of the template @machine@ is replaced, @opening@ by
sentences from the figures of FOLDER/macro.tsv and RESULTS, @tables@ by standard input (table.awk's); an image that FOLDER does
not have is left out, with the paragraph after it, its caption."""

import pathlib
import re
import sys

import results


def macro(path):
    """The servers of each load, {name: processor time of a request}, what they are, and their requests a second."""
    first, *lines = path.read_text(encoding="utf-8").splitlines()
    loads = {}
    for line in lines:
        load, name, rate, _, _, cost, _, _ = line.split("\t")
        loads.setdefault(load, {})[name] = (float(rate), float(cost))
    return first[2:], loads


def span(values, form, unit=""):
    low, high = format(min(values), form), format(max(values), form)
    return (low if low == high else f"{low} to {high}") + unit


def and_join(parts):
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


def own(servers, which):
    return [figures[which] for name, figures in servers.items() if name.startswith("interloop")]


def http_sentences(servers):
    others = [f"{name.split(',')[0]} {'takes ' if name == 'raw libuv' else ''}{figures[1]:.1f} µs" for name, figures in servers.items()
              if not name.startswith("interloop")]
    yield (f"One HTTP server, written once, takes {span(own(servers, 1), '.1f')} µs of processor time per request on the three loops, "
           f"and answers {span(own(servers, 0), ',.0f')} requests per second on one core.")
    yield f"For the same answer, {and_join(others)}."


def redis_sentence(servers):
    return (f"A server that speaks Redis's protocol takes {span(own(servers, 1), '.1f')} µs per GET, and redis-server "
            f"{servers['redis-server'][1]:.1f} µs.")


def call_sentence(rows):
    calls = [row.ratio * 100 for row in rows if row.work == "P1" and row.stat == "mean" and row.target and
             row.conditions["cores"] == "2" and row.conditions["gap_us"] == row.conditions["hogs"] == "0"]
    memory = [row.ours / 1024 for row in rows if row.work == "P7" and row.stat == "memory"]
    parts = []
    if calls:
        parts.append(f"a call into a worker thread and back, one after the other on two cores, takes {span(calls, '.0f')} % "
                     "of the time that libuv's uv_queue_work takes")
    if memory:
        parts.append(f"a parked task takes {span(memory, '.1f')} KiB of memory")
    return (", and ".join(parts) + ".").replace("a", "A", 1) if parts else ""


def met_sentence(rows):
    loops = {}
    for row in rows:
        if row.target:
            loops.setdefault(row.loop, []).append(row.ratio <= row.target)
    if not loops:
        return ""
    met = [f"{sum(met)} of {len(met)} on {loop}" for loop, met in loops.items()]
    return f"Of the figures that have a target, {and_join(met)} meet it; the [table](#all-figures) has the others in bold."


def opening(folder, rows):
    sentences = []
    if (folder / "macro.tsv").exists():
        loads = macro(folder / "macro.tsv")[1]
        sentences += [*http_sentences(loads["http"]), redis_sentence(loads["redis"])]
    sentences += [call_sentence(rows), met_sentence(rows)]
    return "\n".join(filter(None, sentences))


def main(template, path, machine, folder):
    rows, folder = results.read(path), pathlib.Path(folder)
    servers = macro(folder / "macro.tsv")[0] if (folder / "macro.tsv").exists() else machine
    words = {"machine": machine, "opening": opening(folder, rows), "servers": servers, "tables": sys.stdin.read().strip()}
    kept, drop = [], False
    for paragraph in pathlib.Path(template).read_text(encoding="utf-8").strip().split("\n\n"):
        image = re.match(r"!\[[^]]*\]\(benchmarks/([^)]*)\)$", paragraph)
        if image:
            drop = not (folder / image[1]).exists()
        elif not paragraph.startswith("*"):
            drop = False
        if not drop:
            kept.append(re.sub(r"@(\w+)@", lambda match: words[match[1]], paragraph))
    print("\n\n".join(kept))


main(*sys.argv[1:])
