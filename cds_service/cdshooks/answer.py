"""What a service offers and answers, written as the JSON of CDS Hooks: services, cards, suggestions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Coding:
    """One code of one system; an override reason has all three."""

    code: str
    system: str
    display: str = ""

    def to_json(self) -> Json:
        """As CDS Hooks writes a coding."""
        return _filled(code=self.code, system=self.system, display=self.display)


OverrideReason = Coding


@dataclass(frozen=True, slots=True)
class Service:
    """One service as discovery lists it; ``version`` is CDS Hooks', ``hook_version`` the hook's."""

    id: str
    hook: str
    title: str
    description: str
    prefetch: Mapping[str, str] = field(default_factory=dict)
    usage_requirements: str = ""
    version: str = ""
    hook_version: str = ""

    def to_json(self) -> Json:
        """Its entry in discovery."""
        return _filled(
            hook=self.hook,
            id=self.id,
            title=self.title,
            description=self.description,
            prefetch=dict(self.prefetch),
            usageRequirements=self.usage_requirements,
            version=self.version,
            hookVersion=self.hook_version,
        )


@dataclass(frozen=True, slots=True)
class Source:
    """Where a card's advice comes from."""

    label: str
    url: str = ""
    topic: Coding | None = None

    def to_json(self) -> Json:
        """As CDS Hooks writes a source."""
        return _filled(label=self.label, url=self.url, topic=self.topic and self.topic.to_json())


@dataclass(frozen=True, slots=True)
class Link:
    """A link on a card: "absolute", or "smart" with what the app is to be told."""

    label: str
    url: str
    type: str = "absolute"
    app_context: str = ""

    def to_json(self) -> Json:
        """As CDS Hooks writes a link."""
        return _filled(label=self.label, url=self.url, type=self.type, appContext=self.app_context)


@dataclass(frozen=True, slots=True)
class Action:
    """One change a suggestion makes: "create" and "update" carry a resource, "delete" a resource id (Type/id)."""

    type: str
    description: str
    resource: Mapping[str, Any] | None = None
    resource_id: str = ""

    def to_json(self) -> Json:
        """As CDS Hooks 2 writes an action."""
        return _filled(
            type=self.type, description=self.description, resource=self.resource, resourceId=self.resource_id
        )


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Something a clinician can accept with one click; its actions are applied together."""

    label: str
    uuid: str
    actions: tuple[Action, ...] = ()
    is_recommended: bool = False

    def to_json(self) -> Json:
        """As CDS Hooks writes a suggestion."""
        actions = [action.to_json() for action in self.actions]
        return _filled(label=self.label, uuid=self.uuid, isRecommended=self.is_recommended, actions=actions)


@dataclass(frozen=True, slots=True)
class Card:
    """One card; ``selection_behavior`` is written only where there are suggestions."""

    summary: str
    indicator: str
    source: Source
    detail: str = ""
    suggestions: Sequence[Suggestion] = ()
    selection_behavior: str = "at-most-one"
    override_reasons: Sequence[OverrideReason] = ()
    uuid: str = ""
    extension: Mapping[str, Any] = field(default_factory=dict)
    links: Sequence[Link] = ()

    def to_json(self) -> Json:
        """As CDS Hooks writes a card."""
        return _filled(
            uuid=self.uuid,
            summary=self.summary,
            detail=self.detail,
            indicator=self.indicator,
            source=self.source.to_json(),
            suggestions=[suggestion.to_json() for suggestion in self.suggestions],
            selectionBehavior=self.selection_behavior if self.suggestions else "",
            overrideReasons=[reason.to_json() for reason in self.override_reasons],
            links=[link.to_json() for link in self.links],
            extension=dict(self.extension),
        )


def _filled(**members: object) -> Json:
    """The members that say something: nothing a service sends is null or empty."""
    return {name: value for name, value in members.items() if value}
