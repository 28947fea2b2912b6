"""browser.py BIN: opens the pages of job_service and web_chat in headless Chromium, uses them, on each loop, and waits for what
they must show."""

import asyncio
import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import urllib.request

import websockets

TIME = 30


async def until(what, probe):
    end = time.monotonic() + TIME
    while time.monotonic() < end:
        if found := await probe():
            return found
        await asyncio.sleep(0.05)
    raise SystemExit(f"browser.py: {TIME} s have passed without {what}")


class Page:
    """One page, by the protocol of Chromium's developer tools."""

    def __init__(self, socket):
        self.socket, self.number = socket, 0

    async def call(self, method, **parameters):
        self.number += 1
        await self.socket.send(json.dumps({"id": self.number, "method": method, "params": parameters}))
        while (answer := json.loads(await self.socket.recv())).get("id") != self.number:
            pass
        return answer.get("result", {})  # none from a page that is being left

    async def run(self, script):
        return (await self.call("Runtime.evaluate", expression=script)).get("result", {}).get("value")

    async def open(self, url):
        """Returns when its scripts have run: before, a form is sent as forms without them are."""
        await self.call("Page.navigate", url=url)

        async def loaded():
            return await self.run(f"location.href == '{url}' && document.readyState == 'complete'")
        await until(f"the page {url}", loaded)

    async def shows(self, text):
        async def probe():
            return text in (await self.run("document.body ? document.body.innerText : ''"))
        await until(f"the text: {text}", probe)


@contextlib.contextmanager
def served(program, loop):
    """Its port; it is stopped as by an administrator, and killed where the page did not work."""
    server = subprocess.Popen([pathlib.Path(sys.argv[1], program), "--backend", loop], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True)
    try:
        yield next((line.split()[-1] for line in server.stdout if line.startswith("listening on port")), None)
        server.terminate()
        if server.wait(TIME) != 0:
            raise SystemExit(f"browser.py: {program} on {loop} ended with {server.returncode}")
    finally:
        server.kill()
        server.wait()


async def with_server(program, loop, page, use):
    with served(program, loop) as port:
        if not port:
            raise SystemExit(f"browser.py: {program} on {loop} does not listen")
        await page.open(f"http://127.0.0.1:{port}/")
        await use(page)
    print(f"{program} on {loop}: ok", flush=True)


async def use_jobs(page):
    await page.shows("Jobs")
    await page.run("document.getElementById('number').value = 200000; document.forms[0].requestSubmit()")
    await page.shows("Job 1: 17984 primes up to 200000, 100 %, done")
    await page.run("document.getElementById('number').value = 100000000; document.forms[0].requestSubmit()")
    await page.shows("Job 2:")
    await page.run("document.querySelector('li button').click()")
    await page.shows("cancelled")


async def use_chat(page):
    await page.shows("Chat")

    async def connected():
        return await page.run("ws.readyState == 1")
    await until("a WebSocket", connected)
    for text in ("ann", "hello"):
        await page.run(f"text.value = '{text}'; document.forms[0].requestSubmit()")
    await page.shows("* ann is here")
    await page.shows("<ann> hello")


async def main():
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = subprocess.Popen(["chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}",
                                    "--remote-debugging-port=0", "about:blank"], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        try:
            async def started():
                return os.path.exists(f"{profile}/DevToolsActivePort") and open(f"{profile}/DevToolsActivePort").read()
            port = (await until("Chromium", started)).split()[0]
            pages = json.load(urllib.request.urlopen(f"http://127.0.0.1:{port}/json"))
            address = next(p["webSocketDebuggerUrl"] for p in pages if p["type"] == "page")
            async with websockets.connect(address, max_size=None) as socket:
                for loop in ("libuv", "libev", "libevent"):
                    await with_server("job_service", loop, Page(socket), use_jobs)
                    await with_server("web_chat", loop, Page(socket), use_chat)
        finally:
            browser.kill()
            browser.wait()


asyncio.run(main())
