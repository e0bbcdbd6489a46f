"""A requirement as an R4 query: a prefetch template that every client can resolve."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from ...terminology.codes import Coding
from ..requirement import DataRequirement

_PATIENT = "{{context.patientId}}"
_READABLE_BY_ID = frozenset({"Patient"})

# type: (the date parameter it is sorted by, the parameter of its status)
_SEARCHABLE = {
    "AllergyIntolerance": ("date", "clinical-status"),
    "Condition": ("recorded-date", "clinical-status"),
    "DiagnosticReport": ("date", "status"),
    "MedicationAdministration": ("effective-time", "status"),
    "MedicationRequest": ("authoredon", "status"),
    "MedicationStatement": ("effective", "status"),
    "Observation": ("date", "status"),
    "Procedure": ("date", "status"),
    "ServiceRequest": ("authored", "status"),
}
_INCLUDES = frozenset({"MedicationRequest:medication", "MedicationStatement:medication"})

# Everything that could end a token, a parameter or a template.
_UNSAFE = re.compile(r"[\s,|$\\&#%+{}?=<>\"]")

Codes = Callable[[str], Iterable[Coding]]


def query(requirement: DataRequirement, codes: Codes) -> str:
    """The prefetch template of a requirement, such as ``Condition?patient={{context.patientId}}``.

    ``codes`` gives the members of a value set by its id. Raises ValueError for anything that not every client
    understands: another type, another include, a code that needs escaping, a value set without codes.
    """
    if requirement.by_id:
        return _read(requirement)
    if requirement.type not in _SEARCHABLE:
        raise ValueError(
            f"{requirement.key}: no search for {requirement.type}; known: {', '.join(sorted(_SEARCHABLE))}"
        )
    date, status = _SEARCHABLE[requirement.type]
    parameters = [f"patient={_PATIENT}"]
    if requirement.value_sets:
        parameters.append(f"code={_tokens(requirement, codes)}")
    if requirement.status:
        parameters.append(f"{status}={','.join(_safe(requirement, value) for value in requirement.status)}")
    if requirement.newest is not None:
        if requirement.newest < 1:
            raise ValueError(f"{requirement.key}: newest must be at least 1, not {requirement.newest}")
        parameters += [f"_sort=-{date}", f"_count={requirement.newest}"]
    for include in requirement.include:
        if include not in _INCLUDES or not include.startswith(f"{requirement.type}:"):
            raise ValueError(f"{requirement.key}: {include} is not an include that clients have to understand")
        parameters.append(f"_include={include}")
    return f"{requirement.type}?{'&'.join(parameters)}"


def _read(requirement: DataRequirement) -> str:
    limits = (requirement.value_sets, requirement.status, requirement.include, requirement.newest)
    if requirement.type not in _READABLE_BY_ID or any(limits):
        raise ValueError(f"{requirement.key}: only the patient is read by id, and without further parameters")
    return f"{requirement.type}/{_PATIENT}"


def _tokens(requirement: DataRequirement, codes: Codes) -> str:
    tokens: dict[str, None] = {}
    for value_set in requirement.value_sets:
        members = tuple(codes(value_set))
        if not members:
            raise ValueError(f"{requirement.key}: value set {value_set} has no codes: it would ask for everything")
        for member in members:
            code = _safe(requirement, member.code)
            tokens[f"{_safe(requirement, member.system)}|{code}" if member.system else code] = None
    return ",".join(tokens)


def _safe(requirement: DataRequirement, text: str) -> str:
    if not text or _UNSAFE.search(text):
        raise ValueError(f"{requirement.key}: {text!r} cannot stand in a query as it is")
    return text
