"""job_service.py PORT LONG: drives job_service: jobs from begin to end, watched by several, cancelled, refused. LONG: the
number of a job that takes long."""

import http.client
import json
import socket
import sys
import threading

port = int(sys.argv[1])
TOO_LONG = int(sys.argv[2])


def ask(method, path, body=None):
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    c.request(method, path, body)
    r = c.getresponse()
    data = r.read()
    c.close()
    return r.status, json.loads(data) if data[:1] == b"{" else data.decode()


def events(number):
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    c.request("GET", f"/jobs/{number}/events")
    for line in c.getresponse():
        if line.startswith(b"data: "):
            yield json.loads(line[6:])
    c.close()


status, job = ask("POST", "/jobs/400000")
print("started:", status, job["state"], job["id"])
seen = list(events(job["id"]))
print("watched:", seen[-1]["state"], seen[-1]["percent"], seen[-1]["primes"],
      "in order" if [e["percent"] for e in seen] == sorted(e["percent"] for e in seen) else "out of order")
print("afterwards:", ask("GET", f"/jobs/{job['id']}")[1]["state"], len(list(events(job["id"]))), "event")

status, job = ask("POST", "/jobs/300000")
ends = []
watchers = [threading.Thread(target=lambda: ends.append(list(events(job["id"]))[-1]["primes"])) for _ in range(20)]
for w in watchers:
    w.start()
for w in watchers:
    w.join()
print("20 watchers:", len(ends), set(ends))

status, job = ask("POST", f"/jobs/{TOO_LONG}")
watcher = events(job["id"])
next(watcher)
print("cancelled:", ask("DELETE", f"/jobs/{job['id']}")[0], list(watcher)[-1]["state"])
print("and others go on:", list(events(ask("POST", "/jobs/1000")[1]["id"]))[-1]["primes"])

for method, path in [("POST", "/jobs/0"), ("POST", "/jobs/x"), ("POST", "/jobs/1000000000"), ("GET", "/jobs/99"),
                     ("GET", "/jobs/4294967297"),
                     ("GET", "/jobs/1/nothing"), ("PUT", "/jobs/1"), ("GET", "/nothing")]:
    print(method, path, ask(method, path)[0])
print("a body:", ask("POST", "/jobs/10", b"x" * 10)[0])
running = [ask("POST", f"/jobs/{TOO_LONG}") for _ in range(20)]
print("too many:", sorted({status for status, _ in running}), sum(status == 201 for status, _ in running))
for status, job in running:
    if status == 201:
        ask("DELETE", f"/jobs/{job['id']}")
# Three requests in one packet: the next answer comes right behind a head that has no body.
with socket.create_connection(("127.0.0.1", port), timeout=60) as s:
    s.sendall(f"HEAD / HTTP/1.1\r\nHost: h\r\n\r\nHEAD /jobs/{running[0][1]['id']} HTTP/1.1\r\nHost: h\r\n\r\n"
              "GET /nothing HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".encode())
    heads = b"".join(iter(lambda: s.recv(65536), b"")).decode().split("\r\n\r\n")
print("heads:", *[head.split()[1] for head in heads if head.startswith("HTTP/1.1 ")])
print("page:", "EventSource" in ask("GET", "/")[1])
