"""What the directions of an order say beside dose and frequency: meals, other drugs to keep away from, a purpose."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator
from importlib import resources

from ..fhir.elements import Concept, Dosage, MedicationRecord
from ..terminology.codes import SNOMED_CT
from . import timing

_WORDS = json.loads(resources.files(__package__).joinpath("directions.json").read_text("utf-8"))
_MEALS = _WORDS["meals"]
_LONGEST = 2000  # characters of a text that are read: longer than any directions
_TAKEN = " | "  # stands where something was read, so that words on both sides never join into a phrase


def _any_of(phrases: Iterable[str]) -> str:
    longest_first = sorted(phrases, key=len, reverse=True)
    return "(?:" + "|".join(re.escape(p) for p in longest_first) + ")"


_MEAL = rf"(?:{_any_of(_MEALS['before_nouns'])}\s+)*{_any_of(_MEALS['nouns'])}"
_TIME = r"\d+(?:\s*(?:-|to)\s*\d+)?\s*"
_FROM = r"(?:before|after|prior\s+to|following|from|apart\s+from|away\s+from)"
_HOURS = rf"(?:{_TIME}|(?:one|two|half\s+an|an|a\s+few)\s+)(?:hours?|hrs?|h)\s+{_FROM}"


def _phrases(*before: str, alone: Iterable[str] = ()) -> re.Pattern[str]:
    """Any of the phrases in front of a meal, or one that says it by itself."""
    pattern = rf"{_any_of(before)}\s+{_MEAL}"
    if alone := tuple(alone):
        pattern += f"|{_any_of(alone)}"
    return re.compile(rf"(?<!\w)(?:{pattern})(?!\w)")


# In the order in which they are taken out of a text: what contains other phrases comes first.
_EITHER = _phrases(*_MEALS["either"])
_HOURS_APART = re.compile(rf"(?<!\w){_HOURS}(?:\s+(?:or|and)\s+{_HOURS})?\s+{_MEAL}(?!\w)")
_SAID = {
    relation: _phrases(*_MEALS[relation], alone=_MEALS["abbreviations"][relation])
    for relation in ("apart", "with", "before")
}
_BINDER = re.compile("|".join(f"(?:{p})" for p in _WORDS["phosphate_binder"]["patterns"]))
_NEGATED = re.compile(rf"(?<!\w){_any_of(_WORDS['phosphate_binder']['negations'])}(?:\s+\w+){{0,2}}[\s-]*$")
_SENTENCE_END = re.compile(r"[.;]\s|[;!]")
_KEPT_APART = re.compile(rf"(?<!\w){_any_of(_WORDS['apart']['words'])}(?!\w)")


def meals(record: MedicationRecord) -> frozenset[str]:
    """What timing codes and texts say of meals: "with" (during or right after), "before", "apart"; empty if nothing."""
    return frozenset(relation for dosage in record.dosages for relation in _meals(dosage))


def _meals(dosage: Dosage) -> Iterator[str]:
    repeat = dosage.timing.repeat if dosage.timing else None
    for code in repeat.when if repeat else ():
        yield from (relation for relation, codes in _MEALS["timing"].items() if code.upper() in codes)
    for instruction in dosage.additional_instructions:
        codes = {coding.code for coding in instruction.codings if coding.system == SNOMED_CT}
        yield from (relation for relation, known in _MEALS["snomed"].items() if codes.intersection(known))
    for text in _texts(dosage):
        rest = _EITHER.sub(_TAKEN, text)
        rest, hours = _HOURS_APART.subn(_TAKEN, rest)
        if hours:
            yield "apart"
        for relation, pattern in _SAID.items():
            rest, found = pattern.subn(_TAKEN, rest)
            if found:
                yield relation


def is_scheduled(record: MedicationRecord) -> bool:
    """Whether some instruction says how often a dose is taken, not only when needed or once."""
    frequencies = (timing.doses_per_day(d, free_text_allowed=True) for d in record.dosages)
    return any(f.doses is not None and not f.as_needed and not f.one_off for f in frequencies)


def is_as_needed(record: MedicationRecord) -> bool:
    """Whether every instruction is to be followed when needed."""
    frequencies = [timing.doses_per_day(d, free_text_allowed=True) for d in record.dosages]
    return bool(frequencies) and all(f.as_needed for f in frequencies)


def keeps_apart(record: MedicationRecord, kind: str, names: Iterable[str]) -> bool:
    """Whether the directions already tell to keep it apart from a drug: one of this class, or called by these names."""
    called = re.compile(rf"(?<!\w){_any_of({*_WORDS['apart']['names'][kind], *map(_normal, names)})}(?!\w)")
    sentences = (part for dosage in record.dosages for text in _texts(dosage) for part in _SENTENCE_END.split(text))
    return any(called.search(sentence) and _KEPT_APART.search(sentence) for sentence in sentences)


def binds_phosphate(record: MedicationRecord) -> bool:
    """Whether name, directions or reason say that it is given to bind phosphate in the gut."""
    concepts = (record.medication, *record.reasons)
    said = [_normal(text) for concept in concepts if concept for text in _labels(concept)]
    said += [text for dosage in record.dosages for text in _texts(dosage)]
    return any(not _NEGATED.search(text[: m.start()]) for text in said for m in _BINDER.finditer(text))


def _texts(dosage: Dosage) -> Iterator[str]:
    yield _normal(dosage.text)
    yield _normal(dosage.patient_instruction)
    concepts = [*dosage.additional_instructions]
    if dosage.timing and dosage.timing.code:
        concepts.append(dosage.timing.code)
    for concept in concepts:
        yield from map(_normal, _labels(concept))


def _labels(concept: Concept) -> Iterator[str]:
    yield from concept.texts
    for coding in concept.codings:
        yield coding.display
        yield coding.code


def _normal(text: str) -> str:
    """Lower case, one kind of dash, one space, no dots in abbreviations, "w/" as a word."""
    text = unicodedata.normalize("NFKC", text[:_LONGEST].casefold()).replace("–", "-").replace("—", "-")
    text = re.sub(r"\bw\s*/(?!\s*o\b)\s*", "w ", text)
    text = re.sub(r"\b(?:[a-z]\.){2,}", lambda m: m.group().replace(".", "") + " ", text)
    return " ".join(text.split())
