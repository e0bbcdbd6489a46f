"""What a medication order amounts to in a day: elemental calcium in mg, or vitamin D in IU, always as from–to."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from decimal import Decimal
from fractions import Fraction

from msgspec import Struct
from msgspec.structs import replace

from ..fhir.elements import Dosage, MedicationRecord, Quantity, Ratio
from ..terminology import units
from ..terminology.products import Product
from .amounts import Amount, Substance, amount_per_dose, of_quantity, of_range, of_value
from .courses import Span, begins, course, course_of, spans
from .dose_range import ZERO, DoseRange, cover, total
from .sigs import Sig
from .timing import Frequency, Texts, doses_per_day, duration_days, frequency, notes_of, read_texts

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

# Elements of an instruction that change nothing of its daily amount, or only limit it, in the names of the element and
# of our field.
_WITHOUT_EFFECT = frozenset(
    {"route", "site", "method", "additionalinstruction", "additionalinstructions", "patientinstruction", "text", "id"}
)
_HARMLESS = _WITHOUT_EFFECT | {"maxdoseperperiod", "maxperperiod", "maxdoseperadministration", "maxperadministration"}
_MISSING = frozenset({"no-timing", "no-dose"})


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


class _Line(Struct, frozen=True):
    """One instruction, worked out."""

    sequence: int | None
    per_day: DoseRange | None = None
    per_dose: DoseRange | None = None
    doses: DoseRange | None = None
    reason: str = ""
    notes: tuple[str, ...] = ()
    one_off: bool = False


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
    lines = [_line(dosages[i], product, substance, free_text_allowed) for i in counted]
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
    return all(not _is_broken(d) and doses_per_day(d).one_off for d in current or record.dosages)


def _combined(lines: Sequence[_Line]) -> DailyAmount:
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


def _over_steps(lines: Sequence[_Line], steps: Sequence[int], amount: Callable[[_Line], DoseRange | None]) -> DoseRange:
    """The sum of what runs side by side; of steps in time the smallest to the largest."""

    def added(some: Sequence[_Line]) -> DoseRange:
        return total(amount(line) or DoseRange(ZERO, None) for line in some)

    if len(steps) <= 1:
        return added(lines)
    always = added([line for line in lines if line.sequence is None])
    return always + cover(added([line for line in lines if line.sequence == step]) for step in steps)


def _line(dosage: Dosage, product: Product, substance: Substance, free_text_allowed: bool) -> _Line:
    key = ("line", substance, free_text_allowed)
    of, found = dosage.memo.get(key, (None, None))
    if of is not product:  # almost always the same object: comparing products in full would cost more than it saves
        found = _worked_out(dosage, product, substance, free_text_allowed)
        dosage.memo[key] = product, found
    line: _Line = found
    return line


def _worked_out(dosage: Dosage, product: Product, substance: Substance, free_text_allowed: bool) -> _Line:
    if _is_broken(dosage):
        return _Line(dosage.sequence, reason="unreadable")
    texts = read_texts(dosage) if free_text_allowed else Texts()
    often = frequency(dosage, texts)
    amount = _amount(dosage, texts, product, substance)
    notes = notes_of(often.notes, amount.notes)
    if often.one_off:
        return _Line(dosage.sequence, per_dose=amount.per_dose, notes=notes, one_off=True)
    cap, cap_notes = _cap(dosage, texts, product, substance)
    per_day, reason = _per_day(often, amount, cap)
    if per_day is not None and amount.per_dose is not None:
        per_day, contradictions = _with_texts(per_day, often, amount.per_dose, texts, product, substance)
        notes = notes_of(notes, contradictions)
    if per_day is not None and cap is not None:
        per_day = per_day.at_most(cap)
    if dosage.unreadable and (reason in _MISSING or reason == "as-needed-without-maximum"):
        reason = "unreadable"
    doses = often.doses if amount.per_day is None else None
    return _Line(dosage.sequence, per_day, amount.per_dose, doses, reason, notes_of(notes, cap_notes))


def _is_broken(dosage: Dosage) -> bool:
    """Whether something could not be read that may change the daily amount, not only limit it."""
    return any(name.replace("_", "").casefold() not in _HARMLESS for name in dosage.unreadable)


def _amount(dosage: Dosage, texts: Texts, product: Product, substance: Substance) -> Amount:
    """The structured dose; where there is none, the one the text says."""
    structured = amount_per_dose(dosage, product, substance)
    if structured.reason != "no-dose":
        return structured
    for sig in (texts.dosage, texts.timing):
        if sig and sig.amount:
            said = of_range(sig.amount, sig.unit, product, substance)
            return Amount(said.per_dose, reason=said.reason, notes=notes_of(said.notes, ("from-free-text",)))
    return Amount(reason="text-not-understood" if texts.unclear else "no-dose")


def _per_day(often: Frequency, amount: Amount, cap: Fraction | None) -> tuple[DoseRange | None, str]:
    """Dose times frequency, or why that cannot be had."""
    if amount.per_day is not None:
        return amount.per_day, ""
    if often.as_needed and cap is not None and (often.doses is None or amount.per_dose is None):
        return DoseRange(ZERO, cap), ""
    if amount.per_dose is None:
        return None, amount.reason
    if often.doses is None:
        unlimited = often.as_needed and often.reason in ("no-timing", "text-not-understood")
        return None, "as-needed-without-maximum" if unlimited else often.reason
    return often.doses * amount.per_dose, ""


def _with_texts(
    per_day: DoseRange, often: Frequency, per_dose: DoseRange, texts: Texts, product: Product, substance: Substance
) -> tuple[DoseRange, tuple[str, ...]]:
    """The structured amount, widened by what its texts plainly say otherwise."""
    notes: list[str] = []
    for sig, note in ((texts.timing, "timing-contradiction"), (texts.dosage, "text-contradicts-structure")):
        said = _said(sig, often, per_dose, product, substance) if sig else None
        if said is not None and not said.within(per_day):
            per_day = cover((per_day, said))
            notes.append(note)
    return per_day, tuple(notes)


def _said(sig: Sig, often: Frequency, per_dose: DoseRange, product: Product, substance: Substance) -> DoseRange | None:
    """The daily amount by a text, completed by the structure; None when the text says nothing of its own."""
    if sig.one_off:
        return DoseRange.of(0)
    doses = sig.doses_per_day or often.doses
    if doses is None:
        return None
    amount = of_range(sig.amount, sig.unit, product, substance) if sig.amount else Amount()
    said = amount.per_dose
    if said is None or ("strength-ambiguous" in amount.notes and said.meets(per_dose)):
        said = per_dose
    return (doses.or_none() if sig.as_needed else doses) * said


def _cap(
    dosage: Dosage, texts: Texts, product: Product, substance: Substance
) -> tuple[Fraction | None, tuple[str, ...]]:
    """The most that may be taken in a day, by the maximum per period and by the text."""
    caps = [_of_maximum(dosage.max_per_period, product, substance)] if dosage.max_per_period else []
    for sig in (texts.timing, texts.dosage):
        if sig and sig.most_per_day:
            said = of_value(sig.most_per_day, sig.most_unit, product, substance).per_dose
            caps.append(said.high if said else None)
    known = [cap for cap in caps if cap is not None]
    return min(known, default=None), ("maximum-not-understood",) if len(known) < len(caps) else ()


def _of_maximum(maximum: Ratio, product: Product, substance: Substance) -> Fraction | None:
    per = maximum.denominator
    time = duration_days(per.value if per.value is not None else Decimal(1), units.canonical(per.code, per.unit) or "")
    amount = of_quantity(maximum.numerator, product, substance).per_dose
    return None if time is None or amount is None or amount.high is None else amount.high / time


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
