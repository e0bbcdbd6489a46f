"""Sentences for clinicians: they fit, they say what is known, and nothing of the record becomes markup."""

from __future__ import annotations

import datetime
import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from cds_service.manifest import load_catalogue
from cds_service.rules import PHRASES
from cds_service.wording import SUMMARY_LENGTH, MissingValue, Wording, escaped, text

WORDS = Wording({"not-known": "not stated", "no-unit": "it has no unit"})
MARKDOWN = MarkdownIt("gfm-like", {"linkify": False})

INJECTIONS = [
    "[click](https://evil.example)",
    "![x](https://evil.example/x.png)",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "**bold** _it_ ~~gone~~ `code`",
    "a | b | c",
    "line\n# heading",
    "line\r\n- item",
    "javascript:alert(1)",
    "<https://evil.example>",
    "&lt;b&gt; &#60;i&#62;",
    "\\[not escaped](x)",
    "text\u202egnp.exe",
    "\u2028# heading",
    "<!-- comment -->",
    "[ref]: https://evil.example",
    "``` fence ```",
    "~~~",
    "$$math$$ <b",
]


def tags(markdown: str) -> set[str]:
    """Everything in a rendered paragraph that is not plain text."""
    found = {token.type for token in MARKDOWN.parse(markdown)} - {"paragraph_open", "paragraph_close", "inline"}
    for token in MARKDOWN.parse(markdown):
        found |= {child.type for child in token.children or ()} - {"text", "text_special"}
    return found


@pytest.mark.parametrize("injection", INJECTIONS)
def test_nothing_of_the_record_is_markup(injection: str) -> None:
    assert tags(f"Drug: {escaped(injection)}.") == set()


@given(st.text(max_size=60))
def test_no_text_whatever_becomes_markup(anything: str) -> None:
    assert tags(f"Drug: {escaped(anything)}.") == set()


@given(st.text(max_size=30), st.text(max_size=30))
def test_no_text_leaves_its_table_cell(first: str, second: str) -> None:
    table = f"| A | B |\n| --- | --- |\n| {escaped(first)} | {escaped(second)} |"
    rows = [token for token in MARKDOWN.parse(table) if token.type in ("tr_open", "td_open")]
    assert len(rows) == 4


@pytest.mark.parametrize(
    "address", ["http://evil.example", "www.evil.example", "HTTPS://evil.example", "a@evil.example"]
)
def test_an_address_in_the_record_is_no_link(address: str) -> None:
    linked = MarkdownIt("gfm-like").render(f"Drug: {escaped(address)}.")
    assert "<a " not in linked


def test_a_comparator_is_shown_as_it_was_reported() -> None:
    assert escaped("<4 ng/mL") == "<4 ng/mL"
    assert escaped(">= 30") == ">= 30"


@given(st.text(max_size=400), st.text(max_size=400))
def test_a_summary_is_one_line_that_fits(drug: str, condition: str) -> None:
    line = WORDS.summary("Calcium exceeds the limit: {condition} and {drug}?", {"drug": drug, "condition": condition})
    assert len(line) <= SUMMARY_LENGTH
    assert "\n" not in line
    assert line.isprintable()


def test_a_long_drug_is_shortened_and_the_sentence_stays_whole() -> None:
    line = WORDS.summary(
        "25(OH)D {level} is low: correct it before {drug} infusion.", {"level": "14 ng/mL", "drug": "x" * 300}
    )
    assert line.startswith("25(OH)D 14 ng/mL is low: correct it before xxx")
    assert line.endswith("… infusion.")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (datetime.date(2026, 10, 3), "3 Oct 2026"),
        (2300, "2,300"),
        (365, "365"),
        (Decimal("30.0"), "30.0"),
        (Decimal("1E+2"), "100"),
    ],
)
def test_values_are_written_as_a_clinician_reads_them(value: object, shown: str) -> None:
    assert text(value) == shown


def test_a_value_that_is_missing_is_an_error_and_never_the_word_none() -> None:
    with pytest.raises(MissingValue):
        WORDS.summary("25(OH)D {level}", {"level": None})
    assert WORDS.summary("ended {day|known}", {"day": None}) == "ended not stated"


def test_a_line_is_told_only_when_its_condition_holds() -> None:
    lines = ({"when": "a", "text": "A {a}"}, {"unless": "a", "text": "no A"}, {"each": "b", "text": "{item}"})
    assert WORDS.paragraphs(lines, {"a": "1", "b": ("x", "y")}) == ("A 1", "- x\n- y")
    assert WORDS.paragraphs(lines, {"a": None, "b": ()}) == ("no A",)


def test_every_phrase_is_one_line_without_markup() -> None:
    for code, words in json.loads(PHRASES.read_text("utf-8")).items():
        assert "\n" not in words, code
        assert escaped(words) == words.strip() or code == "and-diet", code


def test_every_sentence_of_the_knowledge_is_free_of_html() -> None:
    for entry in load_catalogue().entries:
        for in_service in entry.rules:
            for cases in in_service.knowledge.outcomes.values():
                for words in cases.values():
                    assert "</" not in repr(words)
