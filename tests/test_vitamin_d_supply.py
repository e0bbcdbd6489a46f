"""What vitamin D orders amount to, alone and together: averages, lengths, what fills stores, what nobody can add up."""

from __future__ import annotations

import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service import fhir
from cds_service.facts.clock import Clock
from cds_service.facts.medications import Entry
from cds_service.facts.orders import Order
from cds_service.facts.vitamin_d_regimen import Regimen, regimen
from cds_service.facts.vitamin_d_supply import VitaminDIntake, intake
from cds_service.fhir import DataFailed, DataUnavailable
from cds_service.fhir.elements import (
    Dosage,
    DoseAndRate,
    MedicationRecord,
    Moment,
    PartialDate,
    Period,
    Quantity,
    Range,
    Repeat,
    Timing,
)
from cds_service.fhir.resource import Resource
from cds_service.manifest import load_catalogue
from cds_service.terminology.products import Content, Product

from .ehr import NOW, ZONE

CLOCK = Clock(NOW, ZONE)
TODAY = CLOCK.today
LIMITS = load_catalogue().settings(TODAY).regimens
DROPS = Product("vitamin D drops", ("cholecalciferol",), frozenset({"vitamin-d-nutritional"}))
CAPSULE = Product(
    "ergocalciferol 50,000 IU capsule",
    ("ergocalciferol",),
    frozenset({"vitamin-d-nutritional"}),
    vitamin_d=(Content("vitamin-d", low=Decimal(50000), high=Decimal(50000)),),
)
DAYS = {"d": 1, "wk": 7, "mo": 30, "a": 365}


def day(offset: int) -> Moment:
    date = TODAY + datetime.timedelta(days=offset)
    return Moment(PartialDate(date.year, date.month, date.day))


def iu(amount: object, high: object = None) -> DoseAndRate:
    low = Quantity(Decimal(str(amount)), "IU", "[iU]")
    return DoseAndRate(dose=low if high is None else Range(low, Quantity(Decimal(str(high)), "IU", "[iU]")))


def every(period: object = 1, unit: str = "d", frequency: int = 1, weeks: int | None = None, **more: Any) -> Timing:
    length = None if weeks is None else Quantity(Decimal(weeks), "wk", "wk")
    repeat = Repeat(frequency=frequency, period=Decimal(str(period)), period_unit=unit, bounds_duration=length, **more)
    return Timing(repeat)


ONCE = Timing(Repeat(count=1))


def dosage(amount: object, timing: Timing | None, **more: Any) -> Dosage:
    return Dosage(timing=timing, doses=() if amount is None else (iu(amount),), **more)


def order(*dosages: Dosage, product: Product = DROPS, session: bool = True, **more: Any) -> Order:
    status = {"status": "draft" if session else "active", **more}
    record = MedicationRecord("MedicationRequest/d1", "MedicationRequest", "d1", dosages=dosages, **status)
    return Order(record, product, Resource({}, fhir.version("4.0.1")), session, session)


def of(*dosages: Dosage, **more: Any) -> Regimen:
    return regimen(order(*dosages, **more), LIMITS, CLOCK)


@given(
    amount=st.integers(1, 600_000),
    frequency=st.integers(1, 6),
    period=st.decimals(Decimal("0.5"), Decimal(12), places=1),
    unit=st.sampled_from(sorted(DAYS)),
)
def test_the_average_of_a_schedule_is_dose_times_frequency_over_period(
    amount: int, frequency: int, period: Decimal, unit: str
) -> None:
    days = Fraction(period) * DAYS[unit]
    if days > 366:
        return
    found = of(dosage(amount, every(period, unit, frequency)))
    assert found.average == found.most == amount * frequency / days
    assert found.iu_day == int(found.average + Fraction(1, 2))
    assert found.single_dose_iu == amount
    assert found.interval_days == days / frequency
    assert found.days is found.whole_days is None
    assert not found.one_off


