"""asyncio_server.py: the server of interloop.c in Python."""

import asyncio
import sys


# [handler]
def count_primes(number):
    return sum(all(n % d for d in range(2, int(n**0.5) + 1)) for n in range(2, number + 1))


async def handle(reader, writer):
    while line := await reader.readline():
        primes = await asyncio.to_thread(count_primes, int(line))
        writer.write(b"%d\n" % primes)
        await writer.drain()
    writer.close()
# [handler]


async def serve(port):
    server = await asyncio.start_server(handle, "127.0.0.1", port)
    print("listening on port", server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


asyncio.run(serve(int(sys.argv[1]) if len(sys.argv) > 1 else 0))
