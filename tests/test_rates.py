"""How often a client may call: counted for each, over all processes, and not by strangers."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from cds_service.clients import Client, load_clients
from cds_service.config import Config
from cds_service.web import create_app
from cds_service.web.rates import Rates
from cds_service.web.refusals import TooManyCalls
from cds_service.web.shared_store import StoreDown

from .peers import redis_server
from .protocol import ORDER_SIGN, is_outcome, order_sign, post
from .tokens import NOW, call, catalogue, guarded, key_set, known, service, signer, written

ES = signer("ES384")
OTHER = signer("ES384", "key-of-another")
THREE = Client("three", calls_per_minute=3)


@pytest.fixture
def file(tmp_path: Path) -> str:
    return str(tmp_path / "calls.sqlite")


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    with redis_server.serving() as url:
        yield url


@pytest.fixture
def caller(tmp_path: Path) -> FlaskClient:
    """A service for two clients of three calls a minute each."""
    others = {"id": "other", "issuer": "https://other.example", "callsPerMinute": 3}
    members = (known(callsPerMinute=3), known(**others))
    return service(guarded(tmp_path, written(tmp_path, *members, keys=key_set(ES, OTHER))))


def let_in(rates: Rates, client: Client, calls: int) -> int:
    count = 0
    for _ in range(calls):
        with contextlib.suppress(TooManyCalls):
            rates.count(client)
            count += 1
    return count


def test_the_last_call_of_a_minute_is_answered_and_the_next_is_not(caller: FlaskClient) -> None:
    assert [call(caller, ES.token(ORDER_SIGN)).status_code for _ in range(5)] == [200, 200, 200, 429, 429]


def test_a_client_over_its_limit_is_told_when_to_try_again(
    caller: FlaskClient, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = [call(caller, ES.token(ORDER_SIGN)) for _ in range(4)]
    assert is_outcome(answers[-1])
    assert answers[-1].json["issue"][0]["code"] == "throttled"  # type: ignore[index]
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60
    assert '"refused":"too-many-calls"' in capsys.readouterr().out.splitlines()[-1]


def test_one_client_does_not_use_up_the_calls_of_another(caller: FlaskClient) -> None:
    for _ in range(4):
        call(caller, ES.token(ORDER_SIGN))
    assert call(caller, ES.token(ORDER_SIGN)).status_code == 429
    assert call(caller, ES.token(ORDER_SIGN, iss="https://other.example")).status_code == 200


def test_feedback_counts_like_a_call(caller: FlaskClient) -> None:
    path = f"{ORDER_SIGN}/feedback"
    entry = {"card": "c", "outcome": "overridden", "outcomeTimestamp": "2026-01-01T00:00:00Z"}
    entries = {"feedback": [entry]}
    answers = [call(caller, ES.token(path), path, entries).status_code for _ in range(4)]
    assert answers == [200, 200, 200, 429]


def test_forged_and_repeated_tokens_use_up_nothing(caller: FlaskClient) -> None:
    forger = signer("ES384", "a-stranger")
    token = ES.token(ORDER_SIGN)
    assert call(caller, token).status_code == 200
    for _ in range(10):
        assert call(caller, token).status_code == 401
        assert call(caller, forger.token(ORDER_SIGN, head={"kid": ES.kid})).status_code == 401
    assert [call(caller, ES.token(ORDER_SIGN)).status_code for _ in range(3)] == [200, 200, 429]


def test_a_known_client_has_a_limit_and_an_anonymous_one_only_if_it_is_set(tmp_path: Path) -> None:
    clients = load_clients(written(tmp_path, known(), {"id": "anyone", "anonymous": True}), [])
    assert [client.calls_per_minute for client in (*clients.known, clients.anonymous)] == [6000, 0]


def test_where_nobody_shows_a_token_all_callers_are_counted_together_if_a_limit_is_set(tmp_path: Path) -> None:
    off = Config(auth="off", shared_store=str(tmp_path / "store.sqlite"))
    free = create_app(off, catalogue(), lambda: NOW).test_client()
    assert {post(free, ORDER_SIGN, order_sign()).status_code for _ in range(10)} == {200}
    assert not (tmp_path / "store.sqlite").exists()
    file = written(tmp_path, {"id": "anyone", "anonymous": True, "callsPerMinute": 2})
    limited = create_app(dataclasses.replace(off, clients=file), catalogue(), lambda: NOW).test_client()
    assert [post(limited, ORDER_SIGN, order_sign()).status_code for _ in range(3)] == [200, 200, 429]


def test_a_new_minute_is_a_new_count(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rates = Rates(file)
    monkeypatch.setattr("time.time", lambda: 1_800_000_000.0)
    assert let_in(rates, THREE, 5) == 3
    monkeypatch.setattr("time.time", lambda: 1_800_000_059.9)
    assert let_in(rates, THREE, 5) == 0
    monkeypatch.setattr("time.time", lambda: 1_800_000_060.0)
    assert let_in(rates, THREE, 5) == 3


def test_processes_and_threads_that_share_a_file_count_together(file: str) -> None:
    client = Client("hundred", calls_per_minute=100)
    stores = [Rates(file) for _ in range(4)]
    counted: list[int] = []
    threads = [threading.Thread(target=lambda s=s: counted.append(let_in(s, client, 40))) for s in stores * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(counted) == 100


def test_a_file_that_is_gone_is_down_and_nobody_is_let_in(tmp_path: Path, file: str) -> None:
    with pytest.raises(StoreDown):
        Rates(str(tmp_path / "no" / "folder"))
    rates = Rates(file)
    Path(file).unlink()
    Path(file).mkdir()
    with pytest.raises(StoreDown):
        rates.count(THREE)


@pytest.mark.integration
@pytest.mark.enable_socket
def test_machines_that_share_a_redis_server_count_together(redis_url: str) -> None:
    one, two = Rates(redis_url), Rates(redis_url)
    assert let_in(one, THREE, 2) + let_in(two, THREE, 2) == 3
    assert let_in(one, Client("another", calls_per_minute=1), 2) == 1
    with pytest.raises(TooManyCalls) as caught:
        two.count(THREE)
    assert 1 <= caught.value.seconds <= 60


@pytest.mark.loopback
@pytest.mark.enable_socket
def test_a_redis_server_that_is_not_there_is_down_and_nothing_of_its_url_is_told() -> None:
    with pytest.raises(StoreDown) as caught:
        Rates("redis://:canary@127.0.0.1:1/0").count(THREE)
    assert "canary" not in str(caught.value)
