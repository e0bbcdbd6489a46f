"""What data to ask for, said without a query string."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DataRequirement:
    """Resources of one type under one prefetch key (FHIR: DataRequirement).

    ``value_sets`` are ids of value sets one of whose codes the resource must carry; ``status`` the statuses wanted
    (none: all); ``newest`` how many of the newest are enough (None: all of them); ``include`` referenced resources to
    send along, such as "MedicationRequest:medication"; ``by_id`` reads the context's patient instead of searching.
    """

    key: str
    type: str
    value_sets: tuple[str, ...] = ()
    status: tuple[str, ...] = ()
    newest: int | None = None
    include: tuple[str, ...] = ()
    by_id: bool = False
