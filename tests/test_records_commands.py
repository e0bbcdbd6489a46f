"""The records on the command line: brought up to date, purged, exported, and every wrong word told."""

from __future__ import annotations

import csv
import datetime
import io
import json
import zoneinfo
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cds_service.__main__ import main
from cds_service.command_line import periods
from cds_service.records import database
from cds_service.records.export import FIELDS, harmless, instant

from .recorded import Records, milliseconds, reason, records, result, sqlite_url

LOW = "vitamin-d-low"
NOW = datetime.datetime(2026, 3, 31, 12, 30, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin"))


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Records]:
    with records(sqlite_url(tmp_path)) as made:
        yield made


def called(folder: Path, *arguments: str, text: str = "", **environment: str) -> Result:
    settings = {"CDS_RECORDS": sqlite_url(folder), **environment}
    return CliRunner().invoke(main, ["records", *arguments], input=text, env=settings)


# -- tables -----------------------------------------------------------------------------------------------------------


def test_migrate_says_what_was_and_what_is(tmp_path: Path) -> None:
    first, second = called(tmp_path, "migrate"), called(tmp_path, "migrate")
    assert "was without tables, is now: 0001" in first.output
    assert "is up to date already: 0001" in second.output


@pytest.mark.parametrize("command", [("export",), ("purge", "--older-than", "1d"), ("migrate",)])
@pytest.mark.parametrize(
    ("url", "said"),
    [("off", "CDS_RECORDS is off"), ("mysql://x", "mysql is not supported"), ("nonsense", "a database URL such as"),
     ("sqlite:////nowhere/at/all.sqlite", "/nowhere/at/all.sqlite")],
)  # fmt: skip
def test_a_database_that_cannot_be_used_is_said(tmp_path: Path, command: tuple[str, ...], url: str, said: str) -> None:
    told = called(tmp_path, *command, CDS_RECORDS=url)
    assert told.exit_code == 1
    assert said in told.output
    assert "Traceback" not in told.output


def test_reading_makes_no_file_and_asks_for_tables_that_are_up_to_date(tmp_path: Path) -> None:
    assert "is not there: nothing was recorded yet" in called(tmp_path, "export").output
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "records.sqlite").touch()
    assert "run records migrate" in called(tmp_path, "export").output


def test_a_password_is_not_told(tmp_path: Path) -> None:
    told = called(tmp_path, "export", CDS_RECORDS="postgresql://cds:secret@127.0.0.1:9/x")
    assert told.exit_code == 1
    assert "cannot be used now" in told.output
    assert "secret" not in told.output


# -- spans and dates --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("span", "before"),
    [
        ("1d", "2026-03-30T12:30+02:00"),
        ("2w", "2026-03-17T12:30+01:00"),
        ("1m", "2026-02-28T12:30+01:00"),
        ("13m", "2025-02-28T12:30+01:00"),
        ("3m", "2025-12-31T12:30+01:00"),
        ("6y", "2020-03-31T12:30+02:00"),
        ("6Y", "2020-03-31T12:30+02:00"),
    ],
)
def test_a_span_reaches_back_to_the_same_clock_time(span: str, before: str) -> None:
    assert periods.before(NOW, span) == datetime.datetime.fromisoformat(before)


def test_a_leap_day_less_a_year_is_the_last_of_february() -> None:
    leap = datetime.datetime(2028, 2, 29, tzinfo=datetime.UTC)
    assert periods.before(leap, "1y").date() == datetime.date(2027, 2, 28)
    assert periods.before(leap, "4y").date() == datetime.date(2024, 2, 29)


@pytest.mark.parametrize("span", ["", "6", "y", "0d", "-1d", "1.5y", "6 years", "9999y", "99999m", "999999d", "１d"])
def test_what_is_no_span_is_refused(span: str) -> None:
    with pytest.raises(ValueError, match=r"expected a span|before the calendar"):
        periods.before(NOW, span)


