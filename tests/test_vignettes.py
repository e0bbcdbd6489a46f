"""Every vignette in every dress, through HTTP: what must be said is said, and nothing loud beside it."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from cds_service import schemas

from . import ehr as bench
from .dresses import DRESSES, plain
from .ehr import Dress, Ehr, Json, Response, hospital
from .vignettes import Expected, Vignette, load, load_all, name_of, paths

LOUD = frozenset({"warning", "critical"})


def normal(text: str) -> str:
    """Text as it is compared: no commas between digits, one space for any white space, no upper case."""
    return re.sub(r"\s+", " ", re.sub(r"(?<=\d),(?=\d)", "", text)).casefold()


def carries(card: Json, expected: Expected) -> bool:
    """Whether the card tells the finding, with every text that must be mentioned."""
    told = any(
        (finding["ruleId"], finding["outcome"], finding["indicator"])
        == (expected.rule, expected.outcome, expected.indicator)
        and expected.order in ("", finding.get("orderId", ""))
        for finding in bench.findings(card)
    )
    words = normal(bench.words(card))
    return told and all(normal(mention) in words for mention in expected.mentions)


def matches(action: Json, pattern: Json) -> bool:
    """Whether an action is of the type, resource type, code and id asked for; what is not asked for may be anything."""
    resource = action.get("resource", {})
    concept = resource.get("medicationCodeableConcept") or resource.get("code") or {}
    codes = {coding.get("code") for coding in concept.get("coding", [])}
    ids = {action.get("resourceId"), f"{resource.get('resourceType')}/{resource.get('id')}"}
    return (
        action["type"] == pattern["type"]
        and pattern.get("resource", resource.get("resourceType")) == resource.get("resourceType")
        and ("code" not in pattern or pattern["code"] in codes)
        and ("id" not in pattern or pattern["id"] in ids)
    )


def wrong(vignette: Vignette, responses: list[Response], in_service: frozenset[str]) -> list[str]:
    """Everything in which the answers differ from what the vignette expects of the rules in service."""
    cards = [card for response in responses for card in response.cards]
    found = [finding for card in cards for finding in bench.findings(card)]
    actions = [action for response in responses for action in response.actions]
    expected = [finding for finding in vignette.findings if finding.rule in in_service | vignette.enable]
    listed = {(finding.rule, finding.outcome, finding.indicator) for finding in expected}
    whole = not vignette.waits_for(in_service)
    problems = [f"missing: {one}" for one in expected if not any(carries(card, one) for card in cards)]
    for finding in found:
        key = finding["ruleId"], finding["outcome"], finding["indicator"]
        if key not in listed and (finding["indicator"] in LOUD or finding["ruleId"] in vignette.silent):
            problems.append(f"unexpected: {key}")
    if whole:
        problems += [f"not suggested: {p}" for p in vignette.suggestions if not any(matches(a, p) for a in actions)]
    problems += [f"suggested: {p}" for p in vignette.no_suggestions if any(matches(a, p) for a in actions)]
    problems += [f"status {r.status}: {r.body}" for r in responses if whole and r.status != vignette.status]
    return problems


@pytest.mark.parametrize("dress", DRESSES, ids=lambda dress: dress.__name__)
@pytest.mark.parametrize("path", paths(), ids=name_of)
def test_a_vignette_is_answered_as_it_expects(
    path: Path, dress: Dress, in_service: frozenset[str], record_property: Callable[[str, object], None]
) -> None:
    vignette = load(path)
    responses = bench.run(vignette, dress)
    for response in responses:
        if response.status == 200:
            schemas.check(response.body, "response")
        else:
            assert response.body["resourceType"] == "OperationOutcome"
    for response in responses:
        shouting = sum(card["indicator"] in LOUD for card in response.cards)
        assert len(response.cards) <= max(6, shouting + 2), "too many cards"
        if dress is plain:
            record_property("cards", len(response.cards))
    problems = wrong(vignette, responses, in_service)
    summaries = [card["summary"] for response in responses for card in response.cards]
    assert not problems, "\n".join([vignette.title, *problems, "cards:", *summaries])


@pytest.mark.parametrize("path", paths(), ids=name_of)
def test_asking_twice_gives_the_same_findings(path: Path) -> None:
    vignette = load(path)
    assert bench.said(vignette) == bench.said(vignette)


@pytest.mark.parametrize("path", paths(), ids=name_of)
def test_a_vignette_has_the_form_of_its_schema(path: Path) -> None:
    schemas.check(json.loads(path.read_text(encoding="utf-8")), "vignette")


def test_every_vignette_runs_whole_or_names_a_rule_not_in_service(
    in_service: frozenset[str], switched_off: frozenset[str]
) -> None:
    vignettes = tuple(load_all())
    whole = [vignette for vignette in vignettes if vignette.rules <= in_service | vignette.enable]
    waiting = [vignette for vignette in vignettes if vignette.waits_for(in_service)]
    assert len(whole) + len(waiting) == len(vignettes)
    assert all(vignette.waits_for(in_service).isdisjoint(in_service) for vignette in waiting)
    assert {vignette.rule for vignette in whole} == in_service | switched_off, (
        "a rule in service has no vignette of its own"
    )


def test_every_site_value_a_vignette_sets_changes_what_is_said() -> None:
    for vignette in load_all():
        if vignette.site:
            plain = bench.hospital("{}", vignette.enable).call(vignette)
            there = {(f["outcome"], f["indicator"]) for response in plain for f in response.findings}
            own = {(outcome, indicator) for _, outcome, indicator, _ in bench.said(vignette)}
            assert own != there or vignette.name in SAME_EITHER_WAY, vignette.name


# On the other side of a site's own limit the answer is meant to stay as it was.
SAME_EITHER_WAY = frozenset(
    {
        "iv-bisphosphonate-vitamin-d/a-loading-dose-13-days-ago-where-the-site-accepts-one",
        "calcium-total-daily/2501-mg-at-forty-where-the-site-goes-by-age",
        "iv-bisphosphonate-vitamin-d/single-dose-of-49999-units-two-weeks-ago-where-the-site-accepts-a-loading-dose",
        "calcium-total-daily/at-fifty-one-the-upper-level-by-age-is-the-usual-one",
    }
)


def test_a_withheld_or_failed_key_is_one_the_service_asks_for(ehr: Ehr, in_service: frozenset[str]) -> None:
    for vignette in load_all():
        if not vignette.waits_for(in_service):
            services = hospital("{}", vignette.enable).services if vignette.enable else ehr.services
            keys = {key for service in services if service["hook"] == vignette.hook for key in service["prefetch"]}
            assert vignette.withhold | vignette.failed | set(vignette.unasked) <= keys, vignette.name


def test_what_a_vignette_does_not_expect_is_a_failure(in_service: frozenset[str]) -> None:
    loud = [v for v in load_all() if v.rules <= in_service and any(f.indicator in LOUD for f in v.findings)]
    assert loud
    for vignette in loud:
        responses = bench.run(vignette)
        silenced = dataclasses.replace(vignette, findings=())
        assert any(problem.startswith("unexpected") for problem in wrong(silenced, responses, in_service))
        asking = tuple(dataclasses.replace(f, mentions=("a word no card has",)) for f in vignette.findings)
        impatient = dataclasses.replace(vignette, findings=asking)
        assert any(problem.startswith("missing") for problem in wrong(impatient, responses, in_service))
