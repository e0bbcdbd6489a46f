"""Ordinary orders over ordinary charts, of which nothing, or no more than a note, is to be said.

``fixtures/quiet/charts/*.json`` holds a patient each, ``fixtures/quiet/orders.json`` one table of orders by topic. Both
are short forms; here they become FHIR as an EHR sends it. Of a chart::

    who           one sentence
    gender, born  left out where the record does not say them
    conditions    [ICD-10-CM code, name]
    results       [LOINC code, name, number, unit, date]
    medications   [name, directions, date of the order]; all active

Of an order::

    text          the name in the EHR; ``code`` is "rxnorm 617311", "loinc 2731-8" or "cvx 150"
    kind          the resource, if not a MedicationRequest
    sig, timing, dose, route   its directions; a dose is a number and a unit
    renews        the medication of the chart that it replaces, where the chart has it
    silent        names of charts with which nothing may be said
    info          charts with which notes may be said, and by which rules

Dates are written as in vignettes: ``{T-30d}``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .vignettes import FIXTURES, NOW, Json, Vignette, expand

ROOT = FIXTURES / "quiet"
HOOKS = ("order-select", "order-sign")

_SYSTEMS = {
    "rxnorm": "http://www.nlm.nih.gov/research/umls/rxnorm",
    "loinc": "http://loinc.org",
    "cvx": "http://hl7.org/fhir/sid/cvx",
}
_ICD = "http://hl7.org/fhir/sid/icd-10-cm"
_UCUM = "http://unitsofmeasure.org"
_ACTIVE = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}]}
_SUBJECT = {"reference": "Patient/pat-1"}


@dataclass(frozen=True)
class Chart:
    """One patient in the short form."""

    who: str
    conditions: list[list[str]]
    results: list[list[Any]]
    medications: list[list[str]]
    gender: str = ""
    born: str = ""

    def resources(self) -> Iterator[Json]:
        """The chart as FHIR."""
        known = {"gender": self.gender, "birthDate": self.born}
        yield {"resourceType": "Patient", "id": "pat-1", **{name: value for name, value in known.items() if value}}
        for number, (code, name) in enumerate(self.conditions):
            yield {
                "resourceType": "Condition",
                "id": f"condition-{number}",
                "clinicalStatus": _ACTIVE,
                "code": {"coding": [{"system": _ICD, "code": code, "display": name}], "text": name},
                "subject": _SUBJECT,
            }
        for number, (code, name, value, unit, day) in enumerate(self.results):
            yield {
                "resourceType": "Observation",
                "id": f"result-{number}",
                "status": "final",
                "code": {"coding": [{"system": _SYSTEMS["loinc"], "code": code}], "text": name},
                "subject": _SUBJECT,
                "effectiveDateTime": day,
                "valueQuantity": {"value": value, "unit": unit, "system": _UCUM, "code": unit},
            }
        for number, (text, sig, day) in enumerate(self.medications):
            yield {
                "resourceType": "MedicationRequest",
                "id": f"medication-{number}",
                "status": "active",
                "intent": "order",
                "medicationCodeableConcept": {"text": text},
                "subject": _SUBJECT,
                "authoredOn": day,
                "dosageInstruction": [{"text": sig}],
            }


@dataclass(frozen=True)
class Draft:
    """One order in the short form, with the charts it is tried on."""

    text: str
    kind: str = "MedicationRequest"
    code: str = ""
    sig: str = ""
    timing: str = ""
    dose: str = ""
    route: str = ""
    renews: str = ""
    silent: str = ""
    info: dict[str, list[str]] = field(default_factory=dict)

    def resource(self, chart: Chart) -> Json:
        """The draft as FHIR."""
        concept: Json = {"text": self.text}
        if self.code:
            system, _, code = self.code.partition(" ")
            concept = {"coding": [{"system": _SYSTEMS[system], "code": code}], "text": self.text}
        made = {"resourceType": self.kind, "id": "d1", "status": "draft", "intent": "order", "subject": _SUBJECT}
        if self.kind != "MedicationRequest":
            return {**made, "code": concept}
        made["medicationCodeableConcept"] = concept
        taken = [text for text, _, _ in chart.medications]
        if self.renews in taken:
            made["priorPrescription"] = {"reference": f"MedicationRequest/medication-{taken.index(self.renews)}"}
        directions = self._directions()
        return {**made, "dosageInstruction": [directions]} if directions else made

    def _directions(self) -> Json:
        directions: Json = {"text": self.sig} if self.sig else {}
        if self.timing:
            directions["timing"] = {"code": {"text": self.timing}}
        if self.route:
            directions["route"] = {"text": self.route}
        if self.dose:
            number, _, unit = self.dose.partition(" ")
            directions["doseAndRate"] = [{"doseQuantity": {"value": int(number), "unit": unit}}]
        return directions


@dataclass(frozen=True)
class Combination:
    """One order on one chart; ``rules`` are those that may add a note, none where nothing may be said."""

    draft: Draft
    chart_name: str
    chart: Chart
    rules: frozenset[str]

    @property
    def name(self) -> str:
        """How it is called in a test's id and in messages."""
        return f"{self.draft.text} on {self.chart_name}"

    def vignette(self, hook: str) -> Vignette:
        """As the test's EHR takes it."""
        return Vignette(
            name=self.name,
            rule="",
            title=self.name,
            why="",
            hook=hook,
            chart=tuple(expand(list(self.chart.resources()), NOW)),
            orders=(self.draft.resource(self.chart),),
            selections=None,
            unasked={},
            withhold=frozenset(),
            failed=frozenset(),
            site={},
            findings=(),
            silent=frozenset(),
        )


def charts() -> dict[str, Chart]:
    """Every chart by its name; a member nobody knows is an error."""
    return {path.stem: Chart(**_read(path)) for path in sorted((ROOT / "charts").glob("*.json"))}


def drafts() -> tuple[Draft, ...]:
    """Every order of the table; a member nobody knows is an error."""
    return tuple(Draft(**row) for rows in _read(ROOT / "orders.json").values() for row in rows)


def combinations() -> tuple[Combination, ...]:
    """Every order on every chart it names."""
    known = charts()
    return tuple(
        Combination(draft, name, known[name], frozenset(rules))
        for draft in drafts()
        for name, rules in [*((name, ()) for name in draft.silent.split()), *draft.info.items()]
    )


def _read(path: Path) -> Json:
    document: Json = json.loads(path.read_text(encoding="utf-8"))
    return document