@pytest.mark.parametrize(
    ("text", "end", "is_"),
    [
        ("2026-03-29", False, "2026-03-29T00:00+01:00"),
        ("2026-03-29", True, "2026-03-30T00:00+02:00"),
        ("2026-03-29T10:00Z", True, "2026-03-29T10:00+00:00"),
        ("7d", False, "2026-03-24T12:30+01:00"),
    ],
)
def test_a_date_is_a_whole_day_of_the_site(text: str, end: bool, is_: str) -> None:
    assert periods.instant(text, NOW, end=end) == datetime.datetime.fromisoformat(is_)


# -- purge ------------------------------------------------------------------------------------------------------------


def old_and_new(kept: Records) -> None:
    now = datetime.datetime.now(datetime.UTC)
    for days in (1, 2190, 2195):
        at = round((now - datetime.timedelta(days=days)).timestamp() * 1000)
        card = kept.card(LOW)
        kept.call(at, [card])
        kept.said(card, "overridden", at, received=at, comment="words")
    kept.write()


def test_purge_says_how_much_asks_and_deletes_what_is_older(kept: Records, tmp_path: Path) -> None:
    old_and_new(kept)
    dry = called(tmp_path, "purge", "--older-than", "2193d", "--dry-run")
    assert "1 calls with their cards and 1 feedback entries from before" in dry.output
    assert "would be deleted" in dry.output
    refused = called(tmp_path, "purge", "--older-than", "2193d", text="n\n")
    assert refused.exit_code == 1
    assert "Delete 1 calls" in refused.output
    assert called(tmp_path, "purge", "--older-than", "2193d").exit_code == 1  # nobody is there to say yes
    assert database.older(kept.store, 2**60) == (3, 3)
    assert "1 feedback entries" in called(tmp_path, "purge", "--older-than", "2193d", text="y\n").output
    assert database.older(kept.store, 2**60) == (2, 2)
    assert "deleted." in called(tmp_path, "purge", "--older-than", "8w", "--yes").output
    assert database.older(kept.store, 2**60) == (1, 1)
    assert "nothing to delete" in called(tmp_path, "purge", "--older-than", "8w").output


def test_purge_refuses_what_is_no_span(kept: Records, tmp_path: Path) -> None:
    told = called(tmp_path, "purge", "--older-than", "forever", "--yes")
    assert told.exit_code == 2
    assert "'forever': expected a span such as 30d" in told.output
    assert called(tmp_path, "purge", "--yes").exit_code == 2


# -- export -----------------------------------------------------------------------------------------------------------


def test_an_export_holds_each_card_whole_with_its_call_and_its_feedback(kept: Records, tmp_path: Path) -> None:
    at = milliseconds("2026-11-23T10:00:00+00:00")
    first, second = kept.card(LOW, "calcium-high"), kept.card("calcium-high", suggestions=0)
    row = kept.call(at, [first, second], [result(LOW, "deficient")])
    kept.call(at - 1, [], [result(LOW)])
    early = kept.said(first, "overridden", at + 1, reasons=[reason("r", "Nö")], comment="much\nto say")
    late = kept.said(first, "accepted", at + 2)
    kept.write()
    lines = [json.loads(line) for line in called(tmp_path, "export").stdout.splitlines()]
    assert [line["card"]["uuid"] for line in lines] == [first["uuid"], second["uuid"]]
    told = lines[0]
    assert {**told["invocation"], "at": at} == row
    assert told["invocation"]["at"] == "2026-11-23T10:00:00.000Z"
    assert {name: told["card"][name] for name in first} == first
    assert told["rules"].keys() == {LOW, "calcium-high"}
    assert told["rules"][LOW] == {"version": "1.0.0", "values": {"limit": 30}}
    for heard, said, comment in zip(told["feedback"], (early, late), ("much\nto say", ""), strict=True):
        assert heard["comment"] == comment
        assert {**heard, "at": said["at"], "received": said["received"]} == {**said, "comment": comment}
    assert lines[1]["feedback"] == []


