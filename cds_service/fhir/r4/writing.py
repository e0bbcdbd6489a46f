"""Changes to orders that a suggestion proposes, written into a copy of what was received."""

from __future__ import annotations

from typing import Any

from ..resource import Resource

# What says when a dose is given, in structure or words; it would contradict a new schedule.
_SCHEDULE_WORDS = ("text", "patientInstruction")
_TELLS_MORE = ("additionalInstruction", "extension", "maxDosePerPeriod", "asNeededBoolean", "asNeededCodeableConcept")
_PLAIN_REPEAT = frozenset({"frequency", "period", "periodUnit", "boundsDuration", "boundsRange", "boundsPeriod"})
_REPEAT_KEPT = ("boundsDuration", "boundsRange", "boundsPeriod")


def can_change_schedule(resource: Resource) -> bool:
    """Whether nothing else in the order tells the old schedule: a quantity to dispense, a note, times tied to meals."""
    order = resource.raw
    sent = order.get("dosageInstruction")
    instruction = sent[0] if isinstance(sent, list) and len(sent) == 1 else sent
    if not isinstance(instruction, dict) or any(name in instruction for name in _TELLS_MORE):
        return False
    timing = instruction.get("timing")
    repeat = timing.get("repeat") if isinstance(timing, dict) else None
    if isinstance(repeat, dict) and not repeat.keys() <= _PLAIN_REPEAT:
        return False
    dispense = order.get("dispenseRequest")
    return (
        "note" not in order and "extension" not in order and not (isinstance(dispense, dict) and "quantity" in dispense)
    )


def with_daily_doses(resource: Resource, times: int) -> dict[str, Any]:
    """The order with its one dosage instruction given ``times`` a day; everything else as received.

    Sentences that tell the old schedule are left out, bounds stay.
    """
    sent = resource.raw["dosageInstruction"]
    old = sent[0] if isinstance(sent, list) else sent
    instruction = {name: said for name, said in old.items() if name not in _SCHEDULE_WORDS}
    timing = old.get("timing")
    repeat = timing.get("repeat") if isinstance(timing, dict) else None
    kept = {name: repeat[name] for name in _REPEAT_KEPT if name in repeat} if isinstance(repeat, dict) else {}
    instruction["timing"] = {"repeat": {**kept, "frequency": times, "period": 1, "periodUnit": "d"}}
    changed = {**resource.raw, "dosageInstruction": [instruction] if isinstance(sent, list) else instruction}
    copy: dict[str, Any] = _without_empty(changed)
    return copy


def _without_empty(value: Any) -> Any:
    """A copy without nulls and empty elements: FHIR has none, and a client need not take them back."""
    if isinstance(value, dict):
        return {name: kept for name, item in value.items() if (kept := _without_empty(item)) not in (None, "", [], {})}
    if isinstance(value, list):
        return [kept for item in value if (kept := _without_empty(item)) not in (None, "", [], {})]
    return value
