"""Runs the application under gunicorn, in several processes."""

from __future__ import annotations

import ctypes
import gc
import resource
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from threading import Thread
from typing import Any

import structlog
from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.config import Config as Settings
from gunicorn.glogging import Logger

from ..metrics import forget
from .connections import Limits
from .log import ServerLog, take_over
from .worker import BufferingWorker

_log = structlog.get_logger(__name__)

_M_ARENA_MAX = -8  # of malloc.h
_HELD = 128_000_000  # bytes of bodies that wait in a process, or four of the largest
_MOST_FILES = 16_384
_GARBAGE = 50_000  # objects that may be made, and not gone, before the youngest are looked at
_GIVE_WAY_SECONDS = 0.0005  # after which work for later lets a request on that has come meanwhile
_OTHER_FILES = 256  # of each process: modules, FHIR servers, the store of tokens
_MOST_CONNECTIONS = 2000  # of each process; a turn of its loop looks at each of them


class _Log(Logger):
    """What gunicorn has to say (a worker died, say) as JSON lines like all others."""

    def setup(self, cfg: Settings) -> None:
        super().setup(cfg)
        self.error_log.handlers = [ServerLog()]


class _Server(BaseApplication):
    def __init__(self, app: Flask, limits: Limits, options: dict[str, Any]) -> None:
        self.limits = limits
        self._app = app
        self._options = options
        super().__init__()

    def load_config(self) -> None:
        for name, value in self._options.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        return self._app


def serve(
    app: Flask, *, host: str, port: int, workers: int, max_body: int, later: Iterable[Callable[[], None]] = ()
) -> None:
    """Serves until stopped. The application is loaded once and shared by the worker processes it forks into.

    ``later`` is done in each process, one after another, when it listens.
    """
    take_over()
    _share_heaps()
    _settle()
    limits = Limits(body=max_body, connections=_connections(), held=max(_HELD, 4 * max_body))
    options = {
        "bind": f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
        "workers": workers,
        "worker_class": BufferingWorker,
        "timeout": 30,
        "graceful_timeout": 12,
        "accesslog": None,
        "loglevel": "warning",
        "logger_class": _Log,
        "preload_app": True,
        "control_socket_disable": True,
        # No daemon: a process that ends while compiled code is being loaded would abort, so it waits.
        "post_worker_init": lambda _worker: Thread(target=_prepare, args=(later,), name="later").start(),
        "child_exit": lambda _server, worker: forget(worker.pid),
    }
    _Server(app, limits, options).run()


def _prepare(later: Iterable[Callable[[], None]]) -> None:
    usual = sys.getswitchinterval()
    sys.setswitchinterval(_GIVE_WAY_SECONDS)
    for one in later:
        try:
            one()
        except Exception as error:  # nobody is above a thread; who needs it will fail by himself
            _log.error("not prepared", error=type(error).__name__)
    sys.setswitchinterval(usual)
    _settle()


def _share_heaps() -> None:
    """Tells glibc that threads share two heaps: one of each thread's own would keep what its largest request took.

    Another C library has no such setting, or no need of it.
    """
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)


def _settle() -> None:
    """Tells the garbage collector that what was made up to here stays, and to look for garbage less often.

    What a request makes goes without the collector's help, but for rare cycles; walking through all knowledge, and
    through the objects of a large request again and again, only costs time. What is not looked at also stays shared
    by the processes.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GARBAGE, 20, 20)


def _connections() -> int:
    """How many connections a process may have open, after it was allowed as many files as it can be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_FILES if hard == resource.RLIM_INFINITY else min(_MOST_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    most = _MOST_CONNECTIONS if soft == resource.RLIM_INFINITY else soft - _OTHER_FILES
    return max(32, min(_MOST_CONNECTIONS, most))
