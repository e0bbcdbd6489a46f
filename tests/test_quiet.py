"""Ordinary orders over ordinary charts, through HTTP: nothing is said, or no more than a note by a rule that may."""

from __future__ import annotations

from collections import Counter

import pytest

from . import ehr as bench
from .quiet import HOOKS, Combination, charts, combinations, drafts


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("combination", combinations(), ids=lambda combination: combination.name)
def test_an_ordinary_order_is_left_in_peace(
    combination: Combination, hook: str, record_property: pytest.RecordProperty
) -> None:
    responses = bench.hospital().call(combination.vignette(hook))
    assert [response.status for response in responses] == [200] * len(responses)
    cards = [card for response in responses for card in response.cards]
    record_property("quiet", "with a note" if cards else "silent")
    said = [f"{card['indicator']}: {card['summary']}" for card in cards]
    assert all(card["indicator"] == "info" for card in cards), said
    assert not cards or combination.rules, said
    # A card without findings tells of something that could not be checked: here everything was sent.
    assert all(bench.findings(card) for card in cards), said
    assert {finding["ruleId"] for card in cards for finding in bench.findings(card)} <= combination.rules, said


def test_the_set_is_large_and_its_names_are_right() -> None:
    table, known, every = drafts(), charts(), combinations()
    assert len(table) >= 70
    assert len(known) >= 12
    assert sum(not combination.rules for combination in every) >= 60
    assert all(draft.silent or draft.info for draft in table)
    assert {combination.chart_name for combination in every} == set(known), "a chart that no order is tried on"
    counted = Counter(combination.name for combination in every)
    assert not [name for name, times in counted.items() if times > 1]
    taken = {text for chart in known.values() for text, _, _ in chart.medications}
    assert {draft.renews for draft in table if draft.renews} <= taken
