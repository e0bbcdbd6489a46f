"""Every outcome as the card a clinician would see, with sample values: rendered by what renders cards in service.

The values were recorded from the evaluation of one made-up patient for each outcome and case. What a sentence did not
read is not recorded. Beside JSON's own kinds of value there are

    {"date": "2026-12-01"}, {"decimal": "2.5"}     a day, an exact number
    {"text": "14 ng/mL", "of": {"age_days": 21}}   a fact: as text, and its attributes; "holds": false where it is empty
    {"resource": {…}}                              a FHIR resource as received
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

from ..cards import FINDINGS
from ..catalogue import RuleInService
from ..cdshooks import Card
from ..composition import Told
from ..fhir.resource import Resource
from ..knowledge import read_json
from ..rules.rule import Finding
from ..suggestions import Session
from .markdown import code
from .register import Entry, Json, Register

FOLDER = Path(__file__).with_name("samples")


class BrokenSample(Exception):
    """A sample that does not fill the words of its rule: they have changed since it was recorded."""


class Fact:
    """A recorded fact: it reads like the one it was recorded from, as far as the words of the card read it."""

    def __init__(self, text: str, of: Mapping[str, Any], *, holds: bool) -> None:
        self._text = text
        self._of = of
        self._holds = holds

    def __getattr__(self, name: str) -> Any:
        try:
            return self._of[name]
        except KeyError:
            raise AttributeError(f"the sample has no {name!r}") from None

    def __str__(self) -> str:
        return self._text

    def __bool__(self) -> bool:
        return self._holds


@dataclass(frozen=True, slots=True)
class Sample:
    """One outcome, or one case of it, reached for one made-up patient."""

    outcome: str
    case: str
    day: datetime.date
    orders: tuple[Any, ...]
    values: Mapping[str, Any]


def samples(rule: str, fhir: ModuleType) -> tuple[Sample, ...]:
    """The samples of a rule; none where nothing was recorded."""
    file = FOLDER / f"{rule}.json"
    if not file.is_file():
        return ()
    document = read_json(file, "the sample values")
    day = datetime.date.fromisoformat(document["day"])
    return tuple(
        Sample(
            outcome=sample["outcome"],
            case=sample["case"],
            day=day,
            orders=tuple(_read(order, fhir) for order in sample["orders"]),
            values={name: _read(value, fhir) for name, value in sample["values"].items()},
        )
        for sample in document["samples"]
    )


def _read(value: Any, fhir: ModuleType) -> Any:
    if isinstance(value, list):
        return tuple(_read(item, fhir) for item in value)
    if not isinstance(value, Mapping):
        return value
    if "date" in value:
        return datetime.date.fromisoformat(value["date"])
    if "decimal" in value:
        return Decimal(value["decimal"])
    if "resource" in value:
        return Resource(value["resource"], fhir)
    attributes = {name: _read(item, fhir) for name, item in value.get("of", {}).items()}
    return Fact(value.get("text", ""), attributes, holds=value.get("holds", True))


def card(register: Register, entry: Entry, sample: Sample) -> tuple[Card, str]:
    """The sample's card, made as in service, and the words for it on a card with others ("" where it has none).

    Raises BrokenSample where the words ask for what the sample does not have.
    """
    finding = told(entry, sample)
    catalogue = register.catalogue
    session = Session("sample", "Practitioner/sample", sample.day, catalogue.fhir)
    made = catalogue.composer.cards([finding], session, 1)[0]
    if made.extension[FINDINGS][0]["outcome"] != sample.outcome:
        raise BrokenSample(f"{entry.knowledge.id}, {sample.outcome}/{sample.case}")
    return made, catalogue.composer.short(finding)


def told(entry: Entry, sample: Sample) -> Told:
    """The sample as a finding that is about to be told."""
    assert entry.rule is not None  # noqa: S101  # only a rule has samples
    parameters = RuleInService(entry.rule, entry.knowledge, entry.site).parameters(sample.day)
    finding = Finding(sample.outcome, sample.orders, sample.values, sample.case)
    return Told(entry.rule, entry.knowledge, parameters, finding)


def document(register: Register, rule: str) -> Json:
    """The sample cards of a rule, or of all, for machines; ``null`` in place of a card that was not recorded."""
    entries = [register.rules[rule]] if rule else register.rules.values()
    return {"sample": True, "rules": [_rule(register, entry) for entry in entries]}


def _rule(register: Register, entry: Entry) -> Json:
    known = entry.knowledge
    recorded = {(s.outcome, s.case): s for s in samples(known.id, register.catalogue.fhir)}
    cards = []
    for outcome, cases in known.outcomes.items():
        for case in cases:
            sample = recorded.get((outcome, case))
            if sample is None and not case and any(of == outcome for of, _ in recorded):
                continue  # told in one of its cases only
            made, short = card(register, entry, sample) if sample else (None, "")
            cards.append({"outcome": outcome, "case": case, "card": made and made.to_json(), "short": short})
    return {"id": known.id, "title": known.title, "version": known.version, "state": entry.state, "cards": cards}


def markdown(document: Mapping[str, Any], register: Register) -> str:
    """The same for people."""
    return "\n\n".join(_parts(document)) + "\n"


def _parts(document: Mapping[str, Any]) -> Iterator[str]:
    yield "# Sample cards"
    yield (
        "Each card as a clinician would see it, for a made-up patient. Values are samples. In service a suggestion "
        "that would itself be warned of is left out, and some cards are joined."
    )
    for rule in document["rules"]:
        yield f"## {rule['title']}"
        state = "" if rule["state"] == "in service" else f" ({rule['state']})"
        yield f"{code(rule['id'])} {rule['version']}{state}"
        for sample in rule["cards"]:
            yield from _card(sample)


def _card(sample: Mapping[str, Any]) -> Iterator[str]:
    name = code(sample["outcome"]) + (f", case {code(sample['case'])}" if sample["case"] else "")
    made = sample["card"]
    if made is None:
        yield f"### {name}"
        yield "No sample is recorded."
        return
    yield f"### Sample: {name}, {made['indicator']}"
    lines = [f"**{made['summary']}**", "", *made.get("detail", "").splitlines()]
    yield "\n".join(f"> {line}".rstrip() for line in lines)
    if made.get("suggestions"):
        yield "\n".join(map(_offer, made["suggestions"]))
    if made.get("overrideReasons"):
        yield "Override: " + " | ".join(reason["display"] for reason in made["overrideReasons"])
    if sample["short"]:
        yield f"On a card with others: {sample['short']}"


def _offer(suggestion: Mapping[str, Any]) -> str:
    best = " (recommended)" if suggestion.get("isRecommended") else ""
    actions = "; ".join(action["description"] for action in suggestion.get("actions", ()))
    return f"- **{suggestion['label']}**{best}: {actions}"
