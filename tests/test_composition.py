"""What findings have to do with each other: which silence others, which share a card, and that nothing loud is lost."""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cds_service import schemas
from cds_service.cards import FINDINGS, Composer
from cds_service.cdshooks import Card
from cds_service.composition import INDICATORS, Composition, Told
from cds_service.documentation import samples
from cds_service.documentation.register import Register
from cds_service.facts.orders import Order
from cds_service.fhir.elements import MedicationRecord
from cds_service.fhir.resource import Resource
from cds_service.knowledge import Evidence, Knowledge, Parameters, Wording, read_json
from cds_service.manifest import load_catalogue
from cds_service.rules import PHRASES, all_rules
from cds_service.rules.rule import Finding, Rule
from cds_service.suggestions import Session
from cds_service.terminology.products import Product
from cds_service.wording import SUMMARY_LENGTH

CATALOGUE = load_catalogue()
REGISTER = Register.of(CATALOGUE)
SHIPPED = CATALOGUE.composer.composition
DAY = datetime.date(2026, 12, 1)
SESSION = Session("p1", "Practitioner/dr", DAY, CATALOGUE.fhir)

NOTHING: Mapping[str, Any] = {"order": [], "suppress": [], "withhold": [], "merge": [], "notices": SHIPPED.notices}
LOUD = ("warning", "critical")


# -- made-up findings -------------------------------------------------------------------------------------------------


def order(id_: str, drug: str = "") -> Order:
    record = MedicationRecord(f"MedicationRequest/{id_}", "MedicationRequest", id_)
    raw = {"resourceType": "MedicationRequest", "id": id_}
    product = Product(drug or f"drug {id_}", (drug or f"drug {id_}",))
    return Order(record, product, Resource(raw, CATALOGUE.fhir), session=True, trigger=True)


A, B = order("a"), order("b")


def told(
    rule: str,
    outcome: str = "low",
    indicator: str = "warning",
    *,
    about: Sequence[Order] = (A,),
    case: str = "",
    short: str = "",
    suggestions: Iterable[Mapping[str, Any]] = (),
    detail: str = "",
) -> Told:
    """A finding of a rule that exists in this test only, with words that name it."""
    name = f"{rule} {outcome}" + (f" {case}" if case else "")
    wording = Wording(
        indicator=indicator,
        summary=f"Summary of {name}.",
        detail=(detail or f"Detail of {name}.",),
        suggestions=tuple(suggestions),
        override_reasons=("data-wrong",),
        evidence=("book",),
        short=short or f"short of {name}",
    )
    knowledge = Knowledge(
        file=f"{rule}.json",
        id=rule,
        version="1.0.0",
        status="active",
        title=f"Title of {rule}",
        approval_date=DAY,
        last_review_date=DAY,
        next_review_date=None,
        evidence={"book": Evidence("book", "A book", "A book.")},
        parameters={},
        outcomes={outcome: {case: wording}},
    )
    declared = Rule(
        id=rule,
        hooks=("order-sign",),
        about=(),
        requires=(),
        outcomes={outcome: (case,) if case else ()},
        values=frozenset({"order", "drug", "missing"}),
        uses=frozenset(),
        function=lambda facts, parameters: iter(()),
        knowledge_file=samples.FOLDER,
    )
    return Told(declared, knowledge, Parameters({}), Finding(outcome, tuple(about), {}, case))


def merge(*rules: str, per: str = "order", **more: Any) -> dict[str, Any]:
    return {"findings": {rule: ["*"] for rule in rules}, "per": per, "summary": "Before {drug}: {short}.", **more}


def table(**sections: Any) -> Composition:
    return Composition({**NOTHING, **sections})


def composer(composition: Composition) -> Composer:
    made = Composer("https://example.org", "Publisher", read_json(PHRASES, "the phrases"))
    made.composition = composition
    return made


def cards(composition: Composition, *findings: Told, most: int = 6) -> tuple[Card, ...]:
    return composer(composition).cards(findings, SESSION, most)


def on(card: Card) -> list[tuple[str, str]]:
    """The findings of a card: rule and outcome."""
    return [(entry["ruleId"], entry["outcome"]) for entry in card.extension[FINDINGS]]


def rules_on(made: Iterable[Card]) -> list[list[str]]:
    return [[rule for rule, _ in on(card)] for card in made]


