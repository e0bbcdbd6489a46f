"""The report: every number is what was recorded, no number says more than is known, and the page needs nothing."""

from __future__ import annotations

import json
import math
import sys
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import html5lib
import pytest
from click.testing import CliRunner, Result

from cds_service.__main__ import main
from cds_service.report import counting
from cds_service.report.counting import UnknownRule
from cds_service.report.numbers import Answers, Report, RuleNumbers
from cds_service.report.page import CHARTED, html
from cds_service.report.sections import sections
from cds_service.report.terminal import text
from cds_service.report.words import percent, share

from .recorded import (
    OUTCOMES,
    RULES,
    Json,
    Records,
    configuration,
    gap,
    milliseconds,
    reason,
    records,
    result,
    sqlite_url,
)

UTC = ZoneInfo("UTC")
LOW = "vitamin-d-low"


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Records]:
    with records(sqlite_url(tmp_path)) as made:
        yield made


def rule(report: Report, name: str = LOW) -> RuleNumbers:
    return next(one for one in report.rules if one.rule == name)


def called(folder: Path, *arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(main, list(arguments), env={"CDS_RECORDS": sqlite_url(folder), **environment})


# -- the numbers ------------------------------------------------------------------------------------------------------


def random_year(kept: Records, calls: int = 200) -> tuple[list[Json], list[Json]]:
    """Calls with their cards, and feedback: repeated, late, contradicting, for unknown and for silent cards."""
    rng = kept.random
    made, heard = [], []
    for _ in range(calls):
        results, cards = [], []
        for name in RULES:
            outcomes = [outcome for outcome in OUTCOMES if rng.random() < 0.3]
            gaps = [gap(rng.choice("ab"), rng.choice(["failed", "withheld"]), rng.choice("xy"))] * (rng.random() < 0.2)
            status = "" if outcomes else "not-evaluated" if gaps else rng.choice(["does-not-apply", "failed"])
            results.append(result(name, *outcomes, *outcomes, gaps=gaps, status=status))
            if outcomes:
                others = [other for other in RULES if other != name and rng.random() < 0.1]
                shown, offers = rng.random() < 0.9, rng.randrange(3)
                cards.append(kept.card(name, *others, shown=shown, suggestions=offers))
        at, client = rng.randrange(1000), rng.choice(["north", "south"])
        row = kept.call(at, cards, results, client, status=rng.choice([200, 200, 412]), service=rng.choice("st"),
                        duration_us=rng.randrange(1, 9000))  # fmt: skip
        made.append({**row, "cards": cards})
        for card in cards:
            for _ in range(rng.choice([0, 0, 1, 2])):
                outcome = rng.choice(["accepted", "overridden"])
                reasons = [reason(rng.choice("rst"))] * rng.randrange(3) if outcome == "overridden" else []
                heard.append(kept.said(card, outcome, rng.choice([5, 6, 3000]), reasons=reasons))
        if rng.random() < 0.1:
            heard.append(kept.said("somewhere else", "overridden", rng.randrange(1000)))
    rng.shuffle(kept.waiting)
    kept.waiting += kept.waiting[::3]  # what a client or a restart sends twice
    return made, heard


@pytest.mark.parametrize(("since", "until"), [(None, None), (200, 700), (None, 500), (500, None)])
def test_every_number_is_what_counting_by_hand_gives(kept: Records, since: int | None, until: int | None) -> None:
    made, heard = random_year(kept)
    told = kept.report(since, until)

    def within(at: int) -> bool:
        return (since or 0) <= at < (math.inf if until is None else until)

    made = [row for row in made if within(row["at"])]
    assert told.calls == len(made)
    assert (told.first, told.last) == (min(row["at"] for row in made), max(row["at"] for row in made))
    assert dict(told.statuses) == Counter(row["status"] for row in made)
    latest: dict[str, Json] = {}
    for entry in heard:
        known = latest.get(entry["card"])
        order = entry["at"], entry["received"], entry["digest"]
        if known is None or order > (known["at"], known["received"], known["digest"]):
            latest[entry["card"]] = entry
    for name in RULES:
        numbers, cards = rule(told, name), [c for r in made for c in r["cards"] if name in told_of(c)]
        said = [next(r for r in row["results"] if r["rule"] == name) for row in made]
        assert numbers.asked == len(made)
        assert numbers.applied == sum(r["status"] == "applies" for r in said)
        assert numbers.failed == sum(r["status"] == "failed" for r in said)
        assert numbers.not_evaluated == sum(r["status"] == "not-evaluated" for r in said)
        counted = Counter(o for r in said for o in {f["outcome"] for f in r.get("findings", [])})
        assert {o.outcome: o.calls for o in numbers.outcomes} == counted
        assert numbers.silent == sum(not card["shown"] for card in cards)
        shown = [card for card in cards if card["shown"]]
        for answers, offers in ((numbers.offering, True), (numbers.telling, False)):
            some = [card for card in shown if bool(card["suggestions"]) is offers]
            became = Counter(latest[c["uuid"]]["outcome"] if c["uuid"] in latest else "" for c in some)
            assert answers == Answers(len(some), became["accepted"], became["overridden"])
            assert answers.unanswered == became[""]
        reasons = Counter(
            code
            for c in shown
            if (entry := latest.get(c["uuid"])) and entry["outcome"] == "overridden"
            for code in ({r["code"] for r in entry["reasons"]} or {""})
        )
        assert {r.code: r.cards for r in numbers.reasons} == reasons
    gaps = Counter(
        one
        for r in made
        for one in {(g["key"], g["kind"], g["reason"]) for x in r["results"] for g in x.get("gaps", [])}
    )
    assert {(g.key, g.kind, g.reason): g.calls for g in told.gaps} == gaps
    cards = {card["uuid"]: card for row in made for card in row["cards"]}
    shown = [card for card in cards.values() if card["shown"]]
    assert (told.shown, told.silent) == (len(shown), len(cards) - len(shown))
    assert told.offering.accepted == sum(
        latest.get(c["uuid"], {}).get("outcome") == "accepted" for c in shown if c["suggestions"]
    )
    by_card = Counter(entry["card"] for entry in heard)
    assert told.feedback.counted == sum(card["uuid"] in latest for card in shown)
    assert told.feedback.silent == sum(uuid in latest for uuid, card in cards.items() if not card["shown"])
    assert told.feedback.superseded == sum(by_card[uuid] - 1 for uuid in cards if by_card[uuid])
    assert told.feedback.unknown == sum(e["card"] == "somewhere else" and within(e["at"]) for e in heard)
    assert {c.client: c.calls for c in told.clients} == Counter(row["client"] for row in made)
    for latency in told.latency:
        durations = sorted(r["duration_us"] for r in made if latency.service in ("", r["service"]))
        assert latency.calls == len(durations)
        for percentile, got in ((50, latency.p50_us), (90, latency.p90_us), (99, latency.p99_us)):
            assert sum(d <= got for d in durations) >= len(durations) * percentile / 100
            assert sum(d < got for d in durations) < len(durations) * percentile / 100
    assert [latency.service for latency in told.latency] == ["", "s", "t"]


def told_of(card: Json) -> set[str]:
    return {finding["ruleId"] for finding in card["findings"]}


def test_the_period_begins_with_its_first_instant_and_ends_before_its_last(kept: Records) -> None:
    for at in (99, 100, 199, 200):
        card = kept.card(LOW)
        kept.call(at, [card], [result(LOW, "deficient")])
        kept.said(card, at=5000)
    for at in (99, 100, 199, 200):
        kept.said("unknown", at=at)
    told = kept.report(100, 200)
    assert (told.calls, told.shown, told.offering.accepted, told.feedback.unknown) == (2, 2, 2, 2)
    assert (kept.report(100).calls, kept.report(None, 200).calls, kept.report(201).calls) == (3, 3, 0)


def test_the_latest_feedback_by_its_own_time_counts_whatever_the_order_in_which_it_came(kept: Records) -> None:
    first, second, third = (kept.card(LOW) for _ in range(3))
    kept.call(0, [first, second, third])
    kept.said(first, "overridden", 20, received=50)
    kept.said(first, "accepted", 10, received=60)
    kept.said(second, "accepted", 20, received=50)
    kept.said(second, "overridden", 10, received=60)
    kept.said(third, "accepted", 10, received=51)
    kept.said(third, "overridden", 10, received=50)
    assert kept.report().offering == Answers(3, accepted=2, overridden=1)
    assert kept.report().feedback.superseded == 3


def test_feedback_that_comes_before_its_card_is_written_counts_for_it(kept: Records) -> None:
    card = kept.card(LOW)
    kept.said(card)
    kept.write()
    assert kept.report().feedback.unknown == 1
    kept.call(0, [card])
    told = kept.report()
    assert (told.feedback.unknown, told.offering) == (0, Answers(1, 1, 0))


def test_a_card_of_two_rules_counts_for_both_and_once_in_all(kept: Records) -> None:
    card = kept.card("calcium-high", LOW)
    kept.call(0, [card])
    kept.said(card)
    told = kept.report()
    assert [(r.rule, r.offering.accepted) for r in told.rules] == [("calcium-high", 1), (LOW, 1)]
    assert told.offering == Answers(1, 1, 0)


def test_a_card_that_tells_of_no_rule_counts_for_what_made_it(kept: Records) -> None:
    kept.call(0, [{**kept.card("data-gaps", suggestions=0), "findings": []}], [result(LOW)])
    told = kept.report()
    assert rule(told, "data-gaps").telling.cards == 1
    assert rule(told, "data-gaps").asked == 0
    assert "data-gaps" not in [row[0] for s in sections(told, UTC) if s.id == "fired" for row in s.rows]


def test_a_card_without_suggestions_is_in_no_rate_of_acceptance(kept: Records) -> None:
    for _ in range(200):
        card = kept.card(LOW, suggestions=0)
        kept.call(0, [card])
        kept.said(card, "overridden")
    numbers = rule(kept.report())
    assert (numbers.offering, numbers.telling) == (Answers(), Answers(200, 0, 200))
    assert not numbers.for_review


def test_a_card_in_silent_mode_is_in_no_count_of_cards_shown(kept: Records) -> None:
    silent, shown = kept.card(LOW, shown=False), kept.card(LOW)
    kept.call(0, [silent, shown])
    kept.said(silent, "overridden", reasons=[reason("r")])
    told = kept.report()
    assert (told.silent, told.shown, told.offering) == (1, 1, Answers(1, 0, 0))
    assert (told.feedback.silent, told.feedback.counted, rule(told).reasons) == (1, 0, ())


@pytest.mark.parametrize(
    ("cards", "accepted", "flagged"),
    [
        (99, 0, False),
        (100, 0, True),
        (100, 9, True),
        (100, 10, False),
        (101, 10, True),
        (1000, 99, True),
        (1000, 100, False),
    ],
)
def test_a_rule_is_for_review_under_10_percent_of_100_cards(
    kept: Records, cards: int, accepted: int, flagged: bool
) -> None:
    made = [kept.card(LOW) for _ in range(cards)]
    kept.call(0, made)
    for card in made[:accepted]:
        kept.said(card)
    told = kept.report()
    assert [r.rule for r in told.for_review] == [LOW] * flagged
    assert told.to_json()["forReview"] == [LOW] * flagged


def test_versions_and_values_that_change_inside_the_period_are_told_and_no_others(kept: Records) -> None:
    for at, known in ((1, configuration()), (5, configuration()), (10, configuration("1.1.0")),
                      (20, configuration("1.1.0", 40))):  # fmt: skip
        kept.call(at, in_force=known)
    told = kept.report()
    low = [v for v in told.versions if v.id == LOW]
    assert [(v.version, v.first, v.last, v.calls) for v in low] == [
        ("1.0.0", 1, 5, 2),
        ("1.1.0", 10, 10, 1),
        ("1.1.0", 20, 20, 1),
    ]
    assert [[(c.name, c.before, c.after) for c in v.changes] for v in low] == [
        [], [("version", "1.0.0", "1.1.0")], [("limit", 30, 40)],
    ]  # fmt: skip
    assert {v.id for v in told.changed} == set(RULES)
    shared = [v for v in told.versions if v.shared]
    assert [(v.id, v.calls, v.changes) for v in shared] == [("cards", 4, ())]
    assert kept.report(None, 10).changed == ()
    assert len(kept.report(None, 11).changed) == len(RULES)
    assert "Versions or values changed inside the period" in text(told, UTC)
    assert "changed inside the period (" not in text(kept.report(None, 10), UTC)


def test_one_rule_alone_has_the_numbers_that_it_has_among_others(kept: Records) -> None:
    random_year(kept)
    whole, part = kept.report(), kept.report(None, None, LOW)
    assert part.rules == (rule(whole),)
    assert part.calls == whole.calls
    assert part.offering == rule(whole).offering
    assert {v.id for v in part.versions if not v.shared} == {LOW}
    assert 0 < sum(g.calls for g in part.gaps) < sum(g.calls for g in whole.gaps)
    assert "Only vitamin-d-low" in text(part, UTC)


def test_a_rule_that_no_record_knows_is_an_error_that_names_those_known(kept: Records) -> None:
    with pytest.raises(UnknownRule, match="none, as no call was recorded"):
        kept.report(None, None, LOW)
    kept.call(0)
    with pytest.raises(
        UnknownRule, match="no rule 'x' in the records; known: calcium-high, renal-limit, vitamin-d-low"
    ):
        kept.report(None, None, "x")


def test_an_empty_database_gives_a_report_that_says_so(kept: Records) -> None:
    told = kept.report()
    assert (told.calls, told.shown, told.rules, told.latency, told.first) == (0, 0, (), (), None)
    assert "No call was recorded" in text(told, UTC)
    assert "<svg" not in html(told, UTC)
    assert json.loads(json.dumps(told.to_json()))["calls"] == 0


def test_of_more_kinds_than_anybody_reads_the_rest_is_counted_together(
    kept: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "MOST_KINDS", 5)
    for number in range(12):
        card = kept.card(LOW)
        kept.call(0, [card], [result(LOW, gaps=[gap(reason=f"reason {number}")], status="not-evaluated")])
        kept.said(card, "overridden", reasons=[reason(f"code {number}")])
    told = kept.report()
    assert (len(told.gaps), sum(g.calls for g in told.gaps)) == (6, 12)
    assert (len(rule(told).reasons), sum(r.cards for r in rule(told).reasons)) == (6, 12)


def test_the_memory_that_counting_takes_does_not_grow_with_the_calls(kept: Records) -> None:
    def peak(calls: int) -> int:
        for number in range(calls):
            said = [result(f"{place}-{'long' * 10}", gaps=[gap(reason=f"{number % 7}")]) for place in range(10)]
            card = kept.card(LOW)
            kept.call(number, [card], [*said, result(LOW, str(kept.random.randrange(5)))], hook_instance=str(number))
            kept.said(card)
        kept.write(1000)
        counting._said.cache_clear()
        tracemalloc.start()
        kept.report()
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    kept.report()
    first = peak(1200)
    assert peak(2400) < 1.3 * first


# -- words ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("part", "whole", "told"),
    [
        (0, 0, "–"),
        (1, 3, "1 of 3"),
        (9, 19, "9 of 19"),
        (5, 20, "25.0 % (5 of 20)"),
        (1, 100_000, "< 0.1 % (1 of 100,000)"),
    ],
)
def test_a_percentage_stands_beside_its_counts_and_not_where_there_is_little_to_count(
    part: int, whole: int, told: str
) -> None:
    assert share(part, whole) == told


