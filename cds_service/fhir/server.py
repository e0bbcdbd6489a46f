"""A FHIR server that may be asked: what is registered of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FhirServer:
    """A FHIR server that may be asked: its base URL without a slash at the end, whether its address may lie in a
    private network, and whether searches go by POST.
    """

    url: str
    private_network: bool = False
    post_search: bool = False
