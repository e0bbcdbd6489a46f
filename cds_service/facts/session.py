"""The session: the orders being made now, which of them are judged, and what could not be read of them."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType

from ..fhir.elements import RequestRecord
from ..fhir.reading import Resource
from ..fhir.source import Source
from ..terminology import Terminology
from ..terminology.requests import asked_for
from .clock import Clock
from .memory import Memory
from .orders import SERVICE_REQUESTS, Order, OrderReader, TestOrder, selected, stands

_GONE = frozenset({"revoked", "completed", "entered-in-error"})


class Session:
    """The draft orders of one request; there are none when a chart is opened.

    ``read_before`` are orders of another session of the same request: a draft that is in both is not read again.
    """

    def __init__(
        self,
        memory: Memory,
        source: Source,
        fhir: ModuleType,
        reader: OrderReader,
        terminology: Terminology,
        clock: Clock,
        hook: str,
        draft_orders: object,
        selections: Sequence[str] | None,
        read_before: Sequence[Order] = (),
    ) -> None:
        self._read_before = {id(order.resource.raw): order for order in read_before}
        self._memory = memory
        self._source = source
        self._fhir = fhir
        self._reader = reader
        self._terminology = terminology
        self._clock = clock
        self._hook = hook
        self._draft_orders = draft_orders
        self._selections = selections

    @property
    def orders(self) -> tuple[Order, ...]:
        """Every medication order, selected or not."""
        return self._memory.once("session", self._read_orders)

    @property
    def judged(self) -> tuple[Order, ...]:
        """The orders to be judged: on order-select the selected ones (all, if none is), on order-sign every one."""
        return self._memory.once("session-judged", self._read_judged)

    @property
    def unidentified(self) -> tuple[Order, ...]:
        """Orders to be judged whose drug nothing names in a way that could be understood."""
        return tuple(o for o in self.orders if o.trigger and stands(o.record) and o.unidentified)

    @property
    def unreadable(self) -> int:
        """How many drafts could not be read at all."""
        self._memory.take_session()
        return self._source.unreadable_drafts(self._draft_orders)

    @property
    def nutrition_ordered(self) -> bool:
        """Whether the session orders a diet or tube feed, whose calcium is not known."""
        self._memory.take_session()
        return any(r.type == "NutritionOrder" for r in self._source.drafts(self._draft_orders))

    @property
    def tests(self) -> tuple[TestOrder, ...]:
        """The tests and procedures asked for by the service requests that stand, selected or not."""
        return self._memory.once("session-tests", self._read_tests)

    @property
    def judged_tests(self) -> tuple[TestOrder, ...]:
        """The tests and procedures to be judged."""
        return tuple(test for test in self.tests if test.trigger)

    @property
    def judged_groups(self) -> frozenset[str]:
        """The drug classes of the orders to be judged, and the value sets of the tests to be judged."""
        return self._memory.once("session-groups", self._read_groups)

    def _read_judged(self) -> tuple[Order, ...]:
        return tuple(o for o in self.orders if o.trigger and stands(o.record) and not o.unidentified)

    def _read_groups(self) -> frozenset[str]:
        return frozenset().union(*(o.product.classes for o in self.judged), *(t.groups for t in self.judged_tests))

    def _read_orders(self) -> tuple[Order, ...]:
        self._memory.take_session()
        if self._hook == "patient-view":
            return ()
        orders = (self._order(resource, trigger) for resource, trigger in self._drafts())
        return tuple(order for order in orders if order is not None)

    def _order(self, resource: Resource, trigger: bool) -> Order | None:
        before = self._read_before.get(id(resource.raw))
        if before is not None and before.trigger == trigger:
            return before
        return self._reader.order(resource, session=True, trigger=trigger)

    def _read_tests(self) -> tuple[TestOrder, ...]:
        self._memory.take_session()
        if self._hook == "patient-view":
            return ()
        requests = ((r, trigger) for r, trigger in self._drafts() if r.type in SERVICE_REQUESTS)
        records = ((self._fhir.request_record(r, self._clock.zone), trigger) for r, trigger in requests)
        return tuple(
            test_order(record, self._terminology, session=True, trigger=trigger)
            for record, trigger in records
            if asked(record)
        )

    def _drafts(self) -> Sequence[tuple[Resource, bool]]:
        """Every draft, and whether it is to be judged: on order-select the selected ones, or all if none is."""
        drafts = self._source.drafts(self._draft_orders)
        if self._hook != "order-select":
            return [(resource, True) for resource in drafts]
        wanted = selected(self._selections)
        chosen = [r.id != "" and ((r.type, r.id) in wanted or ("", r.id) in wanted) for r in drafts]
        everything = not any(chosen)
        return [(resource, everything or one) for resource, one in zip(drafts, chosen, strict=True)]


def asked(record: RequestRecord) -> bool:
    """Whether a request stands and asks for something to be done."""
    return not record.do_not_perform and record.status not in _GONE


def test_order(record: RequestRecord, terminology: Terminology, *, session: bool, trigger: bool) -> TestOrder:
    """What a request asks for."""
    groups = asked_for(record.code.codings, record.code.texts, terminology.member)
    return TestOrder(record, groups, session, trigger)
