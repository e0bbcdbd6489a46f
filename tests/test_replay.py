"""Spent tokens: each counts once, whoever asks, in whatever process, and is forgotten when it has expired."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import redis

from cds_service.web.replay import SpentTokens, spent_tokens
from cds_service.web.shared_store import StoreDown

from .peers import redis_server

NOW = 1_800_000_000.0


def name(number: int) -> bytes:
    return hashlib.sha256(str(number).encode()).digest()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "tokens.sqlite"


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    with redis_server.serving() as url:
        yield url


def each_once(store: SpentTokens) -> None:
    assert store.spend(name(1), NOW + 300, NOW)
    assert not store.spend(name(1), NOW + 300, NOW)
    assert store.spend(name(2), NOW + 300, NOW)
    assert not store.spend(name(1), NOW + 300, NOW + 299)


def test_a_file_remembers_each_token_also_for_the_next_process(file: Path) -> None:
    each_once(spent_tokens(str(file)))
    assert not spent_tokens(str(file)).spend(name(2), NOW + 300, NOW)


def test_what_has_expired_is_forgotten_and_nothing_before(file: Path) -> None:
    store = spent_tokens(str(file))
    for number in range(1000):
        assert store.spend(name(number), NOW + number, NOW)
    assert store.spend(name(5000), NOW + 2000, NOW + 560)
    with closing(sqlite3.connect(file)) as connection:
        left = {row[0] for row in connection.execute("SELECT token FROM spent")}
    assert left == {name(5000), *(name(number) for number in range(500, 1000))}


def _race(file: str, start: object, counts: object, first: int) -> None:
    store = spent_tokens(file)
    start.wait()  # type: ignore[attr-defined]
    won = sum(store.spend(name((number + first) % 2500), NOW + 300, NOW) for number in range(2500))
    counts.put(won)  # type: ignore[attr-defined]


def test_of_ten_thousand_uses_in_four_processes_each_token_counts_once(file: Path) -> None:
    """S2: 7,500 replays, none let in."""
    context = multiprocessing.get_context("spawn")
    start, counts = context.Barrier(4), context.Queue()
    processes = [context.Process(target=_race, args=(str(file), start, counts, 50 * n)) for n in range(4)]
    for process in processes:
        process.start()
    won = [counts.get(timeout=60) for _ in processes]
    for process in processes:
        process.join(30)
    assert sum(won) == 2500
    assert sum(1 for count in won if count) > 1


def test_threads_of_one_process_share_it(file: Path) -> None:
    store = spent_tokens(str(file))
    won: list[int] = []

    def race() -> None:
        won.append(sum(store.spend(name(number), NOW + 300, NOW) for number in range(200)))

    threads = [threading.Thread(target=race) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(won) == 200


def test_a_file_that_cannot_be_used_is_said_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("not a database " * 100, "utf-8")
    for place in ("no/such/folder/tokens.sqlite", ".", "text"):
        with pytest.raises(StoreDown):
            spent_tokens(str(tmp_path / place))


def test_a_file_that_is_locked_for_too_long_is_down_and_then_well_again(file: Path) -> None:
    store = spent_tokens(str(file))
    assert store.spend(name(1), NOW + 300, NOW)
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreDown):
            store.spend(name(2), NOW + 300, NOW)
        other.execute("ROLLBACK")
    assert store.spend(name(2), NOW + 300, NOW)


def test_the_file_is_its_owner_s_alone(file: Path) -> None:
    old = os.umask(0)
    try:
        spent_tokens(str(file)).spend(name(1), NOW + 300, NOW)
    finally:
        os.umask(old)
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.integration
@pytest.mark.enable_socket
def test_a_redis_server_remembers_each_token_for_all_machines(redis_url: str) -> None:
    each_once(spent_tokens(redis_url))
    assert not spent_tokens(redis_url).spend(name(2), NOW + 300, NOW)


@pytest.mark.integration
@pytest.mark.enable_socket
def test_redis_forgets_a_token_some_time_after_it_has_expired(redis_url: str) -> None:
    spent_tokens(redis_url).spend(name(9), NOW + 300, NOW)
    client = redis.Redis.from_url(redis_url)
    seconds = client.ttl(b"cds-token:" + name(9))
    client.close()
    assert 300 <= seconds <= 360


@pytest.mark.loopback
@pytest.mark.enable_socket
def test_a_redis_server_that_is_not_there_is_down_and_nothing_of_its_url_is_told() -> None:
    for url in ("redis://:canary@127.0.0.1:1/0", "redis://:canary@127.0.0.1:canary/0"):
        with pytest.raises(StoreDown) as caught:
            spent_tokens(url)
        assert "canary" not in str(caught.value)