def test_a_capsule_counts_by_its_content() -> None:
    found = of(Dosage(timing=every(1, "wk", weeks=8), doses=(DoseAndRate(dose=Quantity(Decimal(1), "capsule")),)))
    assert (found.reason, found.iu_day) == ("no-strength", None)
    found = of(
        Dosage(timing=every(1, "wk", weeks=8), doses=(DoseAndRate(dose=Quantity(Decimal(1), "capsule")),)),
        product=CAPSULE,
    )
    assert (found.iu_day, found.single_dose_iu, found.days, found.course) == (7143, 50000, 56, True)


@pytest.mark.parametrize(
    ("amount", "timing", "repletion"),
    [
        (6000, every(), True),
        (5999, every(), False),
        (3000, every(frequency=2), True),
        (20000, every(1, "wk"), True),
        (19999, every(1, "wk"), False),
        (50000, every(1, "mo"), False),  # 1667 IU a day: maintenance, once a month
        (20000, every(10), False),
        (20010, every(10), True),
        (20000, ONCE, True),
        (19999, ONCE, False),
    ],
)
def test_what_fills_stores(amount: int, timing: Timing, repletion: bool) -> None:
    assert of(dosage(amount, timing)).repletion is repletion


def test_of_steps_the_strongest_counts_with_its_own_length() -> None:
    found = of(
        dosage(50000, every(1, "wk", weeks=8), sequence=1),
        dosage(1000, every(weeks=44), sequence=2),
    )
    assert (found.iu_day, found.days, found.whole_days) == (7143, 56, 364)
    assert found.course


def test_the_strongest_step_may_be_the_last_and_have_no_end() -> None:
    found = of(dosage(1000, every(weeks=4), sequence=1), dosage(50000, every(1, "wk"), sequence=2))
    assert (found.iu_day, found.days, found.whole_days) == (7143, None, None)


def test_a_step_that_is_over_counts_no_more() -> None:
    found = of(
        dosage(50000, every(1, "wk", weeks=8), sequence=1),
        dosage(1000, every(), sequence=2),
        session=False,
        authored=day(-100),
    )
    assert (found.iu_day, found.repletion) == (1000, False)


def test_what_runs_side_by_side_is_added() -> None:
    found = of(dosage(4000, every()), dosage(2000, every()))
    assert (found.iu_day, found.course, found.single_dose_iu) == (6000, True, 4000)
    assert found.interval_days == Fraction(1, 2)


def test_a_loading_dose_beside_maintenance_is_no_course() -> None:
    found = of(dosage(100000, ONCE), dosage(1000, every()))
    assert (found.iu_day, found.single_dose_iu) == (1000, 100000)
    assert (found.loading, found.course, found.repletion, found.one_off) == (True, False, True, False)


def test_a_single_dose_has_no_average_no_interval_and_no_length() -> None:
    found = of(dosage(300000, ONCE))
    assert (found.average, found.interval_days, found.days, found.one_off) == (None, None, None, True)


def test_the_length_comes_from_dates_counts_texts_and_supply() -> None:
    period = Period(day(0), day(83))
    stated = of(dosage(50000, Timing(Repeat(1, period=Decimal(1), period_unit="wk", bounds_period=period))))
    assert (stated.days, stated.whole_days) == (83, 84)
    assert of(dosage(50000, every(1, "wk", count=12))).days == 84
    assert of(dosage(50000, every(1, "wk"), text="Take 50000 units once weekly for 8 weeks")).days == 56
    supplied = of(dosage(50000, every(1, "wk")), supply_days=Decimal(28), repeats_allowed=2)
    assert (supplied.days, supplied.whole_days) == (84, 84)


def test_the_supply_ends_the_last_step_only() -> None:
    found = of(dosage(50000, every(1, "wk"), sequence=1), dosage(1000, every(), sequence=2), supply_days=Decimal(90))
    assert found.days is None


