"""The test bench itself: relative dates, the search that answers prefetch, and the dresses."""

from __future__ import annotations

import copy
import datetime
import json
from pathlib import Path
from typing import Any

import pytest

from . import dresses, vignettes
from .dresses import DRESSES
from .ehr import BASE, Dress, TemplateError, request, search
from .vignettes import NOW, ZONE, VignetteError, expand, load, moment, name_of, paths

CONTEXT = {"patientId": "p1"}
LEVEL = ("http://loinc.org", "62292-8")


def level(identifier: str, day: str | None, patient: str = "p1", code: tuple[str, str] = LEVEL) -> dict[str, Any]:
    dated = {"effectiveDateTime": day} if day else {}
    return {
        "resourceType": "Observation",
        "id": identifier,
        "status": "final",
        "code": {"coding": [{"system": code[0], "code": code[1]}]},
        "subject": {"reference": f"Patient/{patient}"},
        **dated,
    }


def found(template: str, *chart: dict[str, Any]) -> list[str]:
    bundle = search(template, chart, CONTEXT)
    assert bundle is not None
    return [entry["resource"]["id"] for entry in bundle.get("entry", [])]


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("{T}", "2027-03-17"),
        ("{T-30d}", "2027-02-15"),
        ("{T-8w}", "2027-01-20"),
        ("{T-3mo}", "2026-12-17"),
        ("{T-71y}", "1956-03-17"),
        ("{T-19y+1d}", "2008-03-18"),
        ("{T-1y-5d}", "2026-03-12"),
        ("{T-30d@08:00}", "2027-02-15T08:00:00-03:30"),
        ("{T@08:00}", "2027-03-17T08:00:00-02:30"),
        ("{T-1d@23:00Z}", "2027-03-17T01:30:00Z"),
        ("{T+6h}", "2027-03-18T04:10:00-02:30"),
        ("{T-90min}", "2027-03-17T20:40:00-02:30"),
    ],
)
def test_a_relative_date_is_counted_from_the_day_of_the_site(text: str, written: str) -> None:
    assert moment(text, NOW) == written


def test_a_year_back_from_a_leap_day_ends_on_the_last_of_february() -> None:
    leap_day = datetime.datetime(2028, 2, 29, 12, tzinfo=ZONE)
    assert moment("{T-1y}", leap_day) == "2027-02-28"
    assert moment("{T+1mo}", leap_day.replace(month=1, day=31)) == "2028-02-29"


def test_hours_are_counted_across_the_change_to_summer_time() -> None:
    night = datetime.datetime(2027, 3, 14, 1, 0, tzinfo=ZONE)
    assert moment("{T+2h}", night) == "2027-03-14T04:00:00-02:30"


@pytest.mark.parametrize("text", ["{T-30}", "{T-30D}", "{T 30d}", "{T-1h@08:00}", "{T@8:00}", "{T-}"])
def test_what_only_looks_like_a_relative_date_is_an_error(text: str) -> None:
    with pytest.raises(VignetteError, match="T"):
        moment(text, NOW)


def test_dates_are_filled_in_wherever_they_stand_in_a_text() -> None:
    assert expand({"a": ["on {T-1d}, again on {T}", 3]}, NOW) == {"a": ["on 2027-03-16, again on 2027-03-17", 3]}


def test_a_day_in_utc_is_not_the_day_of_the_site() -> None:
    assert NOW.astimezone(datetime.UTC).date() != NOW.date()


def test_a_key_written_twice_in_a_vignette_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "twice.json"
    file.write_text('{"title": "a", "title": "b"}', encoding="utf-8")
    with pytest.raises(VignetteError, match="'title' is there twice"):
        vignettes.read(file, NOW)


def test_a_chart_that_is_not_there_is_named(tmp_path: Path) -> None:
    file = tmp_path / "lost.json"
    case = {"title": "t", "why": "w", "hook": "order-sign", "chart": "charts/nobody.json", "orders": []}
    file.write_text(json.dumps({**case, "expect": {"findings": [], "silent": []}}), encoding="utf-8")
    with pytest.raises(VignetteError, match=r"charts/nobody\.json"):
        load(file)