def test_almost_all_is_not_all_and_almost_nothing_is_not_nothing() -> None:
    assert [percent(n, 10_000) for n in (0, 1, 9_999, 10_000)] == ["0.0 %", "< 0.1 %", "> 99.9 %", "100.0 %"]


def test_a_client_that_never_answers_is_named_before_the_numbers(kept: Records) -> None:
    quiet, loud = kept.card(LOW), kept.card(LOW)
    kept.call(0, [quiet], client="mute")
    kept.call(0, [loud], client="hospital")
    kept.call(0, [], client="without-cards")
    kept.said(loud)
    told = text(kept.report(), UTC)
    assert "No feedback came from mute:" in told
    assert told.index("No feedback came from mute") < told.index("At a glance")


def test_json_holds_counts_and_instants_as_rfc_3339(kept: Records) -> None:
    card = kept.card(LOW)
    kept.call(milliseconds("2026-11-23T10:00:00+00:00"), [card], [result(LOW, "deficient")])
    told = kept.report(0).to_json()
    assert told["period"] == {"since": "1970-01-01T00:00:00.000Z", "until": None}
    assert told["first"] == "2026-11-23T10:00:00.000Z"
    assert told["rules"][0]["offering"] == {"cards": 1, "accepted": 0, "overridden": 0, "unanswered": 1}
    assert told["rules"][0]["notEvaluated"] == 0
    assert told["versions"][0]["values"] == {"limit": 30}
    assert told["latency"][0]["p50Us"] == 1000


