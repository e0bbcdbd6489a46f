"""What a rule declares to use of the patient is what it looks at: age and sex, directly or through a fact."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from cds_service.facts import Facts
from cds_service.fhir.elements import PatientRecord
from cds_service.rules import all_rules

from .samples import findings
from .vignettes import NOW, Vignette, load_all

READ = {"age": "birth-date", "sex": "sex"}


@cache
def vignettes() -> tuple[Vignette, ...]:
    return tuple(load_all())


def vignettes_of(rule: str) -> list[Vignette]:
    """The vignettes that look at a rule: its own, and those that name it."""
    return [v for v in vignettes() if rule in (v.rule, *v.silent, *(finding.rule for finding in v.findings))]


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
    for vignette in vignettes_of(rule):
        list(findings(rule, vignette, NOW))
    assert seen == all_rules()[rule].uses


def test_a_rule_can_use_birth_date_and_sex_only() -> None:
    for rule in all_rules().values():
        assert rule.uses <= set(READ.values())


def test_nothing_of_the_patient_record_is_read_but_birth_date_and_sex() -> None:
    names = set(PatientRecord.__struct_fields__)
    assert names == {"id", "birth_date", "sex", "unreadable"}, "say in documentation/attributes.json what is new"
