"""Rounds of loads: every server takes its turn in each round, so that what disturbs the machine disturbs all alike."""

from __future__ import annotations

import contextlib
import datetime
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests import tokens

from . import bodies
from .load import Ask, LoadFailed, drive, one_by_one
from .service import SERVICE, Target, Use, ask, ask_floor, floor_service, service

Server = Literal["floor", "service", "no records", "tokens asked"]

SIZES = {"10 KB": 10_300, "31 KB": 31_000, "160 KB": 160_000, "5 MB": 4_950_000}
_WARM = 4
_CALLS_A_MINUTE = 1_000_000  # of the client with tokens: each call is counted, as always, and none is one too many


@dataclass(frozen=True, slots=True)
class Cell:
    """One load: who is asked what by how many. ``alone`` is for so many requests one by one, without wrk."""

    server: Server
    workers: int
    kind: bodies.Kind
    size: str
    connections: int
    alone: int = 0

    @property
    def asked(self) -> tuple[Server, int, bodies.Kind, str, int]:
        """All but how it is measured."""
        return self.server, self.workers, self.kind, self.size, self.connections

    def __str__(self) -> str:
        workers = f"{self.workers} worker{'s' if self.workers > 1 else ''}"
        callers = f"{self.connections} connection{'s' if self.connections > 1 else ''}"
        return f"{self.server}, {workers}, {self.kind}, {self.size}, {callers}"


Measured = Mapping[Cell, Sequence[Use]]

_FLOOR_AND_SERVICE = [
    Cell("floor", 1, "unspoken", "31 KB", 8),
    Cell("service", 1, "unspoken", "31 KB", 8),
    Cell("floor", 1, "complete", "31 KB", 8),
    Cell("service", 1, "complete", "31 KB", 8),
]
# What the goals need and no more.
SHORT = [
    *_FLOOR_AND_SERVICE,
    Cell("service", 1, "complete", "31 KB", 1),
    Cell("service", 1, "complete", "160 KB", 1),
    Cell("service", 1, "complete", "5 MB", 1, alone=1),
    Cell("service", 2, "complete", "31 KB", 8),
    Cell("service", 2, "complete", "31 KB", 64),
    Cell("no records", 1, "unspoken", "31 KB", 8),
    Cell("no records", 1, "complete", "31 KB", 8),
    Cell("tokens asked", 1, "unspoken", "31 KB", 8),
]
FULL = [
    *_FLOOR_AND_SERVICE,
    Cell("no records", 1, "unspoken", "31 KB", 8),
    Cell("tokens asked", 1, "unspoken", "31 KB", 8),
    Cell("no records", 1, "complete", "31 KB", 8),
    Cell("service", 1, "told", "31 KB", 8),
    Cell("service", 1, "missing", "31 KB", 8),
    Cell("floor", 1, "complete", "31 KB", 1),
    Cell("service", 1, "unspoken", "31 KB", 1),
    Cell("service", 1, "complete", "10 KB", 1),
    Cell("service", 1, "complete", "31 KB", 1),
    Cell("floor", 1, "complete", "160 KB", 1),
    Cell("service", 1, "complete", "160 KB", 1),
    Cell("floor", 1, "complete", "5 MB", 1, alone=3),
    Cell("service", 1, "unspoken", "5 MB", 1, alone=3),
    Cell("service", 1, "complete", "5 MB", 1, alone=3),
    Cell("floor", 1, "complete", "31 KB", 64),
    Cell("service", 1, "complete", "31 KB", 64),
    Cell("floor", 2, "complete", "31 KB", 8),
    Cell("service", 2, "complete", "31 KB", 8),
    Cell("floor", 2, "complete", "31 KB", 64),
    Cell("service", 2, "complete", "31 KB", 64),
    Cell("service", 2, "unspoken", "31 KB", 64),
]


