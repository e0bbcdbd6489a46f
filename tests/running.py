"""The service as it is run: several processes on a free port of loopback, started and stopped by a test."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import requests

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Running:
    """A service that runs: its base URL, its log, and its processes."""

    base: str
    log: Path
    process: subprocess.Popen[bytes]

    def workers(self) -> list[int]:
        """The worker processes there are now."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text("ascii")
        return [int(pid) for pid in children.split()]

    def number(self, name: str) -> float:
        """The sum of a metric over its labels; 0 where it is not there yet."""
        lines = requests.get(f"{self.base}/metrics", timeout=30).text.splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.partition("{")[0].partition(" ")[0] == name)


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextlib.contextmanager
def running(folder: Path, workers: int = 2, **settings: str) -> Iterator[Running]:
    """The service while the block runs, open for this machine unless ``settings`` say otherwise."""
    port = free_port()
    log = folder / f"{port}.log"
    given: Mapping[str, str] = {
        "CDS_RECORDS": "off",
        "CDS_SHARED_STORE": str(folder / "store.sqlite"),
        **settings,
    }
    command = [sys.executable, "-m", "cds_service", "run", "--port", str(port), "--workers", str(workers)]
    with log.open("wb") as out:
        process = subprocess.Popen(  # noqa: S603  # our own program
            command, cwd=ROOT, stdout=out, stderr=out, env={**os.environ, **given}
        )
    started = Running(f"http://127.0.0.1:{port}", log, process)
    try:
        for _ in range(300):
            with contextlib.suppress(requests.ConnectionError):
                requests.get(f"{started.base}/health/live", timeout=1)
                break
            time.sleep(0.1)
        yield started
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(20)
