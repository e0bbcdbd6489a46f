"""Answers one request: facts, then rules, then cards, and what becomes of everything that could not be checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import structlog

from . import schemas
from .catalogue import Catalogue, ServiceEntry
from .cdshooks import Action, Card, Request, Suggestion
from .composition import Told
from .facts import Facts
from .facts.clock import Clock
from .facts.orders import Order
from .fhir import DataNotOffered, DataUnavailable
from .fhir.fetching import Fetching
from .fhir.requirement import DataRequirement
from .fhir.source import Source
from .rules.rule import Gap, RuleResult, evaluate
from .suggestions import Session

_log = structlog.get_logger(__name__)

_UNASKED = "patient-view"
_DRAFTS = "draftOrders"
_LOUD = ("warning", "critical")


class PreconditionFailed(Exception):
    """Data that a rule needs was neither sent nor can it be fetched, and nothing was found without it.

    ``reasons`` says for each prefetch key why.
    """

    def __init__(
        self, reasons: Mapping[str, str], results: tuple[RuleResult, ...], problems: Mapping[str, tuple[str, ...]]
    ) -> None:
        super().__init__(", ".join(reasons))
        self.reasons = dict(reasons)
        self.results = results
        self.problems = problems


class NothingEvaluated(Exception):
    """Every rule broke: our own fault, and no answer at all."""

    def __init__(self, results: tuple[RuleResult, ...]) -> None:
        super().__init__(", ".join(result.error for result in results))
        self.results = results


@dataclass(frozen=True)
class Answer:
    """The cards, and what became of each rule: all that a record needs.

    ``problems`` says per prefetch key what was repaired, set aside or not usable, and where; never what it said.
    ``unshown`` are the cards of rules in silent mode: they are recorded, and go to nobody.
    """

    cards: tuple[Card, ...]
    results: tuple[RuleResult, ...]
    problems: Mapping[str, tuple[str, ...]]
    unshown: tuple[Card, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The body of a CDS Hooks response."""
        return {"cards": [card.to_json() for card in self.cards]}


@dataclass(frozen=True)
class _Evaluated:
    results: tuple[RuleResult, ...]
    told: tuple[Told, ...]
    gaps: tuple[Gap, ...]
    facts: Facts


def answer(
    catalogue: Catalogue,
    entry: ServiceEntry,
    request: Request,
    clock: Clock,
    fetching: Fetching | None = None,
    silent: frozenset[str] = frozenset(),
) -> Answer:
    """Evaluates every rule of the service and words what they found; what was not sent is asked for by ``fetching``.

    Rules that are ``silent`` are evaluated like all others; nothing that they find or miss is told.
    Raises PreconditionFailed when a key was withheld and no rule found anything, NothingEvaluated when every rule
    broke.
    """
    facts = _facts(catalogue, entry, request, clock, fetching)
    everything = _evaluate(entry, facts, clock)
    results = everything.results
    if results and all(result.status == "failed" for result in results):
        for result in results:
            _log.error("rule failed", rule=result.rule.id, error=result.error)
        raise NothingEvaluated(results)
    evaluated = _but(silent, everything) if silent else everything
    failed = list(_failure_cards(catalogue, entry, evaluated))
    unspoken = _unspoken(catalogue, evaluated)
    room = catalogue.max_cards(clock.today) - len(failed) - bool(unspoken)
    ordered = frozenset(group for test in facts.session.tests for group in test.groups)
    session = Session(request.patient_id, request.user_id, clock.today, catalogue.fhir, ordered)
    cards = list(catalogue.composer.cards(evaluated.told, session, room))
    last_check = _LastCheck(catalogue, entry, request, clock, fetching, evaluated)
    cards = [last_check.passed(card) for card in cards]
    cards += failed
    withheld = {gap.key: gap.reason for gap in evaluated.gaps if gap.kind == "withheld"}
    if withheld and not cards:
        raise PreconditionFailed(withheld, results, facts.problems)
    if unspoken:
        titles = {r.rule.id: r.knowledge.title for r in entry.rules}
        cards.append(catalogue.composer.gap_card(unspoken, titles))
    kept_back = [one for one in everything.told if one.rule.id in silent]
    unshown = catalogue.composer.cards(kept_back, session, catalogue.max_cards(clock.today)) if silent else ()
    return Answer(tuple(_conforming(cards)), results, facts.problems, tuple(unshown))


def _facts(
    catalogue: Catalogue, entry: ServiceEntry, request: Request, clock: Clock, fetching: Fetching | None
) -> Facts:
    def expected() -> Iterable[DataRequirement]:
        """What the rules that judge these orders may ask for: it is searched for together, not one after another."""
        return facts.expected_by((in_service.rule.about, in_service.rule.requires) for in_service in entry.rules)

    facts = Facts(
        source=Source(
            request.prefetch, request.patient_id, catalogue.fhir, clock.zone, entry.not_offered, fetching, expected
        ),
        fhir=catalogue.fhir,
        terminology=catalogue.terminology,
        clock=clock,
        settings=catalogue.settings(clock.today),
        hook=request.hook,
        draft_orders=request.draft_orders,
        selections=request.selections,
    )
    return facts