def test_a_search_finds_the_patients_own_resources_of_that_code() -> None:
    other_code = level("c", "2027-01-01", code=("http://loinc.org", "2160-0"))
    chart = [level("a", "2027-01-01"), level("b", "2027-01-01", "p2"), other_code]
    template = "Observation?patient={{context.patientId}}&code=http://loinc.org|62292-8,http://loinc.org|1989-3"
    assert found(template, *chart) == ["a"]


def test_a_search_sorts_the_newest_first_and_the_undated_last() -> None:
    chart = [level("old", "2026-01-01"), level("undated", None), level("new", "2027-01-01")]
    assert found("Observation?patient={{context.patientId}}&_sort=-date", *chart) == ["new", "old", "undated"]


def test_a_page_that_leaves_something_out_says_where_it_goes_on() -> None:
    chart = [level("old", "2026-01-01"), level("new", "2027-01-01")]
    bundle = search("Observation?patient={{context.patientId}}&_sort=-date&_count=1", chart, CONTEXT)
    assert bundle is not None
    assert bundle["total"] == 2
    assert [link["relation"] for link in bundle["link"]] == ["next"]
    assert [entry["resource"]["id"] for entry in bundle["entry"]] == ["new"]


def test_a_search_without_a_result_is_an_empty_searchset() -> None:
    bundle = search("Observation?patient={{context.patientId}}", [], CONTEXT)
    assert bundle == {"resourceType": "Bundle", "type": "searchset", "total": 0}


def test_a_medication_comes_only_where_it_is_included() -> None:
    order = {
        "resourceType": "MedicationRequest",
        "id": "o1",
        "status": "active",
        "medicationReference": {"reference": "Medication/m1"},
        "subject": {"reference": "Patient/p1"},
    }
    chart: list[dict[str, Any]] = [
        order,
        {"resourceType": "Medication", "id": "m1"},
        {"resourceType": "Medication", "id": "m2"},
    ]
    plain = "MedicationRequest?patient={{context.patientId}}&status=active"
    assert found(plain, *chart) == ["o1"]
    assert found(f"{plain}&_include=MedicationRequest:medication", *chart) == ["o1", "m1"]
    assert found("MedicationRequest?patient={{context.patientId}}&status=stopped", *chart) == []


def test_a_read_finds_the_resource_or_nothing() -> None:
    patient = {"resourceType": "Patient", "id": "p1"}
    assert search("Patient/{{context.patientId}}", [patient], CONTEXT) == patient
    assert search("Patient/{{context.patientId}}", [], CONTEXT) is None


@pytest.mark.parametrize(
    "template",
    [
        "Observation?code=http://loinc.org|62292-8",
        "Observation?patient={{context.patientId}}&category=laboratory",
        "Observation?patient={{context.patientId}}&code=62292-8",
        "Observation?patient={{context.patientId}}&code:in=http://example.org/vs",
        "Observation?patient={{context.patientId}}&date=ge2026-01-01&date=le2027-01-01",
        "Observation?patient={{context.patientId}}&_sort=date",
        "Observation?patient={{context.patientId}}&_count=all",
        "Observation?patient={{context.patientId}}&_include=MedicationRequest:medication",
        "Observation?patient={{context.draftOrders}}",
        "Observation?patient={{today()}}",
        "MedicationRequest?patient={{context.patientId}}&_sort=-date",
        "Patient/{{context.patientId}}?_elements=birthDate",
        "Device?patient={{context.patientId}}",
    ],
)
def test_a_template_beyond_what_every_client_understands_is_an_error(template: str) -> None:
    with pytest.raises(TemplateError):
        search(template, [], {**CONTEXT, "draftOrders": {}})


SERVICE = {
    "id": "any",
    "prefetch": {
        "patient": "Patient/{{context.patientId}}",
        "medications": "MedicationRequest?patient={{context.patientId}}&_include=MedicationRequest:medication",
        "results": "Observation?patient={{context.patientId}}",
        "conditions": "Condition?patient={{context.patientId}}",
    },
}


def requests() -> list[dict[str, Any]]:
    return [request(SERVICE, load(path)) for path in paths()]


@pytest.mark.parametrize("dress", DRESSES, ids=lambda dress: dress.__name__)
def test_a_dress_leaves_the_request_it_was_given_as_it_was(dress: Dress) -> None:
    for given in requests():
        kept = copy.deepcopy(given)
        dress(given)
        assert given == kept


