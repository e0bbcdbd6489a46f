"""Renal function: which of clearance and filtration rate counts, and what puts it in doubt."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from msgspec import Struct

from . import clearance, creatinine
from .clearance import CLEARANCE, FILTRATION, Estimate
from .clock import Clock
from .creatinine import CREATININE, Creatinine, Rise
from .measured import SAYS_NOTHING
from .patient import Age
from .results import Results, Unusable


@dataclass(frozen=True, slots=True)
class Limits:
    """How old a result may be, in days: to count as recent, and to be told at all."""

    lookback_days: int
    stale_days: int


class Estimates(Struct, frozen=True):
    """Everything that results say of renal function, none of it older than may be told.

    ``clearances`` and ``filtrations`` are the newest first, of one day the lowest. ``recent`` is the clearance within
    the look-back, else the filtration rate. ``creatinine`` is the newest; ``missing`` says why it gave no clearance
    (a code of ``clearance.compute``); ``rise`` whether it rose fast of late. ``unusable`` are results that cannot be
    used; ``complete`` says whether all was sent and read that could count.
    """

    clearances: tuple[Estimate, ...]
    filtrations: tuple[Estimate, ...]
    recent: Estimate | None
    creatinine: Creatinine | None
    missing: str
    rise: Rise | None
    unusable: tuple[Unusable, ...]
    complete: bool

    @property
    def last(self) -> Estimate | None:
        """The newest of all; of one day the clearance."""
        newest = (*self.clearances[:1], *self.filtrations[:1])
        return max(newest, key=lambda estimate: estimate.day, default=None)

    @property
    def counting(self) -> Estimate | None:
        """The one that counts, or the last one where none is recent."""
        return self.recent or self.last

    @property
    def other(self) -> Estimate | None:
        """Another result of the kind and the day of the one that counts, where it differs."""
        first = self.counting
        same_kind = self.clearances if first in self.clearances else self.filtrations
        return next((e for e in same_kind if first and e.day == first.day and str(e) != str(first)), None)

    @property
    def doubt(self) -> Unusable | None:
        """A result that cannot be used and may be newer than the one that counts.

        With a recent clearance no filtration rate would count, however new.
        """
        surrogate = self.recent is None or self.recent.surrogate
        return _newer((u for u in self.unusable if surrogate or u.group != FILTRATION), self.counting)


def read_estimates(
    results: Results,
    age: Age | None,
    sex: str,
    clock: Clock,
    limits: Limits,
    clearance_limits: clearance.Limits,
    creatinine_limits: creatinine.Limits,
) -> Estimates:
    """The estimates that the results allow; ``sex`` is "female", "male" or anything else for not known."""
    days = max(limits.stale_days, limits.lookback_days + creatinine_limits.rise_days)
    creatinines, lost = creatinine.read_creatinines(results, creatinine_limits, days, clock)
    reported, lost_clearances = clearance.read_reported(results, CLEARANCE, limits.stale_days, clock)
    rates, lost_rates = clearance.read_reported(results, FILTRATION, limits.stale_days, clock)
    _, unread = results.within(limits.stale_days, clock, CREATININE, CLEARANCE, FILTRATION)
    newest = next((c for c in creatinines if c.age_days <= limits.stale_days), None)
    computed = clearance.compute(newest, results, age, sex, clearance_limits, clock) if newest else ""
    clearances = _ranked([*reported, *([computed] if isinstance(computed, Estimate) else [])], limits.stale_days)
    filtrations = _ranked(rates, limits.stale_days)
    recent = next((e for e in (*clearances[:1], *filtrations[:1]) if e.age_days <= limits.lookback_days), None)
    missing = computed if isinstance(computed, str) else ""
    unstable = newest is not None and newest.age_days <= limits.lookback_days
    nothing = not (clearances or filtrations)
    return Estimates(
        clearances=clearances,
        filtrations=filtrations,
        recent=recent,
        creatinine=newest,
        missing=missing,
        rise=creatinine.find_rise(creatinines, creatinine_limits) if unstable else None,
        unusable=_in_doubt((*lost, *lost_clearances, *lost_rates, *unread), limits.stale_days, clock),
        complete=results.complete and not (results.more and (nothing or missing == "no-weight")),
    )


def read_filtration(results: Results, clock: Clock, limits: Limits) -> tuple[Estimate | None, bool]:
    """The newest reported filtration rate that is not too old, of one day the lowest; whether it may not be the newest
    or others may not have been sent.
    """
    rates, lost = clearance.read_reported(results, FILTRATION, limits.stale_days, clock)
    newest = next(iter(_ranked(rates, limits.stale_days)), None)
    _, unread = results.within(limits.stale_days, clock, FILTRATION)
    newer = _newer(_in_doubt((*lost, *unread), limits.stale_days, clock), newest)
    return newest, newer is not None or not results.complete or (results.more and newest is None)


def _ranked(found: Iterable[Estimate], days: int) -> tuple[Estimate, ...]:
    """Those that are not too old, the newest first, of one day the lowest."""
    return tuple(sorted((e for e in found if e.age_days <= days), key=lambda e: (-e.day.toordinal(), e.value)))


def _in_doubt(unusable: Iterable[Unusable], days: int, clock: Clock) -> tuple[Unusable, ...]:
    """Those that would be of interest if they could be used."""
    return tuple(
        u for u in unusable if u.reason not in SAYS_NOTHING and (u.day is None or clock.age_days(u.day) <= days)
    )


def _newer(unusable: Iterable[Unusable], than: Estimate | None) -> Unusable | None:
    """One that may be newer than what counts."""
    return next((u for u in unusable if than is None or u.day is None or u.day > than.day), None)
