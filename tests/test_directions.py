"""What directions say of meals, of other drugs to keep away from, and of a phosphate to bind."""

from __future__ import annotations

import pytest

from cds_service.facts import directions
from cds_service.fhir.elements import Concept, Dosage, MedicationRecord, Repeat, Timing
from cds_service.terminology.codes import SNOMED_CT, Coding


def record(*dosages: Dosage, reason: str = "") -> MedicationRecord:
    reasons = (Concept(texts=(reason,)),) if reason else ()
    return MedicationRecord("MedicationRequest/1", "MedicationRequest", "1", dosages=dosages, reasons=reasons)


def sig(text: str) -> MedicationRecord:
    return record(Dosage(text=text))


def timed(*when: str, code: str = "", **repeat: object) -> MedicationRecord:
    named = Concept(texts=(code,)) if code else None
    return record(Dosage(timing=Timing(repeat=Repeat(when=when, **repeat), code=named)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Take 1 tablet by mouth twice daily with meals", {"with"}),
        ("TAKE 1 TABLET BY MOUTH TWICE A DAY WITH FOOD", {"with"}),
        ("1 tab TID w/ meals", {"with"}),
        ("1 tab po b.i.d. p.c.", {"with"}),
        ("take 1 tab with breakfast and dinner", {"with"}),
        ("with the largest meal of the day", {"with"}),
        ("1 capsule 3 times a day at mealtimes", {"with"}),
        ("take 30 minutes after eating", {"with"}),
        ("2 capsules three times daily before meals", {"before"}),
        ("1 cap TID AC", {"before"}),
        ("take on an empty stomach", {"apart"}),
        ("between meals", {"apart"}),
        ("1 hour before or 2 hours after meals", {"apart"}),
        ("at least 2 hours apart from meals", {"apart"}),
        ("take w/o food", {"apart"}),
        ("do not take with food", {"apart"}),
        ("1 tablet with breakfast and 1 tablet between meals", {"with", "apart"}),
        ("take with or without food", set()),
        ("without regard to meals", set()),
        ("take with a full glass of water", set()),
        ("take 5 cc tid", set()),
        ("1 tablet at bedtime", set()),
        ("", set()),
    ],
)
def test_a_text_ties_an_order_to_meals_or_keeps_it_away(text: str, said: set[str]) -> None:
    assert directions.meals(sig(text)) == said


@pytest.mark.parametrize(
    ("when", "said"),
    [("C", "with"), ("CM", "with"), ("CD", "with"), ("CV", "with"), ("PC", "with"), ("PCV", "with"), ("AC", "before"),
     ("ACM", "before"), ("IC", "apart"), ("HS", ""), ("MORN", "")],
)  # fmt: skip
def test_a_timing_code_says_the_same(when: str, said: str) -> None:
    assert directions.meals(timed(when)) == ({said} if said else set())


def test_the_name_of_a_frequency_a_patient_instruction_and_a_coded_instruction_are_read() -> None:
    coded = Concept(codings=(Coding(SNOMED_CT, "311504000"),))
    assert directions.meals(timed(code="3 TIMES DAILY WITH MEALS")) == {"with"}
    assert directions.meals(record(Dosage(patient_instruction="Take with food"))) == {"with"}
    assert directions.meals(record(Dosage(additional_instructions=(coded,)))) == {"with"}
    assert directions.meals(record(Dosage(additional_instructions=(Concept(texts=("With meals",)),)))) == {"with"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("Take with meals as a phosphorus binder", True),
        ("phos binder", True),
        ("for hyperphosphatemia", True),
        ("to lower phosphorus", True),
        ("for high phosphate", True),
        ("binds dietary phosphate", True),
        ("not a phosphate binder", False),
        ("for low phosphorus", False),
        ("hypophosphatemia", False),
        ("tricalcium phosphate 600 mg", False),
        ("no hyperphosphataemia", False),
        ("", False),
    ],
)
def test_directions_and_reasons_make_a_phosphate_binder(text: str, says: bool) -> None:
    assert directions.binds_phosphate(sig(text)) is says
    assert directions.binds_phosphate(record(reason=text)) is says


@pytest.mark.parametrize(
    ("text", "kind", "names", "says"),
    [
        ("Take every morning, 4 hours before calcium", "calcium", (), True),
        ("Separate from thyroid medication by 4 hours", "levothyroxine", (), True),
        ("Space 4 h from Euthyrox", "levothyroxine", ("Euthyrox",), True),
        ("Take with calcium", "calcium", (), False),
        ("Take with calcium. Do not crush.", "calcium", (), False),
        ("Take 1 tablet every 8 hours", "calcium", (), False),
    ],
)
def test_directions_that_already_keep_two_drugs_apart(text: str, kind: str, names: tuple[str, ...], says: bool) -> None:
    assert directions.keeps_apart(sig(text), kind, names) is says


@pytest.mark.parametrize(
    ("given", "scheduled", "as_needed"),
    [
        (timed(code="TID"), True, False),
        (sig("Take 1 tablet three times daily"), True, False),
        (record(Dosage(timing=Timing(code=Concept(texts=("TID",))), as_needed=True)), False, True),
        (sig("Take 1 tablet as needed"), False, True),
        (timed(count=1), False, False),
        (sig("As directed"), False, False),
        (record(), False, False),
    ],
)
def test_a_schedule_is_told_from_a_dose_when_needed(given: MedicationRecord, scheduled: bool, as_needed: bool) -> None:
    assert directions.is_scheduled(given) is scheduled
    assert directions.is_as_needed(given) is as_needed
