"""Results are read newest first and only as far as a question needs: with the same answers as if all had been read."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from random import Random
from types import ModuleType, SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cds_service.facts import diet, measured, renal, serum_calcium, vitamin_d
from cds_service.facts.clock import Clock
from cds_service.facts.memory import Memory
from cds_service.facts.orders import OrderReader
from cds_service.facts.patient import Age
from cds_service.facts.record import Record
from cds_service.facts.requirements import (
    DIETARY_CALCIUM,
    DXA,
    PHOSPHATE,
    PTH,
    RENAL,
    SERUM_CALCIUM,
    URINE_CALCIUM,
    VITAMIN_D,
)
from cds_service.facts.results import Results
from cds_service.fhir import DataUnreadable, r4
from cds_service.fhir.requirement import DataRequirement
from cds_service.fhir.resource import Resource
from cds_service.fhir.source import Source
from cds_service.terminology.codes import LOINC

from . import ehr as bench
from . import made
from .ehr import Json
from .vignettes import NOW, ZONE

CATALOGUE = bench.catalogue_with({})
CLOCK = Clock(NOW, ZONE)
LIMITS = CATALOGUE.settings(CLOCK.today)
AGE = Age(71, 71, 860)

# As if no Observation could be known by its time: each is read in full, at once.
AT_ONCE = cast("ModuleType", SimpleNamespace(**{**vars(r4), "plainly_taken": lambda _resource, _zone: None}))

UNITS = {"pth": "pg/mL", "urine-calcium-24h": "mg/d", "body-weight": "kg", "body-height": "cm", "egfr": "mL/min"}
STATUS = ["final"] * 40 + ["amended", "corrected", "preliminary", "entered-in-error", "unknown", "final ", "", None]
ODD: list[Json] = [{}] * 60 + [
    {"modifierExtension": [{"url": "http://e.example/not"}]},
    {"effectiveDateTime": None, "effectivePeriod": {"start": "2026-01-01", "end": "2026-02-01"}},
    {"effectivePeriod": {"end": "2026-02-01"}},
    {"effectiveDateTime": "2026-02-30"},
    {"effectiveDateTime": "yesterday", "issued": "2026-03-01T08:00:00Z"},
    {"performer": "Dr."},
    {"colour": "red"},
    {"subject": ["Patient/p1"]},
    {"code": {"text": "Phosphate"}},
    {"code": {"coding": [{"system": LOINC, "code": 1989}]}},
    {"code": {"coding": {"system": LOINC, "code": "1989-3"}}},
    {"component": [{"code": {"coding": [{"system": LOINC, "code": "1989-3"}]}, "valueInteger": 12}]},
    {"hasMember": [{"reference": "Observation/2"}]},
    {"valueString": "haemolysed"},
    {"referenceRange": [{"low": {"value": 2}}, {"high": {"value": 5}}]},
    {"referenceRange": "2 to 5"},
]
DATES = ["2026", "2025-11", "2026-02", None, "2030-01-01", "2026-03-01T08:00:00+01:00", "2026-03-01T23:30:00-05:00"]


def observation(random: Random, number: int, requirement: DataRequirement) -> Json:
    group = random.choice(requirement.value_sets)
    code = random.choice(CATALOGUE.terminology.value_set(group).codes(LOINC))
    day = CLOCK.today - datetime.timedelta(random.choice([0, 1, 2, 3, 30, 90, 91, 180, 365, 366, 400, 730, 2000]))
    unit = random.choice([UNITS.get(group, "mg/dL")] * 5 + ["ng/mL", "mmol/L", "", "furlong"])
    value = random.choice([0, 0.7, 1.4, 8, 9.4, 11, 31, 68, 1200])
    sent: Json = {
        "resourceType": "Observation",
        "id": str(number),
        "status": random.choice(STATUS),
        "code": {"coding": [{"system": LOINC, "code": code, "display": group}]},
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": random.choice([str(day)] * 40 + [f"{day}T08:10:00Z"] * 20 + [f"{day}T17:00:00Z"] + DATES),
        "valueQuantity": {"value": value, "unit": unit},
    }
    if random.random() < 0.2:
        del sent["valueQuantity"]
        sent |= random.choice(
            [{"valueString": "<30 nmol/L"}, {"valueString": "see report"}, {"valueBoolean": True}, {}]
        )
    sent |= random.choice(ODD)
    return {name: value for name, value in sent.items() if value is not None}


def results(found: list[Json], requirement: DataRequirement, version: Any) -> Results:
    memory = Memory(Source({requirement.key: bundle(found)}, "p1", version, ZONE))
    return Record(memory, version, CATALOGUE.terminology, cast("OrderReader", None), CLOCK).results(requirement)


def bundle(found: list[Json]) -> Json:
    return {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": one} for one in found]}


def _latest(group: str, requirement: DataRequirement) -> Callable[[Results], object]:
    return lambda found: measured.latest(found, group, requirement.key, 365, CLOCK)


QUESTIONS: list[tuple[DataRequirement, Callable[[Results], object]]] = [
    (PTH, _latest("pth", PTH)),
    (URINE_CALCIUM, _latest("urine-calcium-24h", URINE_CALCIUM)),
    *((PHOSPHATE, _latest(group, PHOSPHATE)) for group in PHOSPHATE.value_sets),
    (DXA, lambda found: measured.last_day(found, "dxa", CLOCK)),
    (DXA, lambda found: measured.lowest(found, "dxa-t-score", "dxa")),
    (VITAMIN_D, lambda found: vitamin_d.read_level(found, LIMITS.bands, CLOCK)),
    (SERUM_CALCIUM, lambda found: serum_calcium.read_calcium(found, LIMITS.serum_calcium, CLOCK)),
    (DIETARY_CALCIUM, lambda found: diet.read_diet(found, LIMITS.diet, CLOCK)),
    (RENAL, lambda found: renal.read_filtration(found, CLOCK, LIMITS.renal)),
    (
        RENAL,
        lambda found: renal.read_estimates(
            found, AGE, "female", CLOCK, LIMITS.renal, LIMITS.clearance, LIMITS.creatinine
        ),
    ),
]


def answer(question: Callable[[Results], object], found: Results) -> object:
    try:
        return question(found)
    except DataUnreadable as gap:
        return gap.key, gap.reason


@settings(max_examples=400)
@given(st.integers(min_value=0), st.integers(0, 12), st.integers(0, len(QUESTIONS) - 1))
def test_every_question_gets_the_answer_that_it_gets_when_all_is_read_at_once(
    seed: int, count: int, which: int
) -> None:
    random = Random(seed)
    requirement, question = QUESTIONS[which]
    found = [observation(random, number, requirement) for number in range(count)]
    late, at_once = (results(found, requirement, version) for version in (r4, AT_ONCE))
    assert answer(question, late) == answer(question, at_once)
    assert (late.complete, late.more) == (at_once.complete, at_once.more)


@settings(max_examples=200)
@given(st.integers(min_value=0), st.sampled_from([0, 0.01, 0.05]))
def test_an_observation_known_by_its_time_is_one_result_of_that_time(seed: int, ill: float) -> None:
    random = Random(seed)
    sent = made.resource(random, "Observation", ill)
    sent["effectiveDateTime"] = random.choice([*made.TIMES, sent.get("effectiveDateTime")])
    sent["status"] = random.choice(["final", "amended", sent.get("status")])
    resource = Resource(sent, r4)
    taken = r4.plainly_taken(resource, ZONE)
    if taken is not None:
        (record,) = r4.observation_records(resource, ZONE)
        assert record.effective == taken
        assert record.status in ("final", "amended", "corrected")
        assert not record.unreadable & {"effective", "status", "code", "modifier"}
        coded = {(one.system, one.code) for one in record.code.codings if one.code}
        assert coded == {(one.system, one.code) for one in r4.codes(sent).codings if one.code}


def test_of_older_results_nothing_but_code_status_and_time_is_read() -> None:
    days = [CLOCK.today - datetime.timedelta(30 * number) for number in range(20)]
    found = [
        {
            "resourceType": "Observation",
            "id": str(number),
            "status": "final",
            "code": {"coding": [{"system": LOINC, "code": "1989-3"}]},
            "subject": {"reference": "Patient/p1"},
            "effectiveDateTime": str(day),
            "valueQuantity": {"value": 38 if number < 5 else "unreadable", "unit": "ng/mL"},
        }
        for number, day in enumerate(days)
    ]
    memory = Memory(Source({"vitamin-d": bundle(found)}, "p1", r4, ZONE))
    record = Record(memory, r4, CATALOGUE.terminology, cast("OrderReader", None), CLOCK)
    level = vitamin_d.read_level(record.results(VITAMIN_D), LIMITS.bands, CLOCK).level
    assert level is not None
    assert level.day == days[0]
    read = [one for one in memory.obtain(VITAMIN_D).resources if list(one.problems()) or one._sound is not None]
    assert [one.id for one in read] == ["0"]


@pytest.mark.parametrize(
    "bad", [{"valueQuantity": {"value": "high"}}, {"valueQuantity": 12}, {"valueRange": {"low": {"value": 2}}}]
)
def test_an_unreadable_result_that_is_newer_than_all_others_is_never_passed_over(bad: Json) -> None:
    days = [CLOCK.today - datetime.timedelta(30 * number) for number in range(3)]
    found: list[Json] = [
        {
            "resourceType": "Observation",
            "id": str(number),
            "status": "final",
            "code": {"coding": [{"system": LOINC, "code": "2777-1"}]},
            "effectiveDateTime": f"{day}T08:00:00Z",
            **({"valueQuantity": {"value": 3, "unit": "mg/dL"}} if number else bad),
        }
        for number, day in enumerate(days)
    ]
    with pytest.raises(DataUnreadable):
        measured.latest(results(found, PHOSPHATE, r4), "phosphate", "phosphate", 365, CLOCK)
    assert measured.latest(results(found[1:], PHOSPHATE, r4), "phosphate", "phosphate", 365, CLOCK) is not None
