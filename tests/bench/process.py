# process.py: what process.c is compared with: Python's ProcessPoolExecutor.
#
#   python3 process.py trips N          ns of a call, the median of one after another
#   python3 process.py map N WORKERS    ns a call, of N at once
#   python3 process.py bytes N SIZE     ns of a call with so many bytes there and back, the median
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from statistics import median


def nothing(number):
    return number


def echo(data):
    return data


def trips(call, n):
    durations = []
    for _ in range(n):
        begin = time.monotonic_ns()
        call()
        durations.append(time.monotonic_ns() - begin)
    return median(durations)


def main(what, n, last):
    with ProcessPoolExecutor(last if what == "map" else 1) as pool:
        list(pool.map(nothing, range(100)))  # the workers are up
        if what == "trips":
            return trips(lambda: pool.submit(nothing, 1).result(), n)
        if what == "map":
            begin = time.monotonic_ns()
            list(pool.map(nothing, range(n)))
            return (time.monotonic_ns() - begin) / n
        data = bytes(last)
        return trips(lambda: pool.submit(echo, data).result(), n)


if __name__ == "__main__":
    print(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 0))
