"""The orders of the session: which are drafts, which of them are judged, and what drug each is for."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable
from dataclasses import replace
from types import ModuleType
from typing import Any

from msgspec import Struct, field

from ..fhir.elements import Concept, MedicationRecord, Quantity, RequestRecord
from ..fhir.reading import Resource
from ..fhir.source import Source
from ..terminology import Terminology, units
from ..terminology.codes import LOINC, Coding
from ..terminology.products import Product
from . import directions, dosing

_ID = re.compile(r"[A-Za-z0-9.-]{1,64}")
# Words in which a visit for an infusion is ordered, and words that make it talk about one.
_INFUSION = re.compile(r"\b(infus\w*|inject\w*|iv|ivpb|intravenous\w*|administ\w*)\b", re.IGNORECASE)
_ABOUT = re.compile(
    r"\b(consult\w*|discuss\w*|pre|prior|before|after|lab\w*|dxa|refer\w*|follow\w*|monitor\w*|check\w*|eval\w*"
    r"|review\w*|educat\w*|author\w*|vs|or|if)\b",
    re.IGNORECASE,
)

# What is given at a visit, and so may be ordered as one.
_GIVEN_BY_VISIT = frozenset({"iv-bisphosphonate", "denosumab"})

# Calcium that is never a phosphate binder, whatever its order says; and the coded reasons that make another one.
_NO_BINDER = frozenset({"calcium-parenteral", "multivitamin"})
_BINDER_REASONS = ("hyperphosphataemia", "phosphorus-disorder")

MEDICATION_ORDERS = frozenset({"MedicationRequest", "MedicationOrder", "MedicationStatement"})
SERVICE_REQUESTS = frozenset({"ServiceRequest", "ProcedureRequest"})

# A draft with one of these was withdrawn before it was signed; every other status of a re-signed order stands.
_WITHDRAWN = frozenset({"cancelled", "stopped", "completed", "entered-in-error"})


class Order(Struct, frozen=True, eq=False):
    """A medication order or statement with the drug it names.

    ``session`` is True for what is being ordered now, ``trigger`` for what a rule is asked to judge. ``memo`` is for
    whoever works something out of it that several questions need; it goes with the request.
    """

    record: MedicationRecord
    product: Product
    resource: Resource
    session: bool
    trigger: bool
    memo: dict[str, Any] = field(default_factory=dict)

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
    def unidentified(self) -> bool:
        """Whether nothing names its drug in a way that is understood, or an unknown modifier may change its meaning."""
        record = self.record
        unreadable = record.unresolved or "medication" in record.unreadable
        return unreadable or record.unknown_modifier or not self.product.identified

    @property
    def meals(self) -> frozenset[str]:
        """What its directions say of meals: "with" (during or right after), "before", "apart"; empty if nothing."""
        return directions.meals(self.record)

    @property
    def is_scheduled(self) -> bool:
        """Whether its directions say how often it is taken, not only when needed or once."""
        return directions.is_scheduled(self.record)

    @property
    def is_as_needed(self) -> bool:
        """Whether it is taken when needed only."""
        return directions.is_as_needed(self.record)

    def keeps_apart_from(self, kind: str, names: Iterable[str]) -> bool:
        """Whether its directions already tell to keep it apart from a drug of this class, or called by these names."""
        return directions.keeps_apart(self.record, kind, names)

    @property
    def can_be_removed(self) -> bool:
        """Whether a suggestion may change or delete it: only a draft of this session that can be named."""
        named = _ID.fullmatch(self.record.id) is not None
        return (
            self.session and named and self.record.status in ("", "draft") and self.record.type != "MedicationStatement"
        )


class TestOrder(Struct, frozen=True, eq=False):
    """A test or procedure that is asked for: the value sets it belongs to, a panel's members among them."""

    __test__ = False  # not a test of ours

    record: RequestRecord
    groups: frozenset[str]
    session: bool
    trigger: bool

    def __str__(self) -> str:
        return self.label

    @property
    def source(self) -> str:
        """Type and id, as an action names it: "ServiceRequest/123"."""
        return self.record.source

    @property
    def label(self) -> str:
        """The test as the record names it."""
        return self.record.code.label

    @property
    def drug(self) -> str:
        """What a sentence calls it: the test's name."""
        return self.label

    @property
    def day(self) -> datetime.date | None:
        """The first day on which it may happen, where that is said."""
        when = self.record.occurrence
        return when.start.date.earliest if when and when.start else None

    def is_ahead(self, today: datetime.date, within_days: int) -> bool:
        """Whether it may still happen, today or within so many days; what says no day may."""
        when = self.record.occurrence
        over = when is not None and when.end is not None and when.end.date.latest < today
        return not over and (self.day is None or (self.day - today).days <= within_days)

    @property
    def can_be_removed(self) -> bool:
        """Whether a suggestion may delete it: only a draft of this session that can be named."""
        named = _ID.fullmatch(self.record.id) is not None
        return self.session and named and self.record.status in ("", "draft")


