"""Many callers at once, over a real socket: no answer ever carries another patient's data."""

from __future__ import annotations

import datetime
import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from cds_service.examples import example

from .running import running

pytestmark = [pytest.mark.loopback, pytest.mark.enable_socket]

SECONDS = 20
THREADS = 32


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The service as it is run, on a free port of loopback; its base URL."""
    with running(tmp_path_factory.mktemp("concurrency"), CDS_LOG_LEVEL="error") as service:
        yield service.base


def patient(name: str, level: int, drug: str) -> dict[str, Any]:
    """The example of a deficient patient as another person, with another level and drug."""
    body: dict[str, Any] = example("zoledronic-acid-deficient", datetime.datetime.now(datetime.UTC).date())
    body = json.loads(json.dumps(body).replace("Patient/example", f"Patient/{name}"))
    body["context"]["patientId"] = name
    body["prefetch"]["patient"]["id"] = name
    body["prefetch"]["vitamin-d"]["entry"][0]["resource"]["valueQuantity"]["value"] = level
    draft = body["context"]["draftOrders"]["entry"][0]["resource"]
    draft["id"] = f"draft-of-{name}"
    draft["medicationCodeableConcept"] = {"text": drug}
    return body


def test_two_patients_at_once_never_see_each_other(server: str) -> None:
    people = {"ann": (11, "pamidronate 90 mg IV infusion"), "ben": (17, "zoledronic acid 5 mg IV infusion")}
    bodies = {name: patient(name, *what) for name, what in people.items()}
    words = {"ann": ("11 ng/mL", "pamidronate"), "ben": ("17 ng/mL", "zoledronic acid")}
    wrong: list[str] = []
    answers = [0] * THREADS
    end = time.monotonic() + SECONDS

    def call(number: int) -> None:
        session = requests.Session()
        while time.monotonic() < end and not wrong:
            name, other = ("ann", "ben") if (answers[number] + number) % 2 else ("ben", "ann")
            answer = session.post(f"{server}/cds-services/bone-health-order-sign", json=bodies[name], timeout=30)
            if answer.status_code != 200:
                wrong.append(f"{answer.status_code}: {answer.text}")
            else:
                own = all(word in answer.text for word in words[name])
                strange = (*words[other], f"draft-of-{other}", f'"Patient/{other}"')
                if not own or any(word in answer.text for word in strange):
                    wrong.append(answer.text)
            answers[number] += 1

    threads = [threading.Thread(target=call, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong, wrong[0]
    assert min(answers) > 0
    assert sum(answers) > SECONDS * 10


def test_a_chunked_body_is_read_like_any_other(server: str) -> None:
    body = json.dumps(patient("ann", 11, "pamidronate 90 mg IV infusion")).encode()
    pieces = (body[at : at + 1000] for at in range(0, len(body), 1000))
    headers = {"Content-Type": "application/json"}
    answer = requests.post(f"{server}/cds-services/bone-health-order-sign", data=pieces, headers=headers, timeout=30)
    assert answer.status_code == 200
    assert "11 ng/mL" in answer.text


def test_a_base_url_with_a_trailing_slash_is_served(server: str) -> None:
    answer = requests.get(f"{server}//cds-services", timeout=30, allow_redirects=False)
    assert answer.status_code == 200
    assert requests.get(f"{server}/cds-services/", timeout=30, allow_redirects=False).status_code == 200


def test_a_body_over_the_limit_is_refused_and_the_service_stays_well(server: str) -> None:
    url = f"{server}/cds-services/bone-health-order-sign"
    headers = {"Content-Type": "application/json"}
    refused = requests.post(url, data=b'"' + b"x" * 6_000_000 + b'"', headers=headers, timeout=30)
    assert refused.status_code == 413
    assert requests.post(url, json=patient("ann", 11, "pamidronate 90 mg IV"), timeout=30).status_code == 200


def test_a_chunk_that_cannot_be_read_is_the_caller_s_fault(server: str) -> None:
    host, port = server.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        head = "POST /cds-services/bone-health-order-sign HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        connection.sendall((head + "Transfer-Encoding: chunked\r\n\r\nzz\r\nfoo\r\n0\r\n\r\n").encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 400")
