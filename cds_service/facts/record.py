"""The record: what the EHR sent about the patient under each key, read into patient, diagnoses, results and orders."""

from __future__ import annotations

from functools import partial
from types import ModuleType

from msgspec import Struct

from ..fhir import DataUnavailable, DataUnreadable
from ..fhir.elements import Concept, PatientRecord
from ..fhir.requirement import DataRequirement
from ..fhir.resource import Resource
from ..terminology import Terminology
from ..terminology.analytes import analyte
from ..terminology.codes import LOINC
from .clock import Clock
from .conditions import Condition, Standing
from .memory import Memory
from .orders import Order, OrderReader, TestOrder
from .requirements import CONDITIONS, MEDICATION_STATEMENTS, MEDICATIONS, PATIENT, SERVICE_REQUESTS
from .results import Reported, Result, Results, Unusable, is_result, read_result
from .session import asked, test_order

_OVER = frozenset({"completed", "stopped", "cancelled", "entered-in-error", "not-taken"})


class OnRecord(Struct, frozen=True):
    """Orders or statements on record, and why not all of them could be had."""

    orders: tuple[Order, ...]
    gap: DataUnavailable | None = None


class Record:
    """What is on record about one patient, each key read once and only when asked for."""

    def __init__(
        self, memory: Memory, fhir: ModuleType, terminology: Terminology, reader: OrderReader, clock: Clock
    ) -> None:
        self._memory = memory
        self._fhir = fhir
        self._terminology = terminology
        self._reader = reader
        self._clock = clock

    @property
    def patient(self) -> PatientRecord | None:
        """The patient; None when known not to exist on the server."""
        return self._memory.once("patient", self._read_patient)

    def _read_patient(self) -> PatientRecord | None:
        reading = self._memory.obtain(PATIENT)
        record: PatientRecord | None = self._fhir.patient_record(reading.resources[0]) if reading.resources else None
        if record is not None and "birth_date" in record.unreadable:
            raise DataUnreadable(PATIENT.key, "the birth date could not be read")
        return record

    def condition(self, group: str) -> Condition | None:
        """A diagnosis of this group that stands, or None when the whole problem list holds none."""
        return self._memory.once(f"condition-{group}", lambda: self._read_condition(group))

    def _read_condition(self, group: str) -> Condition | None:
        standing, complete = self._memory.once("conditions", self._read_conditions)
        found = standing.in_group(group, self._terminology)
        if found is None and not complete:
            raise DataUnreadable(CONDITIONS.key, "a part of the problem list could not be read")
        return found

    @property
    def has_unclassified_condition(self) -> bool:
        """Whether a diagnosis that stands carries no code we could look for: it might be any."""
        standing, complete = self._memory.once("conditions", self._read_conditions)
        return not complete or standing.has_uncoded

    def _read_conditions(self) -> tuple[Standing, bool]:
        reading = self._memory.obtain(CONDITIONS)
        records = [self._fhir.condition_record(r, self._clock.zone) for r in reading.resources]
        unreadable = any("code" in r.unreadable or "status" in r.unreadable for r in records)
        return Standing(records), reading.complete and not unreadable

    def results(self, requirement: DataRequirement) -> Results:
        """The results under a key, each with the value set it belongs to."""
        return self._memory.once(f"results-{requirement.key}", lambda: self._read_results(requirement))

    def _read_results(self, requirement: DataRequirement) -> Results:
        reading = self._memory.obtain(requirement)
        complete = reading.complete
        found: list[Reported] = []
        meanings: dict[object, str | None] = {}  # results of a key repeat a few codes
        for resource in reading.resources:
            coded = self._fhir.coded_alike(resource.raw)
            if coded is None or coded not in meanings:
                meanings[coded] = self._meant(resource, requirement)
            meant = meanings[coded]
            if meant == "":
                continue  # not worth validating
            taken = self._fhir.plainly_taken(resource, self._clock.zone) if meant else None
            if meant and taken:
                found.append(Reported.later(meant, taken, partial(self._read_result, meant, resource)))
                continue
            for record in self._fhir.observation_records(resource, self._clock.zone):
                group = self._group(record.code, requirement)
                if group is None:
                    complete = False  # sent in answer to our query, and nothing says what it measures
                elif group and is_result(record):
                    outcome = read_result(group, record, self._clock)
                    found.append(Reported.known(outcome, record.effective or record.issued))
        return Results(found, complete=complete, more=reading.more)

    def _meant(self, resource: Resource, requirement: DataRequirement) -> str | None:
        """The value set a resource belongs to by its codes; "" for something else, None when no code tells."""
        seen = self._fhir.codes(resource.raw).codings
        meant = self._terminology.group(requirement.value_sets, seen)
        return "" if meant is None and any(coding.system == LOINC for coding in seen) else meant

    def _read_result(self, group: str, resource: Resource) -> Result | Unusable:
        """What a plainly taken result says."""
        (record,) = self._fhir.observation_records(resource, self._clock.zone)
        return read_result(group, record, self._clock)

    def _group(self, code: Concept, requirement: DataRequirement) -> str | None:
        """The value set a result belongs to, "" when it is of something else, None when that cannot be told."""
        group = self._terminology.group(requirement.value_sets, code.codings)
        if group is not None:
            return group
        if any(coding.system == LOINC for coding in code.codings):
            return ""
        names = (*code.texts, *(coding.display for coding in code.codings))
        meant = [group for name in names if name and (group := analyte(name)) is not None]
        return next((group if group in requirement.value_sets else "" for group in meant), None)

    @property
    def requests(self) -> OnRecord:
        """Medication requests of every status."""
        return self._memory.once("requests", lambda: self._on_record(MEDICATIONS))

    @property
    def statements(self) -> OnRecord:
        """Medication statements of every status."""
        return self._memory.once("statements", lambda: self._on_record(MEDICATION_STATEMENTS))

    def planned(self, group: str, within_days: int) -> TestOrder | None:
        """An active request for a procedure of this value set within so many days, or None when the newest active
        requests hold none; one that says no day counts.
        """
        requests, complete = self._memory.once("service-requests", self._read_service_requests)
        ahead = (r for r in requests if group in r.groups and r.is_ahead(self._clock.today, within_days))
        found = next(ahead, None)
        if found is None and not complete:
            raise DataUnreadable(SERVICE_REQUESTS.key, "a part of the requests could not be read")
        return found

    def _read_service_requests(self) -> tuple[tuple[TestOrder, ...], bool]:
        reading = self._memory.obtain(SERVICE_REQUESTS)
        records = [self._fhir.request_record(r, self._clock.zone) for r in reading.resources]
        requests = tuple(test_order(r, self._terminology, session=False, trigger=False) for r in records if asked(r))
        return requests, reading.complete and not any("code" in r.unreadable for r in records)

    def _on_record(self, requirement: DataRequirement) -> OnRecord:
        try:
            reading = self._memory.obtain(requirement)
        except DataUnavailable as gap:
            return OnRecord((), gap)
        read = (self._reader.order(resource, session=False, trigger=False) for resource in reading.resources)
        orders = tuple(order for order in read if order is not None)
        # What is over and done with may be anything: it counts towards nothing.
        unidentified = any(order.unidentified and order.record.status not in _OVER for order in orders)
        known = tuple(order for order in orders if not order.record.unknown_modifier)
        if unidentified or not reading.complete:
            return OnRecord(known, DataUnreadable(requirement.key, "an entry could not be read"))
        return OnRecord(known)
