"""The service as it is run: its own processes on a free port of loopback, their memory, and raw words over a socket."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Running:
    """A service that runs, open for this machine."""

    base: str
    port: int
    process: subprocess.Popen[bytes]
    log: Path

    def workers(self) -> list[int]:
        """The process ids of its workers."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text("ascii")
        return sorted(int(child) for child in children.split())

    def memory(self, field: str = "VmRSS") -> int:
        """Megabytes of all its processes: VmRSS now, VmHWM at most so far."""
        found = 0
        for pid in (self.process.pid, *self.workers()):
            lines = Path(f"/proc/{pid}/status").read_text("ascii").splitlines()
            found += next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))
        return found // 1024

    def events(self, name: str) -> list[dict[str, Any]]:
        """The lines of its log with this event."""
        lines = [line for line in self.log.read_text("utf-8").splitlines() if line.startswith("{")]
        return [line for line in map(json.loads, lines) if line["event"] == name]

    def number(self, name: str) -> float:
        """The sum of a metric over its labels; 0 where it is not there yet."""
        lines = requests.get(f"{self.base}/metrics", timeout=30).text.splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.partition("{")[0].partition(" ")[0] == name)

    def connect(self, source: str = "", seconds: float = 30) -> socket.socket:
        """A connection to it."""
        return socket.create_connection(("127.0.0.1", self.port), seconds, (source, 0) if source else None)

    def said(self, raw: bytes) -> bytes:
        """All that it answers to some bytes, until it closes the connection or we have waited two seconds."""
        with self.connect(seconds=2) as connection, contextlib.suppress(TimeoutError, ConnectionError):
            connection.sendall(raw)
            return everything(connection)
        return b""


def everything(connection: socket.socket) -> bytes:
    """What comes until the other side closes or does not say more in time."""
    heard = bytearray()
    with contextlib.suppress(TimeoutError, ConnectionError):
        while piece := connection.recv(65_536):
            heard += piece
    return bytes(heard)


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextlib.contextmanager
def launched(command: Sequence[str], port: int, log: Path, environment: Mapping[str, str]) -> Iterator[Running]:
    """A server that was told to listen on ``port``, its words in ``log``; it is stopped at the end.

    It may not listen yet.
    """
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=out, env=environment)  # noqa: S603  # our own
    try:
        yield Running(f"http://127.0.0.1:{port}", port, process, log)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


@contextlib.contextmanager
def running(folder: Path, workers: int = 2, **settings: str) -> Iterator[Running]:
    """The service with two workers, its log in ``folder``; it is stopped at the end."""
    port = free_port()
    command = [sys.executable, "-m", "cds_service", "run", "--port", str(port), "--workers", str(workers)]
    own = {"CDS_SHARED_STORE": str(folder / "tokens.sqlite"), "CDS_RECORDS": "off"}
    with launched(command, port, folder / f"{port}.log", {**os.environ, **own, **settings}) as service:
        for _ in range(600):
            with contextlib.suppress(requests.ConnectionError, requests.Timeout):
                requests.get(f"{service.base}/", timeout=10)
                if len(service.workers()) == workers:
                    break
            time.sleep(0.1)
        yield service
