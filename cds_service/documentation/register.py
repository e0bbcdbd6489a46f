"""Every rule that exists with its knowledge: in service or not, what it reads and uses, its source attributes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ..catalogue import Catalogue, SiteValue
from ..composition import Composition
from ..knowledge import Knowledge, Parameter, read_json
from ..rules import all_rules
from ..rules.rule import Rule
from .trace import Trace, load

Json = dict[str, Any]
ATTRIBUTES = Path(__file__).with_name("attributes.json")
_CHECKOUT = Path(__file__).parents[2] / "fixtures" / "vignettes"


@dataclass(frozen=True, slots=True)
class Vignettes:
    """How many test cases there are: in a rule's own folder, and expecting a rule's outcome."""

    of_rule: Mapping[str, int]
    of_outcome: Mapping[tuple[str, str], int]

    @classmethod
    def read(cls, folder: Path) -> Vignettes:
        """From a folder with one folder for each rule."""
        own: Counter[str] = Counter()
        expected: Counter[tuple[str, str]] = Counter()
        for file in folder.glob("*/*.json"):
            own[file.parent.name] += 1
            findings = json.loads(file.read_text("utf-8"))["expect"]["findings"]
            expected.update({(finding["rule"], finding["outcome"]) for finding in findings})
        return cls(own, expected)


@dataclass(frozen=True, slots=True)
class Entry:
    """One rule, or what facts share (then ``rule`` is None): its knowledge, the site's own values, where it serves.

    ``state`` is "in service", "disabled by the site" or "not listed"; ``hooks`` are those it serves.
    """

    knowledge: Knowledge
    rule: Rule | None
    site: tuple[SiteValue, ...]
    state: str
    hooks: tuple[str, ...] = ()


class Register:
    """The catalogue as a committee looks at it."""

    def __init__(self, catalogue: Catalogue, trace: Trace, vignettes: Vignettes | None = None) -> None:
        self.catalogue = catalogue
        self.trace = trace
        self.vignettes = vignettes
        self.attributes: Mapping[str, Any] = read_json(ATTRIBUTES, "the source attributes")

    @classmethod
    def of(cls, catalogue: Catalogue, vignettes: Path | None = None) -> Register:
        """With the trace as shipped, and the vignettes of a folder; by default those of the checkout, if it is one."""
        folder = vignettes or (_CHECKOUT if _CHECKOUT.is_dir() else None)
        return cls(catalogue, load(), Vignettes.read(folder) if folder else None)

    def __iter__(self) -> Iterator[str]:
        return iter((*self.rules, *self.shared))

    def __contains__(self, id_: object) -> bool:
        return id_ in self.rules or id_ in self.shared

    @property
    def composition(self) -> Composition:
        """The order and the names of things on cards."""
        return self.catalogue.composer.composition

    @cached_property
    def rules(self) -> Mapping[str, Entry]:
        """Every rule that exists, in the order in which their cards are told."""
        order = self.composition.order
        ids = sorted(all_rules(), key=lambda id_: (order.index(id_) if id_ in order else len(order), id_))
        return {id_: self._entry(all_rules()[id_]) for id_ in ids}

    @cached_property
    def shared(self) -> Mapping[str, Entry]:
        """What facts share, and how many cards there may be."""
        return {id_: Entry(known, None, self._site(id_), "in service") for id_, known in self.catalogue.shared.items()}

    def entry(self, id_: str) -> Entry:
        """A rule or shared knowledge by its id; KeyError when there is none."""
        return self.rules[id_] if id_ in self.rules else self.shared[id_]

    def parameter(self, id_: str, name: str) -> Parameter | None:
        """A parameter by the id of its knowledge and its name, or None."""
        known = self.catalogue.knowledge.get(id_)
        return known.parameters.get(name) if known else None

    def site_values(self, id_: str, name: str) -> tuple[SiteValue, ...]:
        """The site's own values of a parameter, by the day from which they hold."""
        found = (v for v in self.catalogue.site if (v.rule, v.parameter) == (id_, name))
        return tuple(sorted(found, key=lambda v: v.since))

    @cached_property
    def problems(self) -> tuple[str, ...]:
        """Where the trace and the rules do not fit each other."""
        outcomes = {id_: entry.knowledge.outcomes for id_, entry in self.rules.items()}
        parameters = {id_: known.parameters for id_, known in self.catalogue.knowledge.items()}
        return tuple(self.trace.problems(outcomes, parameters))

    def reads(self, entry: Entry) -> tuple[str, ...]:
        """What a rule may read, as a clinician calls it."""
        return self._named(r.key for r in entry.rule.requires) if entry.rule else ()

    def not_offered(self, entry: Entry) -> tuple[str, ...]:
        """What of it the site has no data for."""
        absent = {said["key"] for said in self.catalogue.manifest["site"].get("notOffered", ())}
        return self._named(r.key for r in entry.rule.requires if r.key in absent) if entry.rule else ()

    def _named(self, keys: Iterable[str]) -> tuple[str, ...]:
        return tuple(self.composition.keys.get(key, key) for key in keys)

    def vignette_count(self, rule: str, outcomes: tuple[str, ...] = ()) -> int | None:
        """How many vignettes expect one of these outcomes of a rule; without outcomes, how many it has in all."""
        if self.vignettes is None:
            return None
        if not outcomes:
            return self.vignettes.of_rule.get(rule, 0)
        return sum(self.vignettes.of_outcome.get((rule, outcome), 0) for outcome in outcomes)

    def source_attributes(self, entry: Entry) -> Json:
        """The thirteen source attributes of one rule."""
        known, words = entry.knowledge, self.attributes
        reads = {r.key for r in entry.rule.requires} if entry.rule else set()
        uses = entry.rule.uses if entry.rule else frozenset()
        said = {
            "citation": [evidence.citation for evidence in known.evidence.values()],
            "developer": words["developer"],
            "funding": words["funding"],
            "dates": words["dates"].format(
                version=known.version, approvalDate=known.approval_date, lastReviewDate=known.last_review_date
            ),
        }
        for id_, attribute in words["patient"].items():
            holds = attribute.get("uses") in uses or attribute.get("reads") in reads
            said[id_] = attribute["then"] if holds else attribute["otherwise"]
        return said

    def _entry(self, rule: Rule) -> Entry:
        hooks = tuple(e.service.hook for e in self.catalogue.entries if any(r.rule.id == rule.id for r in e.rules))
        disabled = rule.id in self.catalogue.manifest["site"]["disabledRules"]
        state = "in service" if hooks else "disabled by the site" if disabled else "not listed"
        return Entry(self.catalogue.knowledge[rule.id], rule, self._site(rule.id), state, hooks)

    def _site(self, id_: str) -> tuple[SiteValue, ...]:
        return tuple(value for value in self.catalogue.site if value.rule == id_)
