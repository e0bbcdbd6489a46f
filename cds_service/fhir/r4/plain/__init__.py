"""Resources whose structure is certainly sound, recognised at a fraction of what the R4 models cost.

What is recognised here, the R4 models find no fault with, and none of it is too long to be read. What is not recognised
may be sound all the same: its elements are rarer than those described here, and the models have the word.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic_core import SchemaValidator

from .datatypes import DEFINITIONS
from .resources import RESOURCES, TAKEN_RESULT
from .shapes import recogniser

__all__ = ["TYPES", "is_plain", "is_taken_result", "warm"]

TYPES = frozenset(RESOURCES)


def is_plain(type_name: str, received: Mapping[str, Any]) -> bool:
    """Whether this resource, as received, is certainly a sound one of this type; False says nothing."""
    if type_name not in TYPES:
        return False
    known = _recogniser(type_name)
    if known.isinstance_python(received):
        return True
    # Extensions of the primitive elements of a resource are never read.
    read = {name: value for name, value in received.items() if name[:1] != "_"}
    return len(read) < len(received) and known.isinstance_python(read)


def is_taken_result(received: Mapping[str, Any]) -> bool:
    """Whether status, code and effectiveDateTime of an Observation that stands are certainly sound, whatever the rest
    of it is; False says nothing.
    """
    return _taken_result().isinstance_python(received)


def warm() -> None:
    """Build what recognises each type, so that no request pays for it."""
    for type_name in TYPES:
        _recogniser(type_name)
    _taken_result()


@cache
def _recogniser(type_name: str) -> SchemaValidator:
    return recogniser(RESOURCES[type_name], DEFINITIONS)


@cache
def _taken_result() -> SchemaValidator:
    return recogniser(TAKEN_RESULT, DEFINITIONS)
