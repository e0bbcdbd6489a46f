"""The service and the floor as processes on loopback: started as they are deployed, watched from outside."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.running import Running, free_port, launched

from . import bodies, floor
from .load import Ask, Load, LoadFailed, answered

SERVICE = "/cds-services/bone-health-order-sign"

# What answers each kind of request, and a text that stands in no other answer.
_ANSWERS: dict[bodies.Kind, tuple[int, str]] = {
    "unspoken": (200, '"cards":[]'),
    "complete": (200, '"cards":[]'),
    "told": (200, "25(OH)D 14 ng/mL"),
    "missing": (412, "vitamin-d: not sent in prefetch"),
}
_TICKS = os.sysconf("SC_CLK_TCK")
_START_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Use:
    """What a load took: milliseconds of processor a request, of the workers and of their parent; MB of each worker."""

    load: Load
    cpu: float
    parent_cpu: float
    memory: tuple[float, ...]


@dataclass(frozen=True)
class Target:
    """A server that runs and can be asked. ``start_seconds`` is from its process' start to its first answer."""

    running: Running
    path: str
    start_seconds: float

    @property
    def url(self) -> str:
        """Where it is asked."""
        return self.running.base + self.path

    def using(self, load: Callable[[], Load]) -> Use:
        """Puts a load on it and waits until it is idle again. Raises LoadFailed, also when a worker died."""
        workers, before, parent = self.running.workers(), self._cpu(), cpu(self.running.process.pid)
        done = load()
        after, parent_after = self._cpu(), cpu(self.running.process.pid)
        if self.running.workers() != workers:
            raise LoadFailed(f"a worker of {self.path} died under the load; see {self.running.log}")
        self._settle()
        spent = 1000 / done.requests
        return Use(done, (after - before) * spent, (parent_after - parent) * spent, self.memory())

    def memory(self) -> tuple[float, ...]:
        """Resident MB of each worker."""
        return tuple(resident(pid) for pid in self.running.workers())

    def _cpu(self) -> float:
        return sum(cpu(pid) for pid in self.running.workers())

    def _settle(self) -> None:
        """Waits until what callers left behind is done with."""
        end, quiet, last = time.monotonic() + _START_SECONDS, 0, -1.0
        while quiet < 2:
            if time.monotonic() > end:
                raise LoadFailed(f"{self.path} is not idle a minute after its last caller; see {self.running.log}")
            time.sleep(0.1)
            now = self._cpu()
            quiet = quiet + 1 if now - last <= 1 / _TICKS else 0
            last = now


def ask(kind: bodies.Kind, size: int, today: str) -> Ask:
    """A request of this kind and size, and what the service has to answer."""
    return Ask(bodies.body(kind, size, today), *_ANSWERS[kind])


def ask_floor(kind: bodies.Kind, size: int, today: str) -> Ask:
    """The same request for the floor."""
    return Ask(bodies.body(kind, size, today), 200, floor.SUMMARY)


@contextlib.contextmanager
def service(folder: Path, workers: int, first: Ask | None, **settings: str) -> Iterator[Target]:
    """The service with its usual settings but for these, its files in ``folder``; nobody is asked who he is.

    ``first`` is asked until it is answered; without it, the service is up when it listens.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    command = [sys.executable, "-m", "cds_service", "run", "--port", str(port), "--workers", str(workers)]
    own = {
        "CDS_AUTH": "off",
        "CDS_SHARED_STORE": str(folder / "tokens.sqlite"),
        "CDS_RECORDS": f"sqlite:///{folder / 'records.sqlite'}",
    }
    with _started(command, port, folder, SERVICE, first, {**own, **settings}) as target:
        yield target


@contextlib.contextmanager
def floor_service(folder: Path, workers: int, first: Ask) -> Iterator[Target]:
    """The floor, its log in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.floor", "--port", str(port), "--workers", str(workers)]
    with _started(command, port, folder, floor.PATH, first, {}) as target:
        yield target


@contextlib.contextmanager
def _started(
    command: list[str], port: int, folder: Path, path: str, first: Ask | None, settings: dict[str, str]
) -> Iterator[Target]:
    # What whoever runs this has set for a service of his own is not measured.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CDS_")}
    environment.pop("PROMETHEUS_MULTIPROC_DIR", None)
    # What pip installs has its byte code; a checkout gets it with the first start, unless somebody has forbidden that.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    workers = int(command[-1])
    begun = time.perf_counter()
    with launched(command, port, folder / "log", {**environment, "TMPDIR": str(folder), **settings}) as running:
        while not _listens(running):
            _check(running, begun)
            time.sleep(0.005)
        if first is not None:
            answered(running.base + path, first)
        seconds = time.perf_counter() - begun
        while len(running.workers()) < workers:
            _check(running, begun)
            time.sleep(0.01)
        yield Target(running, path, seconds)


def _listens(running: Running) -> bool:
    with contextlib.suppress(OSError), running.connect():
        return True
    return False


def _check(running: Running, begun: float) -> None:
    if running.process.poll() is not None or time.perf_counter() - begun > _START_SECONDS:
        words = running.log.read_text("utf-8", "replace")[-1000:]
        raise LoadFailed(f"the server on {running.base} did not start:\n{words}")


def cpu(pid: int) -> float:
    """Seconds of processor that a process has used so far, its own and the system's for it."""
    # After the name of the program, which may have spaces and brackets: user and system time are the 12th and 13th.
    fields = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def resident(pid: int) -> float:
    """MB of memory that a process holds now, what it shares with others included."""
    lines = Path(f"/proc/{pid}/status").read_text("ascii", "replace").splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmRSS:"))) / 1024