# -- the page ---------------------------------------------------------------------------------------------------------

HOSTILE = (
    "<script>alert(1)</script>", '"><img src=https://evil.example/x onerror=alert(1)>', "</svg></style>", "$\\frac{1}$",
    "{{ 7*7 }}", "\x1b[31mred\x07", "\u202eesrever", "骨密度", "#010101 url(#x)", "&lt;b&gt;",
)  # fmt: skip


def hostile(kept: Records) -> Report:
    for number, words in enumerate(HOSTILE):
        card = kept.card(f"rule {words}")
        said = result(f"rule {words}", words, gaps=[gap(f"key {words}", "failed", f"why {words}")])
        kept.call(number, [card], [said], client=f"client {words}", service=f"service {words}")
        kept.said(card, "overridden", reasons=[reason(f"code {words}", f"display {words}")])
    return kept.report()


def parsed(page: str) -> Any:
    return html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(page)


def test_the_page_is_well_formed_and_loads_nothing(kept: Records) -> None:
    random_year(kept)
    page = html(kept.report(), UTC)
    document = parsed(page)
    tags = {element.tag for element in document.iter()}
    assert not tags & {"script", "img", "link", "iframe", "object", "embed", "base", "form", "a:href", "image", "use"}
    for element in document.iter():
        for name, value in element.attrib.items():
            assert name in ("content",) or "http" not in value, (name, value)
            if name in ("href", "src"):
                assert value.startswith("#")
            assert not str(name).startswith("on")
    assert "http://" not in page
    assert "https://" not in page
    assert "@import" not in page
    policy = next(e.get("content") for e in document.iter("meta") if e.get("http-equiv"))
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    ids = [element.get("id") for element in document.iter() if element.get("id")]
    assert len(ids) == len(set(ids))


