"""Processor time of a request inside one process, without server and sockets: what a busy machine moves least."""

from __future__ import annotations

import copy
import datetime
import io
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import Flask
from werkzeug.test import create_environ, run_wsgi_app

from cds_service.config import from_environment
from cds_service.manifest import load_catalogue
from cds_service.web import create_app

from . import bodies
from .load import Ask, LoadFailed
from .service import SERVICE, ask

_SECONDS = 0.3  # of processor for one of several measurements; one call at least, and not more than so many:
_MOST_CALLS = 100


@dataclass(frozen=True, slots=True)
class Growth:
    """Milliseconds of processor for requests with so many resources; ``exponent`` 1 is growth in proportion to them."""

    resources: Sequence[int]
    milliseconds: Sequence[float]
    exponent: float


def growth(kind: bodies.Kind, sizes: Sequence[int], best_of: int) -> Growth:
    """What requests of these sizes cost, and how fast that grows."""
    today, app = _today(), _application()
    counts = [bodies.resources(kind, size, today) for size in sizes]
    costs = [next(_best([app], ask(kind, size, today), best_of)) for size in sizes]
    return Growth(counts, costs, exponent(counts, costs))


def exponent(counts: Sequence[float], costs: Sequence[float]) -> float:
    """The b of cost = a * count ** b that fits best: the slope of the logarithms, by least squares.

    ValueError with fewer than two different counts.
    """
    logs = [[math.log(value) for value in values] for values in (counts, costs)]
    return statistics.linear_regression(*logs).slope


def cost_of_a_rule(best_of: int) -> float:
    """Milliseconds that one more rule costs which has nothing to do with the orders.

    The service with all its rules against the same with every second one switched off.
    """
    manifest = load_catalogue().manifest
    off = manifest["site"]["disabledRules"]
    rules = [rule for entry in manifest["services"] if entry["hook"] == "order-sign" for rule in entry["rules"]]
    dropped = [rule for rule in rules if rule not in off][::2]
    half: dict[str, Any] = copy.deepcopy(dict(manifest))
    half["site"]["disabledRules"] = [*off, *dropped]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "manifest.json"
        file.write_text(json.dumps(half), "utf-8")
        apps = [_application(), _application(CDS_MANIFEST=str(file))]
        whole, rest = _best(apps, ask("unspoken", 31_000, _today()), best_of)
    return (whole - rest) / len(dropped)


def apart(form: str) -> Mapping[str, Any]:
    """All of this in a process of its own, whose log nobody reads; ``form`` is "full" or "short"."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "gauge.json"
        command = [sys.executable, "-m", "benchmarks.gauge", form, str(result)]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("CDS_")}
        done = subprocess.run(  # noqa: S603  # our own
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment, check=False
        )
        if done.returncode:
            raise LoadFailed(f"the gauge ended with {done.returncode}: {done.stderr.strip()[-1000:]}")
        found: Mapping[str, Any] = json.loads(result.read_text("utf-8"))
    return found


def _best(apps: Sequence[Flask], question: Ask, best_of: int) -> Iterator[float]:
    """Milliseconds of processor a call of each application, at the best; they take turns."""
    first = [_calls(app, question, 1) for app in apps]
    calls = max(1, min(_MOST_CALLS, int(_SECONDS / max(first))))
    turns = [[_calls(app, question, calls) for app in apps] for _ in range(best_of)]
    for column in zip(*turns, strict=True):
        yield min(column) * 1000


def _calls(app: Flask, question: Ask, times: int) -> float:
    """Seconds of processor a call. Raises LoadFailed for another answer than the one expected."""
    environ = create_environ(SERVICE, method="POST", data=question.body, content_type="application/json")
    each = [{**environ, "wsgi.input": io.BytesIO(question.body)} for _ in range(times)]
    begun = time.process_time()
    answers = [run_wsgi_app(app, one) for one in each]
    taken = time.process_time() - begun
    for parts, status, _ in answers:
        text = b"".join(parts).decode()
        if not status.startswith(f"{question.status} ") or question.text not in text:
            raise LoadFailed(f"expected status {question.status} and {question.text!r}, got {status}: {text[:300]}")
    return taken / times


def _application(**settings: str) -> Flask:
    """The application with its usual settings; its records, which another thread writes, are measured elsewhere."""
    return create_app(from_environment({"CDS_AUTH": "off", "CDS_RECORDS": "off", **settings}))


def _today() -> str:
    return str(datetime.datetime.now(datetime.UTC).date())


def main(form: str, result: Path) -> None:
    """Measures and writes the result."""
    short = form == "short"
    sizes = (31_000, 62_000, 93_000, 155_000) if short else (31_000, 160_000, 800_000, 4_950_000)
    kinds: tuple[bodies.Kind, ...] = ("complete",) if short else bodies.KINDS
    grown = {kind: growth(kind, sizes, 2 if short else 3) for kind in kinds}
    told = {
        "growth": {
            kind: {"resources": one.resources, "milliseconds": one.milliseconds, "exponent": one.exponent}
            for kind, one in grown.items()
        },
        "rule": cost_of_a_rule(3 if short else 9),
    }
    result.write_text(json.dumps(told), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
