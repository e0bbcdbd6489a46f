"""A run as tables for a terminal, and as JSON for whoever compares runs."""

from __future__ import annotations

import dataclasses
import os
import platform
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from cds_service import __version__

from .goals import Goal, Results, goals
from .rounds import Measured
from .service import Use

_FIGURES: Mapping[str, Callable[[Use], float]] = {
    "requests/s": lambda use: use.load.per_second,
    "p50 ms": lambda use: use.load.p50,
    "p90 ms": lambda use: use.load.p90,
    "p99 ms": lambda use: use.load.p99,
    "CPU ms": lambda use: use.cpu,
    "parent CPU ms": lambda use: use.parent_cpu,
    "MB a worker": lambda use: max(use.memory),
}
_MET = {True: "met", False: "NOT MET", None: "not measured"}


def document(results: Results, form: str, rounds: int, seconds: float) -> dict[str, Any]:
    """All figures, each round by itself, and the goals."""
    return {
        "run": {
            "form": form,
            "rounds": rounds,
            "secondsEach": seconds,
            "version": __version__,
            "python": platform.python_version(),
            "processors": os.cpu_count(),
        },
        "loads": [
            {
                **{name: value for name, value in dataclasses.asdict(cell).items() if name != "alone"},
                "median": {name: _median(uses, figure) for name, figure in _FIGURES.items()},
                "rounds": [dataclasses.asdict(use) for use in uses],
            }
            for cell, uses in (results.loads or {}).items()
        ],
        "startSeconds": results.starts,
        "soak": results.soak and {**dataclasses.asdict(results.soak), "growth": results.soak.growth},
        "gauge": results.gauge,
        "fetch": results.fetched and dataclasses.asdict(results.fetched),
        "beside": results.beside and {**dataclasses.asdict(results.beside), "share": results.beside.share},
        "failures": results.failures,
        "goals": [{**dataclasses.asdict(goal), "met": goal.met} for goal in goals(results)],
    }


def tables(results: Results) -> str:
    """The same for people, in a few lines each."""
    return "\n".join(_lines(results))


def _lines(results: Results) -> Iterator[str]:
    if results.loads:
        yield from _loads(results.loads)
    for kind, one in (results.gauge or {"growth": {}})["growth"].items():
        pairs = zip(one["resources"], one["milliseconds"], strict=True)
        costs = ", ".join(f"{count}: {cost:.2f}" for count, cost in pairs)
        yield f"CPU ms by number of resources, {kind}: {costs}; exponent {one['exponent']:.2f}"
    if results.fetched:
        taken = results.fetched.milliseconds
        yield (
            f"fetching, {results.fetched.searches} searches: {min(taken):.0f} ms at best, "
            f"{statistics.median(taken):.0f} in the middle, {max(taken):.0f} at worst; "
            f"{results.fetched.late} of {len(taken)} answers without all data"
        )
    if results.beside:
        alone, beside = statistics.median(results.beside.alone), statistics.median(results.beside.beside)
        yield (
            f"quick requests/s: {alone:.0f} alone, {beside:.0f} beside slow callers "
            f"({results.beside.slow} answers to these, {results.beside.late} without all data)"
        )
    if results.soak:
        soak = results.soak
        yield f"soak: {soak.requests:,} requests in {soak.seconds:.0f} s; {_each(soak.half)} MB, then {_each(soak.end)}"
    yield ""
    yield from _goals(goals(results))


def _loads(loads: Measured) -> Iterator[str]:
    wide = max(len(str(cell)) for cell in loads)
    yield " " * wide + "".join(f"{name:>15}" for name in _FIGURES)
    for cell, uses in loads.items():
        figures = (_median(uses, figure) for figure in _FIGURES.values())
        yield f"{cell!s:<{wide}}" + "".join(f"{_number(value):>15}" for value in figures)
    yield ""


def _goals(all_: Sequence[Goal]) -> Iterator[str]:
    wide = max(len(goal.claim) for goal in all_)
    yield f"{'goal':<{wide}}{'limit':>12}{'measured':>12}"
    for goal in all_:
        limit = f"{'≥' if goal.at_least else '≤'} {goal.limit:g}"
        measured = "" if goal.measured is None else _number(goal.measured)
        yield f"{goal.claim:<{wide}}{limit:>12}{measured:>12}  {_MET[goal.met]}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _each(values: Iterable[float]) -> str:
    return " and ".join(f"{value:.1f}" for value in values)


def _median(uses: Sequence[Use], figure: Callable[[Use], float]) -> float:
    return statistics.median(map(figure, uses))
