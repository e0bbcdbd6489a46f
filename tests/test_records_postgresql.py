"""Records in PostgreSQL: the same rows as in SQLite, once each, and answers go out while it is down."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from flask.testing import FlaskClient
from sqlalchemy import Table, select

from cds_service.config import Config
from cds_service.records import database, open_recorder, tables
from cds_service.web import create_app

from . import ehr as bench
from .ehr import NOW, ZONE
from .peers import postgresql_server
from .test_records import URL, accepted, ask, overridden, say

pytestmark = [pytest.mark.integration, pytest.mark.enable_socket]

Json = dict[str, Any]


@pytest.fixture(scope="module")
def server() -> Iterator[postgresql_server.Server]:
    with postgresql_server.serving() as started:
        yield started


@pytest.fixture
def empty(server: postgresql_server.Server) -> Iterator[str]:
    with server.database() as made:
        yield made


@pytest.fixture
def url(empty: str) -> str:
    store = database.engine(empty)
    database.migrate(store)
    store.dispose()
    return empty


def hospital(url: str, **changed: Any) -> FlaskClient:
    config = Config(timezone=ZONE, auth="off", records=url, **changed)
    return create_app(config, bench.catalogue_with({}), lambda: NOW).test_client()


def rows(url: str, table: Table, wanted: int = 1) -> list[Json]:
    """The rows of a table, as soon as there are so many."""
    store = database.engine(url)
    for _ in range(300):
        with database.reading(store) as connection:
            found = [dict(row) for row in connection.execute(select(table)).mappings()]
        if len(found) >= wanted:
            break
        time.sleep(0.05)
    store.dispose()
    return found


def test_migrations_make_the_tables_that_the_code_writes(empty: str) -> None:
    store = database.engine(empty)
    assert not database.is_current(store)
    assert database.migrate(store)[0] == ""
    assert database.migrate(store) == ("0001", "0001")
    with store.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), tables.metadata) == []
    store.dispose()


def test_a_call_its_cards_and_what_was_in_force_are_recorded(url: str) -> None:
    answer = ask(hospital(url))
    (row,) = rows(url, tables.invocation)
    assert (row["service"], row["status"], row["at"]) == (URL.rpartition("/")[2], 200, round(NOW.timestamp() * 1000))
    assert "deficient" in [f["outcome"] for r in row["results"] for f in r.get("findings", [])]
    (configuration,) = rows(url, tables.configuration)
    assert configuration["digest"] == row["configuration"]
    cards = sorted(rows(url, tables.card, len(answer["cards"])), key=lambda card: card["position"])
    assert [card["uuid"] for card in cards] == [card["uuid"] for card in answer["cards"]]


def test_feedback_is_recorded_once_however_often_and_however_late_it_comes(url: str) -> None:
    caller = hospital(url, record_comments=True)
    card = ask(caller)["cards"][0]
    first, late = accepted(card), overridden("of-another-machine", "words")
    assert [say(caller, first), say(caller, first, late), say(caller, late, first, first)] == [200, 200, 200]
    rows(url, tables.feedback, 2)
    time.sleep(0.5)
    assert sorted(row["card"] for row in rows(url, tables.feedback, 2)) == sorted([card["uuid"], "of-another-machine"])
    assert [row["text"] for row in rows(url, tables.comment)] == ["words"]


def test_many_machines_may_write_the_same_feedback_at_once(url: str) -> None:
    callers = [hospital(url) for _ in range(4)]
    entries = [overridden(f"card-{number}") for number in range(50)]

    def tell(caller: FlaskClient) -> None:
        for entry in entries:
            assert say(caller, entry) == 200

    threads = [threading.Thread(target=tell, args=(caller,)) for caller in callers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows(url, tables.feedback, 50)
    time.sleep(1)
    assert len(rows(url, tables.feedback, 50)) == 50


def test_texts_that_postgresql_refuses_are_recorded_without_what_it_refuses(url: str) -> None:
    caller = hospital(url)
    ask(caller, hookInstance="a\x00b" + "x" * 500)
    say(caller, overridden("\x00card" + "y" * 500, "in words"))
    assert rows(url, tables.invocation)[0]["hook_instance"] == ("ab" + "x" * 500)[:100]
    assert rows(url, tables.feedback)[0]["card"].startswith("cardyyy")


def test_purging_takes_what_is_older_and_nothing_else(url: str) -> None:
    caller = hospital(url, record_comments=True)
    for _ in range(3):
        ask(caller)
    say(caller, overridden("a-card", "words"))
    rows(url, tables.invocation, 3), rows(url, tables.comment)
    instant = round(NOW.timestamp() * 1000)
    store = database.engine(url)
    assert database.purge(store, instant) == (0, 0)
    assert database.older(store, instant + 1) == (3, 1)
    assert database.purge(store, instant + 1) == (3, 1)
    store.dispose()
    for table in reversed(tables.metadata.sorted_tables):
        assert rows(url, table, 0) == []


def test_tables_are_not_changed_by_a_service_that_starts(empty: str, capsys: pytest.CaptureFixture[str]) -> None:
    open_recorder(empty)
    assert "cds-service records migrate" in capsys.readouterr().out
    store = database.engine(empty)
    assert not database.is_current(store)
    store.dispose()


def test_a_call_before_the_tables_are_up_to_date_is_answered_and_recorded_afterwards(empty: str) -> None:
    caller = hospital(empty)
    assert [ask(caller)["status"] for _ in range(5)] == [200] * 5
    store = database.engine(empty)
    database.migrate(store)
    store.dispose()
    assert len(rows(empty, tables.invocation, 5)) == 5


def test_while_the_server_is_down_answers_go_out_and_records_wait_until_it_is_there() -> None:
    with postgresql_server.serving() as server:
        store = database.engine(server.url)
        database.migrate(store)
        store.dispose()
        caller = hospital(server.url)
        assert ask(caller)["status"] == 200
        assert len(rows(server.url, tables.invocation)) == 1
        with server.stopped():
            assert [ask(caller)["status"] for _ in range(10)] == [200] * 10
        assert len(rows(server.url, tables.invocation, 11)) == 11
