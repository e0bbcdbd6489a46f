"""Recognising plain resources: a shorter way to the same verdict, never to another one."""

from __future__ import annotations

import copy
import datetime
import functools
from collections import Counter
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cds_service.fhir.lengths import LONGEST_LIST, LONGEST_TEXT, too_long
from cds_service.fhir.r4 import models
from cds_service.fhir.r4.plain import TYPES, is_plain
from cds_service.fhir.repair import SKIPPED

from . import made
from .made import Json
from .plain_samples import COMMON, OBSERVATION, ORDER, PATIENT, SMALLEST

CLAIM = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SEEDS = st.integers(min_value=0, max_value=2**64)


@functools.cache
def recorded() -> list[tuple[str, Json]]:
    return made.recorded()


def as_read(resource: Json) -> Json:
    return {name: value for name, value in resource.items() if name not in SKIPPED and name[:1] != "_"}


def is_sound(type_name: str, resource: Json) -> bool:
    read = as_read(resource)
    return not any(too_long(read, {"extension", "modifierExtension"})) and not models.faults(type_name, read)


def plain(resource: Json) -> bool:
    return is_plain(resource["resourceType"], resource)


def assert_sound_if_plain(type_name: str, resource: Json) -> None:
    if is_plain(type_name, resource):
        read = as_read(resource)
        assert models.faults(type_name, read) == ()
        assert list(too_long(read, ())) == []


@pytest.mark.parametrize("type_name", sorted(TYPES))
@CLAIM
@given(seed=SEEDS, ill=st.sampled_from([0, 0.003, 0.01, 0.05]))
def test_with_a_resource_of_whatever_values_the_models_find_no_fault_if_it_is_plain(
    type_name: str, seed: int, ill: float
) -> None:
    assert_sound_if_plain(type_name, made.resource(Random(seed), type_name, ill))


@CLAIM
@given(seed=SEEDS, times=st.integers(1, 3))
def test_with_a_recorded_resource_changed_anywhere_the_models_find_no_fault_if_it_is_plain(
    seed: int, times: int
) -> None:
    random = Random(seed)
    type_name, resource = random.choice(recorded() + [(common["resourceType"], common) for common in COMMON])
    assert_sound_if_plain(type_name, made.mutated(random, resource, times))


def _places(node: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path, *(place for step, member in inner for place in _places(member, (*path, step)))]


def _put(resource: Json, path: tuple[str | int, ...], value: Any) -> Json:
    changed: Any = copy.deepcopy(resource)
    holder = changed
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = value
    return changed  # type: ignore[no-any-return]


@pytest.mark.parametrize("resource", COMMON, ids=lambda resource: resource["resourceType"])
def test_no_value_that_the_models_refuse_is_overlooked_in_any_element(resource: Json) -> None:
    tried = Counter[bool]()
    hostile = [*made.TEXTS, *made.TIMES, *made.NUMBERS, *made.SHAPES]
    random = Random(7)
    for path in _places(resource)[1:]:
        for value in random.sample(hostile, 6):
            changed = _put(resource, path, value)
            if path != ("resourceType",):
                tried[plain(changed)] += 1
                assert_sound_if_plain(resource["resourceType"], changed)
    assert tried[True] >= 20
    assert tried[False] >= 20


@pytest.mark.parametrize("resource", COMMON, ids=lambda resource: resource["resourceType"])
def test_no_missing_element_and_no_doubled_choice_is_overlooked(resource: Json) -> None:
    concept, quantity, time = {"text": "x"}, {"value": 1}, "2026-03-01T08:00:00Z"
    by_kind = {"Quantity": quantity, "CodeableConcept": concept, "Reference": {"reference": "#x"}, "String": "x"}
    by_kind |= {"Boolean": True, "Integer": 1, "DateTime": time, "Instant": time, "Period": {"start": time}}
    by_kind |= {"Range": {"low": quantity}, "Ratio": {"numerator": quantity}, "Age": quantity, "Duration": quantity}
    for path in _places(resource):
        holder: Any = functools.reduce(lambda node, step: node[step], path, resource)
        if not isinstance(holder, dict):
            continue
        others = {f"{choice}{kind}": value for choice in made.CHOICES for kind, value in by_kind.items()}
        fewer = [{known: holder[known] for known in holder if known != name} for name in holder]
        more = [{**holder, name: value} for name, value in others.items() if name not in holder]
        for changed in fewer + more:
            assert_sound_if_plain(resource["resourceType"], _put(resource, path, changed) if path else changed)


def test_a_resource_made_of_the_elements_we_know_is_mostly_plain() -> None:
    """Else the claims above would be about nothing."""
    random = Random(1)
    for type_name in sorted(TYPES):
        recognised = [is_plain(type_name, made.resource(random, type_name, 0)) for _ in range(60)]
        assert sum(recognised) >= 30, type_name


