"""How a service begins and how it ages: the time to its first answer, and its memory after very many requests."""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from . import bodies
from .load import drive
from .service import Target, ask, service

_CONNECTIONS = 8
_PIECE_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Soak:
    """Requests answered in so many seconds, and MB of each worker after half of them and after all."""

    requests: int
    seconds: float
    half: Sequence[float]
    end: Sequence[float]

    @property
    def growth(self) -> float:
        """MB by which the worker that grew most grew over the second half."""
        return max(after - before for before, after in zip(self.half, self.end, strict=True))


def starts(times: int, folder: Path) -> list[float]:
    """Seconds from the start of the process to its first answer to a service call, each time anew."""
    first = ask("unspoken", 31_000, _today())
    taken = []
    for number in range(times):
        with service(folder / f"start-{number}", 2, first) as target:
            taken.append(target.start_seconds)
    return taken


def soak(requests: int, at_most_seconds: float, folder: Path, say: Callable[[str], None]) -> Soak:
    """Sends so many requests of all kinds, or as many as there is time for. Raises LoadFailed."""
    with service(folder / "soak", 2, ask("unspoken", 31_000, _today())) as target:
        half = _Part(target, requests // 2, at_most_seconds / 2)
        say(f"soak: {half.sent} requests, {max(half.memory):.0f} MB a worker")
        # However far the first half came, the second is as long.
        rest = _Part(target, requests - half.sent if half.is_whole else half.sent, at_most_seconds / 2)
        say(f"soak: {half.sent + rest.sent} requests, {max(rest.memory):.0f} MB a worker")
    return Soak(half.sent + rest.sent, half.seconds + rest.seconds, half.memory, rest.memory)


class _Part:
    """One half of a soak."""

    def __init__(self, target: Target, requests: int, at_most_seconds: float) -> None:
        self.sent, self.seconds = 0, 0.0
        self.memory: Sequence[float] = target.memory()
        piece = min(_PIECE_SECONDS, at_most_seconds / len(bodies.KINDS))
        for question in itertools.cycle(ask(kind, 31_000, _today()) for kind in bodies.KINDS):
            if self.sent >= requests or self.seconds >= at_most_seconds:
                break
            used = target.using(partial(drive, target.url, question, connections=_CONNECTIONS, seconds=piece))
            self.sent += used.load.requests
            self.seconds += used.load.seconds
            self.memory = used.memory
        self.is_whole = self.sent >= requests


def _today() -> str:
    return str(datetime.datetime.now(datetime.UTC).date())
