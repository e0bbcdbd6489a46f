"""Renal function: the clearance is the equation, the precedence is kept, and what is in doubt is not passed off."""

from __future__ import annotations

import datetime
import math
from decimal import Decimal
from fractions import Fraction
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as drawn
from hypothesis import strategies as st

from cds_service.catalogue import Catalogue
from cds_service.facts import Facts
from cds_service.facts.clearance import Estimate
from cds_service.facts.clock import Clock
from cds_service.facts.questions.kidneys import Kidneys, RenalFunction
from cds_service.facts.settings import Settings
from cds_service.fhir import DataFailed, DataUnavailable, DataUnreadable, DataWithheld
from cds_service.fhir.source import Source
from cds_service.manifest import load_catalogue

from .ehr import NOW, ZONE

Json = dict[str, Any]
TODAY = NOW.astimezone(ZONE).date()
FAILED = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "timeout"}]}
FEMALE_70 = {"resourceType": "Patient", "id": "p", "gender": "female", "birthDate": "1957-02-01"}


@cache
def catalogue() -> Catalogue:
    return load_catalogue()


def ago(days: int) -> str:
    return (TODAY - datetime.timedelta(days=days)).isoformat()


def result(code: str, value: Any, unit: str, when: int | str, **more: Any) -> Json:
    return {
        "resourceType": "Observation",
        "id": f"o-{code}-{value}-{when}".replace(":", "").replace("+", ""),
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "subject": {"reference": "Patient/p"},
        "effectiveDateTime": when if isinstance(when, str) else ago(when),
        "valueQuantity": {"value": value, "unit": unit},
        **more,
    }


def creatinine(value: Any, when: int | str = 10, unit: str = "mg/dL", **more: Any) -> Json:
    return result("2160-0", value, unit, when, **more)


def weight(value: Any = 60, when: int = 20, unit: str = "kg", **more: Any) -> Json:
    return result("29463-7", value, unit, when, **more)


def clearance(value: Any, when: int = 10, **more: Any) -> Json:
    return result("35591-7", value, "mL/min", when, **more)


def egfr(value: Any, when: int = 10, unit: str = "mL/min/1.73m2", **more: Any) -> Json:
    return result("98979-8", value, unit, when, **more)


def height(cm: Any) -> Json:
    return result("8302-2", cm, "cm", 20)


def condition(code: str, **more: Any) -> Json:
    coding = {"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": code}
    concept = {"coding": [coding], "text": code}
    return {"resourceType": "Condition", "id": code, "code": concept, "subject": {"reference": "Patient/p"}, **more}


STAGE_4, DIALYSIS, TRANSPLANT, TRANSPLANT_FAILED = map(condition, ("N18.4", "Z99.2", "Z94.0", "T86.12"))
UNREADABLE = {"resourceType": "Condition", "id": "broken", "code": 5, "subject": {"reference": "Patient/p"}}


