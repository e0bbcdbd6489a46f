"""Silent mode: rules that are evaluated and recorded while no card of theirs is shown."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# So long before its end an owner is reminded.
REMINDER_DAYS = 7


@dataclass(frozen=True, slots=True)
class SilentMode:
    """What is silent: a rule, a service or a client, or where several are named only all together ("" is any).

    ``owner`` decides by the day ``until`` what becomes of it. After that day it stays silent, as a card that nobody
    decided on must not start to appear by itself; but the start says so, and ``check`` fails.
    """

    owner: str
    until: datetime.date
    reason: str
    service: str = ""
    rule: str = ""
    client: str = ""

    def __str__(self) -> str:
        parts = {"rule": self.rule, "service": self.service, "client": self.client}
        named = ", ".join(f"{name} {value}" for name, value in parts.items() if value)
        return f"silent mode of {named} (owner {self.owner}, until {self.until})"


def read(members: Iterable[Mapping[str, Any]]) -> tuple[SilentMode, ...]:
    """The modes of a manifest in which nothing is wrong."""
    return tuple(SilentMode(**{**m, "until": datetime.date.fromisoformat(m["until"])}) for m in members)


def silent_rules(modes: Sequence[SilentMode], service: str, client: str, rules: Iterable[str]) -> frozenset[str]:
    """Which of a service's rules are silent for a client."""
    here = [m for m in modes if m.service in ("", service) and m.client in ("", client)]
    return frozenset(rule for rule in rules if any(m.rule in ("", rule) for m in here))


def due(modes: Iterable[SilentMode], today: datetime.date) -> Iterator[tuple[SilentMode, int]]:
    """The modes whose end has passed or is near, each with the days left (0 on the last, below that overdue)."""
    for mode in modes:
        left = (mode.until - today).days
        if left <= REMINDER_DAYS:
            yield mode, left


def problems(members: Sequence[Mapping[str, Any]], services: Collection[str], rules: Collection[str]) -> Iterator[str]:
    """What names nothing that there is, and days that are none. Clients are known elsewhere."""
    for index, member in enumerate(members):
        place = f"site.silent[{index}]"
        for name, known in (("service", services), ("rule", rules)):
            if name in member and member[name] not in known:
                others = ", ".join(sorted(known))
                yield f"{place}.{name}: there is no {name} {member[name]!r} in service; known: {others}"
        try:
            datetime.date.fromisoformat(member["until"])
        except ValueError:
            yield f"{place}.until: {member['until']!r} is not a day of the calendar"