def test_each_chart_has_a_title_a_description_and_a_table_beside_it(kept: Records) -> None:
    random_year(kept)
    document = parsed(html(kept.report(), UTC))
    charts = [element for element in document.iter() if str(element.tag).endswith("svg")]
    assert len(charts) == 5
    words = {e.get("id"): "".join(e.itertext()) for e in document.iter() if e.get("id")}
    for chart in charts:
        assert chart.get("role") == "img"
        for named in chart.get("aria-labelledby").split():
            assert words[named].strip()
    for section in document.iter("section"):
        if any(str(element.tag).endswith("svg") for element in section.iter()):
            assert [table.tag for table in section.iter("table")] == ["table"]


def test_texts_of_others_stay_texts_on_the_page_and_in_the_terminal(kept: Records) -> None:
    told = hostile(kept)
    page = html(told, UTC)
    document = parsed(page)
    assert not {element.tag for element in document.iter()} & {"script", "img"}
    everything = "".join(document.itertext())
    assert "display <script>alert(1)</script> (code <script>alert(1)</script>)" in everything
    assert "display {{ 7*7 }}" in everything
    assert "display $\\frac{1}$" in everything
    assert "骨密度" in everything
    for shown in (page, text(told, UTC)):
        assert not [c for c in shown if c in "\x1b\x07\u202e"]


