"""Records: one row for each call and card, feedback once, and never in the way of an answer."""

from __future__ import annotations

import copy
import datetime
import json
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from flask.testing import FlaskClient
from prometheus_client import REGISTRY
from sqlalchemy import Engine

from cds_service.cdshooks import parse_feedback
from cds_service.config import Config
from cds_service.records import StoreDown, WrongDatabase, database, open_recorder, tables
from cds_service.records.entries import Recorded, feedback
from cds_service.records.existing import VERSION
from cds_service.records.recorder import Recorder
from cds_service.web import create_app

from . import ehr as bench
from .ehr import NOW, ZONE
from .vignettes import Vignette, load, paths

Json = dict[str, Any]

DEFICIENT = next(load(p) for p in paths() if p.parent.name == "iv-bisphosphonate-vitamin-d" and "deficient" in p.stem)
URL = f"/cds-services/bone-health-{DEFICIENT.hook}"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "records.sqlite"


def hospital(file: Path, **changed: Any) -> FlaskClient:
    config = Config(timezone=ZONE, auth="off", records=f"sqlite:///{file}", **changed)
    return create_app(config, bench.catalogue_with({}), lambda: NOW).test_client()


def ask(caller: FlaskClient, vignette: Vignette = DEFICIENT, **changed: Any) -> Json:
    services = caller.get("/cds-services").get_json()["services"]
    service = next(s for s in services if s["hook"] == vignette.hook)
    with caller.post(f"/cds-services/{service['id']}", json={**bench.request(service, vignette), **changed}) as answer:
        told: Json = answer.get_json()
        return {**told, "status": answer.status_code}


def say(caller: FlaskClient, *entries: Json, service: str = URL) -> int:
    with caller.post(f"{service}/feedback", json={"feedback": list(entries)}) as answer:
        return answer.status_code


def accepted(card: Json, number: int = 0, at: str = "2026-11-23T10:00:00Z") -> Json:
    suggestion = card["suggestions"][number]["uuid"]
    return {"card": card["uuid"], "outcome": "accepted", "acceptedSuggestions": [{"id": suggestion}],
            "outcomeTimestamp": at}  # fmt: skip


def overridden(card: str, comment: str = "", at: str = "2026-11-23T10:00:00Z") -> Json:
    reason = {
        "reason": {"code": "r", "system": "https://ehr.example/reasons"},
        **({"userComment": comment} if comment else {}),
    }
    return {"card": card, "outcome": "overridden", "overrideReason": reason, "outcomeTimestamp": at}


def rows(file: Path, table: str, wanted: int = 1) -> list[Json]:
    """The rows of a table, as soon as there are so many."""
    for _ in range(200):
        with closing(sqlite3.connect(file)) as connection:
            connection.row_factory = sqlite3.Row
            found = [dict(row) for row in connection.execute(f"SELECT * FROM {table}")]  # noqa: S608  # our own names
        if len(found) >= wanted:
            break
        time.sleep(0.05)
    return found


def test_a_call_is_recorded_with_every_rule_its_version_and_the_values_in_force(file: Path) -> None:
    answer = ask(hospital(file))
    (row,) = rows(file, "invocation")
    assert (row["service"], row["hook"], row["status"]) == (URL.rpartition("/")[2], DEFICIENT.hook, 200)
    assert row["at"] == round(NOW.timestamp() * 1000)
    assert row["duration_us"] > 0
    assert UUID(row["id"]).version == 7
    assert UUID(row["id"]).int >> 80 == row["at"], "it begins with the instant"
    results = {r["rule"]: r for r in json.loads(row["results"])}
    entry = next(e for e in bench.catalogue_with({}).entries if e.service.hook == DEFICIENT.hook)
    assert results.keys() == {r.rule.id for r in entry.rules}
    assert "deficient" in [f["outcome"] for f in results["iv-bisphosphonate-vitamin-d"]["findings"]]
    (configuration,) = rows(file, "configuration")
    assert configuration["digest"] == row["configuration"]
    document = json.loads(configuration["document"])
    for rule in entry.rules:
        known = document["rules"][rule.rule.id]
        assert known["version"] == rule.knowledge.version
        assert known["values"].keys() == set(rule.parameters(NOW.date()))
    assert document["shared"]["cards"]["values"] == {"max_cards": 6}
    cards = sorted(rows(file, "card", len(answer["cards"])), key=lambda card: card["position"])
    assert [card["uuid"] for card in cards] == [card["uuid"] for card in answer["cards"]]
    assert {card["invocation"] for card in cards} == {row["id"]}
    assert all(card["shown"] for card in cards)


