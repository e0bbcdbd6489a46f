"""A database that is locked or full, workers that are killed, a service that is stopped: nothing written is lost."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import signal
import sqlite3
import statistics
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests

from cds_service.examples import example
from cds_service.manifest import SHIPPED_MANIFEST

from .running import Running, running

pytestmark = [pytest.mark.integration, pytest.mark.enable_socket]

URL = "/cds-services/bone-health-order-sign"


def body() -> dict[str, Any]:
    made: dict[str, Any] = example("zoledronic-acid-deficient", datetime.datetime.now(datetime.UTC).date())
    return made


def ask(service: Running, times: int) -> list[float]:
    """So many calls, one after another: how long each took, in milliseconds. Every one is answered as ever."""
    sent, took = body(), []
    with requests.Session() as session:
        for _ in range(times):
            begun = time.monotonic()
            answer = session.post(service.base + URL, json=sent, timeout=30)
            took.append((time.monotonic() - begun) * 1000)
            assert answer.status_code == 200
            assert "14 ng/mL" in answer.text
    return took


def recorded(file: Path) -> int:
    with closing(sqlite3.connect(file, timeout=30)) as connection:
        return int(connection.execute("SELECT count(*) FROM invocation").fetchone()[0])


def comes_to(file: Path, wanted: int) -> bool:
    """Whether so many calls are recorded within half a minute."""
    for _ in range(150):
        with contextlib.suppress(sqlite3.OperationalError):
            if recorded(file) >= wanted:
                return True
        time.sleep(0.2)
    return False


def not_slower(well: list[float], ill: list[float], what: str) -> None:
    """Told as figures; asserted only so far that a busy machine does not matter and waiting for a lock does."""
    print(f"{what}: median {statistics.median(well):.1f} ms while well, {statistics.median(ill):.1f} ms while ill")
    assert statistics.median(ill) < 2 * statistics.median(well) + 100


def test_a_database_that_is_locked_for_half_a_minute_delays_nobody_and_gets_every_record(tmp_path: Path) -> None:
    file = tmp_path / "records.sqlite"
    with running(tmp_path, CDS_RECORDS=f"sqlite:///{file}") as service:
        well = ask(service, 50)
        assert comes_to(file, 50)
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            begun, ill = time.monotonic(), []
            while time.monotonic() - begun < 30:
                ill += ask(service, 5)
                time.sleep(0.5)
            other.execute("ROLLBACK")
        not_slower(well, ill, "locked")
        assert comes_to(file, len(well) + len(ill))
        assert service.number("cds_records_lost_total") == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of two megabytes."""
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)], check=True)  # noqa: S603, S607
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)  # noqa: S603, S607


def test_a_full_disk_delays_nobody_and_gets_the_records_once_there_is_room(small_disk: Path, tmp_path: Path) -> None:
    file, ballast = small_disk / "records.sqlite", small_disk / "ballast"
    with running(tmp_path, CDS_RECORDS=f"sqlite:///{file}") as service:
        well = ask(service, 30)
        assert comes_to(file, 30)
        with contextlib.suppress(OSError), ballast.open("wb") as out:
            for _ in range(4096):
                out.write(b"x" * 1024)
                out.flush()
        ill = ask(service, 60)
        assert "records wait" in service.log.read_text("utf-8")
        ballast.unlink()
        not_slower(well, ill, "disk full")
        assert comes_to(file, 90)
        assert service.number("cds_records_written_total") >= 90


class Load:
    """Callers side by side until they are stopped; what they got."""

    def __init__(self, base: str, threads: int) -> None:
        self.base = base
        self.answered = 0
        self.cut = 0
        self.refused = 0
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._call) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _call(self) -> None:
        sent = body()
        while not self._stop.is_set():
            # A connection of its own each time: on one that is kept, a server that stops may close before it is asked.
            try:
                answer = requests.post(self.base + URL, json=sent, timeout=30, headers={"Connection": "close"})
            except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
                refused = "refused" in str(error).lower()
                with self._lock:
                    self.refused += refused
                    self.cut += not refused
                time.sleep(0.02)
                continue
            with self._lock:
                self.answered += answer.status_code == 200


def test_a_worker_that_is_killed_loses_no_record_that_was_written_and_breaks_nothing(tmp_path: Path) -> None:
    file = tmp_path / "records.sqlite"
    with running(tmp_path, CDS_RECORDS=f"sqlite:///{file}") as service:
        load = Load(service.base, 4)
        for _ in range(3):
            time.sleep(2)
            written = service.number("cds_records_written_total")
            os.kill(service.workers()[0], signal.SIGKILL)
            time.sleep(0.2)
            assert recorded(file) >= written
        time.sleep(3)
        load.stop()
        print(f"answered {load.answered}, cut off {load.cut}, recorded {recorded(file)}")
        assert load.answered > 0
        assert ask(service, 3)
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


def test_a_service_that_is_stopped_answers_whom_it_has_heard_and_records_every_answer(tmp_path: Path) -> None:
    file = tmp_path / "records.sqlite"
    with running(tmp_path, CDS_RECORDS=f"sqlite:///{file}") as service:
        load = Load(service.base, 6)
        time.sleep(4)
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(30) == 0
        load.stop()
    heard = service.log.read_text("utf-8").count('"endpoint":"cds-services.call"')
    print(f"heard {heard}, answered {load.answered}, never heard {load.cut + load.refused}")
    assert load.answered > 0
    assert heard == load.answered
    assert recorded(file) == load.answered


def test_a_rule_is_stopped_in_every_process_within_seconds_while_callers_call(tmp_path: Path) -> None:
    manifest = json.loads(SHIPPED_MANIFEST.read_text("utf-8"))
    file = tmp_path / "manifest.json"
    file.write_text(json.dumps(manifest), "utf-8")
    with running(tmp_path, CDS_MANIFEST=str(file)) as service:
        assert ask(service, 3)
        load = Load(service.base, 4)
        time.sleep(2)
        manifest["site"]["disabledRules"].append("iv-bisphosphonate-vitamin-d")
        file.write_text(json.dumps(manifest), "utf-8")
        begun = last = time.monotonic()
        while time.monotonic() - begun < 10:
            answer = requests.post(service.base + URL, json=body(), timeout=30)
            if "14 ng/mL" in answer.text:
                last = time.monotonic()
        load.stop()
    print(f"the last card {last - begun:.1f} s after the manifest had changed; {load.answered} answers beside it")
    assert last - begun < 5
