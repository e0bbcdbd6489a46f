"""Dose arithmetic: what an order amounts to in a day, never a guess, never silence."""

from __future__ import annotations

import datetime
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.facts.dose_range import DoseRange
from cds_service.facts.dosing import (
    DailyAmount,
    Frequency,
    Span,
    amount_per_dose,
    course_of,
    daily,
    daily_of,
    doses_per_day,
    is_single,
    stated_mg,
)
from cds_service.fhir.elements import (
    Concept,
    Dosage,
    DoseAndRate,
    MedicationRecord,
    Moment,
    PartialDate,
    Period,
    Quantity,
    Range,
    Ratio,
    Repeat,
    Timing,
)
from cds_service.terminology.codes import Coding
from cds_service.terminology.products import Content, Product

TODAY = datetime.date(2026, 3, 2)


def calcium(label: str, low: str | None, high: str | None = None, **more: Any) -> Product:
    given = {k: Decimal(v) if k in ("salt_mg", "fraction") else v for k, v in more.items() if k in Content.__slots__}
    rest = {k: v for k, v in more.items() if k not in Content.__slots__}
    content = Content(
        "calcium",
        low=None if low is None else Decimal(low),
        high=None if low is None else Decimal(high or low),
        **given,
    )
    return Product(label, ("calcium",), frozenset({"calcium"}), calcium=(content,), **rest)


def vitamin_d(iu: str | None) -> Product:
    amount = None if iu is None else Decimal(iu)
    return Product("vitamin D", ("cholecalciferol",), vitamin_d=(Content("vitamin-d", low=amount, high=amount),))


CARBONATE_1250 = calcium("calcium carbonate 1250 mg", "500", salt_mg="1250", fraction="0.40", basis="table")
CARBONATE_1500 = calcium("calcium carbonate 1500 mg", "600", salt_mg="1500", fraction="0.40", basis="table")
CARBONATE_600 = calcium("calcium carbonate 600 mg", "240", "600", salt_mg="600", fraction="0.40", basis="ambiguous")
CARBONATE = calcium("calcium carbonate oral tablet", None, fraction="0.40")
SUPPLEMENT = calcium("calcium supplement", None)
ELEMENTAL_667 = calcium("calcium 667 mg elemental", "667", basis="stated")
TUMS_750 = calcium("Tums E-X 750", "300", salt_mg="750", fraction="0.40", basis="salt")
PHOSLO = calcium("PhosLo", "169", salt_mg="667", fraction="0.25", basis="table")
GLUCONATE_IV = calcium(
    "calcium gluconate 100 mg/mL", "9.3", salt_mg="100", fraction="0.093", per="mL", basis="salt", route="iv"
)
SUSPENSION = calcium("calcium carbonate 250 mg/mL suspension", "100", salt_mg="250", fraction="0.40", per="mL")
COMBINATION = replace(
    CARBONATE_1500,
    ingredients=("calcium carbonate", "cholecalciferol"),
    vitamin_d=(Content("vitamin-d", low=Decimal(800), high=Decimal(800)),),
)
FOSAMAX_PLUS_D = Product(
    "alendronate 70 mg / cholecalciferol 5600 IU",
    ("alendronic acid", "cholecalciferol"),
    vitamin_d=(Content("vitamin-d", low=Decimal(5600), high=Decimal(5600)),),
)


def quantity(value: object, unit: str = "tablet", comparator: str = "") -> Quantity:
    return Quantity(Decimal(str(value)), unit, comparator=comparator)


def repeat(frequency: int | None = None, period: object = None, unit: str = "", **more: Any) -> Repeat:
    return Repeat(
        frequency=frequency, period=None if period is None else Decimal(str(period)), period_unit=unit, **more
    )


def order(dose: Quantity | Range | None = None, when: Repeat | str | None = None, **more: Any) -> Dosage:
    """One instruction; ``when`` is a repeat or the text of a timing code."""
    timing = None
    if isinstance(when, Repeat):
        timing = Timing(when)
    elif when:
        timing = Timing(code=Concept(texts=(when,)))
    return Dosage(timing=timing, doses=(DoseAndRate(dose=dose),) if dose else (), **more)


def a_day(
    *dosages: Dosage, product: Product = CARBONATE_1250, free_text: bool = True, begun: datetime.date | None = None
) -> DailyAmount:
    return daily_of(dosages, product, "calcium", TODAY, free_text_allowed=free_text, begun=begun)


def iu_a_day(*dosages: Dosage, product: Product) -> DailyAmount:
    return daily_of(dosages, product, "vitamin-d", TODAY, free_text_allowed=True)


def is_computed(found: DailyAmount, low: object, high: object | None = None) -> None:
    assert found.computable, found.reason
    assert (found.low, found.high) == (Fraction(str(low)), Fraction(str(low if high is None else high)))


def per_day(timing: Repeat | str, **more: Any) -> tuple[Fraction, Fraction | None]:
    found = doses_per_day(order(when=timing, **more))
    assert found.doses is not None, found.reason
    return found.doses.low, found.doses.high


