"""One request's data: each key read once, each reference followed, and a note of everything that was amiss."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from .elements import Reference
from .errors import DataFailed, DataNotOffered, DataUnavailable, DataUnreadable, DataWithheld
from .reading import ABSENT, DATA, FAILED, MISSING, Problem, Reading, Resource, Version, bare_id, read
from .requirement import DataRequirement

if TYPE_CHECKING:
    from .fetching import Fetching

_DRAFTS = "draftOrders"
# What somebody may ask for in a session; drafts of other types are nobody's concern here.
_ORDERS = frozenset(
    {
        "MedicationOrder",
        "MedicationRequest",
        "MedicationStatement",
        "NutritionOrder",
        "ProcedureRequest",
        "ServiceRequest",
    }
)
_DRAFTED = {name: DataRequirement(_DRAFTS, name) for name in (*_ORDERS, "Medication")}
# Kinds of problem that mean an order was sent and could not be read.
_LOST = frozenset({"other-patient", "subject-unreadable", "entry-unreadable", "entry-without-resource"})


class Source:
    """The data of one request. ``prefetch`` is what the client sent; its values are never changed. Keys that are
    ``not_offered`` at the site count as never there, unless one is sent all the same.

    With ``fetching`` a key that was not sent is asked for on the FHIR server; the first such key begins the search
    for all that are ``expected`` to be needed.
    """

    def __init__(
        self,
        prefetch: Mapping[str, Any] | None,
        patient_id: str,
        version: Version,
        zone: datetime.tzinfo = datetime.UTC,
        not_offered: Collection[str] = (),
        fetching: Fetching | None = None,
        expected: Callable[[], Iterable[DataRequirement]] = tuple,
    ) -> None:
        self.patient_id = bare_id(patient_id)
        self.version = version
        self.zone = zone
        self._not_offered = frozenset(not_offered)
        self._prefetch = prefetch if isinstance(prefetch, Mapping) else {}
        self._fetching = fetching
        self._expected = expected
        self._failures: dict[str, DataUnavailable] = {}
        self._readings: dict[str, Reading] = {}
        self._drafts: Reading | None = None
        self._followed: list[Resource] = []
        self._indexes: dict[str | None, _Index] = {}
        self._sent_along: tuple[Resource, ...] | None = None

    def beside(self) -> Source:
        """For another session of the same patient: what came under the keys is read once for both."""
        other = Source(
            self._prefetch,
            self.patient_id,
            self.version,
            self.zone,
            self._not_offered,
            self._fetching,
            self._expected,
        )
        other._readings, other._failures = self._readings, self._failures
        return other

    def obtain(self, requirement: DataRequirement) -> Reading:
        """What is known under the requirement's key: a Reading in state DATA or NONE, the same each time.

        Raises DataNotOffered when the site does not have it, DataWithheld when the key was not sent, DataFailed when
        an error came in its place, DataUnreadable when the one resource that was to be read is not there.
        """
        key = requirement.key
        if key in self._not_offered and key not in self._prefetch:
            raise DataNotOffered(key, "not offered at this site")
        reading = self._readings.get(key)
        if reading is None:
            reading = self._get(requirement)
            self._readings[key] = reading
        if reading.state == ABSENT:
            raise DataWithheld(key, "not a FHIR resource" if reading.problems else "not sent in prefetch")
        if reading.state == FAILED:
            raise DataFailed(key, reading.reason)
        if requirement.by_id and reading.state == DATA and not reading.resources:
            raise DataUnreadable(key, reading.problems[0].kind if reading.problems else "not the resource asked for")
        return reading

    def _get(self, requirement: DataRequirement) -> Reading:
        value = self._prefetch.get(requirement.key, MISSING)
        if self._fetching is not None:
            if value is MISSING:
                value = self._fetched(requirement, self._fetching)
            elif isinstance(value, dict):
                value = self._fetching.rest(requirement, value)
        return read(value, requirement, self.patient_id, self.version)

    def _fetched(self, requirement: DataRequirement, fetching: Fetching) -> Any:
        """What the FHIR server says; the same failure again when asked again."""
        if requirement.key in self._failures:
            raise self._failures[requirement.key]
        fetching.start((requirement, *(one for one in self._expected() if one.key not in self._prefetch)))
        try:
            return fetching.value(requirement)
        except DataUnavailable as failure:
            self._failures[requirement.key] = failure
            raise

    # -- the orders of the session ------------------------------------------------------------------------------------

    def drafts(self, bundle: Any) -> tuple[Resource, ...]:
        """The orders of ``context.draftOrders`` about this patient, in the order sent."""
        return self._draft_reading(bundle).resources

    def unreadable_drafts(self, bundle: Any) -> int:
        """How many entries of ``context.draftOrders`` cannot be used as an order of this patient."""
        return sum(problem.kind in _LOST for problem in self._draft_reading(bundle).problems)

    def _draft_reading(self, bundle: Any) -> Reading:
        if self._drafts is None:
            self._drafts = self._read_drafts(bundle)
        return self._drafts

    def _read_drafts(self, bundle: Any) -> Reading:
        entries = bundle.get("entry") if isinstance(bundle, dict) and "entry" in bundle else bundle
        if isinstance(entries, dict):
            is_resource = entries.get("resourceType") not in (None, "Bundle")
            entries = [entries] if is_resource or "resource" in entries else []
        if entries is None:
            entries = []
        if not isinstance(entries, list):
            return Reading(DATA, problems=(Problem("entry-unreadable", "entry"),), incomplete=True)
        orders: list[Resource] = []
        others: list[Resource] = []
        problems: list[Problem] = []
        for type_name in _types(entries):
            requirement = _DRAFTED[type_name]
            reading = read({"resourceType": "Bundle", "entry": entries}, requirement, self.patient_id, self.version)
            (others if type_name == "Medication" else orders).extend(reading.resources)
            problems += [problem for problem in reading.problems if problem.kind != "other-type"]
        position = {f"entry[{index}]": index for index in range(len(entries))}
        orders.sort(key=lambda resource: position.get(resource.path.partition(".")[0], 0))
        unique = tuple(dict.fromkeys(problems))
        return Reading(DATA, tuple(orders), unique, any(p.kind in _LOST for p in unique), tuple(others))

    # -- references ---------------------------------------------------------------------------------------------------

    def resolve(self, reference: Reference, holder: Resource) -> Resource | None:
        """What a reference in ``holder`` points to, among all that was sent; None when it leads nowhere."""
        address = reference.reference
        if not address:
            return None
        if address.startswith("#"):
            found = holder.contained(address[1:])
            if found is not None:
                self._followed.append(found)
            return found
        return self._index(holder.pool).find(reference) or self._index(None).find(reference) or self._read(reference)

    def _read(self, reference: Reference) -> Resource | None:
        """A Medication that nobody sent along, from the FHIR server."""
        raw = self._fetching.medication(reference) if self._fetching is not None else None
        return None if raw is None else Resource(raw, self.version, path=reference.id, pool="fetched")

    def _index(self, key: str | None) -> _Index:
        """What came under one key, or (None) every Medication that was sent, by address; made once."""
        index = self._indexes.get(key)
        if index is None:
            index = _Index(self._all_sent_along() if key is None else self._pool(key))
            self._indexes[key] = index
        return index

    def _pool(self, key: str) -> tuple[Resource, ...]:
        reading = self._drafts if key == _DRAFTS else self._readings.get(key)
        return () if reading is None else reading.included + reading.resources

    def _all_sent_along(self) -> tuple[Resource, ...]:
        """Every Medication sent under any key, whether or not the key has been asked for."""
        if self._sent_along is None:
            found = list(self._pool(_DRAFTS))
            for key, value in self._prefetch.items():
                reading = self._readings.get(key)
                if reading is None:
                    reading = read(value, DataRequirement(key, "Medication"), self.patient_id, self.version)
                found += [one for one in reading.included + reading.resources if one.type == "Medication"]
            self._sent_along = tuple(found)
        return self._sent_along

    # -- what was amiss -----------------------------------------------------------------------------------------------

    @property
    def problems(self) -> dict[str, tuple[Problem, ...]]:
        """Per key: what was repaired, set aside, not usable or about somebody else; where, never what it said."""
        readings = {**self._readings, **({_DRAFTS: self._drafts} if self._drafts is not None else {})}
        found = {}
        for key, reading in readings.items():
            noted = list(reading.problems)
            for resource in reading.resources + reading.included:
                noted += resource.problems()
            noted += [p for resource in self._followed if resource.pool == key for p in resource.problems()]
            if noted:
                found[key] = tuple(dict.fromkeys(noted))
        return found

    def gaps(self, requirements: Iterable[DataRequirement]) -> tuple[DataUnavailable, ...]:
        """Which of these requirements cannot be had, and why."""
        found = []
        for requirement in requirements:
            try:
                self.obtain(requirement)
            except DataUnavailable as gap:
                found.append(gap)
        return tuple(found)


def _types(entries: list[Any]) -> list[str]:
    """The types of the drafts, each once, Medication last; one name at least, so that odd entries are looked at."""
    found: dict[str, None] = {}
    others = False
    for entry in entries:
        for _ in range(4):
            if not isinstance(entry, dict):
                break
            name = entry.get("resourceType")
            if isinstance(name, str):
                if name in _ORDERS:
                    found["ServiceRequest" if name == "ProcedureRequest" else name] = None
                else:
                    others = True
            entry = entry.get("resource")
    return [*found, "Medication"] if others or not found else [*found]


class _Index:
    """Resources by full address, by type and id, and by id alone; the first of each counts."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        self._by_url: dict[str, Resource] = {}
        self._by_name: dict[tuple[str, str], Resource] = {}
        self._by_id: dict[str, Resource] = {}
        for resource in resources:
            if resource.full_url:
                self._by_url.setdefault(resource.full_url.partition("/_history/")[0], resource)
            if resource.id:
                self._by_name.setdefault((resource.type, resource.id), resource)
                self._by_id.setdefault(resource.id, resource)

    def find(self, reference: Reference) -> Resource | None:
        """By full address first, then by type and id; a urn also by the id alone."""
        address = reference.reference.partition("/_history/")[0]
        found = self._by_url.get(address) or self._by_name.get((reference.type, reference.id))
        if found is None and address.startswith("urn:uuid:"):
            return self._by_id.get(address.removeprefix("urn:uuid:"))
        return found
