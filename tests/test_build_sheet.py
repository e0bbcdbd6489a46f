"""What `cds-service build-sheet` prints: an analyst can type it in, the documents say the same, nothing is secret."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from markdown_it import MarkdownIt

from cds_service.__main__ import main
from cds_service.documentation import build_sheet
from cds_service.facts import requirements
from cds_service.fhir.requirement import DataRequirement
from cds_service.fhir.scopes import allows
from cds_service.manifest import SHIPPED_MANIFEST, load_catalogue

from . import ehr as bench
from .ehr import Json
from .tokens import BASE, ISSUER, key_set, known, signer, written
from .vignettes import Vignette, load, name_of, paths

ROOT = Path(__file__).parent.parent
CONNECTING = (ROOT / "docs" / "connecting.md").read_text("utf-8")
FACTS = build_sheet.facts()
CATALOGUE = load_catalogue()
KEYS = [value for value in vars(requirements).values() if isinstance(value, DataRequirement)]


def called(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(main, ["build-sheet", *arguments], env=environment)


def sheet(*arguments: str, **environment: str) -> Json:
    result = called(*arguments, "--json", **environment)
    assert result.exit_code == 0, result.output
    document: Json = json.loads(result.output)
    return document


def told(folder: Path, *members: Json, keys: Json | None = None, **top: Any) -> dict[str, str]:
    """The environment of a site with these clients."""
    return {"CDS_CLIENTS": str(written(folder, *members, keys=keys, **top)), "CDS_BASE_URL": BASE}


# -- what is typed in -------------------------------------------------------------------------------------------------


def test_addresses_begin_with_the_base_url(tmp_path: Path) -> None:
    document = sheet("--client", "ehr", **told(tmp_path, known()))
    assert document["endpoints"]["discovery"] == f"{BASE}/cds-services"
    assert [(s["hook"], s["url"]) for s in document["services"]] == [
        (hook, f"{BASE}/cds-services/bone-health-{hook}") for hook in ("order-select", "order-sign", "patient-view")
    ]
    assert BASE in called("--client", "ehr", **told(tmp_path, known())).output


def test_without_a_base_url_the_sheet_says_what_to_set() -> None:
    text = called().output
    assert "**Not complete:** set `CDS_BASE_URL`" in text
    assert "SET-CDS_BASE_URL" in sheet()["endpoints"]["discovery"]
    assert "Not complete" not in called(CDS_BASE_URL=BASE).output


def test_every_prefetch_query_is_the_one_of_discovery(tmp_path: Path) -> None:
    published = {key: query for service in CATALOGUE.services for key, query in service.prefetch.items()}
    assert {key["key"]: key["query"] for key in sheet()["prefetch"]} == published
    text = called().output
    assert all(f"\n{key}\n  {query}\n" in text for key, query in published.items())


def test_a_client_with_some_services_gets_their_addresses_and_keys_only(tmp_path: Path) -> None:
    only = "bone-health-patient-view"
    document = sheet("--client", "ehr", **told(tmp_path, known(services=[only])))
    assert [service["id"] for service in document["services"]] == [only]
    published = next(service for service in CATALOGUE.services if service.id == only).prefetch
    assert {key["key"] for key in document["prefetch"]} == set(published)
    assert len(published) < len(sheet()["prefetch"])


def test_the_sheet_says_how_a_clients_tokens_are_checked(tmp_path: Path) -> None:
    own = {"tenants": ["t-2", "t-1"], "tenantClaim": "org", "audiences": ["https://old.example"], "maxAgeSeconds": 120}
    rules = {**own, "clockSkewSeconds": 5, "algorithms": ["ES384"], "callsPerMinute": 77}
    environment = told(tmp_path, known(**rules), keys=key_set(signer("ES384", "of-the-lab")))
    token = sheet("--client", "ehr", **environment)["token"]
    assert token["issuer"] == ISSUER
    assert token["keys"]["local"] == {"of-the-lab": ["ES384"]}
    assert (token["algorithms"], token["audiences"]) == (["ES384"], [BASE, "https://old.example"])
    assert (token["tenantClaim"], token["tenants"]) == ("org", ["t-1", "t-2"])
    assert (token["maxAgeSeconds"], token["clockSkewSeconds"]) == (120, 5)
    text = called("--client", "ehr", **environment).output
    for said in (ISSUER, "`of-the-lab`", "https://old.example", "`org`", "`t-1`, `t-2`", "120 seconds", "77 a minute"):
        assert said in text


def test_a_key_set_at_an_address_is_named_and_not_fetched(tmp_path: Path) -> None:
    environment = told(tmp_path, known(keys={"url": "https://ehr.example/jwks"}))
    assert "fetched from <https://ehr.example/jwks>" in called("--client", "ehr", **environment).output


def test_nothing_but_ids_of_keys_is_printed(tmp_path: Path) -> None:
    keys = key_set(signer("ES384"), signer("RS384"))
    environment = told(tmp_path, known(), keys=keys)
    secret = {"CDS_SHARED_STORE": "redis://:canary-store@127.0.0.1/0", "CDS_RECORDS": "postgresql://u:canary-db@h/d"}
    for arguments in (("--client", "ehr"), ("--client", "ehr", "--json")):
        text = called(*arguments, **environment, **secret).output
        assert "canary" not in text
        assert not [m for key in keys["keys"] for name, m in key.items() if name in ("x", "y", "n") and m in text]


def test_an_anonymous_client_shows_no_token(tmp_path: Path) -> None:
    environment = told(tmp_path, {"id": "gateway", "anonymous": True})
    assert sheet("--client", "gateway", CDS_AUTH="off", **environment)["token"] == {"asked": False}
    assert "No token is asked for" in called("--client", "gateway", CDS_AUTH="off", **environment).output
    assert sheet("--client", "ehr", **told(tmp_path, known()))["token"]["asked"]


def test_discovery_that_asks_for_a_token_is_said_to(tmp_path: Path) -> None:
    assert "; asks for a token" in called(**told(tmp_path, known(), protectDiscovery=True)).output
    assert "; asks for a token" not in called(**told(tmp_path, known())).output


def test_registered_fhir_servers_are_listed_as_they_must_be_named(tmp_path: Path) -> None:
    servers = [{"url": "https://ehr.example/fhir/", "privateNetwork": True, "postSearch": True}]
    environment = told(tmp_path, known(fhirServers=servers))
    document = sheet("--client", "ehr", **environment)
    expected = {"url": "https://ehr.example/fhir", "privateNetwork": True, "postSearch": True}
    assert document["fhirServers"] == [expected]
    assert "| `https://ehr.example/fhir` | POST `_search` | yes |" in called("--client", "ehr", **environment).output
    assert "None is registered" in called("--client", "ehr", **told(tmp_path, known())).output


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_token_of_the_scopes_named_allows_every_key_and_one_less_does_not(version: str) -> None:
    scopes = sheet()["scopes"][version]
    types = {requirement.type for requirement in KEYS} | {"Medication"}
    assert len(scopes) == len(types)
    assert all(allows(" ".join(scopes), type_) for type_ in types)
    for left_out in scopes:
        rest = " ".join(scope for scope in scopes if scope != left_out)
        assert not all(allows(rest, type_) for type_ in types), left_out


def test_limits_are_those_of_the_installation(tmp_path: Path) -> None:
    environment = told(tmp_path, known(callsPerMinute=9000))
    settings = {"CDS_MAX_BODY": "1234567", "CDS_DEADLINE_MS": "321"}
    text = called("--client", "ehr", **environment, **settings).output
    assert all(said in text for said in ("1,234,567 bytes", "321 ms", "9,000 a minute"))


def test_data_that_the_site_does_not_have_and_silent_rules_are_told(tmp_path: Path) -> None:
    document = json.loads(SHIPPED_MANIFEST.read_text("utf-8"))
    document["site"]["notOffered"] = [{"key": "dxa", "reason": "no such results", "approvedBy": "committee"}]
    decided = {"owner": "pharmacy", "until": "2099-01-01", "reason": "trial"}
    document["site"]["silent"] = [
        {"service": "bone-health-patient-view", **decided},
        {"rule": "calcium-total-daily", "client": "ehr", **decided},
    ]
    file = tmp_path / "manifest.json"
    file.write_text(json.dumps(document), "utf-8")
    environment = {"CDS_MANIFEST": str(file), **told(tmp_path, known())}
    text = called("--client", "ehr", **environment).output
    assert "| `dxa` | no such results |" in text
    assert "| `dxa` | Observation" not in text
    assert [s["silent"] for s in sheet("--client", "ehr", **environment)["services"]] == [
        ["calcium-total-daily"],
        ["calcium-total-daily"],
        "all",
    ]
    assert [s["silent"] for s in sheet(**environment)["services"]] == [[], [], "all"]
    assert "no card is shown" in text


def test_every_override_reason_has_its_category(tmp_path: Path) -> None:
    reasons = json.loads((ROOT / "cds_service" / "suggestions.json").read_text("utf-8"))["overrideReasons"]
    listed = {reason["code"]: (reason["display"], reason["hl7"]) for reason in sheet()["overrideReasons"]}
    assert listed == {code: (reason["display"], reason["hl7"]) for code, reason in reasons.items()}


def test_a_client_that_is_not_there_is_an_error_that_lists_those_that_are(tmp_path: Path) -> None:
    result = called("--client", "her", **told(tmp_path, known()))
    assert result.exit_code == 1
    assert "there is no client 'her'; known: ehr" in result.output
    assert "set CDS_CLIENTS" in called("--client", "ehr").output


@pytest.mark.parametrize("ehr", FACTS["ehrs"])
def test_the_sheet_is_sound_markdown_with_and_without_notes(tmp_path: Path, ehr: str) -> None:
    for arguments in ((), ("--ehr", ehr), ("--client", "ehr", "--ehr", ehr)):
        text = called(*arguments, **told(tmp_path, known())).output
        html = MarkdownIt("commonmark").enable("table").render(text)
        tables = re.findall(r"<table>.*?</table>", html, re.DOTALL)
        assert len(tables) == len(re.findall(r"^\| ---", text, re.MULTILINE))
        for table in tables:
            assert len({row.count("</t") for row in re.findall(r"<tr>.*?</tr>", table, re.DOTALL)}) == 1
        assert (FACTS["ehrs"][ehr]["note"] in text) is ("--ehr" in arguments)


# -- one fact in one place --------------------------------------------------------------------------------------------


def test_every_key_that_a_rule_may_ask_for_has_a_reason_and_no_other_has() -> None:
    assert set(FACTS["keys"]) == {requirement.key for requirement in KEYS}


def documented_keys() -> dict[str, tuple[str, str]]:
    section = CONNECTING.partition("| key | query | why |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| `([a-z-]+)` \| `([^`]+)`([^|]*)\| ([^|]+) \|$", section, re.MULTILINE)
    return {key: (f"{query}{more.rstrip()}", why) for key, query, more, why in rows}


def test_the_keys_of_the_documentation_have_the_same_reasons_and_queries() -> None:
    rows = documented_keys()
    assert {key: why for key, (_, why) in rows.items()} == FACTS["keys"]
    for key in sheet()["prefetch"]:
        query, _, more = rows[key["key"]][0].partition(" (")
        assert query == re.sub(r"&code=[^&]+", "&code=…", key["query"])
        if said := re.match(r"([0-9]+) LOINC codes", more):
            assert int(said[1]) == key["loincCodes"]


def test_the_documentation_names_the_same_elements() -> None:
    text = (ROOT / "docs" / "reading-fhir.md").read_text("utf-8").partition("## What is read")[2].partition("\n## ")[0]
    rows = {
        type_: re.findall(r"`([^`]+)`", cell) for type_, cell in re.findall(r"^\| ([\w ]+) \| (.+) \|$", text, re.M)
    }
    assert rows.pop("every one") == FACTS["everyType"]
    rows.pop("NutritionOrder in a draft")
    rows.pop("resource")
    assert rows == FACTS["elements"]


@pytest.mark.parametrize("ehr", FACTS["ehrs"])
def test_the_documentation_has_the_same_notes(ehr: str) -> None:
    assert f"### {FACTS['ehrs'][ehr]['title']}\n\n{FACTS['ehrs'][ehr]['note']}\n" in CONNECTING


def test_the_statuses_are_those_that_errors_are_answered_with() -> None:
    source = ast.parse((ROOT / "cds_service" / "web" / "outcomes.py").read_text("utf-8"))
    numbers = {node.value for node in ast.walk(source) if isinstance(node, ast.Constant)}
    errors = {number for number in numbers if isinstance(number, int) and 400 <= number < 600}
    assert {status["status"] for status in FACTS["statuses"]} == errors | {200}


def cut(resource: Json) -> Json:
    """A resource with the elements named on the sheet, and no other."""
    named = FACTS["elements"].get(resource["resourceType"])
    if named is None:
        return resource
    kept = {name.partition(".")[0] for name in (*FACTS["everyType"], *named)}
    choices = tuple(name.removesuffix("[x]") for name in kept if name.endswith("[x]"))
    plain = {"resourceType", *kept} | ({"extension"} if resource["resourceType"] == "Patient" else set())
    return {name: value for name, value in resource.items() if name in plain or name.startswith(choices or "\0")}


def cut_down(body: Json) -> Json:
    """The same request with every prefetched resource cut."""

    def each(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        if value.get("resourceType") != "Bundle":
            return cut(value) if "resourceType" in value else value
        entries = [{**e, "resource": each(e["resource"])} if isinstance(e, dict) and "resource" in e else e
                   for e in value.get("entry", ())]  # fmt: skip
        return {**value, **({"entry": entries} if entries else {})}

    return {**body, "prefetch": {key: each(value) for key, value in body["prefetch"].items()}}


def some() -> Iterator[Path]:
    """Every eighth vignette, whatever it is about."""
    yield from sorted(paths())[::8]


@pytest.mark.parametrize("path", list(some()), ids=name_of)
def test_the_elements_named_are_enough(path: Path) -> None:
    vignette: Vignette = load(path)
    whole, less = bench.run(vignette), bench.run(vignette, cut_down)
    assert [(r.status, r.findings) for r in less] == [(r.status, r.findings) for r in whole]


def test_an_element_less_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check above would notice: without values, codes or statuses the findings differ."""
    own = (path for path in paths() if path.parent.name == "iv-bisphosphonate-vitamin-d")
    vignette = load(next(path for path in own if "deficient" in path.name))
    whole, named = [r.findings for r in bench.run(vignette)], FACTS["elements"]["Observation"]
    for element in ("value[x]", "code", "status"):
        monkeypatch.setitem(FACTS["elements"], "Observation", [name for name in named if name != element])
        assert [r.findings for r in bench.run(vignette, cut_down)] != whole, element
