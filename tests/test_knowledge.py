"""Every number of the knowledge is pinned by a patient: moved by one in its last place, it changes what is said."""

from __future__ import annotations

import dataclasses
import datetime
import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from cds_service.catalogue import Catalogue, SiteValue
from cds_service.config import Config
from cds_service.evaluation import evaluate
from cds_service.knowledge import Knowledge, KnowledgeError, load
from cds_service.web import create_app
from cds_service.web.wire import parse

from . import ehr as bench
from .conftest import rules_switched_off
from .ehr import NOW, ZONE, Ehr
from .vignettes import Vignette, load_all

# What stands in the text and nowhere else: pinned by the words of a card, not by its outcome.
LABELS = frozenset(
    {
        ("vitamin-d-status", "severe"),
        ("calcium-drug-separation", "levothyroxine_hours"),
        ("calcium-drug-separation", "fluoroquinolone_hours"),
        ("calcium-drug-separation", "tetracycline_hours"),
        ("calcium-drug-separation", "dolutegravir_hours"),
        ("calcium-drug-separation", "bisphosphonate_minutes"),
        ("calcium-drug-separation", "ibandronate_minutes"),
        ("oral-bisphosphonate-oesophageal", "upright_minutes"),
        ("oral-bisphosphonate-oesophageal", "iv_min_clearance"),
        ("oral-bisphosphonate-oesophageal", "zoledronic_min_clearance"),
    }
)


@cache
def catalogue(enable: frozenset[str] = frozenset()) -> Catalogue:
    """The shipped catalogue, with these rules switched on that the manifest switches off."""
    return bench.catalogue_with({}, enable)


def whole() -> Catalogue:
    """Every rule of the manifest, those that it switches off as well."""
    return catalogue(rules_switched_off())


@cache
def knowledge() -> Mapping[str, Knowledge]:
    rules = {r.rule.id: r.knowledge for entry in whole().entries for r in entry.rules}
    return {**rules, **catalogue().shared}


@cache
def vignettes() -> tuple[Vignette, ...]:
    in_service = frozenset(r.rule.id for entry in catalogue().entries for r in entry.rules)
    return tuple(v for v in load_all() if not v.waits_for(in_service))


def with_values(site: Mapping[str, Mapping[str, Any]], enable: frozenset[str] = frozenset()) -> Ehr:
    """An EHR whose service has these values changed, as a site would change them, and these rules switched on."""
    return Ehr(create_app(Config(timezone=ZONE, auth="off"), with_catalogue(site, enable), lambda: NOW).test_client())


def with_catalogue(site: Mapping[str, Mapping[str, Any]], enable: frozenset[str] = frozenset()) -> Catalogue:
    """The catalogue with these values changed, and these rules switched on."""
    day = datetime.date(2020, 1, 1)
    changed = tuple(SiteValue(r, p, value, day) for r, values in site.items() for p, value in values.items())
    base = catalogue(enable)
    entries = tuple(
        dataclasses.replace(
            entry,
            rules=tuple(
                dataclasses.replace(r, site=tuple(v for v in changed if v.rule == r.rule.id)) for r in entry.rules
            ),
        )
        for entry in base.entries
    )
    return dataclasses.replace(base, entries=entries, site=changed)


def told(ehr: Ehr, vignette: Vignette, words: bool) -> object:
    """What is said of a patient, as far as a number can change it: findings, status, and what is offered."""
    responses = ehr.call(vignette)
    if words:
        return [card.get("detail", "") for response in responses for card in response.cards]
    findings = sorted((f["ruleId"], f["outcome"], f["indicator"]) for r in responses for f in r.findings)
    offered = [(a["type"], a.get("resource", {}).get("occurrenceDateTime")) for r in responses for a in r.actions]
    return findings, [(r.status, len(r.cards)) for r in responses], offered


@cache
def usually(vignette_name: str, words: bool) -> object:
    vignette = next(v for v in vignettes() if v.name == vignette_name)
    return told(hospital_of(vignette), vignette, words)


