"""Drugs against bone resorption: what a patient is on, and when a dose was or is to be given, as the orders tell."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator

from msgspec import Struct

from ..terminology.products import Product
from . import dosing
from .medications import Entry
from .orders import Order

BISPHOSPHONATES = ("iv-bisphosphonate", "oral-bisphosphonate", "other-bisphosphonate")
CLASSES = (*BISPHOSPHONATES, "denosumab", "serm")


class Treatment(Struct, frozen=True):
    """An order or statement of an antiresorptive drug.

    ``stage`` is "session" (ordered now), "active" (on record and running) or "given" (completed). ``day`` is the day
    of the dose, or of the first one: of an order in the session never before today; None where the record tells none.
    ``end`` is the last day where one is known, ``single`` whether it is a single dose.
    """

    order: Order
    stage: str
    day: datetime.date | None
    end: datetime.date | None
    single: bool

    @property
    def drug(self) -> str:
        """The generic name of the antiresorptive in the product, without vitamin D or calcium combined with it."""
        return antiresorptive_of(self.order.product)

    @property
    def label(self) -> str:
        """The medication as recorded."""
        return self.order.label

    @property
    def trigger(self) -> bool:
        """Whether it is to be judged."""
        return self.order.trigger

    def within(self, classes: Iterable[str]) -> bool:
        """Whether it belongs to one of these drug classes."""
        return not self.order.product.classes.isdisjoint(classes)


def antiresorptive_of(product: Product) -> str:
    """The ingredient that acts on bone: what is left of the product without its vitamin D and calcium."""
    beside = {content.substance for content in (*product.vitamin_d, *product.calcium)}
    return next((name for name in product.ingredients if name not in beside), product.label)


def treatments(
    entries: Iterable[Entry], past: Iterable[Order], replaced: Iterable[str], today: datetime.date
) -> Iterator[Treatment]:
    """What counts of the session and the record, and what was completed, without anything that has been replaced."""
    for entry in entries:
        if entry.counts == "yes":
            yield _treatment(entry.order, "session" if entry.order.session else "active", today)
    gone = frozenset(replaced)
    for order in past:
        if order.record.status == "completed" and order.source not in gone:
            yield _treatment(order, "given", today)


def _treatment(order: Order, stage: str, today: datetime.date) -> Treatment:
    span = dosing.course(order.record, free_text=True)
    single = dosing.is_single(order.record, today)
    day = max(today, span.start or today) if stage == "session" else span.start
    return Treatment(order, stage, day, span.end, single)
