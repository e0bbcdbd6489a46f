"""What findings have to do with each other: which silence others, which share a card, in which order they are told."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from . import knowledge as knowledge_files
from .knowledge import Knowledge, Parameters
from .rules.rule import Finding, Rule

FILE = Path(__file__).with_name("composition.json")
INDICATORS = ("info", "warning", "critical")
_ANY = "*"
_ALONE = -1  # in place of the index of a merge


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


@dataclass(frozen=True, slots=True)
class Merge:
    """Findings that share a card: by rule the outcomes; per order or per session; only where the rule ``needs`` has
    spoken, if set; only of this ``indicator``, if set; without the cases that stay ``apart``. ``summary`` joins their
    short words; ``tests`` is the label of the one suggestion that orders every test they offer, "" where only the
    leading finding's suggestions are shown.
    """

    findings: Mapping[str, Sequence[str]]
    per: str
    summary: str
    tests: str = ""
    needs: str = ""
    indicator: str = ""
    apart: Mapping[str, Sequence[str]] = field(default_factory=dict)  # by rule the cases that keep a card of their own

    def __contains__(self, told: object) -> bool:
        return (
            isinstance(told, Told)
            and _among(self.findings, told.rule.id, told.finding.outcome)
            and self.indicator in ("", told.indicator)
            and told.finding.case not in self.apart.get(told.rule.id, ())
        )


@dataclass(frozen=True, slots=True)
class Group:
    """Findings of one card, the loudest first; ``merge`` is set where they are of different kinds."""

    told: tuple[Told, ...]
    merge: Merge | None = None

    @property
    def lead(self) -> Told:
        """The finding that the card is named after."""
        return self.told[0]

    def apart(self) -> list[Group]:
        """The same findings on a card for each conclusion."""
        parts: dict[Hashable, list[Told]] = {}
        for one in self.told:
            parts.setdefault(_conclusion(one), []).append(one)
        return [Group(tuple(members)) for members in parts.values()]


class Composition:
    """The table of ``composition.json``."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._merges = tuple(Merge(**merge) for merge in document["merge"])

    @classmethod
    def load(cls) -> Composition:
        """The composition shipped with the program."""
        return cls(knowledge_files.read_json(FILE, "the composition of cards"))

    @property
    def order(self) -> Sequence[str]:
        """The rules by how early their cards come among cards of one loudness."""
        order: Sequence[str] = self._document["order"]
        return order

    @cached_property
    def guarded(self) -> frozenset[str]:
        """The drug classes for which a check that broke is itself a warning."""
        return frozenset(self._document["guarded"])

    @property
    def notices(self) -> Mapping[str, Any]:
        """What the service itself has to say."""
        notices: Mapping[str, Any] = self._document["notices"]
        return notices

    @property
    def keys(self) -> Mapping[str, str]:
        """The names of the prefetch keys."""
        keys: Mapping[str, str] = self._document["keys"]
        return keys

    def problems(self, rules: Mapping[str, Rule], knowledge: Mapping[str, Knowledge]) -> Iterator[str]:
        """Rules and outcomes the table names that do not exist, and merged outcomes without short words."""
        for place, rule, outcomes in self.named():
            if rule not in rules:
                yield f"{FILE.name}, {place}: there is no rule {rule!r}"
                continue
            for outcome in outcomes:
                if outcome != _ANY and outcome not in rules[rule].outcomes:
                    yield f"{FILE.name}, {place}.{rule}: the rule never comes to the outcome {outcome!r}"
        for index, merge in enumerate(self._merges):
            for rule in merge.findings:
                for outcome, cases in knowledge[rule].outcomes.items() if rule in knowledge else ():
                    if _among(merge.findings, rule, outcome) and not all(words.short for words in cases.values()):
                        yield f"{knowledge[rule].file}, outcomes.{outcome}: merge[{index}] needs short words for it"

    def silences(self) -> Iterator[tuple[Mapping[str, Sequence[str]], Mapping[str, Sequence[str]], str]]:
        """Which findings make which others needless, and why."""
        for entry in self._document["suppress"]:
            yield entry["by"], entry["drop"], entry["why"]

    def named(self) -> Iterator[tuple[str, str, Sequence[str]]]:
        """Everything the table names: where, the rule, and its outcomes."""
        for index, rule in enumerate(self._document["order"]):
            yield f"order[{index}]", rule, ()
        for section, members in (("suppress", ("by", "drop")), ("withhold", ("by",)), ("merge", ("findings",))):
            for index, entry in enumerate(self._document[section]):
                for member in members:
                    for rule, outcomes in entry[member].items():
                        yield f"{section}[{index}].{member}", rule, outcomes

    def spoken(self, told: Iterable[Told]) -> list[Told]:
        """What is left of the findings when those are dropped that others make needless."""
        found = list(told)
        for by, drop, _ in self.silences():
            if any(_among(by, one.rule.id, one.finding.outcome) for one in found):
                found = [one for one in found if not _among(drop, one.rule.id, one.finding.outcome)]
        return found

    def withheld_offers(self, told: Iterable[Told]) -> frozenset[str]:
        """Kinds of order that no card may offer beside these findings."""
        found = tuple(told)
        return frozenset(
            kind
            for entry in self._document["withhold"]
            if any(_among(entry["by"], one.rule.id, one.finding.outcome) for one in found)
            for kind in entry["offers"]
        )

    def groups(self, told: Iterable[Told]) -> list[Group]:
        """The findings of each card, in the order in which they are told."""
        ranked = sorted(told, key=self._rank)
        groups: dict[tuple[int, Hashable], list[Told]] = {}
        for one in ranked:
            groups.setdefault(self._together(one, ranked), []).append(one)
        return [self._group(index, members) for (index, _), members in groups.items()]

    def _group(self, index: int, members: Sequence[Told]) -> Group:
        several = index != _ALONE and len({_conclusion(m) for m in members}) > 1
        return Group(tuple(members), self._merges[index] if several else None)

    def _rank(self, told: Told) -> tuple[int, int]:
        rank = self.order.index(told.rule.id) if told.rule.id in self.order else len(self.order)
        return -INDICATORS.index(told.indicator), rank

    def _together(self, told: Told, everything: Sequence[Told]) -> tuple[int, Hashable]:
        """What findings have in common that are told on one card: one conclusion of one rule, or a merge."""
        for index, merge in enumerate(self._merges):
            if told in merge:
                about = _about(told) if merge.per == "order" else ""
                members = [m for m in everything if m in merge and (merge.per != "order" or _about(m) == about)]
                needed = not merge.needs or any(m.rule.id == merge.needs for m in members)
                if needed and len({_conclusion(m) for m in members}) > 1:
                    return index, about
        return _ALONE, _conclusion(told)


def _among(table: Mapping[str, Sequence[str]], rule: str, outcome: str) -> bool:
    outcomes = table.get(rule, ())
    return outcome in outcomes or _ANY in outcomes


def _about(told: Told) -> str:
    return ",".join(sorted(order.source for order in told.finding.about))


def _conclusion(told: Told) -> tuple[str, str, str]:
    return told.rule.id, told.finding.outcome, told.finding.case