def exactly(number: object) -> tuple[Fraction, Fraction]:
    return Fraction(str(number)), Fraction(str(number))


ONE = quantity(1)
DAILY = repeat(1, 1, "d")


class TestDosesPerDay:
    @pytest.mark.parametrize(
        ("timing", "number"),
        [
            (repeat(1, 1, "d"), "1"),
            (repeat(3, 1, "d"), "3"),
            (repeat(1, 6, "h"), "4"),
            (repeat(1, 90, "min"), "16"),
            (repeat(1, 1, "wk"), "1/7"),
            (repeat(3, 1, "wk"), "3/7"),
            (repeat(1, 2, "d"), "1/2"),
            (repeat(1, 1, "mo"), "1/30"),
            (repeat(1, 1, "a"), "1/365"),
            (repeat(None, 1, "d"), "1"),
            (repeat(1, "0.5", "d"), "2"),
        ],
    )
    def test_frequency_is_divided_by_the_period(self, timing: Repeat, number: str) -> None:
        assert per_day(timing) == exactly(number)

    def test_frequency_max_raises_the_high_and_period_max_lowers_the_low(self) -> None:
        assert per_day(repeat(1, 1, "d", frequency_max=2)) == (1, 2)
        assert per_day(repeat(1, 4, "h", period_max=Decimal(6))) == (4, 6)
        assert per_day(repeat(1, 4, "h", frequency_max=2, period_max=Decimal(8))) == (3, 12)

    def test_bounds_sent_in_the_wrong_order_are_still_a_range(self) -> None:
        assert per_day(repeat(3, 1, "d", frequency_max=2)) == (2, 3)
        assert per_day(repeat(1, 6, "h", period_max=Decimal(4))) == (4, 6)

    @pytest.mark.parametrize(
        ("frequency", "days", "bounds"),
        [
            (1, ("mon",), exactly("1/7")),
            (1, ("mon", "wed", "fri"), (Fraction(1, 7), Fraction(3, 7))),
            (3, ("mon", "wed", "fri"), exactly("3/7")),
            (2, ("mon", "wed", "fri"), (Fraction(2, 7), Fraction(3, 7))),
        ],
    )
    def test_weekdays_with_a_weekly_frequency(self, frequency: int, days: tuple[str, ...], bounds: object) -> None:
        assert per_day(repeat(frequency, 1, "wk", days_of_week=days)) == bounds

    def test_weekdays_with_a_daily_frequency_are_that_share_of_it(self) -> None:
        assert per_day(repeat(2, 1, "d", days_of_week=("mon", "wed", "fri"))) == exactly("6/7")
        assert per_day(repeat(None, None, "", days_of_week=("sun",))) == exactly("1/7")

    def test_every_seven_days_on_a_named_day_is_weekly(self) -> None:
        assert per_day(repeat(1, 7, "d", days_of_week=("sun",))) == exactly("1/7")

    @pytest.mark.parametrize(
        ("codes", "number"),
        [(("HS",), "1"), (("CM", "CV"), "2"), (("C",), "3"), (("AC", "HS"), "4"), (("PC",), "3"), (("MORN",), "1")],
    )
    def test_occasions_alone_are_counted_and_all_meals_are_three(self, codes: tuple[str, ...], number: str) -> None:
        assert per_day(repeat(when=codes)) == exactly(number)

    def test_frequency_wins_over_occasions(self) -> None:
        assert per_day(repeat(3, 1, "d", when=("C",))) == exactly(3)
        assert per_day(repeat(2, 1, "d", when=("CM", "CD", "CV"))) == exactly(2)
        assert per_day(repeat(1, 1, "d", when=("HS",))) == exactly(1)

    def test_once_a_day_at_several_occasions_may_mean_each_of_them(self) -> None:
        assert per_day(repeat(1, 1, "d", when=("CM", "CV"))) == (1, 2)

    def test_times_of_day_are_counted(self) -> None:
        assert per_day(repeat(times_of_day=3)) == exactly(3)

    def test_single_events_cannot_be_computed(self) -> None:
        assert doses_per_day(Dosage(timing=Timing(events=3))) == Frequency(reason="events-only")

    @pytest.mark.parametrize(
        ("code", "number"),
        [
            *[
                ("BID", "2"),
                ("TID", "3"),
                ("QID", "4"),
                ("AM", "1"),
                ("PM", "1"),
                ("QD", "1"),
                ("BED", "1"),
                ("QOD", "1/2"),
            ],
            *[(f"Q{hours}H", Fraction(24, hours)) for hours in range(1, 9)],
            *[("WK", "1/7"), ("MO", "1/30"), ("bid", "2"), ("b.i.d.", "2"), ("Q 6 H", "4")],
        ],
    )
    def test_timing_codes_are_read_as_code_and_as_text(self, code: str, number: object) -> None:
        assert per_day(code) == exactly(number)
        coded = Timing(code=Concept((Coding("http://terminology.hl7.org/CodeSystem/v3-GTSAbbreviation", code),)))
        found = doses_per_day(Dosage(timing=coded)).doses
        assert found == DoseRange(*exactly(number))

    def test_a_code_that_contradicts_the_repeat_widens_the_range(self) -> None:
        timing = Timing(repeat(1, 1, "d"), Concept(texts=("TID",)))
        assert doses_per_day(Dosage(timing=timing)) == Frequency(
            DoseRange(Fraction(1), Fraction(3)), notes=("timing-contradiction",)
        )

    def test_a_code_that_says_the_same_is_no_contradiction(self) -> None:
        timing = Timing(repeat(1, 12, "h"), Concept(texts=("BID",)))
        assert doses_per_day(Dosage(timing=timing)) == Frequency(DoseRange.of(2))

    def test_as_needed_takes_the_low_away(self) -> None:
        assert per_day(repeat(1, 4, "h"), as_needed=True) == (0, 6)

    @pytest.mark.parametrize(
        "timing",
        [
            repeat(0, 1, "d"),
            repeat(-1, 1, "d"),
            repeat(1, 0, "d"),
            repeat(1, -1, "d"),
            repeat(1, 1, "fortnight"),
            repeat(1, "1E+9999999", "d"),
            repeat(1, "NaN", "d"),
            repeat(1, 11, "a"),
            repeat(97, 1, "d"),
            repeat(1, 1, "s"),
        ],
    )
    def test_a_timing_that_cannot_be_is_not_computed(self, timing: Repeat) -> None:
        assert doses_per_day(order(when=timing)) == Frequency(reason="implausible-timing")

    def test_the_limits_of_plausible_timing_themselves_are_computed(self) -> None:
        assert per_day(repeat(96, 1, "d")) == exactly(96)
        assert per_day(repeat(1, 10, "a")) == exactly("1/3650")

    def test_a_missing_timing_is_not_once_a_day(self) -> None:
        assert doses_per_day(Dosage()) == Frequency(reason="no-timing")
        assert doses_per_day(order(when=repeat(2))).reason == "no-timing"

    @pytest.mark.parametrize(
        ("text", "number"), [("every 12 hours", 2), ("0900 & 1800", 2), ("2 tabs po qd", 1), ("BID with meals", 2)]
    )
    def test_v13_timing_given_only_as_text_is_read_if_that_is_allowed(self, text: str, number: int) -> None:
        found = doses_per_day(order(when=text), free_text_allowed=True)
        assert found == Frequency(DoseRange.of(number), notes=("from-free-text",))
        assert doses_per_day(order(when=text)).reason == "no-timing"
        assert doses_per_day(Dosage(text=text), free_text_allowed=True) == found

    def test_a_text_that_is_not_plain_is_said_not_to_be_understood(self) -> None:
        assert doses_per_day(Dosage(text="as directed"), free_text_allowed=True).reason == "text-not-understood"


