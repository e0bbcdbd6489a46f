"""Container, compose and Kubernetes fit the program, and so does what the documents say of operating it."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from flask import Flask

from cds_service.__main__ import main
from cds_service.clients import load_clients
from cds_service.config import Config
from cds_service.examples import example
from cds_service.manifest import SHIPPED_MANIFEST, build, load_catalogue
from cds_service.schemas import problems
from cds_service.web import create_app

from .deployment import dockerfile
from .running import ROOT
from .tokens import NOW, ORDER_SIGN, call, guarded, known, service, signer, written

OPERATIONS = (ROOT / "docs" / "operations.md").read_text("utf-8")
README = (ROOT / "README.md").read_text("utf-8")
IMAGE = dockerfile(ROOT / "Dockerfile")
USER = 10001
Yaml = dict[str, Any]


@pytest.fixture(scope="module")
def app() -> Flask:
    return create_app(Config(auth="off"), load_catalogue())


def paths_of(app: Flask) -> set[str]:
    return {rule.rule for rule in app.url_map.iter_rules()}


# -- container --------------------------------------------------------------------------------------------------------


def test_the_image_starts_the_program_as_it_is_on_the_port_it_names() -> None:
    assert IMAGE.entrypoint == ("cds-service",)
    name, *arguments = IMAGE.command
    assert name == "run"
    given = parsed(name, arguments)
    assert given["port"] == IMAGE.port
    assert given["host"] == "0.0.0.0"  # noqa: S104  # inside the container


def parsed(name: str, arguments: list[str]) -> dict[str, Any]:
    """What the command line makes of arguments; an error where it would refuse them."""
    assert isinstance(main, click.Group)
    command = main.commands[name]
    with command.make_context(name, list(arguments)) as context:
        return dict(context.params)


def test_the_image_asks_the_program_whether_it_is_alive(app: Flask) -> None:
    assert IMAGE.check[:2] == ("python", "-c")
    ast.parse(IMAGE.check[2])
    host, path = re.findall(r"http://([^/']+)(/[^']*)'", IMAGE.check[2])[0]
    assert host == f"127.0.0.1:{IMAGE.port}"
    assert path in paths_of(app)


def test_the_image_has_a_fixed_base_and_a_user_without_rights() -> None:
    assert len(IMAGE.bases) == 2
    assert all(re.fullmatch(r"[a-z/]+:[0-9][\w.-]+", base) for base in IMAGE.bases)
    assert IMAGE.user == f"{USER}:{USER}"
    assert any("useradd" in run and str(USER) in run for run in IMAGE.runs)
    assert not any(word in ("sh", "bash") for run in IMAGE.runs for word in run)


def test_the_image_writes_only_where_a_volume_is() -> None:
    assert IMAGE.volumes == ("/data",)
    written_to = [v for name, v in IMAGE.environment.items() if name in ("CDS_RECORDS", "CDS_SHARED_STORE")]
    assert len(written_to) == 2
    assert all(value.removeprefix("sqlite:///").startswith("/data/") for value in written_to)


def test_what_is_copied_into_the_image_is_let_in_and_nothing_else() -> None:
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", (ROOT / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    wanted = {name for line in copied for name in line.split()}
    assert {line.removeprefix("!") for line in lines if line.startswith("!")} == wanted
    assert lines.index("*") < min(index for index, line in enumerate(lines) if line.startswith("!"))
    assert all((ROOT / name).exists() for name in wanted)


# -- compose ----------------------------------------------------------------------------------------------------------


def compose() -> Yaml:
    found: Yaml = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
    return found


@pytest.mark.parametrize("name", compose()["services"])
def test_a_service_of_compose_is_locked_down(name: str) -> None:
    one = compose()["services"][name]
    assert one["read_only"] is True
    assert one["cap_drop"] == ["ALL"]
    assert one["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in one
    assert "cap_add" not in one
    assert "build" in one or one["user"] not in ("root", "0")
    check = one["healthcheck"]
    assert check.get("disable") or check["test"][0] == "CMD"


def test_passwords_are_not_in_the_compose_file_and_must_be_set() -> None:
    text = (ROOT / "compose.yaml").read_text("utf-8")
    assert re.findall(r"\$\{[A-Z_]+\}", text) == [], "each must say what to set"
    for line in text.splitlines():
        if re.search(r"password|requirepass|AUTH|://[^ ]*@", line, re.IGNORECASE) and not line.lstrip().startswith("#"):
            assert re.search(r"\$\{[A-Z_]+:\?[^}]+\}", line), line
    assert ".env" in (ROOT / ".gitignore").read_text("utf-8").split()


def test_compose_runs_the_image_of_the_dockerfile_with_its_check_and_port() -> None:
    one = compose()["services"]["cds"]
    assert one["build"] == "."
    assert tuple(one["healthcheck"]["test"][1:]) == IMAGE.check
    assert one["ports"] == [f"127.0.0.1:8000:{IMAGE.port}"]
    assert compose()["networks"]["back"]["internal"] is True
    assert all(set(compose()["services"][name]["networks"]) == {"back"} for name in ("records", "store", "migrate"))


def test_the_store_of_compose_never_forgets_a_used_token() -> None:
    settings = compose()["configs"]["store"]["content"]
    assert "maxmemory-policy noeviction" in settings
    assert "appendonly yes" in settings


# -- Kubernetes -------------------------------------------------------------------------------------------------------


def kubernetes() -> dict[str, Yaml]:
    documents = yaml.safe_load_all((ROOT / "deploy" / "kubernetes.yaml").read_text("utf-8"))
    return {document["kind"]: document for document in documents}


def test_the_deployment_is_two_locked_down_replicas() -> None:
    spec = kubernetes()["Deployment"]["spec"]
    pod = spec["template"]["spec"]
    assert spec["replicas"] == 2
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == pod["securityContext"]["runAsGroup"] == USER
    assert pod["automountServiceAccountToken"] is False
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert set(container["resources"]) == {"requests", "limits"}


def test_the_deployment_starts_and_probes_the_program(app: Flask) -> None:
    pod = kubernetes()["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    name, *arguments = container["args"]
    assert parsed(name, arguments)["port"] == container["ports"][0]["containerPort"] == IMAGE.port
    probes = {kind: container[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")}
    assert {probe["path"] for probe in probes.values()} <= paths_of(app)
    assert {probe["port"] for probe in probes.values()} == {container["ports"][0]["name"]}
    assert probes["readiness"]["path"] == "/health/ready", "a store that is down must not restart anything"
    assert probes["liveness"]["path"] == "/health/live"


def test_every_part_of_kubernetes_selects_the_same_pods_and_every_volume_is_there() -> None:
    documents = kubernetes()
    pod = documents["Deployment"]["spec"]["template"]
    labels = pod["metadata"]["labels"]
    assert documents["Deployment"]["spec"]["selector"]["matchLabels"] == labels
    assert documents["Service"]["spec"]["selector"] == labels
    assert documents["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    assert documents["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"] == labels
    (container,) = pod["spec"]["containers"]
    volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == set(volumes)
    assert not [mount for mount in container["volumeMounts"] if "subPath" in mount], "it would not follow a change"
    assert volumes["clients"]["configMap"]["name"] == documents["ConfigMap"]["metadata"]["name"]
    values = {one["name"]: one.get("value", "") for one in container["env"]}
    places = [mount["mountPath"] for mount in container["volumeMounts"]]
    assert all(str(Path(values[name]).parent) in places for name in ("CDS_CLIENTS", "CDS_MANIFEST"))
    assert Path(values["CDS_CLIENTS"]).name in documents["ConfigMap"]["data"]


def test_secrets_are_named_and_not_written_into_kubernetes() -> None:
    (container,) = kubernetes()["Deployment"]["spec"]["template"]["spec"]["containers"]
    secret = {one["name"] for one in container["env"] if "secretKeyRef" in one.get("valueFrom", {})}
    assert secret == {"CDS_RECORDS", "CDS_SHARED_STORE"}
    assert "Secret" not in kubernetes()


def test_the_clients_of_kubernetes_are_a_sound_file(tmp_path: Path) -> None:
    file = tmp_path / "clients.json"
    file.write_text(kubernetes()["ConfigMap"]["data"]["clients.json"], "utf-8")
    assert load_clients(file, [one.id for one in load_catalogue().services]).known


# -- settings ---------------------------------------------------------------------------------------------------------


def read_by_the_program() -> set[str]:
    source = ast.parse((ROOT / "cds_service" / "config.py").read_text("utf-8"))
    texts = {node.value for node in ast.walk(source) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return {text for text in texts if re.fullmatch(r"CDS_[A-Z_]*[A-Z]", text)}


def test_the_table_of_settings_is_complete_and_names_no_other() -> None:
    table = README.partition("\n## Settings\n")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `(CDS_[A-Z_]+)` \|", table, re.MULTILINE)) == read_by_the_program()
    assert "(../README.md#settings)" in OPERATIONS


def files_that_name_settings() -> Iterator[Path]:
    yield from (ROOT / name for name in ("Dockerfile", "compose.yaml", "README.md", "Makefile", "CHANGELOG.md"))
    for folder, pattern in (("deploy", "**/*.yaml"), ("docs", "*.md"), ("cds_service", "**/*.py")):
        yield from (ROOT / folder).glob(pattern)


@pytest.mark.parametrize("file", list(files_that_name_settings()), ids=lambda file: str(file.relative_to(ROOT)))
def test_a_setting_that_is_named_anywhere_is_one_that_is_read(file: Path) -> None:
    named = set(re.findall(r"(?<![A-Z_-])CDS_[A-Z_]*[A-Z]\b", file.read_text("utf-8")))
    assert named <= read_by_the_program()


def test_what_the_files_set_is_read_by_the_program_or_known_to_python() -> None:
    of_python = {"PATH", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"}
    (container,) = kubernetes()["Deployment"]["spec"]["template"]["spec"]["containers"]
    for given in (
        IMAGE.environment,
        compose()["services"]["cds"]["environment"],
        {e["name"] for e in container["env"]},
    ):
        assert set(given) <= read_by_the_program() | of_python


# -- what the document says -------------------------------------------------------------------------------------------


def site_examples() -> list[Yaml]:
    blocks = re.findall(r"```json\n(.*?)```", OPERATIONS, re.DOTALL)
    return [json.loads("{" + block + "}")["site"] for block in blocks]


def test_what_an_operator_copies_into_the_manifest_is_sound_and_does_what_is_said() -> None:
    shipped = json.loads(SHIPPED_MANIFEST.read_text("utf-8"))
    stopped, silent = site_examples()
    for site in (stopped, silent):
        assert set(shipped["site"]["disabledRules"]) <= set(site["disabledRules"]), "what was off must stay off"
        assert list(problems({**shipped, "site": site}, "manifest")) == []
    rules = {r.rule.id for entry in build({**shipped, "site": stopped}).entries for r in entry.rules}
    assert "calcium-total-daily" not in rules
    catalogue = build({**shipped, "site": silent})
    entry = next(e for e in catalogue.entries if e.service.hook == "order-sign")
    assert catalogue.silent(entry, "ehr") == {"calcium-total-daily"}
    assert catalogue.silent(entry, "another") == frozenset()


def test_the_log_has_the_members_that_are_documented(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = OPERATIONS.partition("\n## The log\n")[2].partition("```")[0]
    rows = re.findall(r"^\| (`.*?) \| (.*) \|$", table, re.MULTILINE)
    documented = {name for cell, _ in rows for name in re.findall(r"`(\w+)`", cell)}
    caller = service(guarded(tmp_path, written(tmp_path, known())))
    call(caller, None)
    body = example("zoledronic-acid-deficient", NOW.date())
    del body["prefetch"]["renal"]
    assert call(caller, signer("ES384").token(ORDER_SIGN), body=body).status_code == 200
    said = {"feedback": [{"card": "x", "outcome": "overridden", "outcomeTimestamp": "2026-11-25T12:00:00Z"}]}
    token = signer("ES384").token(f"{ORDER_SIGN}/feedback")
    assert call(caller, token, f"{ORDER_SIGN}/feedback", said).status_code == 200
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {name for line in lines for name in line} == documented
    results = {name for line in lines for result in line.get("results", ()) for name in result}
    assert results <= set(re.findall(r"`(\w+)`", dict(rows)["`results`"]))
    gaps = {name for line in lines for r in line.get("results", ()) for gap in r.get("gaps", ()) for name in gap}
    assert gaps == {"key", "kind"}