def hospital_of(vignette: Vignette, **changed: Mapping[str, Any]) -> Ehr:
    site = {rule: dict(values) for rule, values in vignette.site.items()}
    for rule, values in changed.items():
        site.setdefault(rule, {}).update(values)
    return with_values(site, vignette.enable)


def numbers(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Every number inside a parameter's value, with the way to it."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from numbers(item, (*path, name))
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from numbers(item, (*path, index))
    elif isinstance(value, int | Decimal) and not isinstance(value, bool):
        yield path, value


def replaced(value: Any, path: tuple[Any, ...], number: Any) -> Any:
    if not path:
        return number
    if isinstance(value, Mapping):
        return {name: replaced(item, path[1:], number) if name == path[0] else item for name, item in value.items()}
    return tuple(replaced(item, path[1:], number) if index == path[0] else item for index, item in enumerate(value))


# Where a number that several rules share is most likely noticed; only the time this takes depends on it.
NEAR = {
    "vitamin-d-status": ("iv-bisphosphonate-vitamin-d", "vitamin-d-repletion-dosing", "vitamin-d-maintenance"),
    "serum-calcium": ("iv-bisphosphonate-hypocalcaemia", "hypercalcaemia-calcium-vitamin-d"),
    "calcium-intake": ("calcium-total-daily",),
    "renal-function": ("iv-bisphosphonate-renal",),
    "laboratory-results": ("active-vitamin-d-oversuppression", "post-transplant-phosphate"),
    "orders-on-record": ("iv-bisphosphonate-vitamin-d", "calcium-administration"),
    "cards": ("iv-bisphosphonate-vitamin-d",),
}


def likely(vignette: Vignette, rule: str, moved: frozenset[str]) -> tuple[bool, bool]:
    """How early a vignette is tried: first those of the rule, and of these the ones that name the number."""
    name = f"-{vignette.name.partition('/')[2]}-"
    named = any(f"-{number}-" in name for number in moved)
    return vignette.rule not in (rule, *NEAR.get(rule, ())), not named


def spelt(*values: Any) -> frozenset[str]:
    """Numbers as the names of vignettes spell them: 19-9."""
    return frozenset(format(value, "f" if isinstance(value, Decimal) else "").replace(".", "-") for value in values)


def nudges() -> Iterator[Any]:
    for id_, known in knowledge().items():
        for name, parameter in known.parameters.items():
            current = parameter.values[-1].value
            for path, number in numbers(current):
                step = Decimal(1).scaleb(int(number.as_tuple().exponent)) if isinstance(number, Decimal) else 1
                for direction in (1, -1):
                    nudged = replaced(current, path, number + direction * step)
                    moved = spelt(number, number + step, number - step)
                    where = ".".join(map(str, (name, *path)))
                    yield pytest.param(id_, name, nudged, moved, id=f"{id_}-{where}{'+' if direction > 0 else '-'}")
            for other in parameter.allowed:
                if other != current:
                    yield pytest.param(id_, name, other, frozenset(), id=f"{id_}-{name}={other}")


@pytest.mark.parametrize(("rule", "parameter", "value", "moved"), list(nudges()))
def test_a_parameter_that_is_moved_changes_what_is_said_of_some_patient(
    rule: str, parameter: str, value: Any, moved: frozenset[str]
) -> None:
    words = (rule, parameter) in LABELS
    nudged = with_values({rule: {parameter: value}})
    for vignette in sorted(vignettes(), key=lambda v: likely(v, rule, moved)):
        own = parameter in vignette.site.get(rule, {})
        if own:
            continue
        special = vignette.site or vignette.enable
        ehr = hospital_of(vignette, **{rule: {parameter: value}}) if special else nudged
        if told(ehr, vignette, words) != usually(vignette.name, words):
            return
    pytest.fail("no vignette notices")


def test_every_outcome_and_case_of_every_rule_is_reached_by_a_vignette() -> None:
    reached = set()
    for vignette in load_all():
        ehr = hospital_of(vignette)
        for service in ehr.services:
            if service["hook"] == vignette.hook:
                body = parse(json.dumps(bench.request(service, vignette)).encode())
                changed = with_catalogue(vignette.site, vignette.enable)
                told = evaluate(changed, body, service["id"], NOW, ZONE)
                reached |= {(r.rule.id, f.outcome, f.case) for r in told.results for f in r.findings}
    for entry in whole().entries:
        for in_service in entry.rules:
            for outcome, cases in in_service.rule.outcomes.items():
                assert any((in_service.rule.id, outcome) == found[:2] for found in reached), outcome
                for case in cases:
                    assert (in_service.rule.id, outcome, case) in reached, (outcome, case)


def test_every_declared_requirement_can_change_what_is_said_of_some_patient() -> None:
    needed = {
        (in_service.rule.id, requirement.key)
        for entry in whole().entries
        for in_service in entry.rules
        for requirement in in_service.rule.requires
    }
    for rule, key in sorted(needed):
        related = [v for v in vignettes() if v.rule == rule and key not in v.withhold | v.failed]
        assert any(
            told(hospital_of(v), dataclasses.replace(v, withhold=v.withhold | {key}), False) != usually(v.name, False)
            for v in related
            if not v.site
        ), (rule, key)


def test_every_number_has_evidence_with_a_citation() -> None:
    for known in knowledge().values():
        for parameter in known.parameters.values():
            for dated in parameter.values:
                assert known.evidence[dated.evidence].citation


def test_no_review_date_lies_before_the_last_review() -> None:
    for known in knowledge().values():
        assert known.next_review_date is None or known.next_review_date > known.last_review_date


def test_a_value_holds_from_its_day_on(tmp_path: Path) -> None:
    known = load(rewritten(tmp_path, lambda d: d["parameters"]["recheck_days"]["values"].append(LATER)))
    parameter = known.parameters["recheck_days"]
    assert parameter.on(datetime.date(2027, 1, 1)) == 56
    assert parameter.on(datetime.date(2027, 1, 2)) == 60
    assert parameter.on(datetime.date(2020, 1, 1)) == 56


LATER = {"from": "2027-01-02", "value": 60, "evidence": "expert-opinion"}


def rewritten(folder: Path, change: Any) -> Path:
    source = next(r.rule.knowledge_file for e in catalogue().entries for r in e.rules if "vitamin-d" in r.rule.id)
    document = json.loads(source.read_text("utf-8"))
    change(document)
    file = folder / source.name
    file.write_text(json.dumps(document), "utf-8")
    return file


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.pop("version"), "version"),
        (lambda d: d["outcomes"]["deficient"].update(summary=""), "outcomes.deficient"),
        (lambda d: d["outcomes"]["deficient"]["evidence"].append("a-blog"), "'a-blog' is not a relatedArtifact"),
        (lambda d: d["outcomes"]["stale"]["detail"].append({"paragraph": "gone"}), "there is no paragraph 'gone'"),
        (lambda d: d.update(approvalDate="2026-02-30"), "not a day of the calendar"),
        (lambda d: d["parameters"]["recheck_days"]["values"].insert(0, LATER), "not in ascending order"),
        (lambda d: d["outcomes"]["unknown"].update(indicator={"parameter": "loudness"}), "no parameter 'loudness'"),
        (
            lambda d: d["parameters"]["unknown_indicator"]["values"][0].update(value="shrill"),
            "not one of those allowed",
        ),
    ],
)
def test_a_broken_knowledge_file_is_refused_with_its_place(tmp_path: Path, change: Any, said: str) -> None:
    with pytest.raises(KnowledgeError) as refused:
        load(rewritten(tmp_path, change))
    assert said in str(refused.value)
    assert "iv_bisphosphonate_vitamin_d.json" in str(refused.value)


def test_a_member_that_stands_twice_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "twice.json"
    file.write_text('{"id": "a", "id": "b"}', "utf-8")
    with pytest.raises(KnowledgeError, match="'id' stands twice"):
        load(file)
