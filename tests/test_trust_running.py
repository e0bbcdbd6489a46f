"""Callers of the service as it is run: several processes, real sockets, the real clock."""

from __future__ import annotations

import contextlib
import datetime
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from .hostile_tokens import ES, FOREIGN
from .protocol import ORDER_SIGN, order_sign
from .running import running as running_service
from .tokens import BASE, known, written

pytestmark = [pytest.mark.loopback, pytest.mark.enable_socket]


@contextlib.contextmanager
def running(folder: Path, workers: int) -> Iterator[tuple[str, Path]]:
    """The service that asks for tokens, its spent ones in ``folder``: its base URL and its log."""
    settings = {"CDS_CLIENTS": str(folder / "clients.json"), "CDS_BASE_URL": BASE}
    with running_service(folder, workers, **settings) as service:
        yield service.base, service.log


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("running")
    written(folder, known())
    return folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[tuple[str, Path]]:
    with running(folder, 4) as started:
        yield started


def token() -> str:
    return ES.token(ORDER_SIGN, now=datetime.datetime.now(datetime.UTC))


def called(base: str, bearer: str) -> int:
    headers = {"Authorization": f"Bearer {bearer}"}
    return requests.post(f"{base}{ORDER_SIGN}", json=order_sign(), headers=headers, timeout=30).status_code


def test_a_token_used_in_one_process_is_refused_in_every_other(server: tuple[str, Path], folder: Path) -> None:
    """SVC-189: two services of their own that share a file."""
    with running(folder, 1) as (other, _):
        for first, second in ((server[0], other), (other, server[0])):
            bearer = token()
            assert called(first, bearer) == 200
            assert [called(second, bearer) for _ in range(3)] == [401] * 3


def test_a_token_is_refused_after_a_restart_too(folder: Path) -> None:
    bearer = token()
    with running(folder, 1) as (base, _):
        assert called(base, bearer) == 200
    with running(folder, 1) as (base, _):
        assert called(base, bearer) == 401


def test_of_many_uses_at_once_over_four_workers_one_is_let_in(server: tuple[str, Path]) -> None:
    """S2."""
    bearers = [token() for _ in range(10)]
    answers: list[tuple[str, int]] = []

    def use() -> None:
        answers.extend((bearer, called(server[0], bearer)) for bearer in bearers for _ in range(3))

    threads = [threading.Thread(target=use) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 480
    assert {status for _, status in answers} == {200, 401}
    assert sorted(bearer for bearer, status in answers if status == 200) == sorted(bearers)


def test_headers_that_no_client_sends_are_no_fault_of_the_server(server: tuple[str, Path]) -> None:
    """SVC-087, SVC-198."""
    base, log = server
    bearer = token()
    host, port = base.removeprefix("http://").split(":")
    for lines in (
        f"Authorization: Bearer {bearer}\r\nAuthorization: Bearer {bearer}",
        "Authorization: Bearer " + "x" * 100_000,
        "Authorization:",
        "Authorization: Bearer \xff\xfe.\xff.\xff",
        f"Authorization: Bearer\t{bearer}",
        f"Authorization: Bearer\r\n {bearer}",
    ):
        with socket.create_connection((host, int(port)), timeout=30) as connection:
            head = f"POST {ORDER_SIGN} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
            connection.sendall(f"{head}{lines}\r\n\r\n{{}}".encode("latin-1"))
            assert connection.recv(100).startswith((b"HTTP/1.1 4",)), lines[:60]
    assert called(base, bearer) == 200
    assert called(base, FOREIGN.token(ORDER_SIGN, now=datetime.datetime.now(datetime.UTC))) == 401
    text = log.read_text("utf-8")
    assert bearer not in text
    assert bearer.split(".")[2] not in text
