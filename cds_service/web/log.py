"""What is written to the log: one JSON line for each request, without anything that was sent about a patient."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from typing import Any

import structlog
from flask import Flask, Response, g, request

from ..cdshooks import Request
from ..rules.rule import RuleResult

_log = structlog.get_logger(__name__)
_LONGEST_INSTANCE = 100
_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})


def configure(level: str) -> None:
    """Makes the whole process log JSON lines from ``level`` ("debug", "info", "warning", "error") on."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(ensure_ascii=True),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(),
        cache_logger_on_first_use=False,
    )
    waitress = logging.getLogger("waitress")
    waitress.handlers = [ServerLog(logging.WARNING)]
    waitress.propagate = False
    logging.getLogger("waitress.queue").setLevel(logging.CRITICAL)  # a line for each request that has to wait


def install(app: Flask) -> None:
    """Writes one line when a request has been answered."""

    @app.before_request
    def start() -> None:
        g.started = time.perf_counter()

    @app.after_request
    def finish(response: Response) -> Response:
        started = g.get("started")
        duration = None if started is None else round((time.perf_counter() - started) * 1000, 3)
        write = _log.error if response.status_code >= 500 else _log.info
        method = request.method if request.method in _METHODS else "other"
        line = {"endpoint": request.endpoint, "method": method, "status": response.status_code}
        write("request", **line, durationMs=duration, **g.get("told", {}))
        return response


def tell(**values: Any) -> None:
    """Adds values to this request's line."""
    g.told = {**g.get("told", {}), **values}


def tell_request(service_id: str, hook_request: Request) -> None:
    """Adds which call this is; the hook must be known to be one that is offered."""
    tell(service=service_id, hook=hook_request.hook, hookInstance=hook_request.hook_instance[:_LONGEST_INSTANCE])


def tell_results(results: Iterable[RuleResult]) -> None:
    """Adds what became of each rule: its id, its status, its outcomes, and where it broke if it did."""
    tell(results=[_told(result) for result in results])


def _told(result: RuleResult) -> dict[str, Any]:
    told: dict[str, Any] = {"rule": result.rule.id, "status": result.status}
    if result.findings:
        told["outcomes"] = [finding.outcome for finding in result.findings]
    if result.gaps:
        told["gaps"] = [{"key": gap.key, "kind": gap.kind} for gap in result.gaps]
    if result.error:
        told["error"] = result.error
    return told


class ServerLog(logging.Handler):
    """What gunicorn and waitress report, as our own lines: what happened and where, nothing that was sent."""

    def emit(self, record: logging.LogRecord) -> None:
        """Writes one line. gunicorn speaks of processes only; waitress may repeat what it was sent, so its words are
        left out.
        """
        error = record.exc_info[0] if record.exc_info else None
        told: dict[str, Any] = {"type": error.__name__} if error else {}
        if record.name.startswith("gunicorn"):
            told["message"] = record.getMessage()
        write = getattr(_log, record.levelname.lower(), _log.error)
        write("server", at=f"{record.module}:{record.lineno}", **told)