def test_nearly_every_sound_resource_among_the_fixtures_is_recognised() -> None:
    seen, recognised = Counter[str](), Counter[str]()
    for type_name, resource in recorded():
        if is_sound(type_name, resource):
            seen[type_name] += 1
            recognised[type_name] += is_plain(type_name, resource)
    assert set(seen) == TYPES
    for type_name in TYPES:
        assert recognised[type_name] >= 0.95 * seen[type_name], type_name


@pytest.mark.parametrize("resource", [*SMALLEST, *COMMON], ids=lambda resource: resource["resourceType"])
def test_what_hospital_systems_commonly_send_is_recognised(resource: Json) -> None:
    assert plain(resource)
    assert is_sound(resource["resourceType"], resource)


@pytest.mark.parametrize("resource", [*SMALLEST, *COMMON], ids=lambda resource: resource["resourceType"])
def test_a_plain_resource_is_read_as_it_was_received(resource: Json) -> None:
    before = copy.deepcopy(resource)
    found = models.check(resource["resourceType"], resource)
    assert found.view is resource
    assert found == models.Sound(resource)
    assert resource == before


@pytest.mark.parametrize("type_name", sorted(models.TYPES - TYPES))
def test_another_type_is_left_to_the_models(type_name: str) -> None:
    assert not is_plain(type_name, {"resourceType": type_name})


def test_a_resource_is_not_recognised_as_one_of_another_type() -> None:
    assert not is_plain("ServiceRequest", {**ORDER})
    assert not is_plain("Patient", {"id": "p1"})


@pytest.mark.parametrize(
    ("within", "beyond"),
    [
        ({**OBSERVATION, "valueString": "x" * LONGEST_TEXT}, {**OBSERVATION, "valueString": "x" * (LONGEST_TEXT + 1)}),
        ({**OBSERVATION, "status": "x" * LONGEST_TEXT}, {**OBSERVATION, "status": "x" * (LONGEST_TEXT + 1)}),
        (
            {**OBSERVATION, "code": {"coding": [{"system": "x" * LONGEST_TEXT}]}},
            {**OBSERVATION, "code": {"coding": [{"system": "x" * (LONGEST_TEXT + 1)}]}},
        ),
        (
            {**OBSERVATION, "category": [{"text": "x"}] * LONGEST_LIST},
            {**OBSERVATION, "category": [{"text": "x"}] * (LONGEST_LIST + 1)},
        ),
        (
            {**PATIENT, "name": [{"given": ["x"] * LONGEST_LIST}]},
            {**PATIENT, "name": [{"given": ["x"] * (LONGEST_LIST + 1)}]},
        ),
        ({**PATIENT, "id": "x" * 64}, {**PATIENT, "id": "x" * 65}),
        ({**OBSERVATION, "valueInteger": 2**31 - 1}, {**OBSERVATION, "valueInteger": 2**31}),
        ({**OBSERVATION, "valueInteger": -(2**31)}, {**OBSERVATION, "valueInteger": -(2**31) - 1}),
        (
            {**ORDER, "dispenseRequest": {"numberOfRepeatsAllowed": 0}},
            {**ORDER, "dispenseRequest": {"numberOfRepeatsAllowed": -1}},
        ),
        ({**OBSERVATION, "valueString": " x "}, {**OBSERVATION, "status": " x "}),
        ({**OBSERVATION, "valueString": "x"}, {**OBSERVATION, "valueString": "x", "valueInteger": 1}),
        (ORDER, {**ORDER, "medicationReference": {"reference": "#m"}}),
        (ORDER, {name: value for name, value in ORDER.items() if name != "medicationCodeableConcept"}),
        (ORDER, {name: value for name, value in ORDER.items() if name != "intent"}),
        ({**ORDER, "_intent": None}, {**ORDER, "intent": None}),
        ({**PATIENT, "meta": None, "contained": 5}, {**PATIENT, "colour": "red"}),
        ({**PATIENT, "active": True}, {**PATIENT, "active": 1}),
    ],
)
def test_each_limit_holds_on_both_sides(within: Json, beyond: Json) -> None:
    assert plain(within)
    assert not plain(beyond)


def test_every_day_that_is_recognised_is_in_the_calendar() -> None:
    days = [
        f"{y}-{m:02}-{d:02}" for y in (1899, 1900, 2000, 2023, 2024, 2099, 2100) for m in range(14) for d in range(33)
    ]
    recognised = {day for day in days if plain({**PATIENT, "birthDate": day})}
    assert {plain({**PATIENT, "deceasedDateTime": f"{day}T10:00:00Z"}) for day in recognised} == {True}
    assert {day for day in days if plain({**PATIENT, "deceasedDateTime": f"{day}T10:00:00Z"})} == recognised
    for day in recognised:
        datetime.date.fromisoformat(day)
    # All of four ordinary years and of a leap year, but for its own day.
    assert len(recognised) == 5 * 365