TEST_D = {"name": "test-vitamin-d-now"}
TEST_CALCIUM = {"name": "test-calcium-now"}
TEST_CREATININE = {"name": "test-creatinine-now"}
COURSE = {"name": "ergocalciferol-course"}
REMOVE = {"name": "remove-order", "recommended": True}


# -- which silence others ---------------------------------------------------------------------------------------------

HUSH = {"why": "x", "by": {"a": ["low"]}, "drop": {"b": ["gap"]}}


def test_a_finding_that_another_makes_needless_is_not_told() -> None:
    assert rules_on(cards(table(suppress=[HUSH]), told("a"), told("b", "gap", "info"))) == [["a"]]


def test_it_is_told_where_the_other_rule_has_come_to_another_outcome() -> None:
    assert rules_on(cards(table(suppress=[HUSH]), told("a", "high"), told("b", "gap"))) == [["a"], ["b"]]


def test_another_outcome_of_the_silenced_rule_is_told() -> None:
    assert rules_on(cards(table(suppress=[HUSH]), told("a"), told("b", "due"))) == [["a"], ["b"]]


def test_a_star_stands_for_every_outcome() -> None:
    all_of = {"why": "x", "by": {"a": ["*"]}, "drop": {"b": ["*"]}}
    assert rules_on(cards(table(suppress=[all_of]), told("a", "anything"), told("b", "due"), told("b", "gap"))) == [
        ["a"]
    ]


def test_what_is_silenced_itself_silences_nothing_further_down_the_table() -> None:
    chain = [HUSH, {"why": "x", "by": {"b": ["gap"]}, "drop": {"c": ["*"]}}]
    made = cards(table(suppress=chain), told("a"), told("b", "gap"), told("c"))
    assert rules_on(made) == [["a"], ["c"]]


def test_a_rule_may_silence_its_own_lesser_outcomes() -> None:
    own = {"why": "x", "by": {"a": ["low"]}, "drop": {"a": ["near"]}}
    made = cards(table(suppress=[own]), told("a"), told("a", "near"))
    assert [on(card) for card in made] == [[("a", "low")]]


# -- which share a card -----------------------------------------------------------------------------------------------


def test_findings_of_a_merge_share_a_card_that_names_each_in_a_few_words() -> None:
    made = cards(table(merge=[merge("a", "b")]), told("a", short="no calcium"), told("b", short="no creatinine"))
    assert [card.summary for card in made] == ["Before drug a: no calcium; no creatinine."]
    assert "Detail of a low." in made[0].detail
    assert "Detail of b low." in made[0].detail


def test_a_merge_per_order_makes_a_card_for_each_order() -> None:
    findings = [told(rule, about=(of,)) for of in (A, B) for rule in ("a", "b")]
    made = cards(table(merge=[merge("a", "b")]), *findings)
    assert rules_on(made) == [["a", "b"], ["a", "b"]]
    assert [card.summary.split(":")[0] for card in made] == ["Before drug a", "Before drug b"]


def test_a_merge_per_session_makes_one_card_for_all_orders() -> None:
    findings = [told(rule, about=(of,)) for of in (A, B) for rule in ("a", "b")]
    made = cards(table(merge=[merge("a", "b", per="session", summary="Together: {short}.")]), *findings)
    assert rules_on(made) == [["a", "b", "a", "b"]]
    assert made[0].summary == "Together: short of a low; short of b low."


def test_one_conclusion_alone_is_told_in_its_own_words_though_a_merge_names_it() -> None:
    made = cards(table(merge=[merge("a", "b")]), told("a", about=(A,)), told("a", about=(B,)))
    assert [card.summary for card in made] == ["Summary of a low."]


def test_one_conclusion_about_two_orders_is_one_card_without_any_merge() -> None:
    made = cards(table(), told("a", about=(A,)), told("a", about=(B,)))
    assert rules_on(made) == [["a", "a"]]


def test_two_cases_of_one_outcome_are_two_conclusions() -> None:
    assert len(cards(table(), told("a"), told("a", case="quiet", indicator="info"))) == 2


def test_a_merge_that_needs_a_rule_waits_until_that_rule_has_spoken() -> None:
    needing = table(merge=[merge("a", "b", "c", needs="c")])
    assert rules_on(cards(needing, told("a"), told("b"))) == [["a"], ["b"]]
    assert rules_on(cards(needing, told("a"), told("b"), told("c"))) == [["a", "b", "c"]]


