"""A Redis server on loopback, as Debian's package redis-server has it."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator

import redis


@contextlib.contextmanager
def serving() -> Iterator[str]:
    """The server while the block runs, with nothing in it and nothing kept; its URL."""
    program = shutil.which("redis-server")
    assert program, "these tests start a Redis server of their own: install redis-server"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: S603  # on loopback, with our own options
    url = f"redis://127.0.0.1:{port}/0"
    try:
        with contextlib.closing(redis.Redis.from_url(url)) as client:
            for _ in range(100):
                with contextlib.suppress(redis.ConnectionError):
                    client.ping()
                    break
                time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.wait(10)
