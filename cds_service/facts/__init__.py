"""Facts: the questions a rule may ask about one patient and one session, answered once and only when asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from fractions import Fraction
from types import ModuleType

from ..fhir import DataUnavailable, DataUnreadable
from ..fhir.elements import Concept, PatientRecord
from ..fhir.requirement import DataRequirement
from ..fhir.source import Source
from ..terminology import Terminology
from ..terminology.analytes import analyte
from ..terminology.codes import LOINC
from . import (
    calcium_intake,
    conditions,
    dosing,
    medications,
    serum_calcium,
    vitamin_d,
    vitamin_d_state,
    vitamin_d_supply,
)
from .calcium_intake import CalciumIntake, DietaryCalcium
from .clock import Clock
from .conditions import Condition
from .medications import Entry
from .memory import Memory
from .orders import SERVICE_REQUESTS, Order, OrderReader, selected, stands
from .patient import Age, age
from .requirements import (
    CONDITIONS,
    DIETARY_CALCIUM,
    MEDICATION_STATEMENTS,
    MEDICATIONS,
    PATIENT,
    SERUM_CALCIUM,
    VITAMIN_D,
)
from .results import Results, sort_results
from .serum_calcium import CalciumReading, SerumCalcium
from .settings import Settings
from .vitamin_d import Level
from .vitamin_d_state import Course, VitaminDState
from .vitamin_d_supply import Obstacles

# Diagnoses with which vitamin D or calcium is not offered: the code of the reason, and the group.
_FEARED = (
    ("primary-hyperparathyroidism", "primary-hpt"),
    ("granulomatous-disease", "granulomatous"),
    ("lymphoma", "lymphoma"),
    ("hypercalcaemia", "hypercalcaemia"),
    ("stones-or-hypercalciuria", "stone-hypercalciuria"),
    ("pregnancy", "pregnancy"),
)


@dataclass(frozen=True, slots=True)
class Medications:
    """Orders and statements of one drug class, and the sources that could not be had."""

    entries: tuple[Entry, ...]
    gaps: tuple[DataUnavailable, ...]


_OnRecord = tuple[tuple[Order, ...], tuple[DataUnavailable, ...]]
_OVER = frozenset({"completed", "stopped", "cancelled", "entered-in-error", "not-taken"})


def _alone(entry: Entry) -> bool:
    """Whether vitamin D is what the product is for, not a part of a calcium or bisphosphonate tablet."""
    return not entry.order.product.classes & {"calcium", "oral-bisphosphonate", "multivitamin"}


class Facts:
    """Everything known about the patient and the session of one request.

    A question that needs data which could not be had raises DataUnavailable, the same again each time it is asked.
    """

    def __init__(
        self,
        *,
        source: Source,
        fhir: ModuleType,
        terminology: Terminology,
        clock: Clock,
        settings: Settings,
        hook: str,
        draft_orders: object = None,
        selections: Sequence[str] | None = None,
    ) -> None:
        self.clock = clock
        self.hook = hook
        self.settings = settings
        self._source = source
        self._fhir = fhir
        self._terminology = terminology
        self._draft_orders = draft_orders
        self._selections = selections
        self._memory = Memory(source)
        self._reader = OrderReader(fhir, terminology, source, clock.zone)

    def readable(self, requirements: Sequence[DataRequirement]) -> AbstractContextManager[None]:
        """While one rule runs, only what it declared may be read; anything else raises Undeclared."""
        return self._memory.readable(requirements)

    @property
    def problems(self) -> Mapping[str, tuple[str, ...]]:
        """Per key, what was repaired, set aside or not usable in what was read: kind and place, no values."""
        return {key: tuple(f"{p.kind} at {p.path}" for p in found) for key, found in self._source.problems.items()}

    # -- the session ----------------------------------------------------------------------------------------------

    @property
    def session(self) -> tuple[Order, ...]:
        """Every medication order of the session, selected or not; empty on patient-view, which has no session."""
        return self._memory.once("session", self._read_session)

    def orders(self, drug_class: str) -> tuple[Order, ...]:
        """The orders of one drug class that are to be judged.

        On order-select the selected drafts (all, when nothing is selected or nothing matches), on order-sign every
        draft, on patient-view the active orders on record.
        """
        if self.hook == "patient-view":
            candidates = self._active_orders(drug_class)
        else:
            candidates = tuple(o for o in self.session if o.trigger and stands(o.record) and not o.unidentified)
        return tuple(o for o in candidates if drug_class in o.product.classes)

    def _active_orders(self, drug_class: str) -> tuple[Order, ...]:
        """Active orders that have not ended; where there are none, an order nobody could read leaves a gap."""
        requests, gaps = self._memory.once("requests-on-record", lambda: self._on_record(MEDICATIONS))
        active = tuple(
            entry.order
            for entry in medications.sort_medications((), requests, ())
            if entry.counts == "yes"
            and drug_class in entry.order.product.classes
            and not dosing.daily(entry.order.record, entry.order.product, "calcium", self.clock.today).ended
        )
        if not active and gaps:
            raise gaps[0]
        return active

    def still_to_come(self, order: Order, within_days: int) -> bool:
        """Whether a dose of an order on record can be expected within so many days.

        True for what is repeated at least that often, and for what was written within that time.
        """
        if order.session:
            return True
        daily = dosing.daily(order.record, order.product, "calcium", self.clock.today)
        if daily.doses_low and daily.doses_low * within_days >= 1:
            return True
        written = order.record.authored
        return written is not None and self.clock.age_days(written.date.latest) <= within_days

    @property
    def nutrition_ordered(self) -> bool:
        """Whether the session orders a diet or tube feed, whose calcium is not known."""
        return any(r.type == "NutritionOrder" for r in self._source.drafts(self._draft_orders))

    def ordered_in_session(self, value_set: str) -> bool:
        """Whether a laboratory test of this value set is already among the drafts of the session."""
        requested = self._memory.once("requests", self._read_requests)
        return any(self._terminology.member(value_set, concept.codings) for concept in requested)

    @property
    def unidentified(self) -> tuple[Order, ...]:
        """Orders to be judged whose drug nothing names in a way that could be understood."""
        return tuple(o for o in self.session if o.trigger and stands(o.record) and o.unidentified)

    @property
    def unreadable_drafts(self) -> int:
        """How many selected drafts could not be read at all."""
        return self._source.unreadable_drafts(self._draft_orders)

    def _read_session(self) -> tuple[Order, ...]:
        if self.hook == "patient-view":
            return ()
        drafts = self._source.drafts(self._draft_orders)
        chosen = [r for r in drafts if selected(r.type, r.id, self._selections)] if self.hook == "order-select" else []
        orders = []
        for resource in drafts:
            trigger = not chosen or resource in chosen
            order = self._reader.order(resource, session=True, trigger=trigger)
            if order is not None:
                orders.append(order)
        return tuple(orders)

    def _read_requests(self) -> tuple[Concept, ...]:
        drafts = self._source.drafts(self._draft_orders)
        records = [self._fhir.request_record(r, self.clock.zone) for r in drafts if r.type in SERVICE_REQUESTS]
        return tuple(record.code for record in records if not record.do_not_perform and record.status != "revoked")

    # -- the patient ----------------------------------------------------------------------------------------------

    @property
    def age(self) -> Age | None:
        """The patient's age today, or None when no birth date is recorded."""
        return age(self._memory.once("patient", self._read_patient), self.clock.today)

    def _read_patient(self) -> PatientRecord | None:
        reading = self._memory.obtain(PATIENT)
        record: PatientRecord | None = self._fhir.patient_record(reading.resources[0]) if reading.resources else None
        if record is not None and "birth_date" in record.unreadable:
            raise DataUnreadable(PATIENT.key, "the birth date could not be read")
        return record

    def condition(self, group: str) -> Condition | None:
        """A diagnosis of this group that stands, or None when the whole problem list holds none."""
        standing, complete = self._memory.once("conditions", self._read_conditions)
        found = conditions.in_group(standing, group, self._terminology)
        if found is None and not complete:
            raise DataUnreadable(CONDITIONS.key, "a part of the problem list could not be read")
        return found

    def _read_conditions(self) -> tuple[tuple[Condition, ...], bool]:
        reading = self._memory.obtain(CONDITIONS)
        records = [self._fhir.condition_record(r, self.clock.zone) for r in reading.resources]
        unreadable = any("code" in r.unreadable or "status" in r.unreadable for r in records)
        return conditions.standing(records), reading.complete and not unreadable

    # -- results --------------------------------------------------------------------------------------------------

    def _results(self, requirement: DataRequirement) -> Results:
        reading = self._memory.obtain(requirement)
        complete = reading.complete
        found = []
        for resource in reading.resources:
            seen = self._fhir.codes(resource.raw).codings
            coded = any(coding.system == LOINC for coding in seen)
            if coded and not any(self._terminology.member(v, seen) for v in requirement.value_sets):
                continue  # a result of something else: not worth validating
            for record in self._fhir.observation_records(resource, self.clock.zone):
                group = self._group(record.code, requirement)
                if group:
                    found.append((group, record))
                elif group is None:
                    complete = False  # sent in answer to our query, and nothing says what it measures
        return sort_results(found, self.clock, complete=complete, more=reading.more)

    def _group(self, code: Concept, requirement: DataRequirement) -> str | None:
        """The value set a result belongs to, "" when it is of something else, None when that cannot be told."""
        for value_set in requirement.value_sets:
            if self._terminology.member(value_set, code.codings):
                return value_set
        if any(coding.system == LOINC for coding in code.codings):
            return ""
        names = (*code.texts, *(coding.display for coding in code.codings))
        meant = [group for name in names if name and (group := analyte(name)) is not None]
        return next((group if group in requirement.value_sets else "" for group in meant), None)

    @property
    def vitamin_d(self) -> VitaminDState:
        """The vitamin D correction state; vitamin D ordered in this session does not change it."""
        return self._memory.once("vitamin-d-state", self._read_vitamin_d)

    def _read_vitamin_d(self) -> VitaminDState:
        reading = vitamin_d.read_level(self._results(VITAMIN_D), self.settings.bands, self.clock)
        return vitamin_d_state.read_state(
            reading,
            self.settings.vitamin_d,
            self.clock,
            courses=self._courses,
            supply=lambda: self.vitamin_d_supply,
        )

    def _unclassified(self) -> bool:
        """Whether a diagnosis that stands carries no code we could look for: it might be any."""
        standing, complete = self._memory.once("conditions", self._read_conditions)
        return not complete or any(not conditions.is_coded(condition) for condition in standing)

    def _nutritional(self) -> list[Order]:
        """Nutritional vitamin D on record, finished orders too, as far as the record could be had."""
        (requests, _), (statements, _) = self._records()
        return [o for o in (*requests, *statements) if "vitamin-d-nutritional" in o.product.classes]

    def _records(self) -> tuple[_OnRecord, _OnRecord]:
        return (
            self._memory.once("requests-on-record", lambda: self._on_record(MEDICATIONS)),
            self._memory.once("statements", lambda: self._on_record(MEDICATION_STATEMENTS)),
        )

    def _courses(self) -> tuple[Sequence[Course], DataUnavailable | None]:
        (_, request_gaps), (_, statement_gaps) = self._records()
        gap = next(iter((*request_gaps, *statement_gaps)), None)
        return vitamin_d_state.find_courses(self._nutritional(), self.settings.vitamin_d, self.clock), gap

    @property
    def vitamin_d_supply(self) -> tuple[Fraction, DataUnavailable | None]:
        """Nutritional vitamin D recorded and ordered, in IU a day as far as it is known, and what is missing."""
        known = self.medications("vitamin-d-nutritional")
        return vitamin_d_supply.recorded_iu_day(known.entries, self.clock), next(iter(known.gaps), None)

    def vitamin_d_target(self, level: Level | None) -> str:
        """The level that counts as corrected, in the unit in which the level was reported."""
        return vitamin_d.target(self.settings.bands, level)

    @property
    def vitamin_d_obstacles(self) -> Obstacles:
        """Why no vitamin D may be offered: codes to be worded, none when it may."""
        return self._memory.once("vitamin-d-obstacles", self._read_obstacles)

    def _read_obstacles(self) -> Obstacles:
        supply, missing = self.vitamin_d_supply
        taken = self.medications("vitamin-d-nutritional")
        limits = self.settings.supply
        checks = [
            ("not-checked", missing is not None),
            ("calcium-high", self._known(self._last_calcium_high)),
            *((code, self._known(lambda group=group: self.condition(group) is not None)) for code, group in _FEARED),  # type: ignore[misc]
            ("problem-list-unclear", self._known(self._unclassified)),
            ("vitamin-d-in-session", any(e.order.session and e.counts == "yes" for e in taken.entries if _alone(e))),
            ("repletion-ongoing", self._known(lambda: self.vitamin_d.name == "being-corrected")),
            ("dose-unknown", vitamin_d_supply.dose_unknown([e for e in taken.entries if _alone(e)], self.clock)),
            ("loading-dose-recent", vitamin_d_supply.recently_loaded(self._nutritional(), limits, self.clock)),
            ("high-dose-already", supply + limits.offered_iu_day > limits.high_dose_iu_day),
        ]
        try:
            age_today = self.age
        except DataUnavailable:
            age_today = None
        return vitamin_d_supply.obstacles(checks, age_today, self.settings.supply)

    @staticmethod
    def _known(question: Callable[[], bool]) -> bool | None:
        """A yes or a no, or None when it could not be told."""
        try:
            return question()
        except DataUnavailable:
            return None

    @property
    def serum_calcium(self) -> SerumCalcium | None:
        """The serum calcium that counts, or None when there is none in the look-back."""
        return self._memory.once("serum-calcium", self._read_serum_calcium)

    def _read_serum_calcium(self) -> SerumCalcium | None:
        reading, complete = self._memory.once("calcium-reading", self._read_calcium)
        if reading.newer_unusable or not complete:
            raise DataUnreadable(SERUM_CALCIUM.key, "a result could not be read")
        calcium: SerumCalcium | None = reading.calcium
        recent = calcium is not None and calcium.age_days <= self.settings.serum_calcium.lookback_days
        return calcium if recent else None

    def _read_calcium(self) -> tuple[CalciumReading, bool]:
        results = self._results(SERUM_CALCIUM)
        reading = serum_calcium.read_calcium(results, self.settings.serum_calcium, self.clock)
        return reading, results.complete and not (reading.calcium is None and results.more)

    def _last_calcium_high(self) -> bool:
        """Whether the last serum calcium is high, however old it is; a newer one nobody could read is no comfort."""
        if self.serum_calcium is not None:
            return self.serum_calcium.high_for_ckd
        last = self._memory.once("calcium-reading", self._read_calcium)[0].calcium
        return last is not None and last.high_for_ckd

    @property
    def hypercalcaemia_emergency(self) -> SerumCalcium | None:
        """The calcium that makes this an emergency of hypercalcaemia, else None.

        Either recent and at the emergency limit by itself, or recent and above the upper limit with both a
        malignancy and hypercalcaemia coded. Nothing weaker qualifies.
        """
        calcium, limits = self.serum_calcium, self.settings.serum_calcium
        if calcium is None or calcium.age_days > limits.emergency_days:
            return None
        if serum_calcium.is_emergency(calcium, limits):
            return calcium
        if calcium.high and self.condition("malignancy") and self.condition("hypercalcaemia"):
            return calcium
        return None

    @property
    def dietary_calcium(self) -> DietaryCalcium | None:
        """The recorded calcium intake from food, or None when none is recorded."""
        return self._memory.once("dietary-calcium", self._read_dietary_calcium)

    def _read_dietary_calcium(self) -> DietaryCalcium | None:
        return calcium_intake.dietary(self._results(DIETARY_CALCIUM), self.settings.calcium_intake, self.clock)

    # -- medications ----------------------------------------------------------------------------------------------

    def medications(self, drug_class: str) -> Medications:
        """Orders and statements of one drug class, in and outside the session, with whether each counts.

        A source that could not be had does not hide the other: it is a gap of the answer.
        """
        entries, gaps = self._memory.once("medications", self._read_medications)
        return Medications(tuple(e for e in entries if drug_class in e.order.product.classes), gaps)

    def _read_medications(self) -> tuple[tuple[Entry, ...], tuple[DataUnavailable, ...]]:
        (requests, request_gaps), (statements, statement_gaps) = self._records()
        entries = medications.sort_medications(self.session, requests, statements)
        return entries, (*request_gaps, *statement_gaps)

    def _on_record(self, requirement: DataRequirement) -> _OnRecord:
        """What one source has, and why not all of it; a draft of the session is not on record a second time."""
        try:
            reading = self._memory.obtain(requirement)
        except DataUnavailable as gap:
            return (), (gap,)
        drafts = {(o.record.type, o.record.id) for o in self.session if o.record.id}
        orders, unidentified = [], False
        for resource in reading.resources:
            order = self._reader.order(resource, session=False, trigger=self.hook == "patient-view")
            if order is None:
                continue
            # What is over and done with may be anything: it counts towards nothing.
            unidentified = unidentified or (order.unidentified and order.record.status not in _OVER)
            if not order.record.unknown_modifier and (order.record.type, order.record.id) not in drafts:
                orders.append(order)
        if unidentified or not reading.complete:
            return tuple(orders), (DataUnreadable(requirement.key, "an entry could not be read"),)
        return tuple(orders), ()

    @property
    def calcium_intake(self) -> CalciumIntake:
        """Elemental calcium a day from everything ordered, taken and eaten, with what could not be had."""
        return self._memory.once("calcium-intake", self._read_calcium_intake)

    def _read_calcium_intake(self) -> CalciumIntake:
        calcium = self.medications("calcium")
        gaps = list(calcium.gaps)
        try:
            diet = self.dietary_calcium
        except DataUnavailable as gap:
            diet = None
            gaps.append(gap)
        return calcium_intake.total(calcium.entries, diet, self.settings.calcium_intake, self.clock, gaps=gaps)
