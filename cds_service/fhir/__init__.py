"""What the EHR knows, read from FHIR: one module per FHIR version, chosen here."""

from __future__ import annotations

import importlib
from types import ModuleType

from .errors import DataFailed, DataNotOffered, DataUnavailable, DataUnreadable, DataWithheld, OutOfTime

__all__ = ["DataFailed", "DataNotOffered", "DataUnavailable", "DataUnreadable", "DataWithheld", "OutOfTime", "version"]

_MODULES = {"4.0.1": "r4"}


def version(fhir_version: str) -> ModuleType:
    """The module that reads and writes this FHIR version, such as "4.0.1".

    Raises ValueError, naming the known versions, for any other.
    """
    name = _MODULES.get(fhir_version)
    if name is None:
        known = ", ".join(_MODULES)
        raise ValueError(f"FHIR version {fhir_version!r} is not known; known: {known}")
    return importlib.import_module(f".{name}", __name__)
