"""A FHIR server that dies, comes back, hangs and wakes while callers call: none is told that there is no result."""

from __future__ import annotations

import collections
import contextlib
import datetime
import json
import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
import requests

from cds_service.examples import example

from . import ehr as bench
from .peers import fhir_server as peer
from .running import free_port, running

pytestmark = [pytest.mark.integration, pytest.mark.enable_socket]

THREADS = 4
DEADLINE_MS = 1500
# What happens to the FHIR server, and for how many seconds that lasts. A breaker rests ten of them.
PHASES = {"well": 10, "killed": 13, "back": 14, "hanging": 11, "awake": 14}
SETTLED = 11


def serve(port: int, chart: list[dict[str, Any]]) -> None:
    with peer.serving(peer.Told(chart=tuple(chart), page_size=5), port):
        time.sleep(600)


def started(port: int, chart: list[dict[str, Any]]) -> BaseProcess:
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(port, chart), daemon=True)
    process.start()
    for _ in range(200):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return process
        time.sleep(0.05)
    raise AssertionError("the FHIR server did not start")


@contextlib.contextmanager
def service(folder: Path, fhir: str) -> Iterator[tuple[str, Path]]:
    """The service as it is run, two processes, for anybody on loopback: its base URL and its log."""
    client = {"id": "anyone", "anonymous": True, "fhirServers": [{"url": fhir, "privateNetwork": True}]}
    (folder / "clients.json").write_text(json.dumps({"clients": [client]}), "utf-8")
    settings = {
        "CDS_CLIENTS": str(folder / "clients.json"),
        "CDS_AUTH": "off",
        "CDS_RECORDS": "off",
        "CDS_DEADLINE_MS": str(DEADLINE_MS),
    }
    with running(folder, **settings) as started:
        yield started.base, started.log


def chart_and_request(fhir: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The deficient example's prefetch as a chart, and its request with nothing prefetched."""
    body: dict[str, Any] = example("zoledronic-acid-deficient", datetime.datetime.now(datetime.UTC).date())
    chart: list[dict[str, Any]] = []
    for value in body.pop("prefetch").values():
        entries = [e["resource"] for e in value.get("entry", ())] if value["resourceType"] == "Bundle" else [value]
        chart += [resource for resource in entries if resource not in chart]
    body["fhirServer"] = fhir
    body["fhirAuthorization"] = {
        "access_token": peer.TOKEN,
        "token_type": "Bearer",
        "expires_in": 300,
        "scope": "patient/*.read",
        "subject": "cds-service",
    }
    return chart, body


def kind(answer: requests.Response) -> str:
    """What an answer comes to: the level told, or that it could not be had; anything else as it is."""
    if answer.status_code == 412:
        return "not checked"
    if answer.status_code != 200:
        return f"status {answer.status_code}"
    outcomes = {f["outcome"] for card in answer.json()["cards"] for f in bench.findings(card)}
    if "deficient" in outcomes:
        return "told"
    if "unknown" in outcomes or not answer.json()["cards"]:
        return f"wrong: {sorted(outcomes)}"
    return "not checked"


def test_while_its_fhir_server_dies_and_hangs_the_service_answers_and_never_says_that_there_is_no_result(
    tmp_path: Path,
) -> None:
    fhir_port = free_port()
    fhir = f"http://127.0.0.1:{fhir_port}{peer.PATH}"
    chart, body = chart_and_request(fhir)
    server = started(fhir_port, chart)
    answers: list[tuple[float, float, str]] = []
    stop = threading.Event()

    with service(tmp_path, fhir) as (base, log):

        def call() -> None:
            with requests.Session() as session:
                while not stop.is_set():
                    begun = time.monotonic()
                    answer = session.post(f"{base}/cds-services/bone-health-order-sign", json=body, timeout=30)
                    answers.append((begun, time.monotonic() - begun, kind(answer)))

        threads = [threading.Thread(target=call) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        begins: dict[str, float] = {}
        try:
            for phase, seconds in PHASES.items():
                match phase:
                    case "killed":
                        server.kill()
                        server.join()
                    case "back":
                        server = started(fhir_port, chart)
                    case "hanging":
                        os.kill(server.pid or 0, signal.SIGSTOP)
                    case "awake":
                        os.kill(server.pid or 0, signal.SIGCONT)
                begins[phase] = time.monotonic()
                time.sleep(seconds)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
            server.kill()
    lines = [json.loads(line) for line in log.read_text("utf-8").splitlines() if '"breaker' in line]

    def of(phase: str, after: float = 0.0) -> collections.Counter[str]:
        start = begins[phase]
        return collections.Counter(k for at, _, k in answers if start + after <= at < start + PHASES[phase] - 1)

    counted = {phase: dict(of(phase)) for phase in PHASES}
    ends = {phase: begins[phase] + seconds for phase, seconds in PHASES.items()}
    slowest = {p: round(max(t for at, t, _ in answers if begins[p] <= at < ends[p]), 2) for p in PHASES}
    print(counted, "slowest:", slowest, "breaker:", collections.Counter(line["after"] for line in lines))
    assert {k for _, _, k in answers} <= {"told", "not checked"}, counted
    assert of("well")["told"] > 0
    assert of("killed", 1).keys() == {"not checked"}, counted
    assert of("back", SETTLED).keys() == {"told"}, counted
    assert of("hanging", 1).keys() == {"not checked"}, counted
    assert of("awake", SETTLED).keys() == {"told"}, counted
    # Left alone, the dead server costs nothing: far more answers than the deadline alone would let through.
    assert of("hanging", 5)["not checked"] > 10 * THREADS
    assert {"open", "closed"} <= {line["after"] for line in lines}