def test_an_export_is_limited_to_its_period_on_each_side(kept: Records, tmp_path: Path) -> None:
    days = (
        "2026-11-22T23:59:59.999+00:00",
        "2026-11-23T00:00:00+00:00",
        "2026-11-24T23:59:59.999+00:00",
        "2026-11-25T00:00+00:00",
    )
    for day in days:
        card = kept.card(LOW)
        kept.call(milliseconds(day), [card])
        kept.said(card, at=milliseconds(day))
    kept.write()
    limits = ("--since", "2026-11-23", "--until", "2026-11-24")
    lines = called(tmp_path, "export", *limits).stdout.splitlines()
    assert [json.loads(line)["invocation"]["at"] for line in lines] == [
        "2026-11-23T00:00:00.000Z",
        "2026-11-24T23:59:59.999Z",
    ]
    rows = list(csv.DictReader(io.StringIO(called(tmp_path, "export", "--format", "csv", *limits).stdout)))
    assert [row["date"] for row in rows] == ["2026-11-23T00:00:00.000Z", "2026-11-24T23:59:59.999Z"]


def test_feedback_is_exported_with_what_hti_1_asks_for(kept: Records, tmp_path: Path) -> None:
    card = kept.card(LOW)
    kept.call(0, [card], user="Practitioner/7")
    kept.said(card, "accepted", 1000, client="north")
    kept.said(card, "overridden", 2000, reasons=[reason("a", "Treated"), reason("b")], comment='Not now, "really"')
    kept.said("gone", "overridden", 3000)
    kept.write()
    out = called(tmp_path, "export", "--format", "csv").stdout
    header, *rows = csv.reader(io.StringIO(out))
    assert tuple(header) == FIELDS
    assert rows == [
        [f"{LOW} 1.0.0: deficient", "accepted: create MedicationRequest, delete MedicationRequest", "",
         "Practitioner/7", "1970-01-01T00:00:01.000Z", "north"],
        [f"{LOW} 1.0.0: deficient", "overridden", 'Treated; b; Not now, "really"',
         "Practitioner/7", "1970-01-01T00:00:02.000Z", "hospital"],
        ["unknown card gone", "overridden", "", "", "1970-01-01T00:00:03.000Z", "hospital"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    "cell", ["=1+1", "+1", "-1", "@SUM(A1)", "  =1", "\t=1", "\rx", "\nx", "\u00a0=1", "\uff1d1", "=cmd|' /C calc'!A0"]
)
def test_what_a_spreadsheet_would_compute_is_text(kept: Records, tmp_path: Path, cell: str) -> None:
    card = kept.card(LOW)
    kept.call(0, [card], user=cell)
    kept.said(card, "overridden", reasons=[reason("r", cell)], client=cell)
    kept.write()
    out = called(tmp_path, "export", "--format", "csv").stdout_bytes.decode()
    _, row = csv.reader(io.StringIO(out, newline=""))
    assert (row[2], row[3], row[5]) == (f"'{cell}",) * 3


@pytest.mark.parametrize("cell", ["", "a=1", "1-2", "Practitioner/7", "a@b", "'=1"])
def test_what_a_spreadsheet_would_not_compute_stays_as_it_is(cell: str) -> None:
    assert harmless(cell) == cell


@pytest.mark.parametrize(
    ("at", "told"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (1_795_000_000_007, "2026-11-18T11:06:40.007Z"),
    ],
)
def test_instants_are_told_to_the_millisecond(at: int, told: str) -> None:
    assert instant(at) == told


def test_an_empty_export_is_empty_and_not_an_error(kept: Records, tmp_path: Path) -> None:
    assert called(tmp_path, "export").stdout == ""
    assert called(tmp_path, "export", "--format", "csv").stdout.strip() == ",".join(FIELDS)
