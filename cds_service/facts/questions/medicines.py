"""What the patient takes and is about to: orders to be judged, orders and statements that count, and past ones."""

from __future__ import annotations

import datetime

from msgspec import Struct

from ...fhir import DataUnavailable
from .. import antiresorptives, dosing, medications
from ..antiresorptives import Treatment
from ..medications import Entry
from ..orders import Order
from ..timing import doses_per_day
from .basis import Basis

_GIVEN_RARELY = frozenset({"iv-bisphosphonate", "denosumab"})
# What was never given, or never true, is no history.
_NEVER = frozenset({"cancelled", "entered-in-error", "not-taken", "draft"})
# Of these the recorded end is the end of what was taken.
_TAKEN = frozenset({"active", "completed"})


class Medications(Struct, frozen=True):
    """Orders and statements of one drug class, and the sources that could not be had."""

    entries: tuple[Entry, ...]
    gaps: tuple[DataUnavailable, ...]


class History(Struct, frozen=True):
    """Orders and statements on record, running or over, and the sources that could not be had."""

    orders: tuple[Order, ...]
    gaps: tuple[DataUnavailable, ...]


class Antiresorptives(Struct, frozen=True):
    """Treatments against bone resorption, and the sources that could not be had."""

    treatments: tuple[Treatment, ...]
    gaps: tuple[DataUnavailable, ...]


class Medicines:
    """Questions about medication orders and statements."""

    def __init__(self, basis: Basis) -> None:
        self._basis = basis

    def judged(self, *classes: str) -> tuple[Order, ...]:
        """The orders of these drug classes to be judged: drafts, or on patient-view the active orders on record.

        On patient-view an order counts only while a dose of it is still to come. Raises DataUnavailable there.
        """
        basis = self._basis
        if basis.hook != "patient-view":
            return tuple(o for o in basis.session.judged if o.product.classes.intersection(classes))
        found = tuple(o for o in self._active() if o.product.classes.intersection(classes))
        if not found and basis.record.requests.gap is not None:
            raise basis.record.requests.gap
        return found

    def _active(self) -> tuple[Order, ...]:
        """Active orders on record that have not ended and of which a dose is still to come."""
        entries = medications.sort_medications((), self._basis.record.requests.orders, ())
        return tuple(e.order for e in entries if e.counts == "yes" and self._still_to_come(e.order))

    def _still_to_come(self, order: Order) -> bool:
        """Whether a dose can be expected. A yearly infusion stays active in the record long after it was given."""
        basis = self._basis
        daily = dosing.daily(order.record, order.product, "calcium", basis.clock.today)
        if daily.ended or not order.product.classes & _GIVEN_RARELY:
            return not daily.ended
        within: int = basis.settings.orders.unasked_days
        written = order.record.authored
        recent = written is not None and basis.clock.age_days(written.date.latest) <= within
        return recent or daily.doses_low * within >= 1

    def of(self, *classes: str) -> Medications:
        """Orders and statements of these drug classes, in and outside the session, with whether each counts.

        A source that could not be had does not hide the other: it is a gap of the answer.
        """
        entries, gaps = self._basis.memory.once("medications", self._read)
        return Medications(tuple(e for e in entries if e.order.product.classes.intersection(classes)), gaps)

    def _read(self) -> tuple[tuple[Entry, ...], tuple[DataUnavailable, ...]]:
        record = self._basis.record
        requests, statements = record.requests, record.statements
        entries = medications.sort_medications(self._basis.session.orders, requests.orders, statements.orders)
        return entries, tuple(gap for gap in (requests.gap, statements.gap) if gap is not None)

    def running(self, *classes: str) -> Medications:
        """Of what counts for certain, what has not ended: the drafts of the session and what is taken."""
        found = self.of(*classes)
        today = self._basis.clock.today
        running = tuple(
            e
            for e in found.entries
            if e.counts == "yes"
            and (e.order.session or (end := dosing.course(e.order.record, free_text=True).end) is None or end >= today)
        )
        return Medications(running, found.gaps)

    def present(self, *classes: str) -> Medications:
        """Of what is running, what may still be taken: without single doses that were ordered days ago."""
        found = self.running(*classes)
        return Medications(tuple(e for e in found.entries if not self._given(e.order)), found.gaps)

    def _given(self, order: Order) -> bool:
        """Whether it is a single dose on record, ordered so long ago, or nobody knows when, that it must be over."""
        basis = self._basis
        if order.session or not order.record.dosages:
            return False
        often = [doses_per_day(d, free_text_allowed=True) for d in order.record.dosages]
        if not all(o.one_off for o in often):
            return False
        written = order.record.authored
        within: int = basis.settings.orders.single_dose_days
        return written is None or basis.clock.age_days(written.date.latest) > within

    @staticmethod
    def begun(order: Order) -> datetime.date | None:
        """The day on which an order or statement began; None where nothing says it."""
        return dosing.course(order.record, free_text=True).start

    def antiresorptives(self) -> Antiresorptives:
        """Drugs against bone resorption in the session, running on record, and completed."""
        past = self.on_record(*antiresorptives.CLASSES)
        basis = self._basis
        entries = self.of(*antiresorptives.CLASSES).entries
        replaced = medications.replaced_by((*basis.session.orders, *basis.record.requests.orders))
        found = antiresorptives.treatments(entries, past.orders, replaced, basis.clock.today)
        return Antiresorptives(tuple(found), past.gaps)

    def on_record(self, *classes: str) -> History:
        """Every order and statement of these classes outside the session, finished ones too.

        What was cancelled, entered in error or not taken is left out, as is what is drafted again under its own id.
        """
        record = self._basis.record
        requests, statements = record.requests, record.statements
        drafts = {(o.record.type, o.record.id) for o in self._basis.session.orders if o.record.id}
        orders = tuple(
            o
            for o in (*requests.orders, *statements.orders)
            if o.product.classes.intersection(classes)
            and o.record.status not in _NEVER
            and medications.is_ordered(o.record)
            and (o.record.type, o.record.id) not in drafts
        )
        return History(orders, tuple(gap for gap in (requests.gap, statements.gap) if gap is not None))

    def renews(self, order: Order, *classes: str, within_days: int) -> bool:
        """Whether an order carries on treatment with these classes: it replaces an order, or one of them is active or
        was ordered, or ended, within so many days. Raises DataUnavailable where that cannot be told.
        """
        if order.record.prior_prescription is not None:
            return True
        history = self.on_record(*classes)
        if any(self._lately(past, within_days) for past in history.orders):
            return True
        if history.gaps:
            raise history.gaps[0]
        return False

    def _lately(self, past: Order, within_days: int) -> bool:
        clock, record = self._basis.clock, past.record
        if record.status == "intended":
            return False
        end = dosing.course(record, free_text=True).end
        if record.status == "active" and (end is None or end >= clock.today):
            return True
        days = [record.authored.date.latest] if record.authored else []
        if end is not None and record.status in _TAKEN:
            days.append(end)
        return any(clock.age_days(day) <= within_days for day in days)