def test_what_is_not_charted_is_said_and_stands_in_the_table(kept: Records) -> None:
    names = [f"rule-{number:02}" for number in range(CHARTED + 3)]
    kept.call(0, [kept.card(name) for name in names], [result(name, "deficient") for name in names])
    page = html(kept.report(), UTC)
    assert "The table has 3 more." in page
    assert all(f'<th scope="row">{name}</th>' in page for name in names)


# -- the command ------------------------------------------------------------------------------------------------------


def test_the_command_prints_numbers_for_people_machines_and_committees(kept: Records, tmp_path: Path) -> None:
    random_year(kept)
    kept.write()
    told = called(tmp_path, "report")
    assert told.exit_code == 0, told.output
    assert "What became of cards with suggestions" in told.output
    machine = called(tmp_path, "report", "--json", "--rule", LOW, "--since", "1970-01-01", "--until", "1970-01-01")
    assert json.loads(machine.stdout)["calls"] == 200
    assert [r["rule"] for r in json.loads(machine.stdout)["rules"]] == [LOW]
    page = tmp_path / "report.html"
    assert called(tmp_path, "report", "--html", str(page)).exit_code == 0
    assert parsed(page.read_text("utf-8")) is not None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--since", "yesterday"), "--since: 'yesterday': expected a date such as"),
        (("--since", "2026-02-30"), "'2026-02-30'"),
        (("--until", "2026-01-01T10:00"), "an offset as well"),
        (("--since", "0d"), "expected a span"),
        (("--since", "9999y"), "before the calendar begins"),
        (("--since", "2026-02-02", "--until", "2026-02-01"), "2026-02-02 is not before --until 2026-02-01"),
        (("--rule", "x"), "there is no rule 'x'"),
        (("--html", "/nowhere/at/all.html"), "cannot be written: No such file"),
    ],
)
def test_what_cannot_be_meant_is_said(kept: Records, tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    kept.call(0)
    kept.write()
    told = called(tmp_path, "report", *arguments)
    assert told.exit_code != 0
    assert said in " ".join(told.output.replace("│", " ").split())


def test_where_charts_cannot_be_drawn_the_command_says_what_to_install(
    kept: Records, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept.call(0)
    kept.write()
    monkeypatch.delitem(sys.modules, "cds_service.report.page")
    monkeypatch.delitem(sys.modules, "cds_service.report.charts")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    told = called(tmp_path, "report", "--html", str(tmp_path / "page.html"))
    assert told.exit_code == 1
    assert "pip install 'bone-health-cds[report]'" in told.output
    assert called(tmp_path, "report").exit_code == 0
