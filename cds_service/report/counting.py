"""Counts a period's records, a few rows at a time: calls by call, cards by card, never all in memory."""

from __future__ import annotations

import functools
import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Select, Text, and_, cast, func, literal, select

from ..records.period import Period
from ..records.tables import card, configuration, feedback, invocation
from .numbers import (
    Answers,
    ClientNumbers,
    FeedbackNumbers,
    GapNumbers,
    Latency,
    Outcome,
    Reason,
    Report,
    RuleNumbers,
)
from .versions import versions

_ROWS_AT_ONCE = 1000
# Other kinds of one thing are counted together: what a client can make up must not fill the memory.
MOST_KINDS = 1000
OTHER = "(other)"
_PERCENTILES = (50, 90, 99)


class UnknownRule(Exception):
    """A rule that no record knows; the message names those that are known."""


@dataclass(slots=True)
class _Cards:
    """Counts of cards: shown with and without suggestions, and not shown."""

    offering: Counter[str] = field(default_factory=Counter)
    telling: Counter[str] = field(default_factory=Counter)
    silent: int = 0

    def add(self, row: Any) -> None:
        if not row.shown:
            self.silent += 1
            return
        (self.offering if row.suggestions else self.telling).update(("cards", *filter(None, [row.outcome])))


@dataclass(slots=True)
class _Rule:
    """Counts of one rule."""

    statuses: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    cards: _Cards = field(default_factory=_Cards)
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)


def count(connection: Connection, period: Period, only: Sequence[str], made: int) -> Report:
    """The report on a period, on all rules or on ``only`` some, made at an instant. Raises UnknownRule."""
    documents = {row.digest: row.document for row in connection.execute(select(configuration))}
    _refuse_unknown(only, {rule for document in documents.values() for rule in document["rules"]})
    within = period.within(invocation.c.at)
    calls, first, last = connection.execute(
        select(func.count(), func.min(invocation.c.at), func.max(invocation.c.at)).where(*within)
    ).one()
    statuses = connection.execute(
        select(invocation.c.status, func.count()).where(*within).group_by(invocation.c.status)
    ).all()
    rules: defaultdict[str, _Rule] = defaultdict(_Rule)
    gaps = _calls(connection, period, only, rules)
    counted = _Counted.of(connection, period, only, rules)
    return Report(
        made=made,
        period=period,
        only=tuple(only),
        first=first,
        last=last,
        calls=calls,
        statuses=tuple(sorted((status, number) for status, number in statuses)),
        offering=Answers(**counted.total.offering),
        telling=Answers(**counted.total.telling),
        silent=counted.total.silent,
        rules=tuple(_numbers(rule, rules[rule], counted.displays) for rule in sorted(rules)),
        gaps=tuple(GapNumbers(key, kind, reason, calls) for (key, kind, reason), calls in _loudest(gaps)),
        latency=tuple(_latency(connection, period)),
        clients=tuple(_clients(connection, period, counted)),
        feedback=FeedbackNumbers(**counted.feedback, unknown=_unknown(connection, period)),
        versions=versions(connection, period, documents, only),
    )


def _refuse_unknown(only: Sequence[str], known: set[str]) -> None:
    for rule in only:
        if rule not in known:
            told = ", ".join(sorted(known)) or "none, as no call was recorded"
            raise UnknownRule(f"there is no rule {rule!r} in the records; known: {told}")


def _stream(connection: Connection, wanted: Select[Any]) -> Iterator[Any]:
    return iter(connection.execute(wanted, execution_options={"yield_per": _ROWS_AT_ONCE}))


def _add(counter: Counter[Any], kind: Any, other: Any) -> None:
    counter[kind if kind in counter or len(counter) < MOST_KINDS else other] += 1


def _loudest(counter: Counter[Any]) -> list[tuple[Any, int]]:
    """The most frequent first; those alike in the order of their names, so that a report is the same each time."""
    return sorted(counter.items(), key=lambda entry: (-entry[1], entry[0]))


# -- calls ------------------------------------------------------------------------------------------------------------


def _calls(
    connection: Connection, period: Period, only: Sequence[str], rules: defaultdict[str, _Rule]
) -> Counter[tuple[str, str, str]]:
    """Counts what the rules said into ``rules``; the calls with each gap."""
    gaps: Counter[tuple[str, str, str]] = Counter()
    wanted = select(cast(invocation.c.results, Text)).where(*period.within(invocation.c.at))
    for (results,) in _stream(connection, wanted):
        asked, missed = _said(results)
        for rule, status, outcomes in asked:
            if not only or rule in only:
                rules[rule].statuses[status] += 1
                for outcome in outcomes:
                    rules[rule].outcomes[outcome] += 1
        for gap in {gap for rule, gap in missed if not only or rule in only}:
            _add(gaps, gap, (OTHER, "", ""))
    return gaps


# Most calls say what many others say: reading the text again would take most of the time.
@functools.lru_cache(maxsize=500)
def _said(results: str) -> tuple[tuple[tuple[str, str, tuple[str, ...]], ...], tuple[Any, ...]]:
    """Each rule's status and outcomes, each outcome once; each rule's gaps."""
    read = json.loads(results)
    asked = tuple(
        (r["rule"], r["status"], tuple(dict.fromkeys(f["outcome"] for f in r.get("findings", ())))) for r in read
    )
    return asked, tuple((r["rule"], (g["key"], g["kind"], g["reason"])) for r in read for g in r.get("gaps", ()))


