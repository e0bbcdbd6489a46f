"""The trace: every statement of the guideline is carried or excluded with a reason, every rule has a row."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import pytest

from cds_service import schemas
from cds_service.catalogue_check import contested_problems
from cds_service.documentation import overview
from cds_service.documentation.register import Register
from cds_service.documentation.trace import Row, Trace, load
from cds_service.knowledge import read_json
from cds_service.manifest import load_catalogue
from cds_service.rules.contested import points

TRACE = load()
REGISTER = Register.of(load_catalogue())
DOCS = Path(__file__).parent.parent / "docs" / "trace.md"

# Which rules take a side on which contested point; no card speaks of a first choice of drug (C11).
CONCERNED: Mapping[str, frozenset[str]] = {
    "C1": frozenset({"iv-bisphosphonate-renal", "oral-bisphosphonate-renal"}),
    "C2": frozenset(
        {
            "iv-bisphosphonate-vitamin-d",
            "oral-bisphosphonate-vitamin-d",
            "denosumab-hypocalcaemia",
            "vitamin-d-repletion-dosing",
            "ckd-vitamin-d-choice",
        }
    ),
    "C3": frozenset({"calcium-total-daily"}),
    "C4": frozenset({"calcium-administration"}),
    "C5": frozenset({"ckd-vitamin-d-choice", "active-vitamin-d-oversuppression"}),
    "C6": frozenset({"monitoring-calcium-phosphate"}),
    "C7": frozenset({"iv-bisphosphonate-onj"}),
    "C8": frozenset({"iv-bisphosphonate-vitamin-d"}),
    "C9": frozenset({"iv-bisphosphonate-vitamin-d", "iv-bisphosphonate-renal"}),
    "C10": frozenset({"iv-bisphosphonate-vitamin-d", "vitamin-d-repletion-dosing"}),
    "C11": frozenset(),
    "C12": frozenset({"iv-bisphosphonate-vitamin-d", "monitoring-25ohd-annual"}),
    "C13": frozenset({"vitamin-d-upper-limit"}),
    "C14": frozenset({"oral-bisphosphonate-vitamin-d"}),
    "C15": frozenset({"calcium-total-daily"}),
    "C16": frozenset({"iv-bisphosphonate-vitamin-d"}),
    "C17": frozenset({"iv-bisphosphonate-vitamin-d"}),
}


def test_the_trace_has_every_statement_of_the_guideline() -> None:
    assert [row.id for row in TRACE.statements] == [str(number) for number in range(1, 47)]


def test_every_row_has_a_rule_or_a_reason_to_have_none() -> None:
    for row in TRACE.rows:
        assert row.rules or row.excluded, row.id


def test_what_lies_beyond_the_guideline_names_its_source() -> None:
    assert TRACE.beyond
    assert all(row.source for row in TRACE.beyond)


def test_every_rule_outcome_and_number_of_a_row_exists_and_every_rule_has_a_row() -> None:
    assert REGISTER.problems == ()


def with_row(row: Row) -> Trace:
    return Trace("", (row,), ())


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (Row("1", "", {}, {}), "row 1: neither a rule nor a reason to have none"),
        (Row("1", "", {"a": (), "b": ()}, {}), "row 1: there is no rule 'b'"),
        (Row("1", "", {"a": ("low", "gone")}, {}), "row 1: a has no outcome 'gone'"),
        (Row("1", "", {"a": ()}, {"a": ("limit", "gone")}), "row 1: a has no parameter 'gone'"),
        (Row("1", "", {"a": ()}, {"shared": ("gone",)}), "row 1: shared has no parameter 'gone'"),
        (Row("1", "", {}, {}, excluded="not clinical"), "a: no row names it"),
    ],
)
def test_a_row_that_loses_its_rule_and_a_rule_that_loses_its_row_are_found(row: Row, problem: str) -> None:
    found = tuple(with_row(row).problems({"a": ("low",)}, {"a": ("limit",)}))
    assert problem in found
    assert not tuple(
        with_row(Row("1", "", {"a": ("low",)}, {"a": ("limit",)})).problems({"a": ("low",)}, {"a": ("limit",)})
    )


def test_a_row_without_outcomes_is_carried_by_every_outcome_of_its_rule() -> None:
    assert Row("1", "", {"a": ()}, {}).carried_by("a", "low")
    assert Row("1", "", {"a": ("low",)}, {}).carried_by("a", "low")
    assert not Row("1", "", {"a": ("low",)}, {}).carried_by("a", "high")
    assert not Row("1", "", {"a": ("low",)}, {}).carried_by("b", "low")


def test_a_schema_refuses_a_row_that_says_nothing_of_rules() -> None:
    document = {"guideline": "x", "statements": [{"says": "x"}], "beyond": []}
    assert schemas.problems(document, "trace")


def test_the_printed_trace_in_the_documentation_is_the_one_of_today() -> None:
    printed = overview.markdown(overview.document(REGISTER), REGISTER)
    assert DOCS.read_text("utf-8") == printed, "run `make trace`"


# -- where sources disagree -------------------------------------------------------------------------------------------


def test_every_contested_point_is_described() -> None:
    assert list(points()) == [f"C{number}" for number in range(1, 18)] == list(CONCERNED)


@pytest.mark.parametrize(
    ("rule", "point"), [(rule, point) for point, rules in CONCERNED.items() for rule in sorted(rules)]
)
def test_a_rule_that_a_contested_point_concerns_names_it(rule: str, point: str) -> None:
    assert rule in REGISTER.rules
    assert point in REGISTER.rules[rule].knowledge.contested


def test_a_contested_point_that_nobody_described_is_a_problem() -> None:
    known = REGISTER.rules["calcium-total-daily"].knowledge
    assert not tuple(contested_problems(known, points()))
    unknown = dataclasses.replace(known, contested=("C3", "C99"))
    assert tuple(contested_problems(unknown, points())) == (
        "calcium_total_daily.json, contested[1]: there is no point 'C99' in rules/contested.json",
    )


def test_the_trace_is_no_longer_than_it_must_be() -> None:
    document = read_json(DOCS.parent.parent / "cds_service" / "trace.json", "the trace")
    for row in (*document["statements"], *document["beyond"]):
        assert len(row["says"]) <= 120, row["says"]
