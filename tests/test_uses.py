"""What a rule declares to use of the patient is what it looks at: age and sex, directly or through a fact."""

from __future__ import annotations

import dataclasses
import json
from functools import cache
from typing import Any

import pytest

from cds_service.catalogue import Catalogue
from cds_service.evaluation import evaluate
from cds_service.facts import Facts
from cds_service.fhir.elements import PatientRecord
from cds_service.rules import all_rules
from cds_service.web.wire import parse

from . import ehr as bench
from .samples import everything
from .vignettes import NOW, ZONE, Vignette, load_all

READ = {"age": "birth-date", "sex": "sex"}


@cache
def vignettes() -> tuple[Vignette, ...]:
    return tuple(load_all())


def vignettes_of(rule: str) -> list[Vignette]:
    """The vignettes that look at a rule: its own, and those that name it."""
    return [v for v in vignettes() if rule in (v.rule, *v.silent, *(finding.rule for finding in v.findings))]


def alone(catalogue: Catalogue, rule: str) -> Catalogue:
    """A catalogue with one rule, so that no fact is there already because another rule asked for it."""
    entries = tuple(
        dataclasses.replace(entry, rules=tuple(r for r in entry.rules if r.rule.id == rule))
        for entry in catalogue.entries
    )
    return dataclasses.replace(catalogue, entries=entries)


def run(rule: str) -> None:
    for vignette in vignettes_of(rule):
        catalogue = alone(everything(json.dumps(vignette.site, sort_keys=True)), rule)
        for entry in catalogue.entries:
            if entry.rules and entry.service.hook == vignette.hook:
                body = parse(json.dumps(bench.request(entry.service.to_json(), vignette)).encode())
                evaluate(catalogue, body, entry.service.id, NOW, ZONE)


@pytest.mark.parametrize("rule", sorted(all_rules()))
def test_a_rule_looks_at_what_of_the_patient_it_declares_and_at_nothing_else(
    rule: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = set()
    for name, use in READ.items():
        answer = vars(Facts)[name].fget

        def watched(facts: Facts, answer: Any = answer, use: str = use) -> Any:
            seen.add(use)
            return answer(facts)

        monkeypatch.setattr(Facts, name, property(watched))
    run(rule)
    assert seen == all_rules()[rule].uses


def test_a_rule_can_use_birth_date_and_sex_only() -> None:
    for rule in all_rules().values():
        assert rule.uses <= set(READ.values())


def test_nothing_of_the_patient_record_is_read_but_birth_date_and_sex() -> None:
    names = {field.name for field in dataclasses.fields(PatientRecord)}
    assert names == {"id", "birth_date", "sex", "unreadable"}, "say in documentation/attributes.json what is new"
