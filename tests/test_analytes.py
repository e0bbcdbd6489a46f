"""Laboratory tests by name, where no LOINC code says what they are."""

from __future__ import annotations

import pytest

from cds_service.terminology import Terminology
from cds_service.terminology.analytes import analyte
from cds_service.terminology.requests import asked_for


@pytest.mark.parametrize(
    ("name", "value_set"),
    [
        ("25-hydroxyvitamin D", "vitamin-d-25oh"),
        ("25-OH Vitamin D, Total", "vitamin-d-25oh"),
        ("25(OH)D", "vitamin-d-25oh"),
        ("Vitamin D, 25-Hydroxy", "vitamin-d-25oh"),
        ("VITAMIN D 25 HYDROXY", "vitamin-d-25oh"),
        ("25-hydroxyvitamin D3", "vitamin-d-25oh-d3"),
        ("25-OH-Vitamin D2", "vitamin-d-25oh-d2"),
        ("Calcium", "calcium-total"),
        ("Calcium, Serum", "calcium-total"),
        ("Calcium, ionized", "calcium-ionised"),
        ("Ionised calcium", "calcium-ionised"),
        ("Adjusted calcium", "calcium-corrected"),
        ("Albumin", "albumin"),
        ("Dietary calcium intake", "dietary-calcium"),
        ("PTH, intact", "pth"),
        ("Parathyroid hormone (intact)", "pth"),
        ("iPTH", "pth"),
    ],
)
def test_an_ordinary_name_is_understood(name: str, value_set: str) -> None:
    assert analyte(name) == value_set
    assert value_set in Terminology.load().value_sets


@pytest.mark.parametrize(
    "name", ["1,25-dihydroxyvitamin D", "1, 25 (OH)2 Vitamin D3", "Calcium, urine random", "Calcitriol"]
)
def test_a_test_of_something_else_is_told_apart(name: str) -> None:
    assert analyte(name) == ""


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Vitamin D",
        "Haemoglobin",
        "Calcium channel antibody",
        "Albumin/creatinine",
        "PTH related peptide",
        "Parathyroid hormone-related protein",
        "PTH, bio-intact",
    ],
)
def test_a_name_that_says_too_little_is_not_guessed(name: str) -> None:
    assert analyte(name) in (None, "")
    assert analyte(name) != "vitamin-d-25oh"


@pytest.mark.parametrize("name", ["PTH, Intact and Calcium", "Calcium + PTH", "Parathyroid hormone with calcium"])
def test_a_request_for_parathyroid_hormone_that_brings_calcium_along_is_known_to(name: str) -> None:
    assert asked_for((), (name,), Terminology.load().member) == {"pth", "calcium-total"}