def amount(dose: Quantity | Range, product: Product, substance: Any = "calcium") -> tuple[object, object, str]:
    found = amount_per_dose(order(dose), product, substance)
    if found.per_dose is None:
        return None, None, found.reason
    return found.per_dose.low, found.per_dose.high, ",".join(found.notes)


class TestAmountPerDose:
    @pytest.mark.parametrize("unit", ["tablet", "{pill}", "{tablet}", "capsule", "each", "", "1"])
    def test_v11_a_count_is_multiplied_by_the_content(self, unit: str) -> None:
        assert amount(quantity(2, unit), CARBONATE_1250) == (1000, 1000, "")

    @pytest.mark.parametrize(
        ("mg", "product", "low", "high"),
        [
            ("1250", CARBONATE_1250, 500, 500),  # one tablet by its salt
            ("2500", CARBONATE_1250, 1000, 1000),
            ("625", CARBONATE_1250, 250, 250),  # half a tablet
            ("500", CARBONATE_1250, 500, 500),  # one tablet by its calcium
            ("1000", CARBONATE_1250, 1000, 1000),
            ("1500", CARBONATE_1500, 600, 600),
            ("600", CARBONATE_1500, 600, 600),
            ("667", PHOSLO, 169, 169),
            ("667", ELEMENTAL_667, 667, 667),
            ("1000", ELEMENTAL_667, 1000, 1000),
        ],
    )
    def test_a_mass_that_is_whole_or_half_tablets_counts_tablets(
        self, mg: str, product: Product, low: int, high: int
    ) -> None:
        assert amount(quantity(mg, "mg"), product) == (low, high, "")

    def test_any_other_mass_may_be_salt_or_calcium(self) -> None:
        assert amount(quantity(800, "mg"), CARBONATE_1250) == (320, 800, "strength-ambiguous")
        assert amount(quantity(500, "mg"), CARBONATE) == (200, 500, "strength-ambiguous")
        assert amount(quantity("0.5", "g"), CARBONATE) == (200, 500, "strength-ambiguous")

    def test_an_ambiguous_strength_stays_ambiguous(self) -> None:
        assert amount(quantity(2), CARBONATE_600) == (480, 1200, "strength-ambiguous")
        assert amount(quantity(600, "mg"), CARBONATE_600) == (240, 600, "strength-ambiguous")

    def test_without_strength_a_count_says_nothing(self) -> None:
        assert amount(ONE, SUPPLEMENT) == (None, None, "no-strength")
        assert amount(ONE, CARBONATE) == (None, None, "no-strength")
        assert amount(ONE, Product("calcium supplement")) == (None, None, "no-strength")

    def test_equivalents_and_millimoles_are_elemental(self) -> None:
        assert amount(quantity(10, "mEq"), CARBONATE_1250) == (Fraction("200.4"), Fraction("200.4"), "")
        assert amount(quantity(5, "mmol"), CARBONATE_1250) == (Fraction("200.4"), Fraction("200.4"), "")

    def test_a_volume_is_multiplied_by_the_concentration(self) -> None:
        assert amount(quantity(10, "mL"), GLUCONATE_IV) == (93, 93, "")
        assert amount(quantity(5, "mL"), CARBONATE_1250) == (None, None, "unit-not-usable")
        assert amount(ONE, SUSPENSION) == (None, None, "unit-not-usable")

    def test_grams_by_vein_are_salt(self) -> None:
        assert amount(quantity(1, "g"), GLUCONATE_IV) == (93, 93, "")
        chloride = calcium("calcium chloride", None, fraction="0.273", route="iv")
        assert amount(quantity(1, "g"), chloride) == (273, 273, "")

    def test_a_mass_of_a_liquid_by_mouth_may_be_salt_or_calcium(self) -> None:
        assert amount(quantity(500, "mg"), SUSPENSION) == (200, 500, "strength-ambiguous")

    def test_a_dose_range_keeps_its_bounds(self) -> None:
        assert amount(Range(quantity(1), quantity(2)), CARBONATE_1250) == (500, 1000, "")
        assert amount(Range(Quantity(Decimal(1)), quantity(2)), CARBONATE_1250) == (500, 1000, "")
        assert amount(Range(quantity(1)), CARBONATE_1250) == (500, None, "")
        assert amount(Range(high=quantity(2)), CARBONATE_1250) == (0, 1000, "")

    @pytest.mark.parametrize(
        ("value", "reason"), [(0, "implausible-dose"), (-1, "implausible-dose"), ("1E+400", "implausible-dose")]
    )
    def test_a_dose_that_cannot_be_is_not_computed(self, value: object, reason: str) -> None:
        assert amount(quantity(value), CARBONATE_1250) == (None, None, reason)

    def test_a_bare_number_is_a_count_only_while_it_is_small(self) -> None:
        assert amount(quantity(20, ""), CARBONATE_1250)[2] == ""
        assert amount(quantity(21, ""), CARBONATE_1250)[2] == "unit-missing"

    def test_an_unknown_unit_is_not_a_count(self) -> None:
        assert amount(quantity(1, "spoonful"), CARBONATE_1250)[2] == "unit-not-usable"

    def test_no_dose_is_no_dose(self) -> None:
        assert amount_per_dose(Dosage(), CARBONATE_1250, "calcium").reason == "no-dose"
        assert amount(Quantity(None, "tablet"), CARBONATE_1250)[2] == "no-dose"

    def test_v12_several_entries_for_one_dose_are_not_added(self) -> None:
        entries = (
            DoseAndRate("calculated", quantity(500, "mg")),
            DoseAndRate("admin-amount", quantity(1, "tablet")),
            DoseAndRate("ordered", quantity(1250, "mg")),
        )
        found = amount_per_dose(Dosage(doses=entries), CARBONATE_1250, "calcium")
        assert (found.per_dose, found.notes) == (DoseRange.of(500), ())

    def test_v12_the_entry_that_can_be_computed_counts(self) -> None:
        entries = (DoseAndRate("ordered", quantity(1, "spoonful")), DoseAndRate("calculated", quantity(1)))
        assert amount_per_dose(Dosage(doses=entries), CARBONATE_1250, "calcium").per_dose == DoseRange.of(500)

    def test_v12_entries_that_exclude_each_other_widen_the_range(self) -> None:
        entries = (DoseAndRate("ordered", quantity(2)), DoseAndRate("calculated", quantity(1)))
        found = amount_per_dose(Dosage(doses=entries), CARBONATE_1250, "calcium")
        assert found.per_dose == DoseRange(Fraction(500), Fraction(1000))
        assert found.notes == ("dose-contradiction",)

    def test_a_maximum_per_administration_caps_the_dose(self) -> None:
        found = amount_per_dose(
            order(Range(ONE, quantity(4)), max_per_administration=quantity(2)), CARBONATE_1250, "calcium"
        )
        assert found.per_dose == DoseRange(Fraction(500), Fraction(1000))

    def test_a_rate_counts_for_its_duration(self) -> None:
        lasting = Timing(repeat(1, 1, "d", duration=Decimal(4), duration_unit="h"))
        dosage = Dosage(timing=lasting, doses=(DoseAndRate(rate=quantity(10, "mL/h")),))
        is_computed(a_day(dosage, product=GLUCONATE_IV), "372")

    def test_a_rate_without_duration_bounds_the_day_from_above_only(self) -> None:
        for rate in (
            quantity(10, "mL/h"),
            Ratio(quantity(20, "mL"), quantity(2, "h")),
            Range(high=quantity(10, "mL/h")),
        ):
            found = a_day(Dosage(doses=(DoseAndRate(rate=rate),)), product=GLUCONATE_IV)
            is_computed(found, 0, "2232")
            assert found.notes == ("from-rate",)

    def test_vitamin_d_is_counted_in_international_units(self) -> None:
        d3 = vitamin_d("1000")
        assert amount(quantity(2), d3, "vitamin-d")[:2] == (2000, 2000)
        for value, unit in (("1000", "UNT"), ("1000", "[iU]"), ("25", "mcg"), ("0.025", "mg")):
            assert amount(quantity(value, unit), d3, "vitamin-d")[:2] == (1000, 1000)
        assert amount(quantity("1.25", "mg"), vitamin_d(None), "vitamin-d")[:2] == (50000, 50000)

    def test_the_mass_of_a_combination_is_not_the_mass_of_its_vitamin_d(self) -> None:
        assert amount(quantity(70, "mg"), FOSAMAX_PLUS_D, "vitamin-d")[2] == "unit-not-usable"
        assert amount(quantity(1500, "mg"), COMBINATION, "vitamin-d")[:2] == (800, 800)
        assert amount(quantity(800, "IU"), COMBINATION, "calcium")[:2] == (600, 600)


