"""Records as tests need them: calls, cards and feedback written as the service writes them."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import json
import random
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from cds_service.records import database
from cds_service.records.entries import Invocation, Recorded
from cds_service.records.period import Period
from cds_service.report.counting import count
from cds_service.report.numbers import Report

Json = dict[str, Any]

RULES = ("calcium-high", "vitamin-d-low", "renal-limit")
OUTCOMES = ("deficient", "possible")
MADE = 1_795_000_000_000


def configuration(version: str = "1.0.0", limit: int = 30) -> Json:
    document = {
        "software": "0.1.0",
        "rules": {rule: {"version": version, "values": {"limit": limit}} for rule in RULES},
        "shared": {"cards": {"version": "1.0.0", "values": {"max_cards": 6}}},
    }
    return {"digest": hashlib.sha256(json.dumps(document).encode()).hexdigest(), "document": document}


@dataclass
class Records:
    """A database of records, and what is to be written into it next."""

    store: Engine
    random: random.Random = field(default_factory=lambda: random.Random(7))
    waiting: list[Recorded] = field(default_factory=list)

    def id(self) -> str:
        return str(uuid.UUID(int=self.random.getrandbits(128)))

    def call(
        self,
        at: int = 0,
        cards: Sequence[Json] = (),
        results: Sequence[Json] = (),
        client: str = "hospital",
        in_force: Json | None = None,
        **changed: Any,
    ) -> Json:
        known = in_force or configuration()
        id_ = self.id()
        row = {
            "id": id_, "at": at, "duration_us": 1000, "service": "sign", "hook": "order-sign", "hook_instance": "h",
            "client": client, "user": "Practitioner/1", "software": "0.1.0", "configuration": known["digest"],
            "status": 200, "results": list(results), **changed,
        }  # fmt: skip
        placed = tuple({**card, "invocation": id_, "position": place} for place, card in enumerate(cards))
        self.waiting.append(Recorded((Invocation(row, placed, {**known, "first_used": at}),)))
        return row

    def card(self, *rules: str, shown: bool = True, suggestions: int = 1, outcome: str = "deficient") -> Json:
        return {
            "uuid": self.id(), "rule": rules[0], "indicator": "warning", "shown": shown,
            "findings": [{"ruleId": rule, "outcome": outcome, "indicator": "warning"} for rule in rules],
            "suggestions": [{"uuid": self.id(), "actions": ["create MedicationRequest", "delete MedicationRequest"]}
                            for _ in range(suggestions)],
        }  # fmt: skip

    def said(
        self, card: Json | str, outcome: str = "accepted", at: int = 1, *, reasons: Sequence[Json] = (),
        comment: str = "", **changed: Any,
    ) -> Json:  # fmt: skip
        known = isinstance(card, dict)
        row = {
            "digest": self.id(), "card": card["uuid"] if known else card, "at": at, "received": at + 5,
            "service": "sign", "client": "hospital", "outcome": outcome, "reasons": list(reasons),
            "suggestions": [s["uuid"] for s in card["suggestions"][:1]] if known and outcome == "accepted" else [],
            **changed,
        }  # fmt: skip
        texts = ({"feedback": row["digest"], "text": comment},) if comment else ()
        self.waiting.append(Recorded(feedback=(row,), comments=texts))
        return row

    def write(self, batch: int = 50) -> None:
        """Writes what waits, in batches; calls before feedback or after, as it came."""
        while self.waiting:
            database.write(self.store, self.waiting[:batch])
            del self.waiting[:batch]

    def report(self, since: int | None = None, until: int | None = None, *only: str) -> Report:
        self.write()
        with database.reading(self.store) as connection:
            return count(connection, Period(since, until), only, MADE)


@contextlib.contextmanager
def records(url: str) -> Iterator[Records]:
    store = database.engine(url)
    database.migrate(store)
    try:
        yield Records(store)
    finally:
        store.dispose()


def reason(code: str, display: str = "") -> Json:
    told = {"code": code, "system": "https://ehr.example/reasons", "display": display}
    return {name: value for name, value in told.items() if value}


def result(rule: str, *outcomes: str, gaps: Sequence[Json] = (), status: str = "") -> Json:
    told: Json = {"rule": rule, "status": status or ("applies" if outcomes else "does-not-apply")}
    if outcomes:
        told["findings"] = [{"outcome": outcome} for outcome in outcomes]
    if gaps:
        told["gaps"] = list(gaps)
    return told


def gap(key: str = "vitamin-d", kind: str = "failed", reason: str = "too late") -> Json:
    return {"key": key, "kind": kind, "reason": reason}


def milliseconds(text: str) -> int:
    return round(datetime.datetime.fromisoformat(text).timestamp() * 1000)


def sqlite_url(folder: Path) -> str:
    return f"sqlite:///{folder / 'records.sqlite'}"
