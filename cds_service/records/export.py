"""Records as others read them: whole, one card after another, and feedback as HTI-1 asks for it."""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, Table, select

from .period import Period
from .tables import card, comment, configuration, feedback, invocation

# 45 CFR 170.315(b)(11)(ii)(C): what feedback is exported with, at the least.
FIELDS = ("intervention", "action taken", "user feedback", "user", "date", "location")

_ROWS_AT_ONCE = 500
_INSTANTS = ("at", "received", "first_used")
# What spreadsheets take for the beginning of a formula, in ASCII and in full width.
_FORMULA = "=+-@\uff1d\uff0b\uff0d\uff20"

Json = dict[str, Any]


def cards(connection: Connection, period: Period) -> Iterator[Json]:
    """Every card of the calls of a period, the oldest call first, with its call and all feedback to it.

    ``rules`` has the version and the values in force of each rule that the card tells of.
    """
    documents = _documents(connection)
    tables = (card, invocation, feedback, comment)
    wanted = select(*(column.label(f"{table.name}.{column.name}") for table in tables for column in table.c))
    wanted = (
        wanted.join_from(card, invocation)
        .outerjoin(feedback, feedback.c.card == card.c.uuid)
        .outerjoin(comment)
        .where(*period.within(invocation.c.at))
        .order_by(invocation.c.at, invocation.c.id, card.c.position, feedback.c.at, feedback.c.digest)
    )
    rows = connection.execute(wanted, execution_options={"yield_per": _ROWS_AT_ONCE}).mappings()
    for _, group in itertools.groupby(rows, lambda row: row["card.uuid"]):
        one, *more = group
        rules = documents[one["invocation.configuration"]]["rules"]
        told = dict.fromkeys(finding["ruleId"] for finding in one["card.findings"])
        yield {
            "card": _columns(card, one),
            "rules": {rule: rules[rule] for rule in told if rule in rules},
            "invocation": _columns(invocation, one),
            "feedback": [
                {**_columns(feedback, row), "comment": row["comment.text"] or ""}
                for row in (one, *more)
                if row["feedback.digest"]
            ],
        }


def feedback_rows(connection: Connection, period: Period) -> Iterator[tuple[str, ...]]:
    """What ``FIELDS`` names of each feedback of a period by its own time, the oldest first.

    What a spreadsheet would take for a formula is made text.
    """
    documents = _documents(connection)
    wanted = (
        select(
            *(feedback.c[name] for name in ("card", "at", "outcome", "suggestions", "reasons", "client")),
            comment.c.text,
            card.c.rule,
            card.c.findings,
            card.c.suggestions.label("offered"),
            invocation.c.user,
            invocation.c.configuration,
        )
        .join_from(feedback, card, feedback.c.card == card.c.uuid, isouter=True)
        .outerjoin(invocation, card.c.invocation == invocation.c.id)
        .outerjoin(comment, comment.c.feedback == feedback.c.digest)
        .where(*period.within(feedback.c.at))
        .order_by(feedback.c.at, feedback.c.digest)
    )
    for row in connection.execute(wanted, execution_options={"yield_per": _ROWS_AT_ONCE}):
        cells = (
            _intervention(row, documents),
            _action(row),
            "; ".join(
                [
                    *(reason.get("display") or reason.get("code", "") for reason in row.reasons),
                    *filter(None, [row.text]),
                ]
            ),
            row.user or "",
            instant(row.at),
            row.client,
        )
        yield tuple(map(harmless, cells))


def instant(milliseconds: int) -> str:
    """Milliseconds of the epoch as RFC 3339 has it, in UTC."""
    whole, rest = divmod(milliseconds, 1000)
    told = datetime.datetime.fromtimestamp(whole, datetime.UTC).replace(microsecond=rest * 1000)
    return told.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def harmless(cell: str) -> str:
    """A text that a spreadsheet shows and does not compute: what looks like a formula gets an apostrophe before it."""
    return f"'{cell}" if cell[:1] in ("\t", "\r", "\n") or cell.lstrip()[:1] in tuple(_FORMULA) else cell


def _documents(connection: Connection) -> Mapping[str, Json]:
    """What was in force, by digest. There are few: one more whenever a version, a value or a service changes."""
    return {row.digest: row.document for row in connection.execute(select(configuration))}


def _columns(table: Table, row: Mapping[Any, Any]) -> Json:
    told = {column.name: row[f"{table.name}.{column.name}"] for column in table.c}
    return {name: instant(value) if name in _INSTANTS else value for name, value in told.items()}


def _intervention(row: Any, documents: Mapping[str, Json]) -> str:
    """The rules, versions and outcomes that a card told of."""
    if row.rule is None:
        return f"unknown card {row.card}"
    rules = documents[row.configuration]["rules"]
    told = (f"{f['ruleId']} {rules.get(f['ruleId'], {}).get('version', '')}".strip() + f": {f['outcome']}"
            for f in row.findings)  # fmt: skip
    return "; ".join(dict.fromkeys(told)) or row.rule


def _action(row: Any) -> str:
    """What the user did: the outcome, with the actions of the suggestions accepted."""
    actions = [a for offered in row.offered or () if offered["uuid"] in row.suggestions for a in offered["actions"]]
    return f"{row.outcome}: {', '.join(actions)}" if actions else row.outcome