def stands(record: MedicationRecord) -> bool:
    """Whether a resource of the session is an order to give something."""
    return not record.do_not_perform and record.status not in _WITHDRAWN


def selected(selections: Iterable[str] | None) -> frozenset[tuple[str, str]]:
    """What ``selections`` names, as type ("" when it does not say) and id: bare, relative, absolute or versioned."""
    found = set()
    for selection in selections or ():
        *_, kind, wanted = f"/{selection.partition('/_history/')[0]}".rsplit("/", 2)
        found.add((kind, wanted))
    return frozenset(found)


class OrderReader:
    """Reads resources of one request into orders."""

    def __init__(self, fhir: ModuleType, terminology: Terminology, source: Source, zone: datetime.tzinfo) -> None:
        self._fhir = fhir
        self._terminology = terminology
        self._source = source
        self._zone = zone

    def order(self, resource: Resource, *, session: bool, trigger: bool) -> Order | None:
        """The order a resource is; None for what is no medication order, and where no drug has been chosen yet.

        None also for an order on record (not ``session``) of a drug that is of no interest here.
        """
        if resource.type in SERVICE_REQUESTS:
            return self._infusion(resource, session=session, trigger=trigger)
        if resource.type not in MEDICATION_ORDERS:
            return None
        foreign = self._foreign(resource)
        if foreign is not None:
            return Order(*foreign, resource, session, trigger) if session else None
        record = self._fhir.medication_record(resource, self._source.resolve, self._zone)
        unreadable = record.unresolved or "medication" in record.unreadable
        if record.medication is None and not unreadable:
            return None
        return Order(record, self._product(record), resource, session, trigger)

    def _foreign(self, resource: Resource) -> tuple[MedicationRecord, Product] | None:
        """An order that is certainly for a drug that no rule knows: its directions need not be read."""
        record: MedicationRecord | None = self._fhir.drug_alone(resource)
        if record is None or record.medication is None:
            return None
        product = self._terminology.medication(record.medication.codings, record.medication.texts)
        return (record, product) if product.identified and not product.ingredients else None

    def _infusion(self, resource: Resource, *, session: bool, trigger: bool) -> Order | None:
        """An infusion visit ordered as a procedure, recognised by the drug's own code or name."""
        request = self._fhir.request_record(resource, self._zone)
        if any(coding.system == LOINC for coding in request.code.codings):
            return None
        texts = tuple(t for t in request.code.texts if _INFUSION.search(t) and not _ABOUT.search(t))
        codings = tuple(Coding(c.system, c.code) for c in request.code.codings)
        product = self._terminology.medication(codings, texts, route_hint="iv")
        if not product.classes & _GIVEN_BY_VISIT:
            return None
        record = MedicationRecord(
            source=request.source,
            type=resource.type,
            id=request.id,
            status=request.status,
            intent=request.intent,
            do_not_perform=request.do_not_perform,
            medication=request.code,
        )
        return Order(record, product, resource, session, trigger)

    def _product(self, record: MedicationRecord) -> Product:
        medication = record.medication or Concept()
        route = next((d.route.label for d in record.dosages if d.route), "")
        form = record.form.label if record.form else _counted_form(record)
        product = self._terminology.medication(
            medication.codings,
            medication.texts,
            route_hint=route,
            form_hint=form,
            dose_hint=dosing.stated_mg(record.dosages),
        )
        if "calcium" in product.classes and not product.classes & _NO_BINDER and self._is_binder(record):
            return replace(product, classes=product.classes | {"calcium-binder"})
        return product

    def _is_binder(self, record: MedicationRecord) -> bool:
        """Whether the order says that calcium is given to bind phosphate; the salt by itself does not tell."""
        reasons = [coding for reason in record.reasons for coding in reason.codings]
        coded = any(self._terminology.member(group, reasons) for group in _BINDER_REASONS)
        return coded or directions.binds_phosphate(record)


def _counted_form(record: MedicationRecord) -> str:
    """The form a dose is counted in ("tablet"), where the dose says it."""
    for dosage in record.dosages:
        for said in dosage.doses:
            if isinstance(said.dose, Quantity) and units.dose_unit(said.dose.code, said.dose.unit) == "1":
                return (said.dose.unit or said.dose.code).strip("{}")
    return ""
