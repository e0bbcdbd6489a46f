"""A start waits for nothing that the first answer can do without, and what comes later is there for who needs it."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests
from sqlalchemy import text

from cds_service.examples import example
from cds_service.records import database, existing, open_recorder
from cds_service.web import server

from .protocol import ORDER_SIGN
from .running import ROOT, Running, free_port, launched, running
from .tokens import BASE, known, written

# Each takes from a twentieth to a third of a second to import.
OF_CLIENTS = {"cryptography", "jwt", "limits", "requests"}
OF_RECORDS = {"alembic", "sqlalchemy"}
OF_MODELS = {"fhir.resources", "pydantic"}

IMPORTED = """
import json, sys
from cds_service import __main__
from cds_service.config import from_environment
from cds_service.web import create_app
create_app(from_environment(json.loads(sys.argv[1])))
print(json.dumps(sorted(sys.modules)))
"""
# More threads than models, that change places as often as they can.
BUILT = """
import json, sys, threading
from cds_service.fhir.r4 import models
sys.setswitchinterval(1e-5)
asked = [(name, {"resourceType": name, **example}) for name, example in models._WARM.items()] * 3
asked += [(name, {**example, "id": 7}) for name, example in asked]
at_once, told = threading.Barrier(len(asked)), [None] * len(asked)
def ask(number):
    at_once.wait()
    told[number] = models.faults(*asked[number])
threads = [threading.Thread(target=ask, args=(number,)) for number in range(len(asked))]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert told == [models.faults(*one) for one in asked]
print(json.dumps([len(faults) for faults in told]))
"""
SERVED = """
import os, pathlib, sys, time
from flask import Flask
from cds_service.web.server import serve
def later():
    pathlib.Path(sys.argv[2], f"{os.getpid()}-begun").touch()
    time.sleep(0.5)
    pathlib.Path(sys.argv[2], str(os.getpid())).touch()