def bundle(*resources: Json, **more: Any) -> Json:
    return {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": r} for r in resources], **more}


def settings(basis: str = "actual") -> Settings:
    shared = catalogue().shared
    values = {id_: {n: p.on(TODAY) for n, p in known.parameters.items()} for id_, known in shared.items()}
    values["renal-function"] = {**values["renal-function"], "weight_basis": basis}
    return Settings.of(values)


def kidneys(*results: Json, basis: str = "actual", **keys: Any) -> Kidneys:
    """The questions about a patient with these results; ``patient`` and ``conditions`` as the EHR sends them."""
    sent = {"patient": FEMALE_70, "conditions": bundle(), "renal": bundle(*results), **keys}
    return Facts(
        source=Source({k: v for k, v in sent.items() if v is not None}, "p", catalogue().fhir, ZONE),
        fhir=catalogue().fhir,
        terminology=catalogue().terminology,
        clock=Clock(NOW, ZONE),
        settings=settings(basis),
        hook="order-sign",
        draft_orders={"resourceType": "Bundle", "entry": []},
    ).kidneys


def function(*results: Json, **keys: Any) -> RenalFunction:
    return kidneys(*results, **keys).function_as_read


def estimate(*results: Json, **keys: Any) -> Estimate:
    found = function(*results, **keys).estimate
    assert found is not None
    return found


def rounded(value: Fraction) -> Decimal:
    """Half up to one decimal, without a decimal on the way."""
    return Decimal(math.floor(value * 10 + Fraction(1, 2))).scaleb(-1)


# -- the equation -----------------------------------------------------------------------------------------------------

TWO_PLACES = st.integers(10, 3000).map(lambda n: Decimal(n) / 100)


@drawn(deadline=None)
@given(
    years=st.integers(18, 110),
    kg=st.integers(200, 3500).map(lambda n: Decimal(n) / 10),
    value=TWO_PLACES,
    molar=st.booleans(),
    gender=st.sampled_from(["female", "male", "other", "unknown", None]),
)
def test_the_computed_clearance_is_the_equation(
    years: int, kg: Decimal, value: Decimal, molar: bool, gender: str | None
) -> None:
    patient = {"resourceType": "Patient", "id": "p", "birthDate": f"{TODAY.year - years}-01-01"}
    if gender is not None:
        patient["gender"] = gender
    measured = creatinine(value * 88, unit="umol/L") if molar else creatinine(value)
    found = estimate(measured, weight(kg), patient=patient)
    mg_dl = Fraction(value) * 88 / Fraction("88.4") if molar else Fraction(value)
    exact = (140 - years) * Fraction(kg) / (72 * mg_dl)
    expected = exact if gender == "male" else exact * Fraction("0.85")
    assert found.value == rounded(expected)


@pytest.mark.parametrize(("kg", "shown", "below"), [("50.73", "29.9", True), ("50.74", "30.0", False)])
def test_the_number_that_is_shown_is_the_number_that_is_compared(kg: str, shown: str, below: bool) -> None:
    patient = {**FEMALE_70, "birthDate": "1947-02-01"}
    found = estimate(creatinine(Decimal("1.2")), weight(Decimal(kg)), patient=patient)
    assert (str(found), found.below(30)) == (shown, below)


def test_a_half_is_rounded_up_also_from_micromoles() -> None:
    assert str(estimate(creatinine(Decimal("88.4"), unit="umol/L"), weight())) == "49.6"
    male = {**FEMALE_70, "gender": "male", "birthDate": "1937-02-01"}  # 50 years below 140
    exactly = estimate(creatinine(Decimal("88.4"), unit="umol/L"), weight(Decimal("43.128")), patient=male)
    assert str(exactly) == "30.0"  # 29.95 before rounding


def test_weights_in_pounds_and_grams_and_creatinine_in_other_units_are_the_same_patient() -> None:
    kilograms = estimate(creatinine(1), weight(60))
    for other in (weight(60000, unit="g"), weight(Decimal("132.2773573"), unit="[lb_av]")):
        assert estimate(creatinine(1), other).value == kilograms.value
    for unit, value in (("umol/L", "88.4"), ("mg/L", "10"), ("mmol/L", "0.0884")):
        assert estimate(creatinine(Decimal(value), unit=unit), weight()).value == kilograms.value


def test_of_a_partial_birth_date_the_older_age_counts() -> None:
    found = estimate(creatinine(1), weight(), patient={**FEMALE_70, "birthDate": "1957"})
    assert found.years == 70
    assert "birth-date-partial" in found.notes
    assert found.value == estimate(creatinine(1), weight()).value


def test_of_an_unknown_sex_the_lower_clearance_counts() -> None:
    unknown = estimate(creatinine(1), weight(), patient={**FEMALE_70, "gender": "unknown"})
    male = estimate(creatinine(1), weight(), patient={**FEMALE_70, "gender": "male"})
    assert unknown.value == estimate(creatinine(1), weight()).value < male.value
    assert "sex-not-stated" in unknown.notes
    assert not male.notes
    assert (unknown.sex_factor, male.sex_factor) == ("lower-factor", "male-factor")


def test_nobody_has_a_clearance_below_nothing() -> None:
    assert str(estimate(creatinine(1), weight(), patient={**FEMALE_70, "birthDate": "1880-01-01"})) == "0.0"


@pytest.mark.parametrize(
    ("basis", "kg", "expected", "used"),
    [
        ("actual", 90, "74.4", ""),
        ("ideal", 90, "43.3", "52.4 kg"),  # 45.5 + 2.3 x 3
        ("adjusted", 90, "55.7", "67.4 kg"),  # 52.4 + 0.4 x 37.6
        ("ideal", 45, "37.2", ""),
        ("adjusted", 45, "37.2", ""),
    ],
)
def test_the_weight_is_the_one_the_site_goes_by(basis: str, kg: int, expected: str, used: str) -> None:
    found = estimate(creatinine(1), weight(kg), height(Decimal("160.02")), basis=basis)  # 63 inches
    assert (str(found), found.dosing_weight) == (expected, used)
    assert found.notes == ((f"weight-basis-{basis}",) if used else ())


def test_without_a_height_the_actual_weight_is_used_and_that_is_said() -> None:
    found = estimate(creatinine(1), weight(90), basis="ideal")
    assert (str(found), found.notes) == ("74.4", ("height-missing",))


# -- what goes in -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("results", "patient", "why"),
    [
        ([], FEMALE_70, "no-weight"),
        ([weight(60, 366)], FEMALE_70, "no-weight"),
        ([weight(19)], FEMALE_70, "weight-unusable"),
        ([weight(351)], FEMALE_70, "weight-unusable"),
        ([weight(60, unit="stone")], FEMALE_70, "weight-unusable"),
        ([weight()], {**FEMALE_70, "birthDate": (TODAY - datetime.timedelta(days=17 * 365)).isoformat()}, "child"),
        ([weight()], {"resourceType": "Patient", "id": "p", "gender": "female"}, "no-age"),
    ],
)
def test_creatinine_that_gives_no_clearance_is_on_file_all_the_same(results: Any, patient: Json, why: str) -> None:
    found = function(creatinine(1), *results, patient=patient)
    assert (found.name, found.missing, str(found.creatinine)) == ("unknown", why, "1 mg/dL")