def test_the_rule_a_merge_needs_must_have_spoken_of_the_same_order() -> None:
    needing = table(merge=[merge("a", "b", "c", needs="c")])
    made = cards(needing, told("a", about=(A,)), told("b", about=(A,)), told("c", about=(B,)))
    assert rules_on(made) == [["a"], ["b"], ["c"]]


def test_a_merge_of_one_indicator_leaves_louder_findings_alone() -> None:
    quiet = table(merge=[merge("a", "b", "c", per="session", indicator="info")])
    made = cards(quiet, told("a", indicator="info"), told("b", indicator="info"), told("c", indicator="warning"))
    assert rules_on(made) == [["c"], ["a", "b"]]


def test_a_case_that_stays_apart_keeps_its_own_words() -> None:
    apart = table(merge=[merge("a", "b", "c", apart={"a": ["emergency"]})])
    made = cards(apart, told("a", case="emergency", indicator="info"), told("b"), told("c"))
    assert rules_on(made) == [["b", "c"], ["a"]]
    assert made[1].summary == "Summary of a low emergency."


def test_the_first_merge_that_fits_is_taken() -> None:
    both = table(merge=[merge("a", "b", summary="First: {short}."), merge("b", "c", summary="Second: {short}.")])
    made = cards(both, told("a"), told("b"), told("c"))
    assert rules_on(made) == [["a", "b"], ["c"]]
    assert made[0].summary.startswith("First")
    assert made[1].summary == "Summary of c low."


def test_a_card_is_worded_by_the_merge_that_made_it_and_not_by_one_that_only_could_have() -> None:
    waiting = merge("a", "b", "c", needs="c", summary="Waiting: {short}.")
    made = cards(table(merge=[waiting, merge("a", "b", summary="Made: {short}.")]), told("a"), told("b"))
    assert made[0].summary == "Made: short of a low; short of b low."


def test_a_merged_card_is_as_loud_as_its_loudest_finding_which_leads_it() -> None:
    made = cards(table(merge=[merge("a", "b")]), told("a", indicator="info"), told("b", indicator="critical"))
    assert (made[0].indicator, on(made[0])[0]) == ("critical", ("b", "low"))
    assert made[0].summary == "Before drug a: short of b low; short of a low."


def test_of_one_loudness_the_order_of_the_table_counts() -> None:
    ordered = table(order=["b", "a"])
    assert rules_on(cards(ordered, told("a"), told("c"), told("b"))) == [["b"], ["a"], ["c"]]


def test_the_same_few_words_are_said_once() -> None:
    made = cards(table(merge=[merge("a", "b")]), told("a", short="no result"), told("b", short="no result"))
    assert made[0].summary == "Before drug a: no result."


def test_what_does_not_fit_into_the_summary_is_counted() -> None:
    wordy = [told(rule, short=f"{rule} {'x' * 50}") for rule in "abcd"]
    made = cards(table(merge=[merge(*"abcd")]), *wordy)
    assert made[0].summary == f"Before drug a: a {'x' * 50}; b {'x' * 50}; 2 more."
    assert len(made[0].summary) <= SUMMARY_LENGTH
    assert len(on(made[0])) == 4


def test_the_loudest_is_named_where_only_one_fits() -> None:
    wordy = [told("a", indicator="info", short="a" * 90), told("b", indicator="critical", short="b" * 90)]
    made = cards(table(merge=[merge("a", "b")]), *wordy)
    assert made[0].summary == f"Before drug a: {'b' * 90}; 1 more."


def test_a_long_name_of_a_drug_does_not_push_out_what_is_found() -> None:
    long = order("l", "an intravenous preparation " * 8)
    made = cards(table(merge=[merge("a", "b")]), told("a", about=(long,)), told("b", about=(long,)))
    assert "short of a low; short of b low" in made[0].summary
    assert len(made[0].summary) <= SUMMARY_LENGTH


