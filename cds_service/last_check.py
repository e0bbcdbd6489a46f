"""The last check of a card: what is no sound FHIR, would itself be warned of or breaks our schema does not leave."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

import structlog

from . import schemas
from .cdshooks import Action, Card, Suggestion
from .composition import Told
from .rules.rule import RuleResult

_log = structlog.get_logger(__name__)

_LOUD = ("warning", "critical")

# Judges draft orders that are not those sent: what became of each rule, and what they found.
Judge = Callable[[object], tuple[Sequence[RuleResult], Sequence[Told]]]


@dataclass(frozen=True)
class LastCheck:
    """Takes from a card the suggestions that are no sound FHIR or would themselves be warned of by our rules."""

    fhir: ModuleType
    draft_orders: object
    told: Sequence[Told]
    judge: Judge

    def passed(self, card: Card) -> Card:
        """The card with the suggestions that may stay."""
        kept = tuple(s for s in card.suggestions if self._is_sound(s) and not self._would_warn(s))
        if len(kept) == len(card.suggestions):
            return card
        return replace(card, suggestions=kept, selection_behavior=card.selection_behavior if kept else "")

    def _is_sound(self, suggestion: Suggestion) -> bool:
        """Whether every resource in it is sound FHIR; faults the EHR itself sent are not held against it."""
        drafts = {_reference(entry): entry["resource"] for entry in _drafts(self.draft_orders)}
        for action in suggestion.actions:
            if action.resource is None:
                continue
            name = f"{action.resource.get('resourceType')}/{action.resource.get('id')}"
            problems = self.fhir.validate(action.resource, drafts.get(name))
            if problems:
                _log.error("suggestion left out: not sound FHIR", problems=len(problems))
                return False
        return True

    def _would_warn(self, suggestion: Suggestion) -> bool:
        """Whether the session as it would be after accepting the suggestion gives a warning that is not there now."""
        if not any(_orders_a_drug(action) for action in suggestion.actions):
            return False
        drafts, proposed = _after(suggestion, self.draft_orders)
        results, told = self.judge(drafts)
        if any(result.is_late for result in results):
            _log.warning("suggestion left out: no time to check it")
            return True
        now = {(t.rule.id, t.finding.outcome, t.indicator) for t in self.told}
        for one in told:
            new = (one.rule.id, one.finding.outcome, one.indicator) not in now
            if one.indicator in _LOUD and (new or any(order.record.id in proposed for order in one.finding.about)):
                _log.warning("suggestion left out: it would be warned of", rule=one.rule.id)
                return True
        return False


def _orders_a_drug(action: Action) -> bool:
    """Whether an action adds or changes a medication order: a removal or a test is never warned of."""
    return action.resource is not None and action.resource.get("resourceType") == "MedicationRequest"


def _after(suggestion: Suggestion, draft_orders: object) -> tuple[dict[str, Any], set[str]]:
    """The drafts once the suggestion is applied, and the ids of what it proposes."""
    drafts = _drafts(draft_orders)
    proposed: set[str] = set()
    for number, action in enumerate(suggestion.actions):
        resource = action.resource
        if action.type == "delete":
            drafts = [e for e in drafts if _reference(e) != action.resource_id]
        elif resource is not None:
            changed = {**resource, "id": resource.get("id", f"suggested-{number}")}
            reference = f"{changed['resourceType']}/{changed['id']}"
            drafts = [e for e in drafts if _reference(e) != reference]
            drafts.append({"resource": changed})
            proposed.add(changed["id"])
    return {"resourceType": "Bundle", "type": "collection", "entry": drafts}, proposed


def _drafts(draft_orders: object) -> list[Mapping[str, Any]]:
    entries = draft_orders.get("entry") if isinstance(draft_orders, Mapping) else None
    return [entry for entry in entries if isinstance(entry, Mapping)] if isinstance(entries, list) else []


def _reference(entry: Mapping[str, Any]) -> str:
    resource = entry.get("resource")
    return f"{resource.get('resourceType')}/{resource.get('id')}" if isinstance(resource, Mapping) else ""


def conforming(cards: Iterable[Card]) -> Iterable[Card]:
    """Every card as it may leave: one that breaks our own schema loses the part that breaks it, never its alarm."""
    for card in cards:
        yield next((version for version in _plainer(card) if _conforms(version)), card)


def _plainer(card: Card) -> Iterable[Card]:
    yield card
    yield replace(card, suggestions=(), selection_behavior="")
    yield replace(card, detail="")
    yield replace(card, detail="", suggestions=(), selection_behavior="")
    yield replace(card, detail="", suggestions=(), selection_behavior="", override_reasons=())


def _conforms(card: Card) -> bool:
    try:
        schemas.check({"cards": [card.to_json()]}, "response")
    except schemas.Invalid as error:
        _log.error("card does not conform", at=error.path, expected=error.expected)
        return False
    return True
