"""What the patient takes and is about to: which orders and statements count, and why the others do not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from ..fhir.elements import MedicationRecord, Reference
from .orders import Order, stands

_HISTORY = frozenset({"draft", "completed", "stopped", "cancelled", "entered-in-error"})
_INTENTS = frozenset({"", "order", "original-order", "reflex-order", "filler-order", "instance-order"})
_STATEMENT_COUNTS = {"active": "yes", "intended": "high-only", "unknown": "high-only", "": "high-only"}
_REQUEST_COUNTS = {"active": "yes", "unknown": "high-only", "": "high-only"}


class Entry(Struct, frozen=True):
    """One order or statement and whether it counts: "yes", "high-only" (only in the high estimate) or "no".

    ``reason`` is the code of why it does not count fully: "replaced", "on-hold", "same-order", …; ``duplicate`` marks
    an order that says the same as another one without any link between them.
    """

    order: Order
    counts: str
    reason: str = ""
    duplicate: bool = False


def sort_medications(
    session: Sequence[Order], requests: Sequence[Order], statements: Sequence[Order]
) -> tuple[Entry, ...]:
    """Decides for each order and statement whether it counts; the session comes first, history is left out."""
    entries = [_session_entry(order) for order in session]
    in_session = {order.source for order in session if order.record.id}
    replaced = replaced_by((*session, *requests))
    for order in requests:
        if order.source in in_session or order.record.status in _HISTORY:
            continue
        entries.append(_request_entry(order, replaced))
    counted = _Counted()
    once = list(_chains_once(entries, counted))
    once += _statement_entries([s for s in statements if s.record.status in _STATEMENT_COUNTS], counted)
    return tuple(_mark_duplicates(once))


def is_ordered(record: MedicationRecord) -> bool:
    """Whether it is an order or a statement of something taken, not a plan, a proposal or its opposite."""
    return not record.do_not_perform and not record.unknown_modifier and record.intent in _INTENTS


def replaced_by(orders: Iterable[Order]) -> set[str]:
    """Type and id of everything that one of these orders replaces."""
    return {_key(prior) for o in orders if (prior := o.record.prior_prescription) and _replaces(o)}


def _replaces(order: Order) -> bool:
    return stands(order.record) and (order.session or order.record.status == "active")


def _session_entry(order: Order) -> Entry:
    record = order.record
    if record.do_not_perform:
        return Entry(order, "no", "do-not-perform")
    if not stands(record):
        return Entry(order, "no", "withdrawn")
    if record.unknown_modifier:
        return Entry(order, "no", "modified-order")
    if record.intent not in _INTENTS:
        return Entry(order, "no", "not-an-order")
    return Entry(order, "yes")


def _request_entry(order: Order, replaced: set[str]) -> Entry:
    record = order.record
    if record.do_not_perform:
        return Entry(order, "no", "do-not-perform")
    if record.id and record.source in replaced:
        return Entry(order, "no", "replaced")
    if record.status == "on-hold":
        return Entry(order, "no", "on-hold")
    if record.intent not in _INTENTS:
        return Entry(order, "no", "not-an-order")
    counts = _REQUEST_COUNTS.get(record.status, "no")
    return Entry(order, counts, "" if counts == "yes" else "status-unknown")


class _Counted:
    """The orders that count so far, by what joins them to others."""

    def __init__(self) -> None:
        self._ids: set[tuple[str, tuple[str, ...]]] = set()
        self._linked: set[tuple[str, tuple[str, ...]]] = set()
        self._groups: dict[tuple[str, tuple[str, ...]], set[str]] = {}
        self._products: set[tuple[tuple[str, ...], object]] = set()

    def add(self, order: Order) -> None:
        record = order.record
        drug = order.product.ingredients
        self._ids.add((record.source, drug))
        self._linked.update((_key(link), drug) for link in record.linked)
        if record.group:
            self._groups.setdefault((record.group, order.product.ingredients), set()).add(record.intent)
        self._products.add(_product(order))

    def holds(self, order: Order) -> bool:
        """Whether this is the same clinical order as one that counts already: original, filler, instance, statement."""
        record = order.record
        if self.linked_to(order) or (record.id and (record.source, order.product.ingredients) in self._linked):
            return True
        # A group identifier also joins different drugs of one prescription; only a different intent makes one order.
        intents = self._groups.get((record.group, order.product.ingredients), set()) if record.group else set()
        return bool(intents - {record.intent})

    def linked_to(self, order: Order) -> bool:
        """Whether it refers to an order of the same drug that counts."""
        return any((_key(link), order.product.ingredients) in self._ids for link in order.record.linked)

    def same_product(self, order: Order) -> bool:
        """Whether an order of the same product counts."""
        return _product(order) in self._products


def _product(order: Order) -> tuple[tuple[str, ...], object]:
    return order.product.ingredients, order.product.calcium


def _chains_once(entries: Iterable[Entry], counted: _Counted) -> Iterator[Entry]:
    for entry in entries:
        if entry.counts == "no":
            yield entry
        elif counted.holds(entry.order):
            yield Entry(entry.order, "no", "same-order")
        else:
            counted.add(entry.order)
            yield entry


def _statement_entries(statements: Iterable[Order], counted: _Counted) -> Iterator[Entry]:
    """Each statement; one recorded a second time, word for word, may be the same and counts as possible only."""
    seen: set[object] = set()
    for order in statements:
        entry = _statement_entry(order, counted)
        content = (order.product.label.casefold(), order.record.dosages)
        again = entry.counts == "yes" and content in seen
        seen.add(content)
        yield Entry(order, "high-only", "maybe-same-as-order") if again else entry


def _statement_entry(order: Order, counted: _Counted) -> Entry:
    if counted.linked_to(order):
        return Entry(order, "no", "same-order")
    if _STATEMENT_COUNTS[order.record.status] == "high-only":
        return Entry(order, "high-only", "intended" if order.record.status == "intended" else "status-unknown")
    if counted.same_product(order):
        return Entry(order, "high-only", "maybe-same-as-order")
    return Entry(order, "yes")


def _mark_duplicates(entries: Iterable[Entry]) -> Iterable[Entry]:
    seen: set[object] = set()
    for entry in entries:
        record = entry.order.record
        content = (entry.order.product.label.casefold(), record.dosages)
        duplicate = entry.counts == "yes" and record.type == "MedicationRequest" and content in seen
        if entry.counts == "yes":
            seen.add(content)
        yield Entry(entry.order, entry.counts, entry.reason, duplicate)


def _key(reference: Reference) -> str:
    """Type and id, as ``MedicationRecord.source`` has them; a reference to anything else joins no medications."""
    return f"{reference.type}/{reference.id}" if reference.type and reference.id else reference.reference
