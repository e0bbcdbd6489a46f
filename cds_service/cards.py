"""Turns findings into cards: what is told together, in which order, how loudly, how much of it."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import structlog

from . import knowledge as knowledge_files
from .cdshooks import Card, Coding, Source
from .facts.orders import Order
from .knowledge import Knowledge, Line, Parameters
from .rules.rule import Finding, Gap, Rule
from .suggestions import Catalog, Session
from .wording import Wording, applies, shortened

_log = structlog.get_logger(__name__)

FILE = Path(__file__).with_name("composition.json")
INDICATORS = ("info", "warning", "critical")
FINDINGS = "org.bone-health-cds.findings"
REPEAT_KEY = "org.bone-health-cds.repeat-key"


@dataclass(frozen=True, slots=True)
class Told:
    """A finding with the words its rule's knowledge has for it, and the loudness in force at the site."""

    rule: Rule
    knowledge: Knowledge
    parameters: Parameters
    finding: Finding

    @property
    def wording(self) -> knowledge_files.Wording:
        """The words of the outcome, in the case at hand."""
        return self.knowledge.wording(self.finding.outcome, self.finding.case)

    @property
    def indicator(self) -> str:
        """info, warning or critical; a parameter where the site may choose."""
        words = self.wording
        return words.indicator or str(self.parameters[words.indicator_parameter])


