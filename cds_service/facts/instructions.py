"""What one dosage instruction amounts to: dose times frequency, held against its texts and its maximum."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from msgspec import Struct

from ..fhir.elements import Dosage, Ratio
from ..terminology import units
from ..terminology.products import Product
from .amounts import Amount, Substance, amount_per_dose, of_quantity, of_range, of_value
from .dose_range import ZERO, DoseRange, cover
from .sigs import Sig
from .timing import Frequency, Texts, duration_days, frequency, notes_of, read_texts

# Elements of an instruction that change nothing of its daily amount, or only limit it, in the names of the element and
# of our field.
_WITHOUT_EFFECT = frozenset(
    {"route", "site", "method", "additionalinstruction", "additionalinstructions", "patientinstruction", "text", "id"}
)
_HARMLESS = _WITHOUT_EFFECT | {"maxdoseperperiod", "maxperperiod", "maxdoseperadministration", "maxperadministration"}
_MISSING = frozenset({"no-timing", "no-dose"})


class Line(Struct, frozen=True):
    """One instruction, worked out: mg of elemental calcium or IU of vitamin D; ``reason`` and ``notes`` are codes."""

    sequence: int | None
    per_day: DoseRange | None = None
    per_dose: DoseRange | None = None
    doses: DoseRange | None = None
    reason: str = ""
    notes: tuple[str, ...] = ()
    one_off: bool = False


def line_of(dosage: Dosage, product: Product, substance: Substance, free_text_allowed: bool) -> Line:
    """What an instruction amounts to; worked out once for a product and a substance."""
    key = ("line", substance, free_text_allowed)
    of, found = dosage.memo.get(key, (None, None))
    if of is not product:  # almost always the same object: comparing products in full would cost more than it saves
        found = _worked_out(dosage, product, substance, free_text_allowed)
        dosage.memo[key] = product, found
    line: Line = found
    return line


def _worked_out(dosage: Dosage, product: Product, substance: Substance, free_text_allowed: bool) -> Line:
    if is_broken(dosage):
        return Line(dosage.sequence, reason="unreadable")
    texts = read_texts(dosage) if free_text_allowed else Texts()
    often = frequency(dosage, texts)
    amount = _amount(dosage, texts, product, substance)
    notes = notes_of(often.notes, amount.notes)
    if often.one_off:
        return Line(dosage.sequence, per_dose=amount.per_dose, notes=notes, one_off=True)
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
    return Line(dosage.sequence, per_day, amount.per_dose, doses, reason, notes_of(notes, cap_notes))


def is_broken(dosage: Dosage) -> bool:
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
