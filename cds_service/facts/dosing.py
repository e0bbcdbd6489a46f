"""What a medication order amounts to in a day: elemental calcium in mg, or vitamin D in IU, always as from–to."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from decimal import Decimal
from fractions import Fraction

from msgspec import Struct
from msgspec.structs import replace

from ..fhir.elements import Dosage, MedicationRecord, Quantity
from ..terminology import units
from ..terminology.products import Product
from .amounts import Amount, Substance, amount_per_dose
from .courses import Span, begins, course, course_of, spans
from .dose_range import ZERO, DoseRange, cover, total
from .instructions import Line, is_broken, line_of
from .timing import Frequency, doses_per_day, notes_of

__all__ = [
    "Amount",
    "DailyAmount",
    "DoseRange",
    "Frequency",
    "Span",
    "amount_per_dose",
    "course",
    "course_of",
    "daily",
    "daily_of",
    "doses_per_day",
    "is_single",
    "stated_mg",
]


class DailyAmount(Struct, frozen=True):
    """What one order amounts to in a day: mg of elemental calcium, or IU of vitamin D.

    ``high`` is None when nothing bounds it. When not ``computable``, ``reason`` says why and ``low`` is what is certain
    all the same. ``per_dose``, ``doses_low`` and ``doses_high`` describe the instructions that count;
    ``single_dose_max`` the largest dose taken at once, single ones included. ``start`` and ``end`` are those the order
    itself states; ``starts_in_days`` is set only when it starts after today.
    Reasons: "no-dosage", "no-timing", "events-only", "implausible-timing", "no-dose", "no-strength", "unit-not-usable",
    "unit-missing", "implausible-dose", "text-not-understood", "as-needed-without-maximum", "no-maximum", "unreadable".
    Notes: "from-free-text", "strength-ambiguous", "timing-contradiction", "dose-contradiction",
    "text-contradicts-structure", "as-needed", "steps", "from-rate", "single-dose-left-out", "maximum-not-understood".
    """

    low: Fraction
    high: Fraction | None
    per_dose: DoseRange | None = None
    doses_per_day: DoseRange | None = None
    single_dose_max: Fraction | None = None
    computable: bool = True
    reason: str = ""
    notes: tuple[str, ...] = ()
    one_off: bool = False
    ended: bool = False
    starts_in_days: int | None = None
    start: datetime.date | None = None
    end: datetime.date | None = None

    @property
    def doses_low(self) -> Fraction:
        """The fewest doses a day; zero when not known."""
        return self.doses_per_day.low if self.doses_per_day else ZERO

    @property
    def doses_high(self) -> Fraction | None:
        """The most doses a day; None when not known."""
        return self.doses_per_day.high if self.doses_per_day else None


def daily(
    record: MedicationRecord, product: Product, substance: Substance, today: datetime.date, *, free_text: bool = False
) -> DailyAmount:
    """What an order or statement amounts to in a day; ``free_text`` lets plain sigs be read."""
    begun = begins(record.authored, record.effective)
    if "dosages" in record.unreadable:
        return DailyAmount(ZERO, None, computable=False, reason="unreadable", start=begun)
    return daily_of(record.dosages, product, substance, today, free_text_allowed=free_text, begun=begun)


def daily_of(
    dosages: Sequence[Dosage],
    product: Product,
    substance: Substance,
    today: datetime.date,
    *,
    free_text_allowed: bool,
    begun: datetime.date | None = None,
) -> DailyAmount:
    """What these instructions amount to in a day.

    Instructions of one sequence number, or without, are added; different numbers are steps in time, of which the
    smallest and the largest are the bounds. What is over is left out. ``begun`` is the day the order started, from
    which durations run when the instructions do not say.
    """
    if not dosages:
        return DailyAmount(ZERO, None, computable=False, reason="no-dosage")
    parts = spans(dosages, begun, free_text_allowed=free_text_allowed)
    current = [i for i, span in enumerate(parts) if span.end is None or span.end >= today]
    counted = current or list(range(len(dosages)))
    lines = [line_of(dosages[i], product, substance, free_text_allowed) for i in counted]
    starts = [start for i in counted if (start := parts[i].start)]
    ends = [end for i in counted if (end := parts[i].end)]
    start = min(starts, default=begun)
    return replace(
        _combined(lines),
        ended=not current,
        starts_in_days=(start - today).days if start and start > today else None,
        start=start,
        end=max(ends) if len(ends) == len(counted) else None,
    )


def is_single(record: MedicationRecord, today: datetime.date) -> bool:
    """Whether structured directions ask for single doses only, as far as they are not over."""
    if not record.dosages or "dosages" in record.unreadable:
        return False
    parts = spans(record.dosages, begins(record.authored, record.effective))
    current = [d for d, span in zip(record.dosages, parts, strict=True) if span.end is None or span.end >= today]
    return all(not is_broken(d) and doses_per_day(d).one_off for d in current or record.dosages)


def _combined(lines: Sequence[Line]) -> DailyAmount:
    """Several instructions together. A single dose is no part of a day's amount."""
    regular = [line for line in lines if not line.one_off]
    largest = [line.per_dose.high for line in lines if line.per_dose and line.per_dose.high is not None]
    single_dose_max = max(largest, default=None)
    notes = notes_of(*(line.notes for line in lines))
    if not regular:
        doses = [line.per_dose for line in lines if line.per_dose]
        return DailyAmount(
            ZERO, ZERO, cover(doses) if doses else None, single_dose_max=single_dose_max, notes=notes, one_off=True
        )
    if len(regular) < len(lines):
        notes = notes_of(notes, ("single-dose-left-out",))
    steps = sorted({line.sequence for line in regular if line.sequence is not None})
    if len(steps) > 1:
        notes = notes_of(notes, ("steps",))
    amount = _over_steps(regular, steps, lambda line: line.per_day)
    doses = [line.per_dose for line in regular if line.per_dose]
    reason = next((line.reason for line in regular if line.reason), "")
    if not reason and amount.high is None:
        reason = "no-maximum"
    return DailyAmount(
        low=amount.low,
        high=None if reason else amount.high,
        per_dose=cover(doses) if doses else None,
        doses_per_day=_over_steps(regular, steps, lambda line: line.doses) if any(r.doses for r in regular) else None,
        single_dose_max=single_dose_max,
        computable=not reason,
        reason=reason,
        notes=notes,
    )


def _over_steps(lines: Sequence[Line], steps: Sequence[int], amount: Callable[[Line], DoseRange | None]) -> DoseRange:
    """The sum of what runs side by side; of steps in time the smallest to the largest."""

    def added(some: Sequence[Line]) -> DoseRange:
        return total(amount(line) or DoseRange(ZERO, None) for line in some)

    if len(steps) <= 1:
        return added(lines)
    always = added([line for line in lines if line.sequence is None])
    return always + cover(added([line for line in lines if line.sequence == step]) for step in steps)


def stated_mg(dosages: Sequence[Dosage]) -> Decimal | None:
    """The dose in mg, where the instructions state one such dose and no other; None otherwise."""
    said = {mg for d in dosages for entry in d.doses if (mg := _mg(entry.dose)) is not None}
    return said.pop() if len(said) == 1 else None


def _mg(dose: object) -> Decimal | None:
    if not isinstance(dose, Quantity) or dose.value is None or units.exact(dose.value) is None:
        return None
    factor = {"mg": Decimal(1), "g": Decimal(1000), "ug": Decimal("0.001")}.get(
        units.canonical(dose.code, dose.unit) or ""
    )
    return None if factor is None else dose.value * factor