serve(Flask("x"), host="127.0.0.1", port=int(sys.argv[1]), workers=2, max_body=1000, later=[later])
"""


def python(code: str, *arguments: str) -> Any:
    """What a Python of its own prints as JSON, last of all."""
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)  # noqa: S603
    return json.loads(done.stdout.splitlines()[-1])


def imported(**settings: str) -> set[str]:
    return set(python(IMPORTED, json.dumps({"CDS_AUTH": "off", **settings})))


@contextlib.contextmanager
def preparing(folder: Path) -> Iterator[tuple[Running, Path]]:
    """Two processes that have something to do later, and the folder in which each leaves its marks."""
    port, marks = free_port(), folder / "marks"
    marks.mkdir()
    with launched([sys.executable, "-c", SERVED, str(port), str(marks)], port, folder / "log", os.environ) as served:
        yield served, marks


def until(marks: Path, pattern: str) -> set[str]:
    """Two marks, when they are there."""
    end = time.monotonic() + 60
    while len(found := {mark.name for mark in marks.glob(pattern)}) < 2:
        assert time.monotonic() < end
        time.sleep(0.02)
    return found


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "records.sqlite"


def test_without_clients_a_start_imports_none_of_what_they_need(file: Path) -> None:
    assert not imported(CDS_RECORDS=f"sqlite:///{file}") & (OF_CLIENTS | OF_MODELS)


def test_what_clients_need_is_imported_before_anybody_calls(tmp_path: Path) -> None:
    """Before the fork, so that the processes share it and no call waits for it."""
    common = {"CDS_SHARED_STORE": str(tmp_path / "tokens.sqlite"), "CDS_RECORDS": "off"}
    by_token = {"CDS_AUTH": "required", "CDS_BASE_URL": BASE, **common}
    file = written(tmp_path, known(keys={"url": "https://ehr.example/keys"}))
    assert imported(CDS_CLIENTS=str(file), **by_token) & OF_CLIENTS == OF_CLIENTS - {"requests"}
    lends = {"id": "gateway", "anonymous": True, "fhirServers": [{"url": "https://ehr.example/fhir"}]}
    file = written(tmp_path, lends)
    assert imported(CDS_CLIENTS=str(file), **common) & OF_CLIENTS == {"requests"}


def test_where_the_tables_are_up_to_date_a_start_does_without_sqlalchemy(file: Path) -> None:
    url = f"sqlite:///{file}"
    assert imported(CDS_RECORDS=url) & OF_RECORDS == OF_RECORDS, "a new file is given its tables"
    assert not imported(CDS_RECORDS=url) & OF_RECORDS


def test_a_file_is_known_to_be_up_to_date_by_its_one_version(file: Path) -> None:
    url = f"sqlite:///{file}"
    assert not existing.is_current(url)
    assert not file.exists(), "to look makes no file"
    open_recorder(url)
    assert existing.is_current(url)
    for change in ("UPDATE alembic_version SET version_num = '0000'", "DELETE FROM alembic_version"):
        with closing(sqlite3.connect(file)) as other, other:
            other.execute(change)
        assert not existing.is_current(url)


def test_what_is_no_plain_file_of_records_is_looked_at_in_full(file: Path) -> None:
    open_recorder(f"sqlite:///{file}")
    for url in (f"sqlite:///{file}?timeout=1", f"sqlite+pysqlite:///{file}", f"sqlite:///{file.parent}", "sqlite://"):
        assert not existing.is_current(url), url
    file.with_suffix(".txt").write_text("no database at all, but a text that is long enough to be taken for one" * 20)
    assert not existing.is_current(f"sqlite:///{file.with_suffix('.txt')}")


def test_both_looks_at_a_file_say_the_same(file: Path) -> None:
    url = f"sqlite:///{file}"
    store = database.engine(url)
    for version in ("", "0000", existing.VERSION):
        open_recorder(url)
        if version != existing.VERSION:
            with store.begin() as connection:
                connection.execute(text("UPDATE alembic_version SET version_num = :version"), {"version": version})
        assert existing.is_current(url) == database.is_current(store) == (version == existing.VERSION)
        with store.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = :now"), {"now": existing.VERSION})
    store.dispose()


def test_models_that_many_threads_meet_first_at_once_say_what_they_always_say() -> None:
    found = python(BUILT)
    assert len(found) > 20
    assert {min(found), max(found)} == {0, 1}, "each sound resource without a fault, each other with its one"


def test_what_cannot_be_prepared_is_logged_and_the_rest_is_done(capsys: pytest.CaptureFixture[str]) -> None:
    usual, done = sys.getswitchinterval(), threading.Event()

    def broken() -> None:
        raise RuntimeError("Patient Miller")

    server._prepare([broken, done.set])
    assert done.is_set()
    assert sys.getswitchinterval() == usual
    said = capsys.readouterr().out
    assert "not prepared" in said
    assert "RuntimeError" in said
    assert "Miller" not in said


@pytest.mark.loopback
@pytest.mark.enable_socket
def test_what_comes_later_is_done_in_each_process_that_answers_and_not_in_their_parent(tmp_path: Path) -> None:
    with preparing(tmp_path) as (served, marks):
        done = until(marks, "[0-9]*[0-9]")
        assert done == {str(pid) for pid in served.workers()}


@pytest.mark.loopback
@pytest.mark.enable_socket
def test_a_process_that_is_told_to_stop_meanwhile_ends_what_it_has_begun(tmp_path: Path) -> None:
    """Compiled code that is being loaded would else be torn from its thread, and the process abort."""
    with preparing(tmp_path) as (served, marks):
        begun = until(marks, "*-begun")
        served.process.terminate()
        assert served.process.wait(30) == 0
        assert {mark.name for mark in marks.iterdir()} == begun | {name.removesuffix("-begun") for name in begun}


@pytest.mark.loopback
@pytest.mark.enable_socket
def test_who_calls_at_once_with_what_needs_the_models_is_answered_like_everybody_later(tmp_path: Path) -> None:
    body = example("zoledronic-acid-deficient", datetime.datetime.now(datetime.UTC).date())
    for resource in body["prefetch"].values():
        for entry in (resource or {}).get("entry", ()):
            entry["resource"]["language"] = 7  # only the models can say what of this may be read
    with running(tmp_path, CDS_AUTH="off", CDS_RECORDS=f"sqlite:///{tmp_path / 'records.sqlite'}") as service:
        answers = [requests.post(service.base + ORDER_SIGN, json=body, timeout=30) for _ in range(20)]
        time.sleep(3)
        answers.append(requests.post(service.base + ORDER_SIGN, json=body, timeout=30))
    assert {answer.status_code for answer in answers} == {200}
    assert len({json.dumps([card["summary"] for card in answer.json()["cards"]]) for answer in answers}) == 1
    assert answers[0].json()["cards"]