class TestWorkedExamples:
    def test_four_tablets_of_carbonate_1250_are_2000(self) -> None:
        is_computed(a_day(order(ONE, repeat(4, 1, "d"))), 2000)

    def test_three_times_667_elemental_are_2001(self) -> None:
        is_computed(a_day(order(quantity(667, "mg"), repeat(3, 1, "d")), product=ELEMENTAL_667), 2001)

    def test_carbonate_1500_three_times_a_day_is_1800_not_4500(self) -> None:
        is_computed(a_day(order(ONE, "TID"), product=CARBONATE_1500), 1800)

    def test_three_phoslo_with_each_meal_are_1521(self) -> None:
        is_computed(a_day(order(quantity(3, "capsule"), repeat(3, 1, "d", when=("C",))), product=PHOSLO), 1521)
        is_computed(a_day(Dosage(text="3 caps with each meal"), product=PHOSLO), 1521)

    def test_an_antacid_as_needed_is_nothing_up_to_its_maximum(self) -> None:
        most = Ratio(quantity(10), quantity(1, "d"))
        tums = order(quantity(2), repeat(1, 4, "h"), as_needed=True, max_per_period=most)
        is_computed(a_day(tums, product=TUMS_750), 0, 3000)
        unscheduled = order(quantity(2), as_needed=True, max_per_period=most)
        is_computed(a_day(unscheduled, product=TUMS_750), 0, 3000)
        by_text = Dosage(text="chew 2 tablets as needed, max 10 tablets per day")
        is_computed(a_day(by_text, product=TUMS_750), 0, 3000)

    def test_50000_weekly_is_a_seventh_of_a_daily_one(self) -> None:
        found = iu_a_day(order(quantity(1, "capsule"), repeat(1, 1, "wk")), product=vitamin_d("50000"))
        is_computed(found, "50000/7")
        assert found.single_dose_max == 50000

    def test_alendronate_with_5600_weekly_is_800_a_day(self) -> None:
        is_computed(iu_a_day(order(ONE, repeat(1, 1, "wk")), product=FOSAMAX_PLUS_D), 800)

    def test_a_combination_counts_for_both_substances(self) -> None:
        twice = order(ONE, "BID")
        is_computed(a_day(twice, product=COMBINATION), 1200)
        is_computed(iu_a_day(twice, product=COMBINATION), 1600)