def test_broken_words_of_one_finding_cost_the_others_on_its_card_nothing() -> None:
    broken = told("b", indicator="critical", detail="{missing}")
    made = cards(table(merge=[merge("a", "b", "c")]), told("a"), broken, told("c", indicator="info"))
    assert [(card.indicator, on(card)) for card in made] == [
        ("critical", [("b", "failed")]),
        ("warning", [("a", "low")]),
        ("info", [("c", "low")]),
    ]
    assert "Title of b could not be evaluated" in made[0].summary


# -- what is offered --------------------------------------------------------------------------------------------------


def offered(card: Card) -> list[list[str]]:
    """What each suggestion does: delete, or the code of the order it creates."""
    return [[_does(action) for action in suggestion.actions] for suggestion in card.suggestions]


def _does(action: Any) -> str:
    resource = action.resource or {}
    concept = resource.get("code") or resource.get("medicationCodeableConcept") or {}
    return action.type if action.type == "delete" else str(concept["coding"][0]["code"])


D, CALCIUM, ALBUMIN, CREATININE, ERGOCALCIFEROL = "62292-8", "17861-6", "1751-7", "2160-0", "1367410"


def test_the_tests_that_merged_findings_offer_become_one_suggestion() -> None:
    tests = merge("a", "b", "c", tests="Order now: {tests}")
    made = cards(
        table(merge=[tests]),
        told("a", suggestions=[TEST_D]),
        told("b", suggestions=[TEST_CALCIUM]),
        told("c", suggestions=[TEST_CREATININE]),
    )
    assert offered(made[0]) == [[D, CALCIUM, ALBUMIN, CREATININE]]
    assert made[0].suggestions[0].label == "Order now: 25-hydroxyvitamin D, total, calcium, albumin, creatinine"


def test_a_test_that_two_findings_offer_is_ordered_once() -> None:
    tests = merge("a", "b", tests="Order now: {tests}")
    made = cards(table(merge=[tests]), told("a", suggestions=[TEST_D]), told("b", suggestions=[TEST_CALCIUM, TEST_D]))
    assert sorted(offered(made[0])[0]) == sorted([D, CALCIUM, ALBUMIN])


def test_the_leading_findings_other_offers_stand_beside_the_united_tests() -> None:
    tests = merge("a", "b", tests="Order now: {tests}")
    lead = told("a", indicator="critical", suggestions=[REMOVE, TEST_D])
    made = cards(table(merge=[tests]), lead, told("b", suggestions=[TEST_CALCIUM]))
    assert offered(made[0]) == [["delete"], [D, CALCIUM, ALBUMIN]]
    assert [suggestion.is_recommended for suggestion in made[0].suggestions] == [True, False]


def test_a_test_already_in_the_session_is_not_offered_again() -> None:
    tests = merge("a", "b", tests="Order now: {tests}")
    ordered = Session("p1", "", DAY, CATALOGUE.fhir, frozenset({"vitamin-d-25oh", "calcium-total", "albumin"}))
    made = composer(table(merge=[tests])).cards(
        [told("a", suggestions=[TEST_D]), told("b", suggestions=[TEST_CALCIUM])], ordered, 6
    )
    assert made[0].suggestions == ()
    assert made[0].selection_behavior == ""


def test_a_merge_that_unites_no_tests_offers_what_the_leading_finding_offers() -> None:
    made = cards(
        table(merge=[merge("a", "b")]),
        told("a", indicator="critical", suggestions=[REMOVE]),
        told("b", suggestions=[TEST_D]),
    )
    assert offered(made[0]) == [["delete"]]


def test_an_offer_that_another_finding_forbids_is_withheld_from_every_card() -> None:
    forbids = {"why": "x", "by": {"b": ["high"]}, "offers": ["vitamin-d"]}
    made = cards(
        table(withhold=[forbids]), told("a", suggestions=[COURSE, TEST_D]), told("b", "high", suggestions=[COURSE])
    )
    assert [offered(card) for card in made] == [[[D]], []]


def test_it_is_offered_where_the_forbidding_finding_is_not_there() -> None:
    forbids = {"why": "x", "by": {"b": ["high"]}, "offers": ["vitamin-d"]}
    made = cards(table(withhold=[forbids]), told("a", suggestions=[COURSE]), told("b", "low"))
    assert offered(made[0]) == [[ERGOCALCIFEROL, D]]


