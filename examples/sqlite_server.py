#!/usr/bin/env python3
"""sqlite_server.py: clients of sqlite_server that insert rows until the server cuts them off.

    python3 examples/sqlite_server.py PORT CLIENTS FILE

Each has some requests out at any time, and sends the next one with each reply. FILE.1, FILE.2 and so on get the replies, all
of them: netcat, when it cannot send any more, drops what it has not read.
"""

import concurrent.futures
import socket
import sys

OUT = 20


def insert(port, client, path):
    with socket.create_connection(("127.0.0.1", port), 60) as server, open(path, "wb", buffering=0) as replies:
        sent, more = 0, OUT
        try:
            while True:
                requests = "".join(f"INSERT INTO visits VALUES({client}, {sent + n})\n" for n in range(more))
                try:
                    server.sendall(requests.encode())
                except (BrokenPipeError, ConnectionResetError):
                    pass  # there may be replies still
                data = server.recv(65536)
                if not data:
                    return
                replies.write(data)
                sent, more = sent + more, data.count(b"\n")
        except ConnectionResetError:
            pass  # with requests that the server has not read


def main():
    port, clients, path = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    with concurrent.futures.ThreadPoolExecutor(clients) as threads:
        for done in [threads.submit(insert, port, n, f"{path}.{n}") for n in range(1, clients + 1)]:
            done.result()


main()
