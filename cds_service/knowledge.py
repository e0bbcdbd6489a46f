"""Reads a knowledge file: parameters in force on a day, outcomes and their words, evidence, version, review dates."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from . import schemas

Line = str | Mapping[str, Any]


class KnowledgeError(Exception):
    """A knowledge file that cannot be used: which file, where in it, what was expected."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Evidence:
    """One source: how it is named on a card, its full citation, and where it can be read."""

    id: str
    label: str
    citation: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Dated:
    """A parameter's value from a day on, and the evidence for it."""

    since: datetime.date
    value: Any
    evidence: str


@dataclass(frozen=True, slots=True)
class Parameter:
    """A number a reviewer may change: what it means, its unit, its values by date."""

    name: str
    description: str
    unit: str
    values: tuple[Dated, ...]
    allowed: tuple[Any, ...] = ()

    def on(self, day: datetime.date) -> Any:
        """The value in force on ``day``; before the first one, the first."""
        current = self.values[0]
        for dated in self.values:
            if dated.since <= day:
                current = dated
        return current.value


@dataclass(frozen=True, slots=True)
class Wording:
    """How one outcome, or one case of it, is told: its loudness, its words, what it offers."""

    indicator: str
    summary: str
    detail: tuple[Line, ...]
    suggestions: tuple[Mapping[str, Any], ...]
    override_reasons: tuple[str, ...]
    evidence: tuple[str, ...]
    indicator_parameter: str = ""
    short: str = ""  # a few words for a card that tells several things


@dataclass(frozen=True, slots=True)
class Knowledge:
    """Everything about a rule (or a shared fact, which has no outcomes) that is not code."""

    file: str
    id: str
    version: str
    status: str
    title: str
    approval_date: datetime.date
    last_review_date: datetime.date
    next_review_date: datetime.date | None
    evidence: Mapping[str, Evidence]
    parameters: Mapping[str, Parameter]
    outcomes: Mapping[str, Mapping[str, Wording]] = field(default_factory=dict)
    description: str = ""
    paragraphs: Mapping[str, Line] = field(default_factory=dict)  # the lines of details that several outcomes use
    contested: tuple[str, ...] = ()  # the points of rules/contested.json that it takes a side on

    def wording(self, outcome: str, case: str = "") -> Wording:
        """The words for an outcome; a case that changes nothing has none of its own."""
        cases = self.outcomes[outcome]
        return cases.get(case) or cases[""]

    def values_on(self, day: datetime.date, site: Mapping[str, Any] = MappingProxyType({})) -> Parameters:
        """The values in force on ``day``, the site's own taking precedence."""
        return Parameters({name: site.get(name, p.on(day)) for name, p in self.parameters.items()})


