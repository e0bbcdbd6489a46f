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
from pathlib import Path

import psycopg

_USER = "postgres"
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "max_connections": "40",
    "shared_buffers": "32MB",
}


@contextlib.contextmanager
def serving() -> Iterator[str]:
    """The server while the block runs, in a folder that is then removed; a URL of an empty database."""
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
        _run(*control, "-l", folder / "log", "-o", options, "start")
        try:
            yield f"postgresql://cds:{password}@127.0.0.1:{port}/postgres"
        finally:
            _run(*control, "-m", "immediate", "stop")


@contextlib.contextmanager
def database(server: str) -> Iterator[str]:
    """A database of its own on a server of ``serving``; its URL."""
    name = f"records_{secrets.token_hex(6)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    yield f"{server.rpartition('/')[0]}/{name}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


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
