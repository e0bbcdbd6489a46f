"""The command line: measures the service on this machine and prints what came of it."""

from __future__ import annotations

import json
import tempfile
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
@click.option("--soak-minutes", type=click.FloatRange(0, min_open=True), default=5, show_default=True,
              help=f"When the soak gives up before {SOAK_REQUESTS:,} requests.")  # fmt: skip
@click.option("--to", type=click.Path(dir_okay=False, path_type=Path), default=Path("build/bench.json"),
              show_default=True, help="Where the figures go, as JSON.")  # fmt: skip
def main(
    short: bool, parts: tuple[str, ...], count: int | None, seconds: int | None, soak_minutes: float, to: Path
) -> None:
    """Starts the service and a floor on loopback, loads them in turn, and holds the figures against the goals.

    Ends with an error only when something could not be measured, never because of a figure.
    """
    rounds_, each = count or (1 if short else 5), seconds or (1 if short else 3)
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        try:
            results = _measured(parts or _PARTS, short, rounds_, each, soak_minutes, Path(folder))
        except LoadFailed as failed:
            raise click.ClickException(str(failed)) from failed
    document = report.document(results, "short" if short else "full", rounds_, each)
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_text(json.dumps(document, indent=2) + "\n", "utf-8")
    click.echo(f"\n{report.tables(results)}\n\nAll figures: {to}")


def _measured(
    parts: tuple[str, ...], short: bool, rounds_: int, seconds: int, soak_minutes: float, folder: Path
) -> Results:
    found: dict[str, Any] = {}
    if "start" in parts:
        _say("start")
        found["starts"] = lifetime.starts(1 if short else 5, folder)
    if "loads" in parts:
        _say("loads")
        cells = rounds.SHORT if short else rounds.FULL
        found["loads"] = rounds.measure(cells, rounds_, seconds, folder, _say)
    if "gauge" in parts:
        _say("gauge")
        found["gauge"] = gauge.apart("short" if short else "full")
    if "fetch" in parts:
        _say("fetch")
        found["fetched"] = fetching.fetch(5 if short else 20, folder)
        found["beside"] = fetching.beside_slow_callers(rounds_, seconds, folder)
    if "soak" in parts:
        _say("soak")
        seconds_left = 4.0 if short else soak_minutes * 60
        found["soak"] = lifetime.soak(SOAK_REQUESTS, seconds_left, folder, _say)
    return Results(**found)


def _say(words: str) -> None:
    click.echo(f"… {words}", err=True)


if __name__ == "__main__":
    main()
