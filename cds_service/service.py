"""Answers one request: facts, then rules, then cards, and what becomes of everything that could not be checked."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import structlog
from msgspec import Struct

from .catalogue import Catalogue, ServiceEntry
from .cdshooks import Card, Request
from .composition import Told
from .facts import Facts, concerns
from .facts.clock import Clock
from .facts.orders import Order
from .fhir import DataNotOffered, DataUnavailable, OutOfTime
from .fhir.requirement import DataRequirement
from .fhir.resource import Timed
from .fhir.source import Source
from .last_check import LastCheck, conforming
from .rules.rule import LATE, Gap, RuleResult, evaluate
from .suggestions import Session

if TYPE_CHECKING:
    from .fhir.fetching import Fetching

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


class Answer(Struct, frozen=True):
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


class _Evaluated(Struct, frozen=True):
    results: tuple[RuleResult, ...]
    told: tuple[Told, ...]
    gaps: tuple[Gap, ...]
    facts: Facts

    def unfinished(self) -> list[RuleResult]:
        """What became of the rules that did not come to their end, or not without a gap."""
        return [result for result in self.results if result.gaps or result.status == "failed"]


def answer(
    catalogue: Catalogue,
    entry: ServiceEntry,
    request: Request,
    clock: Clock,
    fetching: Fetching | None = None,
    until: float = math.inf,
    silent: frozenset[str] = frozenset(),
) -> Answer:
    """Evaluates every rule of the service and words what they found; what was not sent is asked for by ``fetching``.

    What is not checked by ``until``, an instant of ``time.monotonic``, is a gap. Rules that are ``silent`` are
    evaluated like all others; nothing that they find or miss is told.
    Raises PreconditionFailed when a key was withheld and no rule found anything, NothingEvaluated when every rule
    broke.
    """
    facts = _facts(catalogue, entry, request, clock, fetching, until)
    try:
        return _answer(catalogue, entry, request, clock, until, silent, facts)
    finally:
        facts.release()


def _answer(
    catalogue: Catalogue,
    entry: ServiceEntry,
    request: Request,
    clock: Clock,
    until: float,
    silent: frozenset[str],
    facts: Facts,
) -> Answer:
    everything = _evaluate(entry, facts, clock, until)
    results = everything.results
    if not everything.told and not everything.gaps and not everything.unfinished():
        return Answer((), results, facts.problems)  # everything was checked, and there is nothing to say
    if results and all(result.status == "failed" for result in results):
        for result in results:
            _log.error("rule failed", rule=result.rule.id, error=result.error)
        raise NothingEvaluated(results)
    evaluated = _but(silent, everything) if silent else everything
    unfinished = evaluated.unfinished()
    failed = list(_failure_cards(catalogue, entry, unfinished, facts))
    unspoken = _unspoken(catalogue, evaluated, unfinished)
    room = catalogue.max_cards(clock.today) - len(failed) - bool(unspoken)
    ordered = _tests_ordered(facts) if everything.told else frozenset()
    session = Session(request.patient_id, request.user_id, clock.today, catalogue.fhir, ordered)
    cards = list(catalogue.composer.cards(evaluated.told, session, room)) if evaluated.told else []

    def judge(drafts: object) -> tuple[Sequence[RuleResult], Sequence[Told]]:
        changed = facts.with_orders(drafts)
        again = _evaluate(entry, changed, clock, until)
        changed.release()
        return again.results, again.told

    last_check = LastCheck(catalogue.fhir, request.draft_orders, evaluated.told, judge)
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
    return Answer(tuple(conforming(cards)), results, facts.problems, tuple(unshown))


def _facts(
    catalogue: Catalogue,
    entry: ServiceEntry,
    request: Request,
    clock: Clock,
    fetching: Fetching | None,
    until: float,
) -> Facts:
    def expected() -> Iterable[DataRequirement]:
        """What the rules that judge these orders may ask for: it is searched for together, not one after another."""
        return facts.expected_by((in_service.rule.about, in_service.rule.requires) for in_service in entry.rules)

    timed = Timed(catalogue.fhir, until)
    facts = Facts(
        source=Source(request.prefetch, request.patient_id, timed, clock.zone, entry.not_offered, fetching, expected),
        fhir=catalogue.fhir,
        terminology=catalogue.terminology,
        clock=clock,
        settings=catalogue.settings(clock.today),
        hook=request.hook,
        draft_orders=request.draft_orders,
        selections=request.selections,
    )
    return facts


def _evaluate(entry: ServiceEntry, facts: Facts, clock: Clock, until: float) -> _Evaluated:
    results: list[RuleResult] = []
    told: list[Told] = []
    gaps: list[Gap] = []
    judged = _judged_groups(facts)
    for in_service in entry.rules:
        if not concerns(judged, in_service.rule.about):
            results.append(in_service.nothing)
            continue
        parameters = in_service.parameters(clock.today)
        result = evaluate(in_service.rule, facts, parameters, until)
        results.append(result)
        if result.findings:
            told += [Told(in_service.rule, in_service.knowledge, parameters, finding) for finding in result.findings]
        gaps += result.gaps
    if facts.hook == _UNASKED:
        told = [one for one in told if one.indicator in _LOUD]
    gaps += _session_gaps(facts)
    return _Evaluated(tuple(results), tuple(told), _told_of(gaps), facts)


def _judged_groups(facts: Facts) -> frozenset[str] | None:
    """What there is to be judged; None where every rule is to be begun, as it tells itself if it breaks on that."""
    try:
        return facts.judged_groups
    except Exception:
        return None


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
    try:
        if facts.session.unreadable:
            yield Gap(_DRAFTS, "unreadable", "an order of the session could not be read")
        elif facts.hook == "order-sign" and facts.session.unidentified:
            yield Gap(_DRAFTS, "unreadable", "the medication of an order could not be identified")
    except OutOfTime:
        yield Gap(_DRAFTS, LATE, "not read in time")


def _tests_ordered(facts: Facts) -> frozenset[str]:
    """The tests that the session already holds."""
    try:
        return frozenset(group for test in facts.session.tests for group in test.groups)
    except OutOfTime:
        return frozenset()


def _unspoken(catalogue: Catalogue, evaluated: _Evaluated, unfinished: Iterable[RuleResult]) -> list[Gap]:
    """Gaps that no finding has already told of in its own words."""
    said = {
        gap.key
        for one in evaluated.told
        if one.finding.outcome == "data-unavailable"
        and isinstance(gap := one.finding.values.get("gap"), DataUnavailable)
    }
    broken = [
        Gap(r.rule.id, "broken", r.error)
        for r in unfinished
        if r.status == "failed" and not _guarded_orders(catalogue, evaluated.facts, r)
    ]
    said |= {r.rule.id for r in unfinished if r.is_late and _guarded_orders(catalogue, evaluated.facts, r)}
    return [gap for gap in (*evaluated.gaps, *broken) if gap.key not in said]


def _failure_cards(
    catalogue: Catalogue, entry: ServiceEntry, unfinished: Iterable[RuleResult], facts: Facts
) -> Iterable[Card]:
    for result in unfinished:
        if result.status == "failed":
            _log.error("rule failed", rule=result.rule.id, error=result.error)
        elif not result.is_late:
            continue
        orders = _guarded_orders(catalogue, facts, result)
        if orders:
            knowledge = next(one.knowledge for one in entry.rules if one.rule is result.rule)
            yield catalogue.composer.failure_card(result.rule, knowledge, orders, late=result.is_late)


def _guarded_orders(catalogue: Catalogue, facts: Facts, result: RuleResult) -> list[Order]:
    """The orders that a rule should have guarded, had it come to its end; none where they cannot be had."""
    guarded = catalogue.composer.composition.guarded.intersection(result.rule.about)
    try:
        return [order for drug_class in guarded for order in facts.orders(drug_class)]
    except (DataUnavailable, OutOfTime):
        return []