def measure(
    cells: Sequence[Cell], rounds: int, seconds: float, folder: Path, say: Callable[[str], None], failures: list[str]
) -> Measured:
    """Every cell in every round; every other round goes backwards.

    A cell that failed once is told in ``failures`` and left out. Raises LoadFailed when a server does not start.
    """
    found: dict[Cell, list[Use]] = {cell: [] for cell in cells}
    with contextlib.ExitStack() as stack:
        stand = _Stand(cells, folder, stack)
        for number in range(rounds):
            say(f"round {number + 1} of {rounds}")
            for cell in list(found) if number % 2 == 0 else list(reversed(found)):
                try:
                    # What a server does once only, at its first requests, is no part of any round.
                    if number == 0:
                        stand.warm(cell)
                    found[cell].append(stand.use(cell, seconds))
                except LoadFailed as failed:
                    failures.append(f"{cell}: {failed}")
                    del found[cell]
    return found


class _Stand:
    """The servers that some cells need, all started, and the requests for them."""

    def __init__(self, cells: Iterable[Cell], folder: Path, stack: contextlib.ExitStack) -> None:
        self._today = str(datetime.datetime.now(datetime.UTC).date())
        self._asks: dict[tuple[bool, bodies.Kind, str], Ask] = {}
        self._targets: dict[tuple[Server, int], Target] = {}
        self._per_second = 100.0  # of the service that asks for tokens; corrected by what it really does
        for cell in cells:
            server = (cell.server, cell.workers)
            if server not in self._targets:
                where = folder / f"{cell.server}-{cell.workers}".replace(" ", "-")
                self._targets[server] = stack.enter_context(self._started(cell, where))

    def warm(self, cell: Cell) -> None:
        """Some requests that count for nothing."""
        target, question = self._targets[cell.server, cell.workers], self._ask(cell)
        if cell.server == "tokens asked":
            self.use(cell, 1)
        elif not cell.alone:
            one_by_one(target.url, question, _WARM * cell.workers)

    def use(self, cell: Cell, seconds: float) -> Use:
        """One load."""
        target, question = self._targets[cell.server, cell.workers], self._ask(cell)
        if cell.alone:
            return target.using(lambda: one_by_one(target.url, question, cell.alone))
        if cell.server != "tokens asked":
            return target.using(lambda: drive(target.url, question, connections=cell.connections, seconds=seconds))
        return self._with_tokens(target, question, cell.connections, seconds)

    def _with_tokens(self, target: Target, question: Ask, connections: int, seconds: float) -> Use:
        # Twice of what was needed last, and as many as the first second may need where nothing is known yet.
        count = math.ceil(2 * self._per_second * seconds) + 20 * connections
        ready = _tokens(count)
        used = target.using(lambda: drive(target.url, question, connections=connections, seconds=seconds, tokens=ready))
        self._per_second = max(self._per_second, used.load.per_second)
        return used

    def _ask(self, cell: Cell) -> Ask:
        key = (cell.server == "floor", cell.kind, cell.size)
        if key not in self._asks:
            make = ask_floor if cell.server == "floor" else ask
            self._asks[key] = make(cell.kind, SIZES[cell.size], self._today)
        return self._asks[key]

    @contextlib.contextmanager
    def _started(self, cell: Cell, folder: Path) -> Iterator[Target]:
        first = self._ask(cell)
        if cell.server == "floor":
            with floor_service(folder, cell.workers, first) as target:
                yield target
        elif cell.server == "service":
            with service(folder, cell.workers, first) as target:
                yield target
        elif cell.server == "no records":
            with service(folder, cell.workers, first, CDS_RECORDS="off") as target:
                yield target
        else:
            folder.mkdir(parents=True)
            clients = tokens.written(folder, tokens.known(callsPerMinute=_CALLS_A_MINUTE))
            required = {"CDS_AUTH": "required", "CDS_CLIENTS": str(clients), "CDS_BASE_URL": tokens.BASE}
            with service(folder, cell.workers, None, **required) as target:
                yield target


def _tokens(count: int) -> list[str]:
    """Sound tokens that were never used, signed with ES384."""
    signer, now = tokens.signer("ES384"), datetime.datetime.now(datetime.UTC)
    return [signer.token(SERVICE, now=now) for _ in range(count)]