class TestAsNeededAndMaxima:
    def test_as_needed_without_any_maximum_cannot_be_computed(self) -> None:
        found = a_day(order(ONE, as_needed=True))
        assert (found.computable, found.reason, found.low, found.high) == (False, "as-needed-without-maximum", 0, None)

    def test_a_maximum_caps_scheduled_doses_too(self) -> None:
        dosage = order(ONE, repeat(1, 1, "d", frequency_max=6), max_per_period=Ratio(quantity(4), quantity(24, "h")))
        is_computed(a_day(dosage), 500, 2000)

    def test_a_maximum_that_cannot_be_read_is_noted(self) -> None:
        found = a_day(order(ONE, DAILY, max_per_period=Ratio(quantity(4), quantity(1, "blue moon"))))
        is_computed(found, 500)
        assert found.notes == ("maximum-not-understood",)

    def test_as_needed_in_the_timing_text_counts(self) -> None:
        found = a_day(order(ONE, "Q6H PRN"))
        is_computed(found, 0, 2000)
        assert "as-needed" in found.notes


class TestSeveralInstructions:
    def test_instructions_without_sequence_are_added(self) -> None:
        is_computed(a_day(order(ONE, repeat(when=("CM",))), order(quantity(2), repeat(when=("HS",)))), 1500)

    def test_instructions_of_the_same_sequence_are_added(self) -> None:
        is_computed(a_day(order(ONE, DAILY, sequence=1), order(quantity(2), DAILY, sequence=1)), 1500)

    def test_v15_steps_are_bounds_and_never_a_sum(self) -> None:
        found = a_day(order(quantity(3), DAILY, sequence=1), order(ONE, DAILY, sequence=2))
        is_computed(found, 500, 1500)
        assert found.notes == ("steps",)

    def test_a_step_that_is_over_is_dropped(self) -> None:
        loading = order(quantity(3), repeat(1, 1, "d", bounds_duration=quantity(2, "wk")), sequence=1)
        maintenance = order(ONE, DAILY, sequence=2)
        last_day, after = TODAY - datetime.timedelta(14), TODAY - datetime.timedelta(15)
        is_computed(a_day(loading, maintenance, begun=last_day), 500, 1500)
        is_computed(a_day(loading, maintenance, begun=after), 500)

    def test_one_instruction_that_cannot_be_computed_leaves_the_rest_as_a_floor(self) -> None:
        found = a_day(order(ONE, DAILY), order(ONE))
        assert (found.computable, found.reason, found.low, found.high) == (False, "no-timing", 500, None)

    def test_no_instruction_at_all_cannot_be_computed(self) -> None:
        assert a_day().reason == "no-dosage"

    @given(st.permutations(range(4)))
    def test_the_order_of_concurrent_instructions_does_not_matter(self, places: list[int]) -> None:
        lines = [
            order(ONE, DAILY),
            order(quantity(2), "BID"),
            order(ONE, repeat(1, 4, "h"), as_needed=True),
            order(quantity(800, "mg"), repeat(1, 1, "wk")),
        ]
        found, same = a_day(*lines), a_day(*(lines[i] for i in places))
        assert (found.low, found.high) == (same.low, same.high)


