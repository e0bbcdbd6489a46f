"""The orders of the session: which are drafts, which of them are judged, and what drug each is for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..fhir.elements import MedicationRecord
from ..fhir.reading import Resource
from ..terminology.products import Product

# A draft with one of these was withdrawn before it was signed; every other status of a re-signed order stands.
_WITHDRAWN = frozenset({"cancelled", "stopped", "completed", "entered-in-error"})


@dataclass(frozen=True, slots=True, eq=False)
class Order:
    """A medication order or statement with the drug it names.

    ``session`` is True for what is being ordered now, ``trigger`` for what a rule is asked to judge.
    """

    record: MedicationRecord
    product: Product
    resource: Resource
    session: bool
    trigger: bool

    def __str__(self) -> str:
        return self.label

    @property
    def source(self) -> str:
        """Type and id, as an action names it: "MedicationRequest/123"."""
        return self.record.source

    @property
    def label(self) -> str:
        """The medication as the record names it."""
        return self.product.label

    @property
    def drug(self) -> str:
        """The generic name for a sentence: the ingredients, else the label."""
        return " / ".join(self.product.ingredients) or self.product.label

    @property
    def can_be_removed(self) -> bool:
        """Whether a suggestion may delete it: only a draft of this session that can be named."""
        return self.session and bool(self.record.id)


def stands(record: MedicationRecord) -> bool:
    """Whether a resource of the session is an order to give something."""
    return not record.do_not_perform and not record.unknown_modifier and record.status not in _WITHDRAWN


def selected(resource_type: str, resource_id: str, selections: Iterable[str] | None) -> bool:
    """Whether ``selections`` names this draft; ids come as "Type/id" or bare."""
    wanted = set(selections or ())
    return bool(resource_id) and (resource_id in wanted or f"{resource_type}/{resource_id}" in wanted)
