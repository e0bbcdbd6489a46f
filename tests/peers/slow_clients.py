"""Many callers that hold connections open and never finish a request: slow heads, slow bodies, silence."""

from __future__ import annotations

import asyncio
import contextlib
import sys

HEAD = b"POST /cds-services/bone-health-order-sign HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
BODY = HEAD + b"Content-Length: 30000\r\n\r\n{"
CHUNK = HEAD + b"Transfer-Encoding: chunked\r\n\r\n7530\r\n{"
_PORTS_OF_ONE_ADDRESS = 20_000
_PER_SECOND = 2000


async def _hold(port: int, number: int, until: float) -> int:
    """One caller, who comes back when he is thrown out; how often he was let in."""
    loop = asyncio.get_running_loop()
    source = f"127.0.{1 + number // _PORTS_OF_ONE_ADDRESS}.{1 + number % 200}"
    times = 0
    await asyncio.sleep(number / _PER_SECOND)
    while loop.time() < until:
        writer = None
        with contextlib.suppress(OSError, TimeoutError):
            reader, writer = await asyncio.wait_for(
                asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0)), 20
            )
            times += 1
            first, more = ((HEAD, b"X-A: b\r\n"), (BODY, b" "), (CHUNK, b" "), (b"", b""))[number % 4]
            writer.write(first)
            while loop.time() < until:
                with contextlib.suppress(asyncio.TimeoutError):
                    if not await asyncio.wait_for(reader.read(1000), 2):
                        break
                writer.write(more)
                await writer.drain()
        if writer is not None:
            writer.close()
        await asyncio.sleep(1)
    return times


async def hold(port: int, count: int, seconds: float) -> int:
    """``count`` callers for some seconds; how many connections they had in all."""
    until = asyncio.get_running_loop().time() + seconds
    return sum(await asyncio.gather(*(_hold(port, number, until) for number in range(count))))


if __name__ == "__main__":
    print(asyncio.run(hold(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))))
