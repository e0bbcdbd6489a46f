"""The points on which sources disagree: who says what, and what is done here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .. import schemas
from ..knowledge import KnowledgeError, read_json

FILE = Path(__file__).with_name("contested.json")


@dataclass(frozen=True, slots=True)
class Point:
    """One contested point: what it is about, what the sources say, what is done here and what a site may set."""

    id: str
    about: str
    sources: str
    here: str


def points() -> Mapping[str, Point]:
    """Every contested point by its id; KnowledgeError when the file cannot be used."""
    document = read_json(FILE, "the contested points")
    problems = [f"{FILE.name}, {p}" for p in schemas.problems(document, "contested")]
    if problems:
        raise KnowledgeError(problems)
    return {id_: Point(id_, **point) for id_, point in document.items()}
