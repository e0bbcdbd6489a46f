"""What operators and their machines ask: is it alive, can it answer, what are its numbers."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from flask import Blueprint, Flask, Response

from .. import __version__
from ..catalogue import Catalogue
from ..metrics import exposition, metrics
from . import wire
from .application import asked
from .shared_store import StoreDown
from .trust import Gate

if TYPE_CHECKING:
    from prometheus_client import Counter, Histogram


def pages(current: Callable[[], Catalogue], gate: Gate) -> Blueprint:
    """``/health/live``, ``/health/ready`` and ``/metrics``."""
    made = Blueprint("operation", __name__)

    @made.get("/health/live")
    def live() -> Response:
        return wire.write({"status": "live", "version": __version__})

    @made.get("/health/ready")
    def ready() -> Response:
        """503 when a caller could not be answered: a balancer sends him to another machine."""
        try:
            gate.check_store()
            store = "usable"
        except StoreDown:
            store = "down"
        rules = {rule.rule.id for entry in current().entries for rule in entry.rules}
        status = "ready" if store == "usable" else "not ready"
        told = {"status": status, "version": __version__, "rules": len(rules), "sharedStore": store}
        return wire.write(told, 200 if status == "ready" else 503)

    @made.get("/metrics")
    def numbers() -> Response:
        text, media_type = exposition()
        return Response(text, content_type=media_type)

    return made


# To find the counter of some labels takes longer than to count. There are few: none of them is a caller's word.


@cache
def _requests(endpoint: str, service: str, hook: str, status: int) -> Counter:
    return metrics().requests.labels(endpoint, service, hook, status)


@cache
def _seconds(service: str) -> Histogram:
    return metrics().seconds.labels(service)


def install(app: Flask) -> None:
    """Counts every request, by what its line in the log says."""
    metrics()  # made before there are threads that could make them twice

    @app.after_request
    def count(response: Response) -> Response:
        request, count = asked(), metrics()
        told, endpoint = request.told, request.endpoint or ""
        service = told.get("service", "")
        _requests(endpoint, service, told.get("hook", ""), response.status_code).inc()
        if endpoint == "cds-services.call":
            _seconds(service).observe(time.perf_counter() - request.since)
        if "refused" in told:
            count.refused.labels(told.get("client", ""), told["refused"]).inc()
        gaps: set[tuple[str, str]] = set()
        for result in told.get("results", ()):
            for outcome in result.get("outcomes", ()):
                count.findings.labels(result["rule"], outcome).inc()
            gaps.update((gap["key"], gap["kind"]) for gap in result.get("gaps", ()))
            if "error" in result:
                count.rules_failed.labels(result["rule"]).inc()
        for key, kind in gaps:
            count.gaps.labels(key, kind).inc()
        return response