class TestTexts:
    def test_structured_dose_and_timing_need_no_text(self) -> None:
        found = a_day(order(ONE, DAILY, text="as directed"))
        is_computed(found, 500)
        assert found.notes == ()

    def test_a_text_completes_what_the_structure_lacks(self) -> None:
        is_computed(a_day(order(ONE, text="take one tablet twice daily")), 1000)
        is_computed(a_day(order(None, "BID", text="take 2 tablets")), 2000)
        assert "from-free-text" in a_day(order(ONE, text="twice daily")).notes

    def test_a_text_is_not_read_unless_allowed(self) -> None:
        found = a_day(order(ONE, text="twice daily"), free_text=False)
        assert (found.computable, found.reason) == (False, "no-timing")

    def test_a_text_that_is_not_understood_is_the_reason(self) -> None:
        assert a_day(Dosage(text="take 1 daily then stop")).reason == "text-not-understood"

    def test_the_patient_instruction_is_read_where_there_is_no_other_text(self) -> None:
        is_computed(a_day(Dosage(patient_instruction="1 tablet daily")), 500)

    def test_v14_a_text_that_contradicts_the_structure_widens_the_range(self) -> None:
        found = a_day(order(ONE, repeat(2, 1, "wk"), text="1 cap once a week"))
        is_computed(found, "500/7", "1000/7")
        assert found.notes == ("text-contradicts-structure",)

    def test_v14_a_text_that_says_the_same_contradicts_nothing(self) -> None:
        assert a_day(order(ONE, "BID", text="Take 1 tablet (500 mg total) by mouth 2 (two) times daily")).notes == ()
        assert a_day(order(ONE, "BID", text="take 1250 mg twice daily")).notes == ()


