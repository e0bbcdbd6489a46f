"""trace.json: which rule carries which statement of the guideline, and what the rules beyond it rest on."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import schemas
from ..knowledge import KnowledgeError, read_json

FILE = Path(__file__).parents[1] / "trace.json"


@dataclass(frozen=True, slots=True)
class Row:
    """One statement: the rules that carry it (no outcomes named: every one), its numbers, or why nothing carries it.

    ``source`` is set where the statement is not the guideline's.
    """

    id: str
    says: str
    rules: Mapping[str, tuple[str, ...]]
    numbers: Mapping[str, tuple[str, ...]]
    excluded: str = ""
    source: str = ""

    def carried_by(self, rule: str, outcome: str) -> bool:
        """Whether this outcome of this rule carries the statement."""
        outcomes = self.rules.get(rule)
        return outcomes is not None and (not outcomes or outcome in outcomes)


@dataclass(frozen=True, slots=True)
class Trace:
    """Every statement of the guideline, in its order, and every subject beyond it."""

    guideline: str
    statements: tuple[Row, ...]
    beyond: tuple[Row, ...]

    @property
    def rows(self) -> tuple[Row, ...]:
        """The statements of the guideline, then those beyond it."""
        return (*self.statements, *self.beyond)

    def problems(
        self, outcomes: Mapping[str, Collection[str]], parameters: Mapping[str, Collection[str]]
    ) -> Iterator[str]:
        """Rows that name what does not exist, rules without a row: held against the ``outcomes`` of every rule and
        the ``parameters`` of every knowledge file.
        """
        for row in self.rows:
            if not row.rules and not row.excluded:
                yield f"row {row.id}: neither a rule nor a reason to have none"
            for rule, named in row.rules.items():
                if rule not in outcomes:
                    yield f"row {row.id}: there is no rule {rule!r}"
                    continue
                for outcome in named:
                    if outcome not in outcomes[rule]:
                        yield f"row {row.id}: {rule} has no outcome {outcome!r}"
            for knowledge, names in row.numbers.items():
                for name in names:
                    if name not in parameters.get(knowledge, ()):
                        yield f"row {row.id}: {knowledge} has no parameter {name!r}"
        for rule in outcomes:
            if not any(rule in row.rules for row in self.rows):
                yield f"{rule}: no row names it"


def load() -> Trace:
    """The trace as shipped; KnowledgeError when it does not have the form of its schema."""
    document = read_json(FILE, "the trace")
    problems = [f"{FILE.name}, {p}" for p in schemas.problems(document, "trace")]
    if problems:
        raise KnowledgeError(problems)
    return Trace(
        guideline=document["guideline"],
        statements=tuple(_row(str(n), row) for n, row in enumerate(document["statements"], 1)),
        beyond=tuple(_row(f"B{n}", row) for n, row in enumerate(document["beyond"], 1)),
    )


def _row(id_: str, document: Mapping[str, Any]) -> Row:
    return Row(
        id=id_,
        says=document["says"],
        rules={rule: tuple(outcomes) for rule, outcomes in document.get("rules", {}).items()},
        numbers={of: tuple(names) for of, names in document.get("numbers", {}).items()},
        excluded=document.get("excluded", ""),
        source=document.get("source", ""),
    )
