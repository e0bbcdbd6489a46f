"""R4 medication requests and statements as MedicationRecord."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from ..elements import (
    Concept,
    Dosage,
    DoseAndRate,
    MedicationRecord,
    Moment,
    Period,
    Quantity,
    Range,
    Ratio,
    Reference,
    Repeat,
    Timing,
)
from ..resource import Resource
from . import values
from .values import Fields, Unreadable

Resolve = Callable[[Reference, Resource], Resource | None]

_DAYS = {"d": 1, "day": 1, "days": 1, "wk": 7, "week": 7, "weeks": 7, "mo": 30, "month": 30, "months": 30}
_DAYS.update({"a": 365, "year": 365, "years": 365})
_ONE = frozenset({"", "1", "tablet", "tablets", "tab", "capsule", "capsules", "cap", "{tbl}", "{tablet}", "{capsule}"})


def medication_references(raw: Mapping[str, Any]) -> tuple[Reference, ...]:
    """The reference to its Medication that an order or statement holds, if it has one outside itself."""
    try:
        found = values.reference(raw.get("medicationReference"))
    except Unreadable:
        return ()
    return () if found.reference.startswith("#") else (found,)


def medication_record(resource: Resource, resolve: Resolve, zone: datetime.tzinfo) -> MedicationRecord:
    """A MedicationRequest or MedicationStatement.

    ``resolve`` finds what a reference in the resource points to. A statement's effectiveDateTime is when the drug was
    taken, not when it ended: it becomes a period with an open end.
    """
    fields = Fields(resource.sound())
    is_request = resource.type == "MedicationRequest"
    drug = _drug(fields, resource, resolve)
    dosages = fields.each("dosages", "dosageInstruction" if is_request else "dosage", lambda value: dosage(value, zone))
    reported = fields.read("reported", "reportedBoolean", values.boolean)
    dispense = Fields(fields.read("supply_days", "dispenseRequest", values.mapping) or {})
    supply = dispense.read("supply_days", "expectedSupplyDuration", _days)
    repeats = dispense.read("repeats_allowed", "numberOfRepeatsAllowed", values.integer)
    return MedicationRecord(
        source=f"{resource.type}/{resource.id}",
        type=resource.type,
        id=resource.id,
        status=fields.text("status", "status"),
        intent=fields.text("intent", "intent"),
        do_not_perform=fields.read("do_not_perform", "doNotPerform", values.boolean) or False,
        medication=drug.concept,
        form=drug.form,
        unresolved=drug.unresolved,
        authored=fields.read(
            "authored", "authoredOn" if is_request else "dateAsserted", lambda value: values.moment(value, zone)
        ),
        effective=_effective(fields, zone),
        dosages=dosages,
        prior_prescription=fields.read("prior_prescription", "priorPrescription", values.reference),
        linked=tuple(
            link
            for name in ("basedOn", "derivedFrom", "partOf")
            for link in fields.each("linked", name, values.reference)
        ),
        group=fields.read("group", "groupIdentifier", _identifier) or "",
        reasons=fields.each("reasons", "reasonCode", values.concept),
        supply_days=supply,
        repeats_allowed=repeats,
        categories=fields.each("categories", "category", values.concept),
        unknown_modifier=drug.modified or is_modified(resource.raw),
        unreadable=frozenset(fields.unreadable | dispense.unreadable),
        reported=bool(reported) or fields.members.get("reportedReference") is not None,
    )


# -- the drug ---------------------------------------------------------------------------------------------------------


class _Drug:
    """What names the drug, and how far that could be followed."""

    __slots__ = ("concept", "form", "modified", "unresolved")

    def __init__(self, concept: Concept | None = None, *, unresolved: bool = False) -> None:
        self.concept = concept
        self.form: Concept | None = None
        self.unresolved = unresolved
        self.modified = False


def _drug(fields: Fields, resource: Resource, resolve: Resolve) -> _Drug:
    found = fields.choice(
        "medication", {"medicationCodeableConcept": values.concept, "medicationReference": values.reference}
    )
    if found is None:
        if "medication" in resource.raw:  # R5's shape, or a client's own: something was named, we cannot say what
            fields.unreadable.add("medication")
        return _Drug()
    if isinstance(found, Concept):
        return _Drug(found if found.codings or found.texts else None)
    target = resolve(found, resource)
    if target is None or target.type != "Medication":
        return _Drug(Concept((), (found.display,))) if found.display else _Drug(unresolved=True)
    return _medication(target, found.display, fields)


def _medication(target: Resource, display: str, order: Fields) -> _Drug:
    fields = Fields(target.sound())
    own = fields.read("medication", "code", values.concept) or Concept()
    if not own.codings:
        parts = fields.each("medication", "ingredient", _ingredient)
        codings = tuple(coding for part in parts for coding in part.codings)
        said = " / ".join(part.texts[0] for part in parts if part.texts)
        own = Concept(codings, own.texts + ((said,) if said else ()))
    if display and display not in own.texts:
        own = Concept(own.codings, (*own.texts, display))
    nothing = not own.codings and not own.texts
    if nothing and fields.unreadable:
        order.unreadable.add("medication")
    drug = _Drug(None if nothing else own, unresolved=nothing and not fields.unreadable)
    drug.form = fields.read("form", "form", values.concept)
    drug.modified = bool(target.raw.get("modifierExtension"))
    return drug


def _ingredient(value: Any) -> Concept:
    fields = Fields(values.mapping(value))
    item = fields.choice("item", {"itemCodeableConcept": values.concept, "itemReference": values.reference})
    strength = fields.read("strength", "strength", values.ratio)
    if item is None or "strength" in fields.unreadable:
        raise Unreadable
    label = item.display if isinstance(item, Reference) else item.label
    codings = () if isinstance(item, Reference) else item.codings
    said = f"{label} {_strength(strength)}".strip() if strength else label
    return Concept(codings, (said,) if label else ())


def _strength(strength: Ratio) -> str:
    per = strength.denominator
    amount = _amount(strength.numerator)
    return amount if per.value in (None, 1) and _unit(per).lower() in _ONE else f"{amount}/{_amount(per)}"


def _amount(quantity: Quantity) -> str:
    number = "" if quantity.value is None else f"{quantity.value:f}"
    return f"{number} {_unit(quantity)}".strip()


def _unit(quantity: Quantity) -> str:
    return quantity.unit or quantity.code


# -- the rest of the order --------------------------------------------------------------------------------------------


def _effective(fields: Fields, zone: datetime.tzinfo) -> Period | None:
    found = fields.choice(
        "effective",
        {
            "effectivePeriod": lambda value: values.period(value, zone),
            "effectiveDateTime": lambda value: values.moment(value, zone),
        },
    )
    effective: Period | None = Period(found) if isinstance(found, Moment) else found
    return effective


def _identifier(value: Any) -> str:
    fields = Fields(values.mapping(value))
    system, own = fields.text("system", "system"), fields.text("value", "value")
    if fields.unreadable:
        raise Unreadable
    return f"{system}|{own}" if system and own else own


def _days(value: Any) -> Decimal:
    found = values.quantity(value)
    days = _DAYS.get(found.code) or _DAYS.get(found.unit.lower())
    if found.value is None or days is None or found.comparator:
        raise Unreadable
    return found.value * days


def is_modified(raw: Mapping[str, Any]) -> bool:
    """Whether anything about the order carries a modifier extension: none is known, so its meaning is open."""
    if raw.get("modifierExtension"):
        return True
    for name in ("dosageInstruction", "dosage", "dispenseRequest"):
        below = raw.get(name)
        for item in below if isinstance(below, list) else (below,):
            if isinstance(item, dict) and _is_modified_below(item):
                return True
    return False


def _is_modified_below(item: Mapping[str, Any]) -> bool:
    timing = item.get("timing")
    return bool(item.get("modifierExtension")) or (isinstance(timing, dict) and bool(timing.get("modifierExtension")))


# -- dosage -----------------------------------------------------------------------------------------------------------


def dosage(value: Any, zone: datetime.tzinfo) -> Dosage:
    """One Dosage; what of it cannot be read is named in its ``unreadable``."""
    fields = Fields(values.mapping(value))
    as_needed = fields.choice(
        "as_needed", {"asNeededBoolean": values.boolean, "asNeededCodeableConcept": values.concept}
    )
    return Dosage(
        sequence=fields.read("sequence", "sequence", values.integer),
        text=fields.text("text", "text"),
        patient_instruction=fields.text("patient_instruction", "patientInstruction"),
        additional_instructions=fields.each("additional_instructions", "additionalInstruction", values.concept),
        timing=fields.read("timing", "timing", lambda sent: timing(sent, zone)),
        as_needed=isinstance(as_needed, Concept) or bool(as_needed),
        route=fields.read("route", "route", values.concept),
        doses=fields.each("doses", "doseAndRate", _dose_and_rate),
        max_per_period=fields.read("max_per_period", "maxDosePerPeriod", values.ratio),
        max_per_administration=fields.read("max_per_administration", "maxDosePerAdministration", values.quantity),
        unreadable=frozenset(fields.unreadable),
    )


def _dose_and_rate(value: Any) -> DoseAndRate:
    fields = Fields(values.mapping(value))
    kind = fields.read("kind", "type", values.code_of) or ""
    dose: Quantity | Range | None = fields.choice("dose", {"doseQuantity": values.quantity, "doseRange": values.range_})
    rate: Quantity | Range | Ratio | None = fields.choice(
        "rate", {"rateQuantity": values.quantity, "rateRange": values.range_, "rateRatio": values.ratio}
    )
    if fields.unreadable & {"dose", "rate"}:
        raise Unreadable
    return DoseAndRate(kind, dose, rate)


def timing(value: Any, zone: datetime.tzinfo) -> Timing:
    """One Timing; unreadable as soon as a part that decides how often is."""
    fields = Fields(values.mapping(value))
    found = Timing(
        repeat=fields.read("repeat", "repeat", lambda sent: _repeat(sent, zone)),
        code=fields.read("code", "code", values.concept),
        events=len(fields.each("event", "event", lambda sent: values.moment(sent, zone))),
    )
    if fields.unreadable:
        raise Unreadable
    return found


def _repeat(value: Any, zone: datetime.tzinfo) -> Repeat:
    fields = Fields(values.mapping(value))
    bounds: Quantity | Range | Period | None = fields.choice(
        "bounds",
        {
            "boundsDuration": values.quantity,
            "boundsRange": values.range_,
            "boundsPeriod": lambda sent: values.period(sent, zone),
        },
    )
    found = Repeat(
        frequency=fields.read("frequency", "frequency", values.integer),
        frequency_max=fields.read("frequency", "frequencyMax", values.integer),
        period=fields.read("period", "period", values.decimal),
        period_max=fields.read("period", "periodMax", values.decimal),
        period_unit=fields.text("period", "periodUnit"),
        days_of_week=fields.each("days", "dayOfWeek", values.filled_text),
        when=fields.each("when", "when", values.filled_text),
        times_of_day=len(fields.each("times", "timeOfDay", values.filled_text)),
        count=fields.read("count", "count", values.integer),
        count_max=fields.read("count", "countMax", values.integer),
        duration=fields.read("duration", "duration", values.decimal),
        duration_unit=fields.text("duration", "durationUnit"),
        bounds_duration=bounds if isinstance(bounds, Quantity) else None,
        bounds_range=bounds if isinstance(bounds, Range) else None,
        bounds_period=bounds if isinstance(bounds, Period) else None,
    )
    if fields.unreadable:
        raise Unreadable
    return found