def test_a_call_that_was_not_checked_is_recorded_too(file: Path) -> None:
    assert ask(hospital(file), prefetch={})["status"] == 412
    (row,) = rows(file, "invocation")
    assert row["status"] == 412
    results = {r["rule"]: r for r in json.loads(row["results"])}
    assert "withheld" in [g["kind"] for g in results["iv-bisphosphonate-vitamin-d"]["gaps"]]


def test_a_record_holds_nothing_of_the_patient(file: Path) -> None:
    ask(hospital(file))
    rows(file, "card")
    content = b"".join(path.read_bytes() for path in file.parent.glob("records.sqlite*"))
    words = [DEFICIENT.chart[0]["id"], DEFICIENT.chart[0].get("birthDate", "-"), "14 ng/mL"]
    assert [word for word in words if word.encode() in content] == []


def test_feedback_is_recorded_once_however_often_and_however_late_it_comes(file: Path) -> None:
    caller = hospital(file)
    card = ask(caller)["cards"][0]
    first, late = accepted(card), overridden("of-another-machine")
    assert [say(caller, first), say(caller, first, late), say(caller, late, first, first)] == [200, 200, 200]
    assert say(caller, overridden(card["uuid"], at="2026-11-24T10:00:00Z")) == 200
    told = rows(file, "feedback", 3)
    time.sleep(0.5)
    assert len(rows(file, "feedback", 3)) == 3
    assert sorted(row["card"] for row in told) == sorted([card["uuid"], card["uuid"], "of-another-machine"])
    assert json.loads(next(r for r in told if r["outcome"] == "accepted")["suggestions"]) == [
        card["suggestions"][0]["uuid"]
    ]


@pytest.mark.parametrize("kept", [False, True])
def test_what_a_clinician_wrote_is_kept_only_where_a_site_says_so(file: Path, kept: bool) -> None:
    caller = hospital(file, record_comments=kept)
    say(caller, overridden("some-card", comment="the patient told me"))
    assert len(rows(file, "feedback")) == 1
    assert [row["text"] for row in rows(file, "comment", int(kept))] == ["the patient told me"] * kept
    content = b"".join(path.read_bytes() for path in file.parent.glob("records.sqlite*"))
    assert (b"the patient told me" in content) is kept


def test_texts_that_databases_refuse_are_recorded_without_what_they_refuse(file: Path) -> None:
    caller = hospital(file)
    ask(caller, hookInstance="a\x00b" + "x" * 500)
    say(caller, overridden("\x00card" + "y" * 500))
    assert rows(file, "invocation")[0]["hook_instance"] == ("ab" + "x" * 500)[:100]
    assert rows(file, "feedback")[0]["card"].startswith("cardyyy")


def test_where_nothing_is_recorded_no_file_is_made(tmp_path: Path) -> None:
    caller = create_app(Config(timezone=ZONE, auth="off"), bench.catalogue_with({}), lambda: NOW).test_client()
    ask(caller)
    assert list(tmp_path.iterdir()) == []


# -- the database is ill ----------------------------------------------------------------------------------------------


def test_while_the_database_is_locked_answers_go_out_and_records_wait(file: Path) -> None:
    caller = hospital(file)
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        answers = [ask(caller) for _ in range(20)]
        other.execute("ROLLBACK")
    assert all(answer["status"] == 200 for answer in answers)
    assert len(rows(file, "invocation", 20)) == 20


def test_a_database_that_was_gone_at_the_start_gets_its_records_when_it_is_there(tmp_path: Path) -> None:
    folder = tmp_path / "volume"
    caller = hospital(folder / "records.sqlite")
    assert ask(caller)["status"] == 200
    folder.mkdir()
    open_recorder(f"sqlite:///{folder / 'records.sqlite'}")
    assert len(rows(folder / "records.sqlite", "invocation")) == 1