class TestSingleDosesAndCourses:
    def test_a_single_dose_is_no_part_of_a_day(self) -> None:
        for dosage in (order(ONE, repeat(count=1)), order(ONE, "STAT"), order(ONE, text="once")):
            found = a_day(dosage)
            assert (found.one_off, found.low, found.high, found.single_dose_max) == (True, 0, 0, 500)

    def test_a_single_dose_beside_a_schedule_is_left_out(self) -> None:
        found = a_day(order(quantity(4), repeat(count=1)), order(ONE, DAILY))
        is_computed(found, 500)
        assert (found.one_off, found.single_dose_max, found.notes) == (False, 2000, ("single-dose-left-out",))

    def test_v15_a_yearly_infusion_is_a_very_small_daily_amount(self) -> None:
        found = iu_a_day(order(ONE, repeat(1, 1, "a")), product=vitamin_d("300000"))
        is_computed(found, Fraction(300000, 365))

    def test_an_instruction_whose_bounds_are_past_has_ended(self) -> None:
        assert a_day(order(ONE, repeat(1, 1, "d", bounds_period=until(TODAY - datetime.timedelta(1))))).ended
        assert not a_day(order(ONE, repeat(1, 1, "d", bounds_period=until(TODAY)))).ended

    def test_a_later_start_is_told(self) -> None:
        later = Period(start=moment(TODAY + datetime.timedelta(31)))
        assert a_day(order(ONE, repeat(1, 1, "d", bounds_period=later))).starts_in_days == 31
        now = Period(start=moment(TODAY))
        assert a_day(order(ONE, repeat(1, 1, "d", bounds_period=now))).starts_in_days is None

    def test_what_could_not_be_read_is_never_computed(self) -> None:
        assert a_day(order(ONE, DAILY, unreadable=frozenset({"timing"}))).reason == "unreadable"
        is_computed(a_day(order(ONE, DAILY, unreadable=frozenset({"route"}))), 500)
        whole = MedicationRecord("MedicationRequest/1", "MedicationRequest", "1", unreadable=frozenset({"dosages"}))
        assert daily(whole, CARBONATE_1250, "calcium", TODAY).reason == "unreadable"

    def test_an_order_is_computed_from_its_record(self) -> None:
        record = MedicationRecord("MedicationRequest/1", "MedicationRequest", "1", dosages=(order(ONE, "BID"),))
        is_computed(daily(record, CARBONATE_1250, "calcium", TODAY), 1000)

    @pytest.mark.parametrize(
        ("timing", "supply", "refills", "days"),
        [
            (repeat(1, 1, "wk", bounds_duration=quantity(8, "wk")), None, None, 56),
            (repeat(1, 1, "wk", count=8), None, None, 56),
            (repeat(1, 1, "wk"), "28", 1, 56),
            (repeat(1, 1, "wk"), "28", None, 28),
            (repeat(1, 1, "wk"), None, 3, None),
            (repeat(1, 1, "wk"), "1E+12", None, None),
            (repeat(1, 1, "wk", bounds_duration=quantity(8, "wk"), count=4), "90", 3, 56),
            (repeat(1, 1, "wk", bounds_range=Range(quantity(6, "wk"), quantity(8, "wk"))), None, None, 56),
            (repeat(times_of_day=2, count=14), None, None, 7),
        ],
    )
    def test_a_course_ends_with_the_first_thing_that_ends_it(
        self, timing: Repeat, supply: str | None, refills: int | None, days: int | None
    ) -> None:
        end = None if days is None else TODAY + datetime.timedelta(days)
        found = course_of([order(ONE, timing)], moment(TODAY), None, Decimal(supply) if supply else None, refills)
        assert found == Span(TODAY, end)

    def test_bounds_come_before_everything_else(self) -> None:
        start, end = TODAY - datetime.timedelta(10), TODAY + datetime.timedelta(5)
        bounded = repeat(1, 1, "wk", bounds_period=Period(moment(start), moment(end)))
        assert course_of([order(ONE, bounded)], moment(TODAY), None, Decimal(90), 3) == Span(start, end)

    def test_a_statement_starts_and_ends_with_its_effective_period(self) -> None:
        start, end = TODAY - datetime.timedelta(10), TODAY + datetime.timedelta(5)
        assert course_of([], moment(TODAY), Period(moment(start), moment(end)), None, None) == Span(start, end)

    def test_steps_follow_each_other(self) -> None:
        first = order(ONE, repeat(1, 1, "d", bounds_duration=quantity(2, "wk")), sequence=1)
        second = order(ONE, repeat(1, 1, "d", bounds_duration=quantity(4, "wk")), sequence=2)
        assert course_of([second, first], moment(TODAY), None, None, None).end == TODAY + datetime.timedelta(42)

    def test_the_duration_in_a_plain_text_ends_a_course_if_texts_are_allowed(self) -> None:
        dosage = Dosage(text="1 capsule weekly for 8 weeks")
        assert course_of([dosage], moment(TODAY), None, None, None).end is None
        found = course_of([dosage], moment(TODAY), None, None, None, free_text_allowed=True)
        assert found.end == TODAY + datetime.timedelta(56)

    def test_nothing_known_is_an_open_course(self) -> None:
        assert course_of([], None, None, Decimal(30), 1) == Span(None, None)

    def test_the_stated_dose_in_mg_is_found_when_there_is_one(self) -> None:
        assert stated_mg([order(quantity(3, "mg"))]) == 3
        assert stated_mg([order(quantity("0.005", "g"))]) == 5
        assert stated_mg([order(quantity(3, "mg")), order(quantity(5, "mg"))]) is None
        assert stated_mg([order(quantity(1, "tablet"))]) is None


def moment(day: datetime.date) -> Moment:
    return Moment(PartialDate(day.year, day.month, day.day))


def until(day: datetime.date) -> Period:
    return Period(end=moment(day))