class Parameters(Mapping[str, Any]):
    """Parameter values of one day, by name; read as attributes (``parameters.limit_mg``) or as a mapping."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = dict(values)

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __getattr__(self, name: str) -> Any:
        try:
            return self._values[name]
        except KeyError:
            raise AttributeError(f"there is no parameter {name!r}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def read_json(file: Path, what: str) -> Any:
    """A JSON file with exact decimals; a KnowledgeError names the file, and the line where it cannot be read."""
    return _json(file, _text(file, what), what)


def _text(file: Path, what: str) -> str:
    try:
        return file.read_text("utf-8")
    except OSError as error:
        raise KnowledgeError([f"{file}: {what} cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise KnowledgeError([f"{file}: {what} is not UTF-8 text (byte {error.start})"]) from error


def _json(file: Path, text: str, what: str) -> Any:
    try:
        return json.loads(text, parse_float=Decimal, object_pairs_hook=_unique)
    except json.JSONDecodeError as error:
        raise KnowledgeError([f"{file}, line {error.lineno}: {what} is not JSON: {error.msg}"]) from error
    except _Repeated as error:
        raise KnowledgeError([f"{file}: the member {error.name!r} stands twice in one object"]) from error


def load(file: Path) -> Knowledge:
    """Reads and checks one knowledge file.

    Raises KnowledgeError with everything that is wrong in it: shape, evidence and paragraphs that do not exist,
    dates out of order.
    """
    return _load(file, _text(file, "the knowledge file"))


# A catalogue is made anew whenever the manifest changes; its knowledge hardly ever does.
@lru_cache(maxsize=128)
def _load(file: Path, text: str) -> Knowledge:
    document = _json(file, text, "the knowledge file")
    problems = [f"{file.name}, {p}" for p in schemas.problems(document, "knowledge")]
    if problems:
        raise KnowledgeError(problems)
    problems = [f"{file.name}, {p}" for p in _inconsistencies(document)]
    if problems:
        raise KnowledgeError(problems)
    paragraphs = document.get("paragraphs", {})
    return Knowledge(
        file=file.name,
        id=document["id"],
        version=document["version"],
        status=document["status"],
        title=document["title"],
        approval_date=_day(document["approvalDate"]),
        last_review_date=_day(document["lastReviewDate"]),
        next_review_date=_day(document["nextReviewDate"]) if "nextReviewDate" in document else None,
        evidence={
            e["id"]: Evidence(e["id"], e["label"], e["citation"], e.get("url", "")) for e in document["relatedArtifact"]
        },
        parameters={name: _parameter(name, p) for name, p in document["parameters"].items()},
        outcomes={name: _wordings(o, paragraphs) for name, o in document.get("outcomes", {}).items()},
        description=document.get("description", ""),
        paragraphs=paragraphs,
        contested=tuple(document.get("contested", ())),
    )


def _parameter(name: str, document: Mapping[str, Any]) -> Parameter:
    values = tuple(Dated(_day(v["from"]), _frozen(v["value"]), v["evidence"]) for v in document["values"])
    return Parameter(name, document["description"], document["unit"], values, tuple(document.get("allowed", ())))


def _wordings(outcome: Mapping[str, Any], paragraphs: Mapping[str, Line]) -> Mapping[str, Wording]:
    own = {name: value for name, value in outcome.items() if name != "cases"}
    cases = {"": _wording(own, paragraphs)}
    for name, case in outcome.get("cases", {}).items():
        cases[name] = _wording({**own, **case}, paragraphs)
    return cases


def _wording(document: Mapping[str, Any], paragraphs: Mapping[str, Line]) -> Wording:
    indicator = document["indicator"]
    return Wording(
        indicator=indicator if isinstance(indicator, str) else "",
        indicator_parameter="" if isinstance(indicator, str) else indicator["parameter"],
        summary=document["summary"],
        detail=tuple(
            paragraphs[line["paragraph"]] if isinstance(line, Mapping) and "paragraph" in line else line
            for line in document["detail"]
        ),
        suggestions=tuple(document.get("suggestions", ())),
        override_reasons=tuple(document["overrideReasons"]),
        evidence=tuple(document["evidence"]),
        short=document.get("short", ""),
    )


def _inconsistencies(document: Mapping[str, Any]) -> Iterator[str]:
    evidence = [e["id"] for e in document["relatedArtifact"]]
    for twice in sorted({e for e in evidence if evidence.count(e) > 1}):
        yield f"relatedArtifact: the id {twice!r} stands twice"
    for place, day in _dates(document):
        try:
            _day(day)
        except ValueError:
            yield f"{place}: {day!r} is not a day of the calendar"
            return
    for name, parameter in document["parameters"].items():
        days = [v["from"] for v in parameter["values"]]
        if days != sorted(set(days)):
            yield f"parameters.{name}.values: the days are not in ascending order"
        for index, value in enumerate(parameter["values"]):
            if value["evidence"] not in evidence:
                yield f"parameters.{name}.values[{index}].evidence: {value['evidence']!r} is not a relatedArtifact"
            if "allowed" in parameter and value["value"] not in parameter["allowed"]:
                yield f"parameters.{name}.values[{index}].value: not one of those allowed"
    for name, outcome in document.get("outcomes", {}).items():
        yield from _outcome_inconsistencies(document, evidence, f"outcomes.{name}", outcome)
        for case, words in outcome.get("cases", {}).items():
            yield from _outcome_inconsistencies(document, evidence, f"outcomes.{name}.cases.{case}", words)
    shown = set(_paragraphs_shown(document))
    for name in document.get("paragraphs", {}):
        if name not in shown:
            yield f"paragraphs.{name}: no outcome shows it"


def _paragraphs_shown(document: Mapping[str, Any]) -> Iterator[str]:
    for outcome in document.get("outcomes", {}).values():
        for words in (outcome, *outcome.get("cases", {}).values()):
            yield from (
                line["paragraph"]
                for line in words.get("detail", ())
                if isinstance(line, Mapping) and "paragraph" in line
            )


def _outcome_inconsistencies(
    document: Mapping[str, Any], evidence: Sequence[str], place: str, words: Mapping[str, Any]
) -> Iterator[str]:
    for source in words.get("evidence", ()):
        if source not in evidence:
            yield f"{place}.evidence: {source!r} is not a relatedArtifact"
    for index, line in enumerate(words.get("detail", ())):
        if (
            isinstance(line, Mapping)
            and "paragraph" in line
            and line["paragraph"] not in document.get("paragraphs", {})
        ):
            yield f"{place}.detail[{index}]: there is no paragraph {line['paragraph']!r}"
    indicator = words.get("indicator")
    if isinstance(indicator, Mapping) and indicator["parameter"] not in document["parameters"]:
        yield f"{place}.indicator: there is no parameter {indicator['parameter']!r}"


def _dates(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name in ("approvalDate", "lastReviewDate", "nextReviewDate"):
        if name in document:
            yield name, document[name]
    for name, parameter in document["parameters"].items():
        for index, value in enumerate(parameter["values"]):
            yield f"parameters.{name}.values[{index}].from", value["from"]


def _day(text: str) -> datetime.date:
    return datetime.date.fromisoformat(text)


def _frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return MappingProxyType({key: _frozen(item) for key, item in value.items()})
    if isinstance(value, list):
        return tuple(_frozen(item) for item in value)
    return value


class _Repeated(ValueError):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for name, value in pairs:
        if name in document:
            raise _Repeated(name)
        document[name] = value
    return document
