"""Findings into cards: what is told together, in which order, and what is never dropped."""

from __future__ import annotations

import dataclasses
import datetime
from decimal import Decimal
from typing import Any

import pytest

from cds_service import fhir, schemas
from cds_service.cards import FINDINGS, REPEAT_KEY, Composer
from cds_service.composition import Told
from cds_service.facts.orders import Order
from cds_service.facts.serum_calcium import SerumCalcium
from cds_service.fhir.elements import MedicationRecord
from cds_service.fhir.resource import Resource
from cds_service.manifest import load_catalogue
from cds_service.rules.rule import Finding, Gap
from cds_service.suggestions import Session
from cds_service.terminology.products import Product

CATALOGUE = load_catalogue()
COMPOSER: Composer = CATALOGUE.composer
R4: Any = fhir.version("4.0.1")
SESSION = Session("p1", "Practitioner/dr", datetime.date(2026, 3, 18), R4)


CALCIUM = SerumCalcium(Decimal("13.0"), "mass", "", "uncorrected", datetime.date(2026, 3, 17), 1, ("Observation/1",))


def order(id_: str, drug: str) -> Order:
    raw = {"resourceType": "MedicationRequest", "id": id_}
    record = MedicationRecord(f"MedicationRequest/{id_}", "MedicationRequest", id_)
    return Order(record, Product(drug, (drug,)), Resource(raw, R4), session=True, trigger=True)


def told(outcome: str, *orders: Order, case: str = "", **values: Any) -> Told:
    in_service = next(r for r in CATALOGUE.entries[0].rules if r.rule.id == "iv-bisphosphonate-vitamin-d")
    finding = Finding(outcome, orders, {"target": "30 ng/mL", "obstacles": None, **values}, case)
    return Told(in_service.rule, in_service.knowledge, in_service.parameters(SESSION.today), finding)


def test_two_drafts_of_one_class_with_one_conclusion_are_one_card_naming_both() -> None:
    cards = COMPOSER.cards(
        [told("unknown", order("a", "zoledronic acid")), told("unknown", order("b", "pamidronate"))], SESSION, 6
    )
    assert len(cards) == 1
    assert "zoledronic acid and pamidronate" in cards[0].summary
    assert [entry["orderId"] for entry in cards[0].extension[FINDINGS]] == ["a", "b"]


def test_the_loudest_card_comes_first() -> None:
    quiet = told("data-unavailable", order("a", "zoledronic acid"), case="hypercalcaemia-no-level", calcium=CALCIUM)
    loud = told("unknown", order("b", "pamidronate"))
    assert [card.indicator for card in COMPOSER.cards([quiet, loud], SESSION, 6)] == ["warning", "info"]


def many(indicator_of: str, number: int) -> list[Told]:
    """So many findings that nothing joins, each of its own rule."""
    one = told(indicator_of, order("a", "zoledronic acid"), case="hypercalcaemia-no-level", calcium=CALCIUM)
    return [dataclasses.replace(one, rule=dataclasses.replace(one.rule, id=f"rule-{n}")) for n in range(number)]


@pytest.mark.parametrize(("number", "cards"), [(6, 6), (7, 6), (20, 6)])
def test_what_is_too_much_is_told_in_one_card_of_further_notes(number: int, cards: int) -> None:
    made = COMPOSER.cards(many("data-unavailable", number), SESSION, 6)
    assert len(made) == cards
    assert sum(len(card.extension[FINDINGS]) for card in made) == number
    schemas.check({"cards": [card.to_json() for card in made]}, "response")


def test_warnings_are_never_dropped_however_many_there_are() -> None:
    one = told("unknown", order("a", "zoledronic acid"))
    loud = [dataclasses.replace(one, rule=dataclasses.replace(one.rule, id=f"rule-{n}")) for n in range(9)]
    made = COMPOSER.cards([*loud, *many("data-unavailable", 3)], SESSION, 6)
    assert sum(card.indicator == "warning" for card in made) == 9
    assert sum(card.indicator == "info" for card in made) == 1


def test_the_repeat_key_is_the_same_for_the_same_conclusion_and_another_for_another_patient() -> None:
    def key(session: Session) -> str:
        found: str = COMPOSER.cards([told("unknown", order("a", "zoledronic acid"))], session, 6)[0].extension[
            REPEAT_KEY
        ]
        return found

    assert key(SESSION) == key(SESSION)
    assert key(SESSION) != key(dataclasses.replace(SESSION, patient_id="p2"))


def test_the_gap_card_names_every_source_once() -> None:
    gaps = [Gap("vitamin-d", "withheld", ""), Gap("vitamin-d", "withheld", "again"), Gap("conditions", "failed", "x")]
    card = COMPOSER.gap_card(gaps, {})
    assert card.detail.count("25(OH)D results") == 1
    assert "problem list" in card.summary.lower()
    assert card.indicator == "info"


def test_a_suggested_order_is_for_the_patient_of_the_context_and_from_its_user() -> None:
    card = COMPOSER.cards([told("unknown", order("a", "zoledronic acid"), test_ordered=False)], SESSION, 6)[0]
    resource = card.suggestions[0].actions[0].resource
    assert resource is not None
    assert resource["subject"] == {"reference": "Patient/p1"}
    assert resource["requester"] == {"reference": "Practitioner/dr"}
    assert resource["status"] == "draft"
    assert not R4.validate(resource)


def test_a_patient_as_user_is_no_requester() -> None:
    session = dataclasses.replace(SESSION, user_id="Patient/p1")
    card = COMPOSER.cards([told("unknown", order("a", "zoledronic acid"), test_ordered=False)], session, 6)[0]
    resource = card.suggestions[0].actions[0].resource
    assert resource is not None
    assert "requester" not in resource


def test_an_order_that_cannot_be_named_is_not_offered_for_deletion() -> None:
    level = type("Level", (), {"both": "", "day": "", "age_days": 1, "severe": False, "other": "", "remarks": ()})()
    card = COMPOSER.cards([told("deficient", order("", "zoledronic acid"), level=level)], SESSION, 6)[0]
    assert all(action.type != "delete" for s in card.suggestions for action in s.actions)
