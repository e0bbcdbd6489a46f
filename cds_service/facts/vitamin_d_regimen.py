"""What a vitamin D order amounts to: how much a day on average, in which doses, for how long."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from msgspec import Struct

from ..fhir.elements import Dosage
from . import dosing
from .clock import Clock
from .courses import Span, begins, course, spans
from .dose_range import added, total, whole
from .orders import Order
from .timing import read_texts


@dataclass(frozen=True, slots=True)
class Limits:
    """From which average a day, or which single dose, vitamin D is meant to fill stores; and up to which average large
    single doses are a maintenance dose taken less often.
    """

    repletion_iu_day: int
    repletion_single_dose_iu: int
    spaced_maintenance_iu_day: int


class Regimen(Struct, frozen=True):
    """What one vitamin D order amounts to; of steps in time the strongest that is not over.

    ``average`` is the certain IU a day, exact; None where it cannot be computed (``reason`` is a code) or where single
    doses are all. ``most`` is the highest possible, None where nothing bounds it. ``single_dose_iu`` is the largest
    dose taken at once, ``interval_days`` the shortest time between doses. ``days`` is the length, ``whole_days`` that
    of all steps together, its last day counted in where dates are stated; None where nothing ends it.
    ``end_unclear`` says that directions nobody could read may state the end.
    """

    order: Order
    average: Fraction | None
    most: Fraction | None
    single_dose_iu: int | None
    interval_days: Fraction | None
    days: int | None
    whole_days: int | None
    end_unclear: bool
    course: bool  # repeated doses meant to fill stores
    loading: bool  # a single dose meant to fill stores
    one_off: bool
    reason: str

    @property
    def iu_day(self) -> int | None:
        """The certain average in whole IU a day, half up."""
        return None if self.average is None else whole(self.average)

    @property
    def repletion(self) -> bool:
        """Whether it is meant to fill stores, not to keep them up."""
        return self.course or self.loading

    @property
    def label(self) -> str:
        """The product as recorded."""
        return self.order.label


class _Step(Struct, frozen=True):
    """Instructions that run side by side, single doses left out."""

    members: tuple[int, ...]
    average: Fraction | None
    most: Fraction | None
    largest: Fraction | None
    interval: Fraction | None
    reason: str = ""


def daily_iu(order: Order, clock: Clock) -> dosing.DailyAmount:
    """The vitamin D of one order or statement, in IU a day; plain sigs are read."""
    found: dosing.DailyAmount | None = order.memo.get("daily-iu")
    if found is None:
        found = dosing.daily(order.record, order.product, "vitamin-d", clock.today, free_text=True)
        order.memo["daily-iu"] = found
    return found


def regimen(order: Order, limits: Limits, clock: Clock) -> Regimen:
    """The regimen of an order; plain sigs are read. Where nothing says when it begins, it begins today."""
    found: Regimen | None = order.memo.get("regimen")
    if found is None:
        found = order.memo["regimen"] = _regimen(order, limits, clock)
    return found


def _regimen(order: Order, limits: Limits, clock: Clock) -> Regimen:
    record = order.record
    begun = begins(record.authored, record.effective) or clock.today
    parts = spans(record.dosages, begun, free_text_allowed=True)
    lines = _lines(order, begun, clock)
    current = [i for i, part in enumerate(parts) if part.end is None or part.end >= clock.today] or range(len(parts))
    singles = [lines[i].single_dose_max for i in current if lines[i].one_off]
    step = _strongest(order, lines, [i for i in current if not lines[i].one_off])
    readable = bool(lines) and "dosages" not in record.unreadable
    average = step.average if step and readable else None
    single = max((x for x in (*singles, step.largest if step else None) if x is not None), default=None)
    length = _length(order, step, parts, begun) if step else None
    end = course(record, free_text=True, begun=clock.today)
    stated = any(_dates_stated(dosage) for dosage in record.dosages)
    return Regimen(
        order=order,
        average=average,
        most=step.most if step and average is not None else None,
        single_dose_iu=None if single is None else whole(single),
        interval_days=step.interval if step else None,
        days=length,
        whole_days=(end.end - end.start).days + stated if end.start and end.end else None,
        end_unclear=any(read_texts(d).unclear for d in record.dosages),
        course=_fills_stores(average, step.largest if step else None, limits),
        loading=any(dose is not None and dose >= limits.repletion_single_dose_iu for dose in singles),
        one_off=bool(singles) and step is None,
        reason=_reason(order, step, readable=readable),
    )


def _lines(order: Order, begun: datetime.date, clock: Clock) -> tuple[dosing.DailyAmount, ...]:
    """Each instruction by itself; of an order of one the same as the whole."""
    dosages = order.record.dosages
    if len(dosages) == 1 and "dosages" not in order.record.unreadable:
        return (daily_iu(order, clock),)
    return tuple(
        dosing.daily_of((d,), order.product, "vitamin-d", clock.today, free_text_allowed=True, begun=begun)
        for d in dosages
    )


def _reason(order: Order, step: _Step | None, *, readable: bool) -> str:
    if not readable:
        return "unreadable" if order.record.dosages or order.record.unreadable else "no-dosage"
    return step.reason if step else ""


def _fills_stores(average: Fraction | None, largest: Fraction | None, limits: Limits) -> bool:
    if average is None:
        return False
    large = largest is not None and largest >= limits.repletion_single_dose_iu
    return whole(average) >= limits.repletion_iu_day or (large and whole(average) > limits.spaced_maintenance_iu_day)


def _strongest(order: Order, lines: Sequence[dosing.DailyAmount], regular: Sequence[int]) -> _Step | None:
    """Of steps in time the one of the highest certain average; None where there are single doses only."""
    if not regular:
        return None
    sequence = {i: order.record.dosages[i].sequence for i in regular}
    numbers: list[int | None] = [*sorted({n for n in sequence.values() if n is not None})]
    steps = [_step(lines, [i for i in regular if sequence[i] in (None, number)]) for number in numbers or [None]]
    return max(steps, key=lambda step: (step.average is not None, step.average or 0))


def _step(lines: Sequence[dosing.DailyAmount], members: Sequence[int]) -> _Step:
    here = [lines[i] for i in members]
    largest = max((line.single_dose_max for line in here if line.single_dose_max is not None), default=None)
    doses = total(line.doses_per_day for line in here if line.doses_per_day)
    often = doses.high if doses.low.numerator > 0 else None
    reason = next((line.reason for line in here if not line.computable), "")
    highest = [line.high for line in here if line.high is not None]
    return _Step(
        members=tuple(members),
        average=None if reason else added([line.low for line in here]),
        most=added(highest) if len(highest) == len(here) else None,
        largest=largest,
        interval=1 / often if often else None,
        reason=reason,
    )


def _length(order: Order, step: _Step, parts: Sequence[Span], begun: datetime.date) -> int | None:
    """Days from the first to the last of the step; what no instruction ends, the supply may, if it is the last step."""
    own = [parts[i] for i in step.members]
    if all(part.start and part.end for part in own):
        return (max(p.end for p in own if p.end) - min(p.start for p in own if p.start)).days
    numbers = [d.sequence for d in order.record.dosages if d.sequence is not None]
    last = not numbers or any(order.record.dosages[i].sequence == max(numbers) for i in step.members)
    span = course(order.record, free_text=True, begun=begun)
    starts = [part.start for part in own if part.start]
    return (span.end - min(starts)).days if last and span.end and starts else None


def _dates_stated(dosage: Dosage) -> bool:
    bounds = dosage.timing.repeat.bounds_period if dosage.timing and dosage.timing.repeat else None
    return bounds is not None and bounds.end is not None
