"""Age and sex on a given day, from birth dates that may be partial."""

from __future__ import annotations

import datetime

from msgspec import Struct

from ..fhir.elements import PatientRecord


def completed_years(birth: datetime.date, day: datetime.date) -> int:
    """Age in completed years; who was born on 29 February has the birthday on 1 March of other years."""
    return day.year - birth.year - ((day.month, day.day) < (birth.month, birth.day))


def completed_months(birth: datetime.date, day: datetime.date) -> int:
    """Age in completed months, for the first year of life."""
    return (day.year - birth.year) * 12 + day.month - birth.month - (day.day < birth.day)


class Age(Struct, frozen=True):
    """The ages a birth date can mean: youngest and oldest, in completed years, and the youngest in months."""

    youngest: int
    oldest: int
    youngest_months: int

    def __str__(self) -> str:
        return str(self.youngest) if self.youngest == self.oldest else f"{self.youngest}–{self.oldest}"


def age(patient: PatientRecord | None, day: datetime.date) -> Age | None:
    """The patient's age, or None when no birth date is recorded (or one that lies ahead)."""
    if patient is None or patient.birth_date is None or patient.birth_date.earliest > day:
        return None
    latest = min(patient.birth_date.latest, day)
    return Age(
        youngest=completed_years(latest, day),
        oldest=completed_years(patient.birth_date.earliest, day),
        youngest_months=completed_months(latest, day),
    )
