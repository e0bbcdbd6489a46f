"""The day of the request: an instant handed in, and the time zone in which the site counts days."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from functools import cached_property

from ..fhir.elements import Moment

# A clock that runs a day ahead is skew or a time zone; further ahead it is a mistake and no evidence.
_SKEW = datetime.timedelta(hours=24)


@dataclass(frozen=True)
class Clock:
    """``now`` is aware; ``zone`` is the site's."""

    now: datetime.datetime
    zone: datetime.tzinfo

    @cached_property
    def today(self) -> datetime.date:
        """The day on which the request is answered, where the site is."""
        return self.now.astimezone(self.zone).date()

    def age_days(self, day: datetime.date) -> int:
        """Calendar days since ``day``; 0 for today and for a clock slightly ahead."""
        return max(0, (self.today - day).days)

    def in_future(self, moment: Moment) -> bool:
        """Whether a record's time lies more than 24 hours ahead."""
        if moment.instant is not None:
            return moment.instant > self.now + _SKEW
        return moment.date.earliest > self.today + _SKEW
