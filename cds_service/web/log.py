"""What is written to the log: one JSON line for each request, without anything that was sent about a patient."""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import msgspec
import structlog
from flask import Flask, Response

from ..cdshooks import Request
from ..rules.rule import RuleResult
from .application import asked

_log = structlog.get_logger(__name__)
_LONGEST_INSTANCE = 100
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"})
# Libraries whose words quote addresses, and so the patients in them; what failed is told by what called them.
_QUOTING = ("requests_hardened", "urllib3")


# Of these rules the line says only how many there were.
_SILENT = "does-not-apply"
_encode = msgspec.json.Encoder().encode


def configure(level: str) -> None:
    """Makes the whole process log JSON lines from ``level`` ("debug", "info", "warning", "error") on."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(_line),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=_Output,
        cache_logger_on_first_use=False,
    )
    for name in _QUOTING:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    logging.getLogger("waitress.queue").setLevel(logging.CRITICAL)  # a line for each request that has to wait
    root = logging.getLogger()
    if not any(isinstance(handler, _Places) for handler in root.handlers):
        root.addHandler(_Places(logging.WARNING))


def _line(event: dict[str, Any], default: Callable[[object], Any]) -> str:
    """JSON in one line of ASCII: no text can end the line, or turn around what is read."""
    with suppress(Exception):  # whatever it does not take, as half a surrogate pair: the slower one takes it
        line = _encode(event)
        if line.isascii():
            return line.decode()
    return json.dumps(event, ensure_ascii=True, separators=(",", ":"), default=default)


def take_over() -> None:
    """Makes warnings and exceptions that nobody caught, in any thread, one line without their text.

    For the process as it is run: Python's own hooks are replaced.
    """
    logging.captureWarnings(True)
    sys.excepthook = lambda _type, error, _trace: _log.critical("uncaught", error=place(error))
    sys.unraisablehook = lambda told: _log.error("uncaught", error=place(told.exc_value))
    threading.excepthook = lambda told: _log.error("uncaught", error=place(told.exc_value))


def place(error: BaseException | None) -> str:
    """Type of an exception and where it was raised, never its text: that may hold what was sent."""
    frames = traceback.extract_tb(error.__traceback__)[-5:] if error is not None else ()
    places = ", ".join(f"{'/'.join(frame.filename.split('/')[-2:])}:{frame.lineno}" for frame in frames)
    return f"{type(error).__name__} at {places or 'no place'}"


class _Output:
    """Standard output, as it is at the time of each line."""

    def __init__(self, *_: object) -> None:
        """Whatever asks for it; there is one output."""

    def msg(self, line: str) -> None:
        """Writes a line at once, in one piece."""
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    debug = info = warning = error = critical = msg


class _Places(logging.Handler):
    """What libraries have to say: who, where and how loud. Their words may quote addresses, headers and bodies."""

    def emit(self, record: logging.LogRecord) -> None:
        """One line, without the message."""
        at = f"{record.module}:{record.lineno}"
        error = {"error": place(record.exc_info[1])} if record.exc_info else {}
        write = _log.error if record.levelno >= logging.ERROR else _log.warning
        write("library", logger=record.name, at=at, **error)


def install(app: Flask) -> None:
    """Writes one line when a request has been answered."""
    line = structlog.get_logger(__name__).bind()

    @app.after_request
    def finish(response: Response) -> Response:
        request, status = asked(), response.status_code
        write = line.error if status >= 500 else line.info
        write(
            "request",
            endpoint=request.endpoint,
            method=method if (method := request.method) in _METHODS else "other",  # any word may stand there
            status=status,
            durationMs=round((time.perf_counter() - request.since) * 1000, 3),
            **request.told,
        )
        return response


def tell(**values: Any) -> None:
    """Adds values to this request's line."""
    asked().told.update(values)


def tell_request(service_id: str, hook_request: Request) -> None:
    """Adds which call this is; the hook must be known to be one that is offered."""
    tell(service=service_id, hook=hook_request.hook, hookInstance=hook_request.hook_instance[:_LONGEST_INSTANCE])


def tell_results(results: Sequence[RuleResult]) -> None:
    """Adds what became of each rule: its id, its status, its outcomes, and where it broke if it did.

    Of rules that were checked and had nothing to say it is told only how many there were; the records name them.
    """
    notable = [_told(result) for result in results if result.status != _SILENT]
    tell(results=notable, nothingToSay=len(results) - len(notable))


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
    """What gunicorn reports of its processes, as our own lines; it never sees a request."""

    def emit(self, record: logging.LogRecord) -> None:
        """One line, with the message and without the text of an exception."""
        error = {"error": place(record.exc_info[1])} if record.exc_info else {}
        write = getattr(_log, record.levelname.lower(), _log.error)
        write("server", at=f"{record.module}:{record.lineno}", message=record.getMessage(), **error)
