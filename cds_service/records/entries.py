"""What is recorded of one call: made from what was asked and answered, without data of the patient."""

from __future__ import annotations

import datetime
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import cache
from typing import Any

from msgspec import Struct

from .. import __version__
from ..cards import FINDINGS
from ..catalogue import Catalogue, ServiceEntry
from ..cdshooks import Card, Feedback, Request
from ..rules.rule import RuleResult

_LONGEST = 100
_LONGEST_USER = 200
_LONGEST_COMMENT = 2000

Row = Mapping[str, Any]


class Call(Struct, frozen=True):
    """One call of a service and what came of it: when it came, and after how many seconds it was answered.

    ``unshown`` are the cards of rules in silent mode.
    """

    asked: Request
    client: str
    service: str
    at: datetime.datetime
    seconds: float
    status: int
    results: Sequence[RuleResult]
    cards: Sequence[Card] = ()
    unshown: Sequence[Card] = ()


class Invocation(Struct, frozen=True):
    """One call of a service, with its cards and what was in force."""

    row: Row
    cards: tuple[Row, ...]
    configuration: Row


class Recorded(Struct, frozen=True):
    """Rows for tables, as they are written: ``invocations`` each with its cards; ``feedback`` and its ``comments``."""

    invocations: tuple[Invocation, ...] = ()
    feedback: tuple[Row, ...] = ()
    comments: tuple[Row, ...] = ()


def configuration(catalogue: Catalogue, entry: ServiceEntry, day: datetime.date) -> Row:
    """The version and the values in force of each rule of a service and of what rules share, under their digest."""
    shared = catalogue.shared_on(day)
    document = {
        "software": __version__,
        "rules": {r.rule.id: _in_force(r.knowledge.version, r.parameters(day)) for r in entry.rules},
        "shared": {id_: _in_force(catalogue.shared[id_].version, values) for id_, values in shared.items()},
    }
    digest = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
    return {"digest": digest, "document": document}


def invocation(call: Call, in_force: Row) -> Recorded:
    """The record of one call, under the configuration that was in force."""
    at = milliseconds(call.at)
    id_ = _id(at)
    row = {
        "id": id_,
        "at": at,
        "duration_us": round(call.seconds * 1_000_000),
        "service": call.service,
        "hook": call.asked.hook,
        "hook_instance": _text(call.asked.hook_instance, _LONGEST),
        "client": call.client,
        "user": _text(call.asked.user_id, _LONGEST_USER),
        "software": __version__,
        "configuration": in_force["digest"],
        "status": call.status,
        "results": [_result(result) for result in call.results],
    }
    both = [*((one, True) for one in call.cards), *((one, False) for one in call.unshown)]
    made = tuple(_card(one, id_, position, shown) for position, (one, shown) in enumerate(both))
    return Recorded((Invocation(row, made, {**in_force, "first_used": at}),))


def feedback(
    entries: Sequence[Feedback], client: str, service: str, received: datetime.datetime, comments: bool
) -> Recorded:
    """The rows of one feedback call; the same entry has the same digest, whenever and wherever it comes.

    What a clinician wrote is kept only with ``comments``: free text may hold anything.
    """
    rows, texts = [], []
    for entry in entries:
        row = {
            "card": _text(entry.card, _LONGEST),
            "at": milliseconds(entry.timestamp),
            "outcome": entry.outcome,
            "suggestions": [_text(id_, _LONGEST) for id_ in entry.accepted_suggestions],
            "reasons": [{n: _text(v, _LONGEST) for n, v in reason.to_json().items()} for reason in entry.reasons],
        }
        digest = hashlib.sha256(json.dumps(row, sort_keys=True).encode()).hexdigest()
        heard = {"digest": digest, "received": milliseconds(received), "client": client, "service": service}
        rows.append({**row, **heard})
        if comments and entry.comment:
            texts.append({"feedback": digest, "text": _text(entry.comment, _LONGEST_COMMENT)})
    return Recorded(feedback=tuple(rows), comments=tuple(texts))


def milliseconds(instant: datetime.datetime) -> int:
    """An aware instant in milliseconds of the epoch."""
    return round(instant.timestamp() * 1000)


@cache
def _bare(rule: str, status: str) -> Row:
    """What there is to say of most rules in most calls."""
    return {"rule": rule, "status": status}


def _result(result: RuleResult) -> Row:
    bare = _bare(result.rule.id, result.status)
    if not (result.findings or result.gaps or result.error):
        return bare
    told = dict(bare)
    if result.findings:
        told["findings"] = [{"outcome": f.outcome, **({"case": f.case} if f.case else {})} for f in result.findings]
    if result.gaps:
        told["gaps"] = [{"key": gap.key, "kind": gap.kind, "reason": gap.reason} for gap in result.gaps]
    if result.error:
        told["error"] = result.error
    return told


def _card(one: Card, invocation_id: str, position: int, shown: bool) -> Row:
    findings = one.extension.get(FINDINGS, ())
    return {
        "uuid": one.uuid,
        "invocation": invocation_id,
        "position": position,
        "rule": one.source.topic.code if one.source.topic else "",
        "indicator": one.indicator,
        "shown": shown,
        # The orders' ids are the EHR's own and stay there.
        "findings": [{name: f[name] for name in ("ruleId", "outcome", "indicator")} for f in findings],
        "suggestions": [{"uuid": s.uuid, "actions": [_action(a) for a in s.actions]} for s in one.suggestions],
    }


def _action(action: Any) -> str:
    kind = (action.resource or {}).get("resourceType") or action.resource_id.partition("/")[0]
    return f"{action.type} {kind}"


def _id(at: int) -> str:
    """A UUID that begins with the instant (version 7, RFC 9562): what comes together lies together in an index."""
    time, chance = f"{at:012x}", os.urandom(10).hex()
    variant = "89ab"[int(chance[3], 16) & 3]
    return f"{time[:8]}-{time[8:]}-7{chance[:3]}-{variant}{chance[4:7]}-{chance[7:19]}"


def _text(sent: str, longest: int) -> str:
    """A text as every database takes it: without NUL, and not too long."""
    return sent.replace("\x00", "")[:longest]


def _in_force(version: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {"version": version, "values": json.loads(json.dumps(dict(values), default=_as_json, sort_keys=True))}


def _as_json(value: Any) -> Any:
    """A value of a parameter as JSON has it; a decimal of up to fifteen digits comes back as the same decimal."""
    if isinstance(value, Decimal):
        return float(value)
    return dict(value) if isinstance(value, Mapping) else str(value)
