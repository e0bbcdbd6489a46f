"""Facts: the questions a rule may ask about one patient and one session, answered once and only when asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from types import ModuleType

from ..fhir import DataUnavailable, DataUnreadable
from ..fhir.requirement import DataRequirement
from ..fhir.source import Source
from ..terminology import Terminology
from . import calcium_intake, diet, dosing, medications, serum_calcium, vitamin_d, vitamin_d_state, vitamin_d_supply
from .calcium_intake import CalciumIntake
from .clock import Clock
from .conditions import Condition
from .medications import Entry
from .memory import Memory
from .orders import Order, OrderReader
from .patient import Age, age
from .record import Record
from .requirements import DIETARY_CALCIUM, SERUM_CALCIUM, VITAMIN_D
from .serum_calcium import CalciumReading, SerumCalcium
from .session import Session
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
        self._terminology = terminology
        self._memory = Memory(source)
        reader = OrderReader(fhir, terminology, source, clock.zone)
        self.session = Session(self._memory, source, fhir, reader, clock, hook, draft_orders, selections)
        self._record = Record(self._memory, fhir, terminology, reader, clock)

    def readable(self, requirements: Sequence[DataRequirement]) -> AbstractContextManager[None]:
        """While one rule runs, only what it declared may be read; anything else raises Undeclared."""
        return self._memory.readable(requirements)

    @property
    def problems(self) -> Mapping[str, tuple[str, ...]]:
        """Per key, what was repaired, set aside or not usable in what was read: kind and place, no values."""
        return {key: tuple(f"{p.kind} at {p.path}" for p in found) for key, found in self._source.problems.items()}

    # -- orders -------------------------------------------------------------------------------------------------------

    def orders(self, drug_class: str) -> tuple[Order, ...]:
        """The orders of one drug class to be judged: drafts, or on patient-view the active orders on record."""
        candidates = self._active_orders() if self.hook == "patient-view" else self.session.judged
        found = tuple(o for o in candidates if drug_class in o.product.classes)
        if not found and self.hook == "patient-view" and self._record.requests.gap is not None:
            raise self._record.requests.gap
        return found

    def _active_orders(self) -> tuple[Order, ...]:
        """Active orders on record that have not ended."""
        entries = medications.sort_medications((), self._record.requests.orders, ())
        return tuple(e.order for e in entries if e.counts == "yes" and not self._daily(e.order).ended)

    def _daily(self, order: Order) -> dosing.DailyAmount:
        return dosing.daily(order.record, order.product, "calcium", self.clock.today)

    def still_to_come(self, order: Order, within_days: int) -> bool:
        """Whether a dose of an order can be expected within so many days.

        True for drafts, for what is repeated at least that often, and for what was written within that time.
        """
        if order.session or self._daily(order).doses_low * within_days >= 1:
            return True
        written = order.record.authored
        return written is not None and self.clock.age_days(written.date.latest) <= within_days

    def ordered_in_session(self, value_set: str) -> bool:
        """Whether a laboratory test of this value set is already among the drafts of the session."""
        return any(self._terminology.member(value_set, concept.codings) for concept in self.session.requested)

    def medications(self, drug_class: str) -> Medications:
        """Orders and statements of one drug class, in and outside the session, with whether each counts.

        A source that could not be had does not hide the other: it is a gap of the answer.
        """
        entries, gaps = self._memory.once("medications", self._read_medications)
        return Medications(tuple(e for e in entries if drug_class in e.order.product.classes), gaps)

    def _read_medications(self) -> tuple[tuple[Entry, ...], tuple[DataUnavailable, ...]]:
        requests, statements = self._record.requests, self._record.statements
        entries = medications.sort_medications(self.session.orders, requests.orders, statements.orders)
        return entries, tuple(gap for gap in (requests.gap, statements.gap) if gap is not None)

    # -- the patient --------------------------------------------------------------------------------------------------

    @property
    def age(self) -> Age | None:
        """The patient's age today, or None when no birth date is recorded."""
        return age(self._record.patient, self.clock.today)

    def condition(self, group: str) -> Condition | None:
        """A diagnosis of this group that stands, or None when the whole problem list holds none."""
        return self._record.condition(group)

    # -- vitamin D ----------------------------------------------------------------------------------------------------

    @property
    def vitamin_d(self) -> VitaminDState:
        """The vitamin D correction state; vitamin D ordered in this session does not change it."""
        return self._memory.once("vitamin-d-state", self._read_vitamin_d)

    def _read_vitamin_d(self) -> VitaminDState:
        reading = vitamin_d.read_level(self._record.results(VITAMIN_D), self.settings.bands, self.clock)
        return vitamin_d_state.read_state(
            reading,
            self.settings.vitamin_d,
            self.clock,
            courses=self._courses,
            supply=lambda: self._vitamin_d_supply(session=False),
        )

    def _courses(self) -> tuple[Sequence[Course], DataUnavailable | None]:
        gap = self._record.requests.gap or self._record.statements.gap
        return vitamin_d_state.find_courses(self._nutritional(), self.settings.vitamin_d, self.clock), gap

    def _nutritional(self) -> list[Order]:
        """Nutritional vitamin D on record, finished orders too; what is drafted again under its own id is the draft."""
        drafts = {(o.record.type, o.record.id) for o in self.session.orders if o.record.id}
        recorded = (*self._record.requests.orders, *self._record.statements.orders)
        return [
            o
            for o in recorded
            if "vitamin-d-nutritional" in o.product.classes and (o.record.type, o.record.id) not in drafts
        ]

    def _vitamin_d_supply(self, *, session: bool) -> tuple[Fraction, DataUnavailable | None]:
        """Nutritional vitamin D on record, with the session's or without, in IU a day, and what is missing of it."""
        found = self.medications("vitamin-d-nutritional")
        entries = [e for e in found.entries if session or not e.order.session]
        return vitamin_d_supply.recorded_iu_day(entries, self.clock), next(iter(found.gaps), None)

    @property
    def vitamin_d_in_session(self) -> Order | None:
        """Vitamin D by itself among the orders of the session, if any."""
        entries = self.medications("vitamin-d-nutritional").entries
        alone = (e.order for e in entries if e.order.session and e.counts == "yes" and vitamin_d_supply.is_alone(e))
        return next(alone, None)

    def vitamin_d_target(self, level: Level | None) -> str:
        """The level that counts as corrected, in the unit in which the level was reported."""
        return vitamin_d.target(self.settings.bands, level)

    @property
    def vitamin_d_obstacles(self) -> Obstacles:
        """Why no vitamin D may be offered: codes to be worded, none when it may."""
        return self._memory.once("vitamin-d-obstacles", self._read_obstacles)

    def _read_obstacles(self) -> Obstacles:
        supply, missing = self._vitamin_d_supply(session=True)
        limits = self.settings.supply
        alone = [e for e in self.medications("vitamin-d-nutritional").entries if vitamin_d_supply.is_alone(e)]
        diagnoses = [(code, known(partial(self.condition, group))) for code, group in _FEARED]
        return vitamin_d_supply.obstacles(
            [
                ("not-checked", missing is not None),
                ("calcium-high", known(self._last_calcium_high)),
                *diagnoses,
                ("problem-list-unclear", known(lambda: self._record.has_unclassified_condition)),
                ("vitamin-d-in-session", self.vitamin_d_in_session is not None),
                ("repletion-ongoing", known(lambda: self.vitamin_d.name == "being-corrected")),
                ("dose-unknown", vitamin_d_supply.dose_unknown(alone, self.clock)),
                ("loading-dose-recent", vitamin_d_supply.recently_loaded(self._nutritional(), limits, self.clock)),
                ("high-dose-already", supply + limits.offered_iu_day > limits.high_dose_iu_day),
                ("age-unknown", known(lambda: self.age is None)),
                ("not-adult", known(lambda: self.age is not None and self.age.youngest < limits.adult_age)),
            ]
        )

    # -- calcium ------------------------------------------------------------------------------------------------------

    @property
    def serum_calcium(self) -> SerumCalcium | None:
        """The serum calcium that counts, or None when there is none in the look-back."""
        reading = self._calcium_reading
        if reading.newer_unusable or not reading.complete:
            raise DataUnreadable(SERUM_CALCIUM.key, "a result could not be read")
        calcium = reading.calcium
        recent = calcium is not None and calcium.age_days <= self.settings.serum_calcium.lookback_days
        return calcium if recent else None

    @property
    def _calcium_reading(self) -> CalciumReading:
        return self._memory.once(
            "calcium-reading",
            lambda: serum_calcium.read_calcium(
                self._record.results(SERUM_CALCIUM), self.settings.serum_calcium, self.clock
            ),
        )

    def _last_calcium_high(self) -> bool:
        """Whether the last serum calcium is high, however old it is; a newer one nobody could read is no comfort."""
        last = self.serum_calcium or self._calcium_reading.calcium
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
        if self._calcium_reading.emergency is not None:
            return self._calcium_reading.emergency
        if calcium.high and self.condition("malignancy") and self.condition("hypercalcaemia"):
            return calcium
        return None

    @property
    def calcium_intake(self) -> CalciumIntake:
        """Elemental calcium a day from everything ordered, taken and eaten, with what could not be had."""
        return self._memory.once("calcium-intake", self._read_calcium_intake)

    def _read_calcium_intake(self) -> CalciumIntake:
        calcium = self.medications("calcium")
        gaps = list(calcium.gaps)
        eaten = None
        try:
            eaten = diet.read_diet(self._record.results(DIETARY_CALCIUM), self.settings.diet, self.clock)
        except DataUnavailable as gap:
            gaps.append(gap)
        return calcium_intake.total(calcium.entries, eaten, self.settings.calcium_intake, self.clock, gaps=gaps)


def known(question: Callable[[], object]) -> bool | None:
    """A yes or a no, or None when it could not be told."""
    try:
        return bool(question())
    except DataUnavailable:
        return None
