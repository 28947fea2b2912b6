"""dns_forwarder.py: `dns_forwarder.py PROGRAM BACKEND` is the name server above, and all the clients: what dns_forwarder
asks and whose answers it takes."""

import socket
import struct
import subprocess
import sys

ID = 0x4242  # of every client: whoever asks knows it, so it must not be the one upstream


def udp():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(10)
    s.bind(("127.0.0.1", 0))
    return s


def query(name, kind=1, flags=0x0100, option=b""):
    return (struct.pack(">6H", ID, flags, 1, 0, 0, 1 if option else 0) + bytes([len(name)]) + name + b"\4test\0" +
            struct.pack(">2H", kind, 1) + option)


def edns(flags, cookie):
    return struct.pack(">BHHIHHH", 0, 41, 4096, flags, 4 + len(cookie), 10, len(cookie)) + cookie


def answer(q, last, xor=0, flags=0x8180):
    end = q.index(b"\4test\0") + 10
    return (struct.pack(">6H", q[0] << 8 | q[1] ^ xor, flags, 1, 1, 0, 0) + q[12:end] +
            struct.pack(">3HIH4B", 0xC00C, 1, 1, 600, 4, 192, 0, 2, last))


def ask(q):
    s = udp()
    s.sendto(q, forwarder)
    return s


above = udp()
program = subprocess.Popen([sys.argv[1], "--backend", sys.argv[2], "--upstream-port", str(above.getsockname()[1])],
                           stdout=subprocess.PIPE, text=True)
forwarder = ("127.0.0.1", int(program.stdout.readline().split()[-1]))

same = [query(b"name"), query(b"NAME"), query(b"name")]
clients = [ask(q) for q in same] + [ask(query(b"last"))]
asked = []
while not asked or b"last" not in asked[-1][0]:
    asked.append(above.recvfrom(512))
print("three of the same are asked", len(asked) - 1, "time")
print("by the identifier of the clients:", all(q[:2] == struct.pack(">H", ID) for q, _ in asked))
for q, port in asked:
    above.sendto(answer(q, 66, flags=0x0100), port)  # no answer
    above.sendto(answer(q, 66, xor=1), port)  # to something else
    above.sendto(answer(q, 1), port)
replies = [c.recv(512) for c in clients]
print("answers:", [r[-1] for r in replies], all(r.startswith(q[:2]) and q[12:] in r for r, q in zip(replies, same)))

different = [query(b"name", kind=65), query(b"name", kind=97), query(b"name", flags=0x0110), query(b"name", flags=0x0120),
             query(b"name", option=edns(0, b"a cookie")), query(b"name", option=edns(0, b"another!")),
             query(b"name", option=edns(0x8000, b"a cookie"))]
for n, q in enumerate(different, 10):
    client = ask(q)
    above.settimeout(2)
    try:
        q, port = above.recvfrom(512)
        above.sendto(answer(q, n), port)
    except TimeoutError:
        pass
    client.recv(512)
print("to each its own:", [ask(q).recv(512)[-1] for q in [same[0], *different]])
program.terminate()
print(*program.stdout.read().split("\n")[1:2], program.wait(20))
