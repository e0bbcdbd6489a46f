"""Feedback, standard and as some EHRs send it."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from cds_service.cdshooks import Coding, parse_feedback
from cds_service.schemas import Invalid

from .protocol import FEEDBACK, client, is_outcome, post

CODING = {"code": "a", "system": "https://example.org", "display": "A"}


def entry(**changes: Any) -> dict[str, Any]:
    base = {"card": "c1", "outcome": "overridden", "outcomeTimestamp": "2026-11-23T01:33:02Z"}
    return {name: value for name, value in {**base, **changes}.items() if value is not None}


ACCEPTED = entry(outcome="accepted", acceptedSuggestions=[{"id": "s1"}])


@pytest.mark.parametrize(
    "feedback",
    [
        pytest.param([ACCEPTED], id="SVC-161"),
        pytest.param([entry()], id="SVC-162"),
        pytest.param([entry(overrideReason={"reason": CODING})], id="SVC-163 reason"),
        pytest.param([entry(overrideReason={"userComment": "no"})], id="SVC-163 comment"),
        pytest.param([entry(overrideReason={"reason": CODING, "userComment": "no"})], id="SVC-163 both"),
        pytest.param([entry(), ACCEPTED, entry()], id="SVC-164"),
        pytest.param([entry(card="nobody-knows-this-card")], id="SVC-170"),
        pytest.param([entry(overrideReason={"reason": {"code": "a"}}, vendor=[1])], id="SVC-174"),
        pytest.param([entry(overrideReasons=[{"reason": CODING}], extension={"x": 1})], id="plural reasons"),
    ],
)
def test_feedback_is_taken(feedback: list[Any]) -> None:
    response = post(client(), FEEDBACK, {"feedback": feedback})
    assert response.status_code == 200
    assert response.get_json()["received"] == len({str(item) for item in feedback})


@pytest.mark.parametrize(
    ("body", "where"),
    [
        pytest.param({"feedback": [entry(card=None)]}, "feedback[0].card", id="SVC-165 card"),
        pytest.param({"feedback": [entry(), entry(outcome=None)]}, "feedback[1].outcome", id="SVC-165 outcome"),
        pytest.param({"feedback": [entry(outcomeTimestamp=None)]}, "feedback[0].outcomeTimestamp", id="SVC-165 time"),
        pytest.param({"feedback": [entry(outcome="ignored")]}, "feedback[0].outcome", id="SVC-166"),
        pytest.param({"feedback": [entry(outcome="accepted")]}, "feedback[0].acceptedSuggestions", id="SVC-167"),
        pytest.param(
            {"feedback": [entry(outcome="accepted", acceptedSuggestions=[])]},
            "feedback[0].acceptedSuggestions",
            id="SVC-167 empty",
        ),
        pytest.param({"feedback": [entry(overrideReason={})]}, "feedback[0].overrideReason", id="SVC-168"),
        pytest.param({}, "feedback", id="SVC-169 absent"),
        pytest.param({"feedback": {}}, "feedback", id="SVC-169 object"),
        pytest.param({"feedback": [entry(outcomeTimestamp="yesterday")]}, "feedback[0].outcomeTimestamp", id="SVC-171"),
    ],
)
def test_feedback_without_meaning_is_refused_and_says_where(body: dict[str, Any], where: str) -> None:
    response = post(client(), FEEDBACK, body)
    assert response.status_code == 400
    assert is_outcome(response, "yesterday", "ignored")
    assert response.get_json()["issue"][0]["expression"] == [where]


def test_malformed_feedback_is_400() -> None:
    """SVC-169."""
    assert client().post(FEEDBACK, data=b'{"feedback": [', content_type="application/json").status_code == 400


def test_feedback_for_an_unknown_service_is_404() -> None:
    """SVC-172."""
    assert post(client(), "/cds-services/nope/feedback", {"feedback": [ACCEPTED]}).status_code == 404


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-23T01:33:02Z",
        "2026-11-23T01:33:02.0Z",
        "2026-11-23T01:33:02.000000000Z",
        "2026-11-23T02:33:02+01:00",
        "2026-11-22T20:33:02-05:00",
    ],
)
def test_fractions_and_offsets_name_the_same_moment(text: str) -> None:
    """SVC-171, CLI-028."""
    (read,) = parse_feedback({"feedback": [entry(outcomeTimestamp=text)]})
    assert read.timestamp == datetime.datetime(2026, 11, 23, 1, 33, 2, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    "text",
    ["2026-11-23", "2026-11-23T01:33:02", "2026-13-23T01:33:02Z", "0001-01-01T00:00:00+10:00", "0000-01-01T00:00:00Z"],
)
def test_a_time_that_names_no_moment_is_refused(text: str) -> None:
    """SVC-171."""
    with pytest.raises(Invalid):
        parse_feedback({"feedback": [entry(outcomeTimestamp=text)]})


def test_a_repeated_entry_counts_once() -> None:
    """SVC-164."""
    assert len(parse_feedback({"feedback": [ACCEPTED, ACCEPTED, entry()]})) == 2


@pytest.mark.parametrize(
    "given",
    [
        {"overrideReason": {"reason": CODING, "userComment": "no"}},
        {"overrideReasons": [{"reason": CODING, "userComment": "no"}]},
        {"overrideReasons": {"reason": CODING, "userComment": "no"}},
        {"overrideReasons": [{**CODING, "userComment": "no"}]},
    ],
)
def test_reasons_in_the_singular_and_the_plural_are_read_alike(given: dict[str, Any]) -> None:
    (read,) = parse_feedback({"feedback": [entry(**given)]})
    assert (read.reasons, read.comment) == ((Coding("a", "https://example.org", "A"),), "no")
    assert "no" not in repr(read).replace("None", "")
