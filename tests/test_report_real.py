"""The report over a thousand real calls: through HTTP, in SQLite and in PostgreSQL, and in a real browser."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner, Result
from flask.testing import FlaskClient

from cds_service.__main__ import main
from cds_service.config import Config
from cds_service.evaluation import evaluate
from cds_service.exact_json import parse
from cds_service.records import database
from cds_service.report.page import html
from cds_service.web import create_app

from . import ehr as bench
from .ehr import NOW, ZONE
from .peers import chromium, postgresql_server
from .recorded import Json, Records, reason, records, result, sqlite_url
from .vignettes import Vignette, load, paths

pytestmark = [pytest.mark.integration, pytest.mark.enable_socket]

CALLS = 1000
BUILD = Path(__file__).parent.parent / "build"


@pytest.fixture(scope="module")
def server() -> Iterator[postgresql_server.Server]:
    with postgresql_server.serving() as started:
        yield started


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield sqlite_url(tmp_path)
    else:
        with request.getfixturevalue("server").database() as made:
            yield made


def some_vignettes() -> list[Vignette]:
    """One of each topic, those that are not checked among them; without those that need a site of their own."""
    plain = [v for v in map(load, paths()) if not v.site and not v.enable]
    by_folder = {v.rule: v for v in plain}
    unchecked = next(v for v in plain if v.status == 412)
    return [*list(by_folder.values())[::3], unchecked]


@dataclass
class Heard:
    """What came back over HTTP, and what was said about it."""

    statuses: Counter[int] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    gaps: Counter[tuple[str, str]] = field(default_factory=Counter)
    cards: list[Json] = field(default_factory=list)
    said: list[tuple[str, str, str, str]] = field(default_factory=list)  # time, card, outcome, reason

    def became(self) -> dict[str, tuple[str, str]]:
        """The outcome and the reason of the latest that was said about each card."""
        return {card: (outcome, why) for _, card, outcome, why in sorted(self.said)}


def called(url: str, *arguments: str) -> Result:
    told = CliRunner().invoke(main, list(arguments), env={"CDS_RECORDS": url})
    assert told.exit_code == 0, told.output
    return told


def a_thousand_calls(caller: FlaskClient, rng: random.Random) -> Heard:
    services = {s["hook"]: s for s in caller.get("/cds-services").get_json()["services"]}
    catalogue = bench.catalogue_with({})
    prepared = []
    for vignette in some_vignettes():
        service = services[vignette.hook]
        body = bench.request(service, vignette)
        rules = evaluate(catalogue, parse(json.dumps(body).encode()), service["id"], NOW, ZONE).to_json()["rules"]
        prepared.append((service["id"], body, rules))
    heard = Heard()
    for number in range(CALLS):
        service_id, body, rules = prepared[number % len(prepared)]
        with caller.post(f"/cds-services/{service_id}", json=body) as answer:
            heard.statuses[answer.status_code] += 1
            heard.cards += answer.get_json().get("cards", [])
        for one in rules:
            heard.asked[one["rule"]] += 1
            heard.outcomes.update({(one["rule"], f["outcome"]) for f in one.get("findings", [])})
        heard.gaps.update({(g["key"], g["kind"]) for one in rules for g in one.get("gaps", [])})
    posts = 0
    while posts < CALLS:
        entries = [said(heard, rng) for _ in range(rng.choice([1, 1, 1, 4]))]
        for again in range(rng.choice([1, 1, 2])):
            service_id = prepared[(posts + again) % len(prepared)][0]
            with caller.post(f"/cds-services/{service_id}/feedback", json={"feedback": entries}) as answer:
                assert answer.status_code == 200
            posts += 1
    return heard


def said(heard: Heard, rng: random.Random) -> Json:
    card: Json = rng.choice(heard.cards) if rng.random() < 0.95 else {"uuid": f"unknown-{rng.random()}"}
    at = f"2027-03-{rng.randrange(10, 28)}T10:00:{len(heard.said) % 60:02}.{len(heard.said) // 60:03}Z"
    if card.get("suggestions") and rng.random() < 0.4:
        heard.said.append((at, card["uuid"], "accepted", ""))
        taken = [{"id": card["suggestions"][0]["uuid"]}]
        return {"card": card["uuid"], "outcome": "accepted", "acceptedSuggestions": taken, "outcomeTimestamp": at}
    why = rng.choice(["", "done", "declined"])
    heard.said.append((at, card["uuid"], "overridden", why))
    entry = {"card": card["uuid"], "outcome": "overridden", "outcomeTimestamp": at}
    return {**entry, "overrideReason": {"reason": {"code": why, "display": f"It was {why}."}}} if why else entry


def written(url: str, calls: int, entries: int) -> None:
    store = database.engine(url)
    for _ in range(600):
        if database.older(store, 2**60) == (calls, entries):
            break
        time.sleep(0.1)
    assert database.older(store, 2**60) == (calls, entries)
    store.dispose()


def test_a_thousand_calls_are_counted_as_they_were_answered(url: str, tmp_path: Path) -> None:
    called(url, "records", "migrate")
    app = create_app(Config(timezone=ZONE, auth="off", records=url), bench.catalogue_with({}), lambda: NOW)
    heard = a_thousand_calls(app.test_client(), random.Random(11))
    written(url, CALLS, len(set(heard.said)))
    told: Json = json.loads(called(url, "report", "--json").stdout)

    assert told["calls"] == CALLS
    assert {s["status"]: s["calls"] for s in told["statuses"]} == heard.statuses
    assert set(heard.statuses) == {200, 412}
    rules = {r["rule"]: r for r in told["rules"]}
    assert {name: r["asked"] for name, r in rules.items() if r["asked"]} == heard.asked
    outcomes = {(name, o["outcome"]): o["calls"] for name, r in rules.items() for o in r["outcomes"]}
    assert outcomes == heard.outcomes
    assert len(outcomes) > 5
    gaps: Counter[tuple[str, str]] = Counter()
    for one in told["gaps"]:
        gaps[one["key"], one["kind"]] += one["calls"]
    assert gaps == heard.gaps

    became = heard.became()
    assert told["silent"] == 0
    for name, offers in (("offering", True), ("telling", False)):
        cards = [card for card in heard.cards if bool(card.get("suggestions")) is offers]
        assert counted(told[name]) == responses(cards, became)
        by_rule: dict[str, list[Json]] = {}
        for card in cards:
            for rule in rules_of(card):
                by_rule.setdefault(rule, []).append(card)
        assert {n: counted(r[name]) for n, r in rules.items() if r[name]["cards"]} == {
            rule: responses(some, became) for rule, some in by_rule.items()
        }
    reasons: Counter[tuple[str, str]] = Counter()
    for card in heard.cards:
        outcome, why = became.get(card["uuid"], ("", ""))
        if outcome == "overridden":
            reasons.update((rule, why) for rule in rules_of(card))
    assert {(n, r["code"]): r["cards"] for n, rule in rules.items() for r in rule["reasons"]} == reasons
    unknown = sum(card.startswith("unknown") for _, card, _, _ in set(heard.said))
    assert told["feedback"]["unknown"] == unknown > 0
    known = sum(card["uuid"] in became for card in heard.cards)
    assert told["feedback"]["counted"] == known
    assert told["feedback"]["superseded"] == len(set(heard.said)) - unknown - known
    (everything, *_) = told["latency"]
    assert everything["calls"] == CALLS
    assert 0 < everything["p50Us"] <= everything["p90Us"] <= everything["p99Us"]

    lines = [json.loads(line) for line in called(url, "records", "export").stdout.splitlines()]
    assert sorted(line["card"]["uuid"] for line in lines) == sorted(card["uuid"] for card in heard.cards)
    assert sum(len(line["feedback"]) for line in lines) == len(set(heard.said)) - unknown
    assert len(called(url, "records", "export", "--format", "csv").stdout.splitlines()) == 1 + len(set(heard.said))

    page = tmp_path / "report.html"
    called(url, "report", "--html", str(page))
    seen = chromium.opened(page)
    assert seen.dom.count("<svg") == 5
    assert seen.asked == frozenset()
    assert "1,000" in seen.dom


def rules_of(card: Json) -> set[str]:
    findings = card.get("extension", {}).get("org.bone-health-cds.findings", [])
    return {f["ruleId"] for f in findings} or {card["source"]["topic"]["code"]}


def counted(answers: Json) -> tuple[int, int, int, int]:
    return answers["cards"], answers["accepted"], answers["overridden"], answers["unanswered"]


def responses(cards: list[Json], became: dict[str, tuple[str, str]]) -> tuple[int, int, int, int]:
    outcomes = Counter(became.get(card["uuid"], ("", ""))[0] for card in cards)
    return len(cards), outcomes["accepted"], outcomes["overridden"], outcomes[""]


def test_a_report_reads_one_state_while_records_are_written(url: str) -> None:
    with records(url) as kept:
        kept.call(1)
        kept.write()
        with database.reading(kept.store) as connection:
            before: Any = connection.exec_driver_sql("SELECT count(*) FROM invocation").scalar_one()
            with records(url) as other:
                other.random.seed(8)
                other.call(2)
                other.write()
            assert connection.exec_driver_sql("SELECT count(*) FROM invocation").scalar_one() == before == 1
        assert kept.report().calls == 2


def test_a_page_that_asks_other_hosts_is_seen_by_the_check_of_this_file(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    image = '<img src="http://192.0.2.7:8123/x"><link rel="stylesheet" href="https://elsewhere.example/y.css">'
    page.write_text(f"<!DOCTYPE html><title>x</title>{image}", "utf-8")
    assert chromium.opened(page).asked == {"http://192.0.2.7:8123/x", "https://elsewhere.example/y.css"}


def test_the_page_is_photographed_wide_and_narrow_light_and_dark(tmp_path: Path) -> None:
    BUILD.mkdir(exist_ok=True)
    with records(sqlite_url(tmp_path)) as kept:
        a_busy_quarter(kept)
        (BUILD / "report.html").write_text(html(kept.report(), ZoneInfo("UTC")), "utf-8")
    for name, width, dark in (("wide", 1280, False), ("wide-dark", 1280, True), ("narrow", 500, False)):
        picture = BUILD / f"report-{name}.png"
        picture.unlink(missing_ok=True)
        chromium.photographed(BUILD / "report.html", picture, width, 4000, dark=dark)
        assert picture.stat().st_size > 50_000


def a_busy_quarter(kept: Records) -> None:
    """Records such as a hospital may have, with a rule that nobody follows."""
    rng = kept.random
    names = sorted({v.rule for v in map(load, paths())})
    for number in range(2000):
        said_here, cards = [], []
        for place, name in enumerate(names):
            applies = rng.random() < 0.2 / (place + 1)
            said_here.append(result(name, *(["deficient"] if applies else [])))
            if applies:
                cards.append(kept.card(name, suggestions=rng.choice([0, 1, 2])))
        at = 1_790_000_000_000 + number * 3_600_000
        kept.call(at, cards, said_here, rng.choice(["north", "south"]), duration_us=rng.randrange(2000, 90_000))
        for card in cards:
            taken = card["suggestions"] and rng.random() > 0.3 and card["rule"] != names[0]
            if rng.random() < 0.5:
                why = [] if taken else [reason(rng.choice(["done", "declined"]), "Already treated elsewhere")]
                kept.said(card, "accepted" if taken else "overridden", at + 60_000, reasons=why)