class Composer:
    """Makes cards of findings for one publisher, in one language."""

    def __init__(self, canonical: str, publisher: str, phrases: Mapping[str, str]) -> None:
        self._composition = knowledge_files.read_json(FILE, "the composition of cards")
        self._canonical = canonical
        self._publisher = publisher
        self._words = Wording(phrases)
        self.suggestions = Catalog.load(canonical)

    @property
    def guarded(self) -> frozenset[str]:
        """The drug classes for which a check that broke is itself a warning."""
        return frozenset(self._composition["guarded"])

    def cards(self, told: Sequence[Told], session: Session) -> tuple[Card, ...]:
        """One card for what belongs together, loudest first; critical and warning are never dropped."""
        cards = [self._safe_card(group, session) for group in self._groups(told)]
        cards.sort(key=lambda made: -INDICATORS.index(made.indicator))
        return tuple(self._limited(cards))

    def _rank(self, told: Told) -> tuple[int, int]:
        order = self._composition["order"]
        rank = order.index(told.rule.id) if told.rule.id in order else len(order)
        return -INDICATORS.index(told.indicator), rank

    def _groups(self, told: Sequence[Told]) -> list[list[Told]]:
        groups: dict[object, list[Told]] = {}
        for one in sorted(told, key=self._rank):
            groups.setdefault(self._together(one), []).append(one)
        return list(groups.values())

    def _together(self, told: Told) -> object:
        """What findings have in common that are told on one card."""
        for index, merge in enumerate(self._composition["merge"]):
            if told.rule.id in merge["rules"] and told.indicator == merge["indicator"]:
                return index
        return told.rule.id, told.finding.outcome, told.finding.case

    def _safe_card(self, group: Sequence[Told], session: Session) -> Card:
        """The card, or the warning that its words are broken: a slip in one rule's knowledge costs no other rule."""
        try:
            return self._card(group, session)
        except Exception as error:
            lead = group[0]
            _log.error("words broken", rule=lead.rule.id, outcome=lead.finding.outcome, error=type(error).__name__)
            failure = self.failure_card(lead.rule, lead.knowledge, [o for one in group for o in one.finding.about])
            return replace(failure, indicator=lead.indicator)

    def _card(self, group: Sequence[Told], session: Session) -> Card:
        lead = group[0]
        orders = tuple(dict.fromkeys(order for one in group for order in one.finding.about))
        values = self._values(lead, [one for one in group if _same_outcome(one, lead)])
        summary = self._words.summary(lead.wording.summary, values)
        suggestions = [s for one in group if one is lead for s in self._suggested(one, values, summary, session)]
        paragraphs = dict.fromkeys(p for one in group for p in self._paragraphs(one, values if one is lead else None))
        return Card(
            uuid=str(uuid.uuid4()),
            summary=summary,
            indicator=lead.indicator,
            detail="\n\n".join(paragraphs),
            source=self._source(lead),
            suggestions=tuple(suggestions),
            selection_behavior="at-most-one" if suggestions else "",
            override_reasons=self.suggestions.override_reasons(lead.wording.override_reasons),
            extension={
                FINDINGS: [entry for one in group for entry in _entries(one)],
                REPEAT_KEY: _repeat_key(group, orders, session),
            },
        )

    def _values(self, lead: Told, alike: Sequence[Told]) -> dict[str, Any]:
        orders = list(dict.fromkeys(order for one in alike for order in one.finding.about))
        return {
            **dict.fromkeys(lead.rule.values),
            **lead.finding.values,
            "order": _Several(orders) if len(orders) > 1 else orders[0],
            "drug": " and ".join(dict.fromkeys(order.drug for order in orders)),
            "orders": tuple(orders),
        }

    def _paragraphs(self, told: Told, values: Mapping[str, Any] | None) -> tuple[str, ...]:
        filled = values or self._values(told, [told])
        lines: tuple[Line, ...] = told.wording.detail
        return (*self._words.paragraphs(lines, filled), self._evidence(told))

    def _evidence(self, told: Told) -> str:
        sources = (told.knowledge.evidence[e] for e in told.wording.evidence)
        return "Sources: " + "; ".join(s.label for s in sources) + f". Rule {told.rule.id} {told.knowledge.version}."

    def _suggested(self, told: Told, values: dict[str, Any], summary: str, session: Session) -> Iterator[Any]:
        note = f"{summary} (suggested by {told.rule.id} {told.knowledge.version})"
        recommended = False
        for entry in told.wording.suggestions:
            if not applies(entry, values):
                continue
            for made in self.suggestions.build(entry["name"], values, values["orders"], note, self._words, session):
                # A client may take at most one, so at most one can be recommended.
                best = bool(entry.get("recommended")) and not recommended
                recommended = recommended or best
                yield replace(made, is_recommended=best)

    def _source(self, told: Told) -> Source:
        primary = told.knowledge.evidence[told.wording.evidence[0]]
        topic = Coding(told.rule.id, f"{self._canonical}/CodeSystem/rules", told.knowledge.title)
        return Source(label=primary.label, url=primary.url, topic=topic)

    def _limited(self, cards: list[Card]) -> Iterable[Card]:
        most: int = self._composition["max"]
        loud = [card for card in cards if card.indicator != "info"]
        quiet = [card for card in cards if card.indicator == "info"]
        if len(cards) <= most or not quiet:
            return cards
        kept = max(0, most - len(loud) - 1)
        surplus = quiet[kept:]
        notice = self._composition["notices"]["further"]["summary"].format(count=len(surplus))
        further = replace(
            surplus[0],
            uuid=str(uuid.uuid4()),
            summary=notice,
            detail="\n\n".join(f"**{card.summary}**\n\n{card.detail}" for card in surplus),
            suggestions=(),
            selection_behavior="",
            extension={FINDINGS: [entry for card in surplus for entry in card.extension[FINDINGS]]},
        )
        return [*loud, *quiet[:kept], further]

    # -- what the service itself has to say -------------------------------------------------------------------------

    def gap_card(self, gaps: Sequence[Gap], titles: Mapping[str, str]) -> Card:
        """The one info card for everything that could not be checked; ``titles`` names rules that broke."""
        notices = self._composition["notices"]["gaps"]
        by_key = {gap.key: gap for gap in gaps}
        names = {key: self._composition["keys"].get(key) or titles.get(key, key) for key in by_key}
        lines = [notices[gap.kind].format(what=_capital(names[key])) for key, gap in by_key.items()]
        summary = notices["summary"].format(what=", ".join(names.values()))
        return self._notice("data-gaps", "info", shortened(summary, 139), "\n\n".join([*lines, notices["meaning"]]))

    def failure_card(self, rule: Rule, knowledge: Knowledge, orders: Sequence[Order]) -> Card:
        """The warning that a check which guards an order broke."""
        words = self._composition["notices"]["failed"]
        drug = " and ".join(dict.fromkeys(order.drug for order in orders))
        summary = shortened(words["summary"].format(title=knowledge.title, drug=drug), 139)
        finding = {"ruleId": rule.id, "outcome": "failed", "indicator": "warning"}
        return replace(self._notice(rule.id, "warning", summary, words["detail"]), extension={FINDINGS: [finding]})

    def _notice(self, topic: str, indicator: str, summary: str, detail: str) -> Card:
        return Card(
            uuid=str(uuid.uuid4()),
            summary=summary,
            indicator=indicator,
            detail=detail,
            source=Source(label=self._publisher, topic=Coding(topic, f"{self._canonical}/CodeSystem/rules")),
        )


class _Several:
    """Several orders told of together: the sentence names them all."""

    def __init__(self, orders: Sequence[Order]) -> None:
        self.label = " and ".join(dict.fromkeys(order.label for order in orders))
        self.source = ", ".join(order.source for order in orders)
        self.can_be_removed = all(order.can_be_removed for order in orders)

    def __str__(self) -> str:
        return self.label


def _same_outcome(a: Told, b: Told) -> bool:
    return (a.rule.id, a.finding.outcome, a.finding.case) == (b.rule.id, b.finding.outcome, b.finding.case)


def _entries(told: Told) -> Iterator[dict[str, str]]:
    for order in told.finding.about:
        entry = {"ruleId": told.rule.id, "outcome": told.finding.outcome, "indicator": told.indicator}
        yield {**entry, "orderId": order.record.id} if order.record.id else entry


def _repeat_key(group: Sequence[Told], orders: Sequence[Order], session: Session) -> str:
    """The same for the same patient, conclusion and orders, so that a client can recognise a repeat."""
    said = sorted((one.rule.id, one.finding.outcome, one.finding.case) for one in group)
    content = repr((session.patient_id, said, sorted(order.source for order in orders)))
    return hashlib.sha256(content.encode("utf-8", "backslashreplace")).hexdigest()[:32]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
