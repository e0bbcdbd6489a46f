"""One saved request told in full: outcomes, the facts they rest on, what was repaired or missing, the cards."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec

from .catalogue import Catalogue, ServiceEntry
from .cdshooks import Card, parse_request
from .facts.clock import Clock
from .facts.conditions import Condition
from .facts.orders import Order
from .fhir import DataUnavailable
from .rules.rule import RuleResult
from .service import NothingEvaluated, PreconditionFailed, answer


@dataclass(frozen=True)
class Evaluation:
    """What a service answered to one request, and why."""

    service_id: str
    status: int
    keys: tuple[str, ...]
    results: tuple[RuleResult, ...]
    problems: Mapping[str, tuple[str, ...]]
    cards: tuple[Card, ...]

    def to_json(self) -> dict[str, Any]:
        """The same for machines."""
        return {
            "service": self.service_id,
            "status": self.status,
            "withheld": list(self.keys),
            "rules": [_result(result) for result in self.results],
            "problems": {key: list(found) for key, found in self.problems.items()},
            "cards": [card.to_json() for card in self.cards],
        }


def evaluate(
    catalogue: Catalogue, body: Mapping[str, Any], service_id: str, now: datetime.datetime, zone: datetime.tzinfo
) -> Evaluation:
    """Answers a request as the service would.

    Raises ValueError when the request is not one for a service that is offered.
    """
    try:
        request = parse_request(body)
    except Exception as error:
        raise ValueError(f"not a CDS Hooks request: {error}") from error
    entry = _entry(catalogue, service_id, request.hook)
    try:
        answered = answer(catalogue, entry, request, Clock(now, zone))
    except PreconditionFailed as failed:
        return Evaluation(entry.service.id, 412, tuple(failed.reasons), failed.results, failed.problems, ())
    except NothingEvaluated as broken:
        return Evaluation(entry.service.id, 500, (), broken.results, {}, ())
    return Evaluation(entry.service.id, 200, (), answered.results, answered.problems, answered.cards)


def _entry(catalogue: Catalogue, service_id: str, hook: str) -> ServiceEntry:
    for entry in catalogue.entries:
        if entry.service.hook == hook and service_id in ("", entry.service.id):
            return entry
    offered = ", ".join(f"{e.service.id} ({e.service.hook})" for e in catalogue.entries)
    raise ValueError(f"no service {service_id or ''} for the hook {hook!r}; offered: {offered}")


def _result(result: RuleResult) -> dict[str, Any]:
    return {
        "rule": result.rule.id,
        "status": result.status,
        "findings": [
            {
                "outcome": finding.outcome,
                "case": finding.case,
                "orders": [order.source for order in finding.about],
                "facts": {name: _plain(value) for name, value in finding.values.items() if value not in (None, ())},
            }
            for finding in result.findings
        ],
        "gaps": [{"key": gap.key, "kind": gap.kind, "reason": gap.reason} for gap in result.gaps],
        "error": result.error,
    }


def _plain(value: Any) -> Any:
    """A fact as JSON: its fields, its source, no resource."""
    if isinstance(value, Order):
        return {"source": value.source, "medication": value.label, "ingredients": list(value.product.ingredients)}
    if isinstance(value, DataUnavailable):
        return {"key": value.key, "kind": value.kind, "reason": value.reason}
    if isinstance(value, Condition):
        return {"source": value.source, "text": str(value), "tentative": value.tentative}
    if isinstance(value, msgspec.Struct):
        return {name: _plain(getattr(value, name)) for name in value.__struct_fields__}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Fraction):
        return float(value)
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, tuple | list | frozenset):
        return [_plain(item) for item in value]
    if isinstance(value, str | int | Decimal | bool) or value is None:
        return value
    return str(value)


def render(evaluation: Evaluation) -> str:
    """The evaluation as text for a terminal."""
    return "\n".join(_lines(evaluation))


def _lines(evaluation: Evaluation) -> Iterator[str]:
    yield f"{evaluation.service_id}: HTTP {evaluation.status}"
    if evaluation.keys:
        yield f"  not sent, and needed: {', '.join(evaluation.keys)}"
    for result in evaluation.results:
        document = _result(result)
        yield ""
        yield f"{result.rule.id}: {result.status}" + (f" ({result.error})" if result.error else "")
        for finding in document["findings"]:
            case = f" / {finding['case']}" if finding["case"] else ""
            yield f"  {finding['outcome']}{case}, for {', '.join(finding['orders'])}"
            for name, fact in finding["facts"].items():
                yield from _fact(name, fact, "    ")
        for gap in document["gaps"]:
            yield f"  gap: {gap['key']} ({gap['kind']}): {gap['reason']}"
    if evaluation.problems:
        yield ""
        yield "Read with care:"
        for key, found in evaluation.problems.items():
            for problem in found:
                yield f"  {key}: {problem}"
    for card in evaluation.cards:
        yield ""
        yield f"[{card.indicator}] {card.summary}"
        for line in card.detail.splitlines():
            yield f"    {line}" if line else ""
        for suggestion in card.suggestions:
            yield f"  -> {suggestion.label}" + (" (recommended)" if suggestion.is_recommended else "")
            for action in suggestion.actions:
                yield f"       {action.type}: {action.description}"
        if card.override_reasons:
            yield "  or: " + " | ".join(reason.display for reason in card.override_reasons)


def _fact(name: str, fact: Any, indent: str) -> Iterator[str]:
    if isinstance(fact, dict):
        yield f"{indent}{name}:"
        for inner, value in fact.items():
            if value not in (None, "", []):
                yield from _fact(inner, value, indent + "  ")
    elif isinstance(fact, list):
        for item in fact:
            yield from _fact(name, item, indent)
    else:
        yield f"{indent}{name}: {fact}"