def _evaluate(entry: ServiceEntry, facts: Facts, clock: Clock) -> _Evaluated:
    results: list[RuleResult] = []
    told: list[Told] = []
    gaps: list[Gap] = []
    for in_service in entry.rules:
        parameters = in_service.parameters(clock.today)
        result = evaluate(in_service.rule, facts, parameters)
        results.append(result)
        told += [Told(in_service.rule, in_service.knowledge, parameters, finding) for finding in result.findings]
        gaps += result.gaps
    if facts.hook == _UNASKED:
        told = [one for one in told if one.indicator in _LOUD]
    gaps += _session_gaps(facts)
    return _Evaluated(tuple(results), tuple(told), _told_of(gaps), facts)


def _told_of(gaps: Iterable[Gap]) -> tuple[Gap, ...]:
    """Each gap once; what a site does not have is said in discovery, not on every card."""
    return tuple(dict.fromkeys(gap for gap in gaps if gap.kind != DataNotOffered.kind))


def _but(silent: frozenset[str], everything: _Evaluated) -> _Evaluated:
    """What is left when some rules are silent. Where all are, even an order that cannot be read is not told of."""
    results = tuple(result for result in everything.results if result.rule.id not in silent)
    told = tuple(one for one in everything.told if one.rule.id not in silent)
    gaps = [gap for result in results for gap in result.gaps]
    if results:
        gaps += _session_gaps(everything.facts)
    return _Evaluated(results, told, _told_of(gaps), everything.facts)


def _session_gaps(facts: Facts) -> Iterable[Gap]:
    """Orders nobody could read. While orders are being selected a drug may still be missing; at signing it may not."""
    if facts.session.unreadable:
        yield Gap(_DRAFTS, "unreadable", "an order of the session could not be read")
    elif facts.hook == "order-sign" and facts.session.unidentified:
        yield Gap(_DRAFTS, "unreadable", "the medication of an order could not be identified")


def _unspoken(catalogue: Catalogue, evaluated: _Evaluated) -> list[Gap]:
    """Gaps that no finding has already told of in its own words."""
    said = {
        gap.key
        for one in evaluated.told
        if one.finding.outcome == "data-unavailable"
        and isinstance(gap := one.finding.values.get("gap"), DataUnavailable)
    }
    broken = [
        Gap(r.rule.id, "broken", r.error)
        for r in evaluated.results
        if r.status == "failed" and not _guarded_orders(catalogue, evaluated.facts, r)
    ]
    return [gap for gap in (*evaluated.gaps, *broken) if gap.key not in said]


def _failure_cards(catalogue: Catalogue, entry: ServiceEntry, evaluated: _Evaluated) -> Iterable[Card]:
    knowledge = {in_service.rule.id: in_service.knowledge for in_service in entry.rules}
    for result in evaluated.results:
        if result.status != "failed":
            continue
        _log.error("rule failed", rule=result.rule.id, error=result.error)
        orders = _guarded_orders(catalogue, evaluated.facts, result)
        if orders:
            yield catalogue.composer.failure_card(result.rule, knowledge[result.rule.id], orders)


def _guarded_orders(catalogue: Catalogue, facts: Facts, result: RuleResult) -> list[Order]:
    """The orders that a broken rule should have guarded; none where they cannot be had: that is a gap already."""
    guarded = catalogue.composer.composition.guarded.intersection(result.rule.about)
    try:
        return [order for drug_class in guarded for order in facts.orders(drug_class)]
    except DataUnavailable:
        return []


# -- the last check ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _LastCheck:
    """Takes from a card the suggestions that are no sound FHIR or would themselves be warned of by our rules."""

    catalogue: Catalogue
    entry: ServiceEntry
    request: Request
    clock: Clock
    fetching: Fetching | None
    evaluated: _Evaluated

    def passed(self, card: Card) -> Card:
        """The card with the suggestions that may stay."""
        kept = tuple(s for s in card.suggestions if self._is_sound(s) and not self._would_warn(s))
        if len(kept) == len(card.suggestions):
            return card
        return replace(card, suggestions=kept, selection_behavior=card.selection_behavior if kept else "")

    def _is_sound(self, suggestion: Suggestion) -> bool:
        """Whether every resource in it is sound FHIR; faults the EHR itself sent are not held against it."""
        drafts = {_reference(entry): entry["resource"] for entry in _drafts(self.request.draft_orders)}
        for action in suggestion.actions:
            if action.resource is None:
                continue
            name = f"{action.resource.get('resourceType')}/{action.resource.get('id')}"
            problems = self.catalogue.fhir.validate(action.resource, drafts.get(name))
            if problems:
                _log.error("suggestion left out: not sound FHIR", problems=len(problems))
                return False
        return True

    def _would_warn(self, suggestion: Suggestion) -> bool:
        """Whether the session as it would be after accepting the suggestion gives a warning that is not there now."""
        if not any(_orders_a_drug(action) for action in suggestion.actions):
            return False
        drafts, proposed = _after(suggestion, self.request.draft_orders)
        changed = replace(self.request, hook="order-sign", draft_orders=drafts, selections=None)
        facts = _facts(self.catalogue, self.entry, changed, self.clock, self.fetching)
        now = {(t.rule.id, t.finding.outcome, t.indicator) for t in self.evaluated.told}
        for one in _evaluate(self.entry, facts, self.clock).told:
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


def _conforming(cards: Iterable[Card]) -> Iterable[Card]:
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
