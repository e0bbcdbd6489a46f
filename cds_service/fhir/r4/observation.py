"""R4 Observations, and their components, as ObservationRecord."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from ..elements import Concept, Moment, ObservationRecord, Period, Quantity, ReferenceRange
from ..resource import Resource
from . import plain, values
from .triage import CODED_ELSEWHERE
from .values import Fields, Unreadable


def observation_records(resource: Resource, zone: datetime.tzinfo) -> tuple[ObservationRecord, ...]:
    """What one Observation says: itself unless it is only a panel's heading, then each of its components.

    Members of a panel (hasMember) that were sent along are Observations of the same reading and read there.
    """
    fields = Fields(resource.sound())
    common = _Common(resource, fields, zone)
    components = fields.members.get("component")
    if components is not None and not isinstance(components, list):
        fields.unreadable.add("value")
        components = None
    records = []
    heads = components or fields.members.get("hasMember")
    if not heads or _says_something(resource.raw) or _says_something(fields.members):
        records.append(common.record(fields, resource.raw))
    for component in components or ():
        if isinstance(component, dict):
            records.append(common.record(Fields(component), component))
        else:
            records.append(common.nothing())
    return tuple(records)


# What makes more of an Observation than one result with one time, or something else of it.
_NOT_ONE_RESULT = CODED_ELSEWHERE | {
    "effectiveInstant",
    "effectivePeriod",
    "effectiveTiming",
    "hasMember",
    "modifierExtension",
}


def plainly_taken(resource: Resource, zone: datetime.tzinfo) -> Moment | None:
    """When an Observation was taken that is one result that stands, with nothing odd about its code, status and time.

    Of such a one the rest need not be read before its value is wanted. None says nothing.
    """
    raw = resource.raw
    if raw.keys().isdisjoint(_NOT_ONE_RESULT) and plain.is_taken_result(raw):
        return values.moment(raw["effectiveDateTime"], zone)
    return None


# Elements of every Observation: none of them is a value, whatever else may be.
_NO_VALUES = frozenset(
    {
        "resourceType",
        "id",
        "meta",
        "identifier",
        "status",
        "category",
        "code",
        "subject",
        "encounter",
        "effectiveDateTime",
        "issued",
        "performer",
        "interpretation",
        "note",
        "specimen",
        "referenceRange",
    }
)


class _Common:
    """What the components of an Observation have from it: identity, status and time."""

    def __init__(self, resource: Resource, fields: Fields, zone: datetime.tzinfo) -> None:
        self.id = resource.id
        self.source = f"{resource.type}/{resource.id}"
        self.status = fields.text("status", "status")
        self.effective = _effective(fields, zone)
        # When it was reported says something only of a result that does not say when it was taken.
        self.issued = None if self.effective else fields.read("issued", "issued", values.moment, zone)
        if resource.raw.get("modifierExtension"):
            fields.unreadable.add("modifier")
        self.unreadable = frozenset(fields.unreadable)

    def record(self, fields: Fields, sent: Mapping[str, Any]) -> ObservationRecord:
        if sent.get("modifierExtension"):
            fields.unreadable.add("modifier")
        value, said = _value(fields, sent)
        return ObservationRecord(
            source=self.source,
            id=self.id,
            status=self.status,
            code=fields.read("code", "code", values.concept) or Concept(),
            effective=self.effective,
            issued=self.issued,
            value=value,
            value_text=said,
            absent_reason=fields.read("absent_reason", "dataAbsentReason", values.code_of) or "",
            reference_range=_reference_range(fields),
            unreadable=self.unreadable | fields.unreadable,
        )

    def nothing(self) -> ObservationRecord:
        return ObservationRecord(
            source=self.source, id=self.id, status=self.status, unreadable=self.unreadable | {"code", "value"}
        )


def _says_something(members: Mapping[str, Any]) -> bool:
    return any(
        members[name] is not None and (name[:5] == "value" or name == "dataAbsentReason")
        for name in members.keys() - _NO_VALUES
    )


def _effective(fields: Fields, zone: datetime.tzinfo) -> Moment | None:
    """When the specimen was taken: a moment, or the end of a period, or its start when it has no end."""
    found = fields.choice("effective", _TIMES, zone)
    moment: Moment | None = (found.end or found.start) if isinstance(found, Period) else found
    return moment


def _single_event(value: Any, zone: datetime.tzinfo) -> Moment:
    events = values.mapping(value).get("event")
    if not isinstance(events, list) or len(events) != 1:
        raise Unreadable
    return values.moment(events[0], zone)


_TIMES = {
    "effectiveDateTime": values.moment,
    "effectiveInstant": values.moment,
    "effectivePeriod": values.period,
    "effectiveTiming": _single_event,
}


def _value(fields: Fields, sent: Mapping[str, Any]) -> tuple[Quantity | None, str]:
    """The value as a quantity, or as text; a kind of value that has neither form is unreadable."""
    for name in sent.keys() - _NO_VALUES:
        if name[:5] == "value" and name not in _READERS and sent[name]:
            fields.unreadable.add("value")
            return None, ""
    found = fields.choice("value", _READERS)
    return (found, "") if isinstance(found, Quantity) else (None, found or "")


def _whole(value: Any) -> Quantity:
    return Quantity(Decimal(values.integer(value)))


def _word(value: Any) -> str:
    return "true" if values.boolean(value) else "false"


def _label(value: Any) -> str:
    said = values.concept(value).label
    if not said:
        raise Unreadable
    return said


_READERS: dict[str, Callable[[Any], Quantity | str]] = {
    "valueQuantity": values.quantity,
    "valueInteger": _whole,
    "valueString": values.filled_text,
    "valueCodeableConcept": _label,
    "valueBoolean": _word,
    "valueDateTime": values.filled_text,
    "valueTime": values.filled_text,
}


def _reference_range(fields: Fields) -> ReferenceRange | None:
    """The laboratory's normal range; None when it gives several, or one that excludes every number (0 to 0)."""
    if fields.members.get("referenceRange") is None:
        return None
    ranges = [
        found
        for found in fields.each("reference_range", "referenceRange", _one_range)
        if found is not None and (found.low or found.high)
    ]
    return ranges[0] if len(ranges) == 1 else None


def _one_range(value: Any) -> ReferenceRange | None:
    fields = Fields(values.mapping(value))
    kind = fields.read("type", "type", values.code_of) or "normal"
    low, high = fields.read("low", "low", values.quantity), fields.read("high", "high", values.quantity)
    if fields.unreadable or fields.members.get("modifierExtension"):
        raise Unreadable
    if kind != "normal":
        return None
    if low and high and low.value is not None and high.value is not None and low.value >= high.value:
        return None
    return ReferenceRange(low, high)
