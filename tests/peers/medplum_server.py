"""A FHIR server that is not our own: Medplum's, as a process on loopback, installed by npm when it is first needed."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import requests

from ..ehr import Json
from ..vignettes import Vignette

HOME = Path(__file__).parent / "medplum"
TOKEN = "a-token-lent-by-medplum"
_OLDEST_NODE = 20
_SECONDS_TO_INSTALL = 300
_AT_ONCE = 50  # resources that Medplum takes in one transaction


class NoServer(AssertionError):
    """The server cannot be had: what is missing, and what to do."""


def installed() -> str:
    """Node's command, once the server's packages are there as package-lock.json has them. Raises NoServer.

    Several processes may ask at once: one installs, the others wait for it.
    """
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise NoServer(f"Node.js {_OLDEST_NODE} and npm are needed on the PATH for the FHIR server of this test")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603
    if int(re.sub(r"^v(\d+)\..*", r"\1", version)) < _OLDEST_NODE:
        raise NoServer(f"Node.js {_OLDEST_NODE} is needed for the FHIR server of this test; this is {version}")
    wanted = (HOME / "package-lock.json").read_bytes()
    mark = HOME / "node_modules" / ".installed-package-lock.json"
    with (HOME / ".install.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not mark.is_file() or mark.read_bytes() != wanted:
            done = subprocess.run(  # noqa: S603  # npm, on our own folder
                [npm, "ci"], cwd=HOME, capture_output=True, text=True, timeout=_SECONDS_TO_INSTALL, check=False
            )
            if done.returncode:
                raise NoServer(f"npm ci in tests/peers/medplum failed; it needs a package registry:\n{done.stderr}")
            mark.write_bytes(wanted)
    return node


@contextmanager
def serving(page_size: int = 1000) -> Iterator[str]:
    """The server while the block runs, empty at first; its base URL."""
    environment = {**os.environ, "FHIR_TOKEN": TOKEN, "FHIR_PAGE": str(page_size)}
    with subprocess.Popen(  # noqa: S603  # our own program
        [installed(), "server.mjs"],
        cwd=HOME, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdin
        assert process.stdout
        assert process.stderr
        try:
            base = process.stdout.readline().strip()
            if not base:
                raise NoServer(f"the FHIR server did not start:\n{process.stderr.read()}")
            yield base
        finally:
            process.stdin.close()
            process.wait(10)


def empty(base: str) -> None:
    """Takes everything from the server."""
    answer = requests.delete(base, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60)
    assert answer.status_code == 200, answer.text


def seed(base: str, resources: Iterable[Json]) -> None:
    """Puts resources on the server, each under its own id, which Medplum takes as it is."""
    entries = [
        {"resource": one, "request": {"method": "PUT", "url": f"{one['resourceType']}/{one['id']}"}}
        for one in resources
    ]
    for start in range(0, len(entries), _AT_ONCE):
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries[start : start + _AT_ONCE]}
        answer = requests.post(base, json=bundle, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60)
        assert answer.status_code == 200, answer.text
        refused = [e["response"] for e in answer.json()["entry"] if e["response"]["status"] not in ("200", "201")]
        assert not refused, refused


def under_ids_of_its_own(vignette: Vignette, prefix: str) -> Vignette:
    """The vignette with a prefix before each id of its chart and in each reference to it.

    All vignettes use the same few ids; so many patients fit on one server. Drafts keep their own ids.
    """
    names = {f"{one['resourceType']}/{one['id']}" for one in vignette.chart}

    def renamed(value: Any) -> Any:
        if isinstance(value, list):
            return [renamed(item) for item in value]
        if not isinstance(value, dict):
            return value
        found = {name: renamed(item) for name, item in value.items()}
        if value.get("reference") in names:
            kind, _, identifier = value["reference"].partition("/")
            found["reference"] = f"{kind}/{prefix}{identifier}"
        return found

    return replace(
        vignette,
        chart=tuple({**renamed(one), "id": f"{prefix}{one['id']}"} for one in vignette.chart),
        orders=tuple(renamed(one) for one in vignette.orders),
    )