def test_who_may_still_be_a_child_has_no_computed_clearance() -> None:
    born = str(TODAY.year - 18)  # 17 or 18
    assert function(creatinine(1), weight(), patient={**FEMALE_70, "birthDate": born}).missing == "child"


def test_an_older_weight_stands_in_for_one_that_cannot_be_and_that_is_said() -> None:
    found = estimate(creatinine(1), weight(600, 5), weight(60, 30))
    assert found.weight == "60 kg"
    assert found.notes == ("newer-weight-unusable",)


@pytest.mark.parametrize(
    ("value", "unit"), [("0.09", "mg/dL"), ("30.1", "mg/dL"), ("8.7", "umol/L"), ("2653", "umol/L")]
)
def test_a_creatinine_nobody_can_have_puts_the_older_one_in_doubt(value: str, unit: str) -> None:
    asked = kidneys(creatinine(Decimal(value), 5, unit), creatinine(1, 30), weight())
    assert asked.function_as_read.estimate is not None
    assert asked.function_as_read.estimate.creatinine == "1 mg/dL"
    assert isinstance(asked.function_as_read.unread, DataUnreadable)
    assert asked.unusable is not None
    assert (asked.unusable.reason, asked.unusable.said) == ("implausible", f"{value} {unit}")


def test_who_asks_for_renal_function_as_such_gets_no_answer_that_may_be_out_of_date() -> None:
    newer = creatinine(1, 5, "")
    with pytest.raises(DataUnreadable):
        _ = kidneys(clearance(50), newer).function
    assert kidneys(clearance(50, 4), newer).function.name == "measured"
    assert kidneys(newer, conditions=bundle(STAGE_4)).function.name == "coded"


def test_a_creatinine_without_a_unit_is_not_read_and_not_passed_over() -> None:
    with pytest.raises(DataUnreadable):
        function(creatinine(1, unit=""), weight())


def test_a_sample_that_gave_no_number_leaves_the_older_value_alone() -> None:
    clotted = {k: v for k, v in creatinine(1, 2).items() if k != "valueQuantity"} | {"valueString": "haemolysed"}
    assert function(clotted, creatinine(Decimal("0.9"), 30), weight()).unread is None


def test_of_two_values_of_one_day_without_a_time_the_higher_creatinine_counts() -> None:
    both = [creatinine(Decimal("0.8")), creatinine(2)]
    assert estimate(*both, weight()).creatinine == estimate(*reversed(both), weight()).creatinine == "2 mg/dL"


def test_of_two_values_of_one_day_the_later_counts_where_the_times_are_known() -> None:
    early, late = creatinine(2, f"{ago(3)}T06:00:00Z"), creatinine(Decimal("0.8"), f"{ago(3)}T18:00:00Z")
    assert estimate(early, late, weight()).creatinine == "0.8 mg/dL"


# -- precedence -------------------------------------------------------------------------------------------------------


def test_dialysis_decides_whatever_the_numbers_say() -> None:
    found = function(clearance(90), conditions=bundle(DIALYSIS))
    assert (found.name, found.estimate) == ("dialysis", None)


