"""What operators watch: one set of Prometheus metrics for all worker processes of a machine. No data of a patient."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client import Counter, Gauge, Histogram

_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 2, 5, 10)


@dataclass(frozen=True)
class Metrics:
    """The metrics, each with its labels."""

    requests: Counter
    seconds: Histogram
    refused: Counter
    findings: Counter
    gaps: Counter
    rules_failed: Counter
    fetches: Counter
    fetch_seconds: Histogram
    breaker_open: Gauge
    key_sets: Counter
    records_written: Counter
    records_lost: Counter
    records_waiting: Gauge


@cache
def metrics() -> Metrics:
    """The metrics of this process."""
    # The library decides when it is imported whether processes share their numbers: see share().
    from prometheus_client import Counter, Gauge, Histogram

    return Metrics(
        requests=Counter("cds_requests", "Requests answered.", ("endpoint", "service", "hook", "status")),
        seconds=Histogram("cds_request_seconds", "Time to answer a call.", ("service",), buckets=_SECONDS),
        refused=Counter("cds_refused", "Callers that were not let in.", ("client", "reason")),
        findings=Counter("cds_findings", "Findings of rules, shown or in silent mode.", ("rule", "outcome")),
        gaps=Counter("cds_gaps", "Calls in which a prefetch key could not be checked.", ("key", "kind")),
        rules_failed=Counter("cds_rules_failed", "Rules that broke.", ("rule",)),
        fetches=Counter("cds_fetches", "Exchanges with FHIR servers.", ("server", "result")),
        fetch_seconds=Histogram("cds_fetch_seconds", "Time of an exchange.", ("server",), buckets=_SECONDS),
        breaker_open=Gauge(
            "cds_breaker_open", "1 while a FHIR server is left alone.", ("server",), multiprocess_mode="livemax"
        ),
        key_sets=Counter("cds_key_sets", "Fetches of clients' public keys.", ("client", "result")),
        records_written=Counter("cds_records_written", "Calls whose record is in the database."),
        records_lost=Counter("cds_records_lost", "Calls whose record never will be."),
        records_waiting=Gauge(
            "cds_records_waiting", "Calls whose record waits to be written.", multiprocess_mode="livesum"
        ),
    )


def share() -> None:
    """Makes the worker processes that this one will fork share their numbers. To be called before anything counts.

    The folder for it is made, unless the environment names one; there, numbers of an earlier run are taken out, as
    they would be added to ours.
    """
    folder = os.environ.get(_FOLDER) or tempfile.mkdtemp(prefix="cds-metrics-")
    os.environ[_FOLDER] = folder
    Path(folder).mkdir(parents=True, exist_ok=True)
    for old in Path(folder).glob("*.db"):
        old.unlink()


def forget(pid: int) -> None:
    """Takes a worker process that is no more out of what holds for living ones."""
    if os.environ.get(_FOLDER):
        from prometheus_client import multiprocess

        multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]  # the library has no types there


def exposition() -> tuple[bytes, str]:
    """All numbers in Prometheus' text format, and its media type."""
    import prometheus_client
    from prometheus_client import multiprocess

    metrics()
    registry = prometheus_client.REGISTRY
    if os.environ.get(_FOLDER):
        registry = prometheus_client.CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # the same
    return prometheus_client.generate_latest(registry), prometheus_client.CONTENT_TYPE_LATEST
