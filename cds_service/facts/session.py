"""The session: the orders being made now, which of them are judged, and what could not be read of them."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType

from ..fhir.elements import Concept
from ..fhir.source import Source
from .clock import Clock
from .memory import Memory
from .orders import SERVICE_REQUESTS, Order, OrderReader, selected, stands

_GONE = frozenset({"revoked", "completed", "entered-in-error"})


class Session:
    """The draft orders of one request; there are none when a chart is opened."""

    def __init__(
        self,
        memory: Memory,
        source: Source,
        fhir: ModuleType,
        reader: OrderReader,
        clock: Clock,
        hook: str,
        draft_orders: object,
        selections: Sequence[str] | None,
    ) -> None:
        self._memory = memory
        self._source = source
        self._fhir = fhir
        self._reader = reader
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
        return tuple(o for o in self.orders if o.trigger and stands(o.record) and not o.unidentified)

    @property
    def unidentified(self) -> tuple[Order, ...]:
        """Orders to be judged whose drug nothing names in a way that could be understood."""
        return tuple(o for o in self.orders if o.trigger and stands(o.record) and o.unidentified)

    @property
    def unreadable(self) -> int:
        """How many drafts could not be read at all."""
        return self._source.unreadable_drafts(self._draft_orders)

    @property
    def nutrition_ordered(self) -> bool:
        """Whether the session orders a diet or tube feed, whose calcium is not known."""
        return any(r.type == "NutritionOrder" for r in self._source.drafts(self._draft_orders))

    @property
    def requested(self) -> tuple[Concept, ...]:
        """What is asked for by the service requests that stand."""
        return self._memory.once("requested", self._read_requested)

    def _read_orders(self) -> tuple[Order, ...]:
        if self._hook == "patient-view":
            return ()
        drafts = self._source.drafts(self._draft_orders)
        choosing = self._hook == "order-select"
        wanted = selected(self._selections) if choosing else frozenset()
        chosen = [r.id != "" and ((r.type, r.id) in wanted or ("", r.id) in wanted) for r in drafts]
        everything = not any(chosen)
        orders = (
            self._reader.order(resource, session=True, trigger=everything or is_chosen)
            for resource, is_chosen in zip(drafts, chosen, strict=True)
        )
        return tuple(order for order in orders if order is not None)

    def _read_requested(self) -> tuple[Concept, ...]:
        drafts = self._source.drafts(self._draft_orders)
        records = [self._fhir.request_record(r, self._clock.zone) for r in drafts if r.type in SERVICE_REQUESTS]
        return tuple(record.code for record in records if not record.do_not_perform and record.status not in _GONE)
