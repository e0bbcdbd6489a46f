"""Version-free values read from FHIR: what the facts see instead of a resource's JSON.

They are Structs because a request makes hundreds of them: one is made in a tenth of the time of a frozen dataclass.
None can ever refer to itself, so the garbage collector need not look at them.
"""

from __future__ import annotations

import calendar
import datetime
from collections.abc import Hashable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from msgspec import Struct

from ..terminology.codes import Coding


class PartialDate(Struct, frozen=True, gc=False):
    """A day, a month or a year; month and day are None where the record did not say them."""

    year: int
    month: int | None = None
    day: int | None = None

    @property
    def earliest(self) -> datetime.date:
        """The first day it can mean."""
        return datetime.date(self.year, self.month or 1, self.day or 1)

    @property
    def latest(self) -> datetime.date:
        """The last day it can mean."""
        if self.month is None:
            return datetime.date(self.year, 12, 31)
        if self.day is None:
            return datetime.date(self.year, self.month, calendar.monthrange(self.year, self.month)[1])
        return datetime.date(self.year, self.month, self.day)

    @property
    def exact(self) -> bool:
        """Whether it names one day."""
        return self.day is not None


class Moment(Struct, frozen=True, gc=False):
    """A FHIR date, dateTime or instant: the day in the site's time zone, and the instant where one was given."""

    date: PartialDate
    instant: datetime.datetime | None = None


class Period(Struct, frozen=True, gc=False):
    """From one moment to another; either may be open."""

    start: Moment | None = None
    end: Moment | None = None


class Quantity(Struct, frozen=True, gc=False):
    """A number as reported, with whatever says its unit; ``code`` only if its system is UCUM or missing."""

    value: Decimal | None
    unit: str = ""
    code: str = ""
    comparator: str = ""


class Range(Struct, frozen=True, gc=False):
    """From one quantity to another; either may be open."""

    low: Quantity | None = None
    high: Quantity | None = None


class Ratio(Struct, frozen=True, gc=False):
    """One quantity per another."""

    numerator: Quantity
    denominator: Quantity


class Concept(Struct, frozen=True, gc=False):
    """Every coding and every text that says the same thing, in the order sent."""

    codings: tuple[Coding, ...] = ()
    texts: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The best single text for a human: the text, else the first display, else the first code, else ""."""
        for text in self.texts:
            if text:
                return text
        for coding in self.codings:
            if coding.display:
                return coding.display
        return self.codings[0].code if self.codings else ""


class Reference(Struct, frozen=True, gc=False):
    """A reference as sent; ``type`` and ``id`` are "" when it does not name them (``urn:uuid:…``, ``#x``)."""

    reference: str = ""
    type: str = ""
    id: str = ""
    display: str = ""


class Repeat(Struct, frozen=True, gc=False):
    """Timing.repeat; numbers as sent, units as FHIR codes (s, min, h, d, wk, mo, a)."""

    frequency: int | None = None
    frequency_max: int | None = None
    period: Decimal | None = None
    period_max: Decimal | None = None
    period_unit: str = ""
    days_of_week: tuple[str, ...] = ()
    when: tuple[str, ...] = ()
    times_of_day: int = 0
    count: int | None = None
    count_max: int | None = None
    duration: Decimal | None = None
    duration_unit: str = ""
    bounds_duration: Quantity | None = None
    bounds_range: Range | None = None
    bounds_period: Period | None = None


class Timing(Struct, frozen=True, gc=False):
    """When a dose is given: a repeat, a code or text ("BID"), or single events."""

    repeat: Repeat | None = None
    code: Concept | None = None
    events: int = 0


class DoseAndRate(Struct, frozen=True, gc=False):
    """One way in which the amount of a dose is said; ``kind`` is FHIR's dose-rate-type code or ""."""

    kind: str = ""
    dose: Quantity | Range | None = None
    rate: Quantity | Range | Ratio | None = None


@dataclass(frozen=True, slots=True)
class Dosage:
    """One dosage instruction. ``unreadable`` names its elements that were sent but could not be read.

    ``memo`` is for whoever works something out of it that several questions need; it goes with the request.
    """

    sequence: int | None = None
    text: str = ""
    patient_instruction: str = ""
    additional_instructions: tuple[Concept, ...] = ()
    timing: Timing | None = None
    as_needed: bool = False
    route: Concept | None = None
    doses: tuple[DoseAndRate, ...] = ()
    max_per_period: Ratio | None = None
    max_per_administration: Quantity | None = None
    unreadable: frozenset[str] = frozenset()
    memo: dict[Hashable, Any] = field(default_factory=dict, compare=False, repr=False)


class MedicationRecord(Struct, frozen=True, gc=False):
    """A MedicationRequest or MedicationStatement.

    ``unreadable`` names what was sent but could not be read, in the names of the fields below.
    ``medication`` is None when nothing names a drug; ``unresolved`` is True when a reference was sent that leads
    nowhere and carries no display.
    """

    source: str  # "MedicationRequest/123": what a card or an audit names
    type: str
    id: str
    status: str = ""
    intent: str = ""
    do_not_perform: bool = False
    medication: Concept | None = None
    form: Concept | None = None
    unresolved: bool = False
    authored: Moment | None = None
    effective: Period | None = None
    dosages: tuple[Dosage, ...] = ()
    prior_prescription: Reference | None = None
    linked: tuple[Reference, ...] = ()  # basedOn, derivedFrom, partOf
    group: str = ""
    reasons: tuple[Concept, ...] = ()
    supply_days: Decimal | None = None
    repeats_allowed: int | None = None
    categories: tuple[Concept, ...] = ()
    unknown_modifier: bool = False
    unreadable: frozenset[str] = frozenset()
    reported: bool = False  # told by somebody else than the one who records it


class ReferenceRange(Struct, frozen=True, gc=False):
    """The laboratory's own normal range; an open side is None."""

    low: Quantity | None = None
    high: Quantity | None = None


class ObservationRecord(Struct, frozen=True, gc=False):
    """An Observation, or one of its components with status, subject and time inherited.

    ``issued`` is there only where ``effective`` is not.
    """

    source: str
    id: str
    status: str = ""
    code: Concept = Concept()
    effective: Moment | None = None
    issued: Moment | None = None
    value: Quantity | None = None
    value_text: str = ""
    absent_reason: str = ""
    reference_range: ReferenceRange | None = None
    unreadable: frozenset[str] = frozenset()


class ConditionRecord(Struct, frozen=True, gc=False):
    """A Condition; ``clinical_status`` and ``verification_status`` are FHIR codes or "".

    ``unreadable`` holds "status" as well when either of the two could not be read.
    """

    source: str
    id: str
    code: Concept = Concept()
    clinical_status: str = ""
    verification_status: str = ""
    abated: bool = False
    unreadable: frozenset[str] = frozenset()


class PatientRecord(Struct, frozen=True, gc=False):
    """A Patient; ``sex`` is the clinical sex-for-use where that extension was sent, else the gender code, else ""."""

    id: str
    birth_date: PartialDate | None = None
    sex: str = ""
    unreadable: frozenset[str] = frozenset()


class RequestRecord(Struct, frozen=True, gc=False):
    """A ServiceRequest: what is asked for, when it is to happen (at one moment, or within a period), and whether it
    still stands.
    """

    source: str
    id: str
    status: str = ""
    intent: str = ""
    code: Concept = Concept()
    do_not_perform: bool = False
    occurrence: Period | None = None
    unreadable: frozenset[str] = frozenset()