def test_directions_nobody_could_read_may_state_the_end() -> None:
    assert of(dosage(50000, every(1, "wk"), text="weekly for 8 weeks, then see us")).end_unclear
    assert not of(dosage(50000, every(1, "wk"), text="Take 50000 units once weekly")).end_unclear
    assert not of(dosage(50000, every(1, "wk"))).end_unclear


def test_as_needed_is_certain_of_nothing() -> None:
    found = of(dosage(1000, every(frequency=3), as_needed=True))
    assert (found.average, found.most, found.interval_days) == (0, 3000, None)


def test_a_range_is_as_certain_as_its_lower_end() -> None:
    found = of(Dosage(timing=every(), doses=(iu(1000, 2000),)))
    assert (found.average, found.most, found.single_dose_iu) == (1000, 2000, 2000)


@pytest.mark.parametrize(
    ("dosages", "reason"),
    [
        ((), "no-dosage"),
        ((dosage(1000, None),), "no-timing"),
        ((dosage(None, every()),), "no-dose"),
        ((dosage(None, None, text="as directed"),), "text-not-understood"),
        ((dosage(1000, every(), unreadable=frozenset({"timing"})),), "unreadable"),
    ],
)
def test_what_cannot_be_computed_has_a_reason_and_no_average(dosages: tuple[Dosage, ...], reason: str) -> None:
    found = of(*dosages)
    assert (found.average, found.reason, found.repletion, found.one_off) == (None, reason, False, False)


def test_dosages_that_could_not_be_read_give_no_average() -> None:
    found = of(dosage(1000, every()), unreadable=frozenset({"dosages"}))
    assert (found.average, found.reason) == (None, "unreadable")


# -- together ---------------------------------------------------------------------------------------------------------


def together(*entries: Entry, gaps: tuple[DataUnavailable, ...] = ()) -> VitaminDIntake:
    return intake(entries, lambda o: regimen(o, LIMITS, CLOCK), 30, CLOCK, gaps=gaps)


def daily(amount: int, **more: Any) -> Order:
    return order(dosage(amount, every()), **more)


@given(st.lists(st.tuples(st.integers(1, 60_000), st.integers(1, 60)), max_size=5))
def test_the_total_is_the_sum_of_the_averages(schedules: list[tuple[int, int]]) -> None:
    found = together(*(Entry(order(dosage(amount, every(days))), "yes") for amount, days in schedules))
    assert found.exact == found.most == sum((Fraction(a, d) for a, d in schedules), Fraction(0))


def test_what_may_count_is_possible_only() -> None:
    found = together(Entry(daily(1000), "yes"), Entry(daily(500), "high-only", "intended"), Entry(daily(9), "no"))
    assert (found.low, found.most) == (1000, 1500)
    assert [part.note for part in found.remarks] == ["intended"]


def test_single_doses_what_ended_and_what_starts_later_is_left_out() -> None:
    over = order(dosage(1000, every(weeks=1)), session=False, authored=day(-30))
    period = Period(day(31), None)
    later = order(
        dosage(1000, Timing(Repeat(1, period=Decimal(1), period_unit="d", bounds_period=period))), session=False
    )
    found = together(*(Entry(o, "yes") for o in (order(dosage(100000, ONCE)), over, later)))
    assert (found.exact, found.parts, found.unknown) == (0, (), ())


def test_less_than_a_limit_is_sure_only_when_all_of_it_is_known() -> None:
    known = Entry(daily(500), "yes")
    gap = DataFailed("medications", "timeout")
    assert together(known).surely_below(501)
    assert not together(known).surely_below(500)
    assert not together(known, Entry(order(), "yes")).surely_below(800)
    assert not together(known, Entry(daily(400), "high-only")).surely_below(800)
    assert not together(known, gaps=(gap,)).surely_below(500)
    with pytest.raises(DataFailed):
        together(known, gaps=(gap,)).surely_below(800)