def test_a_transplant_takes_the_diagnosis_of_the_old_kidneys_away_unless_it_failed() -> None:
    assert function(clearance(55), conditions=bundle(DIALYSIS, TRANSPLANT)).name == "measured"
    assert function(conditions=bundle(STAGE_4, TRANSPLANT)).name == "unknown"
    assert function(clearance(55), conditions=bundle(DIALYSIS, TRANSPLANT, TRANSPLANT_FAILED)).name == "dialysis"


def test_of_computed_and_reported_clearance_the_newer_counts() -> None:
    computed = creatinine(1, 10), weight()  # 49.6
    assert str(estimate(*computed, clearance(30, 9))) == "30"
    assert str(estimate(*computed, clearance(30, 11))) == "49.6"


@pytest.mark.parametrize(("reported", "counts", "other"), [(40, "40", "49.6"), (60, "49.6", "60")])
def test_of_one_day_the_lower_counts_and_both_are_shown(reported: int, counts: str, other: str) -> None:
    found = function(creatinine(1), weight(), clearance(reported))
    assert (str(found.estimate), str(found.other)) == (counts, other)


def test_a_filtration_rate_counts_only_where_no_clearance_is_recent() -> None:
    assert estimate(creatinine(1, 90), weight(), egfr(20, 1)).name == "CrCl"
    found = function(creatinine(1, 91), weight(), egfr(40, 1))
    assert (found.name, found.estimate and found.estimate.full) == ("surrogate", "eGFR 40 mL/min/1.73 m²")


def test_a_filtration_rate_needs_no_unit() -> None:
    found = {**egfr(38), "valueQuantity": {"value": 38}}
    assert estimate(found).full == "eGFR 38 mL/min/1.73 m²"


def test_a_recent_number_of_either_kind_goes_before_a_coded_stage() -> None:
    assert function(clearance(50), conditions=bundle(STAGE_4)).name == "measured"
    assert function(egfr(50), conditions=bundle(STAGE_4)).name == "surrogate"


def test_a_coded_stage_goes_before_an_old_number() -> None:
    found = function(clearance(50, 91), conditions=bundle(STAGE_4))
    assert (found.name, str(found.disease), str(found.estimate)) == ("coded", "N18.4", "50")


@pytest.mark.parametrize(
    ("days", "name"), [(0, "measured"), (90, "measured"), (91, "stale"), (365, "stale"), (366, "unknown")]
)
def test_a_number_is_recent_then_old_then_no_longer_told(days: int, name: str) -> None:
    assert function(clearance(50, days)).name == name


def test_a_stage_counts_although_another_diagnosis_cannot_be_read_and_that_is_told() -> None:
    found = function(conditions=bundle(STAGE_4, UNREADABLE))
    assert found.name == "coded"
    assert isinstance(found.gap, DataUnreadable)
    assert function(clearance(50), conditions=bundle(UNREADABLE)).gap is not None
    with pytest.raises(DataUnreadable):
        _ = kidneys(conditions=bundle(UNREADABLE)).disease
    with pytest.raises(DataUnreadable):
        _ = kidneys(conditions=bundle(condition("N18.31"), UNREADABLE)).advanced_disease


# -- what could not be had --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("sent", "error"), [(None, DataWithheld), (FAILED, DataFailed)])
def test_results_that_were_not_sent_are_not_taken_for_none(sent: Any, error: type[DataUnavailable]) -> None:
    with pytest.raises(error):
        function(renal=sent)
    found = function(renal=sent, conditions=bundle(STAGE_4))
    assert (found.name, type(found.unread)) == ("coded", error)


def test_older_results_that_were_not_sent_may_hold_the_last_one() -> None:
    more = {"link": [{"relation": "next", "url": "https://ehr.example/fhir?page=2"}]}
    with pytest.raises(DataUnreadable):
        function(renal=bundle(weight(), **more))
    assert function(renal=bundle(clearance(50), **more)).unread is None
    assert function(renal=bundle(creatinine(1), egfr(80), **more)).unread is not None  # a weight may be among them


def test_without_the_patient_a_reported_clearance_counts_unless_a_newer_creatinine_waits() -> None:
    assert function(clearance(50), patient=FAILED).unread is None
    assert function(clearance(50, 5), creatinine(1, 10), patient=FAILED).unread is None
    assert isinstance(function(clearance(50, 10), creatinine(1, 5), patient=FAILED).unread, DataFailed)
    with pytest.raises(DataFailed):
        function(creatinine(1), weight(), patient=FAILED)


