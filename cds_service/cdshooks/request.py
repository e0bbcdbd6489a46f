"""One call of a service, read from the JSON that a client sends."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from .. import schemas

Json = dict[str, Any]

_PATIENT = re.compile(r"(?:.*/)?Patient/([^/]*)(?:/_history/.*)?", re.DOTALL)


class OtherPatient(Exception):
    """A prefetched Patient is not the patient of the context; ``key`` is where it lies."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


@dataclass(frozen=True, slots=True)
class Request:
    """One call of a service. What is absent is "" or None; whatever may tell of a patient is kept out of ``repr``.

    ``patient_id`` is a bare FHIR id, ``user_id`` and ``selections`` are as sent ("Type/id" or a bare id).
    ``selections`` and ``draft_orders`` are None where the client sent none. ``prefetch`` is as sent.
    ``access_token`` is the one lent for ``fhir_server``.
    """

    hook: str
    hook_instance: str
    patient_id: str = field(repr=False)
    user_id: str = field(default="", repr=False)
    encounter_id: str = field(default="", repr=False)
    selections: tuple[str, ...] | None = field(default=None, repr=False)
    draft_orders: Mapping[str, Any] | None = field(default=None, repr=False)
    fhir_server: str = ""
    access_token: str = field(default="", repr=False)
    scope: str = ""
    prefetch: Mapping[str, object] = field(default_factory=dict, repr=False)
    context: Mapping[str, Any] = field(default_factory=dict, repr=False)


def parse_request(body: object) -> Request:
    """Reads the body of a service call; raises schemas.Invalid where it has no meaning.

    What has one possible meaning is read as meant: empty lists and nulls for absent objects, "Patient/123" for "123",
    one entry for a list of it. What lies under a prefetch key is not looked at.
    """
    schemas.check(body, "request")
    document: Json = body  # type: ignore[assignment]  # the schema has just said so
    hook, context = document["hook"], document["context"]
    _check_context(context, hook)
    server = (document.get("fhirServer") or "").strip().rstrip("/")
    # A token without the server it is for cannot be used, whoever sent it.
    lent = (document.get("fhirAuthorization") or {}) if server else {}
    return Request(
        hook=hook,
        hook_instance=document["hookInstance"],
        patient_id=_patient_id(context["patientId"]),
        user_id=context.get("userId") or "",
        encounter_id=context.get("encounterId") or "",
        selections=_selections(context) if hook == "order-select" else None,
        draft_orders=_draft_orders(context) if hook in ("order-select", "order-sign") else None,
        fhir_server=server,
        access_token=(lent.get("access_token") or "").strip(),
        scope=lent.get("scope") or "",
        prefetch=document.get("prefetch") or {},
        context=context,
    )


def refuse_other_patient(request: Request, keys: Collection[str]) -> None:
    """Raises OtherPatient if a Patient under one of ``keys`` has another id than the context's patient."""
    for key in keys:
        resource = request.prefetch.get(key)
        if not isinstance(resource, dict) or resource.get("resourceType") != "Patient":
            continue
        identifier = resource.get("id")
        if isinstance(identifier, str) and identifier.strip() and _patient_id(identifier) != request.patient_id:
            raise OtherPatient(key)


def _check_context(context: Json, hook: str) -> None:
    name = f"context-{hook}"
    # A hook without a schema of its own is one we do not offer; its patient is all that is looked at here.
    schemas.check(context, name if name in schemas.names() else "context-patient-view", at="context")
    if not _patient_id(context["patientId"]):
        raise schemas.Invalid("context.patientId", "the FHIR id of the patient", "a reference without an id")


def _patient_id(sent: str) -> str:
    bare = sent.strip()
    match = _PATIENT.fullmatch(bare) if "/" in bare else None
    return match.group(1) if match else bare


def _selections(context: Json) -> tuple[str, ...] | None:
    return tuple(selection.strip() for selection in context.get("selections") or () if selection.strip()) or None


def _draft_orders(context: Json) -> Json | None:
    bundle: Json | None = context.get("draftOrders")
    if bundle is None:
        return None
    entry = bundle.get("entry")
    if isinstance(entry, Mapping):
        return {**bundle, "entry": [entry]}
    return bundle
