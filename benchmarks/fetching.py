"""Requests whose record the service has to fetch: how long one takes, and whether others have to wait for it."""

from __future__ import annotations

import contextlib
import datetime
import json
import statistics
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from tests.peers.fhir_server import TOKEN, Told, serving

from . import bodies
from .load import Ask, LoadFailed, drive, exchange
from .service import Target, ask, service

_SEARCH_SECONDS = 0.05
_SLOW_SECONDS = 0.2
_SLOW_CALLERS = 4
_WARM = 8
_ANY = '"cards":['


@dataclass(frozen=True, slots=True)
class Fetched:
    """Milliseconds of each answer, and how many searches the last one took.

    ``late`` is how many answers had to do without what did not come within the deadline.
    """

    milliseconds: Sequence[float]
    searches: int
    late: int


@dataclass(frozen=True, slots=True)
class Beside:
    """Requests a second that need no fetching: alone, and beside callers whose record is slow to fetch, in turn.

    ``late`` is how many of the slow callers' answers had to do without what did not come within the deadline.
    """

    alone: Sequence[float]
    beside: Sequence[float]
    slow: int
    late: int

    @property
    def share(self) -> float:
        """Beside slow callers, as a share of alone: the median over the rounds."""
        return statistics.median(b / a for a, b in zip(self.alone, self.beside, strict=True))


def fetch(times: int, folder: Path) -> Fetched:
    """One request at a time, all of its keys to be fetched. Raises LoadFailed."""
    with _hospital(folder / "fetch") as (told, target, question):
        for _ in range(_WARM):  # connections are made, in each worker
            exchange(target.url, replace(question, text=_ANY))
        taken, late = list[float](), 0
        for _ in range(times):
            told.requests.clear()
            milliseconds, answer = exchange(target.url, replace(question, text=_ANY))
            taken.append(milliseconds)
            late += question.text not in answer
        return Fetched(taken, len(told.requests), late)


def beside_slow_callers(rounds: int, seconds: float, folder: Path) -> Beside:
    """Quick requests alone and beside four callers, each of whom always waits for a slow server. Raises LoadFailed."""
    quick = ask("unspoken", 31_000, _today())
    alone, beside = list[float](), list[float]()
    with _hospital(folder / "beside") as (told, target, question):
        callers = _Callers(target.url, question)
        load = partial(drive, target.url, quick, connections=8, seconds=seconds)
        told.delay = _SLOW_SECONDS
        for _ in range(rounds):
            alone.append(target.using(load).load.per_second)
            with callers.calling():
                beside.append(load().per_second)
    return Beside(alone, beside, callers.answers, callers.late)


@contextlib.contextmanager
def _hospital(folder: Path) -> Iterator[tuple[Told, Target, Ask]]:
    """A FHIR server with a patient's record, the service that may ask it, and a request that leaves all there."""
    folder.mkdir(parents=True)
    document = bodies.document("complete", bodies.resources("complete", 31_000, _today()), _today())
    patient = document["prefetch"]["patient"]
    chart = [entry["resource"] for found in document["prefetch"].values() for entry in found.get("entry", ())]
    told = Told(chart=(patient, *chart), delay=_SEARCH_SECONDS)
    with serving(told) as base:
        clients = folder / "clients.json"
        member = {"id": "hospital", "anonymous": True, "fhirServers": [{"url": base, "privateNetwork": True}]}
        clients.write_text(json.dumps({"clients": [member]}), "utf-8")
        left, _ = bodies.without_prefetch(document, base, TOKEN)
        # Without cards it has had all that it needed.
        question = Ask(bodies.encoded(left), 200, f"{_ANY}]")
        first = ask("unspoken", 31_000, _today())
        with service(folder, 2, first, CDS_CLIENTS=str(clients)) as target:
            yield told, target, question


class _Callers:
    """Four callers who ask again as soon as they are answered."""

    def __init__(self, url: str, question: Ask) -> None:
        self._url, self._question = url, question
        self.answers = self.late = 0
        self._errors: list[LoadFailed] = []
        self._stop, self._lock = threading.Event(), threading.Lock()

    @contextlib.contextmanager
    def calling(self) -> Iterator[None]:
        """Calls while the block runs. Raises LoadFailed when they did not, or were answered something else."""
        before = self.answers
        self._stop.clear()
        threads = [threading.Thread(target=self._call) for _ in range(_SLOW_CALLERS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()
        if self._errors:
            raise self._errors[0]
        if self.answers - before < _SLOW_CALLERS:
            raise LoadFailed("there were to be slow callers beside the others, and hardly any was answered")

    def _call(self) -> None:
        try:
            while not self._stop.is_set():
                _, answer = exchange(self._url, replace(self._question, text=_ANY))
                with self._lock:
                    self.answers += 1
                    self.late += self._question.text not in answer
        except LoadFailed as failed:
            self._errors.append(failed)


def _today() -> str:
    return str(datetime.datetime.now(datetime.UTC).date())
