"""The numbers of a report, and when a rule is for review. Nothing here reads or draws."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..records.export import instant
from ..records.period import Period

# A rule is for review when of so many cards shown with suggestions less than this share was accepted.
REVIEW_FROM_CARDS = 100
REVIEW_BELOW_PERCENT = 10

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answers:
    """What became of cards that were shown; of nobody's answer nothing is ever reported to the service."""

    cards: int = 0
    accepted: int = 0
    overridden: int = 0

    @property
    def unanswered(self) -> int:
        """How many cards nobody answered."""
        return self.cards - self.accepted - self.overridden


@dataclass(frozen=True, slots=True)
class Reason:
    """A reason for which cards were overridden, as the client coded it; all "" where none was given."""

    code: str
    system: str
    display: str
    cards: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """In how many calls a rule reached an outcome."""

    outcome: str
    calls: int


@dataclass(frozen=True, slots=True)
class RuleNumbers:
    """One rule: the calls that asked it, by what came of it, and the cards that tell of it.

    ``offering`` are the cards shown with suggestions, ``telling`` those shown without; ``silent`` were not shown.
    ``reasons`` are those of all cards shown and overridden; a card with two reasons counts for both.
    """

    rule: str
    asked: int
    applied: int
    not_evaluated: int
    failed: int
    outcomes: tuple[Outcome, ...]
    offering: Answers
    telling: Answers
    silent: int
    reasons: tuple[Reason, ...]

    @property
    def for_review(self) -> bool:
        """Whether too few of enough cards were accepted."""
        enough = self.offering.cards >= REVIEW_FROM_CARDS
        return enough and 100 * self.offering.accepted < REVIEW_BELOW_PERCENT * self.offering.cards


@dataclass(frozen=True, slots=True)
class GapNumbers:
    """In how many calls a key could not be read, for one reason; ``kind`` is that of ``rules.rule.Gap``."""

    key: str
    kind: str
    reason: str
    calls: int


@dataclass(frozen=True, slots=True)
class Latency:
    """How long answers took, in microseconds: of so many of 100 calls none took longer. Service "" is all."""

    service: str
    calls: int
    p50_us: int
    p90_us: int
    p99_us: int


@dataclass(frozen=True, slots=True)
class ClientNumbers:
    """One client: its calls, the cards it was to show, and how many of them it said anything about."""

    client: str
    calls: int
    cards: int
    answered: int


@dataclass(frozen=True, slots=True)
class FeedbackNumbers:
    """Where feedback went: each entry is in one of these.

    ``counted`` is the latest to a card shown, ``superseded`` was followed by a later one for the same card,
    ``silent`` is about a card that was not shown. ``unknown`` names a card that is not in the records, and counts in
    the period of its own time; the others in the period of their card's call.
    """

    counted: int = 0
    superseded: int = 0
    silent: int = 0
    unknown: int = 0


@dataclass(frozen=True, slots=True)
class Change:
    """What is other than in the version before; None where it was not, or is no more."""

    name: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a rule, or of numbers that rules share, with its values, and the calls in which it was in force.

    ``first`` and ``last`` are in milliseconds of the epoch; where two installations write, versions overlap.
    ``changes`` is against the version that began before it in the period.
    """

    id: str
    shared: bool
    version: str
    values: Mapping[str, Any]
    first: int
    last: int
    calls: int
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """What a report counts; ``only`` are the rules that were asked for, none for all.

    Instants are in milliseconds of the epoch. ``statuses`` are numbers of calls by HTTP status. ``total`` counts each
    card once, where ``rules`` count a card for each rule that it tells of.
    """

    made: int
    period: Period
    only: tuple[str, ...]
    first: int | None
    last: int | None
    calls: int
    statuses: tuple[tuple[int, int], ...]
    offering: Answers
    telling: Answers
    silent: int
    rules: tuple[RuleNumbers, ...]
    gaps: tuple[GapNumbers, ...]
    latency: tuple[Latency, ...]
    clients: tuple[ClientNumbers, ...]
    feedback: FeedbackNumbers
    versions: tuple[Version, ...]

    @property
    def for_review(self) -> tuple[RuleNumbers, ...]:
        """The rules that are for review."""
        return tuple(rule for rule in self.rules if rule.for_review)

    @property
    def shown(self) -> int:
        """How many cards were shown."""
        return self.offering.cards + self.telling.cards

    @property
    def changed(self) -> tuple[Version, ...]:
        """The versions that took the place of others inside the period."""
        return tuple(version for version in self.versions if version.changes)

    def to_json(self) -> Json:
        """The report for machines: counts only, so that nothing is rounded; instants as RFC 3339 has them."""
        told: Json = dataclasses.asdict(self)
        for where, name in (
            *((told, name) for name in ("made", "first", "last")),
            *((told["period"], name) for name in ("since", "until")),
            *((version, name) for version in told["versions"] for name in ("first", "last")),
        ):
            where[name] = None if where[name] is None else instant(where[name])
        told["statuses"] = [{"status": status, "calls": calls} for status, calls in self.statuses]
        told["forReview"] = [rule.rule for rule in self.for_review]
        told["limits"] = {"reviewFromCards": REVIEW_FROM_CARDS, "reviewBelowPercent": REVIEW_BELOW_PERCENT}
        _add_unanswered(told, self.offering, self.telling)
        for where, rule in zip(told["rules"], self.rules, strict=True):
            _add_unanswered(where, rule.offering, rule.telling)
        return {_name(name): _camel(value) for name, value in told.items()}


def _add_unanswered(where: Json, offering: Answers, telling: Answers) -> None:
    where["offering"]["unanswered"] = offering.unanswered
    where["telling"]["unanswered"] = telling.unanswered


def _camel(told: Any) -> Any:
    """Our own names as the rest of the software writes them in JSON; what a site or a client named stays."""
    if isinstance(told, list | tuple):
        return [_camel(item) for item in told]
    if not isinstance(told, dict):
        return told
    return {_name(name): value if name in ("values", "changes") else _camel(value) for name, value in told.items()}


def _name(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(map(str.capitalize, rest))