numbers = st.one_of(st.none(), st.integers(-3, 60), st.sampled_from([0, 10**9, 10**30]))
decimals = st.one_of(
    st.none(),
    st.decimals(min_value=-5, max_value=500, places=2),
    st.sampled_from([Decimal(x) for x in ("0", "NaN", "Infinity", "1E+999999", "1E-999999")]),
)
time_units = st.sampled_from(["", "s", "min", "h", "d", "wk", "mo", "a", "fortnight"])
quantities = st.builds(
    Quantity,
    decimals,
    st.sampled_from(["", "tablet", "mg", "g", "mL", "mEq", "IU", "mL/h", "d", "spoon"]),
    comparator=st.sampled_from(["", "<", ">", ">="]),
)
ranges = st.builds(Range, st.none() | quantities, st.none() | quantities)
ratios = st.builds(Ratio, quantities, quantities)
repeats = st.builds(
    Repeat,
    frequency=numbers,
    frequency_max=numbers,
    period=decimals,
    period_max=decimals,
    period_unit=time_units,
    days_of_week=st.lists(st.sampled_from(["mon", "tue", "wed", "", "xyz"]), max_size=4).map(tuple),
    when=st.lists(st.sampled_from(["CM", "C", "HS", "AC", ""]), max_size=3).map(tuple),
    times_of_day=st.integers(0, 4),
    count=numbers,
    count_max=numbers,
    duration=decimals,
    duration_unit=time_units,
    bounds_duration=st.none() | quantities,
    bounds_range=st.none() | ranges,
)
codes = st.builds(Concept, texts=st.sampled_from([(), ("BID",), ("Q6H PRN",), ("as directed",), ("STAT",)]))
dosages = st.builds(
    Dosage,
    sequence=st.one_of(st.none(), st.integers(1, 3)),
    text=st.sampled_from(
        ["", "1 tablet daily", "once", "then stop", "max 3 tablets per day", "500 mg weekly for 3 weeks"]
    ),
    timing=st.none() | st.builds(Timing, st.none() | repeats, st.none() | codes, st.integers(0, 2)),
    as_needed=st.booleans(),
    doses=st.lists(
        st.builds(
            DoseAndRate,
            st.sampled_from(["", "ordered"]),
            st.none() | quantities | ranges,
            st.none() | quantities | ranges | ratios,
        ),
        max_size=2,
    ).map(tuple),
    max_per_period=st.none() | ratios,
    max_per_administration=st.none() | quantities,
)
products = st.sampled_from(
    [CARBONATE_1250, CARBONATE_600, CARBONATE, SUPPLEMENT, GLUCONATE_IV, COMBINATION, FOSAMAX_PLUS_D]
)


@given(st.lists(dosages, max_size=3), products, st.sampled_from(["calcium", "vitamin-d"]), st.booleans(), st.booleans())
def test_nothing_that_can_be_sent_breaks_the_arithmetic(
    lines: list[Dosage], product: Product, substance: Any, free_text: bool, started: bool
) -> None:
    found = daily_of(lines, product, substance, TODAY, free_text_allowed=free_text, begun=TODAY if started else None)
    assert found.low >= 0
    assert found.high is None or found.low <= found.high
    assert found.computable == (found.reason == "")
    assert not found.computable or found.high is not None
    course_of(lines, moment(TODAY), None, Decimal(30), 1, free_text_allowed=free_text)
    stated_mg(lines)


@given(st.lists(dosages, max_size=3), products, st.sampled_from([frozenset(), {"text"}, {"timing"}, {"maxPerPeriod"}]))
def test_whether_it_is_a_single_dose_is_told_without_its_amount_as_with_it(
    lines: list[Dosage], product: Product, unreadable: Any
) -> None:
    broken = [replace(line, unreadable=frozenset(unreadable), memo={}) for line in lines]
    record = MedicationRecord(source="MedicationRequest/1", type="MedicationRequest", id="1", dosages=tuple(broken))
    assert is_single(record, TODAY) == daily(record, product, "calcium", TODAY).one_off


@given(st.integers(1, 24), st.integers(1, 60), st.sampled_from(["d", "wk", "mo"]), st.integers(1, 10))
def test_doubling_the_frequency_doubles_the_day(frequency: int, period: int, unit: str, tablets: int) -> None:
    once = a_day(order(quantity(tablets), repeat(frequency, period, unit)))
    twice = a_day(order(quantity(tablets), repeat(2 * frequency, period, unit)))
    assert twice.low == 2 * once.low
    assert twice.high == 2 * (once.high or 0)


@given(st.integers(1, 24), st.integers(1, 10))
def test_a_weekly_dose_is_a_seventh_of_a_daily_one(frequency: int, tablets: int) -> None:
    weekly = a_day(order(quantity(tablets), repeat(frequency, 1, "wk")))
    assert weekly.low * 7 == a_day(order(quantity(tablets), repeat(frequency, 1, "d"))).low


def test_a_range_never_has_its_bounds_reversed() -> None:
    with pytest.raises(ValueError, match="not a range"):
        DoseRange(Fraction(2), Fraction(1))
    with pytest.raises(ValueError, match="not a range"):
        DoseRange(Fraction(-1), Fraction(1))
