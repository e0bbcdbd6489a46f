"""One received resource, validated only when somebody reads it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from msgspec import Struct

from .elements import Reference
from .errors import OutOfTime
from .repair import SetAside, Sound


class Version(Protocol):
    """What reading needs to know about a FHIR version."""

    def sound(self, raw: Mapping[str, Any]) -> Sound:
        """What of a resource may be read."""

    def subjects(self, raw: Mapping[str, Any]) -> tuple[Any, ...]:
        """Whatever the resource names as its patient."""

    def medication_references(self, raw: Mapping[str, Any]) -> tuple[Reference, ...]:
        """The references to a Medication that a resource holds."""

    def type_meant(self, type_name: str) -> str:
        """The version's own name of a resource type."""


class Timed(Struct, frozen=True):
    """A FHIR version that reads no resource after ``until``, an instant of ``time.monotonic``: it raises OutOfTime."""

    version: Version
    until: float

    def sound(self, raw: Mapping[str, Any]) -> Sound:
        """What of a resource may be read."""
        if time.monotonic() > self.until:
            raise OutOfTime
        return self.version.sound(raw)

    def subjects(self, raw: Mapping[str, Any]) -> tuple[Any, ...]:
        """Whatever the resource names as its patient."""
        return self.version.subjects(raw)

    def medication_references(self, raw: Mapping[str, Any]) -> tuple[Reference, ...]:
        """The references to a Medication that a resource holds."""
        return self.version.medication_references(raw)

    def type_meant(self, type_name: str) -> str:
        """The version's own name of a resource type."""
        return self.version.type_meant(type_name)


class Problem(Struct, frozen=True):
    """Something that was not as it should be: ``kind`` and where; never a value from the record."""

    kind: str
    path: str


class Resource:
    """One received resource. Nothing of it is validated until ``sound()`` is asked for, and then once."""

    __slots__ = ("_sound", "_version", "full_url", "id", "path", "pool", "raw", "type")

    def __init__(
        self,
        raw: Mapping[str, Any],
        version: Version,
        *,
        full_url: str = "",
        path: str = "",
        pool: str = "",
    ) -> None:
        self.raw = raw
        sent_type, sent_id = raw.get("resourceType"), raw.get("id")
        self.type = version.type_meant(sent_type) if isinstance(sent_type, str) else ""
        self.id = sent_id.strip() if isinstance(sent_id, str) else ""
        self.full_url = full_url
        self.path = path
        self.pool = pool  # the prefetch key (or "draftOrders") it came under
        self._version = version
        self._sound: Sound | None = None

    def __repr__(self) -> str:
        return f"Resource({self.type}, {self.pool}:{self.path})"

    def _checked(self) -> Sound:
        if self._sound is None:
            self._sound = self._version.sound(self.raw)
        return self._sound

    def sound(self) -> Mapping[str, Any]:
        """The resource as it may be read; what was set aside in it is a marker that no reader accepts as a value."""
        return self._checked().view

    @property
    def set_aside(self) -> tuple[SetAside, ...]:
        """What was sent and cannot be read."""
        return self._checked().set_aside

    @property
    def repaired(self) -> tuple[str, ...]:
        """Where something in the wrong shape was read as the one thing it can mean."""
        return self._checked().repaired

    def contained(self, local_id: str) -> Resource | None:
        """The contained resource of this id."""
        inside = self.raw.get("contained")
        for index, item in enumerate(inside if isinstance(inside, list) else (inside,)):
            if isinstance(item, dict) and item.get("id") in (local_id, f"#{local_id}"):
                return Resource(item, self._version, path=f"{self.path}.contained[{index}]", pool=self.pool)
        return None

    def problems(self) -> Iterator[Problem]:
        """What was found when it was read; nothing when nobody asked for it."""
        if self._sound is not None:
            yield from (Problem("set-aside", f"{self.path}.{entry.path}") for entry in self._sound.set_aside)
            yield from (Problem("repaired", f"{self.path}.{path}") for path in self._sound.repaired)
            yield from (Problem("missing", f"{self.path}.{path}") for path in self._sound.missing)


def bare_id(patient_id: str) -> str:
    """The logical id, also where the context says "Patient/123"."""
    return patient_id.strip().removeprefix("Patient/")