def test_a_finding_that_is_silenced_forbids_nothing() -> None:
    forbids = {"why": "x", "by": {"b": ["gap"]}, "offers": ["vitamin-d"]}
    made = cards(table(suppress=[HUSH], withhold=[forbids]), told("a", suggestions=[COURSE]), told("b", "gap"))
    assert offered(made[0]) == [[ERGOCALCIFEROL, D]]


# -- how many there may be --------------------------------------------------------------------------------------------


def test_too_many_notes_become_one_and_keep_their_words() -> None:
    made = cards(table(), *(told(f"r{n}", indicator="info") for n in range(9)), most=3)
    assert len(made) == 3
    assert made[-1].summary == "Further notes on bone health (7)."
    assert all(f"Detail of r{n} low." in made[-1].detail for n in range(2, 9))
    assert len(on(made[-1])) == 7


def test_loud_cards_are_all_told_though_they_are_too_many() -> None:
    loud = [told(f"r{n}", indicator="warning") for n in range(5)]
    made = cards(table(), *loud, told("quiet", indicator="info"), most=2)
    assert [card.indicator for card in made] == ["warning"] * 5 + ["info"]


# -- nothing loud is ever lost ----------------------------------------------------------------------------------------


@cache
def existing() -> tuple[Told, ...]:
    """Findings of the rules there are, one for each outcome and case, as recorded for the sample cards."""
    return tuple(
        samples.told(entry, sample)
        for rule, entry in REGISTER.rules.items()
        for sample in samples.samples(rule, CATALOGUE.fhir)
    )


def named_in_the_table() -> list[tuple[str, str]]:
    """Every rule and outcome that the shipped table speaks of, whether or not the rule exists yet."""
    found = {(rule, "anything") for rule in SHIPPED.order}
    for _, rule, outcomes in SHIPPED.named():
        found |= {(rule, outcome if outcome != "*" else "anything") for outcome in outcomes}
    return sorted(found)


ORDERS = (A, B, order("c"))
OFFERS = (TEST_D, TEST_CALCIUM, TEST_CREATININE, COURSE, REMOVE)

made_up = st.builds(
    lambda which, indicator, about, offers, case: told(
        *which, indicator, about=(about,), suggestions=offers, case=case, detail=f"{which} {case} of {about.record.id}"
    ),
    st.sampled_from(named_in_the_table()),
    st.sampled_from(INDICATORS),
    st.sampled_from(ORDERS),
    st.lists(st.sampled_from(OFFERS), max_size=2, unique_by=lambda offer: str(offer["name"])),
    st.sampled_from(["made-up", "made-up-too"]),
)
ANY = st.lists(st.one_of(made_up, st.deferred(lambda: st.sampled_from(existing()))), max_size=14, unique_by=id)


def conclusion(one: Told) -> tuple[str, str, str]:
    return one.rule.id, one.finding.outcome, one.indicator


def entries(made: Iterable[Card]) -> list[tuple[str, str, str]]:
    return [(e["ruleId"], e["outcome"], e["indicator"]) for card in made for e in card.extension[FINDINGS]]


@settings(deadline=None)
@given(findings=ANY, most=st.integers(1, 6))
def test_every_finding_that_is_not_silenced_is_told_once_for_each_of_its_orders(
    findings: list[Told], most: int
) -> None:
    made = cards(SHIPPED, *findings, most=most)
    expected = [conclusion(one) for one in SHIPPED.spoken(findings) for _ in one.finding.about]
    assert sorted(entries(made)) == sorted(expected)


@settings(deadline=None)
@given(findings=ANY, most=st.integers(1, 6))
def test_every_loud_finding_is_told_on_a_card_at_least_as_loud_with_its_words(findings: list[Told], most: int) -> None:
    made = cards(SHIPPED, *findings, most=most)
    for one in SHIPPED.spoken(findings):
        if one.indicator in LOUD:
            carriers = [card for card in made if conclusion(one) in entries([card])]
            assert carriers
            assert all(INDICATORS.index(c.indicator) >= INDICATORS.index(one.indicator) for c in carriers)
            assert not any(card.summary.startswith("Further notes") for card in carriers)
            if isinstance(line := one.wording.detail[0], str) and "{" not in line:
                assert any(line in card.detail for card in carriers)


