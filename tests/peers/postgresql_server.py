"""A PostgreSQL server on loopback, as Debian's package postgresql has it."""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import psycopg.sql

_USER = "postgres"
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "max_connections": "40",
    "shared_buffers": "32MB",
}


@dataclass(frozen=True, slots=True)
class Server:
    """A server that runs: the URL of its first database, which is empty."""

    url: str
    _control: tuple[object, ...]
    _start: tuple[object, ...]

    @contextlib.contextmanager
    def database(self) -> Iterator[str]:
        """A database of its own; its URL."""
        name = psycopg.sql.Identifier(f"records_{secrets.token_hex(6)}")
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(name))
        yield f"{self.url.rpartition('/')[0]}/{name.as_string().strip(chr(34))}"
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(psycopg.sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """The server is not there while the block runs, and at the same port again after it."""
        _run(*self._control, "-m", "fast", "stop")
        try:
            yield
        finally:
            _run(*self._control, *self._start)


@contextlib.contextmanager
def serving() -> Iterator[Server]:
    """The server while the block runs, in a folder that is then removed."""
    programs = _programs()
    password = secrets.token_urlsafe(16)
    with tempfile.TemporaryDirectory(prefix="postgresql-") as name:
        folder = Path(name)
        (folder / "password").write_text(password, "utf-8")
        for path in (folder, folder / "password"):
            _give(path)
        data = folder / "data"
        _run(programs / "initdb", "-D", data, "-U", "cds", "-A", "scram-sha-256", "--pwfile", folder / "password",
             "-E", "UTF8", "--locale=C", "--no-sync")  # fmt: skip
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        options = " ".join(f"-c {name}='{value}'" for name, value in {**_SETTINGS, "port": str(port)}.items())
        control = programs / "pg_ctl", "-D", data, "-w", "-t", "60"
        start = "-l", folder / "log", "-o", options, "start"
        _run(*control, *start)
        try:
            yield Server(f"postgresql://cds:{password}@127.0.0.1:{port}/postgres", control, start)
        finally:
            _run(*control, "-m", "immediate", "stop")


def _programs() -> Path:
    """The folder of the newest version that is installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("initdb")
    assert found or on_path, "these tests start a PostgreSQL server of their own: install Debian's package postgresql"
    return found[-1].parent if found else Path(str(on_path)).resolve().parent


def _run(*command: object) -> None:
    # The server refuses to be root's.
    other = {"user": _USER, "group": _USER, "extra_groups": []} if os.geteuid() == 0 else {}
    done = subprocess.run(  # noqa: S603  # on loopback, with our own options
        [str(part) for part in command],
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        timeout=120,
        check=False,
        **other,  # type: ignore[call-overload]
    )
    assert done.returncode == 0, done.stderr.decode()


def _give(path: Path) -> None:
    if os.geteuid() == 0:
        account = pwd.getpwnam(_USER)
        os.chown(path, account.pw_uid, account.pw_gid)