def _latency(connection: Connection, period: Period) -> Iterator[Latency]:
    """Percentiles by nearest rank: durations that were measured, none in between."""
    within = period.within(invocation.c.at)
    sizes = connection.execute(
        select(invocation.c.service, func.count()).where(*within).group_by(invocation.c.service)
    ).all()
    everything = sum(number for _, number in sizes)
    for service, calls in [("", everything), *sorted((s, n) for s, n in sizes)] if everything else []:
        of = [invocation.c.service == service] if service else []
        ordered = select(invocation.c.duration_us).where(*within, *of).order_by(invocation.c.duration_us)
        ranks = [-(-calls * percent // 100) for percent in _PERCENTILES]
        at_rank = (connection.execute(ordered.offset(rank - 1).limit(1)).scalar_one() for rank in ranks)
        yield Latency(service, calls, *at_rank)


# -- cards and feedback -----------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Counted:
    """Counts over all cards; ``displays`` are the words for override reasons, by system and code."""

    total: _Cards
    displays: dict[tuple[str, str], str]
    clients: defaultdict[str, Counter[str]]
    feedback: Counter[str]

    @classmethod
    def of(
        cls, connection: Connection, period: Period, only: Sequence[str], rules: defaultdict[str, _Rule]
    ) -> _Counted:
        """Counts the cards of a period's calls, also into ``rules``."""
        counted = cls(_Cards(), {}, defaultdict(Counter), Counter())
        for row in _stream(connection, _with_latest_feedback(period)):
            told = dict.fromkeys([finding["ruleId"] for finding in row.findings] or [row.rule])
            told = dict.fromkeys(rule for rule in told if not only or rule in only)
            if told:
                counted._add(row, [rules[rule] for rule in told])
        return counted

    def _add(self, row: Any, rules: Sequence[_Rule]) -> None:
        self.total.add(row)
        for rule in rules:
            rule.cards.add(row)
        if row.shown:
            self.clients[row.client].update(("cards", *(("answered",) if row.outcome else ())))
        if row.outcome:
            self.feedback.update({"counted" if row.shown else "silent": 1, "superseded": row.entries - 1})
        if row.shown and row.outcome == "overridden":
            given = [_coding(reason) for reason in row.reasons]
            for kind in {(system, code or display) for system, code, display in given} or {("", "")}:
                for rule in rules:
                    _add(rule.reasons, kind, ("", OTHER))
            for system, code, display in given:
                if display and len(self.displays) < MOST_KINDS:
                    self.displays.setdefault((system, code), display)


def _coding(reason: dict[str, str]) -> tuple[str, str, str]:
    """System, code and display; a client may leave any of them out."""
    return reason.get("system", ""), reason.get("code", ""), reason.get("display", "")


def _with_latest_feedback(period: Period) -> Select[Any]:
    """Each card of the period with its latest feedback by the client's clock; of two at once the one heard last."""
    newest_first = (feedback.c.at.desc(), feedback.c.received.desc(), feedback.c.digest.desc())
    heard = (
        select(
            feedback.c.card,
            feedback.c.outcome,
            feedback.c.reasons,
            func.row_number().over(partition_by=feedback.c.card, order_by=newest_first).label("place"),
            func.count().over(partition_by=feedback.c.card).label("entries"),
        )
        .join_from(feedback, card, feedback.c.card == card.c.uuid)
        .join(invocation)
        .where(*period.within(invocation.c.at))
        .subquery()
    )
    return (
        select(
            card.c.rule,
            card.c.shown,
            card.c.findings,
            card.c.suggestions,
            invocation.c.client,
            heard.c.outcome,
            heard.c.reasons,
            heard.c.entries,
        )
        .join_from(card, invocation)
        .outerjoin(heard, and_(heard.c.card == card.c.uuid, heard.c.place == literal(1)))
        .where(*period.within(invocation.c.at))
    )


def _unknown(connection: Connection, period: Period) -> int:
    known = select(card.c.uuid).where(card.c.uuid == feedback.c.card).exists()
    return connection.execute(
        select(func.count()).select_from(feedback).where(*period.within(feedback.c.at), ~known)
    ).scalar_one()


def _clients(connection: Connection, period: Period, counted: _Counted) -> Iterator[ClientNumbers]:
    within = period.within(invocation.c.at)
    calls = connection.execute(
        select(invocation.c.client, func.count()).where(*within).group_by(invocation.c.client)
    ).all()
    for client, number in sorted((client, number) for client, number in calls):
        yield ClientNumbers(client, number, counted.clients[client]["cards"], counted.clients[client]["answered"])


def _numbers(rule: str, counts: _Rule, displays: dict[tuple[str, str], str]) -> RuleNumbers:
    return RuleNumbers(
        rule=rule,
        asked=counts.statuses.total(),
        applied=counts.statuses["applies"],
        not_evaluated=counts.statuses["not-evaluated"],
        failed=counts.statuses["failed"],
        outcomes=tuple(Outcome(outcome, calls) for outcome, calls in _loudest(counts.outcomes)),
        offering=Answers(**counts.cards.offering),
        telling=Answers(**counts.cards.telling),
        silent=counts.cards.silent,
        reasons=tuple(
            Reason(code, system, displays.get((system, code), ""), cards)
            for (system, code), cards in _loudest(counts.reasons)
        ),
    )
