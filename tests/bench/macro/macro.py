"""macro.py BUILD OUT SECONDS PASSES MACHINE: servers of several makes under the same load, one after the other, again and again.
The server has processor 0, its load (wrk with 64 connections; redis-benchmark with 50) has processor 1. Prints medians with their
spread, and writes OUT/macro.svg and, for page.py, OUT/macro.tsv."""

import pathlib
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import os

build, out, seconds, passes = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
machine = sys.argv[5]
TICK = os.sysconf("SC_CLK_TCK")
LOOPS = ("libuv", "libev", "libevent")


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]


def nginx(port):
    folder = pathlib.Path(tempfile.mkdtemp(dir=build))
    (folder / "nginx.conf").write_text(
        f"daemon off; worker_processes 1; pid {folder}/pid; error_log stderr crit; events {{ worker_connections 256; }}\n"
        f"http {{ access_log off; keepalive_requests 1000000000; server {{ listen 127.0.0.1:{port};\n"
        "location / { default_type text/plain; return 200 \"hello\\n\"; } } }\n")
    return ["nginx", "-e", "stderr", "-c", str(folder / "nginx.conf")]


def http_servers():
    for loop in LOOPS:
        yield f"interloop, {loop}", lambda port, loop=loop: [build / "macro-interloop", loop, str(port)]
    yield "raw libuv", lambda port: [build / "macro-uv", str(port)]
    yield "nginx", nginx
    if (build / "http-go").exists():
        yield "Go, net/http", lambda port: [build / "http-go", f"127.0.0.1:{port}"]
    if (build / "macro-tokio").exists():
        yield "tokio", lambda port: [build / "macro-tokio", str(port)]


def redis_servers():
    for loop in LOOPS:
        yield f"interloop, {loop}", lambda port, loop=loop: [build / "macro-redis", "--backend", loop, "--port", str(port)]
    yield "redis-server", lambda port: ["redis-server", "--port", str(port), "--save", "", "--appendonly", "no"]


def processor_time(pid):
    """Of the process and its children that live, in seconds."""
    total, todo = 0, [pid]
    while todo:
        one = todo.pop()
        fields = open(f"/proc/{one}/stat").read().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
        for task in os.listdir(f"/proc/{one}/task"):
            todo += map(int, open(f"/proc/{one}/task/{task}/children").read().split())
    return total / TICK


def wrk(port):
    text = subprocess.run(["taskset", "-c", "1", "wrk", "-t1", "-c64", f"-d{seconds}s", f"http://127.0.0.1:{port}/"],
                          capture_output=True, text=True, check=True).stdout
    count, took = re.search(r"(\d+) requests in ([\d.]+)s", text).groups()
    return int(count), float(took)


def redis_benchmark(port):
    count = 50000 * int(seconds)
    begin = time.monotonic()
    subprocess.run(["taskset", "-c", "1", "redis-benchmark", "-p", str(port), "-q", "-n", str(count), "-t", "get"],
                   capture_output=True, check=True)
    return count, time.monotonic() - begin


def measure(command, load):
    """Requests a second, and microseconds of processor time per request."""
    port = free_port()
    server = subprocess.Popen(["taskset", "-c", "0", *map(str, command(port))], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, env={**os.environ, "GOMAXPROCS": "1"})
    try:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except ConnectionRefusedError:
                if server.poll() is not None:
                    raise SystemExit(f"macro.py: {command(port)} has ended")
                time.sleep(0.02)
        before = processor_time(server.pid)
        count, took = load(port)
        return count / took, (processor_time(server.pid) - before) / count * 1e6
    finally:
        server.terminate()
        server.wait()


def run(servers, load):
    servers = list(servers)
    results = {name: [] for name, _ in servers}
    for _ in range(passes):
        for name, command in servers:
            results[name].append(measure(command, load))
            print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return {name: list(zip(*r)) for name, r in results.items()}


def spread(values, form):
    return f"{statistics.median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def table(title, results):
    print(f"\n| {title} | requests per second | µs of processor time per request |\n|---|---|---|")
    for name, (rate, cost) in results.items():
        print(f"| {name} | {spread(rate, ',.0f')} | {spread(cost, '.2f')} |")


def figures(loads):
    """For page.py: a line a server, the medians with their least and most."""
    yield f"# {machine}; {passes} passes of {seconds} s"
    for load, results in loads.items():
        for name, columns in results.items():
            yield "\t".join([load, name] + [f"{f(c):.2f}" for c in columns for f in (statistics.median, min, max)])


def column(x, top, results, which, form):
    """Bars of medians, each with a line from the least to the most."""
    scale = 195 / max(max(columns[which]) for columns in results.values())
    for i, (name, columns) in enumerate(results.items()):
        y, values = top + 26 * i, columns[which]
        colour = "#1b6ca8" if name.startswith("interloop") else "#a9afb8"
        yield f'<rect x="{x}" y="{y}" width="{statistics.median(values) * scale:.1f}" height="18" fill="{colour}"/>'
        yield f'<line x1="{x + min(values) * scale:.1f}" y1="{y + 9}" x2="{x + max(values) * scale:.1f}" y2="{y + 9}" stroke="#222"/>'
        yield f'<text x="{x + 6 + max(values) * scale:.1f}" y="{y + 14}">{statistics.median(values):{form}}</text>'


def panel(top, title, results):
    yield f'<text x="12" y="{top}" font-size="16" font-weight="bold">{title}</text>'
    yield f'<text x="144" y="{top + 24}" fill="#555">µs of processor time per request: less is better</text>'
    yield f'<text x="468" y="{top + 24}" fill="#555">requests per second: more is better</text>'
    for i, name in enumerate(results):
        yield f'<text x="134" y="{top + 48 + 26 * i}" text-anchor="end">{name}</text>'
    yield from column(144, top + 34, results, 1, ".1f")
    yield from column(468, top + 34, results, 0, ",.0f")


def picture(http, redis):
    second = 92 + len(http) * 26
    height = second + 52 + len(redis) * 26
    body = [*panel(26, "HTTP: six bytes in return, 64 connections", http),
            *panel(second, "Redis: GET, 50 connections", redis)]
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 760 {height}" width="760" height="{height}" '
            'font-family="sans-serif" font-size="13" fill="#222">\n<title>Whole servers, on one core</title>\n'
            '<rect width="100%" height="100%" fill="#fff"/>\n' + "\n".join(body) + "\n</svg>\n")


http = run(http_servers(), wrk)
redis = run(redis_servers(), redis_benchmark)
table("HTTP, 64 connections", http)
table("Redis's protocol, GET, 50 connections", redis)
(out / "macro.svg").write_text(picture(http, redis), encoding="utf-8")
(out / "macro.tsv").write_text("\n".join(figures({"http": http, "redis": redis})) + "\n", encoding="utf-8")
