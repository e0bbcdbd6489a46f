"""Silent mode and the kill switch: what is evaluated and recorded, what is shown, and how a rule is stopped."""

from __future__ import annotations

import datetime
import json
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient

from cds_service.__main__ import main
from cds_service.config import Config
from cds_service.manifest import SHIPPED_MANIFEST, ManifestError, build, load_catalogue
from cds_service.silent_mode import SilentMode, due, silent_rules
from cds_service.web import create_app

from . import ehr as bench
from .ehr import NOW, ZONE
from .test_records import DEFICIENT, rows
from .vignettes import Vignette

Json = dict[str, Any]
RULE = "iv-bisphosphonate-vitamin-d"
SERVICE = f"bone-health-{DEFICIENT.hook}"
MODE: Json = {"owner": "Pharmacy committee", "until": "2027-03-31", "reason": "first weeks"}


def manifest(*silent: Json, **site: Any) -> Json:
    document: Json = json.loads(SHIPPED_MANIFEST.read_text("utf-8"))
    document["site"] |= {"silent": list(silent), **site}
    return document


def hospital(tmp_path: Path, *silent: Json, client: str = "") -> FlaskClient:
    config = Config(timezone=ZONE, auth="off", records=f"sqlite:///{tmp_path / 'records.sqlite'}")
    if client:
        file = tmp_path / "clients.json"
        file.write_text(json.dumps({"clients": [{"id": client, "anonymous": True}]}), "utf-8")
        config = Config(timezone=ZONE, auth="off", records=config.records, clients=file)
    return create_app(config, build(manifest(*silent)), lambda: NOW).test_client()


def findings(caller: FlaskClient, vignette: Vignette = DEFICIENT, **changed: Any) -> list[tuple[str, str]]:
    service = next(s for s in caller.get("/cds-services").get_json()["services"] if s["hook"] == vignette.hook)
    body = {**bench.request(service, vignette), **changed}
    with caller.post(f"/cds-services/{service['id']}", json=body) as answer:
        assert answer.status_code == 200
        cards = answer.get_json()["cards"]
    return [(f["ruleId"], f["outcome"]) for card in cards for f in bench.findings(card)]


@pytest.mark.parametrize(
    "named",
    [{"rule": RULE}, {"service": SERVICE}, {"service": SERVICE, "rule": RULE}, {"client": "ehr"},
     {"client": "ehr", "rule": RULE, "service": SERVICE}],
)  # fmt: skip
def test_what_is_silent_shows_no_card_and_is_recorded_as_not_shown(tmp_path: Path, named: Json) -> None:
    assert (RULE, "deficient") not in findings(hospital(tmp_path, {**MODE, **named}, client="ehr"))
    (call,) = rows(tmp_path / "records.sqlite", "invocation")
    results = {r["rule"]: r for r in json.loads(call["results"])}
    assert [f["outcome"] for f in results[RULE]["findings"]] == ["deficient"]
    unshown = [card for card in rows(tmp_path / "records.sqlite", "card") if not card["shown"]]
    assert {(f["ruleId"], f["outcome"]) for c in unshown for f in json.loads(c["findings"])} >= {(RULE, "deficient")}


@pytest.mark.parametrize(
    "named", [{"rule": "pth-alone"}, {"service": "bone-health-patient-view"}, {"client": "another", "rule": RULE}]
)
def test_what_is_not_silent_speaks_as_ever(tmp_path: Path, named: Json) -> None:
    loud = findings(hospital(tmp_path))
    assert (RULE, "deficient") in loud
    assert findings(hospital(tmp_path, {**MODE, **named}, client="ehr")) == loud


def test_a_silent_service_asks_for_nothing_and_tells_of_no_gap(tmp_path: Path) -> None:
    assert findings(hospital(tmp_path, {**MODE, "service": SERVICE}), prefetch={}) == []


def test_a_service_that_is_silent_says_so_in_discovery(tmp_path: Path) -> None:
    services = hospital(tmp_path, {**MODE, "service": SERVICE}).get("/cds-services").get_json()["services"]
    said = {s["id"]: "silent mode until 2027-03-31" in s["usageRequirements"] for s in services}
    assert [id_ for id_, silent in said.items() if silent] == [SERVICE]


def test_every_name_of_an_entry_must_fit() -> None:
    mode = SilentMode("o", datetime.date(2027, 1, 1), "r", service="s", rule="a", client="c")
    assert silent_rules([mode], "s", "c", ["a", "b"]) == {"a"}
    assert silent_rules([mode], "t", "c", ["a", "b"]) == frozenset()
    assert silent_rules([mode], "s", "d", ["a", "b"]) == frozenset()


