"""What every question rests on: the record, the session, the day, the numbers in force, and the answers so far."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from msgspec import Struct

from ...fhir import DataUnavailable
from ...terminology import Terminology
from ..clock import Clock
from ..memory import Memory
from ..record import Record
from ..session import Session
from ..settings import Settings

Answer = TypeVar("Answer")


class Basis(Struct, frozen=True):
    """One request's data, as the questions share it."""

    memory: Memory
    record: Record
    session: Session
    settings: Settings
    terminology: Terminology
    clock: Clock
    hook: str


def known(question: Callable[[], object]) -> bool | None:
    """A yes or a no, or None when it could not be told."""
    try:
        return bool(question())
    except DataUnavailable:
        return None


def ask(question: Callable[[], Answer], gaps: list[DataUnavailable]) -> Answer | None:
    """An answer that only adds to what is said: when it cannot be had, that is noted among the gaps."""
    try:
        return question()
    except DataUnavailable as gap:
        gaps.append(gap)
        return None
