"""What must be reached: ratios of figures that were measured in one run, each held against its limit."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .fetching import Beside, Fetched
from .lifetime import Soak
from .rounds import Cell, Measured, Server
from .service import Use

SOAK_REQUESTS = 100_000
_STEADY_MB = 2.0  # of a worker's memory that comes and goes; what leaks 80 bytes a request gains more
_ENOUGH = 5  # answers for each connection, before anything is said of the slowest


@dataclass(frozen=True, slots=True)
class Results:
    """All that a run measured; what it left out is None, what could not be measured is told in ``failures``."""

    loads: Measured | None = None
    starts: Sequence[float] | None = None
    soak: Soak | None = None
    gauge: Mapping[str, Any] | None = None
    fetched: Fetched | None = None
    beside: Beside | None = None
    failures: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure and its limit; ``measured`` None was not measured in this run."""

    claim: str
    measured: float | None
    limit: float
    at_least: bool = False

    @property
    def met(self) -> bool | None:
        """Whether it is reached; None when nobody knows."""
        if self.measured is None:
            return None
        return self.measured >= self.limit if self.at_least else self.measured <= self.limit


def goals(results: Results) -> list[Goal]:
    """Every goal, measured or not."""
    return [*_of_loads(results.loads or {}), *_of_the_rest(results)]


def per_second(use: Use) -> float:
    """Answers a second."""
    return use.load.per_second


def _of_loads(loads: Measured) -> Iterator[Goal]:
    def cell(kind: Any, size: str = "31 KB", connections: int = 8, workers: int = 1, server: Server = "service") -> Any:
        wanted = Cell(server, workers, kind, size, connections)
        # How often a request is sent alone says nothing about what it is.
        return next((uses for one, uses in loads.items() if one.asked == wanted.asked), None)

    quiet, full = cell("unspoken"), cell("complete")
    floor = {kind: cell(kind, server="floor") for kind in ("unspoken", "complete")}
    yield Goal(
        "an order no rule speaks of: requests/s as a share of the floor's, 31 KB, 8 connections",
        ratio(quiet, floor["unspoken"], per_second), 0.70, at_least=True,
    )  # fmt: skip
    yield Goal(
        "zoledronic acid, all data, all rules: requests/s as a share of the floor's, 31 KB, 8 connections",
        ratio(full, floor["complete"], per_second), 0.40, at_least=True,
    )  # fmt: skip
    yield Goal(
        "the same at 160 KB: times the time at 31 KB",
        ratio(cell("complete", "160 KB", 1), cell("complete", "31 KB", 1), lambda use: use.load.p50), 4,
    )  # fmt: skip
    yield Goal("the same at 5 MB, alone: ms", median(cell("complete", "5 MB", 1), lambda use: use.load.p50), 400)
    two, many = cell("complete", workers=2), cell("complete", connections=64, workers=2)
    yield Goal("two workers: times the requests/s of one", ratio(two, full, per_second), 1.7, at_least=True)
    yield Goal(
        "64 connections: p99 as times p50", median(_enough(many, 64), lambda use: use.load.p99 / use.load.p50), 4
    )
    for kind, kept in (("unspoken", quiet), ("complete", full)):
        share = ratio(kept, cell(kind, server="no records"), per_second)
        yield Goal(f"records on, {kind}: requests/s as a share of those without", share, 0.90, at_least=True)
    asked = cell("unspoken", server="tokens asked")
    yield Goal(
        "a token signed with ES384: ms of processor a request", difference(asked, quiet, lambda use: use.cpu), 0.6
    )


def _of_the_rest(results: Results) -> Iterator[Goal]:
    growth = None if results.gauge is None else max(one["exponent"] for one in results.gauge["growth"].values())
    yield Goal("growth of the cost with the number of resources: exponent", growth, 1.05)
    rule = None if results.gauge is None else results.gauge["rule"] * 1000
    yield Goal("one more rule that has nothing to say: µs of processor", rule, 20)
    starts = None if results.starts is None else statistics.median(results.starts)
    yield Goal("start to first answer: s", starts, 2)
    # A soak cut short has not shown what it is for.
    soak = results.soak if results.soak is not None and results.soak.requests >= SOAK_REQUESTS else None
    held, gained = (None, None) if soak is None else (max(soak.end), soak.growth)
    yield Goal(f"memory of a worker after {SOAK_REQUESTS:,} requests: MB", held, 150)
    yield Goal("memory that a worker gained over the second half of them: MB", gained, _STEADY_MB)
    fetched = None if results.fetched is None else statistics.median(results.fetched.milliseconds)
    yield Goal("12 keys fetched from a server that takes 50 ms each: ms", fetched, 150)
    beside = None if results.beside is None else results.beside.share
    yield Goal("quick requests beside four that wait for fetches: share of alone", beside, 0.90, at_least=True)


def _enough(uses: Sequence[Use] | None, connections: int) -> Sequence[Use] | None:
    """The loads, if in each of them every connection had several answers."""
    return uses if uses and min(use.load.requests for use in uses) >= _ENOUGH * connections else None


def ratio(over: Sequence[Use] | None, under: Sequence[Use] | None, figure: Callable[[Use], float]) -> float | None:
    """The median of one figure's ratio in each round; None when either was not measured."""
    if not over or not under:
        return None
    return statistics.median(figure(a) / figure(b) for a, b in zip(over, under, strict=True))


def difference(more: Sequence[Use] | None, less: Sequence[Use] | None, figure: Callable[[Use], float]) -> float | None:
    """The median of one figure's difference in each round; None when either was not measured."""
    if not more or not less:
        return None
    return statistics.median(figure(a) - figure(b) for a, b in zip(more, less, strict=True))


def median(uses: Sequence[Use] | None, figure: Callable[[Use], float]) -> float | None:
    """The median of one figure over the rounds; None when it was not measured."""
    return statistics.median(map(figure, uses)) if uses else None
