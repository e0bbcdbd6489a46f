"""What became of cards, read from the JSON that a client sends."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .. import schemas
from .answer import Coding, OverrideReason

Json = dict[str, Any]

_TIMESTAMP = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}:)([0-9]{2})(\.[0-9]+)?([Zz]|[+-][0-9]{2}:?[0-9]{2})"
)


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