def test_every_dress_but_the_plain_one_changes_something() -> None:
    for given in requests():
        assert dresses.plain(given) == given
        assert dresses.epic(given) != given
        assert dresses.sandbox(given) != given
    assert any(dresses.late_coding(given) != given for given in requests())


def test_epic_says_one_dose_three_times_and_names_the_drug_by_reference() -> None:
    path = next(p for p in paths() if name_of(p) == "calcium-total-daily/exactly-2000-mg-elemental")
    entries = dresses.epic(request(SERVICE, load(path)))["context"]["draftOrders"]["entry"]
    order, medication = (entry["resource"] for entry in entries)
    assert order["medicationReference"]["reference"] == f"Medication/{medication['id']}"
    assert "medicationCodeableConcept" not in order
    amounts = order["dosageInstruction"][0]["doseAndRate"]
    assert [amount["type"]["text"] for amount in amounts] == ["calculated", "admin-amount", "ordered"]
    assert len({json.dumps(amount["doseQuantity"]) for amount in amounts}) == 1
    assert order["subject"]["reference"] == f"{dresses.EPIC_BASE}/Patient/pat-1"
    assert isinstance(order["category"], dict)


def test_epic_writes_a_day_as_an_instant_of_the_same_day_at_the_site() -> None:
    for given in requests():
        dressed = dresses.epic(given)["prefetch"]["results"]
        before = [e["resource"].get("effectiveDateTime") for e in given["prefetch"]["results"].get("entry", [])]
        after = [e["resource"].get("effectiveDateTime") for e in dressed["entry"]]
        for day, instant in zip(before, after, strict=False):
            if day and len(day) == 10:
                assert datetime.datetime.fromisoformat(instant).astimezone(ZONE).date().isoformat() == day


def test_epic_puts_an_outcome_where_nothing_was_found() -> None:
    empty = {"hook": "patient-view", "context": {}, "prefetch": {"x": search("Condition?patient=p1", [], CONTEXT)}}
    answer = dresses.epic(empty)["prefetch"]["x"]
    assert answer["total"] == 0
    assert [entry["search"]["mode"] for entry in answer["entry"]] == ["outcome"]


def test_the_sandbox_counts_pills_and_leaves_milligrams_alone() -> None:
    counted = {"doseQuantity": {"value": 2, "unit": "tablet"}}
    weighed = {"doseQuantity": {"value": 5, "unit": "mg"}}
    order = {"resourceType": "MedicationRequest", "id": "a", "dosageInstruction": [{"doseAndRate": [counted, weighed]}]}
    given = {"context": {"draftOrders": {"type": "collection", "entry": [{"resource": order}]}}, "prefetch": {}}
    drafts = dresses.sandbox(given)["context"]["draftOrders"]
    assert "type" not in drafts
    first, second = drafts["entry"][0]["resource"]["dosageInstruction"][0]["doseAndRate"]
    assert (first["doseQuantity"]["value"], first["doseQuantity"]["code"]) == (2, "{pill}")
    assert second == weighed


def test_late_coding_keeps_every_coding_and_puts_it_last() -> None:
    concept = {"coding": [{"system": "http://loinc.org", "code": "62292-8"}]}
    observation = {"resourceType": "Observation", "code": concept}
    given = {"context": {}, "prefetch": {"x": {"entry": [{"resource": observation}]}}}
    codings = dresses.late_coding(given)["prefetch"]["x"]["entry"][0]["resource"]["code"]["coding"]
    assert len(codings) == 2
    assert codings[-1] == concept["coding"][0]


def test_every_order_and_result_of_a_vignette_is_the_patients_own() -> None:
    for path in paths():
        vignette = load(path)
        patients = [resource["id"] for resource in vignette.chart if resource["resourceType"] == "Patient"]
        assert len(patients) == 1, vignette.name
        owners = {
            resource[name]["reference"]
            for resource in (*vignette.chart, *vignette.orders)
            for name in ("subject", "patient")
            if name in resource
        }
        assert owners <= {f"Patient/{patients[0]}"}, vignette.name


def test_the_same_resource_later_in_a_chart_counts() -> None:
    path = next(p for p in paths() if name_of(p) == "iv-bisphosphonate-vitamin-d/29-9-ng-ml-is-below-the-target")
    birth_dates = [resource["birthDate"] for resource in load(path).chart if resource["resourceType"] == "Patient"]
    assert birth_dates == ["1961-03-17"]
    assert BASE.startswith("https://")
