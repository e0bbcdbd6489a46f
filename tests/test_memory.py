"""Answers of one request: asked once, kept apart from what a rule did not declare, shared with other sessions."""

from __future__ import annotations

import datetime

import pytest

from cds_service.facts.memory import Memory, Undeclared
from cds_service.facts.requirements import CONDITIONS, PATIENT
from cds_service.fhir import DataWithheld, r4
from cds_service.fhir.source import Source


def source() -> Source:
    return Source({"conditions": None}, "1", r4, datetime.UTC)


def test_an_answer_that_took_nothing_of_the_session_holds_for_another_session() -> None:
    first = Memory(source())
    asked: list[str] = []
    first.once("problems", lambda: (asked.append("problems"), first.obtain(CONDITIONS)))
    second = first.beside(source())
    second.once("problems", lambda: asked.append("again"))
    assert asked == ["problems"]


def test_an_answer_that_looked_at_the_orders_is_asked_again_for_other_orders() -> None:
    first = Memory(source())
    first.once("orders", first.take_session)
    first.once("total", lambda: first.once("orders", first.take_session))
    second = first.beside(source())
    asked: list[str] = []
    second.once("orders", lambda: asked.append("orders"))
    second.once("total", lambda: asked.append("total"))
    assert asked == ["orders", "total"]


def test_what_could_not_be_had_cannot_be_had_by_another_session_either() -> None:
    first = Memory(source())
    with pytest.raises(DataWithheld):
        first.once("age", lambda: first.obtain(PATIENT))
    with pytest.raises(DataWithheld):
        first.beside(source()).once("age", lambda: "asked again")


def test_a_shared_answer_may_be_read_only_by_a_rule_that_declared_what_it_took() -> None:
    first = Memory(source())
    first.once("problems", lambda: first.obtain(CONDITIONS))
    second = first.beside(source())
    with second.readable([CONDITIONS]):
        second.once("problems", lambda: "asked again")
    with pytest.raises(Undeclared, match="conditions"), second.readable([PATIENT]):
        second.once("problems", lambda: "asked again")


def test_the_orders_of_the_session_are_declared_by_nobody_and_read_by_all() -> None:
    memory = Memory(source())
    with memory.readable([]):
        memory.once("orders", memory.take_session)