@settings(deadline=None)
@given(findings=ANY, most=st.integers(1, 6))
def test_cards_come_loudest_first_and_are_no_more_than_allowed_but_for_loud_ones(
    findings: list[Told], most: int
) -> None:
    made = cards(SHIPPED, *findings, most=most)
    loudness = [INDICATORS.index(card.indicator) for card in made]
    assert loudness == sorted(loudness, reverse=True)
    loud = sum(card.indicator in LOUD for card in made)
    assert len(made) <= max(most, loud + 1)
    schemas.check({"cards": [card.to_json() for card in made]}, "response")


@settings(deadline=None)
@given(findings=ANY)
def test_no_card_offers_what_a_finding_forbids_or_orders_a_test_twice(findings: list[Told]) -> None:
    withheld = SHIPPED.withheld_offers(SHIPPED.spoken(findings))
    for card in cards(SHIPPED, *findings):
        does = offered(card)
        if "vitamin-d" in withheld:
            assert not any(ERGOCALCIFEROL in actions for actions in does)
        assert all(len(actions) == len(set(actions)) or "delete" in actions for actions in does)
        assert sum(suggestion.is_recommended for suggestion in card.suggestions) <= 1


@settings(deadline=None)
@given(findings=st.lists(made_up, max_size=6), turn=st.randoms(use_true_random=False))
def test_the_order_in_which_rules_speak_does_not_change_what_shares_a_card(findings: list[Told], turn: Any) -> None:
    turned = list(findings)
    turn.shuffle(turned)
    one, other = ({frozenset(map(id, g.told)) for g in SHIPPED.groups(f)} for f in (findings, turned))
    assert one == other


# -- the table as shipped ---------------------------------------------------------------------------------------------


def test_the_shipped_table_names_what_exists_and_what_is_merged_has_short_words() -> None:
    assert not list(SHIPPED.problems(all_rules(), CATALOGUE.knowledge))


def test_every_rule_has_its_place_in_the_order() -> None:
    assert set(all_rules()) <= set(SHIPPED.order)
    assert len(set(SHIPPED.order)) == len(SHIPPED.order)


def loudness(rule: str, outcomes: Sequence[str]) -> list[int]:
    """How loud the wordings of these outcomes are, with the shipped values."""
    known = CATALOGUE.knowledge.get(rule)
    if known is None:
        return []
    values = known.values_on(DAY)
    chosen = known.outcomes if "*" in outcomes else [outcome for outcome in outcomes if outcome in known.outcomes]
    wordings = itertools.chain.from_iterable(known.outcomes[outcome].values() for outcome in chosen)
    return [INDICATORS.index(w.indicator or str(values[w.indicator_parameter])) for w in wordings]


def test_no_rule_silences_what_another_says_more_loudly() -> None:
    for by, drop, why in SHIPPED.silences():
        for rule, outcomes in drop.items():
            dropped = loudness(rule, outcomes)
            for silencer, reached in by.items():
                if silencer != rule and dropped and loudness(silencer, reached):
                    assert max(dropped) <= min(loudness(silencer, reached)), (silencer, rule, why)


@pytest.mark.parametrize("indicator", INDICATORS)
def test_the_infusions_missing_results_are_one_card_with_one_set_of_tests(indicator: str) -> None:
    missing = [
        told("iv-bisphosphonate-vitamin-d", "unknown", indicator, short="no 25(OH)D", suggestions=[TEST_D]),
        told("iv-bisphosphonate-hypocalcaemia", "unknown", indicator, short="no calcium", suggestions=[TEST_CALCIUM]),
        told("iv-bisphosphonate-renal", "unknown", indicator, short="no creatinine", suggestions=[TEST_CREATININE]),
    ]
    made = cards(SHIPPED, *missing)
    assert [card.summary for card in made] == ["Before drug a: no calcium; no 25(OH)D; no creatinine."]
    assert [sorted(actions) for actions in offered(made[0])] == [sorted([D, CALCIUM, ALBUMIN, CREATININE])]


def test_a_measured_danger_before_an_infusion_has_a_card_of_its_own_beside_what_is_missing() -> None:
    made = cards(
        SHIPPED,
        told("iv-bisphosphonate-vitamin-d", "deficient", "critical"),
        told("iv-bisphosphonate-hypocalcaemia", "unknown"),
        told("iv-bisphosphonate-renal", "unknown"),
    )
    assert [len(on(card)) for card in made] == [1, 2]
