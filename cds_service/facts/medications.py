"""What the patient takes and is about to: which orders and statements count, and why the others do not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..fhir.elements import Reference
from .orders import Order, stands

_HISTORY = frozenset({"draft", "completed", "stopped", "cancelled", "entered-in-error"})
_INTENTS = frozenset({"", "order", "original-order", "reflex-order", "filler-order", "instance-order"})
_STATEMENT_COUNTS = {"active": "yes", "intended": "high-only", "unknown": "high-only", "": "high-only"}
_REQUEST_COUNTS = {"active": "yes", "unknown": "high-only", "": "high-only"}


@dataclass(frozen=True, slots=True)
class Entry:
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
    in_session = {order.record.id for order in session if order.record.id}
    replaced = {_key(r) for o in (*session, *requests) if (r := o.record.prior_prescription) and _replaces(o)}
    for order in requests:
        if order.record.id in in_session or order.record.status in _HISTORY:
            continue
        entries.append(_request_entry(order, replaced))
    _count_chains_once(entries)
    entries.extend(_statement_entry(order, entries) for order in statements if order.record.status in _STATEMENT_COUNTS)
    return tuple(_mark_duplicates(entries))


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
    if record.id and record.id in replaced:
        return Entry(order, "no", "replaced")
    if record.status == "on-hold":
        return Entry(order, "no", "on-hold")
    if record.intent not in _INTENTS:
        return Entry(order, "no", "not-an-order")
    counts = _REQUEST_COUNTS.get(record.status, "no")
    return Entry(order, counts, "" if counts == "yes" else "status-unknown")


def _count_chains_once(entries: list[Entry]) -> None:
    """Original, filler and instance order of one prescription are one clinical order; the first of them counts."""
    for index, entry in enumerate(entries):
        if entry.counts == "no":
            continue
        if any(_one_order(entry.order, other.order) for other in entries[:index] if other.counts != "no"):
            entries[index] = Entry(entry.order, "no", "same-order")


def _one_order(a: Order, b: Order) -> bool:
    if _points_at(a, b) or _points_at(b, a):
        return True
    same_group = a.record.group and a.record.group == b.record.group
    # A group identifier also joins different drugs of one prescription; only a different intent makes it one order.
    return bool(same_group and a.record.intent != b.record.intent and a.product.ingredients == b.product.ingredients)


def _points_at(a: Order, b: Order) -> bool:
    return bool(b.record.id) and any(_key(link) == b.record.id for link in a.record.linked)


def _statement_entry(order: Order, counted: Iterable[Entry]) -> Entry:
    orders = [entry.order for entry in counted if entry.counts != "no"]
    if any(_points_at(order, other) for other in orders):
        return Entry(order, "no", "same-order")
    if _STATEMENT_COUNTS[order.record.status] == "high-only":
        return Entry(order, "high-only", "intended" if order.record.status == "intended" else "status-unknown")
    if any(_same_product(order, other) for other in orders):
        return Entry(order, "high-only", "maybe-same-as-order")
    return Entry(order, "yes")


def _same_product(a: Order, b: Order) -> bool:
    return a.product.ingredients == b.product.ingredients and a.product.calcium == b.product.calcium


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
    return reference.id or reference.reference
