"""Every patient is fetched: all from a FHIR server of our own in small pages, a third from Medplum's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import requests

from cds_service.fhir.client import FhirServers
from cds_service.fhir.server import FhirServer

from . import ehr as bench
from .fetched import OF_RULE, ORDINARY, fetched, findings, with_medication_apart
from .peers import fhir_server, medplum_server
from .peers.fhir_server import Told
from .vignettes import Vignette, load, name_of

pytestmark = [pytest.mark.integration, pytest.mark.loopback, pytest.mark.enable_socket]

SERVERS = FhirServers()


@pytest.fixture(scope="module")
def told() -> Iterator[tuple[str, Told]]:
    """Our own server with pages of five."""
    told = Told(page_size=5)
    with fhir_server.serving(told) as base:
        yield base, told


@pytest.mark.parametrize("path", ORDINARY, ids=name_of)
def test_nothing_prefetched_and_everything_fetched_in_small_pages_gives_the_same_findings(
    path: Path, told: tuple[str, Told]
) -> None:
    vignette = load(path)
    told[1].chart = vignette.chart
    answers = fetched(vignette, told[0], bench.catalogue_with(vignette.site, vignette.enable), servers=SERVERS)
    assert findings(answers) == bench.said(vignette)


# -- Medplum ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def medplum() -> Iterator[str]:
    """Medplum's server with pages of ten, one for each process of the tests."""
    with medplum_server.serving(page_size=10) as base:
        yield base


def patients(rule: str) -> list[Vignette]:
    """Every third vignette of a rule, each a patient with ids of its own; every other one has its drugs apart, as
    Medications that its orders refer to.
    """
    chosen = []
    for number, path in enumerate(OF_RULE[rule][::3]):
        vignette = load(path)
        if number % 2:
            vignette = replace(vignette, chart=tuple(r for one in vignette.chart for r in with_medication_apart(one)))
        chosen.append(medplum_server.under_ids_of_its_own(vignette, f"p{number}-"))
    return chosen


@pytest.mark.parametrize("rule", OF_RULE)
def test_everything_fetched_from_medplum_gives_the_same_findings(rule: str, medplum: str) -> None:
    medplum_server.empty(medplum)
    several = patients(rule)
    for vignette in several:
        medplum_server.seed(medplum, vignette.chart)
    told, expected = {}, {}
    for number, vignette in enumerate(several):
        catalogue = bench.catalogue_with(vignette.site, vignette.enable)
        server = FhirServer(medplum, private_network=True, post_search=number % 3 == 0)
        token = medplum_server.TOKEN
        answers = fetched(vignette, medplum, catalogue, servers=SERVERS, server=server, token=token, deadline=60)
        told[vignette.name] = findings(answers)
        expected[vignette.name] = bench.said(vignette)
    assert told == expected


def test_medplum_asks_for_the_token_and_leaves_the_include_to_us(medplum: str) -> None:
    medplum_server.empty(medplum)
    vignette = next(
        v for v in patients("calcium-total-daily") if any(r["resourceType"] == "Medication" for r in v.chart)
    )
    medplum_server.seed(medplum, vignette.chart)
    patient = next(r["id"] for r in vignette.chart if r["resourceType"] == "Patient")
    query = f"{medplum}/MedicationRequest?patient={patient}&_include=MedicationRequest:medication"
    assert requests.get(query, timeout=60).status_code == 401
    bundle = requests.get(query, headers={"Authorization": f"Bearer {medplum_server.TOKEN}"}, timeout=60).json()
    assert {entry["resource"]["resourceType"] for entry in bundle["entry"]} == {"MedicationRequest"}


def test_with_a_token_that_medplum_refuses_every_key_is_one_that_could_not_be_searched(medplum: str) -> None:
    vignette = next(v for v in patients("iv-bisphosphonate-vitamin-d") if bench.said(v))
    medplum_server.empty(medplum)
    medplum_server.seed(medplum, vignette.chart)
    catalogue = bench.catalogue_with({})
    keys = frozenset(key for entry in catalogue.entries for key in entry.service.prefetch)
    answers = fetched(vignette, medplum, catalogue, token="of-somebody-else", deadline=60)
    assert findings(answers) == bench.said(replace(vignette, failed=keys)) != bench.said(vignette)


def test_without_node_it_is_said_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(medplum_server.NoServer, match=r"Node\.js 20 and npm are needed"):
        medplum_server.installed()