def test_a_filtration_rate_nobody_could_read_does_not_matter_beside_a_recent_clearance() -> None:
    strange = egfr(50, 1, unit="furlong")
    assert function(clearance(50, 20), strange).unread is None
    assert function(egfr(50, 20), strange).unread is not None
    with pytest.raises(DataUnreadable):
        _ = kidneys(clearance(50, 20), strange).filtration


def test_the_filtration_rate_asked_for_is_the_newest_reported_and_of_one_day_the_lowest() -> None:
    found = kidneys(egfr(50, 30), egfr(28, 5), egfr(31, 5), creatinine(1, 1), weight()).filtration
    assert str(found) == "28"
    assert kidneys(creatinine(1), weight()).filtration is None
    assert kidneys(egfr(28, 366)).filtration is None


# -- values known from one side only ----------------------------------------------------------------------------------


def with_comparator(resource: Json, comparator: str) -> Json:
    return {**resource, "valueQuantity": {**resource["valueQuantity"], "comparator": comparator}}


@pytest.mark.parametrize(
    ("comparator", "value", "below", "may_be"),
    [
        ("", 29, True, True),
        ("", 30, False, False),
        ("<", 30, True, True),
        ("<=", 30, False, True),
        ("<", 60, False, True),
        (">", 20, False, True),
        (">", 30, False, False),
        (">=", 30, False, False),
        (">", 60, False, False),
    ],
)
def test_a_limit_is_held_against_what_a_comparator_allows(
    comparator: str, value: int, below: bool, may_be: bool
) -> None:
    resource = with_comparator(egfr(value), comparator) if comparator else egfr(value)
    found = estimate(resource)
    assert (str(found), found.below(30), found.may_be_below(30)) == (f"{comparator}{value}", below, may_be)


def test_a_creatinine_below_detection_makes_the_clearance_a_least_one() -> None:
    assert str(estimate(with_comparator(creatinine(Decimal("0.2")), "<"), weight())) == ">247.9"


# -- a rise -----------------------------------------------------------------------------------------------------------


def rise(*results: Json) -> tuple[str, str] | None:
    found = function(*results, weight()).rise
    return None if found is None else (str(found.before), str(found.after))


def test_half_as_much_again_within_a_week_is_a_rise() -> None:
    assert rise(creatinine(1, 9), creatinine(Decimal("1.5"), 2)) == ("1 mg/dL", "1.5 mg/dL")
    assert rise(creatinine(1, 9), creatinine(Decimal("1.49"), 2)) is None
    assert rise(creatinine(1, 10), creatinine(Decimal("1.5"), 2)) is None


@pytest.mark.parametrize(
    ("unit", "before", "after", "short"), [("mg/dL", "1", "1.3", "1.29"), ("umol/L", "90", "116.5", "116.4")]
)
def test_a_fast_rise_by_an_amount_is_one_in_either_unit(unit: str, before: str, after: str, short: str) -> None:
    def within(days: int, value: str) -> Any:
        return rise(creatinine(Decimal(before), 3 + days, unit), creatinine(Decimal(value), 3, unit))

    assert within(2, after) is not None
    assert within(2, short) is None
    assert within(3, after) is None


def test_hours_are_counted_where_the_times_are_known() -> None:
    before, after = f"{ago(5)}T08:00:00Z", f"{ago(3)}T08:00:00Z"
    later = f"{ago(3)}T08:01:00Z"
    assert rise(creatinine(1, before), creatinine(Decimal("1.3"), after)) is not None
    assert rise(creatinine(1, before), creatinine(Decimal("1.3"), later)) is None


def test_a_rise_is_seen_across_units() -> None:
    assert rise(creatinine(80, 4, "umol/L"), creatinine(Decimal("1.4"), 1)) == ("80 umol/L", "1.4 mg/dL")


def test_a_fall_is_no_rise_nor_is_one_of_long_ago() -> None:
    assert rise(creatinine(2, 4), creatinine(1, 1)) is None
    assert rise(creatinine(1, 95), creatinine(3, 91)) is None


def test_two_values_of_one_day_without_times_are_no_rise() -> None:
    assert rise(creatinine(1), creatinine(2)) is None


def test_a_rise_from_or_to_a_value_known_from_the_other_side_only_is_not_certain() -> None:
    low, high = creatinine(1, 4), creatinine(Decimal("1.6"), 1)
    assert rise(with_comparator(low, "<"), high) is not None
    assert rise(with_comparator(low, ">"), high) is None
    assert rise(low, with_comparator(high, ">")) is not None
    assert rise(low, with_comparator(high, "<")) is None
