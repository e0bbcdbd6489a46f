"""What is in service: which rules answer which service, in which version, with which values."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from types import ModuleType
from typing import Any

from .cards import KNOWLEDGE_FILE as CARDS
from .cards import Composer
from .cdshooks import Service
from .facts.settings import KNOWLEDGE_FILES, Settings
from .knowledge import Knowledge, Parameters
from .rules.contested import Point
from .rules.rule import Rule, RuleResult
from .silent_mode import SilentMode, silent_rules
from .terminology import Terminology

# Knowledge that no rule owns: what facts share, and how many cards there may be.
SHARED_FILES = {**KNOWLEDGE_FILES, "cards": CARDS}


class UnknownService(Exception):
    """No service has this id."""


class HookMismatch(Exception):
    """The service exists, but not for the hook that was called."""


@dataclass(frozen=True)
class SiteValue:
    """A site's own value of a parameter, from a day on."""

    rule: str
    parameter: str
    value: Any
    since: datetime.date


@dataclass(frozen=True)
class RuleInService:
    """A rule with its approved knowledge and the site's own values."""

    rule: Rule
    knowledge: Knowledge
    site: tuple[SiteValue, ...] = ()

    @cached_property
    def nothing(self) -> RuleResult:
        """What becomes of the rule where no order is to be judged that it is about."""
        return RuleResult(self.rule, "does-not-apply")

    def parameters(self, day: datetime.date) -> Parameters:
        """The values in force on a day."""
        return self._values(day)

    @cached_property
    def _values(self) -> Callable[[datetime.date], Parameters]:
        return lru_cache(maxsize=4)(lambda day: self.knowledge.values_on(day, _in_force(self.site, day)))


@dataclass(frozen=True)
class ServiceEntry:
    """A service as published, and the rules that answer it."""

    service: Service
    rules: tuple[RuleInService, ...]
    not_offered: frozenset[str] = frozenset()  # keys that the site has no data for


@dataclass(frozen=True)
class Catalogue:
    """Everything in service; made once at start and never changed."""

    entries: tuple[ServiceEntry, ...]
    knowledge: Mapping[str, Knowledge]  # of every rule that exists, in service or not, and of what facts share
    contested: Mapping[str, Point]
    site: tuple[SiteValue, ...]
    fhir: ModuleType
    terminology: Terminology
    composer: Composer
    silent_modes: tuple[SilentMode, ...]
    manifest: Mapping[str, Any] = field(repr=False)

    @cached_property
    def shared(self) -> Mapping[str, Knowledge]:
        """The knowledge that no rule owns."""
        return {id_: self.knowledge[id_] for id_ in SHARED_FILES}

    @cached_property
    def services(self) -> tuple[Service, ...]:
        """The services as discovery lists them."""
        return tuple(entry.service for entry in self.entries)

    def silent(self, entry: ServiceEntry, client: str) -> frozenset[str]:
        """The rules of a service of which a client is shown nothing."""
        if not self.silent_modes:
            return frozenset()
        return silent_rules(self.silent_modes, entry.service.id, client, (r.rule.id for r in entry.rules))

    def find(self, service_id: str, hook: str) -> ServiceEntry:
        """The entry for an id and a hook.

        Raises UnknownService when no service has the id, HookMismatch when the id is not offered for the hook.
        """
        of_id = [entry for entry in self.entries if entry.service.id == service_id]
        if not of_id:
            raise UnknownService(service_id)
        for entry in of_id:
            if entry.service.hook == hook:
                return entry
        raise HookMismatch(service_id)

    def shared_on(self, day: datetime.date) -> Mapping[str, Parameters]:
        """The values that no rule owns, by knowledge, in force on a day."""
        return {
            id_: known.values_on(day, _in_force([s for s in self.site if s.rule == id_], day))
            for id_, known in self.shared.items()
        }

    def settings(self, day: datetime.date) -> Settings:
        """The numbers the facts share, in force on a day."""
        return self._settings(day)

    def max_cards(self, day: datetime.date) -> int:
        """How many cards there may be on a day."""
        return self._max_cards(day)

    @cached_property
    def _max_cards(self) -> Callable[[datetime.date], int]:
        return lru_cache(maxsize=4)(lambda day: int(self.shared_on(day)["cards"].max_cards))

    @cached_property
    def _settings(self) -> Callable[[datetime.date], Settings]:
        @lru_cache(maxsize=4)
        def on(day: datetime.date) -> Settings:
            return Settings.of(self.shared_on(day))

        return on


def _in_force(values: Iterable[SiteValue], day: datetime.date) -> Mapping[str, Any]:
    return {v.parameter: v.value for v in sorted(values, key=lambda v: v.since) if v.since <= day}
