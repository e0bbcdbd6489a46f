"""Facts: the questions a rule may ask about one patient and one session, answered once and only when asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cached_property, partial
from types import ModuleType

from ..fhir import DataUnavailable
from ..fhir.requirement import DataRequirement
from ..fhir.source import Source
from ..terminology import Terminology
from .clock import Clock
from .conditions import Condition
from .memory import Memory
from .orders import Order, OrderReader, TestOrder
from .patient import Age, age
from .questions.basis import Basis, known
from .questions.calcium import Calcium
from .questions.kidneys import Kidneys
from .questions.laboratory import Laboratory
from .questions.medicines import Medications, Medicines
from .questions.vitamin_d import VitaminD
from .record import Record
from .session import Session
from .settings import Settings

# Diagnoses with which vitamin D or calcium is not offered: the code of the reason, and the group.
_FEARED = (
    ("primary-hyperparathyroidism", "primary-hpt"),
    ("granulomatous-disease", "granulomatous"),
    ("lymphoma", "lymphoma"),
    ("hypercalcaemia", "hypercalcaemia"),
    ("stones-or-hypercalciuria", "stone-hypercalciuria"),
    ("pregnancy", "pregnancy"),
)


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
        beside: Facts | None = None,
    ) -> None:
        self.clock = clock
        self.hook = hook
        self.settings = settings
        self._fhir = fhir
        self._source = source
        self._memory: Memory = Memory(source) if beside is None else beside._memory.beside(source)
        reader = OrderReader(fhir, terminology, source, clock.zone)
        known = () if beside is None else beside.session.orders
        self.session: Session = Session(
            self._memory, source, fhir, reader, terminology, clock, hook, draft_orders, selections, known
        )
        self._record = Record(self._memory, fhir, terminology, reader, clock)
        self._basis = Basis(self._memory, self._record, self.session, settings, terminology, clock, hook)

    def with_orders(self, draft_orders: object) -> Facts:
        """The same patient when other orders are signed; what took no look at the orders is not asked again."""
        source, basis = self._source.beside(), self._basis
        return Facts(
            source=source,
            fhir=self._fhir,
            terminology=basis.terminology,
            clock=self.clock,
            settings=self.settings,
            hook="order-sign",
            draft_orders=draft_orders,
            beside=self,
        )

    def release(self) -> None:
        """Lets go of everything, once all has been asked.

        The questions refer to each other in circles: a large request would stay in memory until the garbage collector
        looks.
        """
        self.__dict__.clear()

    def readable(self, requirements: Sequence[DataRequirement]) -> AbstractContextManager[None]:
        """While one rule runs, only what it declared may be read; anything else raises Undeclared."""
        return self._memory.readable(requirements)

    @property
    def problems(self) -> Mapping[str, tuple[str, ...]]:
        """Per key, what was repaired, set aside or not usable in what was read: kind and place, no values."""
        return {key: tuple(f"{p.kind} at {p.path}" for p in found) for key, found in self._source.problems.items()}

    def expected_by(
        self, rules: Iterable[tuple[Sequence[str], Sequence[DataRequirement]]]
    ) -> tuple[DataRequirement, ...]:
        """What rules may ask for, by the drug classes they are about: of those that judge an order of this session.

        When a chart is opened the orders are not known yet, and every rule may ask.
        """
        wanted = (r for about, requires in rules if about and self.judges(about) for r in requires)
        return tuple(dict.fromkeys(wanted))

    def judges(self, classes: Sequence[str]) -> bool:
        """Whether a rule about these drug classes may have something to judge; one about none looks for itself.

        When a chart is opened the orders are not known yet, and there may be.
        """
        return concerns(self.judged_groups, classes)

    @property
    def judged_groups(self) -> frozenset[str] | None:
        """The drug classes of the orders to be judged and the value sets of the tests; None while not known yet."""
        return None if self.hook == "patient-view" else self.session.judged_groups

    # -- orders -------------------------------------------------------------------------------------------------------

    def orders(self, *classes: str) -> tuple[Order, ...]:
        """The orders of these drug classes to be judged: drafts, or on patient-view the active orders on record."""
        return self.medicines.judged(*classes)

    def tests(self, value_set: str) -> tuple[TestOrder, ...]:
        """The laboratory tests of this value set among the drafts to be judged."""
        return tuple(test for test in self.session.judged_tests if value_set in test.groups)

    def ordered_in_session(self, value_set: str) -> bool:
        """Whether a test or procedure of this value set is among the drafts of the session, alone or in a panel."""
        return any(value_set in test.groups for test in self.session.tests)

    def planned(self, value_set: str, within_days: int) -> TestOrder | None:
        """A procedure of this value set that is still to come, or None: ordered in the session, or active on record for
        a day within so many days. An order without a day is still to come.
        """
        today = self.clock.today
        ahead = (o for o in self.session.tests if value_set in o.groups and o.is_ahead(today, within_days))
        return next(ahead, None) or self._record.planned(value_set, within_days)

    @cached_property
    def medicines(self) -> Medicines:
        """What the patient takes, took and is about to."""
        return Medicines(self._basis)

    def medications(self, *classes: str) -> Medications:
        """Orders and statements of these drug classes, in and outside the session, with whether each counts."""
        return self.medicines.of(*classes)

    # -- the patient --------------------------------------------------------------------------------------------------

    @property
    def age(self) -> Age | None:
        """The patient's age today, or None when no birth date is recorded."""
        return age(self._record.patient, self.clock.today)

    @property
    def sex(self) -> str:
        """The sex for clinical use: "female", "male", or anything else where it is not known."""
        patient = self._record.patient
        return patient.sex if patient is not None else ""

    def condition(self, *groups: str) -> Condition | None:
        """A diagnosis of one of these groups that stands, or None when the whole problem list holds none."""
        unavailable = None
        for group in groups:
            try:
                found = self._record.condition(group)
            except DataUnavailable as gap:
                unavailable = gap
            else:
                if found is not None:
                    return found
        if unavailable is not None:
            raise unavailable
        return None

    @cached_property
    def kidneys(self) -> Kidneys:
        """Renal function and kidney disease."""
        return Kidneys(self._basis, self._record.condition, lambda: self.age, lambda: self.sex)

    @cached_property
    def laboratory(self) -> Laboratory:
        """Single laboratory results, and the last bone densitometry."""
        return Laboratory(self._basis)

    @cached_property
    def calcium(self) -> Calcium:
        """Calcium in blood, and calcium taken."""
        return Calcium(self._basis, self.medicines, self._record.condition)

    @cached_property
    def vitamin_d(self) -> VitaminD:
        """Vitamin D: its state, what is taken, and what stands against offering it."""
        return VitaminD(self._basis, self.medicines, self._obstacles)

    def _obstacles(self) -> Sequence[tuple[str, bool | None]]:
        """What in the patient stands against offering vitamin D: codes, and whether each holds or is not known."""
        adult: int = self.settings.supply.adult_age
        return [
            ("calcium-high", known(lambda: self.calcium.last_is_high)),
            *((code, known(partial(self.condition, group))) for code, group in _FEARED),
            ("problem-list-unclear", known(lambda: self._record.has_unclassified_condition)),
            ("age-unknown", known(lambda: self.age is None)),
            ("not-adult", known(lambda: self.age is not None and self.age.youngest < adult)),
        ]


def concerns(judged: frozenset[str] | None, classes: Sequence[str]) -> bool:
    """Whether what is to be judged (``Facts.judged_groups``) may be of these drug classes; a rule about none is about
    all.
    """
    return not classes or judged is None or not judged.isdisjoint(classes)
