"""reverse_proxy.py PROXY BACKEND CERTIFICATE KEY: drives reverse_proxy in front of two servers of Python's, as a client of
Python's, and with requests that no library sends."""

import collections
import http.client
import http.server
import json
import resource
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time


class Origin(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 65536  # a response is one write

    def body(self):
        if self.headers.get("Transfer-Encoding") == "chunked":
            data = b""
            while size := int(self.rfile.readline(), 16):
                data += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return data
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def reply(self, data, **headers):
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def refuse_early(self):
        """With most of the body still to come."""
        self.wfile.write(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")
        self.wfile.flush()
        self.close_connection = True
        if self.path == "/early-open":
            early_seen.wait(20)

    def send_back(self):
        """Each byte as soon as it is there."""
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
        for _ in range(2):
            self.wfile.write(self.rfile.read(1))
            self.wfile.flush()

    def do_GET(self):
        if self.path.startswith("/early"):
            return self.refuse_early()
        if self.path == "/back":
            return self.send_back()
        body = self.body()
        asked[self.command, self.path] += 1
        if self.path == "/echo":
            fields = {k.lower(): ", ".join(self.headers.get_all(k)) for k in self.headers}
            self.reply(json.dumps([self.command, fields, len(body), sum(body)]).encode(),
                       Keep_Alive="timeout=5", X_Secret="one hop", Connection="X-Secret, keep-alive", X_Shown="yes")
        elif self.path == "/chunked":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for piece in (b"one ", b"two ", b"x" * 100000):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\nTrailer: dropped\r\n\r\n")
        elif self.path == "/until-end":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Old: yes\r\n\r\n" + b"y" * 50000)
            self.close_connection = True
        elif self.path == "/cut":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this")
            self.close_connection = True
        elif self.path == "/nonsense":
            self.wfile.write(b"this is no HTTP\r\n\r\n")
            self.close_connection = True
        elif self.path == "/long-line":
            self.reply(b"", X_Long="y" * 5000)
        elif self.path == "/slow":
            time.sleep(0.05)
            self.reply(b"")
        elif self.path == "/silent":
            self.close_connection = True
        elif self.path == "/unasked":
            self.reply(b"")
            self.wfile.flush()
            time.sleep(0.05)
            self.wfile.write(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
            self.wfile.flush()
            unasked.set()
            self.close_connection = True
        else:
            self.reply(self.server.name.encode())

    do_HEAD = do_POST = do_PUT = do_GET

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    connections = []

    def __init__(self, name, port=0):
        self.name = name
        super().__init__(("127.0.0.1", port), Origin)
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def process_request(self, request, address):
        self.connections.append((self.port, request))
        super().process_request(request, address)

    def handle_error(self, *_):
        pass  # the proxy left in the middle of a request, as it should

    def stop(self):
        self.shutdown()
        self.server_close()
        for port, request in self.connections:
            if port == self.port:
                try:
                    request.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass


def listening(process):
    for line in process.stdout:
        if line.startswith("listening on port "):
            return int(line.split()[-1])


def start(*more):
    process = subprocess.Popen([sys.argv[1], "--backend", sys.argv[2], "--check", "/health", *more, "--to",
                                f"127.0.0.1:{a.port}", f"127.0.0.1:{b.port}"], stdout=subprocess.PIPE,
                               stderr=log, text=True)
    port = listening(process)
    deadline = time.monotonic() + 20
    while ask(port, "GET", "/")[0] == 503 and time.monotonic() < deadline:
        time.sleep(0.01)  # the first checks
    return process, port


def ask(port, method, path, body=None, headers={}, **more):
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    c.request(method, path, body, headers, **more)
    r = c.getresponse()
    data = r.read()
    c.close()
    return r.status, data, {k.lower(): v for k, v in r.getheaders()}


def reply_to(text):
    with socket.create_connection(("127.0.0.1", port), timeout=20) as s:
        s.sendall(text)
        return b"".join(iter(lambda: s.recv(65536), b""))


def raw(what, text):
    print(f"{what}: {reply_to(text).split(chr(13).encode())[0].decode()}")


def seen_of(text):
    """What a server has seen of a request for /echo, which ends the connection."""
    return json.loads(reply_to(text).split(b"\r\n\r\n")[-1])[1]


def statuses_of(text, rest, seconds=10):
    """The statuses that come for a head, and then the same bytes again and again until the connection ends."""
    reply = b""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as s:
        s.sendall(text)
        s.settimeout(0.01)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                s.sendall(rest)
                piece = s.recv(65536)
            except TimeoutError:
                continue
            except OSError:
                break
            if not piece:
                break
            reply += piece
    return [line.split()[1].decode() for line in reply.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]


def pieces(data, size):
    for i in range(0, len(data), size):
        yield data[i:i + size]


def until(condition):
    deadline = time.monotonic() + 20
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


def keep_connections():
    threads = [threading.Thread(target=ask, args=(port, "GET", "/slow")) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


def repeated(method, path):
    """The status of a request for which a kept connection is used, and how often the servers were asked."""
    keep_connections()
    asked.clear()
    return method, ask(port, method, path)[0], asked[method, path]


log = tempfile.TemporaryFile("w+")
asked = collections.Counter()
unasked = threading.Event()
early_seen = threading.Event()
a, b = Server("a"), Server("b")
proxy, port = start()

status, data, fields = ask(port, "POST", "/echo", b"\x01" * 300000,
                           {"Connection": "X-Hop", "X-Hop": "1", "X-End": "2", "X-Forwarded-For": "192.0.2.1",
                            "X-Forwarded-Proto": "https", "X-Forwarded-Host": "claimed", "X-Real-IP": "192.0.2.1"})
method, seen, size, total = json.loads(data)
print("post:", status, method, size, total, seen.get("x-hop"), seen["x-end"], seen["x-forwarded-for"],
      seen["x-forwarded-proto"], seen.get("x-forwarded-host"), seen.get("x-real-ip"), fields.get("x-secret"), fields.get("keep-alive"), fields["x-shown"])
status, data, _ = ask(port, "PUT", "/echo", pieces(b"\x02" * 200000, 7001), encode_chunked=True,
                      headers={"Transfer-Encoding": "chunked"})
print("chunked there:", status, json.loads(data)[2:])
status, data, fields = ask(port, "GET", "/chunked")
print("chunked back:", status, len(data), fields.get("transfer-encoding"))
status, data, fields = ask(port, "GET", "/until-end")
print("until the end:", status, len(data), fields["x-old"])
status, data, fields = ask(port, "HEAD", "/anything")
print("head:", status, len(data))
try:
    print("cut:", ask(port, "GET", "/cut"))
except http.client.IncompleteRead as cut:
    print("cut:", cut.partial.decode())
print("nonsense:", ask(port, "GET", "/nonsense")[0])
c = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
for _ in range(50):
    c.request("GET", "/")
    c.getresponse().read()
print("50 on one connection")
c.close()

raw("two lengths", b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx")
raw("length and coding", b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
raw("another coding", b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n")
raw("a folded line", b"GET / HTTP/1.1\r\nHost: h\r\nX: 1\r\n y\r\n\r\n")
raw("a bare LF", b"GET / HTTP/1.1\nHost: h\n\n")
raw("a blank before the colon", b"GET / HTTP/1.1\r\nHost : h\r\n\r\n")
raw("a tab in the request line", b"GET /\tHTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
raw("two blanks in it", b"GET  / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
raw("a blank at its end", b"GET / HTTP/1.1 \r\nHost: h\r\nConnection: close\r\n\r\n")
raw("no host", b"GET / HTTP/1.1\r\n\r\n")
raw("two hosts", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
raw("a large head", b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"y" * 20000 + b"\r\n\r\n")
raw("a bad chunk", b"POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n")
raw("HTTP/1.0", b"GET /chunked HTTP/1.0\r\n\r\n")
raw("no 100-continue to HTTP/1.0", b"POST /echo HTTP/1.0\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\nx")
raw("a long chunk extension", b"POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1;" + b"x" * 300 + b"\r\n")
raw("an empty line before it", b"\r\nGET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
raw("close wins", b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nConnection: keep-alive\r\n\r\n")
print("hosts:", seen_of(b"GET /echo HTTP/1.1\r\nHost: h\r\nConnection: close, Host\r\n\r\n")["host"],
      seen_of(b"GET http://there:80/echo HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")["host"],
      seen_of(b"GET /echo HTTP/1.0\r\n\r\n")["host"] in [f"127.0.0.1:{s.port}" for s in (a, b)])
raw("a user in the target", b"GET http://u@there/ HTTP/1.1\r\nHost: h\r\n\r\n")
raw("100-continue", b"POST /echo HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\nx")

print("a body that is not wanted:", *statuses_of(
    b"POST /early HTTP/1.1\r\nHost: h\r\nContent-Length: 9000000\r\n\r\n", b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"))
print("by one that stays connected:", *statuses_of(
    b"POST /early-open HTTP/1.1\r\nHost: h\r\nContent-Length: 9000000\r\n\r\n", b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"))
early_seen.set()
with socket.create_connection(("127.0.0.1", port), timeout=5) as s:
    s.sendall(b"POST /back HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\na")
    reply = b""
    while not reply.endswith(b"a"):
        reply += s.recv(100)
    s.sendall(b"b")
    print("an answer before the end of the request:", (reply + s.recv(100))[-2:].decode())

results = []
threads = [threading.Thread(target=lambda: results.extend(ask(port, "GET", "/")[:2] for _ in range(20))) for _ in range(16)]
for t in threads:
    t.start()
for t in threads:
    t.join()
print("crowd:", len(results), {status for status, _ in results})

print("an answer that is too long:", *repeated("POST", "/long-line"), *repeated("GET", "/long-line"))
print("no answer:", *repeated("POST", "/silent"), *repeated("GET", "/silent"))
keep_connections()
ask(port, "GET", "/unasked")
unasked.wait(20)
print("an answer that nobody asked for:", ask(port, "POST", "/")[0])

# The proxy may open no more files: that is no server's fault.
limits = resource.prlimit(proxy.pid, resource.RLIMIT_NOFILE, (3, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
time.sleep(1.2)  # two checks
resource.prlimit(proxy.pid, resource.RLIMIT_NOFILE, limits)
log.seek(0)
print("no files:", log.read().count(" is down"), "servers are taken for down")

a.stop()
print("one is gone:", {ask(port, "GET", "/")[1] for _ in range(20)})
b.stop()
print("both are gone:", ask(port, "GET", "/")[0])
again = Server("a again", a.port)
print("one is back:", until(lambda: ask(port, "GET", "/")[1] == b"a again"))
proxy.terminate()
print("stopped:", proxy.wait(20))

if len(sys.argv) > 4:
    b = Server("b again", b.port)
    proxy = subprocess.Popen([sys.argv[1], "--backend", sys.argv[2], "--check", "/health", "--tls", *sys.argv[3:5], "--to",
                              f"127.0.0.1:{a.port}", f"127.0.0.1:{b.port}"], stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, text=True)
    port = listening(proxy)
    trusted = ssl.create_default_context(cafile=sys.argv[3])
    trusted.check_hostname = False

    def over_tls():
        c = http.client.HTTPSConnection("127.0.0.1", port, timeout=20, context=trusted)
        c.request("GET", "/echo")
        r = c.getresponse()
        return r.status, r.read()

    until(lambda: over_tls()[0] == 200)
    print("over TLS:", json.loads(over_tls()[1])[1]["x-forwarded-proto"])
    proxy.terminate()
    print("stopped:", proxy.wait(20))
