"""What a named suggestion means in FHIR: the orders it creates, changes and removes."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from .cdshooks import Action, Coding, Suggestion
from .knowledge import read_json
from .rules.rule import About
from .wording import Values, Wording, applies, plain, value_at

FILE = Path(__file__).with_name("suggestions.json")


@dataclass(frozen=True, slots=True)
class Session:
    """Whom and when a suggested order is for: the context's patient and user, and the day.

    ``ordered`` are the value sets of the tests that the session already holds: they are not suggested again.
    """

    patient_id: str
    user_id: str
    today: datetime.date
    fhir: ModuleType
    ordered: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Because:
    """Why an order is suggested: the finding's sentence as a note, and the rule's title as the order's reason."""

    note: str
    reason: str


class Catalog:
    """The suggestions and override reasons that knowledge may name."""

    def __init__(self, document: Mapping[str, Any], canonical: str) -> None:
        self._suggestions = document["suggestions"]
        self._resources = document["resources"]
        self._reasons = document["overrideReasons"]
        self._system = f"{canonical}/CodeSystem/override-reasons"

    @classmethod
    def load(cls, canonical: str) -> Catalog:
        """The catalog shipped with the program; ``canonical`` is the base of the publisher's code systems."""
        return cls(read_json(FILE, "the suggestions"), canonical)

    @property
    def names(self) -> frozenset[str]:
        """Every suggestion's name."""
        return frozenset(self._suggestions)

    @property
    def reasons(self) -> frozenset[str]:
        """Every override reason's code."""
        return frozenset(self._reasons)

    def offers(self, name: str) -> frozenset[str]:
        """What kinds of medication a suggestion orders: "vitamin-d", "calcium"."""
        return frozenset(self._suggestions[name].get("offers", ()))

    def label(self, name: str) -> str:
        """The words on a suggestion's button, its placeholders unfilled."""
        label: str = self._suggestions[name]["label"]
        return label

    def templates(self, name: str) -> Iterator[str]:
        """Every sentence of a suggestion, for the check that all its placeholders have values."""
        document = self._suggestions[name]
        yield document["label"].replace("{tests}", "")
        if "each" in document:
            yield f"{{{document['each']}}}"
        for action in document["actions"]:
            yield action["description"]
            conditions = (action.get("when"), action.get("unless"), action.get("in_days"))
            yield from (f"{{{path}}}" for path in conditions if isinstance(path, str))

    def categories(self) -> Iterator[tuple[Coding, str]]:
        """Every override reason with HL7's category that it falls under."""
        for code, reason in self._reasons.items():
            yield Coding(code, self._system, reason["display"]), reason["hl7"]

    def override_reasons(self, codes: tuple[str, ...]) -> tuple[Coding, ...]:
        """The override reasons of a card."""
        return tuple(Coding(code, self._system, self._reasons[code]["display"]) for code in codes)

    def build(
        self, name: str, values: Values, orders: tuple[About, ...], because: Because, wording: Wording, session: Session
    ) -> Iterator[Suggestion]:
        """The suggestions a name stands for: one, or one for each item it is made for.

        Nothing is yielded where an order it would remove cannot be named.
        """
        document = self._suggestions[name]
        if "each" in document:
            variants = [{**values, "item": item} for item in value_at(document["each"], values) or ()]
        else:
            variants = [dict(values)]
        for filled in variants:
            actions: list[Action] = []
            for template in document["actions"]:
                actions += self._actions(template, filled, orders, because, wording, session)
            if not actions:
                continue
            yield Suggestion(
                label=wording.label(document["label"], {**filled, "tests": ", ".join(map(name_of, actions))}),
                uuid=str(uuid.uuid4()),
                actions=tuple(actions),
            )

    def _actions(
        self,
        template: Mapping[str, Any],
        values: Values,
        orders: tuple[About, ...],
        because: Because,
        wording: Wording,
        session: Session,
    ) -> Iterator[Action]:
        if not applies(template, values):
            return
        description = template["description"]
        if "delete" in template:
            for order in orders:
                if order.can_be_removed:
                    told = wording.label(description, {**values, "order": order}, room=100)
                    yield Action("delete", told, resource_id=order.source)
        elif "update" in template:
            reduction = values["item"]
            if not session.fhir.can_change_schedule(reduction.order.resource):
                return
            changed = session.fhir.with_daily_doses(reduction.order.resource, reduction.times_per_day)
            yield Action("update", wording.label(description, values, room=100), resource=changed)
        elif template.get("test") not in session.ordered:
            days = template.get("in_days")
            after = values[days] if isinstance(days, str) else days
            resource = self._resource(template["create"], after, because, session)
            yield Action("create", wording.label(description, values, room=100), resource=resource)

    def _resource(self, name: str, in_days: int | None, because: Because, session: Session) -> dict[str, Any]:
        resource: dict[str, Any] = _copied(self._resources[name])
        resource["subject"] = {"reference": f"Patient/{session.patient_id}"}
        if session.user_id.startswith(("Practitioner/", "PractitionerRole/")):
            resource["requester"] = {"reference": session.user_id}
        resource["authoredOn"] = session.today.isoformat()
        resource["reasonCode"] = [{"text": because.reason}]
        resource["note"] = [{"text": plain(because.note)}]
        if in_days is not None:
            resource["occurrenceDateTime"] = (session.today + datetime.timedelta(days=in_days)).isoformat()
        return resource


def _copied(value: Any) -> Any:
    """JSON, so that nothing written into it is written into knowledge; much faster than what copies any object."""
    if isinstance(value, dict):
        return {name: _copied(item) for name, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value


def name_of(action: Action) -> str:
    """What an action orders, as a button names it."""
    resource = action.resource or {}
    concept = resource.get("code") or resource.get("medicationCodeableConcept") or {}
    return str(concept.get("text", ""))
