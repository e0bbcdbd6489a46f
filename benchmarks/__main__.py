"""The command line: measures the service on this machine and prints what came of it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from . import fetching, gauge, lifetime, report, rounds
from .goals import SOAK_REQUESTS, Results
from .load import LoadFailed

_PARTS = ("loads", "start", "gauge", "fetch", "soak")


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--short", is_flag=True, help="One round and little of each: a minute, and figures to be doubted.")
@click.option(
    "--part", "parts", multiple=True, type=click.Choice(_PARTS), help="Only this; may be given several times."
)
@click.option("--rounds", "count", type=click.IntRange(1), help="How often each load is repeated.  [5; short: 1]")
@click.option("--seconds", type=click.IntRange(1), help="How long each load lasts.  [3; short: 1]")
@click.option("--soak-minutes", type=click.FloatRange(0, min_open=True), default=8, show_default=True,
              help=f"When the soak gives up before {SOAK_REQUESTS:,} requests.")  # fmt: skip
@click.option("--to", type=click.Path(dir_okay=False, path_type=Path), default=Path("build/bench.json"),
              show_default=True, help="Where the figures go, as JSON.")  # fmt: skip
def main(
    short: bool, parts: tuple[str, ...], count: int | None, seconds: int | None, soak_minutes: float, to: Path
) -> None:
    """Starts the service and a floor on loopback, loads them in turn, and holds the figures against the goals.

    Ends with an error only when something could not be measured, never because of a figure.
    """
    count, seconds = count or (1 if short else 5), seconds or (1 if short else 3)
    soak_seconds = 4.0 if short else soak_minutes * 60
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        results = _measured(parts or _PARTS, short, count, seconds, soak_seconds, Path(folder))
    document = report.document(results, "short" if short else "full", count, seconds)
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_text(json.dumps(document, indent=2) + "\n", "utf-8")
    click.echo(f"\n{report.tables(results)}\n\nAll figures: {to}")
    if results.failures:
        raise click.ClickException("not measured:\n" + "\n".join(results.failures))


def _measured(
    parts: Sequence[str], short: bool, count: int, seconds: int, soak_seconds: float, folder: Path
) -> Results:
    failures: list[str] = []
    cells = rounds.SHORT if short else rounds.FULL
    figures: dict[str, tuple[str, Callable[[], Any]]] = {
        "starts": ("start", lambda: lifetime.starts(1 if short else 5, folder)),
        "loads": ("loads", lambda: rounds.measure(cells, count, seconds, folder, _say, failures)),
        "gauge": ("gauge", lambda: gauge.apart("short" if short else "full")),
        "fetched": ("fetch", lambda: fetching.fetch(5 if short else 20, folder)),
        "beside": ("fetch", lambda: fetching.beside_slow_callers(count, seconds, folder)),
        "soak": ("soak", lambda: lifetime.soak(SOAK_REQUESTS, soak_seconds, folder, _say)),
    }
    found: dict[str, Any] = {}
    for name, (part, measure) in figures.items():
        if part in parts:
            _say(name)
            try:
                found[name] = measure()
            except LoadFailed as failed:
                failures.append(f"{name}: {failed}")
    return Results(**found, failures=failures)


def _say(words: str) -> None:
    click.echo(f"… {words}", err=True)


if __name__ == "__main__":
    main()
