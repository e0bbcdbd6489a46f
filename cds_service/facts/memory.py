"""Remembers each answer of one request, and which requirements it took, so that a rule reads what it declared only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from ..fhir import DataUnavailable
from ..fhir.reading import Reading
from ..fhir.requirement import DataRequirement
from ..fhir.source import Source

Answer = TypeVar("Answer")


class Undeclared(Exception):
    """A rule read what it had not declared: a defect of the rule."""


class Memory:
    """The answers given so far in one request; asked again, the same answer, or the same gap, comes back."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._answers: dict[str, tuple[Any, DataUnavailable | None, frozenset[DataRequirement]]] = {}
        self._readable: frozenset[DataRequirement] | None = None
        self._touched: list[set[DataRequirement]] = []

    @contextmanager
    def readable(self, requirements: Sequence[DataRequirement]) -> Iterator[None]:
        """While one rule runs, only what it declared may be read; anything else raises Undeclared."""
        self._readable = frozenset(requirements)
        try:
            yield
        finally:
            self._readable = None

    def once(self, name: str, ask: Callable[[], Answer]) -> Answer:
        """Asks once; a later rule gets the same answer, or the same DataUnavailable, if it may read what it took."""
        if name not in self._answers:
            self._answers[name] = self._ask(ask)
        answer, gap, took = self._answers[name]
        self._allow(took)
        if gap is not None:
            raise gap
        return answer  # type: ignore[no-any-return]  # what ask() returned

    def obtain(self, requirement: DataRequirement) -> Reading:
        """What came under a requirement's key; raises DataUnavailable, or Undeclared."""
        self._allow(frozenset({requirement}))
        return self._source.obtain(requirement)

    def _ask(self, ask: Callable[[], Any]) -> tuple[Any, DataUnavailable | None, frozenset[DataRequirement]]:
        answer: Any = None
        gap: DataUnavailable | None = None
        self._touched.append(set())
        try:
            answer = ask()
        except DataUnavailable as unavailable:
            gap = unavailable
        finally:
            touched = self._touched.pop()
        return answer, gap, frozenset(touched)

    def _allow(self, requirements: frozenset[DataRequirement]) -> None:
        if self._touched:
            self._touched[-1] |= requirements
        if self._readable is not None and not requirements <= self._readable:
            names = sorted(r.key for r in requirements - self._readable)
            raise Undeclared(f"read without being declared: {', '.join(names)}")
