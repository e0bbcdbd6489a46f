"""Sends one request over and over and says how long the answers took; any other answer than expected is an error."""

from __future__ import annotations

import http.client
import json
import math
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

_SCRIPT = Path(__file__).with_name("load.lua")
_PATIENCE = 30  # seconds after which an answer is given up


class LoadFailed(Exception):
    """A measurement that measured something else: wrong answers, lost connections, or none; the message says which."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A body, the status that answers it, and a text that this answer has and no other would."""

    body: bytes
    status: int
    text: str


@dataclass(frozen=True, slots=True)
class Load:
    """What came of a load: how many answers in how many seconds; percentiles and the longest in milliseconds."""

    requests: int
    seconds: float
    p50: float
    p90: float
    p99: float
    most: float

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return self.requests / self.seconds


def drive(url: str, ask: Ask, *, connections: int, seconds: float, tokens: Sequence[str] = ()) -> Load:
    """Drives wrk with so many connections for so long; a request on each of them at any time.

    With ``tokens`` each request has one of its own. Raises LoadFailed.
    """
    if shutil.which("wrk") is None:
        raise LoadFailed("wrk is not installed; on Debian: apt-get install wrk")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "body").write_bytes(ask.body)
        own = ""
        if tokens:
            (folder / "tokens").write_text("\n".join(tokens) + "\n", "ascii")
            own = str(folder / "tokens")
        # wrk takes whole seconds only.
        options = ["-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", f"--timeout={_PATIENCE}s"]
        script = ["-s", str(_SCRIPT), url, "--", str(folder / "body"), str(ask.status), ask.text, own]
        done = subprocess.run(  # noqa: S603  # our own script, a URL of loopback
            ["wrk", *options, *script],  # noqa: S607  # from wherever the system has it
            capture_output=True,
            text=True,
            timeout=seconds + 2 * _PATIENCE,
            check=False,
        )
    if done.returncode:
        raise LoadFailed(f"wrk ended with {done.returncode}: {(done.stderr or done.stdout).strip()[-500:]}")
    return read(done.stdout, ask)


def read(output: str, ask: Ask) -> Load:
    """What wrk and our script printed. Raises LoadFailed where not every answer was the one expected."""
    lines = [line for line in output.splitlines() if line.startswith("{")]
    if not lines:
        raise LoadFailed(f"wrk printed no result: {output.strip()[-500:] or 'nothing at all'}")
    told: Mapping[str, Any] = json.loads(lines[-1])
    wrong = [f"{count} with status {status}" for status, count in sorted(told["statuses"].items())]
    if told["strange"]:
        wrong.append(f"{told['strange']} with status {ask.status} but without {ask.text!r}")
    if told["spent"]:
        wrong.append("more requests than tokens were prepared for")
    lost = {"connect": "not connected", "read": "broken off", "write": "not sent", "timeout": "not answered in time"}
    wrong += [f"{told[name]} {words}" for name, words in lost.items() if told[name]]
    if wrong:
        raise LoadFailed(
            f"of {told['requests']} requests, all to be answered with status {ask.status}: {', '.join(wrong)}"
        )
    if not told["requests"]:
        raise LoadFailed("not one request was answered while the load lasted")
    milliseconds = {name: told[name] / 1000 for name in ("p50", "p90", "p99", "most")}
    return Load(told["requests"], told["microseconds"] / 1e6, **milliseconds)


def one_by_one(url: str, ask: Ask, times: int) -> Load:
    """Sends so many requests, each when the one before is answered. Raises LoadFailed."""
    taken = [answered(url, ask) for _ in range(times)]
    ranks = (percentile(taken, share) for share in (0.5, 0.9, 0.99, 1))
    return Load(times, sum(taken) / 1000, *ranks)


def answered(url: str, ask: Ask) -> float:
    """Milliseconds from the request's first byte to the answer's last. Raises LoadFailed."""
    return exchange(url, ask)[0]


def exchange(url: str, ask: Ask) -> tuple[float, str]:
    """The same, and the answer. Raises LoadFailed."""
    where = urlsplit(url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=_PATIENCE)
    try:
        connection.connect()
        begun = time.perf_counter()
        connection.request("POST", where.path, ask.body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = response.read().decode()
        taken = time.perf_counter() - begun
    except (OSError, http.client.HTTPException) as error:
        raise LoadFailed(f"{where.path}: no answer ({type(error).__name__})") from error
    finally:
        connection.close()
    if response.status != ask.status or ask.text not in answer:
        expected = f"expected status {ask.status} and {ask.text!r}"
        raise LoadFailed(f"{where.path}: {expected}, got {response.status}: {answer[:300]}")
    return taken * 1000, answer


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that is not below this share of all; the median as it is usual."""
    if share == 0.5:
        return statistics.median(values)
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]
