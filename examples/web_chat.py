"""web_chat.py PORT: drives web_chat: members by python3-websockets, and frames that no library sends, by hand."""

import asyncio
import base64
import os
import socket
import struct
import sys

import websockets

port = int(sys.argv[1])
OPEN = ("GET /chat HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
        "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n\r\n")


def frame(first, payload=b"", masked=True, length=None):
    size = len(payload)
    form = length or (0 if size < 126 else 2 if size < 65536 else 8)
    second = {0: size, 2: 126, 8: 127}[form] | (0x80 if masked else 0)
    head = bytes([first, second]) + {0: b"", 2: struct.pack(">H", size), 8: struct.pack(">Q", size)}[form]
    mask = os.urandom(4) if masked else b""
    return head + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(payload)) if masked else head + payload


def read_frames(s):
    """Until the connection ends."""
    data = b""
    while piece := s.recv(65536):
        data += piece
    while data:
        size, at = data[1], 2
        if size == 126:
            size, at = struct.unpack(">H", data[2:4])[0], 4
        yield data[0], data[at:at + size]
        data = data[at + size:]


def opened(text=None):
    s = socket.create_connection(("127.0.0.1", port), timeout=20)
    s.sendall((text or OPEN % base64.b64encode(os.urandom(16)).decode()).encode())
    head = b""
    while b"\r\n\r\n" not in head and (byte := s.recv(1)):
        head += byte
    return s, head.split(b"\r\n")[0].decode()


def closes(what, data, dribble=False):
    """What the server closes with after these bytes."""
    s, _ = opened()
    for piece in [data[i:i + 1] for i in range(len(data))] if dribble else [data]:
        s.sendall(piece)
    frames = list(read_frames(s))
    closed = [struct.unpack(">H", p[:2])[0] for f, p in frames if f == 0x88]
    pongs = [p.decode() for f, p in frames if f == 0x8a]
    print(f"{what}:", closed[0] if closed else "nothing", *pongs)


def hears(what, data, count, dribble=False):
    """The texts that the server sends for these bytes: so many."""
    s, _ = opened()
    for piece in [data[i:i + 1] for i in range(len(data))] if dribble else [data]:
        s.sendall(piece)
    texts = []
    while len(texts) < count:
        first, size = s.recv(2, socket.MSG_WAITALL)
        if size == 126:
            size = struct.unpack(">H", s.recv(2, socket.MSG_WAITALL))[0]
        payload = s.recv(size, socket.MSG_WAITALL).decode()
        texts += [payload] if first == 0x81 else []
    print(f"{what}:", *texts)
    s.sendall(END)
    list(read_frames(s))


def refused(what, text):
    print(f"{what}: {opened(text)[1]}")


TEXT, BINARY, CLOSE, PING, FIN = 1, 2, 8, 9, 0x80
END = frame(FIN | CLOSE, struct.pack(">H", 1000))
NAME = frame(FIN | TEXT, b"eve")

refused("no upgrade", "GET /chat HTTP/1.1\r\nHost: h\r\n\r\n")
refused("old version", (OPEN % ("A" * 24)).replace("13", "8"))
refused("short key", OPEN % "abc")
refused("another path", "GET /nothing HTTP/1.1\r\n\r\n")
refused("a large head", "GET /chat HTTP/1.1\r\nX: " + "y" * 9000 + "\r\n\r\n")
closes("a close", END)
closes("a close without a code", frame(FIN | CLOSE))
closes("a close of one byte", frame(FIN | CLOSE, b"x"))
closes("a close with a code that nobody sends", frame(FIN | CLOSE, struct.pack(">H", 1005)))
closes("a close with a bad reason", frame(FIN | CLOSE, struct.pack(">H", 1000) + b"\xff"))
closes("a close of its own", frame(FIN | CLOSE, struct.pack(">H", 4000) + b"bye"))
closes("no mask", frame(FIN | TEXT, b"x", masked=False))
closes("a reserved bit", frame(FIN | 0x40 | TEXT, b"x"))
closes("an unknown opcode", frame(FIN | 3, b"x"))
closes("a long ping", frame(FIN | PING, b"x" * 126))
closes("a ping in fragments", frame(PING, b"x"))
closes("a length in a longer form", frame(FIN | TEXT, b"x", length=2))
closes("a length in the longest form", frame(FIN | TEXT, b"x" * 200, length=8))
closes("a continuation of nothing", frame(FIN, b"x"))
closes("a message inside another", frame(TEXT, b"e") + frame(FIN | TEXT, b"v"))
closes("a frame too large", frame(FIN | TEXT, b"x" * 9000))
closes("a message too large", frame(TEXT, b"x" * 1500) + frame(FIN, b"x" * 1500))
closes("bad text", frame(FIN | TEXT, b"\xc0\x80"))
closes("bad text in fragments", frame(TEXT, b"\xe2\x82") + frame(FIN, b"\x41"))
closes("a name of two words", frame(FIN | TEXT, b"a b"))
closes("a ping", frame(FIN | PING, b"are you there") + END)
closes("a ping between fragments", frame(TEXT, b"e") + frame(FIN | PING, b"p") + frame(FIN, b"ve") + END)
hears("fragments", frame(TEXT, b"e") + frame(FIN | PING, b"p") + frame(0, b"v") + frame(FIN, b"e") +
      frame(FIN | TEXT, "gr\u00fc\u00df".encode()), 2)
hears("byte by byte", NAME + frame(FIN | TEXT, b"x" * 200), 2, dribble=True)


async def talk():
    address = f"ws://127.0.0.1:{port}/chat"
    async with websockets.connect(address) as ann, websockets.connect(address, compression=None) as bob:
        await ann.send("ann")
        print(await ann.recv())
        await bob.send("bob")
        print(await ann.recv(), await bob.recv(), sep=" | ")
        await bob.send("hello ann")
        print(await ann.recv(), await bob.recv(), sep=" | ")
        await asyncio.to_thread(closes, "a name that is no text", frame(FIN | BINARY, b"\xff") + END)
        await (await ann.ping())
        await bob.close()
        print(await ann.recv())
    try:
        async with websockets.connect(address) as carl:
            await carl.send("x" * 3000)
            await carl.recv()
    except websockets.ConnectionClosed as end:
        print("carl", end.rcvd.code)


asyncio.run(talk())
