"""A cheap first look at a received R4 resource of any shape: its codes and whom it is about."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from typing import Any

from ...terminology.codes import Coding, coding
from ..elements import Concept

_CODED = ("code", "medicationCodeableConcept", "vaccineCode")
# Where a resource has codes beside its own.
CODED_ELSEWHERE = frozenset({*_CODED[1:], "component"})


def codes(raw: Mapping[str, Any]) -> Concept:
    """Every coding and text under which the resource may matter, its components' included; nothing is validated.

    An empty concept means "cannot tell from here" (a referenced medication, an odd shape), never "of no interest".
    """
    codings: list[Coding] = []
    texts: list[str] = []
    for value in _concepts(raw):
        _collect(value, codings, texts)
    reference = raw.get("medicationReference")
    if isinstance(reference, dict) and isinstance(reference.get("display"), str):
        texts.append(reference["display"])
    return Concept(tuple(codings), tuple(texts))


def coded_alike(raw: Mapping[str, Any]) -> Hashable | None:
    """Something that two resources have in common only if ``codes`` finds the same codings in both, but for displays;
    None where that cannot be told so easily.
    """
    concept = raw.get("code")
    sent = concept.get("coding") if type(concept) is dict else None
    if type(sent) is not list or len(sent) != 1 or type(sent[0]) is not dict:
        return None
    if not raw.keys().isdisjoint(CODED_ELSEWHERE):
        return None
    system, code = sent[0].get("system"), sent[0].get("code")
    return (system, code) if type(system) is type(code) is str else None


def subjects(raw: Mapping[str, Any]) -> tuple[Any, ...]:
    """Whatever the resource names as its patient, as sent; () when it names none."""
    subject = raw.get("subject")
    if type(subject) is dict and "patient" not in raw:
        return (subject,)
    found: list[Any] = []
    for name in ("subject", "patient"):
        value = raw.get(name)
        found += value if isinstance(value, list) else [] if value is None else [value]
    return tuple(found)


def _concepts(raw: Mapping[str, Any]) -> Iterator[Any]:
    for name in _CODED:
        yield raw.get(name)
    components = raw.get("component")
    for component in components if isinstance(components, list) else (components,):
        if isinstance(component, dict):
            yield component.get("code")


def _collect(value: Any, codings: list[Coding], texts: list[str]) -> None:
    for concept in value if isinstance(value, list) else (value,):
        if not isinstance(concept, dict):
            continue
        if isinstance(concept.get("text"), str) and concept["text"]:
            texts.append(concept["text"])
        sent = concept.get("coding")
        for item in sent if isinstance(sent, list) else (sent,):
            if isinstance(item, dict) and isinstance(item.get("code"), str):
                system, display = item.get("system"), item.get("display")
                codings.append(
                    coding(
                        system if isinstance(system, str) else "",
                        item["code"],
                        display if isinstance(display, str) else "",
                    )
                )
