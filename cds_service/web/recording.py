"""Hands what was asked and answered to the recorder, once the answer has gone."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Sequence

from flask import Response, after_this_request

from ..catalogue import Catalogue, ServiceEntry
from ..cdshooks import Card, Feedback, Request
from ..clients import Client
from ..config import Config, ConfigError
from ..records import Recorder, WrongDatabase, entries, recorder
from ..rules.rule import RuleResult

_DAYS_KEPT = 3


class Recording:
    """The records of this service; where the site keeps none, it does nothing."""

    def __init__(
        self, kept_by: Recorder | None, comments: bool, catalogue: Catalogue, now: Callable[[], datetime.datetime]
    ) -> None:
        self._recorder = kept_by
        self._comments = comments
        self._now = now
        self._catalogue = catalogue
        self._in_force: dict[tuple[str, str, datetime.date], entries.Row] = {}

    def call(
        self,
        asked: Request,
        client: Client,
        entry: ServiceEntry,
        day: datetime.date,
        begun: float,
        status: int,
        results: Sequence[RuleResult],
        cards: Sequence[Card] = (),
    ) -> None:
        """Records a call, whatever came of it; ``begun`` is an instant of ``time.monotonic``."""
        at, seconds = self._now(), time.monotonic() - begun
        self._later(
            lambda: entries.invocation(
                asked, client.id, entry.service.id, status, results, cards, self._configuration(entry, day), at, seconds
            )
        )

    def feedback(self, said: Sequence[Feedback], client: Client, service: str) -> None:
        """Records what became of cards."""
        at = self._now()
        self._later(lambda: entries.feedback(said, client.id, service, at, self._comments))

    def _configuration(self, entry: ServiceEntry, day: datetime.date) -> entries.Row:
        key = entry.service.id, entry.service.hook, day
        if key not in self._in_force:
            if len(self._in_force) >= _DAYS_KEPT * len(self._catalogue.entries):
                self._in_force.clear()
            self._in_force[key] = entries.configuration(self._catalogue, entry, day)
        return self._in_force[key]

    def _later(self, make: Callable[[], entries.Recorded]) -> None:
        if (kept_by := self._recorder) is None:
            return

        @after_this_request
        def arrange(response: Response) -> Response:
            response.call_on_close(lambda: kept_by.take(make))
            return response


def recording(config: Config, catalogue: Catalogue, now: Callable[[], datetime.datetime]) -> Recording:
    """The records that ``config`` asks for. Raises ConfigError for a database that cannot be one of records."""
    try:
        kept_by = recorder(config.records) if config.records else None
    except WrongDatabase as error:
        raise ConfigError("CDS_RECORDS", str(error), "off, or a URL: sqlite:///FILE or postgresql://…") from error
    return Recording(kept_by, config.record_comments, catalogue, now)
