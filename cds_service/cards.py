"""Turns groups of findings into cards: their words, suggestions and sources, and how many of them there may be."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import structlog

from .cdshooks import Card, Coding, Source, Suggestion
from .composition import INDICATORS, Composition, Group, Merge, Told
from .knowledge import Knowledge, Line
from .rules.rule import About, Gap, Rule
from .suggestions import Because, Catalog, Session, name_of
from .wording import SUMMARY_LENGTH, Wording, applies, shortened

_log = structlog.get_logger(__name__)

# How many cards there may be: a number that a site may set, so a knowledge file.
KNOWLEDGE_FILE = Path(__file__).with_name("cards.json")
FINDINGS = "org.bone-health-cds.findings"
REPEAT_KEY = "org.bone-health-cds.repeat-key"


class Composer:
    """Makes cards of findings for one publisher, in one language."""

    def __init__(self, canonical: str, publisher: str, phrases: Mapping[str, str]) -> None:
        self.composition = Composition.load()
        self._canonical = canonical
        self._publisher = publisher
        self._words = Wording(phrases)
        self.suggestions = Catalog.load(canonical)

    def cards(self, told: Sequence[Told], session: Session, max_cards: int) -> tuple[Card, ...]:
        """One card for what belongs together, loudest first; critical and warning are never dropped."""
        spoken = self.composition.spoken(told)
        withheld = self.composition.withheld_offers(spoken)
        cards = [c for group in self.composition.groups(spoken) for c in self._safe_cards(group, session, withheld)]
        cards.sort(key=lambda made: -INDICATORS.index(made.indicator))
        return tuple(self._limited(cards, max_cards))

    def short(self, told: Told) -> str:
        """The finding in a few words, as it stands on a card that tells several; "" where it has none."""
        return self._words.summary(told.wording.short, self._values(told, [told]))

    def _safe_cards(self, group: Group, session: Session, withheld: frozenset[str]) -> list[Card]:
        """The card; where the words of one finding are broken a warning says so, and the others are told apart."""
        try:
            return [self._card(group, session, withheld)]
        except Exception as error:
            if group.merge:
                return [card for part in group.apart() for card in self._safe_cards(part, session, withheld)]
            lead = group.lead
            _log.error("words broken", rule=lead.rule.id, outcome=lead.finding.outcome, error=type(error).__name__)
            failure = self.failure_card(lead.rule, lead.knowledge, [o for one in group.told for o in one.finding.about])
            return [replace(failure, indicator=lead.indicator)]

    def _card(self, group: Group, session: Session, withheld: frozenset[str]) -> Card:
        lead = group.lead
        orders = tuple(dict.fromkeys(order for one in group.told for order in one.finding.about))
        values = self._values(lead, [one for one in group.told if _same_outcome(one, lead)])
        summary = self._merged_summary(group, group.merge) if group.merge else ""
        summary = summary or self._words.summary(lead.wording.summary, values)
        paragraphs = dict.fromkeys(
            p for one in group.told for p in self._paragraphs(one, values if one is lead else None)
        )
        suggestions = tuple(self._offered(group, values, summary, session, withheld))
        return Card(
            uuid=str(uuid.uuid4()),
            summary=summary,
            indicator=lead.indicator,
            detail="\n\n".join(paragraphs),
            source=self._source(lead),
            suggestions=suggestions,
            selection_behavior="at-most-one" if suggestions else "",
            override_reasons=self.suggestions.override_reasons(lead.wording.override_reasons),
            extension={
                FINDINGS: [entry for one in group.told for entry in _entries(one)],
                REPEAT_KEY: _repeat_key(group.told, orders, session),
            },
        )

    def _merged_summary(self, group: Group, merge: Merge) -> str:
        """The short words of all findings in one line; of what does not fit, how much it is."""
        shorts = list(dict.fromkeys(map(self.short, group.told)))
        drugs = " and ".join(dict.fromkeys(order.drug for one in group.told for order in one.finding.about))
        for count in range(len(shorts), 0, -1):
            left = len(shorts) - count
            joined = "; ".join([*shorts[:count], *([self._more(left)] if left else [])])
            line = merge.summary.format(drug=shortened(drugs, 40), short=joined)
            if len(line) <= SUMMARY_LENGTH:
                return line
        return ""

    def _more(self, count: int) -> str:
        words: str = self.composition.notices["more"]
        return words.format(count=count)

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

    def _offered(
        self, group: Group, values: dict[str, Any], summary: str, session: Session, withheld: frozenset[str]
    ) -> Iterator[Suggestion]:
        """The suggestions of the leading finding; where findings are merged, every test they offer in one."""
        lead = list(self._suggested(group.lead, values, summary, session, withheld))
        merge = group.merge
        if merge is None or not merge.tests:
            yield from lead
            return
        others = [
            made
            for one in group.told[1:]
            for made in self._suggested(one, self._values(one, [one]), summary, session, withheld)
        ]
        tests = [action for made in (*lead, *others) if _orders_tests_only(made) for action in made.actions]
        tests = list({name_of(action): action for action in reversed(tests)}.values())[::-1]
        yield from (made for made in lead if not _orders_tests_only(made))
        if tests:
            label = merge.tests.format(tests=", ".join(name_of(action) for action in tests))
            yield Suggestion(label=shortened(label, SUMMARY_LENGTH), uuid=str(uuid.uuid4()), actions=tuple(tests))

    def _suggested(
        self, told: Told, values: dict[str, Any], summary: str, session: Session, withheld: frozenset[str]
    ) -> Iterator[Suggestion]:
        note = f"{summary} (suggested by {told.rule.id} {told.knowledge.version})"
        because = Because(note, told.knowledge.title)
        recommended = False
        for entry in told.wording.suggestions:
            if not applies(entry, values) or self.suggestions.offers(entry["name"]) & withheld:
                continue
            for made in self.suggestions.build(entry["name"], values, values["orders"], because, self._words, session):
                # A client may take at most one, so at most one can be recommended.
                best = bool(entry.get("recommended")) and not recommended
                recommended = recommended or best
                yield replace(made, is_recommended=best)

    def _source(self, told: Told) -> Source:
        primary = told.knowledge.evidence[told.wording.evidence[0]]
        topic = Coding(told.rule.id, f"{self._canonical}/CodeSystem/rules", told.knowledge.title)
        return Source(label=primary.label, url=primary.url, topic=topic)

    def _limited(self, cards: list[Card], most: int) -> Iterable[Card]:
        loud = [card for card in cards if card.indicator != "info"]
        quiet = [card for card in cards if card.indicator == "info"]
        if len(cards) <= most or not quiet:
            return cards
        kept = max(0, most - len(loud) - 1)
        surplus = quiet[kept:]
        notice = self.composition.notices["further"]["summary"].format(count=len(surplus))
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
        notices = self.composition.notices["gaps"]
        by_key = {gap.key: gap for gap in gaps}
        names = {key: self.composition.keys.get(key) or titles.get(key, key) for key in by_key}
        lines = [notices[gap.kind].format(what=_capital(names[key])) for key, gap in by_key.items()]
        summary = notices["summary"].format(what=", ".join(names.values()))
        return self._notice("data-gaps", "info", shortened(summary, 139), "\n\n".join([*lines, notices["meaning"]]))

    def failure_card(self, rule: Rule, knowledge: Knowledge, orders: Sequence[About], *, late: bool = False) -> Card:
        """The warning that a check which guards an order broke, or was not made in time."""
        words = self.composition.notices["failed"]
        drug = " and ".join(dict.fromkeys(order.drug for order in orders))
        summary = shortened(words["summary"].format(title=knowledge.title, drug=drug), 139)
        finding = {"ruleId": rule.id, "outcome": "failed", "indicator": "warning"}
        return replace(
            self._notice(rule.id, "warning", summary, words["late" if late else "detail"]),
            extension={FINDINGS: [finding]},
        )

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

    def __init__(self, orders: Sequence[About]) -> None:
        self.label = " and ".join(dict.fromkeys(order.label for order in orders))
        self.source = ", ".join(order.source for order in orders)
        self.can_be_removed = all(order.can_be_removed for order in orders)

    def __str__(self) -> str:
        return self.label


def _orders_tests_only(made: Suggestion) -> bool:
    return all(
        action.type == "create" and (action.resource or {}).get("resourceType") == "ServiceRequest"
        for action in made.actions
    )


def _same_outcome(a: Told, b: Told) -> bool:
    return (a.rule.id, a.finding.outcome, a.finding.case) == (b.rule.id, b.finding.outcome, b.finding.case)


def _entries(told: Told) -> Iterator[dict[str, str]]:
    for order in told.finding.about:
        entry = {"ruleId": told.rule.id, "outcome": told.finding.outcome, "indicator": told.indicator}
        yield {**entry, "orderId": order.record.id} if order.record.id else entry


def _repeat_key(group: Sequence[Told], orders: Sequence[About], session: Session) -> str:
    """The same for the same patient, conclusion and orders, so that a client can recognise a repeat."""
    said = sorted((one.rule.id, one.finding.outcome, one.finding.case) for one in group)
    content = repr((session.patient_id, said, sorted(order.source for order in orders)))
    return hashlib.sha256(content.encode("utf-8", "backslashreplace")).hexdigest()[:32]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
