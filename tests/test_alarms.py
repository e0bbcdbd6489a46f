"""Alarms ask for numbers that the program gives, are raised when they should be, and have a runbook each."""

from __future__ import annotations

import dataclasses
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from cds_service.config import Config
from cds_service.manifest import load_catalogue
from cds_service.metrics import metrics
from cds_service.web import create_app

from .deployment import grouped, selectors
from .running import ROOT

RULES = ROOT / "deploy" / "prometheus-rules.yaml"
TRIED = sorted((ROOT / "deploy" / "tests").glob("*.yaml"))
OPERATIONS = (ROOT / "docs" / "operations.md").read_text("utf-8")
Yaml = dict[str, Any]


def groups() -> list[Yaml]:
    found: list[Yaml] = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    return found


ALARMS = {rule["alert"]: rule for group in groups() for rule in group["rules"] if "alert" in rule}
RECORDED = {rule["record"]: rule for group in groups() for rule in group["rules"] if "record" in rule}


def exposed() -> dict[str, frozenset[str]]:
    """Every series that the program gives, with its labels; and the one that Prometheus makes for each machine."""
    found = {"up": frozenset({"job", "instance"})}
    for one in vars_of(metrics()):
        family = next(iter(one.describe()))
        labels = frozenset(one._labelnames)
        endings = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_count", "_sum")}[family.type]
        for ending in endings:
            found[family.name + ending] = labels | ({"le"} if ending == "_bucket" else set())
    return found


def vars_of(record: Any) -> list[Any]:
    return [getattr(record, field.name) for field in dataclasses.fields(record)]


@pytest.mark.parametrize("rule", [*ALARMS, *RECORDED])
def test_an_alarm_asks_for_numbers_that_the_program_gives(rule: str) -> None:
    expression = (ALARMS.get(rule) or RECORDED[rule])["expr"]
    named = selectors(expression)
    assert named or any(name in expression for name in RECORDED)
    series = exposed()
    labels: set[str] = set()
    for name, selected in named:
        assert name in series
        assert selected <= series[name], name
        labels |= series[name]
    for name in re.findall(r"\bcds:[a-z0-9:]+", expression):
        assert name in RECORDED
        labels |= grouped(RECORDED[name]["expr"])
    assert grouped(expression) <= labels
    assert set(re.findall(r"\$labels\.(\w+)", ALARMS.get(rule, {}).get("annotations", {}).get("summary", ""))) <= labels


def test_every_number_that_the_program_gives_is_watched_by_an_alarm() -> None:
    used = {name for rule in (*ALARMS.values(), *RECORDED.values()) for name, _ in selectors(rule["expr"])}
    families = {next(iter(one.describe())).name for one in vars_of(metrics())}
    assert {name for name in families if not any(one.startswith(name) for one in used)} == set()


def test_the_words_that_alarms_select_are_words_of_the_program() -> None:
    endpoints = create_app(Config(auth="off"), load_catalogue()).view_functions
    sources = "".join(file.read_text("utf-8") for file in (ROOT / "cds_service").rglob("*.py"))
    for name, rule in {**ALARMS, **RECORDED}.items():
        for label, said in re.findall(r'(\w+)(?:=~|!~|!=|=)"([^"]*)"', rule["expr"]):
            if label == "endpoint":
                assert said in endpoints, name
            elif label not in ("job", "status"):
                assert all(f'"{word}"' in sources for word in said.split("|")), name


@pytest.mark.parametrize("alarm", ALARMS)
def test_an_alarm_says_what_happened_and_where_it_stands_what_to_do(alarm: str) -> None:
    rule = ALARMS[alarm]
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert set(rule["annotations"]) == {"summary", "runbook"}
    file, _, anchor = rule["annotations"]["runbook"].partition("#")
    assert file == "docs/operations.md"
    assert anchor in sections()


def sections() -> dict[str, str]:
    """The runbooks: what is below each heading of the alarms, under the anchor that a reader's page makes of it."""
    below = OPERATIONS.partition("\n## Alarms\n")[2].partition("\n## ")[0].split("\n### ")[1:]
    return {part.partition("\n")[0].lower().replace(" ", "-"): part.partition("\n")[2].strip() for part in below}


def test_no_runbook_is_empty_or_of_no_alarm() -> None:
    named = {rule["annotations"]["runbook"].partition("#")[2] for rule in ALARMS.values()}
    assert set(sections()) == named
    assert all(len(text) > 80 for text in sections().values())


def test_every_alarm_is_tried_on_numbers_that_raise_it_and_on_numbers_that_do_not() -> None:
    tried: dict[str, set[bool]] = {}
    for file in TRIED:
        for case in yaml.safe_load(file.read_text("utf-8"))["tests"]:
            for check in case["alert_rule_test"]:
                tried.setdefault(check["alertname"], set()).add(bool(check["exp_alerts"]))
    assert tried == {alarm: {True, False} for alarm in ALARMS}


# -- Prometheus' own checks -------------------------------------------------------------------------------------------


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    program = shutil.which("promtool")
    assert program, "these tests need promtool: install prometheus"
    return subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, timeout=900, check=False)  # noqa: S603


@pytest.mark.integration
def test_prometheus_reads_the_rules() -> None:
    checked = promtool("check", "rules", RULES)
    assert checked.returncode == 0, checked.stderr
    assert f"{len(ALARMS) + len(RECORDED)} rules found" in checked.stdout


@pytest.mark.integration
@pytest.mark.parametrize("file", TRIED, ids=lambda file: file.stem)
def test_each_alarm_is_raised_when_it_should_be_and_only_then(file: Path) -> None:
    tried = promtool("test", "rules", file)
    assert tried.returncode == 0, tried.stdout + tried.stderr


@pytest.mark.integration
@pytest.mark.parametrize("always", [False, True])
def test_an_alarm_that_is_never_or_always_raised_is_noticed(tmp_path: Path, always: bool) -> None:
    """With every alarm replaced, the tried numbers must fail for every one of them."""
    missed = set(ALARMS)
    for group in (changed := groups()):
        for rule in group["rules"]:
            if "alert" in rule:
                rule["expr"] = "vector(1)" if always else "vector(1) > 1"
                rule.pop("for", None)
    (tmp_path / "prometheus-rules.yaml").write_text(yaml.safe_dump({"groups": changed}), "utf-8")
    (tmp_path / "tests").mkdir()
    for file in TRIED:
        shutil.copy(file, tmp_path / "tests" / file.name)
        said = promtool("test", "rules", tmp_path / "tests" / file.name)
        missed -= set(re.findall(r"alertname: (\w+)", said.stdout + said.stderr))
    assert missed == set()
