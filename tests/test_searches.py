"""What FHIR servers answer to a search: an answer in another dress is understood, half an answer is no "none"."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Iterator

import pytest

from cds_service.fhir.client import FhirServers, Limits
from cds_service.fhir.server import FhirServer

from . import ehr as bench
from .ehr import Json
from .fetched import DEFICIENT, OF_RULE, answer_to, fetched, findings, with_medication_apart
from .peers import fhir_server as peer
from .peers.fhir_server import Told, serving
from .vignettes import Vignette, load

pytestmark = [pytest.mark.loopback, pytest.mark.enable_socket]

SERVERS = FhirServers(limits=Limits(failures=1000))
KEY = "vitamin-d"
Findings = frozenset[tuple[str, str, str, str]]


@pytest.fixture
def told() -> Told:
    return Told(chart=DEFICIENT.chart)


@pytest.fixture
def base(told: Told) -> Iterator[str]:
    with serving(told) as url:
        yield url


def reached(base: str, vignette: Vignette = DEFICIENT, scope: str = "", deadline: float = 5.0) -> Findings:
    """What is found when the level of vitamin D alone has to be fetched."""
    keys = {key for entry in bench.catalogue_with({}).entries for key in entry.service.prefetch}
    catalogue = bench.catalogue_with({})
    send = frozenset(keys - {KEY})
    return findings(fetched(vignette, base, catalogue, send=send, scope=scope, servers=SERVERS, deadline=deadline))


def prefetched(*strays: Json, failed: bool = False) -> Findings:
    """What is found when prefetch brings the level, and these with it; or when it could not be searched for."""
    return bench.said(
        dataclasses.replace(
            DEFICIENT, unasked={KEY: strays} if strays else {}, failed=frozenset({KEY} if failed else ())
        )
    )


def test_the_level_decides_what_is_said() -> None:
    assert prefetched() != prefetched(failed=True)


def level(number: int, date: str, value: float, patient: str = "pat-1") -> Json:
    return {
        "resourceType": "Observation",
        "id": f"level-{number}",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "62292-8"}]},
        "subject": {"reference": f"Patient/{patient}"},
        "effectiveDateTime": date,
        "valueQuantity": {"value": value, "unit": "ng/mL", "system": "http://unitsofmeasure.org", "code": "ng/mL"},
    }


def outcome(severity: str, code: str = "informational") -> Json:
    return {"resourceType": "OperationOutcome", "issue": [{"severity": severity, "code": code}]}


def beside(*resources: Json, mode: str = "match") -> Callable[[Json], Json]:
    """A searchset with these among its entries."""
    more = [{"resource": resource, "search": {"mode": mode}} for resource in resources]
    return lambda bundle: {**bundle, "entry": [*more, *bundle.get("entry", [])]}


def unchanged(bundle: Json) -> Json:
    return bundle


OLDER = tuple(level(number, f"2025-{number:02}-01", 40) for number in range(1, 10))

UNDERSTOOD: dict[str, peer.Failure] = {
    "a comment among the entries": peer.altered(beside(outcome("information"), mode="outcome")),
    "a warning that there is no more": peer.altered(beside(outcome("warning"), mode="outcome")),
    "a comment without a mode": peer.altered(
        lambda b: {**b, "entry": [{"resource": outcome("information")}, *b["entry"]]}
    ),
    "a resource of another type": peer.altered(beside({"resourceType": "Basic", "id": "b"})),
    "another type sent along": peer.altered(beside({"resourceType": "Practitioner", "id": "p"}, mode="include")),
    "no total": peer.altered(lambda b: {name: value for name, value in b.items() if name != "total"}),
    "no modes": peer.altered(lambda b: {**b, "entry": [{"resource": e["resource"]} for e in b["entry"]]}),
    "links, none to a next page": peer.altered(lambda b: {**b, "link": [{"relation": "self", "url": "x"}, {}, None]}),
    "compressed": peer.gzipped,
    "in chunks": peer.chunked,
    "another media type": peer.altered(unchanged, **{"X-Content-Type-Options": "nosniff"}),
    "pages": peer.pages(),
    "an empty page between": peer.pages(unchanged),
    "several empty pages between": peer.pages(unchanged, unchanged, unchanged),
    "a link from the base": peer.pages(link="Observation?_page={n}"),
    "a link from the host": peer.pages(link="/fhir/Observation?_page={n}"),
    "a link with a query alone": peer.pages(link="?_page={n}"),
    "a link to a stored search": peer.pages(link="{base}?_getpages=4711&_page={n}"),
    "a link with the query in another order": peer.pages(link="{base}/Observation?_count=1&patient=pat-1&_page={n}"),
}


@pytest.mark.parametrize("answer", UNDERSTOOD)
def test_an_answer_in_another_dress_is_the_same_answer(answer: str, base: str, told: Told) -> None:
    told.chart = (*OLDER, *DEFICIENT.chart)
    told.failures["*"] = UNDERSTOOD[answer]
    assert reached(base) == prefetched()
    assert told.requests


HALF: dict[str, peer.Failure] = {
    "a total and no entries": peer.says('{"resourceType": "Bundle", "type": "searchset", "total": 3}'),
    "an error among the entries": peer.altered(beside(outcome("error"), mode="outcome")),
    "another patient's result": peer.altered(beside(level(0, "2027-03-01", 40, "pat-2"))),
    "a page that is an OperationOutcome": peer.pages(lambda _: outcome("error")),
    "a page that is an empty object": peer.pages(lambda _: {}),
    "a page that leads back": peer.pages(lambda b: {**b, "link": [{"relation": "next", "url": "Observation?_page=1"}]}),
    "a page whose entries are none": peer.pages(lambda b: {**b, "entry": 7}),
    "a link to nowhere": peer.pages(link="http://[::1/fhir?{n}"),
    "a link to another scheme": peer.pages(link="ftp://127.0.0.1/fhir/Observation?_page={n}"),
    "a link without a scheme to another host": peer.pages(link="//localhost/fhir/Observation?_page={n}"),
    "a link above the base": peer.pages(link="../Observation?_page={n}"),
}


def without_levels(*levels: Json) -> Vignette:
    """The same patient with other levels of vitamin D, or none."""
    kept = [r for r in DEFICIENT.chart if r["resourceType"] != "Observation"]
    return dataclasses.replace(DEFICIENT, chart=(*kept, *levels))


SUFFICIENT = without_levels(*OLDER, level(10, "2027-03-01", 40))
UNKNOWN = ("iv-bisphosphonate-vitamin-d", "data-unavailable", "warning", "d1")


def test_of_a_good_level_nothing_is_said(base: str, told: Told) -> None:
    told.chart = SUFFICIENT.chart
    found = reached(base, SUFFICIENT)
    assert found == bench.said(SUFFICIENT)
    assert not [f for f in found if f[0] == "iv-bisphosphonate-vitamin-d"]


@pytest.mark.parametrize("answer", HALF)
def test_of_half_an_answer_it_is_said_that_the_level_is_not_known(answer: str, base: str, told: Told) -> None:
    told.chart = SUFFICIENT.chart
    told.failures["*"] = HALF[answer]
    assert UNKNOWN in reached(base, SUFFICIENT)


def test_pages_that_end_before_the_total_are_not_all_there_is(base: str, told: Told) -> None:
    vignette = load(next(p for p in OF_RULE["calcium-drug-separation"] if "patient-on-calcium" in p.stem))
    orders = [r for r in vignette.chart if r["resourceType"] == "MedicationRequest"]
    told.chart = (*vignette.chart, {**orders[0], "id": "never-shown"})
    told.failures["MedicationRequest"] = peer.pages(unchanged, lambda b: {**b, "link": []})
    answers = fetched(vignette, base, bench.catalogue_with({}), servers=SERVERS)
    assert "fewer-than-total" in str([one.problems["medications"] for one in answers])


def test_the_newest_is_found_on_the_last_page_of_a_server_that_does_not_sort(base: str, told: Told) -> None:
    many = tuple(level(n, f"2024-{1 + n // 28:02}-{1 + n % 28:02}", 40) for n in range(60))
    told.chart = (*many, *DEFICIENT.chart)
    told.sorts, told.page_size = False, 25
    assert reached(base) == prefetched()
    assert len(told.requests) == 3


def test_of_a_server_that_sorts_no_page_is_read_beyond_the_newest_that_were_asked_for(base: str, told: Told) -> None:
    told.chart = (*(level(n, f"2024-{1 + n // 28:02}-{1 + n % 28:02}", 40) for n in range(60)), *DEFICIENT.chart)
    told.page_size = 20
    assert reached(base) == prefetched()
    assert len(told.requests) == 1


# -- what is read after a search --------------------------------------------------------------------------------------


def referring() -> Vignette:
    """A patient whose order on record refers to its Medication, and without it is another case."""
    vignette = load(next(p for p in OF_RULE["calcium-drug-separation"] if "patient-on-calcium" in p.stem))
    return dataclasses.replace(vignette, chart=tuple(r for one in vignette.chart for r in with_medication_apart(one)))


@pytest.mark.parametrize("includes", [True, False])
def test_an_order_is_known_by_its_medication_whether_or_not_it_was_included(
    includes: bool, base: str, told: Told
) -> None:
    vignette = referring()
    told.chart, told.includes = vignette.chart, includes
    assert findings(fetched(vignette, base, bench.catalogue_with({}), servers=SERVERS)) == bench.said(vignette)
    assert includes is not any("/Medication/" in r for r in told.requests)


MEDICATIONS = {
    "gone": peer.status(410),
    "refused": peer.status(403),
    "an OperationOutcome that says 200": peer.says(json.dumps(outcome("error"))),
    "another resource": peer.says('{"resourceType": "Patient", "id": "pat-1"}'),
}


@pytest.mark.parametrize("answer", MEDICATIONS)
def test_a_medication_that_cannot_be_read_is_one_that_nobody_sent(answer: str, base: str, told: Told) -> None:
    vignette = referring()
    told.chart, told.includes = vignette.chart, False
    told.failures["Medication"] = MEDICATIONS[answer]
    alone = dataclasses.replace(vignette, chart=tuple(r for r in vignette.chart if r["resourceType"] != "Medication"))
    assert bench.said(alone) != bench.said(vignette)
    assert findings(fetched(vignette, base, bench.catalogue_with({}), servers=SERVERS)) == bench.said(alone)


@pytest.mark.parametrize("can_be_had", [True, False])
def test_of_a_prefetched_page_the_others_are_fetched_or_missed(can_be_had: bool, base: str, told: Told) -> None:
    vignette = referring()
    told.chart = vignette.chart
    if not can_be_had:
        told.failures["*"] = peer.status(500)
    found, reasons = set(), set()
    for entry in bench.catalogue_with({}).entries:
        if entry.service.hook != vignette.hook:
            continue
        body = bench.request({"prefetch": entry.service.prefetch}, vignette)
        query = entry.service.prefetch["medications"].replace("{{context.patientId}}", "pat-1")
        body["prefetch"]["medications"] = {
            "resourceType": "Bundle",
            "type": "searchset",
            "link": [{"relation": "next", "url": f"{base}/{query}"}],
        }
        answered = answer_to(entry, body, base, bench.catalogue_with({}), servers=SERVERS)
        found |= findings([answered])
        reasons |= set(answered.problems.get("medications", ()))
    assert (found == bench.said(vignette)) is can_be_had
    assert bool(reasons) is not can_be_had


# -- scopes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "scope",
    [
        "patient/Observation.s",
        "patient/Observation.rs?category=laboratory patient/Observation.rs",
        "launch patient/*.read",
    ],
)
def test_a_scope_for_all_results_gives_the_whole_answer(scope: str, base: str) -> None:
    assert reached(base, scope=scope) == prefetched()


@pytest.mark.parametrize("levels", [SUFFICIENT, without_levels()], ids=["a good level", "none"])
def test_of_a_part_of_the_results_neither_the_latest_nor_none_is_told(levels: Vignette, base: str, told: Told) -> None:
    narrowed = "patient/Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|laboratory"
    told.chart = levels.chart
    assert UNKNOWN not in reached(base, levels)
    assert UNKNOWN in reached(base, levels, scope=narrowed)


def test_what_a_part_of_the_results_shows_is_told(base: str) -> None:
    assert reached(base, scope="patient/Observation.rs?category=laboratory") == prefetched()


def test_what_may_be_read_but_not_searched_is_read(base: str, told: Told) -> None:
    scope = "patient/Patient.r patient/Condition.s patient/Observation.s patient/MedicationRequest.s patient/*.s"
    answers = fetched(DEFICIENT, base, bench.catalogue_with({}), scope=scope, servers=SERVERS)
    assert findings(answers) == prefetched()
    assert any(r.startswith(f"{peer.PATH}/Patient/") for r in told.requests)


# -- a server's time --------------------------------------------------------------------------------------------------


def test_an_answer_that_is_too_late_is_not_asked_for_again(base: str, told: Told) -> None:
    told.failures["Observation"] = peer.slow(1.0)
    assert reached(base, deadline=0.3) == prefetched(failed=True)
    time.sleep(1.0)
    assert len(told.requests) == 1


def test_nobody_goes_on_reading_an_answer_that_is_too_late(base: str, told: Told) -> None:
    told.failures["Observation"] = peer.dripping  # for eight seconds, if somebody listens
    assert reached(base, deadline=0.3) == prefetched(failed=True)
    until = time.monotonic() + 4
    while told.inside and time.monotonic() < until:
        time.sleep(0.02)
    assert not told.inside


def test_a_closed_connection_is_opened_again(base: str, told: Told) -> None:
    told.failures["Observation"] = peer.closes
    assert reached(base) == prefetched()
    assert reached(base) == prefetched()


def test_a_server_that_is_asked_too_often_is_left_alone(base: str, told: Told) -> None:
    told.failures["*"] = peer.status(429, **{"Retry-After": "60"})
    servers = FhirServers(limits=Limits(failures=2))
    server = FhirServer(base, private_network=True)
    for _ in range(3):
        fetched(DEFICIENT, base, bench.catalogue_with({}), servers=servers, server=server)
    assert servers.state() == {base: "open"}


def test_no_answer_grows_beyond_the_limit_when_it_is_unpacked(base: str, told: Told) -> None:
    told.failures["Observation"] = peer.gzipped_bomb
    assert len(json.dumps(DEFICIENT.chart)) < SERVERS.limits.size
    assert reached(base, deadline=20.0) == prefetched(failed=True)
