"""Holds a rule against its knowledge, and a site's values against the parameters they replace."""

from __future__ import annotations

import datetime
from collections.abc import Container, Iterator, Mapping
from decimal import Decimal
from typing import Any

from .knowledge import Knowledge, Line
from .knowledge import Wording as Words
from .rules.rule import Rule
from .suggestions import Catalog
from .terminology import Terminology
from .wording import PLACEHOLDER, placeholders


def rule_problems(
    rule: Rule, knowledge: Knowledge, terminology: Terminology | None, catalog: Catalog, phrases: Mapping[str, str]
) -> Iterator[str]:
    """What a rule can say and its knowledge does not word, words that nothing yields, value sets that do not exist."""
    file = knowledge.file
    for outcome, cases in rule.outcomes.items():
        if outcome not in knowledge.outcomes:
            yield f"{file}, outcomes: the outcome {outcome!r} has no words"
            continue
        for case in knowledge.outcomes[outcome]:
            if case and case not in cases:
                yield f"{file}, outcomes.{outcome}.cases.{case}: the rule never comes to this case"
    for outcome, wordings in knowledge.outcomes.items():
        if outcome not in rule.outcomes:
            yield f"{file}, outcomes.{outcome}: the rule never comes to this outcome"
        for case, words in wordings.items():
            place = f"{file}, outcomes.{outcome}" + (f".cases.{case}" if case else "")
            yield from _wording_problems(place, words, rule, catalog, phrases)
    if terminology is not None:
        for requirement in rule.requires:
            for value_set in requirement.value_sets:
                if value_set not in terminology.value_sets:
                    place = f"{rule.id}, requires {requirement.key}"
                    yield f"{place}: there is no value set {value_set!r} in terminology/value_sets"


def _wording_problems(
    place: str, words: Words, rule: Rule, catalog: Catalog, phrases: Mapping[str, str]
) -> Iterator[str]:
    for reason in words.override_reasons:
        if reason not in catalog.reasons:
            yield f"{place}.overrideReasons: there is no override reason {reason!r}"
    for entry in words.suggestions:
        name = entry["name"]
        if name not in catalog.names:
            yield f"{place}.suggestions: there is no suggestion {name!r}"
            continue
        for template in (*catalog.templates(name), *_sentences(entry)):
            yield from _unfilled(f"{place}, suggestion {name}", template, rule)
    yield from _unfilled(f"{place}.summary", words.summary, rule)
    yield from _unfilled(f"{place}.short", words.short, rule)
    for index, line in enumerate(words.detail):
        for template in _sentences(line):
            yield from _unfilled(f"{place}.detail[{index}]", template, rule)


def _sentences(line: Line) -> Iterator[str]:
    if isinstance(line, str):
        yield line
        return
    yield from line.get("columns", {}).values()
    if "text" in line:
        yield line["text"]
    for condition in ("when", "unless", "each", "table"):
        paths = line.get(condition, ())
        for path in (paths,) if isinstance(paths, str) else paths:
            yield f"{{{path}}}"


def _unfilled(place: str, template: str, rule: Rule) -> Iterator[str]:
    for name in placeholders(template):
        if name != "item" and name not in rule.values:
            yield f"{place}: no value fills {{{name}}}"
    remainder = PLACEHOLDER.sub("", template)
    if "{" in remainder or "}" in remainder:
        yield f"{place}: a placeholder is not written as {{name}}, {{name.attribute}} or {{name|phrase}}"


def contested_problems(knowledge: Knowledge, points: Container[str]) -> Iterator[str]:
    """Contested points that a knowledge file names and nobody has described."""
    for index, id_ in enumerate(knowledge.contested):
        if id_ not in points:
            yield f"{knowledge.file}, contested[{index}]: there is no point {id_!r} in rules/contested.json"


def site_problems(
    site: Mapping[str, Any], knowledge: Mapping[str, Knowledge], rules: Mapping[str, Rule]
) -> Iterator[str]:
    """Site values of parameters that do not exist, or of another kind than what they replace."""
    for index, value in enumerate(site["parameters"]):
        place = f"site.parameters[{index}]"
        known = knowledge.get(value["rule"])
        if known is None:
            yield f"{place}.rule: there is no rule or fact {value['rule']!r}; known: {', '.join(sorted(knowledge))}"
            continue
        parameter = known.parameters.get(value["parameter"])
        if parameter is None:
            names = ", ".join(sorted(known.parameters))
            yield f"{place}.parameter: {known.id} has no parameter {value['parameter']!r}; known: {names}"
            continue
        try:
            datetime.date.fromisoformat(value["from"])
        except ValueError:
            yield f"{place}.from: {value['from']!r} is not a day of the calendar"
        shipped = parameter.values[-1].value
        if parameter.allowed and value["value"] not in parameter.allowed:
            yield f"{place}.value: expected one of {', '.join(map(str, parameter.allowed))}"
        elif not _same_kind(value["value"], shipped):
            yield f"{place}.value: expected {_kind(shipped)}, in {parameter.unit}"
    for index, id_ in enumerate(site["disabledRules"]):
        if id_ not in rules:
            yield f"site.disabledRules[{index}]: there is no rule {id_!r}; known: {', '.join(sorted(rules))}"


def _same_kind(value: Any, shipped: Any) -> bool:
    if isinstance(shipped, Mapping):
        return (
            isinstance(value, Mapping)
            and value.keys() == shipped.keys()
            and all(_same_kind(value[name], shipped[name]) for name in shipped)
        )
    if isinstance(shipped, tuple):
        return isinstance(value, list) and bool(value) and all(_same_kind(item, shipped[0]) for item in value)
    if isinstance(shipped, bool) or isinstance(value, bool):
        return isinstance(shipped, bool) and isinstance(value, bool)
    if isinstance(shipped, int | Decimal):
        return isinstance(value, int | Decimal)
    return isinstance(value, str)


def _kind(shipped: Any) -> str:
    if isinstance(shipped, Mapping):
        return f"an object with {', '.join(shipped)}"
    if isinstance(shipped, tuple):
        return "a list of objects like the shipped ones"
    if isinstance(shipped, bool):
        return "true or false"
    return "a number" if isinstance(shipped, int | Decimal) else "a text"
