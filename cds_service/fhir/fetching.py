"""One request's own searches on the EHR's FHIR server: which key is asked for how, each once, side by side."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from functools import partial
from typing import Any

from .client import FetchFailed, FhirClient
from .elements import Reference
from .errors import DataFailed, DataWithheld
from .requirement import DataRequirement
from .resource import Version
from .scopes import READ, SEARCH, allows, allows_all
from .searchset import next_page

_PATIENT = "{{context.patientId}}"
_ID = re.compile(r"(?!\.+$)[A-Za-z0-9.-]{1,64}")  # FHIR's, less "." and "..", which mean something in an address
_MOST_REFERENCES = 50
# What the answer would have to say for itself when the token lets only a part of it be seen.
_A_PART = {
    "search": {"mode": "outcome"},
    "resource": {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "suppressed"}]},
}


class Fetching:
    """Asks the FHIR server for what prefetch did not bring. ``templates`` are the published prefetch queries by key."""

    def __init__(
        self, client: FhirClient, scope: str, templates: Mapping[str, str], patient_id: str, version: Version
    ) -> None:
        self._client = client
        self._scope = scope
        self._templates = templates
        self._patient_id = patient_id
        self._version = version
        self._begun: dict[str, Future[dict[str, Any]]] = {}
        self._read: dict[str, Mapping[str, Any] | None] = {}

    def start(self, requirements: Iterable[DataRequirement]) -> None:
        """Begins every search at once that is allowed and has not begun yet."""
        for requirement in requirements:
            if requirement.key not in self._begun and self._refusal(requirement) == "":
                self._begun[requirement.key] = self._client.start(partial(self._search, requirement))

    def value(self, requirement: DataRequirement) -> dict[str, Any]:
        """What the server says under a requirement, as prefetch would have brought it.

        Raises DataWithheld when it may not be asked, DataFailed when it gave no usable answer in time.
        """
        refusal = self._refusal(requirement)
        if refusal:
            raise DataWithheld(requirement.key, refusal)
        self.start((requirement,))
        try:
            return self._client.wait(self._begun[requirement.key])
        except FetchFailed as failed:
            raise DataFailed(requirement.key, failed.reason) from None

    def rest(self, requirement: DataRequirement, bundle: Mapping[str, Any]) -> Mapping[str, Any]:
        """A prefetched Bundle with the pages that follow it; as it came where they cannot be had."""
        if next_page(bundle) is None or requirement.newest is not None or self._refusal(requirement):
            return bundle
        try:
            return self._client.wait(self._client.start(lambda: self._client.rest(bundle, requirement.type, None)))
        except FetchFailed:
            return bundle

    def medication(self, reference: Reference) -> Mapping[str, Any] | None:
        """The Medication a reference on this server leads to; None when it cannot be had."""
        path = self._path(reference)
        if path is None or not allows(self._scope, "Medication", READ):
            return None
        if path not in self._read:
            try:
                self._read[path] = self._client.wait(self._client.start(lambda: self._client.read(path)))
            except FetchFailed:
                self._read[path] = None
        return self._read[path]

    def _refusal(self, requirement: DataRequirement) -> str:
        """Why a key may not be asked for; "" when it may."""
        if requirement.key not in self._templates:
            return "not sent in prefetch, and no query stands for it"
        if not _ID.fullmatch(self._patient_id):
            return "not sent in prefetch, and the patient's id cannot stand in a query"
        if not allows(self._scope, requirement.type, READ if requirement.by_id else SEARCH):
            return f"not sent in prefetch, and the token does not allow to read {requirement.type}"
        return ""

    def _search(self, requirement: DataRequirement) -> dict[str, Any]:
        query = self._templates[requirement.key].replace(_PATIENT, self._patient_id)
        if requirement.by_id:
            return self._client.read(query)
        bundle = self._client.search(query, requirement.newest)
        if requirement.include:
            self._include(bundle)
        if not allows_all(self._scope, requirement.type):
            bundle["entry"].append(_A_PART)
        return bundle

    def _include(self, bundle: dict[str, Any]) -> None:
        """Reads what an _include should have brought and did not, each by itself."""
        sent = {f"{r.get('resourceType')}/{r.get('id')}" for r in _resources(bundle)}
        wanted: dict[str, None] = {}
        for resource in _resources(bundle):
            for reference in self._version.medication_references(resource):
                path = self._path(reference)
                if path is not None and path not in sent:
                    wanted[path] = None
        if not allows(self._scope, "Medication", READ):
            return
        for resource in self._client.read_all(list(wanted)[:_MOST_REFERENCES]):
            url = f"{self._client.base}/{resource.get('resourceType')}/{resource.get('id')}"
            bundle["entry"].append({"fullUrl": url, "resource": resource, "search": {"mode": "include"}})

    def _path(self, reference: Reference) -> str | None:
        """Type and id of a Medication on this very server; None for anything else."""
        address = reference.reference.partition("/_history/")[0]
        if reference.type != "Medication" or not _ID.fullmatch(reference.id):
            return None
        path = f"Medication/{reference.id}"
        return path if address in (path, f"{self._client.base}/{path}") else None


def _resources(bundle: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    for entry in bundle.get("entry", ()):
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if isinstance(resource, dict):
            yield resource