def test_what_does_not_fit_into_the_queue_is_counted(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    open_recorder(f"sqlite:///{file}")
    keeper = Recorder(f"sqlite:///{file}", capacity=3)
    before = REGISTRY.get_sample_value("cds_records_lost_total") or 0
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        for _ in range(10):
            keeper.take(Recorded)
        assert keeper.lost + keeper.waiting <= 10
        assert keeper.lost >= 3
        other.execute("ROLLBACK")
    assert "records lost" in capsys.readouterr().out
    keeper.close()
    assert keeper.written + keeper.lost == 10
    assert (REGISTRY.get_sample_value("cds_records_lost_total") or 0) - before == keeper.lost


def test_records_that_come_together_are_written_together(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each alone would cost several times as much."""
    written: list[int] = []

    def write(store: Engine, batch: Sequence[Recorded]) -> None:
        written.append(len(batch))
        really(store, batch)

    really = database.write
    open_recorder(f"sqlite:///{file}")
    monkeypatch.setattr("cds_service.records.database.write", write)
    keeper = Recorder(f"sqlite:///{file}")
    for _ in range(50):
        keeper.take(Recorded)
    keeper.close()
    assert keeper.written == sum(written) == 50
    assert len(written) <= 10


def test_a_record_that_cannot_be_made_or_written_is_lost_alone(file: Path) -> None:
    open_recorder(f"sqlite:///{file}")
    keeper = Recorder(f"sqlite:///{file}")
    good = {"digest": "d", "card": "c", "at": 1, "received": 1, "service": "s", "client": "c", "outcome": "accepted",
            "suggestions": [], "reasons": []}  # fmt: skip
    keeper.take(lambda: Recorded(feedback=(good,)))
    keeper.take(lambda: Recorded(feedback=({**good, "digest": "e", "at": "no instant", "reasons": object()},)))
    keeper.take(lambda: Recorded(feedback=({**good, "digest": "f"},)))
    keeper.take(lambda: 1 / 0)  # type: ignore[arg-type, return-value]
    keeper.close()
    assert {row["digest"] for row in rows(file, "feedback", 2)} == {"d", "f"}
    assert (keeper.written, keeper.lost) == (2, 2)


@pytest.mark.parametrize("url", ["mysql://x", "nonsense", "sqlite", "oracle://a/b"])
def test_a_url_that_no_database_of_records_can_have_is_said_at_the_start(url: str) -> None:
    with pytest.raises(WrongDatabase):
        open_recorder(url)


# -- tables -----------------------------------------------------------------------------------------------------------


def test_the_version_that_the_code_asks_for_is_that_of_the_last_migration(file: Path) -> None:
    """A start reads the version by itself; alembic is imported only for another one."""
    store = database.engine(f"sqlite:///{file}")
    assert not database.is_current(store)
    assert database.migrate(store) == ("", VERSION)
    scripts = ScriptDirectory(str(Path(database.__file__).parent / "migrations"))
    assert scripts.get_current_head() == VERSION
    assert database.is_current(store)
    with store.begin() as connection:
        assert MigrationContext.configure(connection).get_current_revision() == VERSION
        connection.execute(tables.version.update().values(version_num="0000"))
    assert not database.is_current(store)
    with pytest.raises(CommandError, match="0000"):
        database.migrate(store)
    store.dispose()


def test_migrations_make_the_tables_that_the_code_writes(file: Path) -> None:
    store = database.engine(f"sqlite:///{file}")
    assert not database.is_current(store)
    assert database.migrate(store)[0] == ""
    assert database.is_current(store)
    with store.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), tables.metadata) == []
    store.dispose()


def test_purging_takes_what_is_older_and_nothing_else(file: Path) -> None:
    caller = hospital(file)
    for _ in range(3):
        ask(caller)
    say(caller, overridden("a-card"))
    rows(file, "invocation", 3), rows(file, "feedback")
    instant = round(NOW.timestamp() * 1000)
    store = database.engine(f"sqlite:///{file}")
    assert database.purge(store, instant) == (0, 0)
    assert len(rows(file, "invocation", 3)) == 3
    assert database.purge(store, instant + 1) == (3, 1)
    for table in ("invocation", "card", "feedback", "configuration"):
        assert rows(file, table, 0) == []
    store.dispose()


def test_a_file_that_is_no_database_is_down(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("not a database " * 100, "utf-8")
    store = database.engine(f"sqlite:///{tmp_path / 'text'}")
    with pytest.raises(StoreDown):
        database.is_current(store)
    store.dispose()


def test_the_same_entry_has_the_same_digest_wherever_it_is_heard() -> None:
    said = parse_feedback({"feedback": [overridden("a-card")]})
    later = NOW + datetime.timedelta(days=2)
    one, two = feedback(said, "a", "s", NOW, False), feedback(copy.deepcopy(said), "b", "t", later, True)
    assert one.feedback[0]["digest"] == two.feedback[0]["digest"]
