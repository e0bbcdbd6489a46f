"""The command line: what a newcomer, an operator and an analyst type."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cds_service import schemas
from cds_service.__main__ import main
from cds_service.examples import names
from cds_service.manifest import SHIPPED_MANIFEST

from .tokens import known, written

ROOT = Path(__file__).parent.parent


def called(*arguments: str, text: str | None = None, **environment: str) -> Result:
    # `run` names a folder for metrics in the environment; with None it is taken out again.
    given = {"CDS_RECORDS": "off", "PROMETHEUS_MULTIPROC_DIR": None, **environment}
    return CliRunner().invoke(main, list(arguments), input=text, env=given)


def manifest(folder: Path, change: Callable[[dict[str, Any]], object]) -> str:
    document = json.loads(SHIPPED_MANIFEST.read_text("utf-8"))
    change(document)
    file = folder / "manifest.json"
    file.write_text(json.dumps(document), "utf-8")
    return str(file)


def test_the_shipped_manifest_is_sound() -> None:
    result = called("check")
    assert result.exit_code == 0, result.output
    assert "sound" in result.output
    assert "iv-bisphosphonate-vitamin-d 1.0.1" in result.output


@pytest.mark.parametrize("name", names())
def test_every_example_is_a_request_a_service_answers(name: str) -> None:
    request = called("example", name).output
    schemas.check(json.loads(request), "request")
    result = called("evaluate", "-", "--json", text=request)
    assert result.exit_code == 0, result.output
    told = json.loads(result.output)
    assert told["status"] == 200
    assert len(told["cards"]) == 1


def test_evaluate_tells_the_outcome_the_facts_and_their_source() -> None:
    result = called("evaluate", "-", text=called("example", "zoledronic-acid-deficient").output)
    assert "iv-bisphosphonate-vitamin-d: applies" in result.output
    assert "deficient, for MedicationRequest/draft-1" in result.output
    assert "Observation/vitamin-d" in result.output
    assert "[critical] 25(OH)D 14 ng/mL" in result.output
    assert "calcium-total-daily: does-not-apply" in result.output


def test_evaluate_tells_what_was_repaired_set_aside_and_not_sent() -> None:
    request = json.loads(called("example", "zoledronic-acid-deficient").output)
    observation = request["prefetch"]["vitamin-d"]["entry"][0]["resource"]
    observation["category"] = observation["category"][0]
    observation["valueQuantity"] = {"value": "much"}
    request["prefetch"]["serum-calcium"] = {"resourceType": "OperationOutcome", "issue": []}
    result = called("evaluate", "-", text=json.dumps(request))
    assert "repaired at" in result.output
    assert "set-aside at" in result.output
    assert "gap: serum-calcium (failed)" in result.output
    request["prefetch"] = {}
    result = called("evaluate", "-", text=json.dumps(request))
    assert "HTTP 412" in result.output
    assert "not sent, and needed: vitamin-d" in result.output


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not valid JSON"),
        ("{}", "not a CDS Hooks request"),
        ('{"hook": "order-dispatch", "hookInstance": "1", "context": {"patientId": "1"}}', "no service"),
    ],
)
def test_evaluate_says_what_is_wrong_with_a_request(text: str, said: str) -> None:
    result = called("evaluate", "-", text=text)
    assert result.exit_code == 1
    assert said in result.output


def test_evaluate_says_that_a_file_is_not_there() -> None:
    result = called("evaluate", "nowhere.json")
    assert result.exit_code != 0
    assert "nowhere.json" in result.output


def test_check_names_a_misspelt_rule_with_file_and_place(tmp_path: Path) -> None:
    file = manifest(tmp_path, lambda m: m["services"][0]["rules"].insert(0, "iv-bisphosphonate-vitamin-b"))
    result = called("check", CDS_MANIFEST=file)
    assert result.exit_code == 1
    assert "manifest.json, services[0].rules[0]: there is no rule 'iv-bisphosphonate-vitamin-b'" in result.output


def test_check_names_a_version_nobody_approved(tmp_path: Path) -> None:
    file = manifest(tmp_path, lambda m: m["knowledge"][0].update(version="0.9.0"))
    result = called("check", CDS_MANIFEST=file)
    assert result.exit_code == 1
    assert "manifest.json, knowledge[0].version: 0.9.0 is approved, but" in result.output
    assert "iv_bisphosphonate_vitamin_d.json has 1.0.1" in result.output


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda m: m.update(fhirVersion="5.0.0"), "fhirVersion"),
        (lambda m: m["knowledge"].pop(0), "'iv-bisphosphonate-vitamin-d' is in service without an approved version"),
        (lambda m: m["services"].append(m["services"][0]), "services[3]: the id"),
        (lambda m: m["services"][0].update(hook="order-guess"), "services[0].hook"),
        (lambda m: m["site"]["disabledRules"].insert(0, "no-such-rule"), "site.disabledRules[0]: there is no rule"),
        (lambda m: m["site"]["parameters"].append(site(parameter="limit")), "has no parameter 'limit'"),
        (lambda m: m["site"]["parameters"].append(site(value="much")), "site.parameters[0].value: expected a number"),
        (lambda m: m["site"]["parameters"].append(site(value=True)), "site.parameters[0].value: expected a number"),
        (lambda m: m["site"]["parameters"].append(site(rule="nothing")), "site.parameters[0].rule: there is no rule"),
        (lambda m: m["site"]["parameters"].append(site(**{"from": "2026-02-30"})), "not a day of the calendar"),
        (lambda m: m["site"]["parameters"].append(site(parameter="limit_choice", value="x")), "expected one of"),
    ],
)
def test_check_names_everything_else_that_is_wrong_with_a_manifest(tmp_path: Path, change: Any, said: str) -> None:
    result = called("check", CDS_MANIFEST=manifest(tmp_path, change))
    assert result.exit_code == 1
    assert said in result.output


def site(**changed: Any) -> dict[str, Any]:
    base = {"rule": "calcium-total-daily", "parameter": "limit_mg", "value": 2500, "from": "2026-12-01"}
    return {**base, "reason": "committee decision", "approvedBy": "the committee", **changed}


def test_check_names_every_problem_and_not_the_first_only(tmp_path: Path) -> None:
    def change(document: dict[str, Any]) -> None:
        document["services"][1]["rules"][0] = "typo"
        document["knowledge"][1]["version"] = "9.9.9"

    result = called("check", CDS_MANIFEST=manifest(tmp_path, change))
    assert "'typo'" in result.output
    assert "9.9.9" in result.output


def copied(folder: Path) -> Path:
    shutil.copytree(ROOT / "cds_service", folder / "cds_service", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def checked(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cds_service", *(arguments or ("check",))]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603  # our own program


def test_check_names_a_missing_value_set_and_an_outcome_without_words(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    (folder / "cds_service/terminology/value_sets/dietary-calcium.json").unlink()
    file = folder / "cds_service/rules/calcium/calcium_total_daily.json"
    document = json.loads(file.read_text("utf-8"))
    del document["outcomes"]["possible-over"]
    document["outcomes"]["over-limit"]["summary"] = "{intake.low} of {nobody_knows}"
    file.write_text(json.dumps(document), "utf-8")
    result = checked(folder)
    assert result.returncode == 1
    assert "there is no value set 'dietary-calcium'" in result.stderr
    assert "calcium_total_daily.json, outcomes: the outcome 'possible-over' has no words" in result.stderr
    assert "calcium_total_daily.json, outcomes.over-limit.summary: no value fills {nobody_knows}" in result.stderr


def test_the_program_runs_from_a_wheel_with_its_own_manifest(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE", "NOTICE", "manifest.json"):
        shutil.copy(ROOT / name, source / name)
    shutil.copytree(
        ROOT / "cds_service", source / "cds_service", symlinks=True, ignore=shutil.ignore_patterns("__pycache__")
    )
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(tmp_path)]
    subprocess.run([*build, str(source)], check=True, capture_output=True, timeout=120)  # noqa: S603  # our own build
    elsewhere = tmp_path / "elsewhere"
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        wheel.extractall(elsewhere)
    result = checked(elsewhere)
    assert result.returncode == 0, result.stderr
    assert "3 services" in result.stdout
    for arguments in (("knowledge",), ("knowledge", "--cards"), ("build-sheet",)):
        printed = checked(elsewhere, *arguments)
        assert printed.returncode == 0, printed.stderr
        assert "No sample is recorded" not in printed.stdout
    assert {path.suffix for path in (elsewhere / "cds_service/report").glob("page.*")} >= {".py", ".css", ".jinja"}


def test_import_rxnorm_says_what_is_wrong_with_a_folder(tmp_path: Path) -> None:
    result = called("terminology", "import-rxnorm", str(tmp_path), "--to", str(tmp_path / "index.sqlite"))
    assert result.exit_code == 1
    assert "RXNCONSO.RRF" in result.output


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "cds.example"])  # noqa: S104  # refused
def test_run_refuses_an_address_others_can_reach_when_nobody_said_who_may_call(host: str) -> None:
    result = called("run", "--host", host)
    assert result.exit_code == 1
    assert f"--host {host}: others than this machine could call" in result.output
    assert "CDS_CLIENTS" in result.output
    assert "CDS_AUTH=off" in result.output


def test_run_serves_this_machine_openly_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[Any] = []
    monkeypatch.setattr("cds_service.__main__.serve", lambda app, **_: served.append(app))
    result = called("run")
    assert result.exit_code == 0, result.output
    assert "CALLERS ARE NOT AUTHENTICATED" in result.output
    assert called("run", "--host", "0.0.0.0", CDS_AUTH="off").exit_code == 0  # noqa: S104  # not bound
    assert len(served) == 2
    assert all(app.test_client().get("/cds-services").status_code == 200 for app in served)


def test_run_with_clients_says_nothing_of_open_doors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[Any] = []
    monkeypatch.setattr("cds_service.__main__.serve", lambda app, **_: served.append(app))
    settings = {"CDS_CLIENTS": str(written(tmp_path, known())), "CDS_BASE_URL": "https://cds.example"}
    store = {"CDS_SHARED_STORE": str(tmp_path / "tokens.sqlite")}
    result = called("run", "--host", "0.0.0.0", **settings, **store)  # noqa: S104  # not bound
    assert result.exit_code == 0, result.output
    assert "NOT AUTHENTICATED" not in result.output
    answer = served[0].test_client().post("/cds-services/bone-health-order-sign")
    assert answer.status_code == 401
    broken = called("run", **settings, CDS_SHARED_STORE=str(tmp_path / "no/folder/x"))
    assert broken.exit_code == 1
    assert "CDS_SHARED_STORE" in broken.output


def test_check_counts_the_clients_and_names_everything_wrong_with_them(tmp_path: Path) -> None:
    file = str(written(tmp_path, known()))
    settings = {"CDS_CLIENTS": file, "CDS_BASE_URL": "https://cds.example"}
    result = called("check", **settings)
    assert result.exit_code == 0, result.output
    assert "1 clients: sound" in result.output
    written(tmp_path, known(services=["x"]), known(issuer="https://sandbox.cds-hooks.org"))
    result = called("check", **settings)
    assert result.exit_code == 1
    assert "clients.json, clients[0].services[0]: there is no service 'x'" in result.output
    assert "CDS_DEVELOPMENT=1" in result.output
    written(tmp_path, {"id": "gateway", "anonymous": True})
    assert "CDS_AUTH" in called("check", **settings).output
