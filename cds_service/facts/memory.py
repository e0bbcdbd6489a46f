"""Remembers each answer of one request and what it took, so that a rule reads what it declared only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from ..fhir import DataUnavailable
from ..fhir.reading import Reading
from ..fhir.requirement import DataRequirement
from ..fhir.source import Source

Answer = TypeVar("Answer")

_SESSION = "draftOrders"


class Undeclared(Exception):
    """A rule read what it had not declared: a defect of the rule."""


class Memory:
    """The answers given so far in one request; asked again, the same answer, or the same gap, comes back."""

    def __init__(self, source: Source) -> None:
        self._source = source
        # By name: the answer, or why there is none, and the prefetch keys it took; the orders of the session are one.
        self._answers: dict[str, tuple[Any, DataUnavailable | None, frozenset[str]]] = {}
        self._readable: frozenset[str] | None = None
        self._touched: list[set[str]] = []

    def beside(self, source: Source) -> Memory:
        """For another session of the same patient: with the answers that took nothing of the session of this one."""
        other = Memory(source)
        other._answers = {name: known for name, known in self._answers.items() if _SESSION not in known[2]}
        return other

    @contextmanager
    def readable(self, requirements: Sequence[DataRequirement]) -> Iterator[None]:
        """While one rule runs, only what it declared may be read; anything else raises Undeclared."""
        self._readable = frozenset([_SESSION, *(requirement.key for requirement in requirements)])
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
        self._allow(frozenset((requirement.key,)))
        return self._source.obtain(requirement)

    def take_session(self) -> None:
        """To be told before an answer looks at the orders of the session: it holds for no other session."""
        self._allow(frozenset((_SESSION,)))

    def _ask(self, ask: Callable[[], Any]) -> tuple[Any, DataUnavailable | None, frozenset[str]]:
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

    def _allow(self, keys: frozenset[str]) -> None:
        if self._touched:
            self._touched[-1] |= keys
        if self._readable is not None and not keys <= self._readable:
            raise Undeclared(f"read without being declared: {', '.join(sorted(keys - self._readable))}")
