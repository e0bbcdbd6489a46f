"""Hands what was asked and answered to the recorder, once the answer has gone."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from flask import Response, after_this_request

from ..catalogue import Catalogue, ServiceEntry
from ..cdshooks import Feedback
from ..config import Config, ConfigError
from ..records import WrongDatabase, entries, open_recorder

if TYPE_CHECKING:
    from ..records.recorder import Recorder

_CONFIGURATIONS = 100


class Recording:
    """The records of this service; where the site keeps none, it does nothing."""

    def __init__(self, kept_by: Recorder | None, comments: bool) -> None:
        self._recorder = kept_by
        self._comments = comments
        # The catalogue is kept with what was made of it, so that no other one can have its id meanwhile.
        self._in_force: dict[tuple[int, str, str, datetime.date], tuple[Catalogue, entries.Row]] = {}

    def call(self, call: entries.Call, catalogue: Catalogue, entry: ServiceEntry, day: datetime.date) -> None:
        """Records a call of ``entry``, whatever came of it, and what of ``catalogue`` was in force on that day."""
        self._later(lambda: entries.invocation(call, self._configuration(catalogue, entry, day)))

    def feedback(self, said: Sequence[Feedback], client: str, service: str, at: datetime.datetime) -> None:
        """Records what became of cards."""
        self._later(lambda: entries.feedback(said, client, service, at, self._comments))

    def prepare(self) -> None:
        """Does what the first record would else wait for."""
        if self._recorder is not None:
            self._recorder.prepare()

    def _configuration(self, catalogue: Catalogue, entry: ServiceEntry, day: datetime.date) -> entries.Row:
        key = id(catalogue), entry.service.id, entry.service.hook, day
        if key not in self._in_force:
            if len(self._in_force) >= _CONFIGURATIONS:
                self._in_force.clear()
            self._in_force[key] = catalogue, entries.configuration(catalogue, entry, day)
        return self._in_force[key][1]

    def _later(self, make: Callable[[], entries.Recorded]) -> None:
        if (kept_by := self._recorder) is None:
            return

        @after_this_request
        def arrange(response: Response) -> Response:
            response.call_on_close(lambda: kept_by.take(make))
            return response


def recording(config: Config) -> Recording:
    """The records that ``config`` asks for. Raises ConfigError for a database that cannot be one of records."""
    try:
        kept_by = open_recorder(config.records) if config.records else None
    except WrongDatabase as error:
        raise ConfigError("CDS_RECORDS", str(error), "off, or a URL: sqlite:///FILE or postgresql://…") from error
    return Recording(kept_by, config.record_comments)
