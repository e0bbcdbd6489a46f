"""The CDS Hooks vocabulary: requests and feedback read from JSON, services and cards written to it."""

from __future__ import annotations

import datetime
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import schemas

Json = dict[str, Any]

_PATIENT = re.compile(r"(?:.*/)?Patient/([^/]*)(?:/_history/.*)?", re.DOTALL)
_TIMESTAMP = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}:)([0-9]{2})(\.[0-9]+)?([Zz]|[+-][0-9]{2}:?[0-9]{2})"
)


class OtherPatient(Exception):
    """A prefetched Patient is not the patient of the context; ``key`` is where it lies."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


# -- what a client sends ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Request:
    """One call of a service. What is absent is "" or None; whatever may tell of a patient is kept out of ``repr``.

    ``patient_id`` is a bare FHIR id, ``user_id`` and ``selections`` are as sent ("Type/id" or a bare id).
    ``selections`` and ``draft_orders`` are None where the client sent none. ``prefetch`` is as sent.
    ``access_token`` is the one lent for ``fhir_server``.
    """

    hook: str
    hook_instance: str
    patient_id: str = field(repr=False)
    user_id: str = field(default="", repr=False)
    encounter_id: str = field(default="", repr=False)
    selections: tuple[str, ...] | None = field(default=None, repr=False)
    draft_orders: Mapping[str, Any] | None = field(default=None, repr=False)
    fhir_server: str = ""
    access_token: str = field(default="", repr=False)
    scope: str = ""
    prefetch: Mapping[str, object] = field(default_factory=dict, repr=False)
    context: Mapping[str, Any] = field(default_factory=dict, repr=False)


def parse_request(body: object) -> Request:
    """Reads the body of a service call; raises schemas.Invalid where it has no meaning.

    What has one possible meaning is read as meant: empty lists and nulls for absent objects, "Patient/123" for "123",
    one entry for a list of it. What lies under a prefetch key is not looked at.
    """
    schemas.check(body, "request")
    document: Json = body  # type: ignore[assignment]  # the schema has just said so
    hook, context = document["hook"], document["context"]
    _check_context(context, hook)
    server = (document.get("fhirServer") or "").strip().rstrip("/")
    # A token without the server it is for cannot be used, whoever sent it.
    lent = (document.get("fhirAuthorization") or {}) if server else {}
    return Request(
        hook=hook,
        hook_instance=document["hookInstance"],
        patient_id=_patient_id(context["patientId"]),
        user_id=context.get("userId") or "",
        encounter_id=context.get("encounterId") or "",
        selections=_selections(context) if hook == "order-select" else None,
        draft_orders=_draft_orders(context) if hook in ("order-select", "order-sign") else None,
        fhir_server=server,
        access_token=(lent.get("access_token") or "").strip(),
        scope=lent.get("scope") or "",
        prefetch=document.get("prefetch") or {},
        context=context,
    )


def refuse_other_patient(request: Request, keys: Collection[str]) -> None:
    """Raises OtherPatient if a Patient under one of ``keys`` has another id than the context's patient."""
    for key in keys:
        resource = request.prefetch.get(key)
        if not isinstance(resource, Mapping) or resource.get("resourceType") != "Patient":
            continue
        identifier = resource.get("id")
        if isinstance(identifier, str) and identifier.strip() and _patient_id(identifier) != request.patient_id:
            raise OtherPatient(key)


def _check_context(context: Json, hook: str) -> None:
    name = f"context-{hook}"
    # A hook without a schema of its own is one we do not offer; its patient is all that is looked at here.
    schemas.check(context, name if name in schemas.names() else "context-patient-view", at="context")
    if not _patient_id(context["patientId"]):
        raise schemas.Invalid("context.patientId", "the FHIR id of the patient", "a reference without an id")


def _patient_id(sent: str) -> str:
    match = _PATIENT.fullmatch(sent.strip())
    return match.group(1) if match else sent.strip()


def _selections(context: Json) -> tuple[str, ...] | None:
    return tuple(selection.strip() for selection in context.get("selections") or () if selection.strip()) or None


def _draft_orders(context: Json) -> Json | None:
    bundle: Json | None = context.get("draftOrders")
    if bundle is None:
        return None
    entry = bundle.get("entry")
    if isinstance(entry, Mapping):
        return {**bundle, "entry": [entry]}
    return bundle


# -- feedback ---------------------------------------------------------------------------------------------------------


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
class Feedback:
    """What became of one card: "accepted" with the suggestions taken, or "overridden", perhaps with reasons."""

    card: str
    outcome: str
    timestamp: datetime.datetime  # in UTC
    accepted_suggestions: tuple[str, ...] = ()
    reasons: tuple[OverrideReason, ...] = ()
    comment: str = field(default="", repr=False)


def parse_feedback(body: object) -> tuple[Feedback, ...]:
    """Reads the body of a feedback call, each entry once; raises schemas.Invalid where it has no meaning."""
    schemas.check(body, "feedback")
    document: Json = body  # type: ignore[assignment]  # the schema has just said so
    entries = (_feedback(entry, f"feedback[{index}]") for index, entry in enumerate(document["feedback"]))
    return tuple(dict.fromkeys(entries))


def _feedback(entry: Json, at: str) -> Feedback:
    timestamp = _timestamp(entry["outcomeTimestamp"], f"{at}.outcomeTimestamp")
    if entry["outcome"] == "accepted":
        accepted = tuple(suggestion["id"] for suggestion in entry["acceptedSuggestions"])
        return Feedback(entry["card"], "accepted", timestamp, accepted)
    given = entry.get("overrideReason") or {}
    several = entry.get("overrideReasons") or []
    said: list[Json] = [given, *([several] if isinstance(several, Mapping) else several)]
    # Each is an override reason with its coding in "reason", or the coding itself.
    codings = (_reason(item["reason"] if isinstance(item.get("reason"), Mapping) else item) for item in said)
    return Feedback(
        card=entry["card"],
        outcome="overridden",
        timestamp=timestamp,
        reasons=tuple(dict.fromkeys(reason for reason in codings if reason.code or reason.display)),
        comment=next((text for item in said if (text := _text(item, "userComment"))), ""),
    )


def _reason(coding: Json) -> OverrideReason:
    return Coding(_text(coding, "code"), _text(coding, "system"), _text(coding, "display"))


def _text(document: Json, name: str) -> str:
    value = document.get(name)
    return value.strip() if isinstance(value, str) else ""


def _timestamp(sent: str, at: str) -> datetime.datetime:
    """An RFC 3339 time in UTC; a leap second counts as the one before it."""
    unreadable = schemas.Invalid(at, "a date and time with its offset, as 2026-11-23T01:33:02Z", "another text")
    if (match := _TIMESTAMP.fullmatch(sent.strip())) is None:
        raise unreadable
    date, minutes, seconds, fraction, offset = match.groups()
    second = "59" if seconds == "60" else seconds
    try:
        local = datetime.datetime.fromisoformat(f"{date}T{minutes}{second}{(fraction or '')[:7]}{offset.upper()}")
        return local.astimezone(datetime.UTC)
    except (ValueError, OverflowError):
        raise unreadable from None


# -- what a service offers and answers --------------------------------------------------------------------------------


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