def test_an_owner_is_reminded_a_week_before_the_end_and_after_it() -> None:
    end = datetime.date(2027, 3, 31)
    mode = SilentMode("o", end, "r", rule="a")
    left = {days: [n for _, n in due([mode], end - datetime.timedelta(days=days))] for days in (8, 7, 0, -1)}
    assert left == {8: [], 7: [7], 0: [0], -1: [-1]}


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"rule": "no-such-rule"}, "site.silent[0].rule: there is no rule 'no-such-rule'"),
        ({"rule": "bisphosphonate-indications"}, "site.silent[0].rule"),
        ({"service": "another"}, "site.silent[0].service: there is no service 'another'"),
        ({"rule": RULE, "until": "2027-02-30"}, "site.silent[0].until: '2027-02-30' is not a day of the calendar"),
    ],
)
def test_an_entry_that_names_nothing_stops_the_start(entry: Json, said: str) -> None:
    with pytest.raises(ManifestError) as caught:
        build(manifest({**MODE, **entry}))
    assert said in str(caught.value)


@pytest.mark.parametrize("left_out", ["owner", "until", "reason", "rule"])
def test_an_entry_says_what_why_until_when_and_whose_it_is(tmp_path: Path, left_out: str) -> None:
    entry = {name: value for name, value in {**MODE, "rule": RULE}.items() if name != left_out}
    file = tmp_path / "manifest.json"
    file.write_text(json.dumps(manifest(entry)), "utf-8")
    with pytest.raises(ManifestError) as caught:
        load_catalogue(file)
    assert "site.silent[0]" in str(caught.value)


def checked(tmp_path: Path, until: datetime.date) -> tuple[int, str]:
    file = tmp_path / "manifest.json"
    file.write_text(json.dumps(manifest({**MODE, "rule": RULE, "until": str(until)})), "utf-8")
    result = CliRunner().invoke(main, ["check"], env={"CDS_MANIFEST": str(file)})
    return result.exit_code, result.output


def test_check_tells_of_a_silent_mode_that_ends_and_fails_when_it_has_ended(tmp_path: Path) -> None:
    today = datetime.datetime.now(datetime.UTC).date()
    code, said = checked(tmp_path, today + datetime.timedelta(days=3))
    assert (code, "ends in 3 days" in said) == (0, True)
    code, said = checked(tmp_path, today - datetime.timedelta(days=2))
    assert (code, "ENDED 2 days ago" in said, "Pharmacy committee" in said) == (1, True, True)
    assert "ends in" not in checked(tmp_path, today + datetime.timedelta(days=30))[1]


# -- the kill switch --------------------------------------------------------------------------------------------------


def eventually(caller: FlaskClient, wanted: bool) -> bool:
    """Whether the rule comes to speak (or to be quiet) within some seconds of calls."""
    for _ in range(100):
        if ((RULE, "deficient") in findings(caller)) is wanted:
            return True
        time.sleep(0.1)
    return False


def test_a_rule_is_stopped_and_started_without_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "manifest.json"
    file.write_text(json.dumps(manifest()), "utf-8")
    caller = create_app(Config(manifest=file, timezone=ZONE, auth="off"), now=lambda: NOW).test_client()
    assert (RULE, "deficient") in findings(caller)
    file.write_text(json.dumps(manifest(disabledRules=["bisphosphonate-indication", RULE])), "utf-8")
    assert eventually(caller, False)
    file.write_text(json.dumps(manifest()), "utf-8")
    assert eventually(caller, True)


def test_discovery_tells_of_the_manifest_in_force(tmp_path: Path) -> None:
    """It is written once for each manifest, and anew for a new one."""
    file = tmp_path / "manifest.json"
    file.write_text(json.dumps(manifest()), "utf-8")
    caller = create_app(Config(manifest=file, timezone=ZONE, auth="off"), now=lambda: NOW).test_client()

    def listed() -> bytes:
        return caller.get("/cds-services").data

    before = listed()
    assert listed() == before
    file.write_text(json.dumps(manifest({**MODE, "service": SERVICE})), "utf-8")
    until = time.monotonic() + 20
    while listed() == before and time.monotonic() < until:
        time.sleep(0.1)
    assert "silent mode until" in json.dumps(json.loads(listed()))
    file.write_text(json.dumps(manifest()), "utf-8")
    while listed() != before and time.monotonic() < until:
        time.sleep(0.1)
    assert listed() == before


@pytest.mark.parametrize("broken", ['{"not": "a manifest"}', "{", "", None])
def test_a_manifest_that_cannot_be_used_leaves_the_old_one_in_force_and_is_told(
    tmp_path: Path, broken: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "manifest.json"
    file.write_text(json.dumps(manifest()), "utf-8")
    caller = create_app(Config(manifest=file, timezone=ZONE, auth="off"), now=lambda: NOW).test_client()
    before = findings(caller)
    file.unlink()
    if broken is not None:
        file.write_text(broken, "utf-8")
    time.sleep(1.1)
    findings(caller)
    time.sleep(0.5)
    assert findings(caller) == before
    assert ("manifest not used" in capsys.readouterr().out) is True
