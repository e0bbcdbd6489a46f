"""Runs the application under gunicorn, in several processes."""

from __future__ import annotations

from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication

from . import log
from .worker import Log, Worker


class _Server(BaseApplication):
    def __init__(self, app: Flask, options: dict[str, Any]) -> None:
        self._app = app
        self._options = options
        super().__init__()

    def load_config(self) -> None:
        for name, value in self._options.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        return self._app


def serve(app: Flask, *, host: str, port: int, workers: int) -> None:
    """Serves until stopped. The application is loaded once and shared by the worker processes it forks into."""
    log.take_over()
    options = {
        "bind": f"{host}:{port}",
        "workers": workers,
        "worker_class": Worker,
        "logger_class": Log,
        "threads": 4,
        "timeout": 30,
        "graceful_timeout": 10,
        "keepalive": 5,
        "accesslog": None,
        "errorlog": "-",
        "loglevel": "warning",
        "preload_app": True,
    }
    _Server(app, options).run()
